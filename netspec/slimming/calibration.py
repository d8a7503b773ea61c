"""Ranges of activations, measured on samples: what the bytes of a quantised network have to hold.

``min-max``     the smallest and the largest number that was seen
``percentile``  without the ten-thousandth part of the numbers that lies furthest out on either side
``entropy``     cut where the distribution of the bytes tells most of that of the numbers: the smallest Kullback-Leibler
                divergence over the places to cut (Migacz 2017, "8-bit inference with TensorRT")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from netspec.data.batches import Batches
from netspec.data.dataset import Part
from netspec.diagnostics.errors import RunError
from netspec.passes.quantization import Range, calibrated_values
from netspec.passes.step import inference
from netspec.training.runtime import Runtime
from netspec.training.taps import watch

Array = np.ndarray[Any, np.dtype[Any]]
Method = Literal["min-max", "percentile", "entropy"]
METHODS: tuple[str, ...] = get_args(Method)

BINS = 2048
"""Of the histogram of an activation."""
LEFT_OUT = 1e-4
"""Share of the numbers that ``percentile`` leaves out on either side."""
LEVELS = 256
"""Numbers that a byte tells apart."""


def calibrate(runtime: Runtime, part: Part, method: Method, samples: int) -> dict[str, Range]:
    """The range of every activation that can be a byte, by its name, over ``samples`` of ``part``, evenly spread.

    NS864 where there is none, NS865 where a number is not finite.
    """
    watched = _Watched(runtime, part, samples)
    found: dict[str, Range] = {}
    for name, array in watched.arrays():
        low, high = float(array.min()), float(array.max())
        if not np.isfinite([low, high]).all():
            raise RunError.of("NS865", layer=name, found=low if np.isnan(low) else high)
        known = found.get(name, Range(0.0, 0.0))
        found[name] = Range(min(low, known.low), max(high, known.high))
    if method == "min-max":
        return found
    counts = {name: np.zeros(BINS, np.int64) for name in found}
    for name, array in watched.arrays():
        counts[name] += np.histogram(array, BINS, _widened(found[name]))[0]
    return {name: CUTS[method](counts[name], _widened(limits)) for name, limits in found.items()}


def _widened(limits: Range) -> Range:
    return limits if limits.high > limits.low else Range(limits.low, limits.low + 1.0)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A network whose activations are looked at."""

    runtime: Runtime
    part: Part
    samples: int

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Every activation that can be a byte, batch after batch, by name."""
        runtime, part = self.runtime, self.part
        order = np.linspace(0, len(part) - 1, min(self.samples, len(part))).round().astype(np.int64)
        dtype = runtime.input_type(part.inputs)
        graph = inference(runtime.network, runtime.recipe, dtype)
        values = calibrated_values(graph)
        if not values:
            raise RunError.of("NS864", network=runtime.network.name)
        run = watch(runtime, graph, values)
        for batch in Batches(part, runtime.batch, runtime.augmenter(part, evaluation=True)).in_order(
            order, "evaluation"
        ):
            inputs = {name: x.astype(dtype, copy=False) for name, x in runtime.prepared(batch).inputs.items()}
            yield from run(inputs, len(batch)).items()


def cut_percentile(counts: Array, limits: Range) -> Range:
    """Without the bins that hold the outermost numbers."""
    edges = np.linspace(limits.low, limits.high, counts.size + 1)
    below = np.cumsum(counts)
    outside = LEFT_OUT * below[-1]
    first = int(np.searchsorted(below, outside, side="right"))
    last = counts.size - 1 - int(np.searchsorted(np.cumsum(counts[::-1]), outside, side="right"))
    return Range(min(0.0, float(edges[first])), max(0.0, float(edges[max(last, first) + 1])))


def cut_entropy(counts: Array, limits: Range) -> Range:
    """Cut at the distance from 0, on both sides, that loses least."""
    edges = np.linspace(limits.low, limits.high, counts.size + 1)
    middles = np.abs((edges[1:] + edges[:-1]) / 2)
    furthest = float(max(-limits.low, limits.high))
    levels = LEVELS if limits.low >= 0 else LEVELS // 2
    sizes, _ = np.histogram(middles, BINS, (0.0, furthest), weights=counts.astype(np.float64))
    sizes[0] = min(sizes[0], sizes[1])  # 0 itself is a byte, so that the many zeros behind a relu lose nothing
    places = range(levels, BINS + 1, levels // 8)
    best = min(places, key=lambda place: _divergence(sizes, place, levels))
    distance = furthest * best / BINS
    return Range(max(limits.low, -distance), min(limits.high, distance))


def _divergence(sizes: Array, place: int, levels: int) -> float:
    """How much is lost of a distribution of magnitudes that is cut behind ``place`` bins and told in ``levels``."""
    wanted = sizes[:place].copy()
    wanted[-1] += sizes[place:].sum()  # what is cut off is taken for the largest
    level = np.arange(place) * levels // place
    there = sizes[:place] > 0
    total = np.bincount(level, weights=sizes[:place], minlength=levels)
    share = np.bincount(level, weights=there, minlength=levels)
    told = np.where(there, total[level] / np.maximum(share[level], 1), 0.0)
    if not wanted.sum() or not told.sum():
        return np.inf
    p, q = wanted / wanted.sum(), told / told.sum()
    seen = p > 0
    # A level that holds nothing of what is there would make the divergence infinite; it is smoothed, as is usual.
    return float((p[seen] * np.log(p[seen] / np.maximum(q[seen], 1e-9))).sum())


CUTS: dict[str, Callable[[Array, Range], Range]] = {"percentile": cut_percentile, "entropy": cut_entropy}
