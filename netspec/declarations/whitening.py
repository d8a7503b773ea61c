"""Whitening by the eigenvectors of a covariance (Krizhevsky 2009, appendix A, of images)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
_ROWS = 4096
"""Samples whose products are added up at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """x ↦ (x − mean)·matrix, with mean (D,) and matrix (D, D) of float32, over the last axes that make D numbers."""

    mean: Array
    matrix: Array

    on_host = True
    fitted = True

    def apply(self, x: Array) -> Array:
        """float32, as x is shaped; (N, ...)."""
        rows = x.reshape(-1, len(self.mean)).astype(np.float32) - self.mean
        return np.ascontiguousarray((rows @ self.matrix).reshape(x.shape))

    def __repr__(self) -> str:
        return f"whitening({len(self.mean)} numbers)"


def fit_whitening(method: str, over: str, eps: float, arrays: Sequence[Array]) -> Whitening:
    """The whitening of samples (N, ...): with the covariance U·Λ·Uᵀ, zca is U·(Λ + eps)^−½·Uᵀ, pca U·(Λ + eps)^−½.

    Principal axes come with the largest variance first, each with its largest component positive.
    """
    size = arrays[0].shape[-1] if over == "channels" else int(np.prod(arrays[0].shape[1:]))
    tables = [array.reshape(-1, size) for array in arrays]
    count = sum(map(len, tables))
    mean = sum(table.sum(axis=0, dtype=np.float64) for table in tables) / count
    covariance = np.zeros((size, size))
    for table in tables:
        for start in range(0, len(table), _ROWS):
            rows = table[start : start + _ROWS].astype(np.float64) - mean
            covariance += rows.T @ rows
    variances, axes = np.linalg.eigh(covariance / count)
    variances, axes = np.maximum(variances[::-1], 0), axes[:, ::-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(size)])
    matrix = axes / np.sqrt(variances + eps)
    if method == "zca":
        matrix = matrix @ axes.T
    return Whitening(mean.astype(np.float32), np.ascontiguousarray(matrix, np.float32))
