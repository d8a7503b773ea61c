"""Pictures: what they show, that nothing stands on anything else, and that names stay names."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import pytest

from netspec.analysis.describe import describe
from netspec.analysis.draw.layout import Area, Layout, lay_out
from netspec.analysis.draw.picture import Cluster, picture
from netspec.analysis.draw.svg import svg
from netspec.analysis.draw.text import dot, mermaid
from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.merge import Concat
from netspec.declarations.ops.pooling import MaxPool
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source

CHAIN = """\
  - conv: {filters: 4, kernel: 3}
  - batch_norm
  - relu
  - max_pool: 2
  - flatten
  - dense: 3
  - softmax
"""

RESIDUAL = """\
  - conv: {filters: 4, kernel: 3, padding: same}
  - name: stage
    layers:
      - name: first
        layers:
          - add:
              body:
                - conv: {filters: 4, kernel: 3, padding: same}
                - relu
                - conv: {filters: 4, kernel: 3, padding: same}
              shortcut: []
          - relu
      - name: second
        layers:
          - add:
              body:
                - conv: {filters: 8, kernel: 1}
                - conv: {filters: 8, kernel: 3, padding: same}
              shortcut:
                - conv: {filters: 8, kernel: 1}
          - relu
  - global_avg_pool
"""

INCEPTION = """\
  - concat:
      one: [{conv: {filters: 2, kernel: 1}}]
      three: [{conv: {filters: 2, kernel: 1}}, relu, {conv: {filters: 2, kernel: 3, padding: same}}]
      five: [{layers: [{conv: {filters: 2, kernel: 1}}, {conv: {filters: 2, kernel: 5, padding: same}}]}]
      rest: []
  - conv: {filters: 2, kernel: 1}
"""

SKIPS = """\
  - {conv: {filters: 2, kernel: 3, padding: same}, name: a}
  - {conv: {filters: 2, kernel: 3, padding: same}, name: b}
  - {conv: {filters: 2, kernel: 3, padding: same}, name: c}
  - {concat: , from: [c, b], name: d}
  - {conv: {filters: 2, kernel: 3, padding: same}, name: e}
  - {concat: , from: [e, a, b], name: f}
  - {concat: , from: [f, input], name: g}
