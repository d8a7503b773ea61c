"""``explain``: the formulas of each op, with numbers that agree with what the op does."""

from __future__ import annotations

import re

import pytest

from netspec.analysis.cost import cost
from netspec.analysis.explain import explain_layer, find_layer
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec


def spec_of(layers: str, shape: str = "[9, 8, 4]") -> Spec:
    return load_spec(Source("spec.yaml", f"netspec: 1\ninput: {shape}\nlayers:\n{layers}\n"))


EXAMPLES = {
    "conv": "  - conv: {filters: 6, kernel: [3, 2], stride: 2, padding: 1, groups: 2}",
    "conv_transpose": "  - conv_transpose: {filters: 6, kernel: [3, 2], stride: 2, padding: 1, output_padding: [1, 0]}",
    "depthwise_conv": "  - depthwise_conv: {kernel: 3, stride: 2, padding: same, multiplier: 3}",
    "separable_conv": "  - separable_conv: {filters: 5, kernel: 3, dilation: 2, multiplier: 2}",
    "locally_connected": "  - locally_connected: {filters: 6, kernel: 3, groups: 2}",
    "rbf": "  - flatten\n  - rbf: 5",
    "max_pool": "  - max_pool: {size: 3, stride: 2, round: ceil}",
    "avg_pool": "  - avg_pool: {size: 2, padding: same}",
    "global_avg_pool": "  - global_avg_pool",
    "batch_norm": "  - batch_norm: {center: false}",
    "concat": "  - concat: {axis: height, a: [relu], b: []}",
    "flatten": "  - flatten",
    "dense": "  - flatten\n  - dense: 5",
    "dropout": "  - dropout: 0.5",
    "add": "  - add: [[relu], []]",
    "relu": "  - relu",
    "tanh": "  - tanh",
    "prelu": "  - prelu",
    "layer_norm": "  - layer_norm: {axes: all, center: false}",
    "instance_norm": "  - instance_norm",
    "group_norm": "  - group_norm: {groups: 2, scale: false}",
    "lrn": "  - lrn: {size: 3, across: space}",
    "sigmoid": "  - sigmoid",
    "softmax": "  - flatten\n  - softmax",
}


@pytest.mark.parametrize("op", EXAMPLES)
def test_formulas_agree_with_the_graph(op: str) -> None:
    spec = spec_of(EXAMPLES[op])
    node = spec.graph.nodes[-1]
    assert node.op.name == op
    row = cost(spec.graph).layers[-1]
    for formula in explain_layer(node):
        assert formula.symbolic
        assert re.search(r"\d", formula.substituted)
        if formula.quantity == "parameters":
            assert formula.result == row.params
        elif formula.quantity == "MACs":
            assert formula.result == row.macs
        elif formula.quantity.startswith("output axis"):
            assert formula.result == node.output.type.shape[int(formula.quantity.split()[-1]) - 1]


@pytest.mark.parametrize(
    "op",
    [
        "conv",
        "conv_transpose",
        "depthwise_conv",
        "separable_conv",
        "locally_connected",
        "rbf",
        "max_pool",
        "avg_pool",
        "batch_norm",
        "concat",
        "flatten",
        "dense",
        "prelu",
        "layer_norm",
        "instance_norm",
        "group_norm",
        "lrn",
    ],
)
def test_ops_that_change_shapes_or_have_parameters_say_how(op: str) -> None:
    assert explain_layer(spec_of(EXAMPLES[op]).graph.nodes[-1])


def test_the_numbers_of_a_convolution() -> None:
    formulas = explain_layer(spec_of("  - conv: {filters: 32, kernel: 3}", "[32, 32, 3]").graph.nodes[0])
    shown = [(f.quantity, f.substituted, f.result) for f in formulas]
    assert shown == [
        ("output axis 1", "⌊(32 + 2·0 − 3)/1⌋ + 1", 30),
        ("output axis 2", "⌊(32 + 2·0 − 3)/1⌋ + 1", 30),
        ("parameters", "(3·3·3 + 1)·32", 896),
        ("MACs", "30x30 · 3·3 · 3 · 32", 777_600),
    ]


def test_the_numbers_of_a_separable_convolution() -> None:
    formulas = explain_layer(spec_of("  - separable_conv: {filters: 64, kernel: 3}", "[34, 34, 32]").graph.nodes[0])
    shown = [(f.quantity, f.substituted, f.result, f.remark) for f in formulas]
    assert shown == [
        ("output axis 1", "⌊(34 + 2·0 − 3)/1⌋ + 1", 32, ""),
        ("output axis 2", "⌊(34 + 2·0 − 3)/1⌋ + 1", 32, ""),
        ("parameters", "3·3·32·1 + 32·1·64 + 64", 2_400, "a full convolution has 18,496"),
        (
            "MACs",
            "32x32 · (3·3·32·1 + 32·1·64)",
            2_392_064,
            "a full convolution takes 18,874,368, 7.9 times as many",
        ),
    ]


def test_the_numbers_of_a_transposed_convolution() -> None:
    layer = "  - conv_transpose: {filters: 8, kernel: 3, stride: 2, padding: same}"
    formulas = explain_layer(spec_of(layer, "[7, 4]").graph.nodes[0])
    shown = [(f.quantity, f.substituted, f.result) for f in formulas]
    assert shown == [
        ("output axis 1", "(7 − 1)·2 − (0 + 1) + 3", 14),
        ("parameters", "(3·4 + 1)·8", 104),
        ("MACs", "7 · 3 · 4 · 8", 672),
    ]


def test_finding_a_layer() -> None:
    graph = spec_of("  - add: {body: [relu, tanh], rest: [tanh]}\n  - sigmoid").graph
    assert find_layer(graph, "add/body/tanh").path == "add/body/tanh"
    assert find_layer(graph, "relu").path == "add/body/relu"
    assert find_layer(graph, "tanh") is None  # there are two
    assert find_layer(graph, "conv") is None
