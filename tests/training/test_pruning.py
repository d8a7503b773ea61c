"""Pruned weights: which go and when, and that they stay at 0 whatever an update does."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import netspec
from netspec.cli import train
from netspec.core.verify import verify
from netspec.declarations.options import Prune
from netspec.interop.safetensors import decode
from netspec.passes.step import training_step
from netspec.syntax.load import load_spec
from netspec.syntax.resolved import resolved_text
from netspec.syntax.source import Source
from netspec.training.pruning import masks
from netspec.training.runs import find_checkpoint

NET = """\
netspec: 1
input: [6, 6, 2]
layers: [{{conv: {{filters: 4, kernel: 3}}}}, batch_norm, relu, flatten, {{dense: 8}}, relu, {{dense: 3}}]
train: {{lr: 0.05, epochs: 3, seed: 3, batch: 8{more}}}
"""
WEIGHTS = ("conv.weight", "dense.weight", "dense2.weight")

rng = np.random.default_rng(0)
IMAGES = rng.normal(size=(40, 6, 6, 2)).astype(np.float32)
LABELS = rng.integers(0, 3, 40)


def trained(more: str, epochs: int | None = None) -> Any:
    model = netspec.load(NET.format(more=more)).compile(threads=1)
    model.fit(IMAGES, LABELS, epochs=epochs)
    return model


def test_the_schedule_is_the_cubic_one() -> None:
    prune = Prune(sparsity=0.8, start=100, over=400, every=100)
    assert [step for step in range(600) if prune.due(step)] == [100, 200, 300, 400, 500]
    wanted = [0.8 + (0 - 0.8) * (1 - (step - 100) / 400) ** 3 for step in (100, 200, 300, 400, 500)]  # equation 1
    assert [prune.share(step) for step in (100, 200, 300, 400, 500)] == pytest.approx(wanted)
    assert prune.share(99) == 0
    assert [step for step in range(9) if Prune(sparsity=0.5, start=3).due(step)] == [3]
    assert Prune(sparsity=0.5, start=3).share(3) == 0.5
    assert [step for step in range(99) if Prune(sparsity=0.5, over=25, every=10).due(step)] == [0, 10, 20, 25]


def test_masks_take_the_smallest_of_each_array_or_of_all() -> None:
    weights = {"a": np.array([[0.1, -0.2], [0.3, -0.4]]), "b": np.array([5.0, -6.0, 0.0, 0.0])}
    alone = masks(weights, 0.5, "layer")
    assert alone["a"].tolist() == [[0, 0], [1, 1]]
    assert alone["b"].tolist() == [1, 1, 0, 0]
    whole = masks(weights, 0.625, "network")
    assert whole["a"].tolist() == [[0, 0], [0, 1]]
    assert whole["b"].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    "optimizer",
    ["{sgd: {momentum: 0.9, nesterov: true, weight_decay: 0.01}}", "{adam: {weight_decay: 0.01}}", "adamw"],
)
@pytest.mark.parametrize("more", ["", ", accumulate: 2"])
def test_pruned_weights_are_exactly_zero_and_so_are_their_averages(optimizer: str, more: str) -> None:
    model = trained(
        f", optimizer: {optimizer}, average: 0.9, prune: {{sparsity: 0.75, start: 2, over: 3, every: 2}}{more}"
    )
    averages = model.averaged_weights
    for name in WEIGHTS:
        array = model.weights[name]
        assert np.count_nonzero(array == 0) == round(0.75 * array.size), name
        assert not averages[name][array == 0].any()
        assert averages[name].any()
    assert all(model.weights[name].all() for name in model.weights if name not in WEIGHTS)  # those are left out


def test_what_goes_at_once_learns_on_around_the_zeros() -> None:
    one, three = trained(", prune: 0.5", 1), trained(", prune: 0.5", 3)
    for name in WEIGHTS:
        assert np.array_equal(one.weights[name] == 0, three.weights[name] == 0)
        assert not np.array_equal(one.weights[name], three.weights[name])


def test_first_and_last_may_be_left_whole() -> None:
    for leave, whole in (
        ("first", {"conv.weight"}),
        ("last", {"dense2.weight"}),
        ("both", {"conv.weight", "dense2.weight"}),
    ):
        model = trained(f", prune: {{sparsity: 0.5, leave: {leave}}}", 1)
        assert {name for name in WEIGHTS if model.weights[name].all()} == whole


def test_the_network_as_a_whole_may_lose_the_share() -> None:
    model = trained(", prune: {sparsity: 0.5, scope: network}", 1)
    zeros = {name: int(np.count_nonzero(model.weights[name] == 0)) for name in WEIGHTS}
    sizes = {name: model.weights[name].size for name in WEIGHTS}
    assert sum(zeros.values()) == round(0.5 * sum(sizes.values()))
    assert zeros["dense2.weight"] / sizes["dense2.weight"] != 0.5


def test_a_frozen_layer_is_left_as_it_is_and_the_step_is_sound() -> None:
    text = NET.format(more=", average: 0.9, prune: 0.5").replace(
        "conv: {filters: 4, kernel: 3}", "conv: {filters: 4, kernel: 3}, freeze: true"
    )
    spec = load_spec(Source("net.yaml", text))
    step = training_step(spec.graph, spec.recipe)
    verify(step)
    assert {slot.name for slot in step.slots if slot.name.endswith(":mask")} == {
        "dense.weight:mask",
        "dense2.weight:mask",
    }


def test_the_resolved_spec_keeps_it() -> None:
    more = ", prune: {sparsity: 0.8, start: 5, over: 100, every: 10, scope: network, leave: both}"
    spec = load_spec(Source("net.yaml", NET.format(more=more)))
    assert load_spec(Source("again.yaml", resolved_text(spec))).recipe.prune == spec.recipe.prune


RUN = """\
netspec: 1
name: tiny
input: [8, 8, 1]
layers: [{conv: {filters: 4, kernel: 3}}, relu, flatten, {dense: 10}]
train: {data: digits, lr: 0.05, epochs: 2, batch: 500, optimizer: {sgd: {momentum: 0.9}}, average: 0.9}
"""


def train_run(*arguments: object) -> Result:
    return CliRunner().invoke(train.command, [*map(str, arguments), "--quiet", "--no-report", "--format", "json"])


def test_a_resumed_run_ends_in_the_same_bits(tmp_path: Path) -> None:
    """The masks are part of a checkpoint: of one between two times at which weights go, too."""
    spec = tmp_path / "net.yaml"
    spec.write_text(RUN.replace("lr:", "prune: {sparsity: 0.8, start: 1, over: 6, every: 2}, lr:"))
    folders = [tmp_path / "whole", tmp_path / "cut"]
    assert train_run(spec, "--run-dir", folders[0], "--epochs", 3).exit_code == 0
    copytree(*folders)
    last = find_checkpoint(folders[1], "last")
    assert last.position.epoch == 3
    last.weights.write_bytes(b"")  # so that it goes on from the one before, after 6 updates
    assert train_run(spec, "--run-dir", folders[1], "--epochs", 3, "--resume").exit_code == 0
    checkpoints = [find_checkpoint(folder, "last") for folder in folders]
    for what in ("weights", "moments"):
        one, other = (decode(getattr(each, what).read_bytes(), what) for each in checkpoints)
        assert one.keys() == other.keys()
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert np.count_nonzero(one["conv.weight:mask"] == 0) == round(0.8 * 36)


def test_a_run_that_ends_before_its_pruning_is_refused(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text(RUN.replace("lr:", "prune: {sparsity: 0.8, over: 4000}, lr:"))
    said = str(train_run(spec, "--run-dir", tmp_path / "run").exception)
    assert "[NS850] train.prune comes to its sparsity of 0.8 after 4,000 updates, but the run has " in said
