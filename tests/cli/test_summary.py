"""``netspec summary``: the table and the JSON, against the published figures of LeNet-5."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Netspec = Callable[..., Any]
Write = Callable[..., Path]

TABLE = """\
lenet5: input 28x28x1

layer      op        output    params     MACs  sees
conv       conv      28x28x6      156  117,600  5x5
relu       relu      28x28x6                    5x5
max_pool   max_pool  14x14x6                    6x6
conv2      conv      10x10x16   2,416  240,000  14x14
relu2      relu      10x10x16                   14x14
max_pool2  max_pool  5x5x16                     16x16
flatten    flatten   400                        28x28
dense      dense     120       48,120   48,000  28x28
relu3      relu      120                        28x28
dense2     dense     84        10,164   10,080  28x28
relu4      relu      84                         28x28
dense3     dense     10           850      840  28x28
softmax    softmax   10                         28x28

parameters  61,706 (61,706 trained)
MACs        416,520 per sample (FLOPs 833,040)
memory      """


def test_table(netspec: Netspec) -> None:
    status, out, err = netspec("summary", "zoo:lenet5")
    assert (status, err) == (0, "")
    assert out.startswith(TABLE)
    assert re.fullmatch(r"[\d.]+ MiB to train, [\d.]+ MiB to predict, at batch \d+\n", out.removeprefix(TABLE))


def test_json(netspec: Netspec) -> None:
    document = json.loads(netspec("summary", "zoo:lenet5", "--format", "json").out)
    assert {"version", "name", "input", "layers", "totals"} <= set(document)
    assert (document["version"], document["name"], document["input"]) == (1, "lenet5", [28, 28, 1])
    promised = {"name", "op", "output", "params", "params_trained", "macs", "activation_bytes"}
    assert all(promised <= set(layer) for layer in document["layers"])
    assert len(document["layers"]) == 13
    totals = document["totals"]
    assert {key: totals[key] for key in ("params", "params_trained", "macs", "flops")} == {
        "params": 61_706,
        "params_trained": 61_706,
        "macs": 416_520,
        "flops": 833_040,
    }
    assert totals["memory_train_bytes"] > totals["params"] * 4 * 2  # weights and gradients at least
    assert totals["memory_infer_bytes"] > totals["params"] * 4


def test_memory_grows_with_the_batch(netspec: Netspec, write: Write) -> None:
    path = write()
    small, large = (
        json.loads(netspec("summary", path, "--format", "json", "--batch", batch).out)["totals"]["memory_train_bytes"]
        for batch in (8, 512)
    )
    assert large > small


def test_set_changes_the_network(netspec: Netspec, write: Write) -> None:
    document = json.loads(netspec("summary", write(), "--set", "classes=7", "--format", "json").out)
    assert document["layers"][-1]["output"] == [7]


def test_a_network_without_layers(netspec: Netspec, write: Write) -> None:
    status, out, _ = netspec("summary", write("netspec: 1\ninput: [4]\nlayers: []\n"))
    assert status == 0
    assert "parameters  0 (0 trained)" in out
