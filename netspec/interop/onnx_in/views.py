"""What of a tensor of netspec each axis of ONNX's tensor is.

The two hold the same numbers in another order: an image is (N, C, H, W) there and (N, H, W, C) here, and exporters
write channel shuffles, flattening and squeezing as reshapes and transpositions. So each axis of a stored tensor is a
product of *factors*, the outermost first, and each axis of ONNX's tensor is a list of such factors. A transposition
only puts the lists in another order, a reshape cuts them elsewhere; nothing is computed until an op wants an image or a
row, and then the factors tell which layer, if any, makes it from what is stored: `flatten`, `reshape`,
`channel_shuffle`, `depth_to_space`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from netspec.core.graph import Value
from netspec.declarations.ops.adaptive_pooling import GlobalMaxPool
from netspec.declarations.ops.dense import Flatten
from netspec.declarations.ops.pooling import GlobalAvgPool
from netspec.declarations.ops.reshaping import DepthToSpace, Reshape
from netspec.declarations.ops.selection import ChannelShuffle
from netspec.interop.draft import Draft
from netspec.interop.tensors import Turn


class NotUnderstood(Exception):
    """A node says something that a spec has no words for, or that is not known here; the text says what."""


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """One factor of an axis; two are the same only if they are the same object. Factors of 1 are left out."""

    size: int


Axis = tuple[Factor, ...]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A stored tensor as ONNX sees it. ``parts`` are the factors of the stored axes, channels last, without the batch;
    ``axes`` those of ONNX's axes, of which one is the batch alone.
    """

    stored: Value
    parts: tuple[Axis, ...]
    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape over there, the batch included."""
        return tuple(_length(axis) for axis in self.axes)


def _length(axis: Axis) -> int:
    return math.prod(factor.size for factor in axis)


def _factors(size: int) -> Axis:
    return () if size == 1 else (Factor(size),)


def first_view(stored: Value, batch: Factor, channels_last: bool = False) -> View:
    """A tensor as ONNX has it: batch, channels, then the rest; or in netspec's order."""
    parts = tuple(_factors(size) for size in stored.type.shape)
    inner = parts if channels_last else (*parts[-1:], *parts[:-1])
    return View(stored, parts, ((batch,), *inner))


def like(view: View, stored: Value) -> View:
    """What an op that treats every number alike made of what the view shows."""
    return View(stored, view.parts, view.axes)


def same_view(first: View, second: View) -> bool:
    """Whether two views show their stored tensors in the same way."""
    return _signature(first) == _signature(second)


def _signature(view: View) -> object:
    numbers = {factor: place for place, factor in enumerate(factor for part in view.parts for factor in part)}
    sizes = tuple(tuple(factor.size for factor in part) for part in view.parts)
    return sizes, tuple(tuple(numbers.get(factor, -1) for factor in axis) for axis in view.axes)


def transposed(view: View, order: Sequence[int]) -> View:
    """The axes in another order."""
    if sorted(order) != list(range(len(view.axes))):
        raise NotUnderstood(f"{list(order)} is no order of {len(view.axes)} axes")
    return View(view.stored, view.parts, tuple(view.axes[place] for place in order))


def check_batch(view: View, batch: Factor) -> None:
    """Refuse a tensor whose first axis is not the batch alone."""
    if not view.axes or view.axes[0] != (batch,):
        raise NotUnderstood("the samples of a batch are not along the first axis")


