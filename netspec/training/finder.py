"""The learning-rate finder: a few steps at ever larger rates, and what the loss did (Smith 2017, section 3.3).

Nothing stays of it: the network is afterwards as it was before, and no run directory is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.data.batches import Batches, epoch_order
from netspec.data.dataset import Part
from netspec.training.accumulate import Turn
from netspec.training.loop import NotFiniteError, train_step
from netspec.training.position import Position
from netspec.training.runtime import Fed, Runtime
from netspec.training.state import read_state

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 120
"""The first rate, the last, and the number of steps from one to the other."""
_KEPT = 0.9
"""Share of the old running mean of the loss that a step keeps."""
_DIVERGED = 4.0
"""The sweep ends where the running mean is this many times its lowest value."""
_SETTLED = 8
"""Steps before the running mean is looked at: it begins with the chance of single batches."""
_FALLEN = 0.98
"""Below this share of its beginning the loss has fallen; above it any rate would be a guess."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The rates that were tried, the loss of each step, and its running mean."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]

    @property
    def suggestion(self) -> float | None:
        """The rate at which the loss fell fastest, over the logarithm of the rate; ``None`` where it did not fall."""
        lowest = self._lowest
        if lowest is None or lowest - _SETTLED < 2:
            return None
        slopes = np.gradient(np.array(self.smoothed))[_SETTLED : lowest + 1]
        return float(f"{self.rates[_SETTLED + int(slopes.argmin())]:.2g}")

    @property
    def lowest_at(self) -> float | None:
        """The rate at which the loss was lowest: above it the network stops learning."""
        return None if self._lowest is None else float(f"{self.rates[self._lowest]:.2g}")

    @property
    def _lowest(self) -> int | None:
        """The step with the lowest loss, where it had fallen."""
        settled = self.smoothed[_SETTLED:]
        if not settled or min(settled) > _FALLEN * settled[0]:
            return None
        return _SETTLED + int(np.argmin(settled))

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "version": 1,
            "suggestion": self.suggestion,
            "lowest_at": self.lowest_at,
            "rates": list(self.rates),
            "losses": list(self.losses),
            "smoothed": list(self.smoothed),
        }


def find_rate(runtime: Runtime, train: Part, told: Callable[[int], None] = lambda step: None) -> Sweep:
    """Steps at growing rates on batches of the training part, each an update. ``told`` hears of each step (from 1)."""
    loaded = runtime.load("train", runtime.train_type(train))
    slots = (*runtime.weights, *runtime.moments)
    before = read_state(runtime.state, slots)
    rates, losses, smoothed = list[float](), list[float](), list[float]()
    mean = 0.0
    try:
        for step, batch in zip(range(1, STEPS + 1), _endless(runtime, train), strict=False):
            rate = LOWEST * (HIGHEST / LOWEST) ** ((step - 1) / (STEPS - 1))
            try:
                loss = train_step(runtime, loaded, batch, rate, Position(0, step), Turn(step))
            except NotFiniteError:  # this rate, and any above it, is too much
                break
            mean = _KEPT * mean + (1 - _KEPT) * loss
            rates.append(rate)
            losses.append(loss)
            smoothed.append(mean / (1 - _KEPT**step))
            told(step)
            if step > _SETTLED and smoothed[-1] > _DIVERGED * min(smoothed[_SETTLED:]):
                break
    finally:
        for name, array in before.items():
            runtime.state.write(name, array)
    return Sweep(tuple(rates), tuple(losses), tuple(smoothed))


def _endless(runtime: Runtime, train: Part) -> Iterator[Fed]:
    """Batches of one epoch after the other; the last, smaller ones are left out where there are whole ones."""
    batches, epoch = Batches(train, runtime.batch, runtime.augmenter(train)), 0
    whole = len(train) // runtime.batch * runtime.batch or len(train)
    while True:
        for batch in batches.in_order(epoch_order(len(train), runtime.recipe.seed, epoch)[:whole], epoch):
            yield runtime.prepared(batch)
        epoch += 1
