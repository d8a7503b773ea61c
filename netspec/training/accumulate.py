"""Updates that wait for the gradients of several batches: which batches share one, and what each counts.

The batches of an epoch share updates in their order, ``train.accumulate`` at a time; the last update of an epoch has
what is left. Each batch's gradient counts as many samples as the batch has, so that the sum is the gradient of the
mean over all of them: that of one large batch, but for the rounding of sums that are cut elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Turn(NamedTuple):
    """A batch among those of an update: the update's number (from 1), and the batch's share of its samples."""

    update: int
    share: float = 1.0
    first: bool = True
    last: bool = True


@dataclass(frozen=True, slots=True)
class Turns:
    """Who shares an update, in epochs of ``samples`` samples in batches of ``size``, ``together`` to an update."""

    samples: int
    size: int
    together: int

    @property
    def per_epoch(self) -> int:
        """Updates of an epoch."""
        return -(-self.samples // (self.size * self.together))

    def at(self, epoch: int, batch: int) -> Turn:
        """The turn of a batch (from 0) of an epoch (from 0)."""
        place, within = divmod(batch, self.together)
        begin = place * self.together * self.size
        count = min(self.samples - begin, self.together * self.size)
        of_batch = min(self.size, count - within * self.size)
        last = (within + 1) * self.size >= count
        return Turn(epoch * self.per_epoch + place + 1, of_batch / count, within == 0, last)
