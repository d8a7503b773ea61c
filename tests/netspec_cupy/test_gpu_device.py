"""The code for a GPU against a simulation of CUDA: order, copies, recordings, and what it says when CUDA refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from simulated_gpu import SimulatedCuda, simulated_device
from test_training import SMALL_RESNET, numbers

import netspec
from netspec.diagnostics import RunError
from netspec.plan import make_plan
from netspec.testing import all_cases, check_trial, training_trial
from netspec_cupy.backend import CupyBackend
from netspec_cupy.host_device import HostDevice

DENSE = training_trial(next(case for case in all_cases() if case.attrs.declaration.name == "dense"))


@pytest.fixture
def cuda() -> SimulatedCuda:
    return SimulatedCuda()


@pytest.fixture
def backend(cuda: SimulatedCuda, monkeypatch: pytest.MonkeyPatch) -> CupyBackend:
    return CupyBackend(simulated_device(cuda, monkeypatch))


def test_training_is_that_of_the_host_half(cuda: SimulatedCuda, backend: CupyBackend) -> None:
    spec = netspec.load(SMALL_RESNET)
    images, labels = numbers(spec, 6)
    host = CupyBackend(HostDevice())
    models = [spec.compile(batch=6, backend=each) for each in (host, backend)]
    for step in range(5):
        samples = 6 if step != 3 else 5
        losses = [model.step(images[:samples], labels[:samples], rate=0.001 * (step + 1)) for model in models]
        assert losses[0] == losses[1]
    for name in models[0].weights:
        assert models[0].weights[name].tobytes() == models[1].weights[name].tobytes()


def test_steps_that_come_again_are_recorded_once(cuda: SimulatedCuda, backend: CupyBackend) -> None:
    spec = netspec.load(SMALL_RESNET)
    images, labels = numbers(spec, 6)
    model = spec.compile(batch=6, backend=backend)
    launches = []
    for _ in range(4):
        before = cuda.calls.get("launchKernel", 0)
        model.step(images, labels)
        launches.append(cuda.calls["launchKernel"] - before)
    regions = cuda.calls["streamBeginCapture"]
    assert launches[0] == launches[1] > 50  # run once as it is, recorded once
    assert launches[2:] == [0, 0]
    assert cuda.calls["graphLaunch"] == 3 * regions


def test_conformance_through_the_stream(backend: CupyBackend) -> None:
    assert check_trial(backend, DENSE) == []


def test_a_batch_is_copied_before_its_array_changes(cuda: SimulatedCuda, backend: CupyBackend) -> None:
    device: Any = backend.device
    memory = device.allocate(400)
    sent = np.arange(100, dtype=np.float32)
    for step in range(5):
        sent[:] = step
        device.send([(memory.address, sent)])
        sent[:] = -1
    found = np.empty(100, np.float32)
    device.fetch(memory.address, found)
    assert (found == 4).all()
    assert cuda.calls["hostAlloc"] == 2


def test_memory_is_given_back(cuda: SimulatedCuda, backend: CupyBackend) -> None:
    before = cuda.free_memory
    plan = make_plan(DENSE.graph, backend.target(1), DENSE.batch, DENSE.mode)
    state = backend.state(plan)
    executable = backend.load(plan, state, 1)
    assert cuda.free_memory < before
    del executable, state
    assert cuda.free_memory == before


@pytest.mark.parametrize(("memory", "advice"), [(3 * 2**20, "a batch of "), (2**19, "use a smaller batch")])
def test_too_little_memory_is_told_with_what_would_fit(
    memory: int, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = netspec.load("zoo:lenet5")
    images, labels = numbers(spec, 4)

    def step(batch: int) -> Any:
        backend = CupyBackend(simulated_device(SimulatedCuda(memory), monkeypatch))
        return spec.compile(batch=batch, backend=backend).step(images, labels)

    with pytest.raises(RunError, match="NS902") as caught:
        step(64)
    help = str(caught.value).rsplit("help:")[1]
    assert advice in help
    for largest in (int(word) for word in help.split() if word.isdigit()):
        assert step(largest - 1)["loss"] > 0  # tables of the kernels take a little, too
        with pytest.raises(RunError, match="NS902"):
            step(largest + 1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("launchKernel", "a launch failed on a GPU on paper: CUDA_ERROR_ILLEGAL_ADDRESS"),
        ("graphInstantiate", "a recording failed on a GPU on paper: CUDA_ERROR_ILLEGAL_ADDRESS"),
        ("streamSynchronize", "a kernel failed on a GPU on paper: CUDA_ERROR_ILLEGAL_ADDRESS"),
        ("moduleLoadData", "the loading of kernels failed on a GPU on paper: CUDA_ERROR_ILLEGAL_ADDRESS"),
        ("malloc", "an allocation failed on a GPU on paper: CUDA_ERROR_ILLEGAL_ADDRESS"),
    ],
)
def test_what_cuda_refuses_is_one_line(cuda: SimulatedCuda, backend: CupyBackend, call: str, words: str) -> None:
    spec = netspec.load(SMALL_RESNET)
    images, labels = numbers(spec, 6)
    cuda.fails[call] = "CUDA_ERROR_ILLEGAL_ADDRESS\nand more"

    def train() -> None:
        model = spec.compile(batch=6, backend=backend)
        for _ in range(2):
            model.step(images, labels)

    with pytest.raises(RunError, match="NS940") as caught:
        train()
    first, _, advice = str(caught.value).partition("\n")
    assert first == f"[NS940] {words}"
    assert "--backend numba" in advice
