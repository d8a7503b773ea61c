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

layer      op        output    params  trained     MACs  activations  sees   jump  offset
conv       conv      28x28x6      156      156  117,600     18.4 KiB  5x5    1     0
relu       relu      28x28x6                                18.4 KiB  5x5    1     0
max_pool   max_pool  14x14x6                                 4.6 KiB  6x6    2     0.5
conv2      conv      10x10x16   2,416    2,416  240,000      6.2 KiB  14x14  2     4.5
relu2      relu      10x10x16                                6.2 KiB  14x14  2     4.5
max_pool2  max_pool  5x5x16                                  1.6 KiB  16x16  4     5.5
flatten    flatten   400                                     1.6 KiB  28x28  28    13.5
dense      dense     120       48,120   48,120   48,000    480 bytes  28x28  28    13.5
relu3      relu      120                                   480 bytes  28x28  28    13.5
dense2     dense     84        10,164   10,164   10,080    336 bytes  28x28  28    13.5
relu4      relu      84                                    336 bytes  28x28  28    13.5
dense3     dense     10           850      850      840     40 bytes  28x28  28    13.5
softmax    softmax   10                                     40 bytes  28x28  28    13.5

parameters   61,706 (61,706 trained)
MACs         416,520 per sample
FLOPs        833,040 per sample, two to a MAC
activations  58.6 KiB per sample
memory       """


def test_table(netspec: Netspec) -> None:
    status, out, err = netspec("summary", "zoo:lenet5")
    assert (status, err) == (0, "")
    assert out.startswith(TABLE)
    sizes = r"[\d.]+ MiB to train and [\d.]+ [KM]iB more to validate, [\d.]+ [KM]iB to predict, at batch \d+\n"
    assert re.fullmatch(sizes, out.removeprefix(TABLE))


def test_a_spec_that_keeps_nothing_aside_validates_for_nothing(netspec: Netspec) -> None:
    for share, more in ((0, False), (0.2, True)):
        arguments = ("summary", "zoo:lenet5", "--set", f"train.validation={share}")
        document = json.loads(netspec(*arguments, "--format", "json").out)
        assert (document["totals"]["memory_validate_bytes"] > 0) == more
        assert ("more to validate" in netspec(*arguments).out) == more


def test_moving_statistics_are_told_apart(netspec: Netspec, write: Write) -> None:
    path = write("netspec: 1\ninput: [8, 8, 3]\nlayers:\n  - conv: {filters: 4, kernel: [1, 3]}\n  - batch_norm\n")
    out = netspec("summary", path).out
    assert "parameters   56 (48 trained, 8 moving statistics)\n" in out
    assert "1x3   1     0, 1\n" in out
    totals = json.loads(netspec("summary", path, "--format", "json").out)["totals"]
    assert [totals[f"params{kind}"] for kind in ("", "_trained", "_statistics", "_frozen")] == [56, 48, 8, 0]


def test_csv(netspec: Netspec) -> None:
    status, out, err = netspec("summary", "zoo:lenet5", "--format", "csv")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == (
        "name,op,output,params,params_trained,macs,activation_bytes,receptive_field,jump,offset,train_only"
    )
    assert lines[4] == "conv2,conv,10x10x16,2416,2416,240000,6400,14x14,2 2,4.5 4.5,false"
    assert len(lines) == 14


def test_markdown(netspec: Netspec, write: Write) -> None:
    path = write()
    lines = netspec("summary", path, "--format", "markdown").out.splitlines()
    assert lines[:5] == [
        "**tiny**: input 8x8x1",
        "",
        "| layer | op | output | params | trained | MACs | activations | sees | jump | offset |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | --- | --- | --- |",
        "| conv | conv | 6x6x4 | 40 | 40 | 1,296 | 576 bytes | 3x3 | 1 | 1 |",
    ]
    assert "- parameters: 475 (475 trained)" in lines


def test_json(netspec: Netspec) -> None:
    document = json.loads(netspec("summary", "zoo:lenet5", "--format", "json").out)
    assert {"version", "name", "input", "layers", "totals"} <= set(document)
    assert (document["version"], document["name"], document["input"]) == (1, "lenet5", [28, 28, 1])
    promised = {"name", "op", "output", "params", "params_trained", "macs", "activation_bytes"}
    assert all(promised <= set(layer) for layer in document["layers"])
    assert len(document["layers"]) == 13
    assert document["layers"][3] == {
        "name": "conv2",
        "op": "conv",
        "output": [10, 10, 16],
        "params": 2_416,
        "params_trained": 2_416,
        "macs": 240_000,
        "activation_bytes": 6_400,
        "receptive_field": [14, 14],
        "jump": [2, 2],
        "offset": [4.5, 4.5],
        "train_only": False,
    }
    assert document["outputs"] == {"main": [10]}
    assert set(document["totals_train_only"].values()) == {0}
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
    assert "parameters   0 (0 trained)" in out
