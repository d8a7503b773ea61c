"""Numbers that are not finite, found before they are learnt from: a loss that is nan would put the blame elsewhere."""

from __future__ import annotations

import numpy as np

from netspec.data.dataset import Array

_CHUNK = 2**20
"""Numbers that are looked at in one go, so that a large array needs no second one of its size."""


def not_finite(array: Array) -> tuple[int, float] | None:
    """The first sample of floats (N, ...) with an infinity or a NaN, and that number; ``None`` where all are finite."""
    if array.dtype.kind != "f" or not array.size:
        return None
    rows = max(1, _CHUNK * len(array) // array.size)
    for start in range(0, len(array), rows):
        chunk = array[start : start + rows].reshape(len(array[start : start + rows]), -1)
        wrong = ~np.isfinite(chunk)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            return start + int(row), float(chunk[row, column])
    return None
