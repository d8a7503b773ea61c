"""A plan on a device: one arena, an address for every value, a launch for every step."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netspec.core.graph import Region, Value
from netspec.plan import Plan, Step
from netspec_cupy.contract import Array, Device, Launch, Memory, Operand, Request
from netspec_cupy.kernels import find, is_elementwise
from netspec_cupy.kernels.elementwise import build_together

if TYPE_CHECKING:
    from netspec_cupy.nccl import Link, Message
    from netspec_cupy.state import CupyState

REGIONS: tuple[Region, ...] = ("forward", "backward", "update")
NOTHING: Mapping[int, Callable[[], None]] = {}
"""To be done after steps, by their places in the plan."""
EXCHANGE = "exchange.sum"


class _Work(NamedTuple):
    """A launch, and the places in the plan of the steps that it does."""

    places: tuple[int, ...]
    launch: Launch


class CupyExecutable:
    """Runs a plan's steps, region by region, for the live samples of a batch.

    With ``apart`` every value has memory of its own, so that a sanitizer sees where it ends. A ``link`` goes to the
    GPUs of other ranks.
    """

    def __init__(
        self, plan: Plan, state: CupyState, device: Device, apart: bool = False, link: Link | None = None
    ) -> None:
        self._plan = plan
        self._device = device
        self._link = link
        self._live = ctypes.c_int(0)
        self._held: list[Any] = []
        self._arena: Memory | None = None if apart else device.allocate(max(plan.arena_bytes, 1))
        self._places = self._addresses(state)
        self._state = state
        self._prepares: list[Launch] = []
        self._prepared_version = -1
        """The version of the state that the steps which depend on it alone were computed from."""
        self._writes = any(slot.written is not None for slot in plan.graph.slots)
        self._works: dict[Region, list[_Work]] = {region: [] for region in REGIONS}
        for work in self._build():
            if plan.steps[work.places[0]].constant:
                self._prepares.append(work.launch)
            else:
                self._works[plan.steps[work.places[0]].node.region].append(work)
        self._recording: dict[Any, Any] = {}

    def _addresses(self, state: CupyState) -> dict[Value, int]:
        """Where every value lies, in the arena or in the state."""
        found: dict[Value, int] = {}
        for slot in self._plan.graph.slots:
            address = state.hold(slot)
            found[slot.value] = address
            if slot.written is not None:
                found[slot.written] = address
        graph = self._plan.graph
        for value in (*graph.inputs, *graph.scalars, *(v for node in graph.nodes for v in node.outputs)):
            if value not in found:
                buffer = self._plan.buffers[self._plan.values[value.name]]
                found[value] = self._place(buffer.offset, buffer.bytes)
        return found

    def _place(self, offset: int, bytes: int) -> int:
        if self._arena is not None:
            return self._arena.address + offset
        memory = self._device.allocate(bytes)
        self._held.append(memory)
        return memory.address

    def _request(self, step: Step) -> Request:
        node, plan = step.node, self._plan
        buffers = ((name, plan.buffers[index]) for name, index in step.scratch.items())
        inputs, outputs, added = (
            tuple(Operand(v.type, self._places[v]) for v in values)
            for values in (node.operands, node.outputs, node.inputs[len(node.operands) :])
        )
        return Request(
            node.attrs,
            inputs,
            outputs,
            plan.batch,
            {name: self._place(buffer.offset, buffer.bytes) for name, buffer in buffers},
            self._live,
            self._device,
            self._held,
            step.algorithm,
            node.epilogue,
            next(iter(added), None),
        )

    def _build(self) -> Iterator[_Work]:
        """What is launched, in order; neighbours that can be done together are one."""
        places = iter(range(len(self._plan.steps)))
        exchanges = any(step.node.op.name == EXCHANGE for step in self._plan.steps)
        # Where ranks exchange there may be something to be done between any two steps.
        alone: tuple[Region, ...] = ("forward", "backward") if exchanges else ()
        for key, steps in groupby(self._plan.steps, key=lambda step: _together(step, alone)):
            requests = [self._request(step) for step in steps]
            if key is None:
                yield from (_Work((next(places),), find(each.attrs, each.algorithm).build(each)) for each in requests)
                continue
            for group in _independent(requests):
                yield _Work(tuple(next(places) for _ in group), build_together(group))

    def run(
        self,
        inputs: Mapping[str, Array],
        scalars: Mapping[str, float],
        samples: int,
        regions: tuple[Region, ...] = REGIONS,
        after: Mapping[int, Callable[[], None]] = NOTHING,
    ) -> None:
        """Start the steps of these regions for the first ``samples`` samples (1 to the plan's batch).

        When a step is started what ``after`` has for its place in the plan is called.
        """
        self._begin(inputs, scalars, samples)
        for works, actions in self._parts(regions, after):
            self._start(works, samples)
            for action in actions:
                action()
        self._end()

    def _parts(
        self, regions: tuple[Region, ...], after: Mapping[int, Callable[[], None]]
    ) -> Iterator[tuple[list[_Work], list[Callable[[], None]]]]:
        """The works of these regions, cut where something is to be done, and what that is."""
        begun: list[_Work] = []
        for work in chain.from_iterable(self._works[region] for region in regions):
            begun.append(work)
            actions = [after[place] for place in work.places if place in after] if after else []
            if actions:
                yield begun, actions
                begun = []
        if begun:
            yield begun, []

    def _start(self, works: Sequence[_Work], samples: int) -> None:
        """Start works that follow one another, which becomes cheap when it is done again."""

        def launch() -> None:
            for work in works:
                work.launch(samples)

        self._device.repeat(self._recording, (samples, works[0].places, works[-1].places), launch)

    def size(self, name: str) -> int:
        """The bytes of a value that does not grow with the batch."""
        return self._named(name).type.bytes(1)

    def message(self, names: Sequence[str]) -> Message:
        """What sums these float32 values over all ranks, where they lie."""
        if self._link is None:
            raise ValueError("an executable without a link to other ranks sums nothing")
        values = [self._named(name) for name in names]
        return self._link.message([(self._places[value], value.type.elements) for value in values])

    def settle(self) -> None:
        """Return when all sums over the ranks are over."""
        if self._link is not None:
            self._link.settle()

    def _named(self, name: str) -> Value:
        return next(value for value in self._places if value.name == name)

    def profile(
        self, inputs: Mapping[str, Array], scalars: Mapping[str, float], samples: int, regions: tuple[Region, ...]
    ) -> Mapping[int, float]:
        """Run as :meth:`run` does, but no recording; seconds of every step that was run, by its place in the plan.

        Steps that are one launch have equal shares of its time.
        """
        self._begin(inputs, scalars, samples)
        works = [work for region in regions for work in self._works[region]]
        times = self._device.timed([partial(work.launch, samples) for work in works])
        self._end()
        return {
            place: seconds / len(work.places)
            for work, seconds in zip(works, times, strict=True)
            for place in work.places
        }

    def _begin(self, inputs: Mapping[str, Array], scalars: Mapping[str, float], samples: int) -> None:
        """Compute what depends on the state alone, if that has changed since; then send what goes in."""
        if not 1 <= samples <= self._plan.batch:
            raise ValueError(f"{samples} samples in a plan for 1 to {self._plan.batch}")
        self._live.value = samples
        if self._prepared_version != self._state.version:
            for prepare in self._prepares:  # first: they use memory that is the inputs' afterwards
                prepare(samples)
            self._prepared_version = self._state.version
        self._device.send(self._given(inputs, scalars, samples))

    def _end(self) -> None:
        """Let all executables of this state know that it may have changed."""
        if self._writes:
            self._state.version += 1

    def _given(
        self, inputs: Mapping[str, Array], scalars: Mapping[str, float], samples: int
    ) -> list[tuple[int, Array]]:
        """What is to be sent, with where it goes: the inputs, and scalars such as the learning rate and the step."""
        graph, found = self._plan.graph, []
        for value in graph.inputs:
            if value.name in inputs:
                given, expected = inputs[value.name], (samples, *value.type.shape)
                if given.shape != expected:
                    raise ValueError(f"{value.name} is {given.shape}, expected {expected}")
                found.append((self._places[value], np.ascontiguousarray(given, value.type.dtype)))
        for value in graph.scalars:
            if value.name in scalars:
                found.append((self._places[value], np.array([scalars[value.name]]).astype(value.type.dtype)))
        return found

    def output(self, name: str) -> Array:
        """A copy of an output of the last run: (samples, ...) channels-last, or an array of shape () for a scalar."""
        value = self._plan.graph.outputs[name]
        shape = (self._live.value, *value.type.shape) if value.type.batched else value.type.shape
        narrow = value.type.dtype == "bfloat16"  # the upper halves of float32
        found = np.empty(shape, np.uint16 if narrow else value.type.dtype)
        self._device.fetch(self._places[value], found)
        return (found.astype(np.uint32) << 16).view(np.float32) if narrow else found


def _together(step: Step, alone: Sequence[Region]) -> Any:
    """What neighbouring steps have in common that can be one launch, None if they cannot: elementwise, no batch.

    In the regions ``alone`` each step is a launch of its own.
    """
    node = step.node
    if (
        node.region in alone
        or not is_elementwise(node.op.name)
        or any(value.type.batched for value in (*node.inputs, *node.outputs))
    ):
        return None
    kinds = tuple((value.type.dtype, not value.type.shape) for value in (*node.inputs, *node.outputs))
    return node.region, step.constant, node.attrs, kinds


def _independent(requests: list[Request]) -> Iterator[list[Request]]:
    """Runs of requests of which none reads or writes what another one writes."""
    group: list[Request] = []
    for request in requests:
        if any(_meet(request, other) for other in group):
            yield group
            group = []
        group.append(request)
    if group:
        yield group


def _meet(one: Request, other: Request) -> bool:
    """Whether either writes where the other one reads or writes."""

    def spans(operands: tuple[Operand, ...]) -> list[tuple[int, int]]:
        return [(each.address, each.address + each.type.bytes(1)) for each in operands]

    def overlap(written: Request, touched: Request) -> bool:
        return any(
            first < end and begin < last
            for first, last in spans(written.outputs)
            for begin, end in spans((*touched.inputs, *touched.outputs))
        )

    return overlap(one, other) or overlap(other, one)
