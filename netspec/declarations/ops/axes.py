"""What ops that work along axes share: the names of axes, and sizes given one per axis or as another layer's shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netspec.core import formulas
from netspec.core.attributes import LayerShape, Window
from netspec.core.axis_map import AS_IT_IS, AxisMap, Reach
from netspec.core.formulas import Formula
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.declarations.ops.windows import check_image, per_axis

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
"""Names of the spatial axes, by how many there are."""

AXIS_NAMES = ("channels", "length", "depth", "height", "width")
"""Every name that an axis may have."""


def axis_index(axis: str, axes: int) -> int:
    """Place of the axis of that name in a shape with this many spatial axes; NS214 where it has none such."""
    names = AXES.get(axes, ())
    if axis == "channels":
        return axes
    if axis not in names:
        raise ShapeError("NS214", attr="axis", axis=axis, known=["channels", *names])
    return names.index(axis)


def with_axis(x: TensorType, axis: int, length: int) -> tuple[int, ...]:
    """The shape of ``x`` with one axis of another length."""
    return (*x.shape[:axis], length, *x.shape[axis + 1 :])


def along(axis: int, made: AxisMap, x: TensorType) -> tuple[AxisMap | None, ...]:
    """The maps of an op that touches one axis only."""
    return tuple(made if each == axis else None for each in range(len(x.shape)))


def reach_of_maps(maps: Sequence[AxisMap | None]) -> tuple[Reach, ...]:
    """The reach of each spatial axis, by the maps of all axes."""
    return tuple(AS_IT_IS if made is None else made.reach for made in maps[:-1])


def one_of(first: str, given: object, like: object) -> None:
    """Refuse an op that is given both of two attributes, or neither: NS218."""
    if (given is None) == (like is None):
        state = "neither" if given is None else "both"
        raise ShapeError("NS218", attr=first, first=first, second="like", given=state)


def target_sides(attribute: str, given: Window | None, like: LayerShape | None, x: TensorType) -> tuple[int, ...]:
    """One number per spatial axis, as given or from another layer's shape; NS212, NS218 or NS210 if there is none."""
    check_image(x)
    one_of(attribute, given, like)
    if given is None:
        assert like is not None
        return per_axis(like[:-1], len(x.spatial), "like")
    return per_axis(given, len(x.spatial), attribute)


def spell(inputs: Sequence[TensorType]) -> str:
    """The shapes of inputs, as messages write them."""
    return " and ".join(formulas.times(x.shape) for x in inputs)


def explain_axes(symbolic: str, substituted: Sequence[str], sides: Sequence[int]) -> Iterator[Formula]:
    """One line per spatial axis."""
    for number, (text, side) in enumerate(zip(substituted, sides, strict=True), 1):
        yield Formula(f"output axis {number}", symbolic, text, side)
