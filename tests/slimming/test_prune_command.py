"""``netspec prune`` on a run: what is written can be trained, scored and looked at like any other network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from netspec.analysis.cost import cost
from netspec.cli import evaluate, lint, predict, prune, train
from netspec.interop.safetensors import decode
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.syntax.spec import Spec

SPEC = """\
netspec: 1
name: small
input: [8, 8, 1]
layers:
  - conv: {filters: 16, kernel: 3, padding: same, bias: false}
  - batch_norm
  - relu
  - add:
      shortcut: []
      body: [{conv: {filters: 16, kernel: 3, padding: same, bias: false}}, batch_norm]
  - relu
  - max_pool: 2
  - flatten
  - dense: 10
  - softmax
train:
  data: digits
  validation: 0.1
  preprocess: [min_max]
  optimizer: {sgd: {momentum: 0.9}}
  lr: 0.05
  epochs: 2
  batch: 64
expect: {params: 5146, output: [10]}
"""


def run(command: Any, *arguments: object, status: int = 0) -> str:
    """What a command prints."""
    result = CliRunner().invoke(command, list(map(str, arguments)))
    assert result.exit_code == status, (result.output, result.exception)
    return result.stdout if status == 0 else f"{result.output}{result.exception}"


def read(path: Path) -> Spec:
    source = read_source(path)
    assert isinstance(source, Source)
    return load_spec(source)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of that network."""
    folder = tmp_path_factory.mktemp("prune")
    (folder / "small.yaml").write_text(SPEC)
    run(train.command, folder / "small.yaml", "--run-dir", folder / "run", "--threads", 1, "--quiet", "--no-report")
    return folder / "run"


def test_half_of_the_channels_go_and_training_goes_on(trained: Path) -> None:
    half = trained.parent / "half.yaml"
    said = run(prune.command, trained, "--channels", 0.5, "-o", half)
    assert "chosen by bn-scale" in said
    assert "conv + 1 more" in said
    whole, smaller = read(trained / "spec.resolved.yaml"), read(half)
    before, after = cost(whole.graph), cost(smaller.graph)
    assert f"{before.macs:,}  {after.macs:,}" in said
    assert (after.macs, after.params) == (64 * 9 * (8 + 64) + 1280, 9 * (8 + 64) + 2 * 4 * 8 + 1290)
    assert run(lint.command, half) == "1 spec is clean\n"
    weights = ("--weights", half.with_suffix(".safetensors"))
    scored = json.loads(run(evaluate.command, half, *weights, "--format", "json"))
    np.save(trained.parent / "x.npy", np.zeros((1, 8, 8, 1), np.uint8))
    assert "x.npy" in run(predict.command, half, *weights, trained.parent / "x.npy")
    tuned = trained.parent / "tuned"
    told = run(train.command, half, "--run-dir", tuned, "--threads", 1, "--quiet", "--no-report", "--format", "json")
    assert json.loads((tuned / "manifest.json").read_text())["init"]["kept"] == {}
    assert json.loads(told)["metrics"]["test"]["accuracy"] > max(0.9, scored["metrics"]["accuracy"])


def test_most_weights_become_zero_and_stay_so(trained: Path) -> None:
    sparse = trained.parent / "sparse.yaml"
    said = run(prune.command, trained, "--weights", 0.75, "--leave", "first", "--scope", "network", "-o", sparse)
    zeros = round(0.75 * (2304 + 2560))
    assert f"{zeros:,} of 5,146 numbers are 0 now" in said
    arrays = decode(sparse.with_suffix(".safetensors").read_bytes(), "sparse")
    tuned = trained.parent / "sparse"
    run(train.command, sparse, "--run-dir", tuned, "--threads", 1, "--quiet", "--no-report")
    after = decode((tuned / "checkpoints" / "epoch-0002.safetensors").read_bytes(), "tuned")
    for name in ("conv2.weight", "add/body/conv.weight", "dense.weight"):
        if name in arrays:
            assert np.array_equal(arrays[name] == 0, after[name] == 0), name
            assert not np.array_equal(arrays[name], after[name])


