"""``netspec bench`` from end to end on a small network, and what it says where something is not as it should be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import netspec.bench.driver as driver
from netspec.bench.case import Case, read_case, write_case
from netspec.bench.run import Bench, bench
from netspec.bench.variants import OURS, PEERS, TUNED, Variant, variants
from netspec.cli.bench import command
from netspec.diagnostics.errors import RunError
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.syntax.spec import Spec
from netspec.zoo import zoo_path

CASE = Case("infer", 4, 1, False, "numba")
ROW = {
    *("side", "variant", "mode", "batch", "threads", "median_ms", "min_ms", "max_ms", "runs", "peak_bytes"),
}


def spec(name: str = "lenet5") -> Spec:
    source = read_source(zoo_path(name))
    assert isinstance(source, Source)
    return load_spec(source)


def silent(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def measured() -> Bench:
    """Our own sides and ONNX Runtime, which is installed wherever the tests are run."""
    return bench(spec(), CASE, ["onnxruntime"], 2, silent)


def test_every_side_has_a_row(measured: Bench) -> None:
    document = measured.document()
    assert [(row["side"], row["variant"]) for row in document["rows"]] == [
        ("netspec", "fast"),
        ("netspec", "exact"),
        ("onnxruntime", "all optimisations"),
        ("onnxruntime", "all optimisations, tuned"),
    ]
    for row in document["rows"]:
        assert row.keys() == ROW
        assert 0 < row["min_ms"] <= row["median_ms"] <= row["max_ms"]
        assert (row["runs"], row["batch"], row["threads"], row["mode"]) == (2, 4, 1, "infer")
        assert row["peak_bytes"] > 0


def test_sides_agree_and_ratios_follow_from_medians(measured: Bench) -> None:
    document = measured.document()
    assert measured.worst_agreement()["main"] < driver.SAME
    assert document["agreement"]["onnxruntime (all optimisations)"].keys() == {"main"}
    medians = {(row["side"], row["variant"]): row["median_ms"] for row in document["rows"]}
    theirs = min(median for (side, _), median in medians.items() if side == "onnxruntime")
    assert document["ratios"]["onnxruntime"] == pytest.approx(theirs / medians["netspec", "fast"])
    assert document["ratios"]["best"] == document["ratios"]["onnxruntime"]
    assert document["machine"]["cores"] >= 1
    assert document["machine"]["versions"]["onnxruntime"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    """A measurement of training without peers, as JSON, and its picture."""
    picture = tmp_path_factory.mktemp("pictures") / "lenet5.svg"
    arguments = ["zoo:lenet5", "--batch", "4", "--threads", "1", "--runs", "2", "--format", "json", "--quiet"]
    result = CliRunner().invoke(command, [*arguments, "--picture", str(picture)])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), picture.read_text(encoding="utf-8")


def test_alone(alone: tuple[Any, str]) -> None:
    document, picture = alone
    assert document["version"] == 1
    assert [row["mode"] for row in document["rows"]] == ["train", "train"]
    assert document["ratios"] == {}
    assert picture.startswith("<svg") or "<svg" in picture
    assert "netspec (exact)" in picture


def test_layers(tmp_path: Path) -> None:
    picture = tmp_path / "roofline.svg"
    arguments = ["zoo:lenet5", "--batch", "2", "--threads", "1", "--runs", "1", "--layers", "--quiet"]
    result = CliRunner().invoke(command, [*arguments, "--format", "json", "--picture", str(picture)])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    rows = {(row["path"], row["op"]): row for row in document["layers"]}
    assert rows["conv2", "conv"]["flops"] == 2 * 2 * 10 * 10 * 16 * 5 * 5 * 6
    assert rows["conv2", "conv.dx"]["flops"] == rows["conv2", "conv.dw"]["flops"] == rows["conv2", "conv"]["flops"]
    assert rows["dense", "dense.dw"]["flops"] == 2 * 2 * 400 * 120
    assert ("relu", "relu") not in rows  # it is done where the convolution stores its output
    assert rows["relu", "relu.dx"]["flops"] == 0
    assert all(row["seconds"] > 0 and row["bytes"] > 0 for row in document["layers"])
    assert document["roof"]["flops_per_second"] > 1e9
    assert "GFLOP/s" in picture.read_text(encoding="utf-8")


def test_a_memory_budget_is_that_of_what_is_measured() -> None:
    arguments = ["zoo:lenet5", "--batch", "2", "--threads", "1", "--runs", "1", "--layers", "--quiet"]
    result = CliRunner().invoke(command, [*arguments, "--memory-budget", "1000"])
    assert isinstance(result.exception, RunError)
    assert "NS170" in str(result.exception)


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    arguments = ["zoo:mlp", "--batch", "1", "--threads", "1", "--runs", "1", "--layers", "--quiet"]
    result = CliRunner().invoke(command, [*arguments, "--picture", str(tmp_path / "missing" / "picture.svg")])
    assert isinstance(result.exception, RunError)
    assert result.exception.code == "NS993"


def test_layers_and_peers_do_not_go_together() -> None:
    result = CliRunner().invoke(command, ["zoo:lenet5", "--layers", "--against", "torch"])
    assert result.exit_code == 2
    assert "--layers" in result.output


def test_variants_with_and_without_a_tuned_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.diagnostics.libraries.find_spec", lambda name: object())
    found = variants(["torch"], "train")
    assert found[: len(OURS)] == OURS
    theirs = found[len(OURS) :]
    assert len(theirs) == 2 * len(PEERS["torch"]["train"])
    assert sum(dict(variant.environment) == TUNED for variant in theirs) == len(theirs) / 2


def test_a_peer_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.diagnostics.libraries.find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"NS931.*torch, which is not installed\n.*pip install 'netspec\[bench\]'"):
        variants(["torch"], "train")


def test_a_peer_that_does_not_train() -> None:
    with pytest.raises(RunError, match=r"NS936.*'onnxruntime' predicts only.*\n.*--mode infer"):
        variants(["onnxruntime"], "train")


def test_an_unknown_peer() -> None:
    with pytest.raises(RunError, match=r"NS935.*'tensorflow' to measure against\n.*torch, torch-compile, onnxruntime"):
        variants(["tensorflow"], "train")


def test_sides_that_differ_are_not_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = iter(({"main": np.ones(3)}, {"main": np.array([1.0, 1.0, 1.5])}))

    class Told:
        """A process that only says what it found."""

        def __init__(self, *_: Any) -> None: ...
        def __enter__(self) -> Told:
            return self

        def __exit__(self, *_: Any) -> None: ...
        def wait_ready(self) -> None: ...
        def run(self, steps: int) -> dict[str, Any]:
            return {"losses": [None], "seconds": [1.0]}

        def outputs(self, file: Path) -> Any:
            return next(found)

    monkeypatch.setattr(driver, "Worker", Told)
    with pytest.raises(RunError, match=r"NS933.*'main' of netspec \(fast\) differs from netspec's by 3.3e-01"):
        driver.compare(OURS, tmp_path, CASE, silent)


def test_a_process_that_ends_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"NS934.*netspec \(fast\).*FileNotFoundError"),
        driver.Worker(OURS[0], tmp_path, 1) as worker,
    ):
        worker.wait_ready()


def test_a_case_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_case(tmp_path, spec("two_tasks"), replace(CASE, mode="train", compared=True), False, False)
    found = read_case(tmp_path)
    assert found.case.mode == "train"
    assert {head: array.shape[0] for head, array in found.targets.items()} == {"digit": 4, "angle": 4}
    assert not any(node.op.name == "dropout" for node in found.graph.nodes)
    assert found.weights()


def test_runs_are_dealt_out() -> None:
    assert driver._shares(3) == [1, 1, 1]
    assert driver._shares(23) == [3, 3, 3, *[2] * 7]


def test_losses_may_fall_a_little_otherwise() -> None:
    wanted = {"loss": np.array([2.0]), driver.DESCENT: np.array([0.5, 1.0])}
    near = {"loss": np.array([2.0]), driver.DESCENT: np.array([0.51, 1.0])}
    assert driver._errors("torch", near, wanted) == {"loss": 0.0, driver.DESCENT: pytest.approx(0.01)}
    with pytest.raises(RunError, match="'descent' of torch"):
        driver._errors("torch", {**near, driver.DESCENT: np.array([0.5, 0.9])}, wanted)
    with pytest.raises(RunError, match="'loss' of torch differs from netspec's by inf"):
        driver._errors("torch", {}, wanted)


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["train", "infer"])
def test_against_pytorch(mode: Any) -> None:
    found = bench(spec(), replace(CASE, mode=mode), ["torch", "torch-compile"], 2, silent)
    assert set(found.worst_agreement()) == ({"loss", driver.DESCENT} if mode == "train" else {"main"})
    assert {timing.variant.side for timing in found.timings} == {"netspec", "torch", "torch-compile"}
    assert found.memory_ratios().keys() == {"torch", "torch-compile"}


def test_titles_name_side_and_variant() -> None:
    assert Variant("torch", "eager").title == "torch (eager)"
