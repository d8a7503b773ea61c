"""Learning-rate schedules: the rate at a step, as a function of the step and of how long the run is."""

from __future__ import annotations

import math

from netspec.core.attributes import attr
from netspec.core.declare import declare


@declare("schedule", "constant", main="rate", doc="The same rate throughout.")
class Constant:
    rate: float = attr(doc="learning rate", exclusiveMinimum=0)

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0)."""
        return self.rate


@declare("schedule", "step", main="start", doc="The rate times a factor after every so many epochs.")
class Step:
    start: float = attr(doc="learning rate at the start", exclusiveMinimum=0)
    every: int = attr(doc="epochs between two drops", minimum=1)
    factor: float = attr(default=0.1, doc="what the rate is multiplied by", exclusiveMinimum=0)

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0)."""
        return self.start * self.factor ** (step // steps_per_epoch // self.every)


@declare(
    "schedule", "cosine", main="peak", doc="Half a cosine from the peak down to the floor (Loshchilov and Hutter 2017)."
)
class Cosine:
    peak: float = attr(doc="highest learning rate", exclusiveMinimum=0)
    floor: float = attr(default=0.0, doc="rate at the end", minimum=0)
    warmup_epochs: float = attr(default=0.0, doc="epochs over which the rate rises in a line to the peak", minimum=0)

    def at(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Rate of step ``step`` (from 0)."""
        warmup = self.warmup_epochs * steps_per_epoch
        if step < warmup:
            return self.peak * (step + 1) / math.ceil(warmup)
        progress = (step - warmup) / max(epochs * steps_per_epoch - warmup, 1)
        return self.floor + (self.peak - self.floor) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
