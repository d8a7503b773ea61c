"""An op's definition against what the op is lowered to: what is proved of the latter then holds of the op.

Both are computed in float64, so that they may differ by roundings alone; 1e-12 of the largest number, or of 1, is some
thousand of them, and far below what a wrong term would be off.
"""

from __future__ import annotations

import numpy as np

from netspec.core.declare import declaration_of
from netspec.core.reference import Case
from netspec.passes.lower import lower
from netspec.testing.interpreter import interpret
from netspec.testing.trials import untouched_trial

TOLERANCE = 1e-12


def lowered_cases(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """The cases of ops that are lowered."""
    return tuple(case for case in cases if declaration_of(case.attrs).has("lower"))


def check_lowering(case: Case) -> list[str]:
    """What is wrong with the graph that the op is lowered to; empty if nothing."""
    trial = untouched_trial(case)
    lowered = lower(trial.graph)
    expected, actual = (
        interpret(graph, trial.inputs, trial.batch, trial.state, trial.scalars).outputs["y"]
        for graph in (trial.graph, lowered)
    )
    if actual.shape != expected.shape:
        return [f"{case} is lowered to {actual.shape}, but defined as {expected.shape}"]
    error = np.abs(actual - expected).max(initial=0)
    allowed = TOLERANCE * max(1.0, np.abs(expected).max(initial=0))
    complaints = [] if error <= allowed else [f"{case} is lowered to numbers that are off by {error:.3g}"]
    if lowered.slots != trial.graph.slots:
        complaints.append(f"{case} is lowered to other parameters")
    return complaints
