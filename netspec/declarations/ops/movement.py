"""The gradient of every op that moves numbers along axes: the same numbers, moved back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netspec.core.attributes import attr
from netspec.core.axis_map import AxisMap
from netspec.core.builder import Builder
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.types import TensorType


@op("moved.dx", public=False, doc="Brings each gradient back to where its number came from, and adds up what meets.")
class MovedDx:
    move: Any = attr(doc="the op, which states its axis_maps")
    x: TensorType = attr(doc="type of its input")

    def infer(self, dy: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)

    def axis_maps(self, dy: TensorType) -> tuple[AxisMap | None, ...]:
        return tuple(None if made is None else made.transposed() for made in self.move.axis_maps(self.x))


def gradient_of_move(g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
    """The gradient of a node whose op states ``axis_maps``."""
    return (g.add(MovedDx(move=node.attrs, x=node.data[0].type), dy),)
