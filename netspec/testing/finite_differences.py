"""Gradients against central differences, both in float64: the first of the two hops by which a gradient is proved.

The derivative of the weighted sum L of an op's output by a number v is ``(L(v + h) − L(v − h))/2h`` up to ``h²L'''/6``,
and up to the rounding of L over h. With h = 1e-5 and third derivatives and sums of the order of 100 both are about 1e-8
at most; a gradient that is wrong is wrong by its own size. The tolerance, 1e-6 of the largest gradient or of 1, lies
between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from netspec.core.graph import Graph
from netspec.core.reference import Case
from netspec.passes.dead_code import remove_dead_code
from netspec.testing.interpreter import interpret
from netspec.testing.trials import Trial, is_differentiable, training_trial

Array = np.ndarray[Any, np.dtype[Any]]

STEP = 1e-5
TOLERANCE = 1e-6
SINGLE = 24
"""So many numbers of a tensor are moved one by one; of a larger one, these are picked evenly."""
DIRECTIONS = 3
"""So many times all numbers of a tensor are moved at once, each up or down at random: that misses none."""


def differentiable_cases(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """The cases of ops with a gradient, without those whose ties have no derivative."""
    return tuple(case for case in cases if is_differentiable(case) and not case.ties)


def check_gradients(case: Case, samples: int = 2) -> list[str]:
    """What is wrong with the op's gradients, by every float input and every trained parameter; empty if nothing."""
    trial = training_trial(case, batch=samples, loss=True)
    gradients = _run(trial, trial.graph, {}).outputs
    loss_only = remove_dead_code(replace(trial.graph, outputs={"loss": trial.graph.outputs["loss"]}))
    complaints = []
    for name, output in trial.gradients.items():
        gradient = gradients[output]
        allowed = TOLERANCE * max(1.0, float(np.abs(gradient).max(initial=0)))
        for direction in _directions(gradient.shape):
            stated = float((gradient * direction).sum())
            measured = _slope(trial, loss_only, name, direction)
            if not abs(stated - measured) <= allowed * np.sqrt(np.count_nonzero(direction)):
                where = "a random direction" if np.count_nonzero(direction) > 1 else str(np.argwhere(direction)[0])
                complaints.append(f"{output} at {where}: {stated:.9g}, differences say {measured:.9g}")
    return complaints


def _directions(shape: tuple[int, ...]) -> Iterator[Array]:
    """Single numbers first, then all at once."""
    size = int(np.prod(shape, dtype=np.int64))
    for place in np.unique(np.linspace(0, size - 1, min(size, SINGLE)).astype(int)):
        single = np.zeros(size)
        single[place] = 1
        yield single.reshape(shape)
    generator = np.random.default_rng(size)
    for _ in range(DIRECTIONS if size > SINGLE else 0):
        yield generator.choice((-1.0, 1.0), shape)


def _slope(trial: Trial, graph: Graph, name: str, direction: Array) -> float:
    above, below = (float(_run(trial, graph, {name: way * STEP * direction}).outputs["loss"]) for way in (1, -1))
    return (above - below) / (2 * STEP)


def _run(trial: Trial, graph: Graph, moved: dict[str, Array]) -> Any:
    inputs: dict[str, Any] = dict(trial.inputs)
    state: dict[str, Any] = dict(trial.state)
    for name, change in moved.items():
        given = inputs if name in inputs else state
        given[name] = given[name].astype(np.float64) + change
    return interpret(graph, inputs, trial.batch, state, trial.scalars)
