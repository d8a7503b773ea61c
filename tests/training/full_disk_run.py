"""A run on a disk that becomes full, and gets room again: the program behind test_crashes.py.

``python full_disk_run.py FOLDER`` mounts a small tmpfs there if it may, and prints what the run said when there was no
room, and the hash of the weights that it came to after it was resumed.
"""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

from netspec.diagnostics.errors import RunError
from netspec.training.runs import find_checkpoint, read_manifest
from tests.training.test_crashes import go_on

SIZE = "256k"
LIMIT = 200
"""Bytes that a file may have where no disk can be mounted; a checkpoint's are larger."""


def mounted(folder: Path) -> bool:
    """Whether a small disk is mounted at the folder now."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    return not subprocess.run(command, check=False, capture_output=True).returncode


def fill(folder: Path) -> None:
    """Leave no byte free."""
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def main(disk: Path) -> None:
    own, run = mounted(disk), disk / "run"
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    epochs = 0

    def epoch() -> None:
        nonlocal epochs
        epochs += 1
        if epochs == 2 and own:
            fill(disk)
        elif epochs == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))

    try:
        go_on(run, epoch)
    except RunError as error:
        said = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    print(said.replace("\n", " "), f"step {find_checkpoint(run, 'last').step}")
    assert read_manifest(run)["status"] in ("running", "failed")
    assert not list(run.rglob("*.tmp"))
    if own:
        os.unlink(disk / "filler")
    go_on(run)
    print(read_manifest(run)["weights_sha256"])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main(Path(sys.argv[1]))
