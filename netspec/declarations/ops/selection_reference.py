"""Parts, places and shuffled channels, by indexing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.axes import axis_index
from netspec.declarations.ops.selection import ChannelShuffle, Part, Select

Array = np.ndarray[Any, np.dtype[Any]]


def part(attrs: Part, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Part number ``index`` of ``of``."""
    axis = 1 + axis_index(attrs.axis, len(context.x.spatial))
    return (np.split(inputs[0], attrs.of, axis)[attrs.index],)


def select(attrs: Select, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The places along the axis, which stays."""
    axis = 1 + axis_index(attrs.axis, len(context.x.spatial))
    return (np.take(inputs[0], np.atleast_1d(attrs.index), axis),)


def channel_shuffle(attrs: ChannelShuffle, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Channels as a table of groups by places, transposed."""
    (x,) = inputs
    table = x.reshape(*x.shape[:-1], attrs.groups, -1)
    return (table.swapaxes(-1, -2).reshape(x.shape),)


_PARTS: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((4,), {"index": 1}),
    ((6, 34), {"index": 1}),
    ((3, 4, 1), {"index": 0, "of": 1}),
    ((3, 4, 34), {"index": 0}),
    ((2, 3, 64), {"index": 1}),
    ((2, 2, 51), {"index": 2, "of": 3}),
    ((6, 3), {"index": 1, "of": 3, "axis": "length"}),
    ((4, 3, 17), {"index": 1, "axis": "height"}),
    ((3, 4, 16), {"index": 3, "of": 4, "axis": "width"}),
    ((2, 3, 2, 5), {"index": 1, "axis": "depth"}),
    ((2, 2, 2, 34), {"index": 1}),
)
_SELECTIONS: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((5,), {"index": (4, 0, 0)}),
    ((6, 3), {"index": 2}),
    ((4, 1), {"index": (0, 0, 0)}),
    ((3, 4, 33), {"index": (32, 0, 17, 16, 15, 0)}),
    ((3, 2, 40), {"index": tuple(range(16, 34))}),
    ((6, 3), {"index": (5, 0, 5), "axis": "length"}),
    ((4, 3, 17), {"index": 3, "axis": "height"}),
    ((3, 5, 16), {"index": (0, 2, 4), "axis": "width"}),
    ((3, 2, 2, 17), {"index": (2, 1), "axis": "depth"}),
    ((2, 2, 2, 5), {"index": (4, 1)}),
)
_SHUFFLES: tuple[tuple[tuple[int, ...], int], ...] = (
    ((12,), 3),
    ((5, 6), 2),
    ((3, 2, 1), 1),
    ((3, 4, 17), 17),
    ((2, 3, 48), 3),
    ((2, 2, 2, 34), 2),
)


def _cases() -> Iterator[tuple[str, Case]]:
    for shape, attributes in _PARTS:
        yield "part", Case(Part(**attributes), (TensorType(shape),))
    for shape, attributes in _SELECTIONS:
        yield "select", Case(Select(**attributes), (TensorType(shape),))
    for shape, groups in _SHUFFLES:
        yield "channel_shuffle", Case(ChannelShuffle(groups=groups), (TensorType(shape),))


CASES = {name: tuple(case for of, case in _cases() if of == name) for name in ("part", "select", "channel_shuffle")}
