"""The machine as the backend sees it: one decision about the kernel cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netspec_numba.backend import NumbaBackend
from netspec_numba.host import configure

UNUSABLE = """\
from pathlib import Path
from netspec_numba.backend import NumbaBackend
from netspec_numba.host import configure
first, second = configure(), configure()
assert not first.persistent and first.cache == second.cache and first.cache.is_dir()
print(first.cache)
"""


def test_one_process_has_one_cache() -> None:
    assert configure() is configure()


def test_a_cache_for_want_of_a_better_one_goes_with_the_process(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    folders = [
        str(Path(sys.modules[name].__file__ or "").parents[1]) for name in ("netspec_numba.host", "netspec.core")
    ]
    environment = {"NETSPEC_CACHE_DIR": str(file), "TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(folders)}
    ended = subprocess.run(
        [sys.executable, "-c", UNUSABLE], env=environment, capture_output=True, text=True, check=True
    )
    assert ended.stderr.count("warning: [NS964] compiled kernels cannot be kept in") == 1
    assert "help: name a folder that can be written: export NETSPEC_CACHE_DIR=DIR" in ended.stderr
    assert not Path(ended.stdout.strip()).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_width_that_no_kernel_has_is_the_reason_why_the_backend_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETSPEC_LANES", "5")
    monkeypatch.delitem(sys.modules, "netspec_numba.host")
    assert NumbaBackend().probe() == "NETSPEC_LANES is '5'; supported are 4, 8 and 16"
