"""Samples in the order of an epoch, gathered into one buffer that every batch uses again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netspec.data.dataset import Array, Part
from netspec.data.keyed import keyed_generator


def epoch_order(samples: int, seed: int, epoch: int) -> Array:
    """The order of the samples in ``epoch`` (from 0): a permutation that only ``seed`` and ``epoch`` determine."""
    return keyed_generator(seed, "shuffle", epoch).permutation(samples)


class Batches:
    """Cuts a part into batches. The arrays it yields are overwritten by the next batch."""

    def __init__(self, part: Part, size: int) -> None:
        self._part = part
        self._size = size
        self._images = np.empty((size, *part.images.shape[1:]), part.images.dtype)
        self._labels = np.empty((size, *part.labels.shape[1:]), part.labels.dtype)

    def __len__(self) -> int:
        """Batches of one epoch, the last, smaller one included."""
        return -(-len(self._part) // self._size)

    def in_order(self, order: Array) -> Iterator[tuple[Array, Array]]:
        """Images (n, ...) and labels (n, ...) of ``order``, n samples at a time; the last n may be smaller."""
        for start in range(0, len(order), self._size):
            indices = order[start : start + self._size]
            images, labels = self._images[: len(indices)], self._labels[: len(indices)]
            # In the mode "raise", take() would fill a buffer of its own first. The indices are ours and in range.
            np.take(self._part.images, indices, axis=0, out=images, mode="clip")
            np.take(self._part.labels, indices, axis=0, out=labels, mode="clip")
            yield images, labels