"""

NETWORKS = {"chain": CHAIN, "residual": RESIDUAL, "inception": INCEPTION, "skips": SKIPS, "empty": "  []"}


def graph_of(layers: str) -> Graph:
    text = f"netspec: 1\nname: example\ninput: [8, 8, 3]\nlayers:\n{layers}\n"
    return load_spec(Source("spec.yaml", text)).graph


def laid_out(layers: str, fold: bool = True) -> Layout:
    shown = picture(graph_of(layers), fold)
    sizes = {box: (100.0 + 10 * len(box.path), 30.0 + 10 * len(box.lines)) for box in shown.root.boxes()}
    return lay_out(shown, sizes, {})


def overlap(a: Area, b: Area) -> bool:
    return (
        min(a.x + a.width, b.x + b.width) - max(a.x, b.x) > 0.01
        and min(a.y + a.height, b.y + b.height) - max(a.y, b.y) > 0.01
    )


def within(a: Area, b: Area) -> bool:
    return (
        a.x >= b.x - 0.01
        and a.y >= b.y - 0.01
        and a.x + a.width <= b.x + b.width + 0.01
        and a.y + a.height <= b.y + b.height + 0.01
    )


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("network", NETWORKS)
def test_nothing_stands_on_anything_else(network: str, fold: bool) -> None:
    layout = laid_out(NETWORKS[network], fold)
    page = Area(0, 0, layout.width, layout.height)
    assert all(within(area, page) for area in (*layout.boxes.values(), *layout.clusters.values()))
    assert not any(overlap(a, b) for a, b in combinations(layout.boxes.values(), 2))
    for a, b in combinations(layout.clusters.values(), 2):
        assert not overlap(a, b) or within(a, b) or within(b, a)
    for cluster, frame in layout.clusters.items():
        members = set(cluster.boxes())
        for box, area in layout.boxes.items():
            assert within(area, frame) if box in members else not overlap(area, frame)


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("network", NETWORKS)
def test_no_edge_crosses_a_box(network: str, fold: bool) -> None:
    layout = laid_out(NETWORKS[network], fold)
    for curve in layout.curves:
        assert curve.y0 <= curve.bend0 <= curve.bend1 <= curve.y1
        left, right = sorted((curve.x0, curve.x1))
        parts = (
            Area(curve.x0 - 1, curve.y0, 2, curve.bend0 - curve.y0),
            Area(left - 1, curve.bend0, right - left + 2, curve.bend1 - curve.bend0),
            Area(curve.x1 - 1, curve.bend1, 2, curve.y1 - curve.bend1),
        )
        assert not any(overlap(part, area) for part in parts for area in layout.boxes.values())


def test_a_chain_is_one_straight_column() -> None:
    layout = laid_out(CHAIN)
    middles = {round(area.x + area.width / 2, 1) for area in layout.boxes.values()}
    assert len(middles) == 1
    tops = [area.y for area in layout.boxes.values()]
    assert tops == sorted(tops)


def test_what_keeps_the_shape_is_folded() -> None:
    shown = picture(graph_of(CHAIN))
    assert [(box.path, box.kind, box.lines, box.shape) for box in shown.root.boxes()] == [
        ("input", "input", ("input",), "8x8x3"),
        ("conv", "convolution", ("conv 4, kernel 3", "+ batch_norm", "+ relu"), "6x6x4"),
        ("max_pool", "pooling", ("max_pool 2",), "3x3x4"),
        ("flatten", "other", ("flatten",), "36"),
        ("dense", "dense", ("dense 3", "+ softmax"), "3"),
    ]
    assert len(list(picture(graph_of(CHAIN), fold=False).root.boxes())) == 8


def test_an_output_that_others_read_is_not_folded_into() -> None:
    # The shortcut begins at the sum before its relu, so the relu has a box of its own.
    graph = graph_of("  - conv: {filters: 3, kernel: 1}\n  - add: [[relu], []]")
    assert [box.path for box in picture(graph).root.boxes()] == ["input", "conv", "add/0/relu", "add"]


def outline(cluster: Cluster) -> list[object]:
    """A cluster as nested lists of names; one without a frame in parentheses."""
    return [outline(i) if isinstance(i, Cluster) else i.name for i in cluster.items]


def test_groups_are_clusters_and_branches_are_not_framed() -> None:
    shown = picture(graph_of(RESIDUAL))
    assert outline(shown.root) == [
        "input",
        "conv",
        [
            [["stage/first/body/conv", "stage/first/body/conv2"], "stage/first/add"],
            [
                ["stage/second/body/conv", "stage/second/body/conv2"],
                "stage/second/shortcut/conv",
                "stage/second/add",
            ],
        ],
        "global_avg_pool",
    ]
    stage = shown.root.items[2]
    assert isinstance(stage, Cluster)
    first = stage.items[0]
    assert isinstance(first, Cluster)
    assert (stage.framed, first.framed, first.items[0].framed) == (True, True, False)  # type: ignore[union-attr]  # a Cluster


def two_ways() -> Graph:
    """Two inputs and two heads, one of them the flow in the middle."""
    g = Builder('x" <script>alert(1)</script>')
    left, right = (g.input(name, TensorType((4,))) for name in ("left", "right"))
    g.path = "joined"
    joined = g.layer(Concat(), left, right).output
    g.path = "deep"
    deep = g.layer(Dense(units=2), joined).output
    heads = {"label": deep, "early": joined}
    return g.graph(heads, heads)


def test_several_inputs_and_heads() -> None:
    shown = picture(two_ways())
    assert [(a.path, b.path) for a, b in shown.edges] == [
        ("left", "joined"),
        ("right", "joined"),
        ("joined", "deep"),
        ("deep", "label"),
        ("joined", "early"),
    ]
    assert [box.path for box in shown.root.boxes() if box.kind == "output"] == ["label", "early"]


@pytest.mark.parametrize(
    ("attrs", "text"),
    [
        (Conv(filters=64, kernel=3), "conv 64, kernel 3"),
        (
            Conv(filters=6, kernel=(1, 7), padding=((0, 1), 2), groups=2, bias=False),
            "conv 6, kernel 1x7, padding (0x1)x2, groups 2, no bias",
        ),
        (MaxPool(size=3, stride=2, round="ceil"), "max_pool 3, stride 2, round ceil"),
        (Concat(), "concat"),
    ],
)
def test_how_a_layer_is_described(attrs: object, text: str) -> None:
    assert describe(attrs) == text


MERMAID = """\
flowchart TB
  n0(["input<br/>input<br/>8x8x3"])
  subgraph c0["block#45;1"]
    n1["conv<br/>conv 2, kernel 1<br/>#43; relu<br/>8x8x2"]
    n2["sum<br/>add<br/>8x8x2"]
  end
  n0 --> n1
  n1 --> n2
