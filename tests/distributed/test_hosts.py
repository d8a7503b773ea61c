"""Ranks on several hosts, each of which is a network namespace with a name of its own, on one switch of 1 Gbit/s."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scaling.networks import namespaces
from starting import ranks

from netspec.training.checkpoints import damaged_checkpoints

pytestmark = [pytest.mark.long, pytest.mark.namespaces]
SPEC = """\
netspec: 1
input: [8, 8, 1]
layers: [flatten, {dense: 16}, relu, {dropout: 0.2}, {dense: 10}]
train: {data: digits, preprocess: [divide: 16], validation: 0.2, epochs: 2, batch: 64, lr: 0.1, seed: 3}
"""
RANK = str(Path(__file__).with_name("rank.py"))
OVER_THE_SWITCH = {"FI_PROVIDER": "tcp", "FI_TCP_IFACE": "eth0", "MPIR_CVAR_CH4_NETMOD": "ofi"}
LIMIT = 30
"""Seconds within which all ranks have ended."""


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[str]]:
    """How a command is started on three hosts, a rank on each."""
    (tmp_path / "spec.yaml").write_text(SPEC)
    with namespaces(3, 1000, tmp_path) as launcher:
        yield [*launcher, "-n", "3", sys.executable]


def command(folder: Path, *more: str) -> list[str]:
    options = ["--distributed", "--threads=1", "--run-dir", str(folder / "run"), *more]
    return [RANK, str(folder), "train", str(folder / "spec.yaml"), *options]


def test_three_hosts_come_to_the_bits_of_three_ranks_on_one(hosts: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, **OVER_THE_SWITCH}
    arguments = [*hosts, *command(tmp_path, "--format=json")]
    spread = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert spread.returncode == 0, spread.stderr
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert [each["host"] for each in manifest["world"]["ranks"]] == ["netspec-1", "netspec-2", "netspec-3"]
    together = ranks(3, *command(tmp_path, "--format=json", "--run-dir", str(tmp_path / "one")))
    assert together.returncode == 0, together.stderr
    assert json.loads(spread.stdout)["weights_sha256"] == json.loads(together.stdout)["weights_sha256"]


@pytest.mark.parametrize("victim", [0, 2])
def test_a_rank_that_is_killed_on_one_host_ends_those_on_the_others(
    victim: int, hosts: list[str], tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w+") as log:
        arguments = [*hosts, *command(tmp_path, "--epochs=5000")]
        running = subprocess.Popen(arguments, env={**os.environ, **OVER_THE_SWITCH}, stdout=log, stderr=log)
        until = time.monotonic() + 120
        while not (tmp_path / "run" / "metrics.csv").exists():
            assert time.monotonic() < until
            assert running.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        killed = time.monotonic()
        os.kill(int((tmp_path / f"rank-{victim}").read_text()), signal.SIGKILL)
        assert running.wait(LIMIT) != 0
        assert time.monotonic() - killed < LIMIT
    said = (tmp_path / "log").read_text()
    assert f"[NS957] rank {victim} on netspec-{victim + 1} " in said, said
    assert not damaged_checkpoints(tmp_path / "run" / "checkpoints", None)
    processes = [Path("/proc", file.read_text()) for file in tmp_path.glob("rank-*")]
    until = time.monotonic() + LIMIT
    while any(process.exists() for process in processes) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(process.exists() for process in processes)
