"""Ops of ONNX that move numbers about: reshapes and transpositions, parts, joins, margins, finer grids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netspec.core import formulas
from netspec.declarations.ops.axes import AXES
from netspec.declarations.ops.merge import Concat
from netspec.declarations.ops.reshaping import DepthToSpace, Reshape
from netspec.declarations.ops.resizing import Crop, Pad, Upsample
from netspec.declarations.ops.selection import Part, Select
from netspec.interop.forms import register
from netspec.interop.onnx_in.folding import plain, whole_numbers
from netspec.interop.onnx_in.graph import Call
from netspec.interop.onnx_in.layers import axes_of
from netspec.interop.onnx_in.reader import FORMS, Oriented, Reader
from netspec.interop.onnx_in.views import (
    NotUnderstood,
    View,
    check_batch,
    first_view,
    in_stored_order,
    regrouped,
    transposed,
)

# Views


def reshaped(read: Reader, name: str, shape: Sequence[int]) -> View:
    """The numbers of a sample in another shape; by a layer only where that cuts across axes."""
    view = read.view(name)
    check_batch(view, read.batch)
    if shape[0] != read.batch.size:
        raise NotUnderstood("it mixes the samples of a batch")
    if math.prod(shape[1:]) != math.prod(view.shape[1:]):
        raise NotUnderstood(f"{list(view.shape[1:])} numbers are not those of {list(shape[1:])}")
    found = regrouped(view, shape)
    if found is not None:
        return found
    if not in_stored_order(view):
        raise NotUnderstood(f"a reshape from {list(view.shape[1:])} to {list(shape[1:])} that cuts across axes")
    value = read.add(Reshape(shape=tuple(shape[1:])), view.stored)
    return first_view(value, read.batch, channels_last=True)


@register(FORMS, "Reshape")
def reshape(read: Reader, call: Call) -> View:
    """0 is a side as it is, -1 what is left."""
    view = read.view(call.input(0))
    given = call.get("shape") or whole_numbers(read.constant(call.input(1), "shape"))
    kept = not call.get("allowzero", 0)
    shape = [view.shape[place] if side == 0 and kept else int(side) for place, side in enumerate(given)]
    if -1 in shape:
        known = -math.prod(shape)
        total = math.prod(view.shape)
        if shape.count(-1) > 1 or known <= 0 or total % known:
            raise NotUnderstood(f"{list(given)} is no shape for {list(view.shape[1:])} numbers")
        shape[shape.index(-1)] = total // known
    if not shape:
        raise NotUnderstood("it leaves no axis")
    return reshaped(read, call.input(0), shape)


@register(FORMS, "Flatten")
def flatten(read: Reader, call: Call) -> View:
    """Everything behind an axis in one row."""
    view = read.view(call.input(0))
    axis = int(call.get("axis", 1))
    axis += len(view.axes) if axis < 0 else 0
    return reshaped(read, call.input(0), (math.prod(view.shape[:axis]), math.prod(view.shape[axis:])))


@register(FORMS, "Transpose")
def transpose(read: Reader, call: Call) -> View:
    """Axes in another order."""
    view = read.view(call.input(0))
    return transposed(view, [int(axis) for axis in call.get("perm") or range(len(view.axes))[::-1]])


@register(FORMS, "Squeeze")
def squeeze(read: Reader, call: Call) -> View:
    """Axes of 1 left out."""
    view, axes = read.view(call.input(0)), axes_of(read, call, 1)
    rank = len(view.axes)
    places = {axis % rank for axis in axes} if axes else {p for p in range(1, rank) if not view.axes[p]}
    if any(view.axes[place] for place in places):
        raise NotUnderstood(f"axes {sorted(places)} of {list(view.shape)} are not all of length 1")
    return replace(view, axes=tuple(axis for place, axis in enumerate(view.axes) if place not in places))


@register(FORMS, "Unsqueeze")
def unsqueeze(read: Reader, call: Call) -> View:
    """Axes of 1 put in."""
    view, axes = read.view(call.input(0)), axes_of(read, call, 1)
    rank = len(view.axes) + len(axes)
    if rank > 8 or not all(-rank <= axis < rank for axis in axes):
        raise NotUnderstood(f"axes {axes} of a tensor of {rank}")
    places, rest = {axis % rank for axis in axes}, list(view.axes)
    return replace(view, axes=tuple(() if place in places else rest.pop(0) for place in range(rank)))


# Joins and parts


def axis_name(x: Oriented, place: int) -> str:
    """What netspec calls ONNX's axis at this place."""
    spatial = AXES.get(len(x.value.type.shape) - 1, ())
    return ("channels", *spatial)[(x.axis(place) + 1) % len(x.value.type.shape)]


@register(FORMS, "Concat")
def concat(read: Reader, call: Call) -> View:
    """Side by side."""
    if len(call.inputs) == 1:
        return read.view(call.input(0))
    inputs = [read.oriented(name) for name in call.inputs]
    if len({x.channels_last for x in inputs}) > 1:
        raise NotUnderstood("some inputs have their channels last and some do not")
    name = axis_name(inputs[0], int(call.get("axis", 1)))
    return inputs[0].view(read.add(Concat(axis=name), *(x.value for x in inputs)))


