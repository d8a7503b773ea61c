"""LeNet-5 of 1998: its paper counts connections, and lists which maps are connected."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from zoo_figures import figures, without_places

from netspec.analysis.cost import LayerCost, cost
from netspec.core.graph import Graph
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.zoo import zoo_path

LAYERS = {layer["name"]: layer for layer in figures()["lenet5_1998"]["layers"]}
PATHS = {"C1": "c1", "S2": "s2", "C3": "c3", "S4": "s4", "C5": "c5", "F6": "f6", "RBF": "output"}

TABLE_I = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""
"""Table I of the paper: a row per map of S2, a column per map of C3."""


@pytest.fixture(scope="module")
def graph() -> Graph:
    source = read_source(zoo_path("lenet5_1998"))
    assert isinstance(source, Source)
    return load_spec(source).graph


def rows(graph: Graph, name: str) -> list[LayerCost]:
    """What the layers of that name cost, and those inside of it."""
    path = PATHS[name]
    return [row for row in cost(graph).layers if row.name == path or row.name.startswith(f"{path}/")]


@pytest.mark.parametrize("name", PATHS)
def test_parameters_and_shapes(graph: Graph, name: str) -> None:
    found = rows(graph, name)
    assert sum(row.params_trained for row in found) == LAYERS[name]["params"]
    assert without_places(found[-1].output) == tuple(LAYERS[name]["out"])


def test_sixty_thousand_parameters(graph: Graph) -> None:
    assert cost(graph).params_trained == figures()["lenet5_1998"]["params"] == 60_000
    assert cost(graph).totals.params_frozen == 10 * 84  # the points of the classes


@pytest.mark.parametrize("name", ["C1", "C3", "C5", "F6", "RBF"])
def test_connections(graph: Graph, name: str) -> None:
    """A connection is a multiply-accumulate, or a bias at a place."""
    found = rows(graph, name)
    biases = 0 if name == "RBF" else math.prod(found[-1].output)
    assert sum(row.macs for row in found) + biases == LAYERS[name]["connections"]


def test_which_maps_are_connected(graph: Graph) -> None:
    seen = [tuple(node.attrs.index) for node in graph.nodes if node.op.name == "select"]
    columns = zip(*TABLE_I.split(), strict=True)
    assert seen == [tuple(row for row, mark in enumerate(column) if mark == "X") for column in columns]
    assert Counter(map(len, seen)) == {3: 6, 4: 9, 6: 1}
