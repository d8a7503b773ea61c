"""The second hop: a backend's float32 kernels against the float64 references, and the promises every backend makes.

Each trial is planned for the backend, loaded and run as in use. A second plan yields every value in between as well, so
that each op is judged on the very numbers that it was given: its bound then speaks of that op alone, and nothing
has to be said of how errors travel. Both plans must give the same bits, which shows that no two buffers get in each
other's way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netspec.backend import Backend, Executable, State
from netspec.core.graph import Node, Value
from netspec.core.reference import UNIT_ROUNDOFF, Case
from netspec.plan import Step, make_plan
from netspec.target import DIRECT, Precision
from netspec.testing.bounds import allowed_errors
from netspec.testing.interpreter import evaluate, interpret, logical
from netspec.testing.trials import Trial, inference_trial, training_trial, with_every_value

Array = np.ndarray[Any, np.dtype[Any]]
Results = dict[str, Array]


def check_case(backend: Backend, case: Case) -> list[str]:
    """What is wrong with the backend's kernels on this case, forward and backward; empty if nothing."""
    return check_trial(backend, inference_trial(case)) + check_trial(backend, training_trial(case))


def other_algorithms(backend: Backend, trial: Trial) -> tuple[str, ...]:
    """What ``check_trial`` can be told to force: the algorithms that some node has besides the chosen one."""
    plan = make_plan(trial.graph, backend.target(threads=1), trial.batch, trial.mode)
    return tuple(sorted({each for step in plan.steps for each in step.alternatives}))


def check_trial(
    backend: Backend, trial: Trial, algorithm: str | None = None, precision: Precision = "float32"
) -> list[str]:
    """What is wrong with the backend on this graph; empty if nothing. Nodes that can be are computed by ``algorithm``.

    Checked are, for one, some and all samples of the batch: every value against its definition; the same bits when run
    again, when stale NaN lie in unused rows and padding lanes, with one thread and with two, and with buffers shared or
    kept; and that a NaN and an infinity go where the definition sends them. Where values are stored as bfloat16, ops
    are given what is rounded so, and what they make may be off by that rounding; a plan that fuses more rounds less
    often, and is not held to the same bits.
    """
    how = algorithm, precision
    loaded = _Loaded.of(backend, trial, 2, *how)
    some = max(trial.batch - 1, 1)
    first = loaded.run(some)
    complaints = _differences("when run a second time", first, loaded.run(some))
    for name in _float_inputs(trial):
        complaints += _check_poison(loaded, name, some, np.nan) + _check_poison(loaded, name, some, np.inf)
    loaded.run(trial.batch, {name: np.full_like(trial.inputs[name], np.nan) for name in _float_inputs(trial)})
    complaints += _differences("after a run on NaN", first, loaded.run(some))
    single = _Loaded.of(backend, trial, 1, *how)
    tapped = _Loaded.of(backend, with_every_value(trial), 2, *how)
    for samples in sorted({1, some, trial.batch}):
        results = loaded.run(samples)
        if samples in (some, trial.batch):
            complaints += _differences(f"with one thread, {samples} samples", results, single.run(samples))
        values = tapped.run(samples)
        kept = {name: values[value.name] for name, value in trial.graph.outputs.items() if value.name in values}
        kept |= {name: array for name, array in values.items() if name in results and name.startswith("new ")}
        if precision != "bfloat16" or loaded.fused_like(tapped):
            complaints += _differences(f"when nothing shares a buffer, {samples} samples", results, kept)
        complaints += _check_values(trial, values, samples, tapped)
    return complaints


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A trial on a backend."""

    trial: Trial
    executable: Executable
    state: State
    steps: Mapping[str, Step]
    """By the first value that each makes."""

    @classmethod
    def of(cls, backend: Backend, trial: Trial, threads: int, algorithm: str | None, precision: Precision) -> _Loaded:
        target = backend.target(threads)
        plan = make_plan(trial.graph, target, trial.batch, trial.mode, precision=precision)
        if algorithm is not None:
            forced = {step.node.outputs[0].name: algorithm for step in plan.steps if algorithm in step.alternatives}
            plan = make_plan(trial.graph, target, trial.batch, trial.mode, algorithms=forced, precision=precision)
        state = backend.state(plan)
        steps = {step.node.outputs[0].name: step for step in plan.steps}
        return cls(trial, backend.load(plan, state, threads), state, steps)

    def fused_like(self, other: _Loaded) -> bool:
        """Whether both compute the same ops one by one."""
        return self.steps.keys() == other.steps.keys()

    def run(self, samples: int, changed: Mapping[str, Array] | None = None) -> Results:
        """Outputs and new state from the trial's numbers, except for the inputs that are changed."""
        for name, array in self.trial.state.items():
            self.state.write(name, array)
        inputs = {name: array[:samples] for name, array in {**self.trial.inputs, **(changed or {})}.items()}
        self.executable.run(inputs, self.trial.scalars, samples)
        outputs = {name: self.executable.output(name) for name in self.trial.graph.outputs}
        return outputs | {f"new {name}": self.state.read(name) for name in self.trial.state}


def _float_inputs(trial: Trial) -> list[str]:
    return [value.name for value in trial.graph.inputs if value.type.dtype == "float32"]


def _differences(when: str, first: Results, second: Results) -> list[str]:
    """The results of two runs that are not the same bits; only what both have is compared."""
    common = [name for name in first if name in second]
    return [
        f"{name} differs {when}: {_worst(second[name], first[name], np.zeros(()))}"
        for name in common
        if first[name].tobytes() != second[name].tobytes()
    ]


