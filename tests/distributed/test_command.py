"""``netspec train --distributed`` from its start to the run directory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from starting import EACH_MPI, MPICH, OPEN_MPI, Mpi, ranks, started

from netspec.diagnostics.errors import RunError
from netspec.distributed.start import join

SPEC = """\
netspec: 1
input: [8, 8, 1]
layers: [flatten, {dense: 16}, relu, {dropout: 0.2}, {dense: 10}]
train: {data: digits, preprocess: [divide: 16], validation: 0.2, epochs: 2, batch: 64, lr: 0.1, seed: 3}
"""


def trained(folder: Path, name: str, *more: str, mpi: Mpi = MPICH) -> dict[str, object]:
    """What two ranks say at the end of a run."""
    (folder / "spec.yaml").write_text(SPEC)
    options = ["--distributed", "--run-dir", str(folder / name), "--format=json", "--threads=1", *more]
    done = ranks(2, "-m", "netspec", "train", str(folder / "spec.yaml"), *options, mpi=mpi)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("mpi", EACH_MPI)
def test_two_ranks_make_one_run_which_repeats_to_the_bit_and_resumes_to_it(mpi: Mpi, tmp_path: Path) -> None:
    first = trained(tmp_path, "first", mpi=mpi)
    manifest = json.loads((tmp_path / "first" / "manifest.json").read_text())
    assert manifest["world"]["size"] == 2
    assert manifest["world"]["mpi"]["library"].startswith(mpi.library)
    assert [each["threads"] for each in manifest["world"]["ranks"]] == [1, 1]
    assert manifest["batch"] == 64
    assert (tmp_path / "first" / "report.html").exists()
    trained(tmp_path, "second", "--epochs=1", mpi=mpi)
    second = trained(tmp_path, "second", "--epochs=2", "--resume", mpi=mpi)
    assert second["weights_sha256"] == first["weights_sha256"]
    tables = [(tmp_path / name / "metrics.csv").read_bytes() for name in ("first", "second")]
    assert tables[0] == tables[1]


@pytest.mark.openmpi
def test_both_mpis_come_to_the_same_bits_and_one_resumes_what_the_other_began(tmp_path: Path) -> None:
    whole = trained(tmp_path, "whole", mpi=MPICH)
    trained(tmp_path, "half", "--epochs=1", mpi=MPICH)
    rest = trained(tmp_path, "half", "--epochs=2", "--resume", mpi=OPEN_MPI)
    assert rest["weights_sha256"] == whole["weights_sha256"]


@pytest.mark.openmpi
def test_the_launcher_of_one_and_the_library_of_the_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    command = [sys.executable, "-m", "netspec", "train", str(tmp_path / "spec.yaml"), "--distributed"]
    done = started(["-n", "2", *command], mpi=replace(OPEN_MPI, environment={}))
    assert done.returncode != 0
    assert "[NS951] Open MPI's mpiexec started 2 ranks, but mpi4py loads another MPI (MPICH" in done.stderr
    assert "MPI4PY_LIBMPI" in done.stderr


def test_without_mpiexec_it_is_a_world_of_one(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    weights = []
    for name, more in (("alone", []), ("one", ["--distributed"])):
        options = ["--run-dir", str(tmp_path / name), "--format=json", "--threads=1", *more]
        command = [sys.executable, "-m", "netspec", "train", str(tmp_path / "spec.yaml"), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stderr
        weights.append(json.loads(done.stdout)["weights_sha256"])
    assert weights[0] == weights[1]


def test_ranks_of_another_mpi_that_do_not_see_each_other_are_refused() -> None:
    with pytest.raises(RunError, match="NS951"):
        join(25, {"OMPI_COMM_WORLD_SIZE": "4"})
