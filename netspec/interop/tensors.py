"""How a tensor of netspec becomes one of another program: cut, turned, joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Turn:
    """An array is read as one of shape ``cut``, its axes are put in the order ``axes``, and it is read as ``shape``."""

    cut: tuple[int, ...]
    axes: tuple[int, ...]
    shape: tuple[int, ...]

    def apply(self, array: Array) -> Array:
        """The array as the other program stores it."""
        return np.ascontiguousarray(array.reshape(self.cut).transpose(self.axes).reshape(self.shape))

    def undo(self, array: Array, source: tuple[int, ...]) -> Array:
        """The array of shape ``source`` of which `apply` makes this one; a ValueError where sizes do not agree."""
        turned = array.reshape([self.cut[axis] for axis in self.axes])
        back = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return np.ascontiguousarray(turned.transpose(back).reshape(source))

    def text(self, source: tuple[int, ...]) -> str:
        """What is done to an array of shape ``source``, in words; empty where nothing is."""
        words = []
        if self.cut != source:
            words.append(f"read as {list(self.cut)}")
        if self.axes != tuple(range(len(self.axes))):
            words.append(f"axes {list(self.axes)}")
        turned = tuple(self.cut[axis] for axis in self.axes)
        if self.shape != turned:
            words.append(f"read as {list(self.shape)}")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One tensor over there: its name, the weight here that it is made of, and how.

    Without a ``source`` all its numbers are ``fill``: what the other program insists on having.
    """

    name: str
    source: str | None
    source_shape: tuple[int, ...]
    turn: Turn
    fill: float = 1.0

    def array(self, weights: Mapping[str, Array]) -> Array:
        """The tensor, made of netspec's weights."""
        if self.source is None:
            return np.full(self.turn.shape, self.fill, np.float32)
        return self.turn.apply(np.asarray(weights[self.source], np.float32))

    def row(self) -> dict[str, Any]:
        """A row of the report."""
        return {
            "name": self.name,
            "shape": list(self.turn.shape),
            "source": self.source,
            "source_shape": list(self.source_shape),
            "change": self.turn.text(self.source_shape) if self.source else f"filled with {self.fill:g}",
        }


def as_it_is(shape: Sequence[int]) -> Turn:
    """No change."""
    return Turn(tuple(shape), tuple(range(len(shape))), tuple(shape))


def turned(shape: Sequence[int], axes: Sequence[int]) -> Turn:
    """Axes in another order."""
    return Turn(tuple(shape), tuple(axes), tuple(shape[axis] for axis in axes))


def filters_first(shape: Sequence[int]) -> Turn:
    """A convolution's weight ``[*window, c_in, c_out]`` as ``[c_out, c_in, *window]``."""
    last = len(shape) - 1
    return turned(shape, (last, last - 1, *range(last - 1)))


def inputs_first(shape: Sequence[int], groups: int) -> Turn:
    """A transposed convolution's ``[*window, c_in/groups, c_out]`` as ``[c_in, c_out/groups, *window]``."""
    *window, inputs, outputs = shape
    axes = len(window)
    cut = (*window, inputs, groups, outputs // groups)
    order = (axes + 1, axes, axes + 2, *range(axes))
    return Turn(cut, order, (groups * inputs, outputs // groups, *window))


def channels_first(shape: Sequence[int]) -> Turn:
    """``[*spatial, C]`` as ``[C, *spatial]``."""
    last = len(shape) - 1
    return turned(shape, (last, *range(last)))


def flattened_rows(shape: Sequence[int], image: Sequence[int] | None, transposed: bool) -> Turn:
    """A dense weight ``[inputs, units]``, the rows in the order of an ``image`` that is flattened channels first.

    ``image`` is ``[*spatial, C]``, or ``None`` where no image was flattened; ``transposed`` puts the units first.
    """
    inputs, units = shape
    sides = tuple(image) if image else (inputs,)
    last = len(sides)
    rows = (last - 1, *range(last - 1))
    if transposed:
        return Turn((*sides, units), (last, *rows), (units, inputs))
    return Turn((*sides, units), (*rows, last), (inputs, units))


def relative_error(found: Array, wanted: Array) -> float:
    """The largest difference over the largest number of ``wanted``; infinite where shapes differ or a NaN is found."""
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return float("inf")
    largest = float(np.abs(wanted).max(initial=0))
    difference = float(np.abs(found.astype(np.float64) - wanted).max(initial=0))
    return difference / largest if largest else difference
