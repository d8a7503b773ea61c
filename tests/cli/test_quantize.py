"""`netspec quantize`, on a small run: bytes and shared weights, and what reads them afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from netspec.cli import bench, compare, evaluate, export, predict, prune, quantize, train, verify_run

SPEC = """\
netspec: 1
name: halves
input: [8, 8, 1]
layers:
  - conv: {filters: 6, kernel: 3, padding: same, bias: false}
  - batch_norm
  - relu
  - max_pool: 2
  - flatten
  - dense: 2
  - softmax
train: {data: {npz: set.npz}, preprocess: [{divide: 255}], optimizer: adam, lr: 0.01, epochs: 3, batch: 32}
"""


def call(command: Any, *arguments: object) -> str:
    result = CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells which half of an image is bright."""
    folder = tmp_path_factory.mktemp("halves")
    generator = np.random.default_rng(0)
    x = generator.integers(0, 90, (256, 8, 8, 1)).astype(np.uint8)
    y = generator.integers(0, 2, 256).astype(np.int32)
    for image, label in zip(x, y, strict=True):
        image[:, 4 * label : 4 * label + 4] += 100
    np.savez(folder / "set.npz", x=x, y=y, x_test=x[:100], y_test=y[:100])
    np.save(folder / "some.npy", x[:3])
    (folder / "spec.yaml").write_text(SPEC)
    call(train.command, folder / "spec.yaml", "--run-dir", folder / "run", "--quiet", "--no-report")
    return folder / "run"


@pytest.mark.parametrize("method", ["min-max", "percentile", "entropy"])
def test_bytes(run: Path, method: str, tmp_path: Path) -> None:
    out = tmp_path / "int8"
    document = json.loads(call(quantize.command, run, "--method", method, "-o", out, "--format", "json"))
    assert document["layers"] == ["conv", "dense"]
    assert abs(document["after"]["metrics"]["accuracy"] - document["before"]["metrics"]["accuracy"]) <= 0.01
    assert document["after"]["bytes"] < document["before"]["bytes"]
    assert all(error["sqnr_db"] is None or error["sqnr_db"] > 15 for error in document["errors"])
    scored = json.loads(call(evaluate.command, out, "--format", "json"))
    assert scored["loss"] == document["after"]["loss"], "what is read back computes the same bits"
    said = json.loads(call(predict.command, out, run.parent / "some.npy", "--format", "json"))
    assert len(said["predictions"]) == 3


def test_what_a_quantised_network_is_not(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8"
    call(quantize.command, run, "-o", out)
    for command, arguments in (
        (quantize.command, [out, "-o", tmp_path / "again"]),
        (evaluate.command, [out, "--averaged"]),
        (train.command, [run.parent / "spec.yaml", "--run-dir", out, "--resume", "--quiet"]),
        (verify_run.command, [out]),
        (compare.command, [out, run]),
        (prune.command, [out, "--channels", "0.5", "-o", tmp_path / "half.yaml"]),
    ):
        result = CliRunner().invoke(command, list(map(str, arguments)))
        assert result.exit_code != 0
        assert "NS862" in str(result.exception)
    result = CliRunner().invoke(quantize.command, [str(run), "-o", str(out)])
    assert "NS863" in str(result.exception)
    (out / "ranges.json").write_text('{"ranges": {"input": [0]}}')
    result = CliRunner().invoke(evaluate.command, [str(out)])
    assert "NS904" in str(result.exception)


def test_export_writes_bytes_and_compares_them(run: Path, tmp_path: Path) -> None:
    out, file = tmp_path / "int8", tmp_path / "halves.onnx"
    call(quantize.command, run, "-o", out)
    document = json.loads(call(export.command, out, "--to", "onnx", "-o", file, "--format", "json"))
    assert document["agreement"]["error"] <= document["agreement"]["tolerance"] == export.TOLERANCE_OF_BYTES
    assert (document["bits"], document["preprocess"]) == (8, ["divide"])
    assert [row["source"] for row in document["tensors"]] == ["conv.weight", "dense.weight"]
    assert file.is_file()
    result = CliRunner().invoke(export.command, [str(out), "--to", "torch", "-o", str(tmp_path / "x.py")])
    assert "NS986" in str(result.exception)


def test_bench_measures_bytes_against_float32_and_peers(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8"
    call(quantize.command, run, "-o", out)
    arguments = [out, "--against", "onnxruntime", "--runs", 2, "--batch", 4, "--threads", 1, "--quiet"]
    document = json.loads(call(bench.command, *arguments, "--format", "json"))
    rows = [(row["side"], row["variant"], row["mode"]) for row in document["rows"]]
    assert rows[:2] == [("netspec", "int8", "infer"), ("netspec", "float32", "infer")]
    assert rows[2] == ("onnxruntime", "int8, QDQ", "infer")
    assert set(document["agreement"]) == {
        "netspec (int8)", "onnxruntime (int8, QDQ)", "onnxruntime (int8, QDQ, sums rounded)",
    }  # fmt: skip
    for said, more in (("NS987", ["--mode", "train"]), ("NS988", ["--against", "torch"])):
        result = CliRunner().invoke(bench.command, [str(out), *more])
        assert said in str(result.exception)
    result = CliRunner().invoke(bench.command, [str(out), "--layers"])
    assert result.exit_code == 2


def test_shared_weights(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "few.safetensors"
    document = json.loads(call(quantize.command, run, "--kmeans", 4, "-o", file, "--format", "json"))
    assert [row["weight"] for row in document["weights"]] == ["conv.weight", "dense.weight"]
    first = file.read_bytes()
    spec = run.parent / "spec.yaml"
    scored = json.loads(call(evaluate.command, spec, "--weights", file, "--format", "json"))
    assert scored["loss"] == document["after"]["loss"]
    call(quantize.command, run, "--kmeans", 4, "-o", file)
    assert file.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kmeans", "4", "--method", "entropy"], "needs neither"),
        (["--kmeans", "9"], "9 is not in the range"),
        (["--kmeans", "4"], "writes a file such as out.safetensors"),
        (["--samples", "0"], "0 is not in the range"),
    ],
)
def test_usage(run: Path, arguments: list[str], said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(quantize.command, [str(run), *arguments, "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert said in result.output


def test_a_spec_is_no_run(run: Path, tmp_path: Path) -> None:
    spec = str(run.parent / "spec.yaml")
    result = CliRunner().invoke(quantize.command, [spec, "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "is no run directory" in result.output
