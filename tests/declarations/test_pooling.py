"""Poolings against the ONNX project's definitions, and what those leave open: ties, NaN, divisors, gradients."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from onnx_oracle import channels_first, channels_last, run_onnx

from netspec.core.builder import Builder
from netspec.core.declare import declaration_of
from netspec.core.formulas import adaptive_bin
from netspec.core.graph import Graph
from netspec.core.op import ShapeError, infer
from netspec.core.types import TensorType
from netspec.declarations.ops.adaptive_pooling import AdaptiveAvgPool, AdaptiveMaxPool, GlobalMaxPool
from netspec.declarations.ops.lp_pooling import LpPool
from netspec.declarations.ops.median_pooling import MedianPool
from netspec.declarations.ops.pooling import AvgPool, GlobalAvgPool, MaxPool
from netspec.passes.autodiff import differentiate
from netspec.passes.lower import lower
from netspec.testing import interpret
from netspec.testing.weighted_sum import WeightedSum

Array = np.ndarray[Any, np.dtype[Any]]

WINDOWS: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((8, 3), {"size": 2}),
    ((7, 1), {"size": 3, "stride": 1}),
    ((7, 6, 17), {"size": 3, "stride": 2}),
    ((7, 6, 3), {"size": 3, "stride": 2, "round": "ceil"}),
    ((6, 5, 3), {"size": 3, "stride": 2, "padding": 1}),
    ((5, 5, 2), {"size": 3, "stride": 1, "padding": ((1, 0), (0, 1))}),
    ((4, 3, 5), {"size": (4, 3)}),
    ((1, 1, 4), {"size": 1}),
    ((4, 5, 4, 2), {"size": (2, 3, 2), "stride": (1, 2, 2)}),
)
PADDED_CEIL = ((6, 6, 2), {"size": 3, "stride": 2, "padding": 1, "round": "ceil"})


def graph_of(attrs: Any, shape: tuple[int, ...]) -> Graph:
    g = Builder("pool")
    g.path = "pool"
    return g.graph({"y": g.layer(attrs, g.input("x", TensorType(shape))).output})


def pooled(attrs: Any, x: Array) -> Array:
    return np.asarray(interpret(graph_of(attrs, x.shape[1:]), {"x": x}, len(x)).outputs["y"])


def gradient(attrs: Any, x: Array, dy: Array) -> Array:
    graph = lower(graph_of(attrs, x.shape[1:]))
    g = Builder.continuing(graph, graph.nodes)
    weight = g.input("weight", graph.outputs["y"].type)
    found = differentiate(g, g.add(WeightedSum(), graph.outputs["y"], weight), graph.inputs)
    made = g.graph({"dx": found[graph.inputs[0]]})
    return np.asarray(interpret(made, {"x": x, "weight": dy}, len(x)).outputs["dx"])


def image(shape: tuple[int, ...], samples: int = 2) -> Array:
    return np.random.default_rng(4).normal(size=(samples, *shape))


def onnx_attributes(attributes: dict[str, Any], axes: int) -> dict[str, Any]:
    def each(value: Any) -> list[int]:
        return [value] * axes if isinstance(value, int) else list(value)

    padding = attributes.get("padding", 0)
    pairs = [(p, p) if isinstance(p, int) else p for p in each(padding)]
    return {
        "kernel_shape": each(attributes["size"]),
        "strides": each(attributes.get("stride", attributes["size"])),
        "pads": [before for before, _ in pairs] + [after for _, after in pairs],
        "ceil_mode": int(attributes.get("round") == "ceil"),
    }


KINDS: tuple[tuple[Any, str, dict[str, Any], dict[str, Any]], ...] = (
    (MaxPool, "MaxPool", {}, {}),
    (AvgPool, "AveragePool", {}, {}),
    (AvgPool, "AveragePool", {"count_padding": True}, {"count_include_pad": 1}),
    (LpPool, "LpPool", {}, {"p": 2}),
    (LpPool, "LpPool", {"p": 3}, {"p": 3}),
)
# ONNX's Python takes a window that reaches beyond the edge, for LpPool, as the mean of its cells times their number.
COMPARED = [(*kind, *each) for kind in KINDS for each in WINDOWS if kind[0] is not LpPool or "round" not in each[1]]


@pytest.mark.parametrize(("kind", "op_type", "more", "onnx_more", "shape", "attributes"), COMPARED, ids=str)
def test_a_window_pools_as_onnx_says(
    kind: Any,
    op_type: str,
    more: dict[str, Any],
    onnx_more: dict[str, Any],
    shape: tuple[int, ...],
    attributes: dict[str, Any],
) -> None:
    x = image(shape)
    (expected,) = run_onnx(op_type, [channels_first(x)], **onnx_attributes(attributes, len(shape) - 1), **onnx_more)
    np.testing.assert_allclose(pooled(kind(**attributes, **more), x), channels_last(expected), rtol=1e-13)


@pytest.mark.parametrize("shape", [(6, 3), (5, 4, 17), (1, 1, 2), (3, 4, 2, 2)], ids=str)
@pytest.mark.parametrize("kind", [GlobalMaxPool, GlobalAvgPool])
def test_pooling_of_everything_is_as_onnx_says(kind: Any, shape: tuple[int, ...]) -> None:
    x = image(shape)
    # ONNX's Python takes GlobalMaxPool for one of two axes, however many there are.
    op_type = "GlobalAveragePool" if kind is GlobalAvgPool else "MaxPool"
    window = {} if kind is GlobalAvgPool else {"kernel_shape": shape[:-1]}
    expected = channels_last(run_onnx(op_type, [channels_first(x)], **window)[0])
    np.testing.assert_allclose(pooled(kind(keep=True), x), expected, rtol=1e-13)
    np.testing.assert_allclose(pooled(kind(), x), expected.reshape(len(x), -1), rtol=1e-13)


def test_a_window_beyond_the_padding_is_divided_by_the_cells_within_it() -> None:
    """Numbers of PyTorch 2.13 and of Caffe's rule: the window is clipped to the padded image before it is counted."""
    shape, attributes = PADDED_CEIL
    ones = np.ones((1, *shape))
    counted = pooled(AvgPool(**attributes, count_padding=True), ones)[0, :, :, 0]
    sides = np.array([2 / 3, 1, 1, 1 / 2])
    np.testing.assert_allclose(counted, np.outer(sides, sides), rtol=1e-14)
    np.testing.assert_allclose(pooled(AvgPool(**attributes), ones), 1, rtol=1e-14)


