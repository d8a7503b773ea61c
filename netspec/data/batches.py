"""Samples in the order of an epoch: gathered in this process, changed in it, or made by workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from netspec.data.augment import Augmenter
from netspec.data.dataset import Array, Part
from netspec.data.keyed import keyed_generator
from netspec.data.ondemand import gathered, on_demand
from netspec.data.workers import Workers


def epoch_order(samples: int, seed: int, epoch: int) -> Array:
    """The order of the samples in ``epoch`` (from 0): a permutation that only ``seed`` and ``epoch`` determine."""
    return keyed_generator(seed, "shuffle", epoch).permutation(samples)


def with_work(augmenters: Mapping[str, Augmenter]) -> dict[str, Augmenter]:
    """Those that leave anything for workers to do: there are samples, and they are changed or still to be decoded."""
    return {name: each for name, each in augmenters.items() if len(each.part) and _has_work(each)}


def _has_work(augmenter: Augmenter) -> bool:
    part = augmenter.part
    return bool(augmenter.augment) or any(on_demand(part[name]) for name in part.feed.fields)


class Batches:
    """Cuts a part into batches. The arrays it yields are overwritten by the next batch.

    Where ``workers`` know a part of that ``name``, they make what ``augmenter`` would.
    """

    def __init__(
        self,
        part: Part,
        size: int,
        augmenter: Augmenter | None = None,
        workers: Workers | None = None,
        name: str = "",
    ) -> None:
        self._part = part
        self._augmenter = augmenter
        self._size = size
        self._workers, self._name = workers if workers and name in workers else None, name
        fields = {name: part[name] for name in part.feed.fields}
        self._buffers = {name: np.empty((size, *array.shape[1:]), array.dtype) for name, array in fields.items()}

    def __len__(self) -> int:
        """Batches of one epoch, the last, smaller one included."""
        return -(-len(self._part) // self._size)

    def in_order(self, order: Array, epoch: int | str = 0) -> Iterator[Part]:
        """The samples of ``order``, n at a time, with the fields that the network is fed; the last n may be smaller.

        What augments them is told that it is this ``epoch``.
        """
        if self._workers is not None:
            yield from self._workers.batches(self._name, order, self._size, epoch)
            return
        for start in range(0, len(order), self._size):
            indices = order[start : start + self._size]
            if self._augmenter is not None and self._augmenter.augment:
                yield self._augmenter.batch(indices, epoch)
                continue
            buffers = {name: buffer[: len(indices)] for name, buffer in self._buffers.items()}
            for name, buffer in buffers.items():
                gathered(self._part[name], indices, buffer)
            yield replace(self._part, fields=buffers)


class Supply:
    """The batches of several parts, of up to ``size`` samples, made by the same ``workers`` where there is such work.

    ``augmenters`` are by the name of the part. :meth:`close` ends the workers.
    """

    def __init__(self, augmenters: Mapping[str, Augmenter], size: int, workers: int = 0) -> None:
        self._augmenters, working = augmenters, with_work(augmenters)
        self._workers = Workers(working, size, workers) if working and workers else None

    def batches(self, name: str, size: int) -> Batches:
        """Those of a part, of so many samples. The batches of one part are at an end before those of another begin."""
        augmenter = self._augmenters[name]
        return Batches(augmenter.part, size, augmenter, self._workers, name)

    def close(self) -> None:
        """End the workers, if there are any."""
        if self._workers is not None:
            self._workers.close()