def test_the_table_of_sensitivity(trained: Path) -> None:
    document = json.loads(
        run(prune.command, trained, "--sensitivity", "--samples", 100, "--threads", 1, "--format", "json")
    )
    assert json.loads((trained / "sensitivity.json").read_text()) == document
    (group,) = document["groups"]
    assert (group["layers"], group["channels"], document["samples"]) == (["conv", "add/body/conv"], 16, 100)
    assert len(group["scores"]) == len(document["shares"]) == 9
    assert group["scores"][-1]["loss"] > document["whole"]["loss"]
    table = run(
        prune.command, trained, "--sensitivity", "--samples", 100, "--threads", 1, "-o", trained.parent / "s.json"
    )
    assert f"accuracy on 100 samples, of the whole network {document['whole']['accuracy']:.4f}" in table
    assert "90%" in table


def test_a_spec_with_weights_is_pruned_like_its_run(trained: Path) -> None:
    one, other = trained.parent / "one.yaml", trained.parent / "other.yaml"
    told = json.loads(run(prune.command, trained, "--channels", 0.5, "--by", "l2", "-o", one, "--format", "json"))
    assert (told["by"], told["files"]) == ("l2", [str(one), str(one.with_suffix(".safetensors"))])
    assert [(row["layers"], row["before"], row["left"]) for row in told["rows"]] == [
        (["conv", "add/body/conv"], 16, 8),
        (["dense"], 10, 10),
    ]
    assert told["macs"] == {"before": 64 * 9 * 16 * 17 + 2560, "after": 64 * 9 * 8 * 9 + 1280}
    run(prune.command, trained / "spec.resolved.yaml", "--from", trained, "--channels", 0.5, "--by", "l2", "-o", other)
    assert one.with_suffix(".safetensors").read_bytes() == other.with_suffix(".safetensors").read_bytes()
    assert one.read_text().replace("one.", "other.") == other.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--channels", 0.5), "-o SPEC says where"),
        (("--weights", 0.5, "--by", "l1", "-o", "x.yaml"), "--by means nothing to --weights; it is of --channels and"),
        (("--channels", 0.5, "--samples", 9, "-o", "x.yaml"), "--samples means nothing to --channels"),
        (("--sensitivity", "--scope", "layer"), "--scope means nothing to --sensitivity"),
        (("--channels", 0.5, "--weights", 0.5, "-o", "x.yaml"), "one of --channels SHARE"),
        (("-o", "x.yaml"), "one of --channels SHARE"),
        (("--channels", 1.5, "-o", "x.yaml"), "1.5 is not in the range"),
        (("--channels", 0.5, "-o", "x.safetensors"), "-o names a spec, such as x.yaml"),
        (("--weights", 0.5, "--leave", "conv", "-o", "x.yaml"), "--leave takes first, last"),
        (("--channels", 0.5, "--from", "w.safetensors", "-o", "x.yaml"), "a run directory has weights of its own"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(trained: Path, arguments: tuple[object, ...], said: str) -> None:
    assert said in run(prune.command, trained, *arguments, status=2)


def test_a_spec_that_is_there_is_replaced_by_force_alone(trained: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("# edited")
    arguments = (trained, "--channels", 0.5, "-o", mine)
    assert "is there already; --force replaces it" in run(prune.command, *arguments, status=2)
    assert mine.read_text() == "# edited"
    assert "wrote" in run(prune.command, *arguments, "--force")
    assert mine.read_text() != "# edited"


def test_what_cannot_be_pruned_is_said(trained: Path) -> None:
    leave = ("--leave", "conv", "-o", trained.parent / "x.yaml")
    assert "[NS853]" in run(prune.command, trained, "--channels", 0.5, *leave, status=1)
    assert "[NS852] no layer called 'convv'" in run(
        prune.command, trained, "--channels", 0.5, "--leave", "convv", *leave[2:], status=1
    )