def _check_poison(loaded: _Loaded, name: str, samples: int, poison: float) -> list[str]:
    """One NaN or infinity in the middle of an input must tell wherever it does in the definition.

    Where the definition has a number that is not finite, so has the kernel; no other sample has one. Within a sample a
    NaN may spread: a transform of a whole tile, or a group that multiplies by zeros, sends it further.
    """
    trial = loaded.trial
    poisoned = trial.inputs[name].copy()
    poisoned[0].reshape(-1)[poisoned[0].size // 2] = poison
    results = loaded.run(samples, {name: poisoned})
    expected = interpret(trial.graph, {**trial.inputs, name: poisoned}, samples, trial.state, trial.scalars)
    complaints = []
    for output, value in trial.graph.outputs.items():
        if value.type.dtype != "float32":
            continue
        actual, wanted = ~np.isfinite(results[output]), ~np.isfinite(expected.outputs[output])
        swallowed, spread = wanted & ~actual, np.zeros_like(actual)
        if value.type.batched:
            touched = wanted.reshape(samples, -1).any(axis=1)
            spread = actual & ~touched.reshape(samples, *(1,) * len(value.type.shape))
        for what, places in (("is finite", swallowed), ("is not finite", spread)):
            if places.any():
                where = np.argwhere(places)[0].tolist()
                complaints.append(f"{output} {what} at {where} with {poison} in the first sample of {name}")
    return complaints


def _check_values(trial: Trial, values: Results, samples: int, tapped: _Loaded) -> list[str]:
    """Every node's outputs against its definition, applied to what the node was really given."""
    known = _given(trial, samples)
    complaints = []
    for node in trial.graph:
        step = tapped.steps.get(node.outputs[0].name)
        stored = step.node if step is not None else node
        read = [_read_instead(value, kept, known) for value, kept in _together(node.inputs, stored.inputs)]
        node = replace(node, inputs=tuple(read))
        inputs = [_rounded(known[value], kept) for value, kept in _together(read, stored.inputs)]
        expected = evaluate(node, inputs, samples)
        algorithm = step.algorithm if step is not None else DIRECT
        allowed = allowed_errors(node, inputs, samples, algorithm)
        made = _together(node.outputs, stored.outputs)
        for (value, kept), wanted, bound in zip(made, expected, allowed, strict=True):
            actual = values[value.name]
            known[value] = logical(actual, value.type)
            if kept.type.dtype == "bfloat16":
                bound = bound + UNIT_ROUNDOFF["bfloat16"] * (np.abs(wanted) + bound)
            complaint = _worst(actual, wanted, bound)
            if complaint:
                way = "" if algorithm == DIRECT else f" by {algorithm}"
                complaints.append(f"{_title(node, value)}{way}, {samples} samples: {complaint}")
    return complaints


def _together(values: Sequence[Value], stored: Sequence[Value]) -> list[tuple[Value, Value]]:
    """A node's values, each with what the plan has in its place; what fusion adds, as moments, stands behind them."""
    return list(zip(values, stored[: len(values)], strict=True))


def _read_instead(value: Value, kept: Value, known: Mapping[Value, Array]) -> Value:
    """What the plan reads in the value's place where both are alike but for roundings to bfloat16, or the value."""
    if kept.type.dtype != "bfloat16":
        return value
    return next((each for each in known if each.name == kept.name), value)


def _rounded(array: Array, kept: Value) -> Array:
    """The numbers as a kernel reads them that has them stored like ``kept``: bfloat16 by rounding to even."""
    if kept.type.dtype != "bfloat16":
        return array
    bits = array.astype(np.float32).view(np.uint32).astype(np.int64)
    even = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16
    return np.where(np.isnan(array), array, even.astype(np.uint32).view(np.float32).astype(np.float64))


def _given(trial: Trial, samples: int) -> dict[Value, Array]:
    graph = trial.graph
    known = {value: logical(trial.inputs[value.name][:samples], value.type) for value in graph.inputs}
    scalars = {value: np.asarray(trial.scalars[value.name], value.type.dtype) for value in graph.scalars}
    known |= {value: logical(scalar, value.type) for value, scalar in scalars.items()}
    return known | {slot.value: logical(trial.state[slot.name], slot.value.type) for slot in graph.slots}


def _title(node: Node, value: Value) -> str:
    number = node.outputs.index(value)
    return node.op.name if len(node.outputs) == 1 else f"{node.op.name} (output {number + 1})"


def _worst(actual: Array, expected: Array, allowed: Array) -> str:
    """The number that exceeds its bound by most, in words; empty if none does."""
    if actual.shape != expected.shape:
        return f"shape {actual.shape}, not {expected.shape}"
    error = np.abs(actual.astype(np.float64) - expected)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    outside = ~same & ~(error <= allowed)
    if not outside.any():
        return ""
    excess = np.where(outside, np.nan_to_num(error - allowed, nan=np.inf), -1)
    place = np.unravel_index(int(excess.argmax()), excess.shape)
    limit = np.broadcast_to(allowed, error.shape)[place]
    return (
        f"{outside.sum()} of {outside.size} numbers are off, worst at {[int(i) for i in place]}: {actual[place]:.9g} "
        f"for {expected[place]:.9g}, an error of {error[place]:.3g} where {limit:.3g} is allowed"
    )
