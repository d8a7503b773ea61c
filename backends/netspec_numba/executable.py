"""A plan in memory: one arena, a view of it for every value, a launch for every step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numba
import numpy as np

from netspec.core.graph import Region, Value
from netspec.plan import Plan, Step
from netspec_numba.contract import Array, Call, Launch, Operand, Prepared, Request, calls_of
from netspec_numba.host import check_memory
from netspec_numba.kernels import find
from netspec_numba.native import stretches
from netspec_numba.small_steps import is_small
from netspec_numba.state import NumbaState, aligned

REGIONS: tuple[Region, ...] = ("forward", "backward", "update")
NOTHING: Mapping[int, Callable[[], None]] = {}
"""What is done after the steps of a run that nobody looks into."""


class NumbaExecutable:
    """Runs a plan's steps, region by region, for the live samples of a batch."""

    def __init__(self, plan: Plan, state: NumbaState, threads: int) -> None:
        self._plan = plan
        self._threads = threads
        check_memory(plan.arena_bytes)
        self._arena = aligned(plan.arena_bytes)
        self._arrays = self._views(state)
        self._state = state
        self._prepares: list[Callable[[], None]] = []
        self._prepared_version = -1
        """The version of the state that kept workspaces were computed from."""
        self._writes = any(slot.written is not None for slot in plan.graph.slots)
        self._launches: dict[Region, list[tuple[int, Launch, int]]] = {region: [] for region in REGIONS}
        """By region, the place in the plan, what is run, and by how many threads."""
        for place, step in enumerate(plan.steps):
            launch = self._build(step)
            if step.constant:
                self._prepares.append(partial(launch, 1))
            else:
                shared = 1 if is_small(step, plan.batch) else threads
                self._launches[step.node.region].append((place, launch, shared))
        self._samples = 0
        self._native: dict[tuple[int, tuple[Region, ...]], tuple[Callable[[], None], ...]] = {}
        """By samples and regions of runs that there were, what makes all their calls; empty until there is a second."""

    def _views(self, state: NumbaState) -> dict[Value, Array]:
        """A flat array for every value, in the arena or in the state."""
        found: dict[Value, Array] = {}
        held = {}
        for slot in self._plan.graph.slots:
            found[slot.value] = state.hold(slot)
            if slot.written is not None:
                held[slot.written] = found[slot.value]
        graph = self._plan.graph
        for value in (*graph.inputs, *graph.scalars, *(v for node in graph.nodes for v in node.outputs)):
            if value in held:
                found[value] = held[value]
                continue
            buffer = self._plan.buffers[self._plan.values[value.name]]
            size = value.type.bytes(self._plan.batch)
            found[value] = self._arena[buffer.offset : buffer.offset + size].view(value.type.dtype)
        return found

    def _build(self, step: Step) -> Launch:
        node, plan = step.node, self._plan
        scratch = {}
        for name, index in step.scratch.items():
            buffer = plan.buffers[index]
            scratch[name] = self._arena[buffer.offset : buffer.offset + buffer.bytes].view(np.float32)
        residual = () if node.residual is None else (node.residual,)
        inputs, outputs, added, loaded = (
            tuple(Operand(v.type, self._arrays[v]) for v in values)
            for values in (node.operands, node.outputs, residual, node.loaded)
        )
        request = Request(node.attrs, inputs, outputs, plan.batch, self._threads, scratch)
        if node.epilogue is not None:
            request = replace(request, epilogue=node.epilogue, residual=next(iter(added), None))
        if node.prologue is not None:
            request = replace(request, prologue=node.prologue, loaded=loaded)
        launch = find(node.attrs, step.algorithm).build(request)
        if not (step.kept and isinstance(launch, Prepared)):
            return launch
        self._prepares.append(partial(launch.prepare, 1))
        return launch.launch

    def run(
        self,
        inputs: Mapping[str, Array],
        scalars: Mapping[str, float],
        samples: int,
        regions: tuple[Region, ...] = REGIONS,
        after: Mapping[int, Callable[[], None]] = NOTHING,
    ) -> None:
        """Run the steps of these regions for the first ``samples`` samples (1 to the plan's batch).

        After each step what ``after`` has for its place in the plan is called. Without any such thing, a run like one
        that there was before is made without Python (:mod:`netspec_numba.native`); the bits are the same.
        """
        if not after and (samples, regions) in self._native:
            self._begin(inputs, scalars, samples)
            for each in self._without_python(samples, regions):
                each()
            self._end()
            return
        for place, launch in self._running(inputs, scalars, samples, regions):
            launch(samples)
            if place in after:
                after[place]()
        self._native.setdefault((samples, regions), ())

    def _without_python(self, samples: int, regions: tuple[Region, ...]) -> tuple[Callable[[], None], ...]:
        """What makes all calls of such a run, of which there was one: it has compiled what is called."""
        key = samples, regions
        if not self._native[key]:
            self._native[key] = tuple(stretches(self._calls(samples, regions)))
        return self._native[key]

    def _calls(self, samples: int, regions: tuple[Region, ...]) -> Iterator[Call]:
        """What such a run calls, threads being set in between."""
        threads = 0
        for region in regions:
            for _, launch, shared in self._launches[region]:
                if shared != threads:
                    yield numba.set_num_threads, (shared,)
                    threads = shared
                yield from calls_of(launch, samples)
        yield numba.set_num_threads, (self._threads,)

    def memory(self, name: str) -> Array:
        """The memory itself of a value that does not grow with the batch, flat."""
        return next(array for value, array in self._arrays.items() if value.name == name)

    def profile(
        self, inputs: Mapping[str, Array], scalars: Mapping[str, float], samples: int, regions: tuple[Region, ...]
    ) -> Mapping[int, float]:
        """Run as :meth:`run` does; seconds of every step that was run, by its place in the plan."""
        found = {}
        for place, launch in self._running(inputs, scalars, samples, regions):
            begun = time.perf_counter()
            launch(samples)
            found[place] = time.perf_counter() - begun
        return found

    def _running(
        self, inputs: Mapping[str, Array], scalars: Mapping[str, float], samples: int, regions: tuple[Region, ...]
    ) -> Iterator[tuple[int, Launch]]:
        """What a run launches, each with its place, to be run by as many threads as are set meanwhile."""
        self._begin(inputs, scalars, samples)
        numba.set_num_threads(self._threads)
        threads = self._threads
        for region in regions:
            for place, launch, shared in self._launches[region]:
                if shared != threads:
                    numba.set_num_threads(shared)
                    threads = shared
                yield place, launch
        if threads != self._threads:
            numba.set_num_threads(self._threads)
        self._end()

    def _begin(self, inputs: Mapping[str, Array], scalars: Mapping[str, float], samples: int) -> None:
        """Compute what depends on the state alone, then write what goes in."""
        if not 1 <= samples <= self._plan.batch:
            raise ValueError(f"{samples} samples in a plan for 1 to {self._plan.batch}")
        self._samples = samples
        self._prepare()  # first: its steps use memory that is the inputs' afterwards
        for value in self._plan.graph.inputs:
            if value.name in inputs:
                self._feed(value, inputs[value.name], samples)
        for value in self._plan.graph.scalars:
            if value.name in scalars:
                self._arrays[value][0] = scalars[value.name]

    def _end(self) -> None:
        """Let all executables of this state know that it may have changed."""
        if self._writes:
            self._state.version += 1

    def _prepare(self) -> None:
        """Compute what depends on the state alone, if that has changed since."""
        if self._prepared_version == self._state.version:
            return
        if self._prepares:
            numba.set_num_threads(self._threads)
        for prepare in self._prepares:
            prepare()
        self._prepared_version = self._state.version

    def _feed(self, value: Value, given: Array, samples: int) -> None:
        expected = (samples, *value.type.shape)
        if given.shape != expected:
            raise ValueError(f"{value.name} is {given.shape}, expected {expected}")
        self._arrays[value][: given.size] = given.reshape(-1)

    def output(self, name: str) -> Array:
        """A copy of an output of the last run: (samples, ...) channels-last, or an array of shape () for a scalar."""
        value = self._plan.graph.outputs[name]
        shape = (self._samples, *value.type.shape) if value.type.batched else value.type.shape
        flat = self._arrays[value]
        count: Any = np.prod(shape, dtype=np.int64)
        return flat[:count].reshape(shape).copy()
