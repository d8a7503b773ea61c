"""What the backend tells of its own speed: every step of a plan, and what the machine does at best."""

from __future__ import annotations

import numpy as np

import netspec
from netspec.backend import Measured, Profiled, Roof, find_backend
from netspec.core.graph import REGIONS
from netspec.training.runtime import Runtime
from netspec_numba.roof import measure_roof


def test_a_profile_runs_every_step_of_the_plan() -> None:
    spec = netspec.load("zoo:mlp")
    runtime = Runtime(spec.graph, spec.recipe, find_backend("numba"), 2, 1, trains=False)
    loaded = runtime.load("predict", "float32")
    assert isinstance(loaded.executable, Profiled)
    image = np.random.default_rng(0).uniform(0, 255, (2, *spec.graph.inputs[0].type.shape)).astype(np.float32)
    fed = loaded.feed({"input": image}, {})
    loaded.executable.run(fed, {}, 2)
    wanted = loaded.executable.output("main")
    seconds = loaded.executable.profile(fed, {}, 2, REGIONS)
    steps = runtime.plan("predict", "float32").steps
    assert list(seconds) == [place for place, step in enumerate(steps) if not step.constant]
    assert min(seconds.values()) > 0
    np.testing.assert_array_equal(loaded.executable.output("main"), wanted)


def test_the_roof_is_that_of_a_computer() -> None:
    assert isinstance(find_backend("numba"), Measured)
    roof = measure_roof(1)
    assert 1e9 < roof.flops < 1e13
    assert 1e8 < roof.bandwidth < 1e13


def test_the_slower_of_arithmetic_and_memory_decides() -> None:
    roof = Roof(100.0, 10.0)
    assert roof.seconds(200.0, 10.0) == 2.0
    assert roof.seconds(0.0, 50.0) == 5.0
