"""Arrays as pictures: PNG within the page, of as few pixels as show what there is; the browser enlarges them."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.training.report.content import Picture

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

LARGEST = 96
"""Pixels of the longer side of a sample's picture."""

STRIP, TRACE, TRACES = 12, 40, 4
"""Height of a picture of a list of numbers, and of the trace of a signal; channels that have a trace each."""

NEGATIVE, MIDDLE, POSITIVE = (33, 102, 172), (242, 242, 240), (178, 68, 18)
"""Blue, near white and vermilion, told apart by all common forms of colour blindness."""

CLASS_COLORS = (
    *("#4a5560", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"),
    *("#882255", "#aad962", "#7a6ff0", "#c9a27c", "#44aa99", "#ddcc77", "#661100", "#b7c4d1"),
)
"""Of classes of pixels: those of Okabe and Ito, "Color Universal Design" (2008), and more; class 16 begins anew."""


def png(pixels: Array, text: str) -> Picture:
    """Bytes (H, W), (H, W, 3) or (H, W, 4) as a picture that shows ``text``."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels, np.uint8)).save(stream, "PNG", optimize=True)
    address = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
    return Picture(address, pixels.shape[1], pixels.shape[0], text)


def sample_picture(sample: Array, text: str, low: float | None = None, high: float | None = None) -> Picture:
    """A sample (..., C) as it is, if it is bytes, else with ``low`` black and ``high`` white; see :func:`plane`."""
    pixels = plane(sample)
    if pixels.dtype != np.uint8:
        least, greatest = _range(pixels, low, high)
        pixels = _bytes((pixels - least) / (greatest - least))
    return png(reduced(pixels if pixels.shape[-1] == 3 else pixels[..., 0]), text)


def plane(sample: Array) -> Array:
    """A sample as one or three planes (H, W, 1 or 3).

    Of a volume it is the slice in the middle; a signal (L, C) is its traces or, of many channels, a row for each; a
    list of numbers is one row. Channels that are not colours are averaged.
    """
    if sample.ndim == 4:
        sample = sample[len(sample) // 2]
    if sample.ndim < 3:
        return _signal(sample.T if sample.ndim == 2 else sample.reshape(1, -1), traced=sample.ndim == 2)
    if sample.shape[-1] in (1, 3):
        return sample
    mean: Array = sample.mean(axis=-1, keepdims=True).astype(sample.dtype)
    return mean


def _signal(rows: Array, traced: bool) -> Array:
    """Rows of numbers (C, L) as a plane: traces one below the other, or a line of pixels for each row."""
    edges = np.linspace(0, rows.shape[1], min(LARGEST, rows.shape[1]) + 1).astype(int)[:-1]
    if not traced or len(rows) > TRACES:
        means = np.add.reduceat(rows.astype(np.float64), edges, axis=1) / np.diff([*edges, rows.shape[1]])
        return np.repeat(means[:LARGEST], max(1, STRIP // len(rows)), axis=0)[..., np.newaxis]
    known = np.nan_to_num(rows.astype(np.float64))
    low, high = known.min(axis=1, keepdims=True), known.max(axis=1, keepdims=True)
    heights = (1 - (known - low) / np.where(high > low, high - low, 1)) * (TRACE - 1)
    top, bottom = (ends.reduceat(heights, edges, axis=1).round() for ends in (np.minimum, np.maximum))
    places = np.arange(TRACE)[:, np.newaxis]
    traces = [(places >= upper) & (places <= lower) for upper, lower in zip(top, bottom, strict=True)]
    return (np.concatenate(traces)[..., np.newaxis] * 255).astype(np.uint8)


def reduced(pixels: Array, largest: int = LARGEST) -> Array:
    """The picture, or a smaller one of the same form, if its longer side is longer than ``largest``."""
    from PIL import Image

    height, width = pixels.shape[:2]
    if max(height, width) <= largest:
        return pixels
    scale = largest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BOX))


def class_picture(classes: Array, text: str) -> Picture:
    """Class numbers (..., one per position) in the colours of their classes; enlarging keeps their borders."""
    found = classes[len(classes) // 2] if classes.ndim == 3 else classes
    found = np.repeat(found.reshape(1, -1), STRIP, axis=0) if found.ndim < 2 else found
    step = -(-max(found.shape) // LARGEST)  # every so many pixels: a mean of two classes would be a third one
    return png(color_table()[found[::step, ::step] % len(CLASS_COLORS)], text)


def color_table() -> Array:
    """The colours of classes as bytes (classes, 3)."""
    return np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in CLASS_COLORS], np.uint8)


def signed(values: Array, greatest: float) -> Array:
    """Numbers (H, W) as colours (H, W, 3): ``-greatest`` blue, 0 near white, ``greatest`` vermilion."""
    share = np.clip(np.nan_to_num(values) / (greatest or 1.0), -1, 1)[..., np.newaxis]
    ends = np.where(share < 0, np.array(NEGATIVE, np.float64), np.array(POSITIVE, np.float64))
    return (MIDDLE + np.abs(share) * (ends - MIDDLE)).round().astype(np.uint8)


def gray(values: Array, low: float, high: float) -> Array:
    """Numbers (H, W) as grey (H, W, 3): ``low`` black, ``high`` white."""
    return np.repeat(_bytes((values - low) / ((high - low) or 1.0))[..., np.newaxis], 3, axis=-1)


def tiled(tiles: Sequence[Array], columns: int, text: str, gap: int = 1) -> Picture:
    """Pictures (H, W, 3) of one size, side by side, with transparent gaps."""
    height, width = tiles[0].shape[:2]
    columns = min(columns, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    whole = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        whole[top : top + height, left : left + width, :3] = tile
        whole[top : top + height, left : left + width, 3] = 255
    return png(whole, text)


def _range(pixels: Array, low: float | None, high: float | None) -> tuple[float, float]:
    known = pixels[np.isfinite(pixels)]
    least = low if low is not None else float(known.min()) if known.size else 0.0
    greatest = high if high is not None else float(known.max()) if known.size else 1.0
    return (least, greatest) if greatest > least else (least, least + 1.0)


def _bytes(shares: Array) -> Array:
    found: Array = (np.clip(np.nan_to_num(shares), 0, 1) * 255).round().astype(np.uint8)
    return found