def test_a_window_that_would_begin_in_the_padding_after_is_dropped() -> None:
    assert infer(MaxPool(size=3, stride=2, padding=1, round="ceil"), (TensorType((5, 5, 1)),))[0].shape == (3, 3, 1)
    assert infer(MaxPool(size=1, stride=3, round="ceil"), (TensorType((5, 1)),))[0].shape == (2, 1)


@pytest.mark.parametrize("kind", [MaxPool, AvgPool, LpPool, MedianPool])
def test_dialects_differ_in_rounding_and_in_what_counts(kind: Any) -> None:
    attributes = {a.name: a for a in kind.declaration.attributes}
    found = {dialect: attributes["round"].default_in(dialect) for dialect in ("textbook", "caffe", "torch", "keras")}
    assert found == {"textbook": "floor", "caffe": "ceil", "torch": "floor", "keras": "floor"}
    if kind is AvgPool:
        counts = [attributes["count_padding"].default_in(dialect) for dialect in found]
        assert counts == [False, True, True, False]


@pytest.mark.parametrize("kind", [MaxPool, MedianPool])
@pytest.mark.parametrize("padding", [2, ((0, 2), (0, 0)), ((0, 0), (2, 0))], ids=str)
def test_a_window_of_padding_alone_has_no_number_to_take(kind: Any, padding: Any) -> None:
    with pytest.raises(ShapeError) as error:
        infer(kind(size=2, stride=1, padding=padding), (TensorType((4, 4, 1)),))
    assert (error.value.code, error.value.attr, error.value.fields["largest"]) == ("NS228", "padding", 1)


def test_windows_of_padding_alone_sum_to_nothing() -> None:
    assert pooled(AvgPool(size=2, stride=1, padding=2), np.ones((1, 4, 4, 1)))[0, 0, 0, 0] == 0
    assert pooled(LpPool(size=2, stride=1, padding=2), np.ones((1, 4, 4, 1)))[0, 0, 0, 0] == 0


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(3, 1, 0), (2, 2, 0), ((1, 4), 2, 0), (3, 2, 1), (4, 3, 2)], ids=str
)
def test_the_median_is_that_of_the_numbers_that_are_there(size: Any, stride: int, padding: int) -> None:
    x = image((7, 6, 3))
    around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = np.pad(x, around, constant_values=np.nan)
    y = pooled(MedianPool(size=size, stride=stride, padding=padding), x)
    height, width = (size, size) if isinstance(size, int) else size
    for row, column in product(range(y.shape[1]), range(y.shape[2])):
        window = padded[:, row * stride : row * stride + height, column * stride : column * stride + width]
        np.testing.assert_allclose(y[:, row, column], np.nanmedian(window, axis=(1, 2)), rtol=1e-14)


def test_an_odd_median_sends_its_gradient_to_one_number_and_an_even_one_to_two() -> None:
    x = np.array([[3.0], [1.0], [2.0], [9.0], [7.0], [8.0]])[None]
    np.testing.assert_array_equal(gradient(MedianPool(size=3), x, np.array([[[10.0], [20.0]]]))[0, :, 0],
                                  [0, 0, 10, 0, 0, 20])  # fmt: skip
    np.testing.assert_array_equal(gradient(MedianPool(size=6), x, np.array([[[10.0]]]))[0, :, 0], [5, 0, 0, 0, 5, 0])


