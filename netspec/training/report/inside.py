"""A look inside a trained network: its filters, what its layers make of a sample, its numbers and their gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from netspec.analysis.draw.picture import folded
from netspec.core.graph import Graph, Node
from netspec.core.types import TensorType
from netspec.data.batches import Batches
from netspec.data.dataset import Array, Part
from netspec.passes.step import activations as activations_graph
from netspec.training.report.content import Histogram, Picture, Spread, Tiles
from netspec.training.report.pictures import gray, reduced, sample_picture, signed, tiled
from netspec.training.runtime import Runtime
from netspec.training.taps import activations, gradients

FILTER_LAYERS = 2
"""Convolutions whose filters are shown, the first ones."""

FILTERS, LATER, DEPTH = 64, 16, 8
"""Filters of the first layer; those of a later one, and their channels."""

FEATURE_LAYERS, MAPS, ABREAST = 8, 16, 8
"""Layers whose maps are shown, the maps of each, and how many of them stand side by side."""

MAP_SIDE = 64
"""Pixels of the longer side of a map."""

SPREADS = 24
"""Parameters whose numbers are shown."""

BINS = 48
MIDDLE = (0.5, 99.5)
"""Percentiles between which a histogram lies: a single far number would make all others one bar."""

T = TypeVar("T")


def find_filters(runtime: Runtime) -> tuple[Tiles, ...]:
    """The filters of the first convolutions of images that look at more than one pixel."""
    found: list[Tiles] = []
    seen: set[str] = set()
    for node in runtime.network.nodes:
        name = f"{node.path}.weight"
        if name in seen or name not in runtime.weight_shapes or len(found) == FILTER_LAYERS:
            continue
        weight = runtime.state.read(name)
        if node.op.name == "conv" and weight.ndim == 4 and max(weight.shape[:2]) > 1:
            seen.add(name)
            found.append(_filters(node.path, weight))
    return tuple(found)


def _filters(layer: str, weight: Array) -> Tiles:
    """Filters (R, S, C, K): of colour images as colours, of grey ones signed, else a tile per filter and channel."""
    _, _, channels, count = weight.shape
    greatest = float(np.abs(weight).max()) if weight.size else 1.0
    words = f"filters of {layer}"
    if channels == 3:
        colors = (np.clip(weight / (greatest or 1.0), -1, 1) * 127.5 + 127.5).astype(np.uint8)
        shown = min(count, FILTERS)
        picture = tiled([colors[..., k] for k in range(shown)], 16, words)
        return Tiles(layer, "colour", weight.shape, shown, count, picture)
    if channels == 1:
        shown = min(count, FILTERS)
        picture = tiled([signed(weight[..., 0, k], greatest) for k in range(shown)], 16, words)
        return Tiles(layer, "signed", weight.shape, shown, count, picture)
    shown, deep = min(count, LATER), min(channels, DEPTH)
    tiles = [signed(weight[..., c, k], greatest) for c in range(deep) for k in range(shown)]
    return Tiles(layer, "channels", weight.shape, shown, count, tiled(tiles, shown, words))


def find_features(runtime: Runtime, part: Part) -> tuple[tuple[Picture, ...], tuple[Tiles, ...]]:
    """The first sample of a part, and what the layers make of it, an activation shown with the layer before it."""
    shown = _spatial_parts(runtime.network)
    if not shown:
        return (), ()
    batch = next(Batches(part, 1, runtime.augmenter(part, evaluation=True)).in_order(np.arange(1), "evaluation"))
    inputs = {name: array.copy() for name, array in batch.inputs.items()}
    there = _there(runtime)
    taps = {nodes[0].path: last for nodes in shown if (last := _last_tap(nodes, there)) is not None}
    maps = activations(runtime, inputs, dict.fromkeys(taps.values()))
    pictures = tuple(sample_picture(array[0], f"input {name}, sample 0") for name, array in inputs.items())
    return pictures, tuple(_features(layer, maps[tap][0]) for layer, tap in _spaced(list(taps.items()), FEATURE_LAYERS))


def _there(runtime: Runtime) -> set[str]:
    """Paths of the layers that inference has."""
    return set(activations_graph(runtime.network, runtime.recipe, "float32").outputs)


def _spatial_parts(network: Graph) -> list[list[Node]]:
    """The layers whose maps can be shown, each with what is folded into it."""
    return [nodes for nodes in folded(network) if _has_maps(nodes[-1].output.type)]


def _has_maps(type: TensorType) -> bool:
    return len(type.spatial) == 2 and type.positions > 1


def _last_tap(nodes: Sequence[Node], there: set[str]) -> str | None:
    return next((node.path for node in reversed(nodes) if node.path in there), None)


def _features(layer: str, maps: Array) -> Tiles:
    """The first maps of (H, W, C), black and white at the ends of the middle 99 % of all of them."""
    shown = min(maps.shape[-1], MAPS)
    low, high = _middle(maps)
    tiles = [reduced(gray(maps[..., c], low, high), MAP_SIDE) for c in range(shown)]
    return Tiles(layer, "maps", maps.shape, shown, maps.shape[-1], tiled(tiles, ABREAST, f"feature maps of {layer}"))


def find_spreads(runtime: Runtime, train: Part, step: int) -> tuple[tuple[Spread, ...], int, int]:
    """Histograms of parameters and gradients; how many parameters are left out; the samples of the gradients.

    The gradients are those of the loss of the first samples of the training part, as a step would see them.
    """
    size = min(runtime.batch, len(train))
    batch = next(Batches(train, size, runtime.augmenter(train)).in_order(np.arange(size), 0))
    found = gradients(runtime, batch, step)
    trained = [slot for slot in runtime.weights if slot.param.trained]
    main = [slot for slot in trained if len(slot.param.shape) > 1] or trained
    shown = _spaced(main, SPREADS)
    spreads = tuple(
        Spread(slot.name, slot.param.shape, _histogram(runtime.state.read(slot.name)), _known(found, slot.name))
        for slot in shown
    )
    return spreads, len(main) - len(shown), size


def _known(found: Mapping[str, Array], name: str) -> Histogram | None:
    return _histogram(found[name]) if name in found else None


def _histogram(values: Array) -> Histogram | None:
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return None
    low, high = _middle(known)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(known, BINS, (low, high))
    rms = float(np.sqrt((known**2).mean()))
    return Histogram(low, high, tuple(counts.tolist()), rms, float((known == 0).mean()))


def _middle(values: Array) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, MIDDLE) if known.size else (0.0, 1.0)
    return float(low), float(high)


def _spaced(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, evenly spaced, with the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]
