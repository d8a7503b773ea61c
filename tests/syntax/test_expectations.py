"""``expect:``: what can be written, and what the linter makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netspec.lint.engine import lint
from netspec.syntax.source import Source

Read = Callable[..., Any]

NETWORK = """\
netspec: 1
vars: {classes: 10, weights: 12900}
input: [28, 28, 1]
layers:
  - layers:
      - conv: {filters: 4, kernel: 5}
      - relu
    name: stem
  - add: {body: [relu], rest: []}
  - max_pool: 2
  - flatten
  - dense: $classes
"""
# (5·5·1 + 1)·4 = 104 and (12·12·4 + 1)·10 = 5770 parameters; 24·24·5·5·4 = 57600 and 5760 MACs.


def errors(expect: str) -> list[tuple[str, str]]:
    found = lint(Source("spec.yaml", f"{NETWORK}expect:\n  {expect}\n"))
    return [(d.code, d.message) for d in found if d.severity == "error"]


@pytest.mark.parametrize(
    "line",
    [
        "params: 5874",
        "params: 5.874k",
        "params: 5874.0",
        "params: {max: 6k}",
        "params: {min: 5874, max: 5874}",
        "params: {max: 1M}",
        "params: {max: 1G}",
        "params: {max: 0.006 M}",
        "params: {max: $weights}",
        "params: $(5864 + classes)",
        "params_trained: 5874",
        "macs: 63360",
        "flops: {min: 126k, max: 127k}",
        "output: [10]",
        "output: [$classes]",
        "output: [10.0]",
        "shapes: {stem: [24, 24, 4], stem/conv: [24, 24, 4], add/body/relu: [24, 24, 4], max_pool: [12, 12, 4]}",
    ],
)
def test_what_holds(line: str) -> None:
    assert errors(line) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("params: 5875", "expected params to be 5,875, but it is 5,874"),
        ("params: {min: 6k}", "expected params to be at least 6,000, but it is 5,874"),
        ("params: {max: 5k}", "expected params to be at most 5,000, but it is 5,874"),
        ("output: [11]", "expected main to be 11, but it is 10"),
        ("output: [1, 10]", "expected main to be 1x10, but it is 10"),
        ("shapes: {max_pool: [14, 14, 4]}", "expected max_pool to be 14x14x4, but it is 12x12x4"),
        ("shapes: {stem/cnov: [1]}", "expected stem/cnov to be 1, but it is not a layer of this network"),
    ],
)
def test_what_does_not_hold(line: str, message: str) -> None:
    assert errors(line) == [("NS209", message)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("params: many", "NS102"),
        ("params: 12q", "NS102"),
        ("params: [5]", "NS102"),
        ("params: true", "NS102"),
        ("params: {maximum: 5}", "NS101"),
        ("params: {max: lots}", "NS102"),
        ("params: $wieghts", "NS107"),
        ("output: 10", "NS102"),
        ("output: [ten]", "NS102"),
        ("output: [10.5]", "NS102"),
        ("shapes: [10]", "NS102"),
        ("shapes: {stem: 10}", "NS102"),
        ("parameters: 5874", "NS101"),
    ],
)
def test_what_cannot_be_read(line: str, code: str) -> None:
    assert [found for found, _ in errors(line)] == [code]


def test_a_mistake_elsewhere_hides_no_expectation_that_it_does_not_touch(read: Read) -> None:
    text = NETWORK + "train: {optimizer: sdg}\nexpect: {params: 1, output: [3]}\n"
    codes = [d.code for d in lint(Source("spec.yaml", text)) if d.severity == "error"]
    assert codes == ["NS109", "NS209", "NS209"]


def test_totals_of_a_network_with_unknown_layers_are_not_judged() -> None:
    text = (
        NETWORK.replace("- relu\n", "- transmogrify\n") + "expect: {params: 1, output: [3], shapes: {max_pool: [1]}}\n"
    )
    assert [d.code for d in lint(Source("spec.yaml", text)) if d.severity == "error"] == ["NS104", "NS209"]
