"""Kernels stay within their buffers: each case runs where a step beyond one ends the process.

Conformance cannot see that: in an arena a neighbour's numbers lie there, which a kernel may read without using them,
or write where they are dead. Every run has a case of each op, networks and each algorithm; `-m long` has all.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

import pytest
from guarded_memory import GuardedMemory, Side, guarded

from netspec.core.declare import declaration_of
from netspec.core.reference import Case
from netspec.plan import Plan, make_plan
from netspec.testing import (
    Trial,
    all_cases,
    byte_trials,
    inference_trial,
    network_trials,
    optional_cases,
    other_algorithms,
    training_trial,
)
from netspec_numba.backend import NumbaBackend

BACKEND = NumbaBackend()
THREADS = 2
CASES = all_cases()
FEW = {declaration_of(case.attrs).name: case for case in reversed(CASES)}.values()
"""The first case of every op."""
OPTIONAL = optional_cases()
CHOOSING = [case for case in CASES if declaration_of(case.attrs).name in ("conv", "conv_transpose", "dense")]


def both_ways(cases: Iterable[Case]) -> list[Trial]:
    return [way(case) for case in cases for way in (inference_trial, training_trial)]


def each(trials: Sequence[tuple[Trial, str | None]], some: Container[str]) -> pytest.MarkDecorator:
    """Trials, each by an algorithm, on either side; what ``some`` does not name takes minutes together."""
    found = [
        pytest.param(trial, way, side, id=name, marks=() if name in some else pytest.mark.long)
        for trial, way in trials
        for side in ("before", "behind")
        for name in [f"{side} {way or 'chosen'} {trial}"]
    ]
    return pytest.mark.parametrize(("trial", "algorithm", "side"), found)


CHOSEN: list[tuple[Trial, str | None]] = [
    (trial, None) for trial in (*both_ways(CASES), *map(inference_trial, OPTIONAL), *network_trials(), *byte_trials())
]
FORCED = [
    (trial, way)
    for trial in (*both_ways(CHOOSING), *map(inference_trial, OPTIONAL))
    for way in other_algorithms(BACKEND, trial)
]


def planned(trial: Trial, algorithm: str | None) -> Plan:
    plan = make_plan(trial.graph, BACKEND.target(THREADS), trial.batch, trial.mode)
    if algorithm is None:
        return plan
    forced = {step.node.outputs[0].name: algorithm for step in plan.steps if algorithm in step.alternatives}
    return make_plan(trial.graph, BACKEND.target(THREADS), trial.batch, trial.mode, algorithms=forced)


def run(trial: Trial, side: Side, algorithm: str | None) -> None:
    with guarded(planned(trial, algorithm), side) as (plan, memory):
        state = BACKEND.state(plan)
        executable = BACKEND.load(plan, state, THREADS)
    for name, array in trial.state.items():
        state.write(name, array)
    for samples in sorted({1, trial.batch}):
        inputs = {name: array[:samples] for name, array in trial.inputs.items()}
        executable.run(inputs, trial.scalars, samples)
    assert memory.is_intact()


SOME = {
    f"behind chosen {trial}"
    for trial in (*both_ways(FEW), *map(inference_trial, OPTIONAL), *network_trials(), *byte_trials())
}
SOME |= {f"behind {way} {trial}" for way, trial in {way: trial for trial, way in FORCED}.items()}


@each([*CHOSEN, *FORCED], SOME)
def test_kernels_stay_within_their_buffers(trial: Trial, algorithm: str | None, side: Side) -> None:
    run(trial, side, algorithm)


@pytest.mark.parametrize(("side", "offset"), [("behind", 192), ("before", -1)])
def test_a_step_out_of_a_buffer_ends_the_process(side: Side, offset: int) -> None:
    program = f"""
import ctypes
from guarded_memory import GuardedMemory
memory = GuardedMemory({side!r})
array = memory.alone(128)
ctypes.memset(array.ctypes.data, 1, 128)
assert memory.is_intact()
print("within", flush=True)
ctypes.memset(array.ctypes.data + {offset}, 1, 1)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "within", done.stderr
    assert done.returncode == -signal.SIGSEGV


@pytest.mark.parametrize(("side", "offset"), [("behind", -1), ("behind", 128), ("before", 128)])
def test_bytes_that_no_page_guards_are_looked_at(side: Side, offset: int) -> None:
    memory = GuardedMemory(side)
    ctypes.memset(memory.alone(128).ctypes.data + offset, 1, 1)
    assert not memory.is_intact()
