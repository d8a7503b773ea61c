"""Sums by NCCL: in a world of one rank, and where there are two GPUs, of two that train together."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from starting import ranks

from netspec_cupy.gpu_device import gpu_count
from netspec_cupy.probe import probe

pytestmark = pytest.mark.gpu

HERE = Path(__file__).parent
SIZES = [1, 2] if probe() is None and gpu_count() > 1 else [1]


@pytest.mark.parametrize("size", SIZES)
def test_sums(size: int) -> None:
    paths = [str(HERE.parent / "distributed"), *filter(None, sys.path)]
    program = str(HERE / "sums_on_gpus.py"), "adam, clipped", "synchronized"
    done = ranks(size, *program, PYTHONPATH=os.pathsep.join(paths))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "summed\n"
