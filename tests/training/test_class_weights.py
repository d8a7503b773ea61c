"""`class_weights: balanced`: what follows from the labels, and that a run keeps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import netspec
from netspec.cli import evaluate, predict, train
from netspec.data.dataset import Part, labelled
from netspec.declarations.recipe import Recipe
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.training.class_weights import balance

TEXT = """\
netspec: 1
input: [2, 2, 1]
layers: [flatten, {dense: 3}]
train: {data: {npz: set.npz}, validation: 0.2, loss: {cross_entropy: {class_weights: WEIGHTS}}, batch: 8, epochs: 2}
"""
rng = np.random.default_rng(0)
IMAGES = rng.normal(size=(20, 2, 2, 1)).astype(np.float32)
LABELS = np.repeat([0, 1, 2], [12, 6, 2])


def recipe_of(weights: str) -> Any:
    return load_spec(Source("a.yaml", TEXT.replace("WEIGHTS", weights)))


def test_weights_are_inverse_to_how_often_a_class_occurs() -> None:
    spec = recipe_of("balanced")
    found = balance(spec.recipe, spec.graph, labelled_part(LABELS)).head("main").loss.class_weights
    assert found == pytest.approx((20 / 36, 20 / 18, 20 / 6), rel=1e-7)  # rounded to float32
    rare = balance(spec.recipe, spec.graph, labelled_part(np.array([0, 0, 2]))).head("main").loss.class_weights
    assert rare == (0.5, 0.0, 1.0)
    assert balance(Recipe(), spec.graph, labelled_part(LABELS)) == Recipe()


def labelled_part(labels: Any) -> Part:
    return labelled(IMAGES[: len(labels)], labels.astype(np.int32))


def test_the_network_learns_as_with_the_weights_written_out() -> None:
    numbers = [float(np.float32(20 / (3 * n))) for n in (12, 6, 2)]
    models = [netspec.load(TEXT.replace("WEIGHTS", text)).compile(threads=1) for text in ("balanced", str(numbers))]
    for model in models:
        model.fit(IMAGES, LABELS)
    for name, array in models[0].weights.items():
        assert np.array_equal(array, models[1].weights[name])


def test_what_is_not_known_yet_is_told() -> None:
    model = netspec.load(TEXT.replace("WEIGHTS", "balanced")).compile(threads=1)
    with pytest.raises(netspec.RunError, match="'class_weights: balanced' learns its numbers from the training part"):
        model.evaluate(IMAGES, LABELS)
    assert model.predict(IMAGES).shape == (20, 3)


def test_a_word_that_is_none_is_told_with_its_choice() -> None:
    with pytest.raises(netspec.SpecError, match="balanced"):
        netspec.load(TEXT.replace("WEIGHTS", "balancd"))


def test_a_run_keeps_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("set.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES[::2], y_test=LABELS[::2])
    Path("a.yaml").write_text(TEXT.replace("WEIGHTS", "balanced"))
    first = call(train.command, "a.yaml", "--run-dir", "run", "--quiet", "--epochs", "1")
    more = call(train.command, "a.yaml", "--run-dir", "run", "--quiet", "--resume", "--epochs", "2")
    whole = call(train.command, "a.yaml", "--run-dir", "whole", "--quiet")
    assert more["weights_sha256"] == whole["weights_sha256"] != first["weights_sha256"]
    scores = call(evaluate.command, "run")
    assert {"loss": scores["loss"], **scores["metrics"]} == more["metrics"]["test"]
    np.save("new.npy", IMAGES[:2])
    assert len(call(predict.command, "run", "new.npy")["predictions"]) == 2


def call(command: Any, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(command, [*arguments, "--format", "json"])
    assert result.exit_code == 0, (result.output, result.exception)
    document: dict[str, Any] = json.loads(result.stdout)
    return document
