"""Bundles: what `compile -o` writes, the commands that take it, and what is said of one that is not whole."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import netspec
from netspec.analysis.memory import plan_for
from netspec.cli import compile as compiling
from netspec.cli import evaluate, predict, train
from netspec.cli.common import fail
from netspec.diagnostics.errors import RunError, SpecError
from netspec.interop.safetensors import encode
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.training.bundles import DESCRIPTION, SPEC, encode_bundle, read_bundle

WRITTEN = """\
netspec: 1
name: small
vars: {classes: 10}
input: [8, 8, 1]
layers: [flatten, {dense: $classes}, softmax]
train: {data: digits, preprocess: [min_max], validation: 0.1, epochs: 2, batch: 500}
"""


@pytest.fixture
def bundle(tmp_path: Path, backend: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of a small network, in a folder of its own, and a fake backend under every name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("netspec.training.open_run.find_backend", lambda name: backend)
    monkeypatch.setattr("netspec.backend.find_backend", lambda name: backend)
    monkeypatch.setattr("netspec.cli.compile.find_backend", lambda name: backend)
    backend.classes = 10
    (tmp_path / "small.yaml").write_text(WRITTEN)
    result = call(compiling.command, "small.yaml", "-o", "small.netspec", "--set", "train.lr=0.5")
    assert result.exit_code == 0, result.output
    return tmp_path / "small.netspec"


def call(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def found_in(path: Path) -> tuple[str, str]:
    """The code and the message of what is wrong with a bundle."""
    diagnostic = read_bundle(path)
    assert not isinstance(diagnostic, Source)
    return diagnostic.code, diagnostic.message


def rewritten(path: Path, change: Callable[[dict[str, bytes]], Any]) -> None:
    """Change the members of a bundle, and pack them again as any program would."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_a_bundle_is_json_and_the_resolved_spec(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        assert archive.namelist() == [DESCRIPTION, SPEC]
        document = json.loads(archive.read(DESCRIPTION))
        text = archive.read(SPEC).decode()
    assert (document["format"], document["version"], document["name"]) == ("netspec bundle", 1, "small")
    assert document["weights"] == {"dense.weight": [64, 10], "dense.bias": [10]}
    assert document["plan"]["batch"] == 500
    loaded = load_spec(Source("spec", text))
    assert (loaded.recipe.lr.rate, loaded.graph.heads["main"].type.shape) == (0.5, (10,))


def test_two_bundles_of_a_network_are_the_same_to_the_byte(backend: Any) -> None:
    spec = load_spec(Source("small.yaml", WRITTEN))
    plan = plan_for(spec, backend.target(1), 4, "train")
    assert encode_bundle(spec, plan) == encode_bundle(spec, plan)


def test_train_eval_and_predict_take_a_bundle(bundle: Path, tmp_path: Path) -> None:
    trained = call(train.command, "small.netspec", "--run-dir", "run", "--quiet", "--format", "json")
    assert trained.exit_code == 0, trained.output
    scores = json.loads(trained.stdout)["metrics"]["test"]
    manifest = json.loads(Path("run/manifest.json").read_text())
    assert (manifest["spec"]["file"], manifest["spec"]["folder"]) == ("small.netspec", str(tmp_path))

    by_file = f"run/checkpoints/{manifest['last']}.safetensors"
    for weights in ("run", by_file):  # what min_max learnt and the classes come with either
        found = call(evaluate.command, "small.netspec", "--weights", weights, "--format", "json")
        assert found.exit_code == 0, found.output
        document = json.loads(found.stdout)
        assert {"loss": document["loss"], **document["metrics"]} == scores
        np.save("new.npy", np.zeros((1, 8, 8, 1), np.uint8))
        said = call(predict.command, "small.netspec", "new.npy", "--weights", weights, "--format", "json")
        assert json.loads(said.stdout)["classes"] == list("0123456789")


def test_weights_that_know_no_run_lack_what_was_fitted(bundle: Path) -> None:
    arrays = {"dense.weight": np.zeros((64, 10)), "dense.bias": np.zeros(10)}
    Path("alone.safetensors").write_bytes(encode(arrays))
    np.save("new.npy", np.zeros((1, 8, 8, 1), np.uint8))
    error = call(predict.command, "small.netspec", "new.npy", "--weights", "alone.safetensors").exception
    assert isinstance(error, RunError)
    assert "'min_max' learns its numbers from the training part" in str(error)
    Path("alone.safetensors").write_bytes(encode({"dense.bias": np.zeros(3)}))
    error = call(predict.command, "small.netspec", "new.npy", "--weights", "alone.safetensors").exception
    assert isinstance(error, RunError)
    assert "dense.bias is [3], but the network wants [10]" in str(error)


