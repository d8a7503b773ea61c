"""Taking a share of the samples aside, class by class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netspec.data.dataset import Array, Dataset, Part
from netspec.data.keyed import keyed_generator


def stratified_split(labels: Array, share: float, generator: np.random.Generator) -> tuple[Array, Array]:
    """Indices that stay and indices that are taken, each ascending; every class gives the same share.

    ``round(share * N)`` samples are taken, but at least one and never all. What the classes' shares leave over after
    rounding down goes to those with the largest remainders (Hamilton's method), in case of a tie to the smaller class
    number.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    total = min(max(round(share * len(labels)), 1), len(labels) - 1)
    exact = sizes * (total / len(labels))
    counts = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(counts - exact, kind="stable")
    counts[by_remainder[: total - counts.sum()]] += 1
    taken = np.zeros(len(labels), bool)
    for number, count in zip(classes, counts, strict=True):
        members = np.flatnonzero(labels == number)
        taken[generator.permutation(members)[:count]] = True
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def hold_out_validation(part: Part, label: str, share: float, seed: int) -> tuple[Part, Part]:
    """The training part without its validation samples, and these; ``seed`` alone picks them.

    Every class of the field ``label`` gives its share; where that numbers no samples, all are of one class.
    """
    if not share or len(part) < 2:
        return part, part.take(np.arange(0))
    labels = part.fields.get(label)
    if labels is None or labels.ndim != 1 or labels.dtype != np.int32:
        labels = np.zeros(len(part), np.int32)
    stay, taken = stratified_split(labels, share, keyed_generator(seed, "validation"))
    return part.take(stay), part.take(taken)


def with_validation(dataset: Dataset, share: float, seed: int) -> Dataset:
    """The data set with this share of its training part as the validation part, in place of any of its own."""
    train, validation = hold_out_validation(dataset.train, dataset.label, share, seed)
    return replace(dataset, train=train, validation=validation)
