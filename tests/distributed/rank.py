"""A rank of a test: notes its process below the folder given first, then is the command ``netspec`` with what follows.

``PAUSE=RANK:STEP`` in the environment lets a rank sleep for good before a step, as one that hangs does; the file
``paused`` appears when it falls asleep.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from netspec.cli.main import main
from netspec.training import loop
from netspec.training.position import Position

rank = os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK", "0")
folder = sys.argv[1]
Path(folder, f"rank-{rank}").write_text(str(os.getpid()))
paused, _, step = os.environ.get("PAUSE", "").partition(":")
if paused == rank:
    original = loop.train_step

    def sleeping(*arguments: object, **more: object) -> float:
        position = arguments[4]
        if isinstance(position, Position) and position.step == int(step):
            Path(folder, "paused").touch()
            time.sleep(1000)
        return original(*arguments, **more)  # type: ignore[arg-type]

    loop.train_step = sleeping
sys.argv = ["netspec", *sys.argv[2:]]
main()
