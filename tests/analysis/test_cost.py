"""Parameters, MACs and receptive fields against figures worked out by hand or published."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from netspec.analysis.cost import Cost, cost
from netspec.analysis.receptive_field import receptive_fields
from netspec.core.builder import Builder
from netspec.core.declare import Declaration
from netspec.core.graph import Graph, Node, Value
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.pooling import GlobalAvgPool
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
        # Cells of a finer grid lie half a cell apart.
        ("  - upsample: 2\n  - conv: {filters: 1, kernel: 3}", (2, 2), (0.5, 0.5)),
        ("  - upsample: {factor: 2, method: bilinear}\n  - conv: {filters: 1, kernel: 3}", (3, 3), (0.5, 0.5)),
        ("  - upsample: 2\n  - conv: {filters: 1, kernel: 4}", (2.5, 2.5), (0.5, 0.5)),
        ("  - conv: {filters: 4, kernel: 3}\n  - depth_to_space: 2\n  - max_pool: 2", (3.5, 3.5), (1, 1)),
        ("  - pad: 2\n  - conv: {filters: 1, kernel: 5}\n  - crop: 8", (5, 5), (1, 1)),
        ("  - select: {index: [0, 4, 8], axis: width}\n  - conv: {filters: 1, kernel: [1, 2]}", (1, 5), (1, 4)),
        ("  - reshape: [16, 64, 1]\n  - conv: {filters: 1, kernel: 1}", (32, 32), (32, 32)),
        ("  - reshape: [32, 16, 2]", (32, 32), (32, 32)),
        ("  - reshape: [16, 16, 4, 1]\n  - max_pool: 1", (32, 32), (32, 32)),
        # A gate sees all of the image, but what it opens stays where it is.
        ("  - multiply: {gate: [global_avg_pool], x: []}\n  - conv: {filters: 1, kernel: 3}", (34, 34), (1, 1)),
        ("  - multiply: {x: [], gate: [{global_avg_pool: true}]}", (32, 32), (1, 1)),
    ],
)
def test_receptive_fields(layers: str, size: tuple[float, ...], jump: tuple[float, ...]) -> None:
    graph = graph_of(layers, "[32, 32, 1]")
    field = receptive_fields(graph)[graph.heads["main"]]
    assert (field.size, field.jump) == (size, jump)


@pytest.mark.parametrize(
    ("layers", "offset"),
    [
        # The middle of what the first output sees: (k−1)/2 − p, times the distance of the places that the window reads.
        ("  - conv: {filters: 1, kernel: 3}", (1, 1)),
        ("  - conv: {filters: 1, kernel: 3, padding: same}", (0, 0)),
        ("  - conv: {filters: 1, kernel: [3, 5], padding: 2}", (-1, 0)),
        ("  - max_pool: 2", (0.5, 0.5)),
        ("  - max_pool: 2\n  - conv: {filters: 1, kernel: 3}", (2.5, 2.5)),
        ("  - conv: {filters: 1, kernel: 3, dilation: 4}", (4, 4)),
        # `same` at stride 2 on an even side pads behind only: places 0 to 2, then 2 to 4.
        ("  - conv: {filters: 1, kernel: 3, stride: 2, padding: same}", (1, 1)),
        ("  - add: {body: [{conv: {filters: 1, kernel: 5, padding: same}}], rest: []}", (0, 0)),
        ("  - global_avg_pool", (15.5, 15.5)),
    ],
)
def test_where_the_first_output_looks(layers: str, offset: tuple[float, ...]) -> None:
    graph = graph_of(layers, "[32, 32, 1]")
    assert receptive_fields(graph)[graph.heads["main"]].offset == offset


class Resize:
    """An op without a window that changes how many places there are; each sees so many cells, so far from the next."""

    def __init__(self, cells: int, step: Fraction) -> None:
        self.reached = (cells, step)

    def reach(self, x: TensorType) -> tuple[tuple[int, Fraction], ...]:
        return (self.reached,) * len(x.spatial)


class Gate:
    """A merge that stretches one of its inputs."""

    merges = True


for kind in (Resize, Gate):
    kind.declaration = Declaration("op", kind.__name__, None, "", False, (), kind, __name__)  # type: ignore[attr-defined]  # as declare() does


class Transposed:
    """A transposed convolution of window 4, stride 2: its window slides over the output."""

    def reverse(self, x: TensorType) -> WindowGeometry:
        output = tuple(2 * n for n in x.spatial)
        return WindowGeometry(output, x.spatial, (4, 4), (2, 2), (1, 1), (1, 1))


Transposed.declaration = Declaration("op", "transposed", None, "", False, (), Transposed, __name__)  # type: ignore[attr-defined]  # as declare() does


@pytest.mark.parametrize(
    ("attrs", "spatial", "field"),
    [
        (Resize(1, Fraction(1, 2)), (8, 8), ((1, 1), (0.5, 0.5), (-0.25, -0.25))),  # twice as fine
        (Resize(2, Fraction(2)), (2, 2), ((2, 2), (2, 2), (0.5, 0.5))),  # two rows become one
        (Resize(1, Fraction(1)), (6, 6), ((1, 1), (1, 1), (-1, -1))),  # a border around
        (Resize(1, Fraction(1)), (2, 2), ((1, 1), (1, 1), (1, 1))),  # the middle part
        (Transposed(), (8, 8), ((2, 2), (0.5, 0.5), (-0.25, -0.25))),
    ],
)
def test_fields_of_ops_that_change_the_number_of_places(attrs: Any, spatial: Any, field: Any) -> None:
    x, y = Value("x", TensorType((4, 4, 1)), "input"), Value("y", TensorType((*spatial, 1)))
    graph = Graph("hand-made", (x,), (Node(attrs, (x,), (y,), "layer"),), {"main": y})
    assert receptive_fields(graph)[y] == field


def test_a_gate_has_no_places() -> None:
    x = Value("x", TensorType((8, 8, 1)), "input")
    pool, y = Value("pool", TensorType((1, 1, 1))), Value("y", TensorType((8, 8, 1)))
    nodes = (Node(GlobalAvgPool(keep=True), (x,), (pool,), "pool"), Node(Gate(), (x, pool), (y,), "gate"))
    assert receptive_fields(Graph("hand-made", (x,), nodes, {"main": y}))[y] == ((8, 8), (1, 1), (3.5, 3.5))


def two_heads() -> Graph:
    """One layer for both heads, one for each, and one that shares its weights with the auxiliary one."""
    g = Builder("two")
    x = g.input("input", TensorType((4,)))
    g.path = "trunk"
    trunk = g.layer(Dense(units=8), x)
    g.path = "auxiliary"
    auxiliary = g.layer(Dense(units=2), trunk.output)
    g.path = "shared"
    shared = g.layer(Dense(units=2), trunk.output, share=auxiliary)
    g.path = "own"
    own = g.layer(Dense(units=3, bias=False), auxiliary.output)
    heads = {"main": shared.output, "helper": own.output}
    return g.graph(heads, heads)


def test_auxiliary_heads_are_counted_apart() -> None:
    table = cost(two_heads(), train_only={"helper"})
    assert [row.train_only for row in table.layers] == [False, True, False, True]
    # The shared weights belong to the layer that inference keeps.
    assert [row.params for row in table.layers] == [40, 0, 18, 6]
    assert (table.params, table.macs) == (58, 32 + 16)
    assert (table.train_only.params, table.train_only.macs) == (6, 16 + 6)


def test_without_auxiliary_heads_all_of_it_counts() -> None:
    table = cost(two_heads())
    assert [row.params for row in table.layers] == [40, 18, 0, 6]
    assert (table.params, table.train_only.params) == (64, 0)


def test_frozen_weights_are_neither_trained_nor_statistics() -> None:
    graph = graph_of("  - conv: {filters: 2, kernel: 1}\n  - batch_norm", "[4, 4, 3]")
    slots = [replace(s, param=s.param._replace(trained=False)) if s.kind == "parameter" else s for s in graph.slots]
    totals = cost(replace(graph, slots=tuple(slots))).totals
    assert (totals.params, totals.params_trained, totals.params_statistics, totals.params_frozen) == (16, 0, 4, 12)


def test_the_network_that_the_page_on_counting_compares(repository: Path) -> None:
    layers = """\
  - conv: {filters: 32, kernel: 3, padding: same}
  - batch_norm
  - relu
  - max_pool: 2
  - conv: {filters: 32, kernel: 3, padding: same}
  - relu
  - flatten
  - dense: 10"""
    totals = cost_of(layers, "[32, 32, 3]").totals
    page = (repository / "docs" / "counting.md").read_text(encoding="utf-8")
    for name in ("params", "params_trained", "params_statistics", "macs", "flops"):
        assert f"| `{name}` | {getattr(totals, name):,} |" in page


def test_a_row_of_features_sees_the_whole_image() -> None:
    graph = graph_of("  - flatten\n  - dense: 3", "[7, 9, 2]")
    assert receptive_fields(graph)[graph.heads["main"]].size == (7, 9)
