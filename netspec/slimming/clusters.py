"""Weight sharing: every weight of a layer becomes one of a few numbers (Han et al. 2016, arXiv:1510.00149, section 3).

The numbers are found by k-means over the layer's weights, which begins with numbers evenly spaced from the smallest
weight to the largest: so large weights, which are few, keep numbers of their own, and nothing is drawn by chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from netspec.data.dataset import Dataset, PartName
from netspec.diagnostics.errors import RunError
from netspec.interop.packed import pack_indices
from netspec.interop.safetensors import encode, encode_packed
from netspec.training.evaluate import evaluate
from netspec.training.open_run import OpenRun
from netspec.training.scores import Scores
from netspec.training.state import read_state

Array = np.ndarray[Any, np.dtype[Any]]

ROUNDS = 100
"""Most rounds of k-means; it ends as soon as no weight changes its number."""


class Shared(NamedTuple):
    """A weight by the indices of its numbers in a codebook."""

    indices: Array
    codebook: Array

    def weight(self, shape: tuple[int, ...]) -> Array:
        """The weight, float32."""
        found: Array = self.codebook[self.indices].reshape(shape)
        return found


class Row(NamedTuple):
    """What sharing did to one weight."""

    name: str
    shape: tuple[int, ...]
    bytes: int
    decibels: float
    """10·log10 of the ratio of the sums of squares of weights and of errors."""

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found = self.decibels if np.isfinite(self.decibels) else None
        return {"weight": self.name, "shape": list(self.shape), "bytes": self.bytes, "snr_db": found}


@dataclass(frozen=True, slots=True)
class Sharing:
    """The content of a file of shared weights, and how it compares."""

    bits: int
    data: bytes
    bytes_before: int
    rows: tuple[Row, ...]
    before: Scores
    after: Scores

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "bits": self.bits,
            "weights": [row.document() for row in self.rows],
            "before": {**self.before.document(), "bytes": self.bytes_before},
            "after": {**self.after.document(), "bytes": len(self.data)},
            "smaller": self.bytes_before / len(self.data),
        }


def cluster(weight: Array, bits: int) -> Shared:
    """Lloyd's algorithm in one dimension: in sorted numbers a cluster is what lies between two middles."""
    numbers = np.sort(weight.reshape(-1).astype(np.float64))
    sums = np.concatenate([[0.0], np.cumsum(numbers)])
    centres = np.linspace(numbers[0], numbers[-1], 2**bits)
    ends = np.zeros(0, np.int64)
    for _ in range(ROUNDS):
        found = np.searchsorted(numbers, (centres[1:] + centres[:-1]) / 2)
        if np.array_equal(found, ends):
            break
        ends = found
        first, last = np.concatenate([[0], ends]), np.concatenate([ends, [numbers.size]])
        counts = last - first
        # A number that no weight is nearest to stays where it is.
        centres = np.where(counts > 0, (sums[last] - sums[first]) / np.maximum(counts, 1), centres)
    codebook = centres.astype(np.float32)
    middles = (codebook[1:].astype(np.float64) + codebook[:-1]) / 2
    return Shared(np.searchsorted(middles, weight.reshape(-1)).astype(np.uint8), codebook)


def share_run(run: OpenRun, dataset: Dataset, bits: int, part: PartName) -> Sharing:
    """The weights of a run shared, each layer's for itself; biases and normalisations are left as they are.

    NS866 where no weight has more numbers than the codebook. The run's network has the shared weights afterwards.
    """
    runtime = run.runtime
    weights = read_state(runtime.state, runtime.weights)
    before = evaluate(runtime, dataset.part(part)).scores
    packed: dict[str, Array] = {}
    rows = []
    for name, array in weights.items():
        if array.ndim < 2 or array.size <= 2**bits:
            packed[name] = array
            continue
        shared = cluster(array, bits)
        new = shared.weight(array.shape)
        runtime.state.write(name, new)
        parts = pack_indices(name, array.shape, shared.indices, shared.codebook)
        packed |= parts
        rows.append(Row(name, array.shape, sum(each.nbytes for each in parts.values()), _decibels(array, new)))
    if not rows:
        raise RunError.of("NS866", network=runtime.network.name, numbers=2**bits)
    after = evaluate(runtime, dataset.part(part)).scores
    data = encode_packed(packed, {"format": "netspec"})
    return Sharing(bits, data, len(encode(weights, {"format": "netspec"})), tuple(rows), before, after)


def _decibels(wanted: Array, found: Mapping[str, Array] | Array) -> float:
    noise = float(((np.asarray(found, np.float64) - wanted) ** 2).sum())
    signal = float((wanted.astype(np.float64) ** 2).sum())
    return 10 * float(np.log10(signal / noise)) if noise and signal else float("inf")