def test_python_loads_a_bundle(bundle: Path) -> None:
    assert netspec.load("small.netspec").graph.heads["main"].type.shape == (10,)
    assert netspec.load(bundle).recipe.lr.rate == 0.5


def test_which_weights_are_meant_has_to_be_said(bundle: Path) -> None:
    for arguments, said in (
        (["small.netspec"], "holds no weights: name them with --weights FILE"),
        (
            ["small.netspec", "--weights", "x", "--checkpoint", "best"],
            "--checkpoint and --averaged choose within a run",
        ),
        (["nowhere", "--weights", "x"], "is no bundle or spec"),
    ):
        result = call(evaluate.command, *arguments)
        assert result.exit_code == 2
        assert said in result.stderr
    named = call(compiling.command, "small.yaml", "-o", "small.zip")
    assert named.exit_code == 2
    assert "-o small.netspec" in named.stderr


def test_a_bundle_that_was_cut_off_is_told(bundle: Path) -> None:
    whole = bundle.read_bytes()
    for length in range(0, len(whole), 97):
        bundle.write_bytes(whole[:length])
        code, message = found_in(bundle)
        assert code == "NS918", length
        assert "no whole zip archive" in message


def test_every_byte_that_changes_is_found_or_changes_nothing(bundle: Path) -> None:
    """Beside the packed content an archive has fields, such as times, that nobody reads."""
    whole = bundle.read_bytes()
    spec = read_bundle(bundle)
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 0x55
        bundle.write_bytes(changed)
        found = read_bundle(bundle)
        assert found == spec or found.code in ("NS918", "NS919"), place  # type: ignore[union-attr]


def test_a_member_that_was_edited_is_told(bundle: Path) -> None:
    whole = bundle.read_bytes()
    rewritten(bundle, lambda members: members.update({SPEC: members[SPEC].replace(b"epochs: 2", b"epochs: 9")}))
    assert found_in(bundle) == ("NS919", "bundle is not as it was written: spec.resolved.yaml has another hash")
    bundle.write_bytes(whole)
    rewritten(bundle, lambda members: members.update({DESCRIPTION: members[DESCRIPTION].replace(b"small", b"other")}))
    assert found_in(bundle) == ("NS919", "bundle is not as it was written: bundle.json has another hash")


def test_a_newer_version_is_told_by_its_version(bundle: Path) -> None:
    rewritten(
        bundle,
        lambda members: members.update({DESCRIPTION: members[DESCRIPTION].replace(b'"version": 1', b'"version": 7')}),
    )
    code, message = found_in(bundle)
    assert code == "NS920"
    assert "bundle is of version 7" in message
    assert message.endswith("this one reads up to 1")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda members: members.pop(SPEC), "it has no spec.resolved.yaml"),
        (lambda members: members.update({DESCRIPTION: b"{"}), "bundle.json is no JSON"),
        (lambda members: members.update({DESCRIPTION: b"[]"}), "does not describe a bundle"),
        (lambda members: members.update({DESCRIPTION: b"{}"}), "does not describe a bundle"),
        (lambda members: members.update({SPEC: bytes(2**26)}), "spec.resolved.yaml unpacks to 67,108,864 bytes"),
    ],
    ids=["spec", "json", "list", "empty", "bomb"],
)
def test_other_damage(bundle: Path, change: Callable[[dict[str, bytes]], Any], problem: str) -> None:
    rewritten(bundle, change)
    code, message = found_in(bundle)
    assert code == "NS918"
    assert problem in message


def test_a_bundle_that_cannot_be_read_ends_with_status_2(bundle: Path) -> None:
    bundle.write_bytes(b"none")
    error = call(train.command, "small.netspec").exception
    assert isinstance(error, SpecError)
    assert fail(error) == 2
    bundle.unlink()
    assert found_in(bundle) == ("NS008", "the file cannot be read: No such file or directory")
