"""Every kernel once under the address and undefined-behaviour sanitizers, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netspec_cupy import sources
from netspec_cupy.host_device import SANITIZED

HERE = Path(__file__).parent


def sanitized(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with the sanitizers' libraries loaded before all others."""
    libraries = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = os.environ | {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0,detect_stack_use_after_return=0",  # what Python keeps until the end is no leak
        "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, sys.path)]),
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_no_kernel_leaves_its_arrays() -> None:
    done = sanitized(str(HERE / "sanitized.py"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("trials\n")


OVERFLOW = f"""
import ctypes
import numpy as np
from netspec_cupy.contract import addresses, pointer
from netspec_cupy.host_device import HostDevice
text = '''#include "device.cuh"
KERNEL(overflow, 32, 32)(float* y, int count) {{{{
  y[threadIdx.x * count] = 1.f;
}}}}
EXPORT(overflow)
'''.format()
device = HostDevice(flags={SANITIZED!r})
memory = device.allocate(32 * 4)
kept, pointers = addresses([pointer(memory.address), COUNT])
device.launch(device.function("overflow", text), (1, 1, 1), 32, pointers)
print("done")
"""


@pytest.mark.parametrize(("count", "fine"), [(1, True), (2, False)])
def test_a_step_out_of_an_array_is_told_with_its_line(count: int, fine: bool) -> None:
    assert "overflow" not in sources.module_of()
    done = sanitized("-c", OVERFLOW.replace("COUNT", str(count)))
    assert (done.stdout == "done\n") is fine
    assert ("heap-buffer-overflow" in done.stderr and "source.cpp:3" in done.stderr) is not fine