def taken(read: Reader, x: Oriented, place: int, places: Sequence[int]) -> Oriented:
    """The listed places of an axis: all of them, an equal part, or picked one by one."""
    size = x.value.type.shape[x.axis(place)]
    picked = [each + size if each < 0 else each for each in places]
    if picked == list(range(size)):
        return x
    name, count = axis_name(x, place), len(picked)
    run = bool(picked) and picked == list(range(picked[0], picked[0] + count))
    if run and size % count == 0 and picked[0] % count == 0:
        attrs: Any = Part(index=picked[0] // count, of=size // count, axis=name)
    elif not picked or min(picked) < 0:
        raise NotUnderstood(f"nothing is left of {name}")
    else:
        attrs = Select(index=tuple(picked) if count > 1 else picked[0], axis=name)
    return replace(x, value=read.add(attrs, x.value))


@register(FORMS, "Split")
def split(read: Reader, call: Call) -> list[View | None]:
    """Parts of an axis, those that are read."""
    x, place = read.oriented(call.input(0)), int(call.get("axis", 0))
    size, count = x.value.type.shape[x.axis(place)], len(call.outputs)
    lengths = call.get("split") or (whole_numbers(read.constant(call.input(1), "split")) if call.input(1) else [])
    each = -(-size // count)
    lengths = list(lengths) or [min(each, size - each * number) for number in range(count)]
    if sum(lengths) != size or min(lengths) < 1 or len(lengths) != count:
        raise NotUnderstood(f"{lengths} are not the parts of {size}")
    found: list[View | None] = []
    for number, length in enumerate(lengths):
        start = sum(lengths[:number])
        if not read.calls.readers.get(call.outputs[number]):
            found.append(None)
            continue
        part = taken(read, x, place, range(start, start + length))
        found.append(x.view(part.value))
    return found


@register(FORMS, "Gather")
def gather(read: Reader, call: Call) -> View:
    """Places of an axis, given as constants; a single number takes the axis away."""
    x, place = read.oriented(call.input(0)), int(call.get("axis", 0))
    index = read.constant(call.input(1), "list of places")
    if index.ndim > 1:
        raise NotUnderstood("its places are a table")
    made = x.view(taken(read, x, place, whole_numbers(index)).value)
    if index.ndim == 1:
        return made
    gone = place % len(made.axes)
    return replace(made, axes=tuple(axis for each, axis in enumerate(made.axes) if each != gone))


@register(FORMS, "Slice")
def cut_out(read: Reader, call: Call) -> View:
    """Ranges of places along axes; the middle of an image is cropped."""
    x = read.oriented(call.input(0))
    lists = [call.get("starts"), call.get("ends"), call.get("axes"), None]
    for place, name in enumerate(call.inputs[1:5]):
        lists[place] = whole_numbers(read.constant(name, "range")) if name else None
    starts, ends = lists[0] or [], lists[1] or []
    axes, steps = lists[2] or list(range(len(starts))), lists[3] or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise NotUnderstood("its starts, ends and axes are not as many")
    ranges: dict[int, range] = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = axis % (len(x.value.type.shape) + 1)
        if place == 0 and start == 0 and end >= 2**31 - 1 and step == 1:
            continue
        ranges[place] = range(*slice(start, end, step).indices(x.value.type.shape[x.axis(place)]))
    spatial = x.value.type.spatial
    kept = [range(side) for side in spatial]
    for place, chosen in ranges.items():
        if x.axis(place) < len(spatial):
            kept[x.axis(place)] = chosen
    middle = all(
        each.step == 1 and len(each) > 0 and each.start == formulas.crop_before(side, len(each))
        for each, side in zip(kept, spatial, strict=True)
    )
    if middle and spatial and [len(each) for each in kept] != list(spatial):
        value = read.add(Crop(size=tuple(len(each) for each in kept)), x.value)
        x, ranges = replace(x, value=value), {p: each for p, each in ranges.items() if x.axis(p) == len(spatial)}
    for place, chosen in ranges.items():
        x = taken(read, x, place, chosen)
    return x.view(x.value)


# Margins and grids


@register(FORMS, "Pad")
def pad(read: Reader, call: Call) -> View:
    """Cells around, and channels."""
    x = read.oriented(call.input(0))
    rank = len(x.value.type.shape) + 1
    numbers = [int(n) for n in call.get("pads") or whole_numbers(read.constant(call.input(1), "padding"))]
    axes = whole_numbers(read.constant(call.input(3), "axes")) if call.input(3) else list(range(rank))
    modes = {"constant": "value", "reflect": "reflect", "edge": "replicate"}
    mode = modes.get(call.get("mode", "constant"))
    if mode is None or len(numbers) != 2 * len(axes):
        raise NotUnderstood(f"its mode is {call.get('mode')}" if mode is None else f"pads is {numbers}")
    value = call.get("value", 0.0)
    if call.input(2):
        value = float(read.weight(call.input(2), "value").reshape(()))
    margins = [(0, 0)] * (rank - 1)
    for place, axis in enumerate(axes):
        pair = (numbers[place], numbers[place + len(axes)])
        if min(pair) < 0:
            raise NotUnderstood("it takes cells away (numbers below 0)")
        if pair != (0, 0):
            margins[x.axis(axis)] = pair
    if not any(map(any, margins)):
        return x.view(x.value)
    amount: Any = tuple(margins[:-1]) if any(map(any, margins[:-1])) else 0
    channels = margins[-1][0] if margins[-1][0] == margins[-1][1] else margins[-1]
    return x.view(read.add(Pad(amount=amount, channels=channels, mode=mode, value=plain(value)), x.value))


@register(FORMS, "Resize", "Upsample")
def resize(read: Reader, call: Call) -> View:
    """A finer grid by whole factors."""
    view = read.view(call.input(0))
    scales = _scales(read, call, view.shape)
    if len(scales) != len(view.axes) or scales[:2] != [1.0, 1.0] or min(scales) <= 0:
        raise NotUnderstood(f"it makes the sides {scales} times as long")
    dropped = [place for place in range(2, len(view.axes)) if not view.axes[place] and scales[place] == 1]
    kept = [place for place in range(len(view.axes)) if place not in dropped]
    if len(kept) > 2 and len(view.parts) == len(kept) - 1:
        # A row of places is interpolated as an image of one line.
        view = replace(view, axes=tuple(view.axes[place] for place in kept))
    else:
        dropped, kept = [], list(range(len(view.axes)))
    whole = f"{call.input(0)} without lines"
    read.views[whole] = view
    value = read.image(whole)
    sides = tuple(round(view.shape[place] * scales[old]) for place, old in list(enumerate(kept))[2:])
    method = _method(call)
    factors = [to / n for to, n in zip(sides, value.type.spatial, strict=True)]
    if all(factor == int(factor) and factor >= 1 for factor in factors):
        attrs = Upsample(factor=tuple(map(int, factors)), method=method)
    elif method == "bilinear" and read.draft.of_size(sides) is not None:
        attrs = Upsample(like=(*sides, value.type.channels), method=method)
    else:
        raise NotUnderstood(f"sides become {factors} times as long, and no earlier layer is of size {list(sides)}")
    made = read.first_view(read.add(attrs, value))
    rest = list(made.axes)
    return replace(made, axes=tuple(() if p in dropped else rest.pop(0) for p in range(len(scales))))


def _scales(read: Reader, call: Call, shape: Sequence[int]) -> list[float]:
    """How many times as long each axis becomes."""
    if call.get("scales"):
        return [float(scale) for scale in call.get("scales")]
    scales = call.input(1 if len(call.inputs) < 3 else 2)
    if scales and (not read.is_constant(scales) or read.constant(scales).size):
        return [float(scale) for scale in read.weight(scales, "list of factors").reshape(-1)]
    sizes = whole_numbers(read.constant(call.input(3), "size"))
    if call.get("axes") or call.get("keep_aspect_ratio_policy", "stretch") != "stretch" or len(sizes) != len(shape):
        raise NotUnderstood("its size is given for some axes only")
    return [size / side for size, side in zip(sizes, shape, strict=True)]


def _method(call: Call) -> str:
    mode, rounding = call.get("mode", "nearest"), call.get("nearest_mode", "round_prefer_floor")
    where = "asymmetric" if call.op == "Upsample" else call.get("coordinate_transformation_mode", "half_pixel")
    centred = where in ("half_pixel", "pytorch_half_pixel")
    # Of a whole number of cells each, the nearest one is the same by all of these.
    floored = where == "asymmetric" and (rounding == "floor" or call.op == "Upsample")
    if mode == "nearest" and (floored or (centred and rounding.startswith("round"))):
        return "nearest"
    if mode == "linear" and centred and not call.get("antialias", 0):
        return "bilinear"
    raise NotUnderstood(f"it interpolates as '{mode}' with coordinates '{where}'")


@register(FORMS, "DepthToSpace")
def depth_to_space(read: Reader, call: Call) -> View:
    """Channels as cells: in netspec's order, or, as in PyTorch, with the cells inside of each channel."""
    block, view = int(call.get("blocksize")), read.view(call.input(0))
    if call.get("mode", "DCR") == "DCR":
        value = read.image(call.input(0))
        return read.first_view(read.add(DepthToSpace(factor=block), value))
    batch, channels, height, width = view.shape
    cells = regrouped(view, (batch, channels // block**2, block, block, height, width))
    if cells is None or channels % block**2:
        raise NotUnderstood(f"{channels} channels are not those of cells of {block}x{block}")
    dealt = transposed(cells, (0, 1, 4, 2, 5, 3))
    found = regrouped(dealt, (batch, channels // block**2, height * block, width * block))
    assert found is not None  # axes are only joined
    return found
