"""Merges and products: shapes, refusals, parameters, and where gradients go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core import op as ops
from netspec.core.builder import Builder
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.declarations.ops.merge import Concat, Max, Mean, Subtract
from netspec.declarations.ops.products import Multiply, Scale
from netspec.passes.autodiff import differentiate
from netspec.testing import interpret
from netspec.testing.weighted_sum import WeightedSum

Array = np.ndarray[Any, np.dtype[Any]]


def gradients(attrs: Any, *arrays: Array) -> list[Array]:
    """The gradients of the sum of the op's output by its inputs."""
    g = Builder("network")
    values = [g.input(f"x{place}", TensorType(array.shape[1:])) for place, array in enumerate(arrays)]
    y = g.layer(attrs, *values).output
    weight = g.input("weight", y.type)
    found = differentiate(g, g.add(WeightedSum(), y, weight), values)
    inputs = {f"x{place}": array for place, array in enumerate(arrays)}
    inputs["weight"] = np.ones((len(arrays[0]), *y.type.shape))
    graph = g.graph({value.name: found[value] for value in values})
    outputs = interpret(graph, inputs, len(arrays[0])).outputs
    return [outputs[value.name] for value in values]


@pytest.mark.parametrize(
    ("shapes", "made"),
    [
        (((3, 4, 5), (5,)), (3, 4, 5)),
        (((5,), (3, 4, 5)), (3, 4, 5)),
        (((3, 4, 5), (3, 4, 1)), (3, 4, 5)),
        (((3, 1, 5), (1, 4, 5), (1,)), (3, 4, 5)),
        (((7,), (7,)), (7,)),
        (((2, 3, 4, 1), (1, 1, 1, 6)), (2, 3, 4, 6)),
    ],
)
def test_multiply_stretches(shapes: tuple[tuple[int, ...], ...], made: tuple[int, ...]) -> None:
    assert ops.infer(Multiply(), tuple(map(TensorType, shapes)))[0].shape == made


@pytest.mark.parametrize(
    "shapes", [((3, 4, 5), (4,)), ((3, 4, 5), (4, 5)), ((3, 4, 5), (3, 2, 5)), ((3, 4, 5), (3, 4, 5), (3, 4))]
)
def test_what_cannot_be_stretched_is_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ShapeError) as caught:
        ops.infer(Multiply(), tuple(map(TensorType, shapes)))
    assert caught.value.code == "NS215"


@pytest.mark.parametrize("attrs", [Subtract(), Mean(), Max()], ids=str)
def test_other_merges_want_equal_shapes(attrs: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        ops.infer(attrs, (TensorType((3, 4, 5)), TensorType((3, 4, 1))))
    assert caught.value.code == "NS203"


@pytest.mark.parametrize("count", [1, 3])
def test_subtract_takes_two(count: int) -> None:
    with pytest.raises(ShapeError) as caught:
        ops.infer(Subtract(), (TensorType((3,)),) * count)
    assert caught.value.code == "NS211"
    assert not Subtract.branches


def test_the_first_of_the_largest_gets_the_gradient() -> None:
    found = gradients(Max(), np.array([[1.0, 2, 3, 3]]), np.array([[1.0, 5, 3, 2]]), np.array([[0.0, 5, 4, 3]]))
    assert [each.tolist() for each in found] == [[[1, 0, 0, 1]], [[0, 1, 0, 0]], [[0, 0, 1, 0]]]


def test_a_gate_gets_the_sum_over_what_it_opens() -> None:
    x, gate = np.arange(12.0).reshape(1, 2, 3, 2), np.array([[2.0, -1]])
    dx, dgate = gradients(Multiply(), x, gate)
    np.testing.assert_array_equal(dx, np.broadcast_to([2.0, -1], x.shape))
    np.testing.assert_array_equal(dgate, x.sum(axis=(1, 2)))


def test_a_mask_gets_the_sum_over_the_channels() -> None:
    x, mask = np.arange(12.0).reshape(1, 2, 3, 2), np.ones((1, 2, 3, 1))
    np.testing.assert_array_equal(gradients(Multiply(), x, mask)[1], x.sum(axis=3, keepdims=True))


@pytest.mark.parametrize(
    ("attrs", "names"),
    [
        (Scale(), ["scale"]),
        (Scale(bias=True), ["scale", "shift"]),
        (Scale(by=0.5), []),
        (Scale(by=0.5, bias=True), ["shift"]),
    ],
    ids=str,
)
def test_parameters_of_scale(attrs: Scale, names: list[str]) -> None:
    wanted = attrs.params(TensorType((4, 4, 7)))
    assert list(wanted) == names
    assert all(param.shape == (7,) and param.trained for param in wanted.values())
    assert {name: param.initializer for name, param in wanted.items()}.items() <= {
        ("scale", "ones"),
        ("shift", "zeros"),
    }
    (formula,) = attrs.explain((TensorType((4, 4, 7)),), (TensorType((4, 4, 7)),))
    assert formula.result == 7 * len(names)


def test_a_row_is_not_laid_beside_an_image() -> None:
    """Not even where the image's other sides read like the row."""
    with pytest.raises(ShapeError) as refused:
        Concat().infer(TensorType((1, 6)), TensorType((1,)))
    assert refused.value.code == "NS204"
