"""The algorithms of a network's steps, measured where they will run: each in its place among the other steps."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from typing import Literal

from netspec.backend import Profiled
from netspec.bench.case import TIMED_RATE, first_batch
from netspec.bench.driver import Notice
from netspec.bench.layers import profiled
from netspec.bench.machine import machine
from netspec.core.graph import REGIONS
from netspec.diagnostics.errors import RunError
from netspec.plan import Mode, Plan, Step
from netspec.training.runtime import Runtime
from netspec.training.tuned import Tuned, TunedStep, choosable

ROUNDS = 5
"""How often the algorithms take turns, unless time runs out."""
RUNS = 3
"""Timed runs of a turn, after one that is not timed: it finds kernels uncompiled and caches cold."""
SECONDS = 120.0
"""After so long no further round of a plan begins; the first, which compiles, is always whole."""
LEAST_GAIN = 0.03
"""The share of time below which another algorithm than the expected one is not worth it: it may be chance."""

Purpose = Literal["train", "predict"]
"""Purposes of the plans that are measured."""

Times = dict[Hashable, dict[str, float]]
"""The least seconds of one step of a group, by algorithm."""


def tune(runtime: Runtime, notice: Notice) -> Tuned:
    """The fastest algorithm of each step that has several, in prediction and, where the network trains, in training.

    The state of ``runtime`` goes through many steps meanwhile. A RunError where its backend does not tell how long
    steps take.
    """
    purposes: dict[Mode, Purpose] = {"train": "train"} if runtime.trains else {}
    purposes["infer"] = "predict"
    plans = {mode: _tuned_steps(runtime, purpose, notice) for mode, purpose in purposes.items()}
    return Tuned(runtime.conditions(), plans, {"threads": runtime.threads, "machine": machine(())})


def _tuned_steps(runtime: Runtime, purpose: Purpose, notice: Notice) -> tuple[TunedStep, ...]:
    """The steps of one plan. Steps that are equal are one: their times are taken together, and they go alike."""
    plan = runtime.planned_by(purpose, "float32", runtime.batch)
    groups: dict[Hashable, list[Step]] = {}
    for step in choosable(plan):
        if not step.constant:  # those are not run with the others, and not timed
            groups.setdefault(_what(step), []).append(step)
    turns = max((len(_algorithms(group[0])) for group in groups.values()), default=0)
    times: Times = {key: {} for key in groups}
    begun = time.monotonic()
    for number in range(ROUNDS if groups else 0):
        if number and time.monotonic() - begun > SECONDS:
            break
        for turn in range(turns):
            notice(f"measuring {purpose}: {len(groups)} kinds of steps, round {number + 1}, {turn + 1} of {turns}")
            try:
                _take_turn(runtime, purpose, groups, turn, times)
            except RunError as error:
                if turn == 0:
                    raise
                notice(f"left out: {error}")  # algorithms that need more memory than the budget has
    return tuple(_chosen(group, times[key]) for key, group in groups.items())


def _algorithms(step: Step) -> tuple[str, ...]:
    return (step.algorithm, *step.alternatives)


def _what(step: Step) -> Hashable:
    """What the time of a step depends on."""
    node = step.node
    types = tuple(repr(value.type) for value in (*node.inputs, *node.outputs))
    return node.op.name, repr(node.attrs), types, repr((node.prologue, node.epilogue)), step.kept, _algorithms(step)


def _take_turn(
    runtime: Runtime,
    purpose: Purpose,
    groups: Mapping[Hashable, list[Step]],
    turn: int,
    times: Times,
) -> None:
    """Time all groups at once, each by the algorithm whose turn it is; only this plan is in memory meanwhile."""
    forced = {key: _algorithms(group[0])[turn % len(_algorithms(group[0]))] for key, group in groups.items()}
    wanted = {step.node.outputs[0].name: forced[key] for key, group in groups.items() for step in group}
    plan = runtime.planned_by(purpose, "float32", runtime.batch, wanted)
    for found in _profiles(runtime, plan):
        for key, group in groups.items():
            seconds = sum(found[step.node.outputs[0].name] for step in group) / len(group)
            times[key][forced[key]] = min(seconds, times[key].get(forced[key], seconds))


def _profiles(runtime: Runtime, plan: Plan) -> list[Mapping[str, float]]:
    """The seconds of the steps of a plan in a few runs, by the first value that each makes."""
    loaded = runtime.bound(plan, "float32")
    executable: Profiled = profiled(loaded.executable, runtime.backend.name)
    inputs, targets = first_batch(runtime.network, runtime.recipe, plan.batch)
    fed, scalars = loaded.feed(inputs, targets), runtime.scalars(TIMED_RATE, 1)
    loaded.executable.run(fed, scalars, plan.batch)
    runs = [executable.profile(fed, scalars, plan.batch, REGIONS) for _ in range(RUNS)]
    return [{plan.steps[place].node.outputs[0].name: time for place, time in run.items()} for run in runs]


def _chosen(group: list[Step], times: Mapping[str, float]) -> TunedStep:
    """The group with the algorithm that it takes: another than the expected one only where that is well worth it."""
    node, expected = group[0].node, group[0].algorithm
    fastest = min(times, key=times.__getitem__)
    algorithm = fastest if times[fastest] < (1 - LEAST_GAIN) * times[expected] else expected
    values = tuple(step.node.outputs[0].name for step in group)
    types = tuple(str(value.type) for value in (*node.inputs, *node.outputs))
    return TunedStep(values, node.op.name, types, algorithm, {name: 1e3 * times[name] for name in sorted(times)})
