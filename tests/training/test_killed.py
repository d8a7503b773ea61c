"""A run that is killed at any moment, taken up and killed again, ends as the undisturbed one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("moments", "amidst_writing"), [(5, 2), pytest.param(50, 10, marks=pytest.mark.long)], ids=["some", "many"]
)
def test_killed_runs_end_in_the_weights_and_metrics_of_the_undisturbed_one(
    moments: int, amidst_writing: int, tmp_path: Path
) -> None:
    program = Path(__file__).with_name("killed_run.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path), str(moments), "3"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NUMBA_NUM_THREADS": "4"},  # more than a small machine has cores
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    whole = found["whole"]
    assert whole["status"] == "finished"
    assert len(whole["metrics"].splitlines()) == 4
    kinds = {"flush", "replace", "remove"}
    assert set(found["events"]) == {"step", *kinds, *(f"checkpoint {kind}" for kind in kinds)}
    assert len(found["killed"]) == moments
    for run in found["killed"]:
        assert run["signals"][0] == signal.SIGKILL or run["kind"] == "clock"
        assert run["signals"][2] == 0
        assert {name: run[name] for name in whole} == whole, run
    counts = Counter(run["kind"].partition(" ")[0] for run in found["killed"])
    assert counts["checkpoint"] >= amidst_writing
    assert counts["step"] >= 1
    assert counts["clock"] == moments // 5
    assert not found["orphans"]
    if moments == 50:
        assert {tuple(use) for run in found["killed"] for use in run["uses"]} == {
            (threads, workers) for threads in (1, 2, 4) for workers in (0, 1, 3)
        }
