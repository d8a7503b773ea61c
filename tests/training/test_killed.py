"""A run that is killed at any moment, taken up and killed again, ends as the undisturbed one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

MOMENTS = 8


@pytest.mark.slow
def test_killed_runs_end_in_the_weights_and_metrics_of_the_undisturbed_one(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killed_run.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path), str(MOMENTS), "3"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    whole = found["whole"]
    assert whole["status"] == "finished"
    assert len(whole["metrics"].splitlines()) == 4
    assert set(found["events"]) == {"step", "flush", "replace", "remove"}
    assert len(found["killed"]) == MOMENTS
    assert len({run["moment"] for run in found["killed"]}) >= MOMENTS - 1
    for run in found["killed"]:
        assert run["signals"][0] == signal.SIGKILL
        assert run["signals"][2] == 0
        assert {name: run[name] for name in whole} == whole, run
    assert sum(run["kind"] != "step" for run in found["killed"]) >= 5
