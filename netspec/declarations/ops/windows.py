"""What convolution and pooling share: a window's attributes resolved against an input's spatial axes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from netspec.core import formulas
from netspec.core.attributes import Padding, Window
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry


class Sliding(NamedTuple):
    """A window as written: sides, step, spread, padding; ``name`` is the attribute that holds the sides."""

    size: Window
    stride: Window
    dilation: Window
    padding: Padding
    name: str
    round_up: bool = False


def check_image(x: TensorType) -> None:
    """Refuse an input without spatial axes, or with more than three."""
    if not 1 <= len(x.spatial) <= 3:
        raise ShapeError("NS212", input=formulas.times(x.shape), axes=len(x.spatial))


def per_axis(value: Window, axes: int, attribute: str) -> tuple[int, ...]:
    """One number per axis; a list of another length is NS210."""
    if isinstance(value, int):
        return (value,) * axes
    if len(value) != axes:
        raise ShapeError("NS210", attr=attribute, attribute=attribute, count=len(value), axes=axes)
    return value


def padding_pairs(window: Sliding, sides: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """(before, after) per axis. An odd cell of ``same`` goes after."""
    axes = len(sides)
    size = per_axis(window.size, axes, window.name)
    stride = per_axis(window.stride, axes, "stride")
    dilation = per_axis(window.dilation, axes, "dilation")
    padding = window.padding
    if padding == "valid":
        return ((0, 0),) * axes
    if padding == "same":
        total = [formulas.same_padding_needed(*numbers) for numbers in zip(sides, size, stride, dilation, strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)
    if padding == "full":
        return tuple((formulas.full_padding(k, d),) * 2 for k, d in zip(size, dilation, strict=True))
    if padding == "causal":
        if axes != 1:
            raise ShapeError("NS213", attr="padding", axes=axes)
        return ((formulas.full_padding(size[0], dilation[0]), 0),)
    if isinstance(padding, int):
        return ((padding, padding),) * axes
    assert not isinstance(padding, str)  # the schema knows the words
    if len(padding) != axes:
        raise ShapeError("NS210", attr="padding", attribute="padding", count=len(padding), axes=axes)
    return tuple((p, p) if isinstance(p, int) else p for p in padding)


@lru_cache(maxsize=4096)  # every layer asks for its window several times, and networks repeat their layers
def resolve(window: Sliding, x: TensorType) -> tuple[WindowGeometry, tuple[int, ...]]:
    """Geometry over the axes of ``x`` and the padding after each; ``ShapeError`` where the window does not fit."""
    check_image(x)
    axes = len(x.spatial)
    size = per_axis(window.size, axes, window.name)
    stride = per_axis(window.stride, axes, "stride")
    dilation = per_axis(window.dilation, axes, "dilation")
    pads = padding_pairs(window, x.spatial)
    output = []
    for n, k, s, d, (before, after) in zip(x.spatial, size, stride, dilation, pads, strict=True):
        if window.round_up:
            places = formulas.window_output_ceil(n, k, s, before, after, d)
        else:
            places = formulas.window_output(n, k, s, before + after, d)
        if places < 1 or formulas.window_span(k, d) > n + before + after:
            raise ShapeError(
                "NS201",
                attr=window.name,
                formula=formulas.show_window_output(n, k, s, before, after, d),
                attribute=window.name,
                kernel=formulas.times(size) if len(set(size)) > 1 else size[0],
                **_ways_out(x, size, dilation),
            )
        output.append(places)
    befores, afters = tuple(b for b, _ in pads), tuple(a for _, a in pads)
    return WindowGeometry(x.spatial, tuple(output), size, stride, dilation, befores), afters


def _ways_out(x: TensorType, size: tuple[int, ...], dilation: tuple[int, ...]) -> dict[str, Any]:
    """What would fit: padding that keeps the size, or the largest window and what it gives."""
    axes = list(zip(x.spatial, size, dilation, strict=True))
    fitting = [min(k, (n - 1) // d + 1) for n, k, d in axes]
    places = [formulas.window_output(n, k, 1, 0, d) for (n, _, d), k in zip(axes, fitting, strict=True)]
    largest = fitting[0] if len(set(fitting)) == 1 else fitting
    return {"same": formulas.times(x.spatial), "largest": str(largest), "result": formulas.times(places)}
