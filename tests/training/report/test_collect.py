"""What a report knows of a run, against the run's own numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import netspec
from netspec.data.dataset import PARTS
from netspec.data.read import read_dataset
from netspec.training.evaluate_run import evaluate_run
from netspec.training.open_run import open_run
from netspec.training.report.collect import report_of_folder
from netspec.training.report.content import ClassHead, MapHead, NumberHead, Report
from netspec.training.report.page import page
from netspec.training.report.times import OTHER


def test_nothing_is_missing_of_a_finished_run(digits_report: Report, kinds_report: Report) -> None:
    assert digits_report.missing == kinds_report.missing == {}
    assert (digits_report.status, digits_report.epochs, digits_report.history.epochs) == ("finished", 3, (1, 2, 3))
    assert digits_report.events == ()


def test_figures_are_those_of_the_manifest(digits_report: Report) -> None:
    metrics = digits_report.manifest["metrics"]
    for figure in digits_report.figures:
        assert (figure.train, figure.validation, figure.test) == tuple(metrics[part][figure.name] for part in PARTS)
    loss = next(curve for curve in digits_report.history.curves if curve.name == "loss")
    assert digits_report.best_epoch == 1 + int(np.argmin(loss.validation))


def test_confusion_is_that_of_the_validation_part(digits_run: Path, digits_report: Report) -> None:
    _, evaluation = evaluate_run(open_run(digits_run, "last", "numba", 1), None, "validation")
    assert digits_report.answers is not None
    assert (digits_report.answers.part, digits_report.answers.samples) == ("validation", evaluation.samples)
    head = digits_report.answers.heads[0]
    assert isinstance(head, ClassHead)
    assert np.array_equal(head.counts, evaluation.confusion["main"])
    assert head.weight == "probability"
    above = [each.weights[0] - each.weights[1] for each in head.mistakes]  # type: ignore[operator] # both are known
    assert above == sorted(above, reverse=True)
    wrong = evaluation.confusion["main"].sum() - np.trace(evaluation.confusion["main"])
    assert len(head.mistakes) == min(24, wrong) > 0
    assert all(each.target != each.answer for each in head.mistakes)


def test_every_kind_of_head_says_what_it_can(kinds_report: Report) -> None:
    assert kinds_report.answers is not None
    heads = {head.name: head for head in kinds_report.answers.heads}
    kinds = {name: head.kind for name, head in heads.items()}
    assert kinds == {"kind": "classes", "mask": "maps", "repaired": "maps", "angle": "numbers", "same": "classes"}
    same, mask, angle = heads["same"], heads["mask"], heads["angle"]
    assert isinstance(same, ClassHead)
    assert np.sum(same.counts, axis=1).tolist() == [6, 6]  # of two classes, though the head has one channel
    assert all(len(each.pictures) == 2 for each in same.mistakes)  # one for each input
    assert isinstance(mask, MapHead)
    assert sum(each.share for each in mask.classes) == pytest.approx(1)
    scores = kinds_report.manifest["metrics"]["validation"]
    known = [each.iou for each in mask.classes if each.iou is not None]
    assert np.mean(known) == pytest.approx(scores["mask/iou"], abs=1e-12)  # the same counts, in another order
    assert isinstance(angle, NumberHead)
    assert [len(channel.points) for channel in angle.channels] == [12, 12]
    errors = [channel.mean_absolute_error for channel in angle.channels]
    assert np.mean(errors) == pytest.approx(scores["angle/mean_absolute_error"], rel=1e-6)  # type: ignore[arg-type] # sums of float32


def test_rows_of_maps_begin_with_the_worst(kinds_report: Report) -> None:
    assert kinds_report.answers is not None
    for head in kinds_report.answers.heads:
        if isinstance(head, MapHead):
            errors = [row.error for row in head.rows]
            assert len(errors) == 6
            assert errors == sorted(errors, key=lambda error: -(error or 0))
            assert all(len(row.inputs) == 2 for row in head.rows)


def test_the_inside_of_the_network(digits_report: Report) -> None:
    assert [(tiles.layer, tiles.what, tiles.shown, tiles.of) for tiles in digits_report.filters] == [
        ("conv", "signed", 6, 6),
        ("conv2", "channels", 8, 8),
    ]
    assert [tiles.layer for tiles in digits_report.features] == ["conv", "max_pool"]
    assert [spread.name for spread in digits_report.spreads] == ["conv.weight", "conv2.weight", "dense.weight"]
    for spread in digits_report.spreads:
        for histogram in (spread.weights, spread.gradients):
            assert histogram is not None
            share = sum(histogram.counts) / np.prod(spread.shape)
            assert share == pytest.approx(0.99, abs=2.5 / min(54, np.prod(spread.shape)))  # an end may cut a number off
            assert histogram.rms > 0


def test_times_are_measured_for_every_layer(digits_report: Report) -> None:
    assert digits_report.times is not None
    times = {each.layer: each for each in digits_report.times.layers}
    layers = ["conv", "batch_norm", "max_pool", "conv2", "flatten", "dense"]  # relu is done within batch_norm
    assert list(times) == [*layers, OTHER]
    assert all(each.forward >= 0 and each.backward >= 0 for each in times.values())
    assert times["conv"].forward > 0
    assert times["conv"].backward > 0


def test_the_document_is_strict_json(kinds_report: Report) -> None:
    document = json.loads(json.dumps(kinds_report.document(), allow_nan=False))
    assert document["version"] == 1
    assert {"figures", "history", "answers", "network", "spreads", "times", "manifest"} <= set(document)


def test_a_run_that_ended_before_its_first_epoch(digits_run: Path, tmp_path: Path) -> None:
    manifest = json.loads((digits_run / "manifest.json").read_text())
    manifest |= {"status": "interrupted", "best": None, "last": None}
    del manifest["metrics"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    shutil.copy(digits_run / "spec.resolved.yaml", tmp_path)
    found = report_of_folder(tmp_path, None, "numba", 1)
    assert found.network is not None
    assert found.history.epochs == ()
    assert found.events == ("The run was interrupted before its last epoch.",)
    assert "ended before its first epoch" in found.missing["checkpoint"]
    text = page(found)
    assert "No epoch is done" in text
    assert text.count("ended before its first epoch") == 4  # in each part that needs the weights


def test_a_run_of_one_epoch_whose_numbers_are_not_finite(digits_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(digits_run, run)
    rows = (run / "metrics.csv").read_text().splitlines()
    names = rows[0].split(",")
    (run / "metrics.csv").write_text("\n".join([rows[0], ",".join("nan" if "loss" in name else "1" for name in names)]))
    found = report_of_folder(run, None, "numba", 1)
    assert [curve.train for curve in found.history.curves] == [(None,), (1.0,)]
    assert "never a finite number" in page(found)


def test_without_its_data_a_report_shows_the_rest(kinds_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(kinds_run, run)
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["spec"]["folder"] = str(tmp_path)
    (run / "manifest.json").write_text(json.dumps(manifest))
    found = report_of_folder(run, None, "numba", 1)
    assert found.network is not None
    assert found.filters
    assert found.answers is None
    assert "kinds.npz" in found.missing["data"]
    assert page(found).count("Not here: ") == 3  # answers, weights, time; the filters are there


def test_a_damaged_manifest_gives_a_page_too(digits_run: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"metrics": 3, "data": [], "spec": null, "status": 5, "command": null}')
    assert "<h1>" in page(report_of_folder(tmp_path, None, "numba", 1))


def test_waiting_and_skipped_steps_are_read_from_the_tables(digits_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(digits_run, run)
    (run / "timings.csv").write_text("epoch,seconds,waited_seconds\n1,2,0.5\n2,2,0.25\n3,4,0\n")
    rows = (run / "metrics.csv").read_text().splitlines()
    counts = ("skipped_steps", "", "2", "1")
    (run / "metrics.csv").write_text("\n".join(f"{row},{more}" for row, more in zip(rows, counts, strict=True)))
    found = report_of_folder(run, None, "numba", 1)
    assert found.events == ("3 steps were left out, since a number was not finite: epochs 2, 3",)
    assert found.history.waiting == (0.25, 0.125, 0.0)
    assert "Waiting for data" in page(found)


def test_the_report_leaves_the_weights_as_they_are(digits_run: Path) -> None:
    before = {path: path.read_bytes() for path in (digits_run / "checkpoints").iterdir()}
    report_of_folder(digits_run, None, "numba", 1)
    assert before == {path: path.read_bytes() for path in (digits_run / "checkpoints").iterdir()}


def test_histograms_of_gradients_are_those_of_the_model(digits_run: Path, digits_report: Report) -> None:
    spec = netspec.load(str(digits_run / "spec.resolved.yaml"))
    model = spec.compile(batch=100, threads=1)
    model.load_weights(digits_run)
    opened = open_run(digits_run, "last", "numba", 1)
    train = read_dataset(opened.spec, None, opened.spec_folder, None).train.take(np.arange(100))
    gradient = model.gradients(train["image"], train["label"])["conv2.weight"]
    spread = next(each for each in digits_report.spreads if each.name == "conv2.weight")
    assert spread.gradients is not None
    assert spread.gradients.rms == pytest.approx(float(np.sqrt((gradient.astype(float) ** 2).mean())), rel=1e-6)
