"""``netspec import``: what is written, what is reported, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper
from prototxts import CIFAR10_QUICK, LENET
from safetensors.numpy import load_file

import netspec
from netspec.cli.export import command as export
from netspec.cli.import_ import command
from netspec.cli.import_model import TOLERANCE
from netspec.diagnostics.errors import RunError, SpecError


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--threads", "1"])


@pytest.fixture(scope="module")
def lenet5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("models") / "lenet5.onnx"
    result = CliRunner().invoke(export, ["zoo:lenet5", "--to", "onnx", "-o", str(file), "--threads", "1"])
    assert result.exit_code == 0, result.output
    return file


def test_a_model_becomes_a_spec_with_its_weights(lenet5: Path, tmp_path: Path) -> None:
    spec = tmp_path / "new" / "lenet5.yaml"
    result = run(str(lenet5), "-o", str(spec), "--format", "json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["agreement"]["error"] < TOLERANCE
    assert (document["from"], document["layers"], document["parameters"]) == ("onnx", 13, 61706)
    assert document["parts"][0] == {"node": 1, "op": "Conv", "name": "conv", "became": ["conv"], "note": ""}
    assert document["parts"][-1]["note"] == "order of axes"  # the output's own name
    weights = load_file(spec.with_suffix(".safetensors"))
    assert weights["conv.weight"].shape == (5, 5, 1, 6)
    model = netspec.load(spec).compile(batch=2, mode="infer", threads=1)
    assert np.array_equal(dict(model.weights)["conv.weight"], weights["conv.weight"])


def test_the_report_is_a_table(lenet5: Path, tmp_path: Path) -> None:
    result = run(str(lenet5), "-o", str(tmp_path / "lenet5.yaml"))
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].split() == ["node", "op", "name", "became", "note"]
    assert lines[1].split() == ["1", "Conv", "conv", "conv"]
    assert "layers 13, parameters 61,706, dialect textbook" in result.output
    assert "agrees with ONNX Runtime within" in lines[-1]


@pytest.mark.parametrize("name", ["mine.yaml", "mine.safetensors"])
def test_files_that_are_there_stay(lenet5: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    result = run(str(lenet5), "-o", str(tmp_path / "mine.yaml"))
    assert result.exit_code == 2
    assert f"{name}' is there already; --force replaces it" in result.output
    assert [(file.name, file.read_text()) for file in tmp_path.glob("mine.*")] == [(name, "mine")]
    assert run(str(lenet5), "-o", str(tmp_path / "mine.yaml"), "--force").exit_code == 0


def small(folder: Path, op: str, sides: tuple[int | str, ...] = ("N", 3, 8, 8), **attributes: object) -> Path:
    """A model of two nodes, the second of which is ``op``."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="first"),
        helper.make_node(op, ["a"], ["y"], name="second", **attributes),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "small", [value("x", TensorProto.FLOAT, sides)], [value("y", TensorProto.FLOAT, sides)]
    )
    file = folder / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def test_a_node_that_is_not_understood_is_named(tmp_path: Path) -> None:
    result = run(str(small(tmp_path, "Sin")), "-o", str(tmp_path / "small.yaml"))
    assert isinstance(result.exception, SpecError)
    (found,) = result.exception.diagnostics
    assert found.code == "NS967"
    assert found.message == "node 2, Sin 'second', is not understood: netspec has no counterpart of 'Sin'"
    assert not list(tmp_path.glob("*.yaml"))


def test_a_file_that_is_not_there_is_no_onnx_model(tmp_path: Path) -> None:
    result = run(str(tmp_path / "none.onnx"), "-o", str(tmp_path / "none.yaml"))
    assert "this is no ONNX model that can be read: No such file or directory" in str(result.exception)


def test_open_sides_are_asked_for(tmp_path: Path) -> None:
    model = small(tmp_path, "Sigmoid", ("N", 3, "H", "W"))
    result = run(str(model), "-o", str(tmp_path / "small.yaml"))
    assert isinstance(result.exception, SpecError)
    assert [each.code for each in result.exception.diagnostics] == ["NS971"]
    result = run(str(model), "-o", str(tmp_path / "small.yaml"), "--input", "6,4")
    assert "[?, ?, 3], channels last, but --input gives it [6, 4]" in str(result.exception)
    result = run(str(model), "-o", str(tmp_path / "small.yaml"), "--input", "x=6,4,3")
    assert result.exit_code == 0, result.output
    assert "input: [6, 4, 3]" in (tmp_path / "small.yaml").read_text(encoding="utf-8")


def test_sides_that_contradict_the_model_are_refused(tmp_path: Path) -> None:
    model = small(tmp_path, "Sigmoid", ("N", 3, 8, "W"))
    for given in ("4,6,3", "8,6,4"):
        result = run(str(model), "-o", str(tmp_path / "small.yaml"), "--input", given)
        assert isinstance(result.exception, SpecError)
        (found,) = result.exception.diagnostics
        shown = given.replace(",", ", ")
        assert found.message == f"input 'x' of the model is [8, ?, 3], channels last, but --input gives it [{shown}]"
    assert run(str(model), "-o", str(tmp_path / "small.yaml"), "--input", "8,6,3").exit_code == 0


def test_a_spec_that_computes_something_else_is_not_written(
    lenet5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.interop.onnx_in.session.outputs", lambda *_: {"main": np.ones((2, 10), np.float32)})
    result = run(str(lenet5), "-o", str(tmp_path / "lenet5.yaml"))
    assert isinstance(result.exception, RunError)
    assert "[NS972] netspec differs from ONNX Runtime by" in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_a_library_that_is_missing_is_named(lenet5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.diagnostics.libraries.find_spec", lambda name: None)
    result = run(str(lenet5), "-o", str(tmp_path / "lenet5.yaml"))
    assert isinstance(result.exception, RunError)
    assert "pip install 'netspec[onnx]'" in str(result.exception)


@pytest.mark.parametrize(("model", "output"), [("a.bin", "a.yaml"), ("a.onnx", "a.onnx")])
def test_other_endings_are_refused(tmp_path: Path, model: str, output: str) -> None:
    result = run(str(tmp_path / model), "-o", str(tmp_path / output))
    assert result.exit_code == 2
    assert "can be imported" in result.output or "a spec is a file such as a.yaml" in result.output


@pytest.mark.parametrize("sides", ["x=", "3,a", "0,1,1", "x=3,-1,1"])
def test_sides_are_whole_numbers(lenet5: Path, tmp_path: Path, sides: str) -> None:
    result = run(str(lenet5), "-o", str(tmp_path / "a.yaml"), "--input", sides)
    assert result.exit_code == 2
    assert "is not of the form [NAME=]HEIGHT,WIDTH,CHANNELS" in result.output


def test_a_prototxt_becomes_a_spec(tmp_path: Path) -> None:
    file = tmp_path / "net.prototxt"
    file.write_text(CIFAR10_QUICK, encoding="utf-8")
    result = run(str(file), "-o", str(tmp_path / "net.yaml"), "--format", "json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["from"], document["parameters"], document["dialect"]) == ("caffe", 145578, "caffe")
    assert document["parts"][0]["became"] == ["conv 'conv1'"]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["net.prototxt", "net.yaml"]


def test_settings_that_are_left_out_are_told(tmp_path: Path) -> None:
    file = tmp_path / "lenet.prototxt"
    file.write_text(LENET, encoding="utf-8")
    result = run(str(file), "--input", "28,28,1", "-o", str(tmp_path / "lenet.yaml"))
    assert result.exit_code == 0, result.output
    assert "NS975" in result.stderr
    assert "lenet.prototxt:" in result.stderr
