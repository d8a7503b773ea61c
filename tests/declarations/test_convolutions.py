"""The family of convolutions: definitions against ONNX, shapes, refusals, and how a spec uses them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_oracle import channels_first, channels_last, run_onnx

from netspec.core import op as ops
from netspec.core.builder import Builder
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.depthwise import DepthwiseConv, SeparableConv
from netspec.declarations.ops.locally_connected import LocallyConnected
from netspec.declarations.ops.rbf import Rbf
from netspec.declarations.ops.transposed import ConvTranspose
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import lint
from netspec.syntax.source import Source
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]

SAMPLES = 2
ROUNDING = 1e-12
"""Both are float64 sums of some hundred products of numbers of about one."""


def run(attrs: Any, shape: tuple[int, ...], **given: Array) -> tuple[Array, dict[str, Array], Array]:
    """Random input and parameters (those given excepted) and what the definition makes of them: (x, parameters, y)."""
    random = np.random.default_rng(5)
    g = Builder("one")
    node = g.layer(attrs, g.input("x", TensorType(shape)))
    x = random.normal(size=(SAMPLES, *shape))
    parameters = {slot.name: random.normal(size=slot.param.shape) for slot in g.slots.values()}
    parameters |= {f".{name}": value for name, value in given.items()}
    y = interpret(g.graph({"y": node.output}), {"x": x}, SAMPLES, parameters).outputs["y"]
    return x, {name.lstrip("."): value for name, value in parameters.items()}, y


def onnx_weight(weight: Array) -> Array:
    """``(*window, C/groups, K)`` to ``(K, C/groups, *window)``."""
    return np.moveaxis(weight, (-1, -2), (0, 1))


def onnx_conv(attrs: Any, x: Array, weight: Array, bias: Array, groups: int) -> Array:
    window = attrs.geometry(TensorType(x.shape[1:]))
    pads = [*window.before, *attrs.padding_after(TensorType(x.shape[1:]))]
    inputs = [channels_first(x), onnx_weight(weight), bias]
    (y,) = run_onnx(
        "Conv",
        inputs,
        kernel_shape=list(window.size),
        strides=list(window.stride),
        dilations=list(window.dilation),
        pads=pads,
        group=groups,
    )
    return channels_last(y)


@pytest.mark.parametrize("padding", ["valid", "same", "full", "causal", 1, ((2, 1),)])
@pytest.mark.parametrize(("stride", "dilation", "groups"), [(1, 1, 1), (2, 1, 2), (1, 3, 4), (3, 2, 1)])
def test_convolution_of_a_line(padding: Any, stride: int, dilation: int, groups: int) -> None:
    attrs = Conv(filters=8, kernel=3, padding=padding, stride=stride, dilation=dilation, groups=groups)
    x, parameters, y = run(attrs, (11, 4))
    np.testing.assert_allclose(y, onnx_conv(attrs, x, **parameters, groups=groups), atol=ROUNDING)


@pytest.mark.parametrize("padding", ["valid", "same", "full", 2, (1, (0, 2))])
@pytest.mark.parametrize(
    ("stride", "dilation", "groups"), [(1, 1, 1), (2, 1, 3), ((1, 2), (2, 1), 1), (3, 2, 6), (1, (1, 3), 2)]
)
def test_convolution_of_an_image(padding: Any, stride: Any, dilation: Any, groups: int) -> None:
    attrs = Conv(filters=12, kernel=(3, 2), padding=padding, stride=stride, dilation=dilation, groups=groups)
    x, parameters, y = run(attrs, (8, 7, 6))
    np.testing.assert_allclose(y, onnx_conv(attrs, x, **parameters, groups=groups), atol=ROUNDING)


@pytest.mark.parametrize("padding", ["valid", "same", "full", ((1, 0), 1, (0, 2))])
@pytest.mark.parametrize(("stride", "dilation", "groups"), [(1, 1, 1), ((2, 1, 1), (1, 2, 1), 2)])
def test_convolution_of_a_volume(padding: Any, stride: Any, dilation: Any, groups: int) -> None:
    attrs = Conv(filters=4, kernel=(2, 3, 1), padding=padding, stride=stride, dilation=dilation, groups=groups)
    x, parameters, y = run(attrs, (5, 6, 4, 2))
    np.testing.assert_allclose(y, onnx_conv(attrs, x, **parameters, groups=groups), atol=ROUNDING)


def onnx_conv_transpose(attrs: ConvTranspose, x: Array, weight: Array, bias: Array) -> Array:
    """Group by group, since ONNX's own reference handles one only; what is cut off is found from the output's size."""
    window = attrs.reverse(TensorType(x.shape[1:]))
    axes = zip(window.input, window.output, window.stride, window.size, window.dilation, window.before, strict=True)
    after = [(n - 1) * s - before + d * (k - 1) + 1 - size for size, n, s, k, d, before in axes]
    more = [max(-each, 0) for each in after]
    found = []
    for inputs, kernel in zip(*(np.split(a, attrs.groups, axis=-1) for a in (x, weight)), strict=True):
        (y,) = run_onnx(
            "ConvTranspose",
            [channels_first(inputs), np.moveaxis(kernel, (-2, -1), (0, 1))],
            strides=list(window.stride),
            dilations=list(window.dilation),
            pads=[*window.before, *(max(each, 0) for each in after)],
            output_padding=more,
        )
        found.append(channels_last(y))
    return np.concatenate(found, axis=-1) + bias


TRANSPOSED = [
    ((6, 4), {"kernel": 3}),
    ((6, 4), {"kernel": 4, "stride": 2, "padding": "same"}),
    ((6, 4), {"kernel": 2, "stride": 3, "padding": "same"}),
    ((6, 4), {"kernel": 3, "dilation": 2, "padding": "full"}),
    ((6, 4), {"kernel": 3, "stride": 2, "padding": "causal"}),
    ((5, 4, 4), {"kernel": 3, "stride": 2, "padding": 1, "output_padding": 1}),
    ((5, 4, 4), {"kernel": (3, 2), "stride": (1, 2), "padding": (1, (0, 1)), "groups": 2}),
    ((5, 4, 4), {"kernel": 3, "stride": (2, 3), "output_padding": (1, 2), "groups": 4}),
    ((4, 5, 4), {"kernel": 3, "dilation": (1, 2), "stride": 2, "padding": "same"}),
    ((3, 2, 4, 4), {"kernel": (2, 3, 1), "stride": (2, 1, 2), "padding": "same"}),
    ((3, 2, 3, 4), {"kernel": 2, "dilation": (2, 1, 1), "padding": ((1, 0), 0, 1), "groups": 2}),
]


@pytest.mark.parametrize(("shape", "attributes"), TRANSPOSED)
def test_transposed_convolution(shape: tuple[int, ...], attributes: dict[str, Any]) -> None:
    attrs = ConvTranspose(filters=8, **attributes)
    x, parameters, y = run(attrs, shape)
    np.testing.assert_allclose(y, onnx_conv_transpose(attrs, x, **parameters), atol=ROUNDING)


@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize("shape", [(9, 5), (7, 6, 5), (4, 5, 6, 5)])
def test_depthwise_and_separable_convolution(shape: tuple[int, ...], multiplier: int) -> None:
    """A group for each channel: filter j of channel c comes out as channel c·multiplier + j."""
    attrs = DepthwiseConv(kernel=3, stride=2, padding="same", multiplier=multiplier)
    x, parameters, y = run(attrs, shape)
    np.testing.assert_allclose(y, onnx_conv(attrs, x, **parameters, groups=5), atol=ROUNDING)
    both = SeparableConv(filters=4, kernel=3, stride=2, padding="same", multiplier=multiplier)
    pointwise = np.random.default_rng(1).normal(size=(*(1,) * (len(shape) - 1), 5 * multiplier, 4))
    no_bias, bias = np.zeros(5 * multiplier), np.arange(4.0)
    _, _, found = run(both, shape, depthwise_weight=parameters["weight"], pointwise_weight=pointwise, bias=bias)
    first = onnx_conv(attrs, x, parameters["weight"], no_bias, groups=5)
    second = onnx_conv(Conv(filters=4, kernel=1), first, pointwise, bias, groups=1)
    np.testing.assert_allclose(found, second, atol=10 * ROUNDING)


@pytest.mark.parametrize("padding", ["valid", "same", "full"])
@pytest.mark.parametrize("groups", [1, 2])
def test_locally_connected_with_the_same_weights_everywhere_is_a_convolution(padding: str, groups: int) -> None:
    attrs = LocallyConnected(filters=6, kernel=(3, 2), stride=(1, 2), padding=padding, groups=groups)
    places = attrs.geometry(TensorType((6, 7, 4))).output
    weight, bias = np.random.default_rng(2).normal(size=(3, 2, 4 // groups, 6)), np.arange(6.0)
    repeated = np.broadcast_to(weight, (*places, *weight.shape))
    x, _, y = run(attrs, (6, 7, 4), weight=repeated, bias=np.broadcast_to(bias, (*places, 6)))
    np.testing.assert_allclose(y, onnx_conv(attrs, x, weight, bias, groups), atol=ROUNDING)


def test_locally_connected_has_weights_and_a_bias_for_each_place() -> None:
    attrs = LocallyConnected(filters=5, kernel=3, stride=2, groups=1)
    shapes = {name: param.shape for name, param in ops.params(attrs, (TensorType((7, 9, 2)),)).items()}
    assert shapes == {"weight": (3, 4, 3, 3, 2, 5), "bias": (3, 4, 5)}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        # (n − 1)s − 2p + d(k − 1) + output_padding + 1
        ({"kernel": 3}, (7, 6)),
        ({"kernel": 4, "stride": 2, "padding": 1}, (10, 8)),
        ({"kernel": 3, "stride": 2, "padding": 1, "output_padding": 1}, (10, 8)),
        ({"kernel": 3, "stride": 2, "padding": "same"}, (10, 8)),
        ({"kernel": 1, "stride": 3, "padding": "same"}, (15, 12)),
        ({"kernel": 5, "dilation": 2, "padding": "same"}, (5, 4)),
        ({"kernel": 3, "padding": "full"}, (3, 2)),
        ({"kernel": 3, "stride": 2, "dilation": (1, 3)}, (11, 13)),
    ],
)
def test_sizes_of_transposed_convolutions(attributes: dict[str, Any], expected: tuple[int, ...]) -> None:
    (y,) = ops.infer(ConvTranspose(filters=3, **attributes), (TensorType((5, 4, 2)),))
    assert y.shape == (*expected, 3)


def test_parameters_are_laid_out_inputs_before_outputs() -> None:
    x = (TensorType((5, 4, 6)),)

    def shapes(attrs: Any) -> dict[str, tuple[int, ...]]:
        return {name: param.shape for name, param in ops.params(attrs, x).items()}

    assert shapes(ConvTranspose(filters=4, kernel=(3, 2), groups=2)) == {"weight": (3, 2, 3, 4), "bias": (4,)}
    assert shapes(DepthwiseConv(kernel=3, multiplier=2)) == {"weight": (3, 3, 1, 12), "bias": (12,)}
    assert shapes(SeparableConv(filters=4, kernel=3, multiplier=2)) == {
        "depthwise_weight": (3, 3, 1, 12),
        "pointwise_weight": (1, 1, 12, 4),
        "bias": (4,),
    }
    assert shapes(SeparableConv(filters=4, kernel=3, bias=False)).keys() == {"depthwise_weight", "pointwise_weight"}


@pytest.mark.parametrize(
    ("attrs", "shape", "code", "attribute"),
    [
        (Conv(filters=2, kernel=3, dilation=4), (8, 8, 1), "NS201", "kernel"),
        (Conv(filters=2, kernel=2, dilation=9), (9, 1), "NS201", "kernel"),
        (Conv(filters=2, kernel=3, padding="causal"), (8, 8, 1), "NS213", "padding"),
        (DepthwiseConv(kernel=3, dilation=4), (8, 8, 1), "NS201", "kernel"),
        (DepthwiseConv(kernel=(3, 3)), (8, 1), "NS210", "kernel"),
        (SeparableConv(filters=2, kernel=9), (8, 8, 1), "NS201", "kernel"),
        (LocallyConnected(filters=2, kernel=9), (8, 8, 1), "NS201", "kernel"),
        (LocallyConnected(filters=3, kernel=2, groups=2), (8, 8, 4), "NS202", "groups"),
        (ConvTranspose(filters=3, kernel=2, groups=2), (8, 8, 4), "NS202", "groups"),
        (ConvTranspose(filters=3, kernel=2, stride=2, output_padding=2), (8, 8, 4), "NS220", "output_padding"),
        (ConvTranspose(filters=3, kernel=2, output_padding=1), (8, 4), "NS220", "output_padding"),
        (ConvTranspose(filters=3, kernel=2, padding=3), (2, 9, 4), "NS221", "padding"),
        (ConvTranspose(filters=3, kernel=3, padding="full"), (2, 1), "NS221", "padding"),
        (ConvTranspose(filters=3, kernel=2, padding="causal"), (8, 8, 4), "NS213", "padding"),
        (ConvTranspose(filters=3, kernel=2), (8,), "NS212", None),
        (Rbf(units=3), (4, 4, 2), "NS205", None),
    ],
)
def test_what_does_not_fit_is_refused(attrs: Any, shape: tuple[int, ...], code: str, attribute: str | None) -> None:
    with pytest.raises(ShapeError) as refused:
        ops.infer(attrs, (TensorType(shape),))
    assert (refused.value.code, refused.value.attr) == (code, attribute)


def test_output_padding_may_reach_into_the_gaps_of_a_dilated_window() -> None:
    (y,) = ops.infer(ConvTranspose(filters=1, kernel=2, dilation=3, output_padding=2), (TensorType((4, 1)),))
    assert y.shape == (9, 1)


def lines(layers: str, shape: str) -> list[Diagnostic]:
    return lint(Source("spec.yaml", f"netspec: 1\ninput: {shape}\nlayers:\n{layers}\n"))


def test_messages_say_what_to_do() -> None:
    (padded,) = lines("  - conv_transpose: {filters: 3, kernel: 2, stride: 2, output_padding: 2}", "[8, 8, 4]")
    assert padded.message == "output_padding 2 of 'conv_transpose' must be smaller than its stride or its dilation"
    assert padded.help_text == "use at most 1; 'pad' adds more cells"
    (gone,) = lines("  - conv_transpose: {filters: 3, kernel: 2, padding: 3}", "[2, 9, 4]")
    assert gone.message == "the padding of 'conv_transpose' cuts away the whole output of its 2x9 input"


def test_points_of_radial_units_start_from_signs() -> None:
    from netspec.core.declare import REGISTRIES

    param = ops.params(Rbf(units=10), (TensorType((84,)),))["weight"]
    assert param.shape == (84, 10)
    drawn = REGISTRIES["initializer"][param.initializer].make().draw(np.random.default_rng(0), param)
    assert set(np.unique(drawn)) == {-1.0, 1.0}
    # 840 fair coins: the share of ones is a half up to three standard deviations of 1/58.
    assert abs((drawn > 0).mean() - 0.5) < 3 / 58
