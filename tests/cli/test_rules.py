"""``netspec rules``: every code, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from netspec.diagnostics.catalogue import codes

Netspec = Callable[..., Any]


def test_every_code_is_listed(netspec: Netspec) -> None:
    status, out, err = netspec("rules")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "NS0  YAML"
    assert "  NS301  warning  no activation between two layers  (--fix)" in lines
    assert "  NS309  info     even kernel with same padding" in lines
    assert all(any(line.startswith(f"  {code} ") for line in lines) for code in codes())


def test_rules_for_programs(netspec: Netspec) -> None:
    document = json.loads(netspec("rules", "--format", "json").out)
    assert document["version"] == 1
    by_code = {rule["code"]: rule for rule in document["rules"]}
    assert tuple(by_code) == codes()
    found = by_code["NS303"]
    assert (found["family"], found["severity"], found["fix"], found["is_rule"]) == ("sense", "warning", True, True)
    assert "Fails:" in found["page"]
    assert not by_code["NS101"]["is_rule"]
