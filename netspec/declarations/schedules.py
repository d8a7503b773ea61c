"""Learning-rate schedules: the rate at a step, as a function of the step and of how long the run is.

One that watches how the run goes also states ``after(losses)``, the schedule that holds after epochs with these losses
on the validation part, of which there must be one then.

All but ``one_cycle``, which begins low anyway, can begin with a warm-up (Goyal et al. 2017): the rate rises in a line
from step to step until it is the schedule's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from netspec.core.attributes import Indices, attr
from netspec.core.declare import declare


def _warmup() -> Any:
    return attr(default=0.0, doc="epochs over which the rate rises in a line to its full height", minimum=0)


@declare("schedule", "constant", main="rate", doc="The same rate throughout.", example="0.05")
class Constant:
    rate: float = attr(doc="learning rate", exclusiveMinimum=0)
    warmup_epochs: float = _warmup()

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0)."""
        return _risen(step, self.warmup_epochs * steps_per_epoch) * self.rate


@declare(
    "schedule",
    "step",
    main="start",
    doc="The rate times a factor after every so many epochs.",
    example="{start: 0.05, every: 3}",
)
class Step:
    start: float = attr(doc="learning rate at the start", exclusiveMinimum=0)
    every: int = attr(doc="epochs between two drops, those of the warm-up included", minimum=1)
    factor: float = attr(default=0.1, doc="what the rate is multiplied by", exclusiveMinimum=0)
    warmup_epochs: float = _warmup()

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0)."""
        dropped = self.start * self.factor ** (step // steps_per_epoch // self.every)
        return _risen(step, self.warmup_epochs * steps_per_epoch) * dropped


@declare(
    "schedule",
    "multi_step",
    main="start",
    doc="The rate times a factor after each of some epochs.",
    example="{start: 0.1, drops: [5, 8], factor: 0.1}",
)
class MultiStep:
    start: float = attr(doc="learning rate at the start", exclusiveMinimum=0)
    drops: Indices = attr(doc="epochs after which it drops, those of the warm-up counted in", minimum=1)
    factor: float = attr(default=0.1, doc="what the rate is multiplied by at each drop", exclusiveMinimum=0)
    warmup_epochs: float = _warmup()

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0)."""
        drops = (self.drops,) if isinstance(self.drops, int) else self.drops
        done = sum(step // steps_per_epoch >= epoch for epoch in drops)
        return _risen(step, self.warmup_epochs * steps_per_epoch) * self.start * self.factor**done


@declare(
    "schedule",
    "exponential",
    main="start",
    doc="The rate times a factor per epoch, a little at every step.",
    example="{start: 0.05, factor: 0.9}",
)
class Exponential:
    start: float = attr(doc="learning rate at the start", exclusiveMinimum=0)
    factor: float = attr(default=0.95, doc="what an epoch multiplies the rate by", exclusiveMinimum=0)
    warmup_epochs: float = _warmup()

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0)."""
        warmup = self.warmup_epochs * steps_per_epoch
        return _risen(step, warmup) * self.start * math.pow(self.factor, max(step - warmup, 0) / steps_per_epoch)


@declare(
    "schedule",
    "polynomial",
    main="start",
    doc="Down to the floor as a power of the share of the run to come.",
    example="{start: 0.05, power: 2}",
)
class Polynomial:
    start: float = attr(doc="learning rate at the start", exclusiveMinimum=0)
    floor: float = attr(default=0.0, doc="rate at the end", minimum=0)
    power: float = attr(default=1.0, doc="1 falls in a line; more falls faster at first", exclusiveMinimum=0)
    warmup_epochs: float = _warmup()

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0)."""
        warmup = self.warmup_epochs * steps_per_epoch
        left = 1 - _progress(step, warmup, epochs * steps_per_epoch)
        return _risen(step, warmup) * (self.floor + (self.start - self.floor) * math.pow(left, self.power))


