"""``netspec compile``: the graph and the plan, to be read and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Netspec = Callable[..., Any]
Write = Callable[..., Path]


def test_what_it_says(netspec: Netspec, write: Write) -> None:
    status, out, err = netspec("compile", write(), "--batch", 4, "--verify")
    assert (status, err) == (0, "")
    assert out.startswith("tiny: ")
    assert re.search(r" [\d.]+ [KM]iB at batch 4\n$", out)


def test_the_graph_has_its_regions(netspec: Netspec, write: Write) -> None:
    out = netspec("compile", write(), "--emit", "graph", "--batch", 4).out
    assert [line for line in out.splitlines() if not line.startswith(" ")] == ["forward:", "backward:", "update:"]
    assert "conv.dw" in out
    inference = netspec("compile", write(), "--emit", "graph", "--batch", 4, "--mode", "infer").out
    assert "conv.dw" not in inference


def test_the_plan_names_steps_and_buffers(netspec: Netspec, write: Write) -> None:
    out = netspec("compile", write(), "--emit", "plan", "--batch", 4).out
    assert out.startswith("arena ")
    assert "conv.dx" not in out  # nobody asks for the gradient of the image
    assert "b0 " in out


def test_json(netspec: Netspec, write: Write) -> None:
    document = json.loads(netspec("compile", write(), "--format", "json", "--batch", 4).out)
    assert document["version"] == 1
    assert {"steps", "buffers", "arena_bytes"} <= set(document["plan"])


@pytest.mark.parametrize("backend", ["nuba", "tpu"])
def test_a_backend_that_is_not_there(netspec: Netspec, write: Write, backend: str) -> None:
    status, out, err = netspec("compile", write(), "--backend", backend)
    assert (status, out) == (3, "")
    assert f"back end '{backend}' cannot be used: not installed" in err


def test_a_memory_budget_is_kept_or_refused(netspec: Netspec) -> None:
    whole = json.loads(netspec("compile", "zoo:resnet20", "--batch", "16", "--format", "json").out)["plan"]
    needed = whole["arena_bytes"] + whole["state_bytes"]
    refused = netspec("compile", "zoo:resnet20", "--batch", "16", "--memory-budget", "1kB")
    assert refused.status == 3
    assert "NS170" in refused.err
    assert "1000 bytes" in refused.err
    kept = netspec("compile", "zoo:resnet20", "--batch", "16", "--memory-budget", f"{needed - 1}", "--format", "json")
    plan = json.loads(kept.out)["plan"]
    assert plan["arena_bytes"] + plan["state_bytes"] < needed
    assert len(plan["steps"]) > len(whole["steps"])


def test_a_memory_budget_is_a_size(netspec: Netspec) -> None:
    refused = netspec("compile", "zoo:lenet5", "--memory-budget", "much")
    assert refused.status == 2
    assert "500MB" in refused.err