def test_equal_numbers_rank_in_their_order() -> None:
    x = np.array([[5.0], [5.0], [5.0], [1.0]])[None]
    assert pooled(MedianPool(size=4), x).item() == 5
    # In order: the 1, then the fives as they stand; the middle two are the first and the second of them.
    np.testing.assert_array_equal(gradient(MedianPool(size=4), x, np.ones((1, 1, 1)))[0, :, 0], [0.5, 0.5, 0, 0])


def test_a_nan_is_the_median_and_the_maximum() -> None:
    x = np.array([[1.0], [np.nan], [2.0], [np.nan]])[None]
    for kind in (MedianPool, MaxPool):
        assert np.isnan(pooled(kind(size=4), x)).all()
        np.testing.assert_array_equal(gradient(kind(size=4), x, np.ones((1, 1, 1)))[0, :, 0], [0, 1, 0, 0])


def test_the_norm_of_zeros_has_no_slope() -> None:
    for p in (1, 2, 3):
        assert pooled(LpPool(size=2, p=p), np.zeros((1, 2, 1))).item() == 0
        assert not gradient(LpPool(size=2, p=p), np.zeros((1, 2, 1)), np.ones((1, 1, 1))).any()


def test_the_norm_of_a_window_beyond_the_edge_is_that_of_its_cells() -> None:
    x = np.array([[3.0], [4.0], [-5.0]])[None]
    np.testing.assert_allclose(pooled(LpPool(size=2, round="ceil"), x)[0, :, 0], [5, 5], rtol=1e-14)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_the_norm_of_one_number_is_its_magnitude(p: int) -> None:
    x = np.array([[-3.0]])[None]
    assert pooled(LpPool(size=1, p=p), x).item() == pytest.approx(3, rel=1e-14)
    assert gradient(LpPool(size=1, p=p), x, np.array([[[5.0]]])).item() == pytest.approx(-5, rel=1e-14)


@pytest.mark.parametrize(("n", "m"), [(7, 3), (5, 5), (10, 4), (2, 5), (1, 1), (13, 1)])
def test_bins_begin_and_end_as_in_pytorch(n: int, m: int) -> None:
    bins = [adaptive_bin(i, n, m) for i in range(m)]
    assert bins == [(math.floor(i * n / m), math.ceil((i + 1) * n / m)) for i in range(m)]
    assert {cell for first, end in bins for cell in range(first, end)} == set(range(n))


@pytest.mark.parametrize(
    ("shape", "size"), [((7, 5, 3), (3, 2)), ((6, 6, 1), 4), ((2, 3, 2), 3), ((9, 17), 4)], ids=str
)
def test_adaptive_pooling_takes_one_number_of_each_bin(shape: tuple[int, ...], size: Any) -> None:
    x = image(shape)
    sides = shape[:-1]
    counts = (size,) * len(sides) if isinstance(size, int) else size
    largest, mean = pooled(AdaptiveMaxPool(size=size), x), pooled(AdaptiveAvgPool(size=size), x)
    for place in product(*map(range, counts)):
        box = tuple(slice(*adaptive_bin(i, n, m)) for i, n, m in zip(place, sides, counts, strict=True))
        cells = x[(slice(None), *box)].reshape(len(x), -1, shape[-1])
        np.testing.assert_array_equal(largest[(slice(None), *place)], cells.max(axis=1))
        np.testing.assert_allclose(mean[(slice(None), *place)], cells.mean(axis=1), rtol=1e-13, atol=1e-15)


def test_adaptive_pooling_of_whole_parts_is_pooling_under_a_window() -> None:
    x = image((6, 4, 3))
    np.testing.assert_array_equal(pooled(AdaptiveMaxPool(size=(3, 2)), x), pooled(MaxPool(size=2), x))
    np.testing.assert_allclose(pooled(AdaptiveAvgPool(size=(3, 2)), x), pooled(AvgPool(size=2), x), rtol=1e-14)
    np.testing.assert_allclose(pooled(AdaptiveAvgPool(size=1), x), pooled(GlobalAvgPool(keep=True), x), rtol=1e-13)


@pytest.mark.parametrize(
    "attrs", [AdaptiveMaxPool(size=2), AdaptiveAvgPool(size=2), GlobalMaxPool(), MedianPool(size=1), LpPool(size=1)]
)
def test_rows_of_features_have_nothing_to_pool(attrs: Any) -> None:
    with pytest.raises(ShapeError, match="NS212"):
        infer(attrs, (TensorType((5,)),))


def test_a_size_for_another_number_of_axes_is_refused() -> None:
    with pytest.raises(ShapeError, match="NS210"):
        infer(AdaptiveAvgPool(size=(2, 2)), (TensorType((5, 3)),))


@pytest.mark.parametrize(
    "attrs",
    [AdaptiveMaxPool(size=3), AdaptiveAvgPool(size=(3, 2)), MedianPool(size=2), LpPool(size=2), GlobalMaxPool()],
)
def test_the_formulas_come_with_numbers(attrs: Any) -> None:
    x = TensorType((7, 6, 3))
    lines = list(attrs.explain((x,), infer(attrs, (x,))))
    assert lines, declaration_of(attrs).name
    assert all(line.substituted for line in lines)
