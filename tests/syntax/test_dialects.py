"""Dialects: the defaults in which frameworks differ, by the table of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., Any]

LAYERS = """\
input: [12, 12, 4]
layers:
  - conv: {filters: 8, kernel: 3, stride: 2, padding: same}
  - batch_norm
  - lrn
  - layer_norm
  - avg_pool: {size: 2, stride: 2}
  - max_pool: {size: 2, stride: 2}
"""

TABLE = {
    "textbook": (("floor", "floor"), "same", (0.9, 1e-5, 1e-5), False, "sum", "unbiased"),
    "caffe": (("ceil", "ceil"), ((1, 1), (1, 1)), (0.999, 1e-5, 1e-5), True, "mean", "unbiased"),
    "torch": (("floor", "floor"), ((1, 1), (1, 1)), (0.9, 1e-5, 1e-5), True, "mean", "unbiased"),
    "keras": (("floor", "floor"), "same", (0.99, 1e-3, 1e-3), False, "sum", "biased"),
}


@pytest.mark.parametrize("dialect", TABLE)
def test_the_table(read: Read, dialect: str) -> None:
    graph = read(f"netspec: 1\ndialect: {dialect}\n{LAYERS}").network.graph
    conv, norm, lrn, layer_norm, average, maximum = (node.attrs for node in graph.nodes)
    found = (
        (average.round, maximum.round),
        conv.padding,
        (norm.momentum, norm.eps, layer_norm.eps),
        average.count_padding,
        lrn.scaling,
        norm.moving_variance,
    )
    assert found == TABLE[dialect]


def test_what_is_written_counts_more_than_the_dialect(read: Read) -> None:
    text = "netspec: 1\ndialect: keras\ninput: [8, 8, 4]\nlayers:\n  - batch_norm: {eps: 1.0e-4}\n"
    (norm,) = read(text).network.graph.nodes
    assert (norm.attrs.eps, norm.attrs.momentum) == (1e-4, 0.99)


@pytest.mark.parametrize(
    ("attributes", "sides"),
    [
        ("kernel: 3, stride: 2", (6, 6)),
        ("kernel: [3, 4], stride: 2", (6, 6)),
        ("kernel: 2, dilation: 3, stride: 1", (12, 12)),
    ],
)
def test_same_at_any_stride_gives_the_sizes_of_same(read: Read, attributes: str, sides: tuple[int, int]) -> None:
    for dialect in ("textbook", "torch"):
        text = f"netspec: 1\ndialect: {dialect}\ninput: [12, 12, 4]\n"
        text += f"layers:\n  - conv: {{filters: 4, {attributes}, padding: same}}\n"
        assert read(text).shapes["conv"][:2] == sides


def test_an_odd_cell_of_same_comes_after(read: Read) -> None:
    text = "netspec: 1\ndialect: torch\ninput: [12, 4]\nlayers:\n  - conv: {filters: 4, kernel: 4, padding: same}\n"
    assert read(text).network.graph.nodes[0].attrs.padding == ((1, 2),)


def test_a_dialect_that_is_not_known(read: Read) -> None:
    reading = read("netspec: 1\ndialect: cafe\ninput: [4]\nlayers: [relu]\n")
    assert reading.codes == ["NS109"]
    assert reading.helps == ["did you mean 'caffe'?"]


def test_it_can_be_set(read: Read) -> None:
    text = "netspec: 1\ninput: [8, 8, 4]\nlayers: [batch_norm]\n"
    assert read(text, ["dialect=keras"]).network.graph.nodes[0].attrs.eps == 1e-3
