"""Sums over ranks by NCCL, against simulations of it and of CUDA: their order, whole trainings, and how they fail."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulated_gpu import SimulatedCuda, simulated_device
from simulated_nccl import SimulatedNccl, Twins, twice
from starting import ranks

from netspec.diagnostics import RunError
from netspec.distributed.communicator import ALONE
from netspec.distributed.exchange import Exchange
from netspec.plan import make_plan
from netspec.testing import Trial, network_trials
from netspec_cupy import nccl
from netspec_cupy.backend import CupyBackend
from netspec_cupy.gpu_device import GpuDevice
from netspec_cupy.host_device import HostDevice

HERE = Path(__file__).parent
SHARED = next(trial for trial in network_trials() if trial.name.startswith("shared"))
"""A step whose ranks meet on the way forward, for batch normalisation, and back."""
STEPS = 4
HALF = {"rank_share": 0.5, "rank_samples": 3, "batch_samples": 6}
"""What a twin has of a batch."""


class AtOnce:
    """A link to a twin over which sums are made at once."""

    def message(self, parts: Sequence[tuple[int, int]]) -> AtOnce:
        made = AtOnce()
        made.parts = tuple(parts)
        return made

    parts: tuple[tuple[int, int], ...] = ()

    def send(self) -> None:
        for address, count in self.parts:
            numbers = np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))
            numbers += numbers

    def poll(self) -> None:
        """Nothing is under way."""

    def receive(self) -> None:
        """It is there."""

    def settle(self) -> None:
        """Nothing is under way."""


def trained(backend: CupyBackend, trial: Trial = SHARED) -> dict[str, bytes]:
    """The state after some steps."""
    plan = make_plan(trial.graph, backend.target(1), trial.batch, trial.mode)
    state = backend.state(plan)
    for name, array in trial.state.items():
        state.write(name, array)
    executable = backend.load(plan, state, 1)
    exchange = Exchange(plan, executable, ALONE, "cupy")
    for step in range(STEPS):
        scalars = {**trial.scalars, **HALF, "step": step + 1, "learning_rate": 0.01}
        exchange.run(trial.inputs, scalars, trial.batch)
        executable.run({}, scalars, trial.batch, ("update",))
    found = {name: state.read(name) for name in trial.state}
    assert all(np.isfinite(array).all() for array in found.values())
    return {name: array.tobytes() for name, array in found.items()}


@pytest.fixture(scope="module")
def wanted() -> dict[str, bytes]:
    link: Any = AtOnce()
    return trained(CupyBackend(HostDevice(), link=link))


@pytest.fixture
def cuda() -> SimulatedCuda:
    return SimulatedCuda()


@pytest.fixture
def library(cuda: SimulatedCuda, monkeypatch: pytest.MonkeyPatch) -> SimulatedNccl:
    made = SimulatedNccl(cuda, twice)
    monkeypatch.setattr(nccl, "_library", lambda: made)
    return made


@pytest.fixture
def device(cuda: SimulatedCuda, monkeypatch: pytest.MonkeyPatch) -> GpuDevice:
    return simulated_device(cuda, monkeypatch)


@pytest.mark.parametrize("ahead", ["none", "first", "others"])
def test_sums_are_made_in_their_places(
    ahead: Any, cuda: SimulatedCuda, library: SimulatedNccl, device: GpuDevice, wanted: dict[str, bytes]
) -> None:
    cuda.ahead = ahead
    assert trained(CupyBackend(device).joined(Twins())) == wanted
    assert library.sums > 3 * STEPS
    assert cuda.calls["graphLaunch"] > STEPS, "what lies between the sums is recorded"


@pytest.mark.parametrize(("left_out", "ahead"), [("begin", "others"), ("end", "first")])
def test_a_wait_that_is_left_out_is_found(
    left_out: str,
    ahead: Any,
    cuda: SimulatedCuda,
    library: SimulatedNccl,
    device: GpuDevice,
    wanted: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda.ahead = ahead
    original = GpuDevice.wait_on

    def wait_on(self: GpuDevice, stream: int, event: int) -> None:
        if (stream == self.stream) != (left_out == "end"):
            original(self, stream, event)

    monkeypatch.setattr(GpuDevice, "wait_on", wait_on)
    try:
        found = trained(CupyBackend(device).joined(Twins()))
    except AssertionError:
        found = {}
    assert found != wanted


def test_two_ranks_train_what_one_process_does() -> None:
    """Through MPI's world, as `mpiexec -n 2 netspec train --distributed --backend cupy` does."""
    paths = [str(HERE), str(HERE.parent / "distributed"), *filter(None, sys.path)]
    names = "adam, clipped", "synchronized", "summed"
    done = ranks(2, str(HERE / "courses_on_paper.py"), *names, PYTHONPATH=os.pathsep.join(paths))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == list(names)


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch, device: GpuDevice) -> None:
    monkeypatch.setattr(nccl, "import_module", lambda name: SimulatedNccl)
    monkeypatch.setattr(SimulatedNccl, "available", False)
    with pytest.raises(RunError, match=r"NS990.*not installed") as caught:
        CupyBackend(device).joined(Twins())
    assert "netspec[nccl]" in str(caught.value)


