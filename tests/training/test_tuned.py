"""Measured algorithms: how they are measured and kept, that a run computes with them, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import netspec
from netspec.backend import find_backend
from netspec.bench import tuning
from netspec.bench.case import Case, new_runtime
from netspec.cli import compile as compile_command
from netspec.cli import evaluate, train, verify_run
from netspec.diagnostics.errors import RunError
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.training.runtime import Runtime
from netspec.training.tuned import TUNED, choosable, read_tuned

SPEC = """\
netspec: 1
name: small
vars: {filters: 16}
input: [8, 8, 1]
layers:
  - conv: {filters: 16, kernel: 3, padding: same}
  - relu
  - conv: {filters: 16, kernel: 3, padding: same}
  - relu
  - conv: {filters: $filters, kernel: 3, padding: same}
  - flatten
  - dense: 10
  - softmax
train: {data: digits, validation: 0.1, epochs: 2, batch: 300, seed: 3, optimizer: adam}
"""


def call(command: Any, *arguments: Any) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a spec, the algorithms that were measured for it, and a file in which all of them are direct."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "small.yaml").write_text(SPEC)
    before, tuning.ROUNDS = tuning.ROUNDS, 1
    arguments = ["--threads", 1, "--tune", folder / "measured.json", "--format", "json"]
    result = call(compile_command.command, folder / "small.yaml", *arguments)
    tuning.ROUNDS = before
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["tuned"] == json.loads((folder / "measured.json").read_text())
    document = json.loads((folder / "measured.json").read_text())
    for steps in document["plans"].values():
        for step in steps:
            step["algorithm"] = "direct"
    (folder / "direct.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def changed(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """The measured file with something changed."""

    def change(**changes: Any) -> Path:
        document = json.loads((folder / "measured.json").read_text()) | changes
        (tmp_path / "changed.json").write_text(json.dumps(document))
        return tmp_path / "changed.json"

    return change


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """A run by the direct algorithms."""
    arguments = ["--tuned", folder / "direct.json", "--run-dir", folder / "run", "--threads", "1", "--quiet"]
    result = call(train.command, folder / "small.yaml", *arguments)
    assert result.exit_code == 0, result.output
    return folder / "run"


def manifest(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text())
    return found


def test_every_alternative_is_measured_and_equal_steps_are_one(folder: Path) -> None:
    found = read_tuned(folder / "measured.json")
    assert set(found.plans) == {"train", "infer"}
    train_steps = {(step.op, step.types): step for step in found.plans["train"]}
    twice = [step for step in train_steps.values() if step.op == "conv.dx"]
    assert [len(step.values) for step in twice] == [2]  # the second and the third convolution; the first has none
    for step in (*found.plans["train"], *found.plans["infer"]):
        assert {"direct", "winograd-2", "winograd-4"} <= step.milliseconds.keys()
        assert all(time > 0 for time in step.milliseconds.values())
        assert step.algorithm in step.milliseconds
    assert found.measured["threads"] == 1


def test_the_plan_takes_what_was_measured(folder: Path) -> None:
    arguments = ["--threads", 1, "--mode", "infer", "--format", "json"]
    plans = {}
    for name in ("measured", "direct"):
        result = call(compile_command.command, folder / "small.yaml", *arguments, "--tuned", folder / f"{name}.json")
        assert result.exit_code == 0, result.output
        steps = json.loads(result.stdout)["plan"]["steps"]
        plans[name] = [step["algorithm"] for step in steps if step["op"] == "conv"]
    expected = {
        value: step.algorithm for step in read_tuned(folder / "measured.json").plans["infer"] for value in step.values
    }
    assert plans["measured"][1:] == list(expected.values())
    assert plans["direct"][1:] == ["direct", "direct"]


def test_a_run_keeps_its_algorithms_and_comes_out_again(folder: Path, run: Path, tmp_path: Path) -> None:
    """All of them direct is what exact arithmetic takes: to the bit the same run, and another than the expected one."""
    weights = {}
    for math in ("fast", "exact"):
        arguments = ["--set", f"train.math={math}", "--run-dir", tmp_path / math, "--threads", "1", "--quiet"]
        assert call(train.command, folder / "small.yaml", *arguments).exit_code == 0
        weights[math] = manifest(tmp_path / math)["weights_sha256"]
        assert "tuned_sha256" not in manifest(tmp_path / math)
    assert weights["exact"] == manifest(run)["weights_sha256"] != weights["fast"]
    assert manifest(run)["tuned_sha256"] == read_tuned(folder / "direct.json").sha256()
    assert read_tuned(run / TUNED).document() == read_tuned(folder / "direct.json").document()
    result = call(verify_run.command, run, "--from-seed", "--threads", "1")
    assert result.exit_code == 0, result.output
    assert "changed" not in result.output
    scored = call(evaluate.command, run, "--threads", "1", "--format", "json")
    assert json.loads(scored.stdout)["loss"] == manifest(run)["metrics"]["test"]["loss"]


def test_a_run_goes_on_with_its_algorithms_and_notices_others(folder: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    arguments = ["--run-dir", tmp_path / "run", "--resume", "--epochs", "3", "--threads", "1", "--quiet"]
    others = json.loads((folder / "direct.json").read_text())
    for step in others["plans"]["train"]:
        step["algorithm"] = "winograd-2"
    (tmp_path / "others.json").write_text(json.dumps(others))
    refused = call(train.command, folder / "small.yaml", *arguments, "--tuned", tmp_path / "others.json")
    assert "the plan, which follows from" in str(refused.exception)
    result = call(train.command, folder / "small.yaml", *arguments)
    assert result.exit_code == 0, result.output
    assert manifest(tmp_path / "run")["tuned_sha256"] == manifest(run)["tuned_sha256"]
    assert call(verify_run.command, tmp_path / "run", "--threads", "1").exit_code == 0


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_run_that_lost_its_algorithms(folder: Path, run: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(run, tmp_path / "run")
    if damage == "missing":
        (tmp_path / "run" / TUNED).unlink()
    else:
        shutil.copy(folder / "measured.json", tmp_path / "run" / TUNED)
    for command in (verify_run.command, evaluate.command):
        with pytest.raises(RunError, match="NS174"):
            raise call(command, tmp_path / "run").exception or AssertionError
    given = call(evaluate.command, tmp_path / "run", "--tuned", folder / "direct.json", "--threads", "1")
    assert given.exit_code == 0, given.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch", 20], "batch 300, not 20"),
        (["--set", "train.math=exact"], "math fast, not exact"),
        (["--set", "filters=32"], "another network"),
    ],
)
def test_what_was_measured_for_something_else(folder: Path, arguments: list[Any], said: str) -> None:
    for command in (compile_command.command, train.command):
        result = call(command, folder / "small.yaml", "--tuned", folder / "measured.json", *arguments)
        assert isinstance(result.exception, RunError)
        assert "NS172" in str(result.exception)
        assert said in str(result.exception)


def test_predictions_alone_are_not_for_training(folder: Path, changed: Callable[..., Path]) -> None:
    plans = json.loads((folder / "measured.json").read_text())["plans"]
    result = call(train.command, folder / "small.yaml", "--tuned", changed(plans={"infer": plans["infer"]}))
    assert "mode infer, not train" in str(result.exception)


def test_an_unknown_algorithm(folder: Path, changed: Callable[..., Path]) -> None:
    plans = json.loads((folder / "measured.json").read_text())["plans"]
    plans["train"][0]["algorithm"] = "fourier"
    result = call(train.command, folder / "small.yaml", "--tuned", changed(plans=plans))
    assert "NS173" in str(result.exception)
    assert "it has direct, winograd-2, winograd-4" in str(result.exception)


@pytest.mark.parametrize("changes", [{"version": 2}, {"plans": []}, {"plans": {"train": [{}]}}, {"measured": None}])
def test_a_damaged_file(changed: Callable[..., Path], changes: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="NS171"):
        read_tuned(changed(**changes))


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", None])
def test_what_is_no_such_file(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(RunError, match="NS171"):
        read_tuned(tmp_path / "file")


def test_exact_arithmetic_has_one_algorithm_here(folder: Path, tmp_path: Path) -> None:
    arguments = ["--set", "train.math=exact", "--threads", 1, "--tune", tmp_path / "exact.json"]
    result = call(compile_command.command, folder / "small.yaml", *arguments)
    assert result.exit_code == 0, result.output
    assert not any("winograd" in name for name in algorithms_of(tmp_path / "exact.json"))


def algorithms_of(file: Path) -> set[str]:
    return {name for steps in read_tuned(file).plans.values() for step in steps for name in step.milliseconds}


def test_the_bench_takes_it(folder: Path) -> None:
    spec = load_spec(Source("small.yaml", SPEC))
    case = Case("infer", 300, 1, False, "numba")
    for asked, taken in ((replace(case, tuned=str(folder / "direct.json")), "direct"), (case, "winograd-4")):
        plan = new_runtime(spec.graph, spec.recipe, asked).plan("predict", "float32")
        assert [step.algorithm for step in plan.steps if step.node.op.name == "conv"][1:] == [taken, taken]


def test_another_algorithm_is_taken_where_it_is_well_worth_it(folder: Path) -> None:
    spec = load_spec(Source("small.yaml", SPEC))
    runtime = Runtime(spec.graph, spec.recipe, find_backend("numba"), 300, 1)
    step = next(step for step in choosable(runtime.plan("train", "float32")) if step.algorithm == "winograd-4")
    assert tuning._chosen([step], {"winograd-4": 1.0, "direct": 0.98}).algorithm == "winograd-4"
    assert tuning._chosen([step], {"winograd-4": 1.0, "direct": 0.96}).algorithm == "direct"


def test_algorithms_without_room_are_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, planned_by, said = load_spec(Source("small.yaml", SPEC)), Runtime.planned_by, list[str]()

    def within_budget(self: Runtime, *where: Any) -> Any:
        if len(where) == 4 and "direct" in where[3].values():
            raise RunError.of("NS170", budget="1 MiB", least="2 MiB", bytes=2**21, batch=300)
        return planned_by(self, *where)

    monkeypatch.setattr(Runtime, "planned_by", within_budget)
    monkeypatch.setattr(tuning, "ROUNDS", 1)
    found = tuning.tune(Runtime(spec.graph, spec.recipe, find_backend("numba"), 300, 1, trains=False), said.append)
    assert [set(step.milliseconds) for step in found.plans["infer"]] == [{"winograd-4", "winograd-2"}] * 2
    assert any(line.startswith("left out: [NS170]") for line in said)


def test_a_measurement_that_is_not_asked_twice(folder: Path) -> None:
    both = ["--tune", folder / "new.json", "--tuned", folder / "measured.json"]
    assert call(compile_command.command, folder / "small.yaml", *both).exit_code == 2
    nowhere = call(compile_command.command, folder / "small.yaml", "--tune", folder / "missing" / "new.json")
    assert nowhere.exit_code == 2
    assert "no such folder" in nowhere.output


def test_a_model_in_python_takes_them(folder: Path) -> None:
    images = np.random.default_rng(0).random((300, 8, 8, 1), np.float32)

    def predicted(overrides: str = "", **settings: Any) -> bytes:
        spec = netspec.load(folder / "small.yaml", overrides or ())
        return bytes(spec.compile(threads=1, **settings).predict(images))

    direct = predicted(tuned=folder / "direct.json")
    assert direct == predicted("train.math=exact") != predicted()
    with pytest.raises(RunError, match="NS172"):
        predicted(tuned=folder / "direct.json", batch=20)
