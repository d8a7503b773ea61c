"""Normalisations against the definitions of ONNX, as they are written and lowered, over zero to three axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from onnx_oracle import channels_first, channels_last, run_onnx

from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.declarations.ops.group_normalization import GroupNorm, InstanceNorm, LayerNorm
from netspec.declarations.ops.local_response import Lrn
from netspec.declarations.ops.normalization import BatchNorm
from netspec.passes.forms import training_form
from netspec.passes.lower import lower
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]

IMAGES = ((5, 6), (1, 4), (5, 4, 6), (1, 1, 8), (3, 2, 4, 6))
FEATURES = ((6,), (12,))
EPS = 2.0**-10  # ONNX keeps its attributes in float32, in which this is exact
TOLERANCE = {"rtol": 1e-12, "atol": 1e-13}  # both are float64, summed in another order


def numbers(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).normal(1.5, 2.0, shape)


def single(attrs: Any, shape: tuple[int, ...]) -> Graph:
    g = Builder("net")
    x = g.input("x", TensorType(shape))
    g.path = "layer"
    return g.graph({"y": g.layer(attrs, x).output})


def check(attrs: Any, x: Array, state: Mapping[str, Array], wanted: Array) -> None:
    """The layer as it is written and as it is lowered gives what is wanted."""
    graph = single(attrs, x.shape[1:])
    named = {f"layer.{name}": array for name, array in state.items()}
    for made in (graph, lower(graph)):
        np.testing.assert_allclose(interpret(made, {"x": x}, len(x), named).outputs["y"], wanted, **TOLERANCE)


@pytest.mark.parametrize("shape", IMAGES + FEATURES)
@pytest.mark.parametrize("groups", [1, 2])
def test_group_norm(shape: tuple[int, ...], groups: int) -> None:
    x, scale, shift = numbers(3, *shape), numbers(shape[-1]), numbers(1, shape[-1])[0]
    options = {"num_groups": groups, "epsilon": EPS, "stash_type": TensorProto.DOUBLE}
    (wanted,) = run_onnx("GroupNormalization", [channels_first(x), scale, shift], **options)
    check(GroupNorm(groups=groups, eps=EPS), x, {"scale": scale, "shift": shift}, channels_last(wanted))


@pytest.mark.parametrize("shape", [(5, 6), (5, 4, 1), (3, 2, 4, 6)])
def test_instance_norm(shape: tuple[int, ...]) -> None:
    x, scale, shift = numbers(3, *shape), numbers(shape[-1]), numbers(1, shape[-1])[0]
    (wanted,) = run_onnx("InstanceNormalization", [channels_first(x), scale, shift], epsilon=EPS)
    check(InstanceNorm(eps=EPS), x, {"scale": scale, "shift": shift}, channels_last(wanted))


@pytest.mark.parametrize("shape", IMAGES + FEATURES)
@pytest.mark.parametrize("axes", ["channels", "all"])
def test_layer_norm(shape: tuple[int, ...], axes: str) -> None:
    """In both cases ONNX's factors have the shape that is normalised, and so have ours."""
    normalized = shape if axes == "all" else shape[-1:]
    x, scale, shift = numbers(3, *shape), numbers(*normalized), numbers(1, *normalized)[0]
    (wanted,) = run_onnx("LayerNormalization", [x, scale, shift], axis=-len(normalized), epsilon=EPS)
    check(LayerNorm(eps=EPS, axes=axes), x, {"scale": scale, "shift": shift}, wanted)


@pytest.mark.parametrize("shape", IMAGES + FEATURES)
def test_batch_norm_in_use(shape: tuple[int, ...]) -> None:
    x, channels = numbers(3, *shape), shape[-1]
    scale, shift, mean, variance = (numbers(each, channels)[-1] for each in (1, 2, 3, 4))
    given = [scale, shift, mean, variance * variance]
    (wanted,) = run_onnx("BatchNormalization", [channels_first(x), *given], epsilon=EPS)
    state = dict(zip(("scale", "shift", "moving_mean", "moving_variance"), given, strict=True))
    check(BatchNorm(eps=EPS), x, state, channels_last(wanted))


@pytest.mark.parametrize("shape", IMAGES + FEATURES)
def test_batch_norm_while_training(shape: tuple[int, ...]) -> None:
    """ONNX moves the variance by that of the batch as it is: the biased one."""
    x, channels = numbers(3, *shape), shape[-1]
    scale, shift, mean, variance = (numbers(each, channels)[-1] for each in (1, 2, 3, 4))
    given = [scale, shift, mean, variance * variance]
    options = {"epsilon": EPS, "momentum": 0.75, "training_mode": 1, "outputs": 3}
    wanted, new_mean, new_variance = run_onnx("BatchNormalization", [channels_first(x), *given], **options)
    graph = training_form(single(BatchNorm(eps=EPS, momentum=0.75, moving_variance="biased"), shape))
    names = ("scale", "shift", "moving_mean", "moving_variance")
    state = {f"layer.{name}": array for name, array in zip(names, given, strict=True)}
    found = interpret(graph, {"x": x}, 3, state)
    np.testing.assert_allclose(found.outputs["y"], channels_last(wanted), **TOLERANCE)
    np.testing.assert_allclose(found.state["layer.moving_mean"], new_mean, **TOLERANCE)
    np.testing.assert_allclose(found.state["layer.moving_variance"], new_variance, **TOLERANCE)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
def test_lrn_across_channels(size: int) -> None:
    """ONNX takes the mean; an even window's extra cell comes after.

    Its Python fills as many channels as there are samples, so there are as many.
    """
    x = numbers(6, 3, 4, 6)
    # An alpha whose mean factor is exact in float32.
    (wanted,) = run_onnx("LRN", [channels_first(x)], size=size, alpha=size / 4, beta=0.75, bias=2.0)
    check(Lrn(size=size, alpha=size / 4, k=2.0, scaling="mean"), x, {}, channels_last(wanted))
    check(Lrn(size=size, alpha=0.25, k=2.0), x, {}, channels_last(wanted))


@pytest.mark.parametrize(("size", "sides"), [(3, (3, 3)), (5, (5, 5)), ((3, 1), (3, 1))])
def test_lrn_across_space(size: Any, sides: tuple[int, int]) -> None:
    """Caffe's WITHIN_CHANNEL: an average pooling of the squares, whose padding counts, then a power."""
    x = numbers(3, 5, 4, 6)
    before = [(side - 1) // 2 for side in sides]
    options = {"kernel_shape": sides, "pads": [*before, *before], "count_include_pad": 1}
    (mean,) = run_onnx("AveragePool", [channels_first(x) ** 2], **options)
    wanted = x / (1 + 0.5 * channels_last(mean)) ** 0.75
    check(Lrn(size=size, alpha=0.5, across="space", scaling="mean"), x, {}, wanted)
    cells = sides[0] * sides[1]
    check(Lrn(size=size, alpha=0.5 / cells, across="space"), x, {}, wanted)
