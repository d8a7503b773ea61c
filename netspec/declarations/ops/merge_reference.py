"""Concatenation; what works number by number is its own definition, as an expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.merge import Concat, ConcatDx, Max, Mean, Subtract, Times

Array = np.ndarray[Any, np.dtype[Any]]


def concat(attrs: Concat, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Side by side along the axis, behind the samples where there are some."""
    x = context.x
    return (np.concatenate(inputs, axis=x.batched + attrs.axis_index(len(x.spatial))),)


def concat_dx(attrs: ConcatDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The slice from ``offset`` of length ``extent``."""
    places = np.arange(attrs.offset, attrs.offset + attrs.extent)
    return (inputs[0].take(places, axis=1 + attrs.axis_index(len(context.x.spatial))),)


def _case(axis: str, *shapes: tuple[int, ...]) -> Case:
    return Case(Concat(axis=axis), tuple(TensorType(shape) for shape in shapes))


_SHAPES = ((5,), (6, 3), (3, 4, 17), (3, 2, 4, 2))

CASES = {
    "times": (Case(Times(factor=0.3), (TensorType((5,)),)), Case(Times(factor=-2.0), (TensorType((3, 4, 17)),))),
    "subtract": tuple(Case(Subtract(), (TensorType(shape),) * 2) for shape in _SHAPES),
    "max": tuple(Case(Max(), (TensorType(shape),) * count, ties=True) for shape in _SHAPES for count in (1, 2, 4)),
    "mean": tuple(Case(Mean(), (TensorType(shape),) * count) for shape in _SHAPES for count in (1, 2)),
    "concat": (
        _case("channels", (5,), (16,), (1,)),
        _case("channels", (4, 16), (4, 16)),
        _case("channels", (3, 4, 3), (3, 4, 17), (3, 4, 33)),
        _case("channels", (2, 3, 2, 5), (2, 3, 2, 4)),
        _case("length", (4, 3), (2, 3)),
        _case("height", (1, 4, 17), (3, 4, 17)),
        _case("width", (3, 2, 16), (3, 3, 16), (3, 1, 16)),
        _case("depth", (2, 2, 3, 5), (1, 2, 3, 5)),
    ),
}
