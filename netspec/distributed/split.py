"""Which samples of a batch are whose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from netspec.distributed.communicator import Array


class Piece(NamedTuple):
    """What a rank has of a batch: how many of its samples, and of all that it has."""

    samples: int
    of: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.samples / self.of


@dataclass(frozen=True, slots=True)
class Split:
    """Batches of ``batch`` samples, dealt out like cards: rank r has the samples r, r + size, r + 2 size and so on.

    So parts differ by one sample at most, and a smaller batch makes no part larger. A rank that would go away empty, at
    the last batch of an epoch, has the last sample of that batch too, and its share is 0.
    """

    batch: int
    rank: int = 0
    size: int = 1

    @property
    def largest(self) -> int:
        """Samples that a rank has at most."""
        return -(-self.batch // self.size)

    @property
    def own(self) -> int:
        """Samples that this rank has of a full batch."""
        return len(range(self.rank, self.batch, self.size))

    def piece(self, samples: int) -> Piece:
        """What this rank has of a batch of so many samples."""
        return Piece(len(range(self.rank, samples, self.size)), samples)

    def of_order(self, order: Array) -> Array:
        """Those of the samples in ``order``, batch after batch, that are this rank's: ``own`` at a time.

        At least one, the last of them all where none is its own.
        """
        if not self.own:
            return order[-1:]
        full = len(order) // self.batch * self.batch
        dealt = order[:full].reshape(-1, self.batch)[:, self.rank :: self.size].reshape(-1)
        rest = order[full:]
        mine = rest[self.rank :: self.size] if self.rank < len(rest) else rest[-1:]
        return np.concatenate([dealt, mine])
