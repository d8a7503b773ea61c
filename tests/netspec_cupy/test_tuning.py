"""Algorithms measured on the simulated GPU: the same way as on any backend."""

from __future__ import annotations

import pytest

from netspec.bench import tuning
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.training.runtime import Runtime
from netspec.training.tuned import choosable
from netspec_cupy.backend import CupyBackend

SPEC = """\
netspec: 1
name: tiny
input: [6, 6, 8]
layers: [{conv: {filters: 8, kernel: 3, padding: same}}, relu, flatten, {dense: 3}, softmax]
train: {loss: cross_entropy}
"""


def test_every_algorithm_is_measured(host_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "ROUNDS", 1)
    spec = load_spec(Source("tiny.yaml", SPEC))
    said: list[str] = []
    tuned = tuning.tune(Runtime(spec.graph, spec.recipe, host_backend, 2, 1, trains=False), said.append)
    assert tuned.made_for.backend == "cupy"
    runtime = Runtime(spec.graph, spec.recipe, host_backend, 2, 1, trains=False, tuned=tuned)
    steps = {step.node.outputs[0].name: step for step in choosable(runtime.plan("predict", "float32"))}
    measured = {value: step for step in tuned.plans["infer"] for value in step.values}
    assert steps.keys() == measured.keys() != set()
    for value, step in steps.items():
        assert step.algorithm == measured[value].algorithm
        assert {step.algorithm, *step.alternatives} == measured[value].milliseconds.keys()
    assert said[0].startswith("measuring predict: ")
