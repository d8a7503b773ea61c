"""Looking into a network: what its layers give, and how long its steps take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.backend import Profiled
from netspec.training.arrays import InputError

SPEC = """
netspec: 1
input: [6, 6, 1]
layers: [conv: {filters: 3, kernel: 3}, relu, dropout: 0.5, flatten, dense: 4, softmax]
train: {batch: 8, seed: 1}
"""
X = np.random.default_rng(0).normal(size=(5, 6, 6, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> netspec.Model:
    return netspec.load(SPEC).compile(threads=1)


def test_all_layers_of_inference_by_their_paths(model: netspec.Model) -> None:
    found = model.activations(X)
    assert {name: array.shape for name, array in found.items()} == {
        "conv": (5, 4, 4, 3),
        "relu": (5, 4, 4, 3),
        "flatten": (5, 48),
        "dense": (5, 4),
        "softmax": (5, 4),
    }
    assert np.array_equal(found["relu"], np.maximum(found["conv"], 0))
    assert np.array_equal(found["softmax"], model.predict(X))


def test_named_layers_of_more_samples_than_a_batch(model: netspec.Model) -> None:
    many = np.concatenate([X, X])
    found = model.activations(many, ["conv"])
    assert list(found) == ["conv"]
    assert np.array_equal(found["conv"], np.concatenate([model.activations(X)["conv"]] * 2))


def test_a_layer_that_is_not_there_is_named(model: netspec.Model) -> None:
    with pytest.raises(InputError, match="no layer 'dropout' when it predicts"):
        model.activations(X, ["dropout"])


def test_profiling_times_every_step_of_the_regions_and_gives_what_run_gives(model: netspec.Model) -> None:
    runtime: Any = model._runtime
    loaded, plan = runtime.load("gradients", "float32"), runtime.plan("gradients", "float32")
    assert isinstance(loaded.executable, Profiled)
    fed = loaded.feed({"input": X}, {"main": np.arange(5, dtype=np.int32) % 4})
    seconds = loaded.executable.profile(fed, runtime.scalars(0.0, 1), 5, ("forward", "backward"))
    assert sorted(seconds) == [place for place, step in enumerate(plan.steps) if not step.constant]
    assert min(seconds.values()) >= 0
    gradient = loaded.executable.output("conv.weight")
    loaded.executable.run(fed, runtime.scalars(0.0, 1), 5, ("forward", "backward"))
    assert np.array_equal(gradient, loaded.executable.output("conv.weight"))
