"""The structures that kernels take by value; each mirrors the one of its name in ``kernels/*.cu`` field by field."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from itertools import product
from math import gcd

from netspec.core.window import BinGeometry, WindowGeometry

AXES = 3
"""Spatial axes that kernels count with; of fewer, the first have one cell."""

_Axes = ctypes.c_int * AXES
_AllAxes = ctypes.c_int * (AXES + 1)


class Window(ctypes.Structure):
    """A sliding window."""

    _fields_ = [(name, _Axes) for name in ("input", "output", "size", "stride", "dilation", "before")]


class Convolution(ctypes.Structure):
    """A window with the channels on either side of it."""

    _fields_ = [
        ("window", Window),
        ("input_channels", ctypes.c_int),
        ("output_channels", ctypes.c_int),
        ("groups", ctypes.c_int),
    ]


class Phase(ctypes.Structure):
    """The cells that lie alike under a window with strides, and the taps that ever meet them."""

    _fields_ = [(name, _Axes) for name in ("first_cell", "cells", "first_tap", "tap_step", "taps")]


class Numbers(ctypes.Structure):
    """The address of numbers, or null, and whether they are stored as bfloat16 and not as float32."""

    _fields_ = [("first", ctypes.c_void_p), ("narrow", ctypes.c_int)]


class Finish(ctypes.Structure):
    """What becomes of a number before it is stored: a residual, if there is one, and the limits that clip it."""

    _fields_ = [("residual", Numbers), ("low", ctypes.c_float), ("high", ctypes.c_float)]


class Rounding(ctypes.Structure):
    """How numbers become bytes: the limits of a byte less its zero, and the zero."""

    _fields_ = [("low", ctypes.c_float), ("high", ctypes.c_float), ("zero", ctypes.c_int)]


class ByteEnding(ctypes.Structure):
    """What becomes of a sum of products of bytes: bytes, to which those of a residual are added, or float32."""

    _fields_ = [
        ("rounding", Rounding),
        ("residual", ctypes.c_void_p),
        ("residual_scale", ctypes.c_float),
        ("residual_zero", ctypes.c_int),
        ("in_bytes", ctypes.c_int),
    ]


class Tiled(ctypes.Structure):
    """A map as tiles: rows and columns of them, the map's sides, cells before it that the first reaches, channels."""

    _fields_ = [
        ("rows", ctypes.c_int),
        ("columns", ctypes.c_int),
        ("sides", ctypes.c_int * 2),
        ("before", ctypes.c_int * 2),
        ("channels", ctypes.c_int),
    ]


class Channels(ctypes.Structure):
    """The channels that a product reads and makes, and into how many groups they are cut."""

    _fields_ = [(name, ctypes.c_int) for name in ("inputs", "outputs", "groups")]


class Bins(ctypes.Structure):
    """Bins over cells, and a box that each of them fits into."""

    _fields_ = [(name, _Axes) for name in ("input", "output", "box")]


class Segments(ctypes.Structure):
    """How the numbers of a sample are cut into what has one mean."""

    _fields_ = [(name, ctypes.c_int) for name in ("positions", "channels", "groups", "by_position", "whole")]


class AxisTable(ctypes.Structure):
    """The sparse matrix of an axis, by device addresses; null where the axis stays as it is."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("first", "place", "weight")]


class Movement(ctypes.Structure):
    """What is made from where, axis by axis, and where in the output it lies."""

    _fields_ = [
        ("axes", AxisTable * (AXES + 1)),
        ("made", _AllAxes),
        ("input", _AllAxes),
        ("y_sample", ctypes.c_longlong),
        ("y_first", ctypes.c_longlong),
        ("y_steps", _AllAxes),
        ("gap", ctypes.c_float),
    ]


class Stretched(ctypes.Structure):
    """A product of factors over the axes that are made, summed over others."""

    _fields_ = [("made", _AllAxes), ("summed", _AllAxes), ("factors", ctypes.c_int)]


class Cell(ctypes.Structure):
    """One number per spatial axis."""

    _fields_ = [("at", _Axes)]


def filled(numbers: Iterable[int], fill: int, count: int = AXES) -> tuple[int, ...]:
    """``numbers`` with ``fill`` in front, ``count`` in all."""
    given = tuple(numbers)
    return (fill,) * (count - len(given)) + given


def axes(numbers: Iterable[int], fill: int) -> ctypes.Array[ctypes.c_int]:
    """One number per spatial axis, the missing ones first."""
    return _Axes(*filled(numbers, fill))


def all_axes(numbers: Iterable[int], fill: int) -> ctypes.Array[ctypes.c_int]:
    """One number per spatial axis and one for the channels."""
    return _AllAxes(*filled(numbers, fill, AXES + 1))


def window(geometry: WindowGeometry) -> Window:
    """The window as kernels take it."""
    return Window(
        axes(geometry.input, 1),
        axes(geometry.output, 1),
        axes(geometry.size, 1),
        axes(geometry.stride, 1),
        axes(geometry.dilation, 1),
        axes(geometry.before, 0),
    )


def phases(window: Window) -> tuple[Phase, ...]:
    """All phases of a window that have cells: one for every combination of places below its strides."""
    along = [
        [_phase(window, axis, first) for first in range(min(window.stride[axis], window.input[axis]))]
        for axis in range(AXES)
    ]
    return tuple(Phase(*(_Axes(*numbers) for numbers in zip(*each, strict=True))) for each in product(*along))


def _phase(window: Window, axis: int, first: int) -> tuple[int, int, int, int, int]:
    """Along one axis: first cell, cells, first tap, from tap to tap, taps.

    Tap t meets cell c where c + before - t dilation is a multiple of the stride.
    """
    stride, dilation = window.stride[axis], window.dilation[axis]
    cells = -(-(window.input[axis] - first) // stride)
    meeting = [t for t in range(window.size[axis]) if (first + window.before[axis] - t * dilation) % stride == 0]
    return first, cells, meeting[0] if meeting else 0, stride // gcd(stride, dilation), len(meeting)


def bins(geometry: BinGeometry) -> Bins:
    """The bins as kernels take them."""
    return Bins(axes(geometry.input, 1), axes(geometry.output, 1), axes(geometry.size, 1))


def row_steps(shape: Sequence[int]) -> tuple[int, ...]:
    """How many numbers lie between neighbours along each axis of a row-major tensor."""
    steps = [1]
    for side in reversed(shape[1:]):
        steps.append(steps[-1] * side)
    return tuple(reversed(steps))