"""

DOT = """\
digraph "example" {
  graph [rankdir=TB, fontname="Helvetica", fontsize=11, color="#a9b3c0", style=rounded];
  node [shape=box, style=rounded, fontname="Helvetica", fontsize=11];
  edge [color="#7f8a98"];
  n0 [label="input\\ninput\\n8x8x3", shape=oval];
  subgraph cluster_0 {
    label="block-1";
    n1 [label="conv\\nconv 2, kernel 1\\n+ relu\\n8x8x2"];
    n2 [label="sum\\nadd\\n8x8x2"];
  }
  n0 -> n1;
  n1 -> n2;
}
"""

NAMED = "  - name: block-1\n    layers: [{conv: {filters: 2, kernel: 1}}, relu, {add: [[], []], name: sum}]"


def test_mermaid() -> None:
    assert mermaid(picture(graph_of(NAMED))) == MERMAID


def test_dot() -> None:
    assert dot(picture(graph_of(NAMED))) == DOT


def test_names_are_never_markup() -> None:
    shown = picture(two_ways())
    drawn = svg(shown)
    assert ElementTree.fromstring(drawn).get("aria-label") == 'x" <script>alert(1)</script>'
    assert "<script" not in drawn
    assert dot(shown).startswith('digraph "x\\" <script>')
    hostile = two_ways()
    evil = tuple(replace(node, path='a"]<b>\x1b#') for node in hostile.nodes)
    text = mermaid(picture(replace(hostile, nodes=evil)))
    assert "a#34;#93;#60;b#62;#92;x1b#35;<br/>" in text
    ElementTree.fromstring(svg(picture(replace(hostile, nodes=evil))))


@pytest.mark.parametrize("network", NETWORKS)
def test_svg_is_well_formed_and_the_same_every_time(network: str) -> None:
    drawn = svg(picture(graph_of(NETWORKS[network])))
    root = ElementTree.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert drawn == svg(picture(graph_of(NETWORKS[network])))
    assert "@media (prefers-color-scheme: dark)" in drawn
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", drawn)  # nothing is fetched


def test_svg_shows_names_ops_and_shapes_with_the_whole_path_as_a_hint() -> None:
    drawn = ElementTree.fromstring(svg(picture(graph_of(RESIDUAL))))
    texts = {element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {"stage", "first", "body/conv", "conv 4, kernel 3, padding same", "+ relu", "8x8x4"} <= texts
    hints = {element.text for element in drawn.iter("{http://www.w3.org/2000/svg}title")}
    assert "stage/first/add/body/conv, stage/first/add/body/relu: 148 parameters, 9,216 MACs" in hints


def test_a_thousand_layers_in_a_row() -> None:
    layout = laid_out("\n".join(["  - conv: {filters: 2, kernel: 1}"] * 1000))
    assert len(layout.boxes) == 1001
