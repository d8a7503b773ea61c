"""Starting ranks with the mpiexec of an MPI, and with a limit of time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from open_mpi import open_mpi


@dataclass(frozen=True, slots=True)
class Mpi:
    """A program that starts ranks, with what it and mpi4py have to be told, and how its library calls itself."""

    library: str
    mpiexec: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.library


MPICH = Mpi("MPICH", (str(Path(sys.executable).with_name("mpiexec")),))
"""It lies beside Python, and mpi4py finds it there."""


def _open_mpi() -> Mpi:
    """Where ``NETSPEC_OPENMPI`` says; mpi4py's wheel is for both, and is told which library to load."""
    folder = open_mpi() or Path("not-installed")
    start = (str(folder / "bin" / "mpiexec"), "--allow-run-as-root", "--oversubscribe")
    return Mpi("Open MPI", start, {"MPI4PY_LIBMPI": str(folder / "lib" / "libmpi.so.40")})


OPEN_MPI = _open_mpi()
EACH_MPI = [
    pytest.param(MPICH, id="mpich"),
    pytest.param(OPEN_MPI, id="openmpi", marks=pytest.mark.openmpi),
]
MPIEXEC = MPICH.mpiexec[0]


def ranks(
    count: int, *command: str, seconds: float = 240, mpi: Mpi = MPICH, **environment: str
) -> subprocess.CompletedProcess[str]:
    """So many ranks of a Python program, at their end."""
    return started(["-n", str(count), sys.executable, *command], seconds, mpi, **environment)


def started(
    arguments: Sequence[str], seconds: float = 240, mpi: Mpi = MPICH, **environment: str
) -> subprocess.CompletedProcess[str]:
    """What mpiexec comes to with these arguments."""
    return subprocess.run(
        [*mpi.mpiexec, *arguments],
        env={**os.environ, **mpi.environment, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
