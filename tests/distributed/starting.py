"""Starting ranks: with MPICH's mpiexec, which lies beside Python, and with a limit of time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MPIEXEC = Path(sys.executable).with_name("mpiexec")


def ranks(count: int, *command: str, seconds: float = 240, **environment: str) -> subprocess.CompletedProcess[str]:
    """So many ranks of a Python program, at their end."""
    return started(["-n", str(count), sys.executable, *command], seconds, **environment)


def started(arguments: Sequence[str], seconds: float = 240, **environment: str) -> subprocess.CompletedProcess[str]:
    """What mpiexec comes to with these arguments."""
    return subprocess.run(
        [str(MPIEXEC), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
