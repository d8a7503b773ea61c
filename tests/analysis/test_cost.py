"""Parameters, MACs and receptive fields against figures worked out by hand or published."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.analysis.cost import Cost, cost
from netspec.analysis.receptive_field import receptive_fields
from netspec.core.graph import Graph
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source


def graph_of(layers: str, shape: str) -> Graph:
    return load_spec(Source("spec.yaml", f"netspec: 1\ninput: {shape}\nlayers:\n{layers}\n")).graph


def cost_of(layers: str, shape: str) -> Cost:
    return cost(graph_of(layers, shape))


LENET5 = {
    "conv": ((28, 28, 6), 156, 117_600),
    "relu": ((28, 28, 6), 0, 0),
    "max_pool": ((14, 14, 6), 0, 0),
    "conv2": ((10, 10, 16), 2_416, 240_000),
    "relu2": ((10, 10, 16), 0, 0),
    "max_pool2": ((5, 5, 16), 0, 0),
    "flatten": ((400,), 0, 0),
    "dense": ((120,), 48_120, 48_000),
    "relu3": ((120,), 0, 0),
    "dense2": ((84,), 10_164, 10_080),
    "relu4": ((84,), 0, 0),
    "dense3": ((10,), 850, 840),
    "softmax": ((10,), 0, 0),
}


def test_lenet5(repository: Path) -> None:
    source = read_source(repository / "specs" / "lenet5.yaml")
    assert isinstance(source, Source)
    table = cost(load_spec(source).graph)
    assert {row.name: (row.output, row.params, row.macs) for row in table.layers} == LENET5
    assert (table.params, table.params_trained, table.macs, table.flops) == (61_706, 61_706, 416_520, 833_040)
    assert table.layers[0].activation_bytes == 28 * 28 * 6 * 4


@pytest.mark.parametrize(
    ("layers", "shape", "params", "macs"),
    [
        # (kh·kw·c_in/groups + 1)·c_out, and output positions times the weights.
        ("  - conv: {filters: 32, kernel: 3}", "[32, 32, 3]", 896, 30 * 30 * 864),
        ("  - conv: {filters: 32, kernel: 3}", "[34, 34, 32]", 9_248, 32 * 32 * 9_216),
        ("  - conv: {filters: 4, kernel: 3, bias: false}", "[8, 8, 3]", 108, 6 * 6 * 108),
        ("  - conv: {filters: 4, kernel: 3, groups: 2}", "[8, 8, 4]", 76, 6 * 6 * 72),
        ("  - conv: {filters: 4, kernel: [1, 5], stride: [1, 2], padding: same}", "[8, 8, 2]", 44, 8 * 4 * 40),
        ("  - conv: {filters: 4, kernel: 5}", "[16, 2]", 44, 12 * 40),
        ("  - conv: {filters: 4, kernel: 3}", "[5, 5, 5, 2]", 220, 27 * 216),
        ("  - conv_transpose: {filters: 4, kernel: 3, stride: 2}", "[8, 8, 3]", 112, 8 * 8 * 108),
        ("  - depthwise_conv: {kernel: 3, multiplier: 2}", "[8, 8, 3]", 60, 6 * 6 * 54),
        ("  - separable_conv: {filters: 5, kernel: 3, multiplier: 2}", "[8, 8, 3]", 89, 6 * 6 * 84),
        ("  - locally_connected: {filters: 4, kernel: 3}", "[8, 8, 3]", 36 * 112, 36 * 108),
        ("  - rbf: 10", "[84]", 840, 840),
        ("  - dense: 100", "[1000000]", 100_000_100, 100_000_000),
        ("  - dense: {units: 3, bias: false}", "[4]", 12, 12),
        ("  - max_pool: 2", "[8, 8, 3]", 0, 0),
    ],
)
def test_parameters_and_macs(layers: str, shape: str, params: int, macs: int) -> None:
    table = cost_of(layers, shape)
    assert (table.params, table.params_trained, table.macs) == (params, params, macs)


def test_batch_norm_stores_four_numbers_per_channel_and_trains_two() -> None:
    table = cost_of("  - batch_norm\n  - relu", "[8, 8, 32]")
    assert (table.params, table.params_trained, table.macs) == (128, 64, 0)


@pytest.mark.parametrize(
    ("layers", "size", "jump"),
    [
        ("  - conv: {filters: 1, kernel: 3}", (3, 3), (1, 1)),
        ("  - conv: {filters: 1, kernel: 3}\n  - relu\n  - conv: {filters: 1, kernel: 3}", (5, 5), (1, 1)),
        ("  - conv: {filters: 1, kernel: 3, dilation: 4}", (9, 9), (1, 1)),
        ("  - max_pool: 2\n  - conv: {filters: 1, kernel: 3}", (6, 6), (2, 2)),
        ("  - max_pool: [1, 4]\n  - max_pool: [4, 1]", (4, 4), (4, 4)),
        # 1 + 4·1 + 1·1 + 4·2 + 1·2: the two stages of LeNet-5.
        (
            "  - conv: {filters: 1, kernel: 5}\n  - max_pool: 2\n  - conv: {filters: 1, kernel: 5}\n  - max_pool: 2",
            (16, 16),
            (4, 4),
        ),
        ("  - max_pool: 2\n  - conv_transpose: {filters: 1, kernel: 2, stride: 2}", (2, 2), (1, 1)),
        ("  - max_pool: 4\n  - conv_transpose: {filters: 1, kernel: 4, stride: 2}", (8, 8), (2, 2)),
        ("  - conv_transpose: {filters: 1, kernel: 3}", (3, 3), (1, 1)),
        ("  - separable_conv: {filters: 1, kernel: 3}\n  - depthwise_conv: 3", (5, 5), (1, 1)),
        ("  - add: {body: [{conv: {filters: 1, kernel: 5, padding: same}}], rest: []}", (5, 5), (1, 1)),
        ("  - global_avg_pool: true", (32, 32), (32, 32)),
    ],
)
def test_receptive_fields(layers: str, size: tuple[int, ...], jump: tuple[int, ...]) -> None:
    graph = graph_of(layers, "[32, 32, 1]")
    field = receptive_fields(graph)[graph.heads["main"]]
    assert (field.size, field.jump) == (size, jump)


def test_a_row_of_features_sees_the_whole_image() -> None:
    graph = graph_of("  - flatten\n  - dense: 3", "[7, 9, 2]")
    assert receptive_fields(graph)[graph.heads["main"]].size == (7, 9)
