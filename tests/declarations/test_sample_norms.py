"""Layer, instance, group and local response normalisation: parameters, refusals, and what they leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.analysis.cost import cost
from netspec.analysis.receptive_field import receptive_fields
from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.declarations.ops.group_normalization import GroupNorm, InstanceNorm, LayerNorm
from netspec.declarations.ops.local_response import Lrn
from netspec.declarations.recipe import Recipe
from netspec.passes.lower import lower
from netspec.passes.step import training_step
from netspec.testing import interpret

DIALECTS = ("textbook", "caffe", "torch", "keras")


def single(attrs: Any, shape: tuple[int, ...], frozen: bool = False) -> Graph:
    g = Builder("net")
    x = g.input("x", TensorType(shape))
    g.path = "layer"
    y = g.layer(attrs, x, frozen=frozen).output
    return g.graph({"y": y}, {"main": y})


@pytest.mark.parametrize(
    ("attrs", "shape", "parameter"),
    [
        (LayerNorm(), (5, 4, 6), (6,)),
        (LayerNorm(axes="all"), (5, 4, 6), (5, 4, 6)),
        (LayerNorm(axes="all"), (6,), (6,)),
        (InstanceNorm(), (5, 4, 6), (6,)),
        (GroupNorm(groups=3), (5, 4, 6), (6,)),
    ],
)
def test_parameters_have_the_shape_of_what_is_normalised_or_one_number_per_channel(
    attrs: Any, shape: tuple[int, ...], parameter: tuple[int, ...]
) -> None:
    wanted = attrs.params(TensorType(shape))
    assert {name: (p.shape, p.initializer, p.trained) for name, p in wanted.items()} == {
        "scale": (parameter, "ones", True),
        "shift": (parameter, "zeros", True),
    }
    assert cost(single(attrs, shape)).params == 2 * int(np.prod(parameter))


@pytest.mark.parametrize("op", [LayerNorm, InstanceNorm, lambda **given: GroupNorm(groups=2, **given)])
def test_scale_and_center_can_be_left_out(op: Any) -> None:
    x = TensorType((5, 6))
    assert list(op(scale=False).params(x)) == ["shift"]
    assert list(op(center=False).params(x)) == ["scale"]
    assert op(scale=False, center=False).params(x) == {}


def test_one_group_and_as_many_groups_as_channels_are_the_other_two() -> None:
    x = np.random.default_rng(0).normal(2.0, 3.0, (2, 5, 4, 6))
    found = {}
    for name, attrs in {
        "one": GroupNorm(groups=1, scale=False, center=False),
        "all": LayerNorm(axes="all", scale=False, center=False),
        "six": GroupNorm(groups=6, scale=False, center=False),
        "each": InstanceNorm(scale=False, center=False),
    }.items():
        found[name] = interpret(single(attrs, x.shape[1:]), {"x": x}, 2).outputs["y"]
    np.testing.assert_allclose(found["one"], found["all"], rtol=1e-12)  # the same sums in another order
    np.testing.assert_allclose(found["six"], found["each"], rtol=1e-12)
    np.testing.assert_allclose(found["each"].mean(axis=(1, 2)), 0, atol=1e-14)
    np.testing.assert_allclose(found["each"].var(axis=(1, 2)), 1, rtol=1e-4)  # eps over the variance


@pytest.mark.parametrize("attrs", [LayerNorm(), LayerNorm(axes="all"), InstanceNorm(), GroupNorm(groups=2), Lrn()])
def test_no_sample_knows_of_another(attrs: Any) -> None:
    network = single(attrs, (5, 4, 6))
    x = np.random.default_rng(0).normal(2.0, 3.0, (3, 5, 4, 6))
    state = {slot.name: np.random.default_rng(1).normal(size=slot.param.shape) for slot in network.slots}
    together = interpret(network, {"x": x}, 3, state).outputs["y"]
    alone = interpret(network, {"x": x[1:2]}, 1, state).outputs["y"]
    np.testing.assert_allclose(alone, together[1:2], rtol=1e-12)


def test_a_frozen_normalisation_has_no_update() -> None:
    graph = training_step(single(LayerNorm(), (6,), frozen=True), Recipe())
    assert all(slot.written is None for slot in graph.slots)


@pytest.mark.parametrize(
    ("attrs", "shape", "code"),
    [
        (GroupNorm(groups=4), (5, 6), "NS202"),
        (GroupNorm(groups=7), (5, 6), "NS202"),
        (GroupNorm(groups=6), (6,), "NS225"),
        (InstanceNorm(), (6,), "NS225"),
        (InstanceNorm(), (1, 1, 6), "NS225"),
        (LayerNorm(), (5, 4, 1), "NS225"),
        (LayerNorm(axes="all"), (1,), "NS225"),
        (Lrn(size=(3, 3)), (5, 4, 6), "NS226"),
        (Lrn(across="space"), (6,), "NS212"),
        (Lrn(across="space", size=(3, 3)), (5, 6), "NS210"),
    ],
)
def test_what_cannot_be_is_refused(attrs: Any, shape: tuple[int, ...], code: str) -> None:
    with pytest.raises(ShapeError) as refused:
        single(attrs, shape)
    assert refused.value.code == code


def test_the_divisors_are_named() -> None:
    with pytest.raises(ShapeError) as refused:
        single(GroupNorm(groups=4), (5, 6))
    assert refused.value.fields["divisors"] == [1, 2, 3, 6]


def test_dialects() -> None:
    for op in (LayerNorm(), InstanceNorm(), GroupNorm(groups=1)):
        eps = op.declaration.attribute("eps")
        assert [eps.default_in(dialect) for dialect in DIALECTS] == [1e-5, 1e-5, 1e-5, 1e-3]
    scaling = Lrn().declaration.attribute("scaling")
    assert [scaling.default_in(dialect) for dialect in DIALECTS] == ["sum", "mean", "mean", "sum"]


def test_only_a_window_across_space_sees_more_of_the_image() -> None:
    for attrs, size in ((Lrn(size=3), (1, 1)), (Lrn(size=(3, 5), across="space"), (3, 5))):
        network = single(attrs, (9, 9, 2))
        assert receptive_fields(network)[network.outputs["y"]].size == size


def test_even_windows_reach_further_after() -> None:
    x = np.zeros((1, 1, 5))
    x[0, 0, 2] = 1.0
    state: dict[str, Any] = {}
    graph = lower(single(Lrn(size=2, alpha=1.0), (1, 5)))
    values = interpret(graph, {"x": x}, 1, state).values
    (sums,) = (values[node.output] for node in graph if node.op.name == "lrn.squares")
    np.testing.assert_array_equal(sums[0, 0], [0, 1, 1, 0, 0])
