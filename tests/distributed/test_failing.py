"""Ranks fail as one: whatever happens to one of them ends all, soon, in one message, with the checkpoint whole."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starting import EACH_MPI, MPIEXEC, Mpi, ranks, started

from netspec.training.checkpoints import damaged_checkpoints

SPEC = """\
netspec: 1
input: [8, 8, 1]
layers: [flatten, {dense: 16}, relu, {dense: 10}]
train: {data: digits, preprocess: [divide: 16], epochs: 2, batch: 64, lr: 0.1, seed: 3}
"""
RANK = str(Path(__file__).with_name("rank.py"))
LIMIT = 30
"""Seconds within which all ranks have ended."""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path / "spec.yaml"


def command(spec: Path, *more: str) -> list[str]:
    folder = str(spec.parent)
    return [RANK, folder, "train", str(spec), "--distributed", "--threads=1", "--run-dir", f"{folder}/run", *more]


def left_over(folder: Path) -> list[int]:
    """The processes of the ranks, and their watchers, that are still there a moment after the end."""
    found = []
    until = time.monotonic() + 5
    for file in folder.glob("rank-*"):
        process = Path("/proc", file.read_text())
        while process.exists() and time.monotonic() < until:
            time.sleep(0.1)
        found += [int(process.name)] if process.exists() else []
    return found


@pytest.mark.parametrize("moments", [2, pytest.param(10, marks=pytest.mark.long)])
def test_a_rank_that_is_killed_ends_all_and_the_run_goes_on_with_any_number(moments: int, spec: Path) -> None:
    generator, folder = random.Random(moments), spec.parent
    for moment in range(moments):
        victim = generator.choice((0, 1))
        resume = ["--resume"] if moment else []
        begun = [path.stat().st_mtime_ns for path in folder.glob("run/metrics.csv")]
        with (folder / "log").open("w+") as log:
            running = subprocess.Popen(
                [str(MPIEXEC), "-n", "2", sys.executable, *command(spec, "--epochs=5000", *resume)],
                stdout=log,
                stderr=log,
            )
            until = time.monotonic() + 120
            while [path.stat().st_mtime_ns for path in folder.glob("run/metrics.csv")] == begun:
                assert time.monotonic() < until
                assert running.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
            time.sleep(generator.uniform(0, 2))
            killed = time.monotonic()
            os.kill(int((folder / f"rank-{victim}").read_text()), signal.SIGKILL)
            assert running.wait(LIMIT) != 0
            assert time.monotonic() - killed < LIMIT
        said = (folder / "log").read_text()
        assert said.count("error:") == 1, said
        assert f"[NS957] rank {victim} on " in said
        assert not left_over(folder)
        assert not damaged_checkpoints(folder / "run" / "checkpoints", None)
    done = json.loads((folder / "run" / "manifest.json").read_text())
    epochs = int(done["last"].partition("-")[2]) + 1
    arguments = [sys.executable, "-m", "netspec", "train", str(spec), "--resume", "--run-dir", str(folder / "run")]
    alone = subprocess.run([*arguments, f"--epochs={epochs}"], capture_output=True, text=True, check=False)
    assert alone.returncode == 0, alone.stderr
    assert "ranks: 2 → 1" in alone.stderr


@pytest.mark.parametrize("mpi", EACH_MPI)
def test_a_rank_that_hangs_is_named_by_one_that_waits(mpi: Mpi, spec: Path) -> None:
    done = ranks(2, *command(spec, "--rank-timeout=3"), mpi=mpi, PAUSE="1:40")
    took = time.time() - (spec.parent / "paused").stat().st_mtime
    assert done.returncode == 3
    assert done.stderr.count("error:") == 1
    assert "[NS955] rank 1 on " in done.stderr
    assert "kept the others waiting for 3 s" in done.stderr
    assert not left_over(spec.parent)
    assert 2 < took < LIMIT  # rank 0 may have waited since a step before
    assert not damaged_checkpoints(spec.parent / "run" / "checkpoints", "epoch-0001")


@pytest.mark.parametrize("mpi", EACH_MPI)
def test_numbers_that_are_not_finite_end_all_with_the_rank_that_saw_them_first(mpi: Mpi, spec: Path) -> None:
    done = ranks(2, *command(spec, "--set", "train.lr=1e30"), mpi=mpi)
    assert done.returncode == 3
    assert done.stderr.count("error:") == 1, done.stderr
    assert "[NS903]" in done.stderr
    assert " of rank " in done.stderr
    assert not left_over(spec.parent)
    assert json.loads((spec.parent / "run" / "manifest.json").read_text())["status"] == "failed"


def test_ranks_that_would_do_different_things_are_refused(spec: Path) -> None:
    first, second = (["-n", "1", sys.executable, *command(spec, f"--seed={seed}")] for seed in (3, 4))
    done = started([*first, ":", *second])
    assert done.returncode == 3
    assert done.stderr.count("error:") == 1, done.stderr
    assert "[NS952] rank 1 on " in done.stderr
    assert "its seed is 4, that of rank 0 on " in done.stderr
    assert not (spec.parent / "run").exists()


def test_a_rank_that_fails_alone_ends_the_others(spec: Path) -> None:
    first = ["-n", "1", sys.executable, *command(spec)]
    second = ["-n", "1", sys.executable, *command(spec.with_name("missing.yaml"))]
    done = started([*first, ":", *second], LIMIT * 2)
    assert done.returncode != 0
    assert done.stderr.count("rank 1 on ") == 1, done.stderr
    assert "missing.yaml" in done.stderr
    assert not left_over(spec.parent)


def test_a_batch_that_is_too_small_is_refused_once(spec: Path) -> None:
    done = ranks(4, *command(spec, "--batch=3"))
    assert done.returncode == 3
    assert done.stderr.count("[NS954] a batch of 3 samples cannot be split over 4 ranks") == 1, done.stderr
