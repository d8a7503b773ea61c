"""Whole steps of training on the host half against the Numba backend: losses and weights agree to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec_cupy.backend import CupyBackend

SMALL_RESNET: dict[str, Any] = {
    "netspec": 1,
    "input": [8, 8, 3],
    "layers": [
        {"conv": {"filters": 8, "kernel": 3, "padding": "same", "bias": False}},
        "batch_norm",
        "relu",
        {
            "add": {
                "body": [
                    {"conv": {"filters": 16, "kernel": 3, "stride": 2, "padding": 1, "bias": False}},
                    "batch_norm",
                    "relu",
                    {"conv": {"filters": 16, "kernel": 3, "padding": 1, "bias": False}},
                    "batch_norm",
                ],
                "shortcut": [{"conv": {"filters": 16, "kernel": 1, "stride": 2, "bias": False}}, "batch_norm"],
            }
        },
        "relu",
        {"dropout": 0.2},
        "global_avg_pool",
        {"dense": 10},
        "softmax",
    ],
    "train": {
        "loss": "cross_entropy",
        "optimizer": {"adam": {"weight_decay": 0.001, "clip_norm": 1.0}},
        "lr": 0.001,
        "batch": 6,
    },
}
NETWORKS: dict[str, Any] = {"lenet5": "zoo:lenet5", "small residual network": SMALL_RESNET}
STEPS = 3
CLOSE = 2e-5
"""Sums of a few hundred float32 in another order, after three steps: rounding of 2**-24 each, grown by batch norms."""


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_are_those_of_the_numba_backend(name: str, host_backend: CupyBackend) -> None:
    spec = netspec.load(NETWORKS[name])
    images, labels = numbers(spec, 6)
    models = [spec.compile(batch=6, backend=backend) for backend in ("numba", host_backend)]
    for samples in (6, 6, 5)[:STEPS]:
        losses = [model.step(images[:samples], labels[:samples])["loss"] for model in models]
        assert losses[0] == pytest.approx(losses[1], rel=CLOSE)
    for weight in models[0].weights:
        assert models[1].weights[weight] == pytest.approx(models[0].weights[weight], rel=1e-3, abs=CLOSE), weight


def test_the_same_seed_gives_the_same_bits(host_backend: CupyBackend) -> None:
    spec = netspec.load(SMALL_RESNET)
    images, labels = numbers(spec, 6)
    found = []
    for _ in range(2):
        model = spec.compile(batch=6, backend=host_backend)
        model.step(images, labels)
        found.append({name: weight.tobytes() for name, weight in model.weights.items()})
    assert found[0] == found[1]


def test_prediction_is_that_of_the_numba_backend(host_backend: CupyBackend) -> None:
    spec = netspec.load("zoo:lenet5")
    images, _ = numbers(spec, 5)
    found = [spec.compile(batch=2, backend=each, mode="infer").predict(images) for each in ("numba", host_backend)]
    assert found[1] == pytest.approx(found[0], abs=1e-6)


def numbers(spec: netspec.Spec, samples: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(1)
    shape = spec.graph.inputs[0].type.shape
    return generator.integers(0, 256, (samples, *shape)).astype(np.uint8), generator.integers(0, 10, samples)
