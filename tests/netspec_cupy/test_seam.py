"""The host half keeps what the seam promises, and finds what is wrong with a kernel that uses it wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.diagnostics import RunError
from netspec_cupy import nvrtc, sources
from netspec_cupy.bench import primitives
from netspec_cupy.contract import addresses, pointer
from netspec_cupy.host_device import HostDevice

WRONG = (Path(__file__).parent / "seam.cu").read_text(encoding="utf-8")
TEXT = primitives.TEXT
SCHEDULES = (0, 1, 7)
DEPTH = 100
"""Three rows of TF32 and a bit, so that the pipeline fills, runs and empties."""


def run(device: HostDevice, name: str, threads: int, *arguments: Any, text: str = TEXT) -> None:
    given = [pointer(each.ctypes.data) if isinstance(each, np.ndarray) else each for each in arguments]
    kept, pointers = addresses(given)
    device.launch(device.function(name, text), (1, 1, 1), threads, pointers)
    assert kept


def to_bf16(x: Any) -> Any:
    """The upper halves of the bits, rounded to even: how a GPU stores bfloat16."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def product(text: str, schedule: int, kind: str = "tf32") -> tuple[Any, Any]:
    """The product by the kernel, and by NumPy."""
    generator = np.random.default_rng(3)
    a, b = (generator.standard_normal((64, DEPTH + 4)).astype(np.float32) for _ in range(2))
    c = np.full((64, 64), np.nan, np.float32)
    given = (a, b) if kind == "tf32" else (to_bf16(a), to_bf16(b))
    run(HostDevice(schedule), f"multiply_{kind}", 128, *given, c, DEPTH + 4, text=text)
    return c, a @ b.T


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("kind", "digits"), [("tf32", 10), ("bf16", 8)])
def test_tensor_cores_and_pipelines(schedule: int, kind: str, digits: int) -> None:
    found, expected = product(TEXT, schedule, kind)
    # Each factor is off by half a unit of its last digit, and ten standard deviations of 104 products are 100.
    assert np.abs(found - expected).max() < 100 * 2.0**-digits


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_all_that_the_bench_tries_on_a_gpu(schedule: int) -> None:
    found = primitives.complaints(HostDevice(schedule))
    assert {name: text for name, text in found.items() if text} == {}
    assert {"roundings", "tf32", "bf16", "shuffles", "dynamic shared memory", "matrices", "halves"} == found.keys()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_what_it_tries_on_hopper(schedule: int) -> None:
    found = primitives.complaints(HostDevice(schedule, capability=90))
    assert {name: text for name, text in found.items() if text} == {}
    assert {"groups, tf32", "groups, bf16"} <= found.keys()


def test_threads_that_wait_for_ever_are_named() -> None:
    with pytest.raises(RunError, match=r"kernel 'wait_for_nobody' does not come to its end: in block \(.*\) 32 of"):
        run(HostDevice(), "wait_for_nobody", 32, np.zeros(64, np.float32), text=WRONG)


def test_a_device_works_on_after_a_kernel_that_did_not_end() -> None:
    device = HostDevice()
    with pytest.raises(RunError):
        run(device, "wait_for_nobody", 32, np.zeros(64, np.float32), text=WRONG)
    x = np.ones(5, np.float32)
    run(device, "round_numbers", 128, x, x, x, 5)
    assert x.tolist() == [1.0] * 5


def test_shared_memory_that_was_not_written_is_nan() -> None:
    y = np.zeros(32, np.float32)
    for _ in range(2):
        run(HostDevice(), "read_too_early", 32, y, text=WRONG)
        assert np.isnan(y).all()


MUTATIONS = {
    "a wait that is too lax": ("wait_for_copies<STAGES - 2>();", "wait_for_copies<STAGES - 1>();"),
    "a wait that is left out": ("    wait_for_copies<STAGES - 2>();\n", ""),
    "a barrier that is left out": ("    barrier();\n    if (step + STAGES", "    if (step + STAGES"),
    "a swizzle of another kind for reading": (
        "*(const u32*)&of_left[swizzled(row, byte)]",
        "*(const u32*)&of_left[swizzled(row, byte) ^ 16]",
    ),
    "a fragment of the wrong rows": ("group + each % 2 * 8, byte", "group + each / 2 * 8, byte"),
    "an end that is too far": ("bool inside = column < depth;", "bool inside = column < depth + 4;"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_mutations_are_found(mutation: str) -> None:
    right, wrong = MUTATIONS[mutation]
    assert TEXT.count(right) == 1
    text = TEXT.replace(right, wrong)
    assert not all(_is_right(text, schedule) for schedule in SCHEDULES)


def _is_right(text: str, schedule: int) -> bool:
    found, expected = product(text, schedule)
    return bool((np.abs(found - expected) < 0.1).all())


@pytest.mark.parametrize("target", nvrtc.ARCHITECTURES[1:])
def test_the_gpu_half_compiles(target: str) -> None:
    found = nvrtc.compile_source(TEXT, target).figures
    declared = sources.module("seam", TEXT).kernels
    assert {name for name in declared if found[name].registers > declared[name].registers} == set()
    assert not any(figures.spilled for figures in found.values())


def test_products_of_warpgroups_are_not_put_one_after_the_other() -> None:
    """ptxas says so (C7510) where it has to wait for each product, because sums are touched in between."""
    assert nvrtc.compile_source(primitives.OF_HOPPER, "sm_90a").warnings == ()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_portable_switch_of_fibers(schedule: int) -> None:
    """Where the processor is no x86-64 the operating system switches stacks; slower, but the same.

    Kernels wait in blocks of their own device, whichever of the two the process has loaded first.
    """
    portable, native = HostDevice(schedule, flags=("-DNETSPEC_UCONTEXT",)), HostDevice(schedule)
    for device in (portable, native, portable):
        found = primitives.complaints(device)
        assert {name: text for name, text in found.items() if text} == {}
        assert found.keys() == primitives.CHECKS.keys()