def regrouped(view: View, shape: Sequence[int]) -> View | None:
    """The view as one of another shape, batch first; None where that cuts an axis in a way that factors cannot tell."""
    left = [factor for axis in view.axes[1:] for factor in axis]
    cuts: dict[Factor, Axis] = {}
    axes: list[Axis] = [view.axes[0]]
    for side in shape[1:]:
        axis: list[Factor] = []
        need = side
        while need > 1:
            if not left:
                return None
            factor = left.pop(0)
            if need % factor.size == 0:
                axis.append(factor)
                need //= factor.size
            elif factor.size % need == 0:
                outer, inner = Factor(need), Factor(factor.size // need)
                cuts[factor] = (outer, inner)
                left.insert(0, inner)
                axis.append(outer)
                need = 1
            else:
                return None
        axes.append(tuple(axis))
    if left:
        return None
    return View(view.stored, tuple(_cut(part, cuts) for part in view.parts), tuple(_cut(axis, cuts) for axis in axes))


def _cut(axis: Axis, cuts: dict[Factor, Axis]) -> Axis:
    """The axis with every factor that was cut in the place of it; what was cut may be cut again."""
    found: list[Factor] = []
    for factor in axis:
        found += _cut(cuts[factor], cuts) if factor in cuts else (factor,)
    return tuple(found)


def in_stored_order(view: View) -> bool:
    """Whether the numbers of a sample come in the order in which they are stored."""
    return [f for axis in view.axes[1:] for f in axis] == [f for part in view.parts for f in part]


# What an op wants


def materialized(draft: Draft, view: View, wanted: tuple[Axis, ...], name: str) -> Value:
    """A tensor with these axes, channels last, by layers that move numbers where it takes some."""
    if wanted == view.parts:
        return view.stored
    flat = tuple(factor for axis in wanted for factor in axis)
    if flat == tuple(factor for part in view.parts for factor in part):
        return _reread(draft, view, wanted, name)
    if set(flat) != {factor for part in view.parts for factor in part}:
        raise NotUnderstood("samples and what is in them are mixed")
    if len(wanted) == 1 and len(view.parts) > 1:
        view = flattened(draft, view)
    if len(wanted) != len(view.parts):
        raise NotUnderstood("no layer puts the numbers in the order that is wanted here")
    return _moved(draft, view, wanted, name)


def flattened(draft: Draft, view: View) -> View:
    """The same with the stored numbers of a sample in one row."""
    whole = tuple(factor for part in view.parts for factor in part)
    return View(draft.add(Flatten(), view.stored), (whole,), view.axes)


def _reread(draft: Draft, view: View, wanted: tuple[Axis, ...], name: str) -> Value:
    """The same numbers in the same order, in another shape."""
    shape = tuple(_length(axis) for axis in wanted)
    if len(shape) > 1:
        return draft.add(Reshape(shape=shape), view.stored, name=name)
    pool = draft.producer(view.stored)
    if pool is not None and isinstance(pool.attrs, GlobalAvgPool | GlobalMaxPool) and pool.attrs.keep:
        return draft.add(type(pool.attrs)(keep=False), *pool.inputs, name=pool.name)
    return draft.add(Flatten(), view.stored, name=name)


def _moved(draft: Draft, view: View, wanted: tuple[Axis, ...], name: str) -> Value:
    """Channels shuffled, laid out as cells, or one after the other."""
    more = []
    for part, axis in zip(view.parts[:-1], wanted[:-1], strict=True):
        if axis[: len(part)] != part:
            raise NotUnderstood("no layer exchanges the axes of an image")
        more.append(axis[len(part) :])
    cells = tuple(factor for axis in more for factor in axis)
    value, order = view.stored, (*cells, *wanted[-1])
    if order != view.parts[-1]:
        value = draft.add(ChannelShuffle(groups=_rotation(view.parts[-1], order)), value, name="" if cells else name)
    if not cells:
        return value
    return draft.add(DepthToSpace(factor=tuple(_length(axis) for axis in more)), value, name=name)


def _rotation(stored: Axis, wanted: Axis) -> int:
    """Into how many groups a shuffle deals the channels; refused where it takes more than one shuffle."""
    for cut in range(1, len(stored)):
        if stored[cut:] + stored[:cut] == wanted:
            return _length(stored[:cut])
    raise NotUnderstood("the channels are put in an order that is no shuffle between groups")


def image_axes(view: View) -> tuple[Axis, ...]:
    """The axes, channels last, of what ONNX has as (N, C, ...)."""
    return (*view.axes[2:], *view.axes[1:2])


def row_order(view: View) -> Turn | None:
    """How the stored numbers of a sample are put in ONNX's order; None where they are in it."""
    if in_stored_order(view):
        return None
    stored = [factor for part in view.parts for factor in part]
    order = [factor for axis in view.axes[1:] for factor in axis]
    if len(order) != len(stored) or set(order) != set(stored):
        raise NotUnderstood("samples and what is in them are mixed")
    cut = tuple(factor.size for factor in stored)
    return Turn(cut, tuple(stored.index(factor) for factor in order), (math.prod(cut),))
