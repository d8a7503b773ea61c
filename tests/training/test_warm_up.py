"""Kernels are compiled before an epoch's clock runs, and nothing else comes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.data.dataset import Dataset, Part
from netspec.training.progress import EpochResult, Silence
from netspec.training.runs import Run
from netspec.training.runtime import Runtime
from netspec.training.state import read_state
from netspec.training.train import train_into
from netspec.training.warm_up import compile_training

SPEC = """\
netspec: 1
input: [6, 6, 1]
layers:
  - conv: {filters: 4, kernel: 3}
  - batch_norm
  - relu
  - flatten
  - dropout: 0.5
  - dense: 3
train: {optimizer: adam, batch: 4, accumulate: 2, average: 0.9, epochs: 1, seed: 1, lr: 0.01}
"""
IMAGES = np.random.default_rng(0).random((10, 6, 6, 1), np.float32)
LABELS = np.arange(10, dtype=np.int32) % 3


class Marks(Silence):
    """Notes what it is told, and how many steps the backend had done by then."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.found: list[tuple[str, int]] = []

    def preparing(self, what: str) -> None:
        self.found.append((what, len(self._backend.steps())))

    def begin(self, epoch: int, epochs: int, steps: int, done: int = 0) -> None:
        self.found.append((f"epoch {epoch}", len(self._backend.steps())))

    def end(self, result: EpochResult) -> None:
        self.found.append(("end", len(self._backend.steps())))


def test_every_piece_of_state_is_as_it_was() -> None:
    runtime = netspec.load(SPEC).compile()._runtime
    slots = (*runtime.weights, *runtime.moments)
    before = read_state(runtime.state, slots)
    compile_training(runtime, "float32")
    after = read_state(runtime.state, slots)
    assert len(before) > 10
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_weights_come_out_the_same_to_the_bit() -> None:
    models = [netspec.load(SPEC).compile() for _ in range(2)]
    models[1]._runtime.load("train", "float32")  # what is loaded already is not tried first
    for model in models:
        model.fit(IMAGES, LABELS, epochs=2)
    for name, array in models[0].weights.items():
        assert np.array_equal(array, models[1].weights[name])


def test_the_first_epoch_begins_when_all_kernels_have_run(
    backend: Any, make_runtime: Callable[..., Runtime], make_part: Callable[[int], Part], tmp_path: Path
) -> None:
    runtime, marks = make_runtime(), Marks(backend)
    part = make_part(8)
    dataset = Dataset("digits", ("a", "b", "c"), part, part.take(np.arange(0)), part.take(np.arange(0)))
    run = Run.create(tmp_path / "run", "", {"seed": 7, "batch": 4, "epochs": 2})
    train_into(run, runtime, dataset, marks, lambda: datetime(2026, 1, 31, tzinfo=UTC))
    assert marks.found == [("compiling kernels", 0), ("epoch 1", 1), ("end", 3), ("epoch 2", 3), ("end", 5)]
    assert [call.regions for call in backend.calls[:2]] == [("forward", "backward"), ("update",)]


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_model_compiles_once(epochs: int) -> None:
    said: list[str] = []

    class Told(Silence):
        def preparing(self, what: str) -> None:
            said.append(what)

    model = netspec.load(SPEC).compile()
    for _ in range(2):
        model.fit(IMAGES, LABELS, epochs=epochs, progress=Told())
    assert said == ["compiling kernels"] * epochs