def test_ranks_that_would_share_a_gpu_are_refused(library: SimulatedNccl, device: GpuDevice) -> None:
    with pytest.raises(RunError, match=r"NS991.*ranks 0 and 1 on .* would have to share the GPU at the first"):
        CupyBackend(device).joined(Twins(("the first", "the first")))


def test_each_rank_of_a_host_takes_the_next_gpu(
    library: SimulatedNccl, device: GpuDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(nccl, "gpu_count", lambda: 2)
    monkeypatch.setattr(nccl, "gpu_device", lambda number: asked.append(number) or device)
    for rank in range(4):
        twin = Twins()
        twin.rank, twin.size = rank, 4  # type: ignore[misc]  # one of four
        hosts = ["a", "b", "a", "a"]
        answers: list[Any] = [hosts, [[host, str(at)] for at, host in enumerate(hosts)], [bytes(range(128)).hex()] * 4]
        monkeypatch.setattr(twin, "gather", lambda document, answers=answers: answers.pop(0))
        CupyBackend().joined(twin)
    assert asked == [0, 0, 1, 0]


@pytest.mark.parametrize("call", ["NcclCommunicator", "allReduce", "check_async_error"])
def test_what_nccl_refuses_is_one_line(call: str, library: SimulatedNccl, device: GpuDevice) -> None:
    library.fails[call] = "NCCL_ERROR_SYSTEM_ERROR: unhandled\nand more"
    with pytest.raises(RunError, match="NS992") as caught:
        trained(CupyBackend(device).joined(Twins()))
    first, _, advice = str(caught.value).partition("\n")
    assert first.startswith("[NS992] NCCL failed on rank 0 on ")
    assert first.endswith(": NCCL_ERROR_SYSTEM_ERROR: unhandled")
    assert "NCCL_DEBUG" in advice
    assert library.aborted is (call == "check_async_error")


def test_ranks_that_do_not_connect_are_given_up(
    library: SimulatedNccl, device: GpuDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nccl, "CONNECTING", 0.1)
    monkeypatch.setattr(library, "NcclCommunicator", lambda *_: time.sleep(2))
    with pytest.raises(RunError, match=r"NS992.*not connected within 0\.1 s"):
        CupyBackend(device).joined(Twins())


def test_a_rank_that_hangs_is_told_and_the_sums_are_given_up(library: SimulatedNccl, device: GpuDevice) -> None:
    twin = Twins()
    backend = CupyBackend(device).joined(twin)

    def wait(done: Any) -> None:
        raise RunError.of("NS955", rank=1, host="other", process=7, seconds="25")

    twin.wait = wait  # type: ignore[method-assign]  # the other one never comes
    with pytest.raises(RunError, match="NS955"):
        trained(backend)
    assert library.aborted
