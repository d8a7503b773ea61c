"""``netspec diff``: the three formats, and specs with mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Netspec = Callable[..., Any]
Write = Callable[..., Path]

A = """\
netspec: 1
name: tiny
input: [8, 8, 1]
layers:
  - conv: {filters: 4, kernel: 3}
  - relu
  - flatten
  - dense: 3
"""
B = A.replace("filters: 4", "filters: 5").replace("  - flatten", "  - batch_norm\n  - flatten")
B += "train: {epochs: 3}\n"

TEXT = """\
tiny (a.yaml) -> tiny (b.yaml)

   layer       op          what    before  after
~  conv        conv        filters 4       5
~                          output  6x6x4   6x6x5
~                          params  40      50
~                          macs    1,296   1,620
~  relu        relu        output  6x6x4   6x6x5
+  batch_norm  batch_norm  output          6x6x5, 20 params
~  flatten     flatten     output  144     180
~  dense       dense       params  435     543
~                          macs    432     540

total             before  after     difference
layers                 4      5     +1 (+25.0%)
"""

MARKDOWN = """\
**tiny** (a.yaml) → **tiny** (b.yaml)

|  | layer | op | what | before | after |
| --- | --- | --- | --- | --- | --- |
| ~ | conv | conv | filters | 4 | 5 |
"""


def both(write: Write) -> tuple[str, str]:
    write(A, "a.yaml")
    write(B, "b.yaml")
    return "a.yaml", "b.yaml"


def squeezed(text: str) -> list[list[str]]:
    """The words of every line."""
    return [line.split() for line in text.splitlines()]


def test_text(netspec: Netspec, write: Write) -> None:
    status, out, err = netspec("diff", *both(write))
    assert (status, err) == (0, "")
    assert squeezed(out)[: len(TEXT.splitlines())] == squeezed(TEXT)
    assert out.endswith("\nkey           before  after\ntrain.epochs  10      3\n")


def test_markdown(netspec: Netspec, write: Write) -> None:
    status, out, _ = netspec("diff", *both(write), "--format", "markdown")
    assert status == 0
    assert out.replace("\\~", "~").startswith(MARKDOWN)
    assert "| params | 475 | 613 | +138 (+29.1%) |" in out


def test_json(netspec: Netspec, write: Write) -> None:
    document = json.loads(netspec("diff", *both(write), "--format", "json").out)
    assert set(document) == {"version", "before", "after", "layers", "totals", "network", "train"}
    assert document["version"] == 1
    assert document["totals"]["params"] == {"before": 475, "after": 613}
    assert document["train"] == {"epochs": {"before": 10, "after": 3}}
    assert document["layers"][0]["changes"]["filters"] == {"before": 4, "after": 5}
    assert [(layer["kind"], layer["name"], layer["was"]) for layer in document["layers"]] == [
        ("changed", "conv", "conv"),
        ("changed", "relu", "relu"),
        ("added", "batch_norm", None),
        ("changed", "flatten", "flatten"),
        ("changed", "dense", "dense"),
    ]


def test_no_differences(netspec: Netspec, write: Write) -> None:
    a, _ = both(write)
    assert netspec("diff", a, a) == (0, "tiny (a.yaml) -> tiny (a.yaml)\n\nno differences\n", "")
    assert netspec("diff", a, a, "--format", "markdown").out.endswith("\n\nNo differences.\n")


def test_set_is_for_the_second(netspec: Netspec) -> None:
    status, out, _ = netspec("diff", "zoo:lenet5", "zoo:lenet5", "--set", "classes=100", "--format", "json")
    assert status == 0
    document = json.loads(out)
    assert document["network"] == {"head main": {"before": "10", "after": "100"}}


def test_the_mistakes_of_both(netspec: Netspec, write: Write) -> None:
    write(A.replace("relu", "rleu"), "a.yaml")
    write(A.replace("kernel", "kernal"), "b.yaml")
    status, out, err = netspec("diff", "a.yaml", "b.yaml")
    assert (status, out) == (1, "")
    assert "a.yaml:6:5: error[NS104]" in err
    assert "b.yaml:5:24: error[NS101]" in err
    assert "  - rleu" in err


def test_a_missing_file(netspec: Netspec, write: Write) -> None:
    write(A, "a.yaml")
    assert netspec("diff", "a.yaml", "missing.yaml").status == 2
