"""`netspec compare`, on run directories as a training leaves them."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.syntax.load import load_spec
from netspec.syntax.resolved import resolved_text
from netspec.syntax.source import Source

Run = Callable[..., Any]

SPEC = """\
netspec: 1
name: small
input: [8, 8, 1]
layers: [flatten, {dense: 10}]
train: {data: digits, lr: 0.5, epochs: 4, batch: 32}
"""


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., str]:
    """``make("a", accuracies, ...)``: a run directory whose validation accuracy went that way; its name."""

    def making(name: str, accuracies: list[float], text: str = SPEC, seed: int = 1, **manifest: Any) -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "spec.resolved.yaml").write_text(resolved_text(load_spec(Source("spec", text))))
        facts = {
            "name": "small", "status": "finished", "started": "2026-01-31T14:25:00+00:00", "seed": seed, "epochs": 4,
            "batch": 32, "threads": 2, "data": {"name": "digits", "sha256": "0", "samples": {"train": 8}},
            "machine": {"processor": "one"}, "metrics": {"test": {"loss": 0.5, "accuracy": accuracies[-1] - 0.01}},
        }  # fmt: skip
        (folder / "manifest.json").write_text(json.dumps({**facts, **manifest}))
        rows = [
            {"epoch": i + 1, "step": 3 * i + 3, "validation_loss": 1 - a, "validation_accuracy": a}
            for i, a in enumerate(accuracies)
        ]
        for file, columns in (("metrics.csv", list(rows[0])), ("timings.csv", ["epoch", "seconds"])):
            with (folder / file).open("w", newline="") as stream:
                writer = csv.DictWriter(stream, columns, extrasaction="ignore")
                writer.writeheader()
                writer.writerows([{"seconds": 2.5, **row} for row in rows])
        return name

    return making


def compared(netspec: Run, *runs: str) -> dict[str, Any]:
    result = netspec("compare", *runs, "--format", "json")
    assert result.status == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


def test_cells_that_are_empty_are_what_a_row_lacks(netspec: Run, make: Callable[..., str]) -> None:
    names = make("a", [0.5, 0.6]), make("b", [0.5, 0.7])
    table = Path(names[0], "metrics.csv")
    first, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{first},skipped_steps", f"{rows[0]},2", f"{rows[1]},"]) + "\n")
    assert compared(netspec, *names)["metrics"]["validation_accuracy"]["last"] == [0.6, 0.7]


def test_scores_are_the_last_the_best_and_when_they_were_reached(netspec: Run, make: Callable[..., str]) -> None:
    found = compared(netspec, make("a", [0.5, 0.9, 0.8, 0.7]), make("b", [0.6, 0.7, 0.85]))
    assert found["version"] == 1
    assert found["metrics"]["validation_accuracy"] == {
        "more_is_better": True, "last": [0.7, 0.85], "best": [0.9, 0.85], "best_epoch": [2, 3], "target": 0.85,
        "reached": [2, 3],
    }  # fmt: skip
    loss = found["metrics"]["validation_loss"]
    assert (loss["more_is_better"], loss["best_epoch"], loss["reached"]) == (False, [2, 3], [2, 3])
    assert found["metrics"]["test_accuracy"]["last"] == pytest.approx([0.69, 0.84])
    assert found["metrics"]["test_accuracy"]["target"] is None
    assert [(run["run_dir"], run["epochs"], run["steps"], run["seconds"]) for run in found["runs"]] == [
        ("a", 4, 12, 10.0), ("b", 3, 9, 7.5),
    ]  # fmt: skip


def test_what_differs_is_told(netspec: Run, make: Callable[..., str]) -> None:
    changed = SPEC.replace("lr: 0.5", "lr: 0.25").replace("[flatten,", "[flatten, relu,")
    found = compared(netspec, make("a", [0.5]), make("b", [0.6], changed, machine={"processor": "two"}, threads=3))
    assert found["circumstances"] == {"threads": [2, 3], "machine.processor": ["one", "two"]}
    (difference,) = found["spec"]
    assert difference["run_dir"] == "b"
    assert difference["train"] == {"lr.rate": {"before": "0.5", "after": "0.25"}}
    assert [(layer["kind"], layer["name"]) for layer in difference["layers"]] == [("added", "relu")]
    text = netspec("compare", "a", "b").out
    assert "machine.processor  one  two" in text
    assert "spec, from A to B: small -> small" in text


def test_repeats_of_one_experiment_have_medians(netspec: Run, make: Callable[..., str]) -> None:
    runs = [make(str(seed), [0.5, value], seed=seed) for seed, value in enumerate((0.7, 0.9, 0.8))]
    assert compared(netspec, *runs)["metrics"]["validation_accuracy"]["median"] == 0.8
    assert "median" in netspec("compare", *runs).out
    other = make("other", [0.5, 0.6], SPEC.replace("0.5", "0.1"), seed=9)
    assert "median" not in compared(netspec, *runs, other)["metrics"]["validation_accuracy"]


def test_losses_of_different_kinds_are_left_out(netspec: Run, make: Callable[..., str]) -> None:
    smooth = SPEC.replace("lr:", "loss: {cross_entropy: 0.1}, metrics: [accuracy], lr:")
    found = compared(netspec, make("a", [0.5]), make("b", [0.6], smooth))
    assert set(found["metrics"]) == {"validation_accuracy", "test_accuracy"}
    assert found["notes"] == ["the losses are not compared: the runs learn by different ones"]


def test_other_samples_are_noted(netspec: Run, make: Callable[..., str]) -> None:
    other = {"name": "digits", "sha256": "1", "samples": {"train": 8}}
    make("a", [0.5])
    make("b", [0.6], data=other)
    assert "note: the runs did not learn from the same samples" in netspec("compare", "a", "b").out


def test_a_value_that_is_no_number_is_no_best(netspec: Run, make: Callable[..., str]) -> None:
    found = compared(netspec, make("a", [0.5, math.nan]), make("b", [0.6, 0.7]))["metrics"]["validation_accuracy"]
    assert (found["last"], found["best"], found["reached"]) == ([None, 0.7], [0.5, 0.7], [1, 1])


def test_what_is_not_comparable_is_refused(netspec: Run, make: Callable[..., str], tmp_path: Path) -> None:
    make("a", [0.5])
    make("other_data", [0.5], data={"name": "mnist"})
    make("other_head", [0.5], SPEC.replace("dense: 10", "dense: 7"))
    make("empty", [0.5])
    (tmp_path / "empty" / "metrics.csv").unlink()
    make("damaged", [0.5])
    (tmp_path / "damaged" / "metrics.csv").write_text("epoch,step\n1,many\n")
    for other, said in (
        ("other_data", "NS921] 'a' and 'other_data' cannot be compared: one learns 'digits', the other 'mnist'"),
        ("other_head", "their heads are not the same: main 10 and main 7"),
        ("empty", "'empty' cannot be compared: it has no finished epoch"),
        ("damaged", "it is no table of numbers"),
        ("nowhere", "'nowhere' is not a run directory"),
    ):
        result = netspec("compare", "a", other)
        assert (result.status, result.out) == (3, "")
        assert said in result.err
    assert netspec("compare", "a").status == 2
