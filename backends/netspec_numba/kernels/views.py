"""How convolutions address stored tensors. All distances count floats."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.host import LANES


@dataclass(frozen=True, slots=True)
class View:
    """A stored tensor: its channel blocks, and the distances between neighbours along every axis."""

    channels: int
    lanes: int
    """Channels in one block, contiguous at every position."""
    position: int
    block: int
    sample: int


def input_view(tensor: TensorType) -> View:
    """The view of a tensor that is read one channel at a time, in its own layout."""
    block = tensor.positions * tensor.lanes
    return View(tensor.channels, tensor.lanes, tensor.lanes, block, tensor.sample_stride)


def output_view(tensor: TensorType) -> View:
    """The view of a tensor read or written in vectors of ``LANES`` channels. Raises ValueError for other blocks.

    ``block`` is the distance between vectors, in the plain layout too.
    """
    if tensor.block not in (None, LANES):
        raise ValueError(f"this host computes in blocks of {LANES} channels, not {tensor.block}")
    view = input_view(tensor)
    return view if tensor.block else replace(view, lanes=LANES, block=LANES)


def stored_columns(tensor: TensorType) -> int:
    """Channels that may be written: the padding lanes of a block too, but nothing past a plain position."""
    return tensor.blocks * tensor.lanes


@dataclass(frozen=True, slots=True)
class Padding:
    """A copy of the input's rows with zeros on both sides: ``rows`` of them in one sample."""

    rows: int
    row: int
    padded_row: int
    before: int

    @property
    def size(self) -> int:
        """Length of one sample's copy."""
        return self.rows * self.padded_row


@dataclass(frozen=True, slots=True)
class Source:
    """The input of a convolution as it is read, with the geometry that reading it has.

    The last axis of the window is folded into the channels of a plain input that has few: the numbers under
    one row of the window are neighbours in memory, so that a 5x5 window over one channel becomes five taps of
    five channels. Where rows reach into padding, that takes a copy with zeros in it. The logical order of the
    weights, [*window, channels, outputs], is the same under both readings.
    """

    view: View
    geometry: WindowGeometry
    padding: Padding | None = None


def source_of(x: TensorType, geometry: WindowGeometry, groups: int) -> Source:
    """The input ``x`` as a convolution of this geometry reads it."""
    few_channels = x.block is None and x.channels < LANES and groups == 1
    return folded_source(x, geometry) if few_channels and is_folding(geometry) else Source(input_view(x), geometry)


def is_folding(geometry: WindowGeometry) -> bool:
    """Whether the numbers under one row of the window are neighbours, and more than one position's."""
    return bool(geometry.size) and geometry.size[-1] > 1 and geometry.dilation[-1] == 1


def folded_source(x: TensorType, geometry: WindowGeometry) -> Source:
    """The plain input ``x`` with the last axis of the window folded into the channels."""
    width, length, before = geometry.size[-1], geometry.input[-1], geometry.before[-1]
    reach = (geometry.output[-1] - 1) * geometry.stride[-1] + width
    padding = None
    if before > 0 or reach > length:
        padding = Padding(x.positions // length, length * x.channels, reach * x.channels, before * x.channels)
        length = reach
    sample = x.positions // geometry.input[-1] * length * x.channels
    folded = replace(
        geometry,
        input=(*geometry.input[:-1], length),
        size=(*geometry.size[:-1], 1),
        before=(*geometry.before[:-1], 0),
    )
    view = View(width * x.channels, width * x.channels, x.channels, sample, sample)
    return Source(view, folded, padding)