@declare(
    "schedule",
    "inverse",
    main="start",
    doc="The rate over a power of the time that has passed: start · (1 + decay · epochs)^(−power), at every step.",
    example="{start: 0.05, decay: 0.1, power: 0.75}",
)
class Inverse:
    """Caffe's ``inv``, which counts iterations in the place of epochs."""

    start: float = attr(doc="learning rate at the start", exclusiveMinimum=0)
    decay: float = attr(default=0.1, doc="how much an epoch adds to what the rate is divided by", minimum=0)
    power: float = attr(default=1.0, doc="1 divides by the time itself; less falls slower", exclusiveMinimum=0)
    warmup_epochs: float = _warmup()

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0)."""
        warmup = self.warmup_epochs * steps_per_epoch
        passed = max(step - warmup, 0) / steps_per_epoch
        return _risen(step, warmup) * self.start * math.pow(1 + self.decay * passed, -self.power)


@declare(
    "schedule",
    "cosine",
    main="peak",
    doc="Half a cosine from the peak down to the floor (Loshchilov and Hutter 2017).",
    example="{peak: 0.05, warmup_epochs: 1}",
)
class Cosine:
    peak: float = attr(doc="highest learning rate", exclusiveMinimum=0)
    floor: float = attr(default=0.0, doc="rate at the end", minimum=0)
    warmup_epochs: float = _warmup()

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0)."""
        warmup = self.warmup_epochs * steps_per_epoch
        return _risen(step, warmup) * _half_cosine(
            self.peak, self.floor, _progress(step, warmup, epochs * steps_per_epoch)
        )


@declare(
    "schedule",
    "one_cycle",
    main="peak",
    doc="Up to the peak and down to nearly nothing, along half a cosine each (Smith and Topin 2018, as in PyTorch).",
    example="0.1",
)
class OneCycle:
    peak: float = attr(doc="highest learning rate", exclusiveMinimum=0)
    rise: float = attr(default=0.3, doc="share of the run in which the rate rises", minimum=0, maximum=1)
    start_divisor: float = attr(default=25.0, doc="the peak over this is the rate at the start", minimum=1)
    end_divisor: float = attr(default=1e4, doc="the rate at the start over this is the one at the end", minimum=1)

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0)."""
        total = epochs * steps_per_epoch
        start = self.peak / self.start_divisor
        top = self.rise * total
        if step < top:
            return _half_cosine(start, self.peak, step / top)
        return _half_cosine(self.peak, start / self.end_divisor, _progress(step, top, total))


@declare(
    "schedule",
    "plateau",
    main="start",
    doc="The rate times a factor when the validation loss has not fallen for some epochs, as in PyTorch.",
    example="0.05",
)
class Plateau:
    start: float = attr(doc="learning rate at the start", exclusiveMinimum=0)
    factor: float = attr(default=0.1, doc="what the rate is multiplied by", exclusiveMinimum=0, exclusiveMaximum=1)
    patience: int = attr(default=10, doc="epochs without a fall that are put up with", minimum=0)
    threshold: float = attr(
        default=1e-4,
        doc="share of the lowest loss so far by which another must be lower",
        minimum=0,
        exclusiveMaximum=1,
    )
    cooldown: int = attr(default=0, doc="epochs after a drop that do not count", minimum=0)
    floor: float = attr(default=0.0, doc="lowest rate", minimum=0)
    warmup_epochs: float = _warmup()

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0) while there is no epoch to judge by."""
        return self.after(()).at(step, steps_per_epoch, epochs)

    def after(self, losses: Sequence[float]) -> Constant:
        """The schedule after epochs with these losses, by which every drop so far is decided anew."""
        rate, lowest, waited, cooling = self.start, math.inf, 0, 0
        for loss in losses:
            fell = loss < lowest * (1 - self.threshold)
            lowest = loss if fell else lowest
            waited = 0 if fell or cooling else waited + 1
            cooling = max(cooling - 1, 0)
            if waited > self.patience:
                rate, waited, cooling = max(rate * self.factor, self.floor), 0, self.cooldown
        return Constant(rate=rate, warmup_epochs=self.warmup_epochs)


def _risen(step: int, warmup: float) -> float:
    """The share of the full rate that step ``step`` of a warm-up of ``warmup`` steps gets; 1 after it."""
    return (step + 1) / math.ceil(warmup) if step < warmup else 1.0


def _progress(step: int, before: float, total: int) -> float:
    """Which share of the steps after the first ``before`` is over, from 0 to 1."""
    return min(max(step - before, 0) / max(total - before, 1), 1.0)


def _half_cosine(first: float, last: float, progress: float) -> float:
    """From ``first`` to ``last``, level at both ends."""
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2
