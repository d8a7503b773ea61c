"""Ops that move, select and reshape: the shapes they make, what they refuse, how they explain themselves."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from netspec.core import op as ops
from netspec.core.axis_map import Reach
from netspec.core.builder import Builder
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.declarations.ops.reshaping import DepthToSpace, Identity, Reshape
from netspec.declarations.ops.resizing import Crop, Pad, Upsample
from netspec.declarations.ops.selection import ChannelShuffle, Part, Select
from netspec.testing import interpret

SHAPES: list[tuple[Any, tuple[int, ...], tuple[int, ...]]] = [
    (Identity(), (4, 3, 2), (4, 3, 2)),
    (Reshape(shape=(6, 4)), (4, 3, 2), (6, 4)),
    (Reshape(shape=(-1,)), (4, 3, 2), (24,)),
    (Reshape(shape=(2, -1, 3)), (12,), (2, 2, 3)),
    (ChannelShuffle(groups=3), (5, 6), (5, 6)),
    (Part(index=1), (4, 6), (4, 3)),
    (Part(index=2, of=3, axis="height"), (6, 4, 1), (2, 4, 1)),
    (Select(index=3), (8,), (1,)),
    (Select(index=(1, 1, 0), axis="depth"), (2, 3, 4, 5), (3, 3, 4, 5)),
    (DepthToSpace(factor=2), (3, 4, 12), (6, 8, 3)),
    (DepthToSpace(factor=(1, 3)), (3, 4, 12), (3, 12, 4)),
    (DepthToSpace(factor=2), (2, 2, 2, 16), (4, 4, 4, 2)),
    (Upsample(factor=2), (5, 3), (10, 3)),
    (Upsample(factor=(2, 3)), (4, 5, 3), (8, 15, 3)),
    (Upsample(like=(8, 10, 64)), (4, 5, 3), (8, 10, 3)),
    (Upsample(like=(7, 3, 64), method="bilinear"), (4, 5, 3), (7, 3, 3)),
    (Crop(size=3), (5, 4, 2), (3, 3, 2)),
    (Crop(like=(2, 4, 9)), (5, 4, 2), (2, 4, 2)),
    (Pad(amount=1), (5, 4, 2), (7, 6, 2)),
    (Pad(amount=(0, (1, 2))), (5, 4, 2), (5, 7, 2)),
    (Pad(channels=(1, 2)), (4,), (7,)),
    (Pad(channels=3), (5, 4, 2), (5, 4, 8)),
]

REFUSED: list[tuple[Any, tuple[int, ...], str, str | None]] = [
    (Reshape(shape=(5, 5)), (4, 3, 2), "NS217", "shape"),
    (Reshape(shape=(5, -1)), (4, 3, 2), "NS217", "shape"),
    (Reshape(shape=(-1, -1)), (4, 3, 2), "NS217", "shape"),
    (Reshape(shape=(24, 0)), (4, 3, 2), "NS217", "shape"),
    (Reshape(shape=(0, -1)), (4, 3, 2), "NS217", "shape"),
    (ChannelShuffle(groups=4), (5, 6), "NS202", "groups"),
    (Part(index=2), (4, 6), "NS216", "index"),
    (Part(index=0, of=4), (4, 6), "NS217", "of"),
    (Part(index=0, axis="width"), (4, 6), "NS214", "axis"),
    (Select(index=(0, 6)), (4, 6), "NS216", "index"),
    (Select(index=4, axis="length"), (4, 6), "NS216", "index"),
    (Select(index=0, axis="depth"), (4, 4, 6), "NS214", "axis"),
    (DepthToSpace(factor=2), (4, 4, 6), "NS217", "factor"),
    (DepthToSpace(factor=(2, 2)), (4, 4), "NS210", "factor"),
    (DepthToSpace(factor=2), (4,), "NS212", None),
    (Upsample(), (4, 4, 3), "NS218", "factor"),
    (Upsample(factor=2, like=(8, 8, 3)), (4, 4, 3), "NS218", "factor"),
    (Upsample(like=(8, 6, 3)), (4, 4, 3), "NS219", "like"),
    (Upsample(like=(8, 3)), (4, 4, 3), "NS210", "like"),
    (Upsample(factor=(2, 2, 2)), (4, 4, 3), "NS210", "factor"),
    (Upsample(factor=2), (4,), "NS212", None),
    (Crop(), (4, 4, 3), "NS218", "size"),
    (Crop(size=5), (4, 4, 3), "NS219", "size"),
    (Crop(like=(4, 5, 1)), (4, 4, 3), "NS219", "like"),
    (Pad(amount=(1, 1, 1)), (4, 4, 3), "NS210", "amount"),
    (Pad(amount=1), (4,), "NS212", None),
    (Pad(amount=4, mode="reflect"), (4, 5, 3), "NS219", "mode"),
    (Pad(channels=(0, 1), mode="reflect"), (4, 4, 1), "NS219", "mode"),
]


@pytest.mark.parametrize(("attrs", "given", "made"), SHAPES, ids=str)
def test_shapes(attrs: Any, given: tuple[int, ...], made: tuple[int, ...]) -> None:
    assert ops.infer(attrs, (TensorType(given),))[0].shape == made


@pytest.mark.parametrize(("attrs", "given", "code", "attribute"), REFUSED, ids=str)
def test_refusals(attrs: Any, given: tuple[int, ...], code: str, attribute: str | None) -> None:
    with pytest.raises(ShapeError) as caught:
        ops.infer(attrs, (TensorType(given),))
    assert (caught.value.code, caught.value.attr) == (code, attribute)


@pytest.mark.parametrize(
    ("attrs", "given", "lines"),
    [
        (Reshape(shape=(6, -1)), (4, 3, 2), ["6·4 = 24"]),
        (ChannelShuffle(groups=3), (5, 6), ["6/3 = 2"]),
        (Part(index=0, of=3), (5, 6), ["6/3 = 2"]),
        (DepthToSpace(factor=2), (3, 4, 12), ["3·2 = 6", "4·2 = 8", "12/(2·2) = 3"]),
        (Upsample(factor=(2, 1)), (3, 4, 1), ["3·2 = 6", "4·1 = 4"]),
        (Upsample(like=(6, 4, 9)), (3, 4, 1), ["6 = 6", "4 = 4"]),
        (Crop(size=2), (5, 4, 1), ["⌊(5 − 2)/2⌋ = 1", "⌊(4 − 2)/2⌋ = 1"]),
        (Pad(amount=(0, (1, 2)), channels=1), (5, 4, 3), ["4 + 1 + 2 = 7", "3 + 1 + 1 = 5"]),
    ],
    ids=str,
)
def test_explanations(attrs: Any, given: tuple[int, ...], lines: list[str]) -> None:
    x = TensorType(given)
    formulas = ops.explain(attrs, (x,), ops.infer(attrs, (x,)))
    assert [f"{formula.substituted} = {formula.result}" for formula in formulas] == lines


@pytest.mark.parametrize(
    ("attrs", "given", "reach"),
    [
        (Upsample(factor=(2, 1)), (3, 4, 1), (Reach(1, Fraction(1, 2)), Reach(1, Fraction(1)))),
        (Upsample(factor=2, method="bilinear"), (3, 1), (Reach(2, Fraction(1, 2)),)),
        (DepthToSpace(factor=3), (2, 9), (Reach(1, Fraction(1, 3)),)),
        (Crop(size=2), (4, 1), (Reach(1, Fraction(1)),)),
        (Pad(amount=2, mode="reflect"), (4, 1), (Reach(1, Fraction(1)),)),
        (Part(index=1), (4, 2), (Reach(1, Fraction(1)),)),
        (Reshape(shape=(4, 2, 1)), (4, 2), (Reach(4, Fraction(4)),)),
        (Reshape(shape=(4, 1, 2)), (4, 2, 1), (Reach(4, Fraction(4)), Reach(2, Fraction(2)))),
    ],
    ids=str,
)
def test_reach(attrs: Any, given: tuple[int, ...], reach: tuple[Reach, ...]) -> None:
    assert attrs.reach(TensorType(given)) == reach


def test_shuffling_deals_groups_out() -> None:
    x = np.arange(6.0).reshape(1, 6)
    g = Builder("network")
    y = g.layer(ChannelShuffle(groups=2), g.input("x", TensorType((6,)))).output
    assert interpret(g.graph({"y": y}), {"x": x}, 1).outputs["y"].tolist() == [[0, 3, 1, 4, 2, 5]]
