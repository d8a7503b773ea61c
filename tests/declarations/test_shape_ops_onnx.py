"""The float64 definitions of shape ops and merges against the ONNX project's own, on random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_oracle import channels_first, channels_last, run_onnx

from netspec.core.builder import Builder
from netspec.core.types import TensorType
from netspec.declarations.ops.merge import Max, Mean, Subtract
from netspec.declarations.ops.products import Multiply
from netspec.declarations.ops.reshaping import DepthToSpace, Reshape
from netspec.declarations.ops.resizing import Crop, Pad, Upsample
from netspec.declarations.ops.selection import ChannelShuffle, Part, Select
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]

SHAPES = [(6, 4), (4, 6, 4), (2, 4, 6, 4)]
EXACT = 1e-12
"""Of numbers of the order of 1 in float64, after a handful of roundings."""


def numbers(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=(2, *shape))


def ours(attrs: Any, *arrays: Array) -> Array:
    """The definition, before any pass replaces the op."""
    g = Builder("network")
    values = [g.input(f"x{place}", TensorType(array.shape[1:])) for place, array in enumerate(arrays)]
    y = g.layer(attrs, *values).output
    inputs = {f"x{place}": array for place, array in enumerate(arrays)}
    return interpret(g.graph({"y": y}), inputs, len(arrays[0])).outputs["y"]


def whole(*values: int) -> Array:
    return np.array(values, np.int64)


@pytest.mark.parametrize("to", [(-1,), (3, -1), (2, 2, 6)])
def test_reshape(to: tuple[int, ...]) -> None:
    x = numbers(4, 6)
    (expected,) = run_onnx("Reshape", [x, whole(2, *to)])
    np.testing.assert_array_equal(ours(Reshape(shape=to), x), expected)


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("channels", [1, 3])
def test_depth_to_space_is_the_mode_dcr(factor: int, channels: int) -> None:
    x = numbers(3, 4, channels * factor**2)
    (expected,) = run_onnx("DepthToSpace", [channels_first(x)], blocksize=factor, mode="DCR")
    np.testing.assert_array_equal(ours(DepthToSpace(factor=factor), x), channels_last(expected))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_upsample(shape: tuple[int, ...], factor: int, method: str) -> None:
    scales = np.array([1.0, 1.0, *[float(factor)] * (len(shape) - 1)])
    check_resize(shape, Upsample(factor=factor, method=method), scales)


@pytest.mark.parametrize(("shape", "like"), [((6, 4), (9, 1)), ((4, 6, 4), (5, 4, 1)), ((2, 4, 6, 4), (3, 5, 13, 1))])
def test_upsample_to_any_size(shape: tuple[int, ...], like: tuple[int, ...]) -> None:
    scales = np.array([1.0, 1.0, *(to / n for to, n in zip(like[:-1], shape[:-1], strict=True))])
    check_resize(shape, Upsample(like=like, method="bilinear"), scales)


def check_resize(shape: tuple[int, ...], attrs: Upsample, scales: Array) -> None:
    x = numbers(*shape)
    nearest = attrs.method == "nearest"
    (expected,) = run_onnx(
        "Resize",
        [channels_first(x), np.array([], np.float64), scales],
        mode="nearest" if nearest else "linear",
        coordinate_transformation_mode="asymmetric" if nearest else "half_pixel",
        nearest_mode="floor",
    )
    np.testing.assert_allclose(ours(attrs, x), channels_last(expected), rtol=0, atol=EXACT)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("mode", "theirs"), [("value", "constant"), ("reflect", "reflect"), ("replicate", "edge")])
def test_pad(shape: tuple[int, ...], mode: str, theirs: str) -> None:
    x, axes = numbers(*shape), len(shape) - 1
    margins = [(axis % 2, axis % 2 + 1) for axis in range(axes)]
    pads = whole(0, *(before for before, _ in margins), 1, 0, *(after for _, after in margins), 2)
    value = [np.array(0.25)] if mode == "value" else []
    (expected,) = run_onnx("Pad", [x, pads, *value], mode=theirs)
    attrs = Pad(amount=tuple(margins), channels=(1, 2), mode=mode, value=0.25)
    np.testing.assert_array_equal(ours(attrs, x), expected)


def test_crop_is_a_slice_of_the_middle() -> None:
    x = numbers(5, 7, 3)
    (expected,) = run_onnx("Slice", [x, whole(1, 2), whole(4, 4), whole(1, 2)])
    np.testing.assert_array_equal(ours(Crop(size=(3, 2)), x), expected)


@pytest.mark.parametrize(("axis", "place"), [("channels", 3), ("height", 1), ("width", 2)])
def test_select(axis: str, place: int) -> None:
    x = numbers(4, 6, 4)
    (expected,) = run_onnx("Gather", [x, whole(3, 0, 3)], axis=place)
    np.testing.assert_array_equal(ours(Select(index=(3, 0, 3), axis=axis), x), expected)


@pytest.mark.parametrize(("axis", "place"), [("channels", 3), ("height", 1), ("width", 2)])
def test_part(axis: str, place: int) -> None:
    x = numbers(4, 6, 4)
    expected = run_onnx("Split", [x], axis=place, num_outputs=2, outputs=2)
    for index, part in enumerate(expected):
        np.testing.assert_array_equal(ours(Part(index=index, axis=axis), x), part)


def test_channel_shuffle_is_reshape_transpose_reshape() -> None:
    x = numbers(3, 2, 6)
    (table,) = run_onnx("Reshape", [x, whole(2, 3, 2, 2, 3)])
    (turned,) = run_onnx("Transpose", [table], perm=[0, 1, 2, 4, 3])
    (expected,) = run_onnx("Reshape", [turned, whole(2, 3, 2, 6)])
    np.testing.assert_array_equal(ours(ChannelShuffle(groups=2), x), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("attrs", "theirs", "count"),
    [(Subtract(), "Sub", 2), (Max(), "Max", 3), (Mean(), "Mean", 3), (Multiply(), "Mul", 2)],
)
def test_merges(shape: tuple[int, ...], attrs: Any, theirs: str, count: int) -> None:
    arrays = [numbers(*shape, seed=seed) for seed in range(count)]
    (expected,) = run_onnx(theirs, arrays)
    np.testing.assert_allclose(ours(attrs, *arrays), expected, rtol=0, atol=EXACT)


def test_multiply_stretches_as_onnx_broadcasts() -> None:
    x, gate, mask = numbers(3, 4, 5), numbers(5, seed=2), numbers(3, 4, 1, seed=3)
    (gated,) = run_onnx("Mul", [x, gate.reshape(2, 1, 1, 5)])
    (expected,) = run_onnx("Mul", [gated, mask])
    np.testing.assert_array_equal(ours(Multiply(), x, gate, mask), expected)
