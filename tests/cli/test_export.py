"""``netspec export``: what is written, what is reported, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import numpy_helper
from safetensors.numpy import load_file

from netspec.cli.export import TOLERANCE, command
from netspec.cli.train import command as train
from netspec.diagnostics.errors import RunError, SpecError
from netspec.interop.onnx.model import OPSET

REFUSED = """\
netspec: 1
name: refused
input: [8, 8, 2]
layers:
  - median_pool: 3
  - flatten
  - dense: 2
"""


def export(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--threads", "1"])


def test_onnx_is_written_run_and_compared(tmp_path: Path) -> None:
    file = tmp_path / "new" / "lenet5.onnx"
    result = export("zoo:lenet5", "--to", "onnx", "-o", str(file), "--format", "json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["agreement"]["error"] < TOLERANCE
    assert (document["to"], document["opset"], document["left_out"]) == ("onnx", OPSET, [])
    assert document["preprocess"] == ["divide"]
    rows = {row["name"]: row for row in document["tensors"]}
    assert rows["conv.weight"] == {
        "name": "conv.weight",
        "shape": [6, 1, 5, 5],
        "source": "conv.weight",
        "source_shape": [5, 5, 1, 6],
        "change": "axes [3, 2, 0, 1]",
    }
    onnx.checker.check_model(str(file))


def test_torch_has_its_weights_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "lenet5.py"
    result = export("zoo:lenet5", "--to", "torch", "-o", str(file))
    assert result.exit_code == 0, result.output
    assert "class Lenet5(nn.Module):" in file.read_text(encoding="utf-8")
    tensors = load_file(tmp_path / "lenet5.safetensors")
    assert tensors["dense.weight"].shape == (120, 400)
    assert "dense.weight" in result.output
    assert "read as [5, 5, 16, 120], axes [3, 2, 0, 1], read as [120, 400]" in result.output
    assert "10 tensors in " in result.output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run, on arrays of its own."""
    folder = tmp_path_factory.mktemp("run")
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (32, 28, 28, 1)).astype(np.uint8)
    np.savez(folder / "data.npz", x_train=images, y_train=np.arange(32) % 10)
    data = f"train.data={{npz: {{path: {folder / 'data.npz'}}}}}"
    options = [
        "--epochs",
        "1",
        "--quiet",
        "--threads",
        "1",
        "--run-dir",
        str(folder / "run"),
        "--data-dir",
        str(folder),
    ]
    result = CliRunner().invoke(train, ["zoo:lenet5", "--set", data, "--set", "train.average=0.5", *options])
    assert result.exit_code == 0, result.output
    return folder / "run"


def test_of_a_run_its_weights_are_taken(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "trained.onnx"
    result = export(str(run), "--to", "onnx", "-o", str(file))
    assert result.exit_code == 0, result.output
    weights = load_file(next((run / "checkpoints").glob("epoch-*[0-9].safetensors")))
    found = {each.name: numpy_helper.to_array(each) for each in onnx.load(file).graph.initializer}
    np.testing.assert_array_equal(found["conv.bias"], weights["conv.bias"])
    assert found["conv.bias"].any()  # biases start from zeros


def test_the_average_of_a_run_is_exported(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "averaged.onnx"
    result = export(str(run), "--to", "onnx", "-o", str(file), "--averaged")
    assert result.exit_code == 0, result.output
    found = {each.name: numpy_helper.to_array(each) for each in onnx.load(file).graph.initializer}
    np.testing.assert_array_equal(found["conv.bias"], load_file(run / "average.safetensors")["conv.bias"])
    refused = export("zoo:lenet5", "--to", "onnx", "-o", str(file), "--averaged")
    assert (refused.exit_code, "--averaged is of a run directory" in refused.output) == (2, True)


def test_a_layer_without_form_is_named_at_its_place(tmp_path: Path) -> None:
    spec = tmp_path / "refused.yaml"
    spec.write_text(REFUSED, encoding="utf-8")
    result = export(str(spec), "--to", "onnx", "-o", str(tmp_path / "refused.onnx"))
    assert isinstance(result.exception, SpecError)
    (found,) = result.exception.diagnostics
    assert (found.code, found.span.line) == ("NS930", 5)
    assert found.message == "'median_pool' cannot be exported to ONNX: ONNX has no counterpart of 'median_pool'"
    assert not (tmp_path / "refused.onnx").exists()


def test_a_library_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.diagnostics.libraries.find_spec", lambda name: None)
    result = export("zoo:lenet5", "--to", "onnx", "-o", str(tmp_path / "lenet5.onnx"))
    assert isinstance(result.exception, RunError)
    assert "pip install 'netspec[onnx]'" in str(result.exception)


def test_without_pytorch_nothing_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.diagnostics.libraries.find_spec", lambda name: None)
    result = export("zoo:mlp", "--to", "torch", "-o", str(tmp_path / "mlp.py"))
    assert result.exit_code == 0, result.output
    assert "not compared, since PyTorch is not installed" in result.output


def test_a_model_that_computes_something_else_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.interop.onnx.session.run", lambda *_: {"main": np.ones((2, 10), np.float32)})
    result = export("zoo:mlp", "--to", "onnx", "-o", str(tmp_path / "mlp.onnx"))
    assert isinstance(result.exception, RunError)
    assert "[NS932] ONNX Runtime differs from netspec by" in str(result.exception)
    assert not (tmp_path / "mlp.onnx").exists()


@pytest.mark.parametrize(("to", "file"), [("onnx", "a.pt"), ("onnx", "a.py"), ("torch", "a.onnx")])
def test_an_ending_of_another_format_is_refused(tmp_path: Path, to: str, file: str) -> None:
    result = CliRunner().invoke(command, ["zoo:lenet5", "--to", to, "-o", str(tmp_path / file)])
    assert result.exit_code == 2
    assert f"--to {to} writes a file such as a." in result.output
    assert not list(tmp_path.iterdir())
