"""``netspec explain``: a layer's formulas, and the page of each code."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from netspec.diagnostics.catalogue import codes, lookup
from netspec.lint.engine import load_rules

Netspec = Callable[..., Any]


def test_a_layer(netspec: Netspec) -> None:
    status, out, _ = netspec("explain", "zoo:lenet5", "conv2")
    assert status == 0
    assert out.startswith("conv2 (conv): 14x14x6 -> 10x10x16\n")
    assert "    = ⌊(14 + 2·0 − 5)/1⌋ + 1\n    = 10\n" in out
    assert "    = (5·5·6 + 1)·16\n    = 2,416\n" in out


def test_a_layer_as_json(netspec: Netspec) -> None:
    document = json.loads(netspec("explain", "zoo:lenet5", "dense", "--format", "json").out)
    assert (document["version"], document["layer"]) == (1, "dense")
    assert [(f["quantity"], f["result"]) for f in document["formulas"]] == [("parameters", 48_120), ("MACs", 48_000)]


def test_a_layer_that_does_not_exist(netspec: Netspec) -> None:
    status, out, err = netspec("explain", "zoo:lenet5", "cnov2")
    assert (status, out) == (2, "")
    assert "'lenet5' has no layer 'cnov2'; did you mean conv2?" in err


def test_a_group_names_what_it_is_made_of(netspec: Netspec) -> None:
    result = netspec("explain", "zoo:resnet20", "stage2/0/add/shortcut")
    assert result.status == 2
    assert "'stage2/0/add/shortcut' is made of several layers: explain one of stage2/0/add/shortcut/sub" in result.err


def test_a_spec_without_a_layer(netspec: Netspec) -> None:
    status, _, err = netspec("explain", "zoo:lenet5")
    assert status == 2
    assert "name a layer after the spec, or a code such as NS201" in err


@pytest.mark.parametrize("code", codes())
def test_every_code_has_a_page(netspec: Netspec, code: str) -> None:
    status, out, _ = netspec("explain", code)
    assert status == 0
    assert out.startswith(f"{code} ({lookup(code).severity}): {lookup(code).title}\n\n")
    assert len(out.splitlines()) > 2
    assert "{" not in out or code in load_rules()


def test_the_page_of_a_rule_is_its_docstring(netspec: Netspec) -> None:
    rules = load_rules()
    code = next(iter(rules))
    assert rules[code].page in netspec("explain", code).out
    document = json.loads(netspec("explain", code, "--format", "json").out)
    assert (document["code"], document["page"]) == (code, rules[code].page)


def test_a_code_that_does_not_exist(netspec: Netspec) -> None:
    status, _, err = netspec("explain", "NS999")
    assert status == 2
    assert "there is no code 'NS999'" in err


def test_common_mistakes_of_a_layer(netspec: Netspec) -> None:
    out = netspec("explain", "zoo:lenet5", "dense3").out
    assert out.endswith(
        "\n\n  Common mistake: n_in·(n_out + 1) = 84·(10 + 1) = 924 parameters\n"
        "    every output has one bias, so the 1 stands beside n_in: (84 + 1)·10 = 850.\n"
        "\n  Common mistake: n_in·n_out = 84·10 = 840 parameters\n"
        "    those are the weights (and the MACs); with 10 biases (84 + 1)·10 = 850.\n"
    )
    document = json.loads(netspec("explain", "zoo:lenet5", "dense3", "--format", "json").out)
    assert [mistake["wrong"] for mistake in document["common_mistakes"]] == [924, 840]
    assert set(document["common_mistakes"][0]) == {"claim", "wrong", "why"}


def test_long_prose_is_wrapped(netspec: Netspec) -> None:
    lines = netspec("explain", "zoo:lenet5", "conv2").out.splitlines()
    assert max(map(len, lines)) <= 100


def test_a_code_in_small_letters(netspec: Netspec) -> None:
    assert netspec("explain", "ns201") == netspec("explain", "NS201")
    result = netspec("explain", "NS9999")
    assert result.status == 2
    assert "there is no code 'NS9999'" in result.err


def test_lighter_forms_of_a_layer(netspec: Netspec) -> None:
    status, out, _ = netspec("explain", "zoo:alexnet_torchvision", "conv2")
    assert status == 0
    assert "  Lighter, depthwise-separable: separable_conv: {filters: 192, kernel: 5}\n" in out
    assert "      = 729·5·5·64 + 729·64·192\n      = 10,124,352, 4.5% of 223,948,800\n" in out
    document = json.loads(netspec("explain", "zoo:lenet5", "dense", "--format", "json").out)
    (form,) = document["lighter"]
    assert (form["name"], form["macs"]["result"], form["macs_now"]) == ("global pooling", 1_920, 48_000)
