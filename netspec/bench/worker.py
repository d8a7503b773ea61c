"""A process that holds one side and runs it when told to: ``python -m netspec.bench.worker FOLDER``.

It reads lines of JSON from stdin and answers each with one. Between them it waits for the pipe and takes no time from
the side whose turn it is.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from netspec.bench.case import SETTINGS, read_case
from netspec.bench.memory import peak_bytes, resident_bytes, restart_peak
from netspec.bench.sides import Side, import_library, make_side


def main() -> None:
    """Serve until stdin ends."""
    # What libraries print goes to stderr: stdout is for answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    folder = Path(sys.argv[1])
    variant = json.loads(sys.stdin.readline())
    import_library(variant["side"], json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["backend"])
    before = resident_bytes()
    restart_peak()
    side = make_side(variant["side"], variant["options"], read_case(folder))
    _answer(answers, {"ready": True})
    for line in sys.stdin:
        _answer(answers, _serve(side, json.loads(line), before))


def _answer(stream: Any, document: dict[str, Any]) -> None:
    stream.write(json.dumps(document) + "\n")
    stream.flush()


def _serve(side: Side, order: dict[str, Any], before: int) -> dict[str, Any]:
    """Carry out one order: ``run`` so many steps, ``outputs`` into a file, or tell the ``peak``."""
    if "run" in order:
        seconds, losses = [], []
        for _ in range(order["run"]):
            start = time.perf_counter()
            losses.append(side.step())
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds, "losses": losses}
    if "outputs" in order:
        np.savez(order["outputs"], **side.outputs())  # type: ignore[arg-type]  # NumPy's stubs want a flag here
        return {}
    return {"peak": max(peak_bytes() - before, 0)}


if __name__ == "__main__":
    main()
