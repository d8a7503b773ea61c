"""Where frameworks differ, what a spec of each dialect computes, against ONNX with that framework's documented choice.

Sources: the documentation of TensorFlow (``SAME`` pads only what is needed, which ONNX calls SAME_UPPER), PyTorch
(``padding='same'`` adds d(k − 1) cells, the odd one after) and Caffe (pooling rounds up; the mean counts padding; the
LRN's alpha is divided by the cells of the window).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_oracle import channels_first, channels_last, run_onnx

from netspec.core.attributes import DIALECTS
from netspec.passes.forms import training_form
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]

EXACT = 1e-12
"""Both are float64 sums of some dozens of numbers of about one."""
SINGLE = 1e-6
"""ONNX keeps eps, alpha and beta in float32."""

NEEDED_ONLY = {"textbook", "keras"}
"""Dialects whose ``same`` pads only what is needed."""


def network(dialect: str, layer: str, shape: tuple[int, ...]) -> Any:
    text = f"netspec: 1\ndialect: {dialect}\ninput: {list(shape)}\nlayers:\n  - {layer}\n"
    return load_spec(Source("spec.yaml", text)).graph


def computed(dialect: str, layer: str, x: Array) -> tuple[Array, dict[str, Array]]:
    """The network's output with random parameters, and these by name."""
    graph = network(dialect, layer, x.shape[1:])
    random = np.random.default_rng(3)
    state = {slot.name: random.uniform(0.5, 1.5, slot.param.shape) for slot in graph.slots}
    (name,) = (value.name for value in graph.inputs)
    y = interpret(graph, {name: x}, len(x), state).outputs["main"]
    return y, {key.rsplit(".", 1)[-1]: array for key, array in state.items()}


def image(*shape: int) -> Array:
    return np.random.default_rng(7).normal(size=(2, *shape))


def padding(dialect: str, kernel: int, axes: int) -> dict[str, Any]:
    if dialect in NEEDED_ONLY:
        return {"auto_pad": "SAME_UPPER"}
    before, after = (kernel - 1) // 2, kernel // 2
    return {"pads": [before] * axes + [after] * axes}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kernel", [2, 3, 4])
@pytest.mark.parametrize("sides", [(8, 8), (7, 6), (9,)], ids=str)
def test_same_at_stride_two(dialect: str, kernel: int, sides: tuple[int, ...]) -> None:
    x = image(*sides, 2)
    y, parameters = computed(dialect, f"conv: {{filters: 3, kernel: {kernel}, stride: 2, padding: same}}", x)
    given = [channels_first(x), np.moveaxis(parameters["weight"], (-1, -2), (0, 1)), parameters["bias"]]
    where = padding(dialect, kernel, len(sides))
    (wanted,) = run_onnx("Conv", given, strides=[2] * len(sides), kernel_shape=[kernel] * len(sides), **where)
    np.testing.assert_allclose(y, channels_last(wanted), rtol=0, atol=EXACT)


def test_same_at_stride_two_is_not_the_same_everywhere() -> None:
    """On eight cells windows of three need one cell of padding; PyTorch adds two, so that its windows lie elsewhere."""
    needed, always = (
        network(dialect, "conv: {filters: 1, kernel: 3, stride: 2, padding: same}", (8, 8, 1)).nodes[0]
        for dialect in ("textbook", "torch")
    )
    assert needed.attrs.geometry(needed.inputs[0].type).before == (0, 0)
    assert always.attrs.geometry(always.inputs[0].type).before == (1, 1)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("side", [6, 7])
def test_pooling_rounds(dialect: str, side: int) -> None:
    x = image(side, side, 3)
    y, _ = computed(dialect, "max_pool: {size: 3, stride: 2}", x)
    options = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": int(dialect == "caffe")}
    (wanted,) = run_onnx("MaxPool", [channels_first(x)], **options)
    np.testing.assert_array_equal(y, channels_last(wanted))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_mean_counts_padding(dialect: str) -> None:
    """On a side that both roundings agree on."""
    x = image(7, 7, 3)
    y, _ = computed(dialect, "avg_pool: {size: 3, stride: 2, padding: 1}", x)
    counted = int(dialect in ("caffe", "torch"))
    options = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4, "count_include_pad": counted}
    (wanted,) = run_onnx("AveragePool", [channels_first(x)], **options)
    np.testing.assert_allclose(y, channels_last(wanted), rtol=0, atol=EXACT)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_alpha_is_of_the_sum_or_of_the_mean(dialect: str) -> None:
    x = np.random.default_rng(7).normal(size=(5, 4, 3, 5))  # as many samples as channels: see test_normalization_onnx
    y, _ = computed(dialect, "lrn: {size: 3, alpha: 0.5}", x)
    alpha = 0.5 if dialect in ("caffe", "torch") else 1.5
    (wanted,) = run_onnx("LRN", [channels_first(x)], size=3, alpha=alpha, beta=0.75, bias=1.0)
    np.testing.assert_allclose(y, channels_last(wanted), rtol=SINGLE)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_normalisations_have_the_eps_of_the_framework(dialect: str) -> None:
    eps, x = 1e-3 if dialect == "keras" else 1e-5, image(4, 3, 6) * 0.01  # so small that eps tells
    y, given = computed(dialect, "batch_norm", x)
    inputs = [given[name] for name in ("scale", "shift", "moving_mean", "moving_variance")]
    (wanted,) = run_onnx("BatchNormalization", [channels_first(x), *inputs], epsilon=eps)
    np.testing.assert_allclose(y, channels_last(wanted), rtol=SINGLE, atol=SINGLE)
    y, given = computed(dialect, "layer_norm", x)
    (wanted,) = run_onnx("LayerNormalization", [x, given["scale"], given["shift"]], axis=-1, epsilon=eps)
    np.testing.assert_allclose(y, wanted, rtol=SINGLE, atol=SINGLE)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_moving_statistics_keep_the_share_of_the_framework(dialect: str) -> None:
    """ONNX's momentum, too, is the share that is kept; it moves by the biased variance, as Keras does."""
    kept = {"caffe": 0.999, "keras": 0.99}.get(dialect, 0.9)
    x, channels = image(4, 3, 6), 6
    graph = training_form(network(dialect, "batch_norm", (4, 3, 6)))
    state = {slot.name: np.full(slot.param.shape, 2.0) for slot in graph.slots}
    found = interpret(graph, {graph.inputs[0].name: x}, 2, state).state
    given = [channels_first(x), *[np.full(channels, 2.0)] * 4]
    _, mean, variance = run_onnx("BatchNormalization", given, momentum=kept, training_mode=1, outputs=3)
    count = x.size / channels
    spread = 1 if dialect == "keras" else count / (count - 1)
    moved = 2.0 * kept + (variance - 2.0 * kept) * spread
    by_name = {name.rsplit(".", 1)[-1]: array for name, array in found.items()}
    np.testing.assert_allclose(by_name["moving_mean"], mean, rtol=SINGLE)
    np.testing.assert_allclose(by_name["moving_variance"], moved, rtol=SINGLE)
