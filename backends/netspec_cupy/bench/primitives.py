"""What ``device.cuh`` offers, tried on a device name by name: on a GPU it has to give what the host half gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from netspec_cupy import contract
from netspec_cupy.contract import Array, Device, pointer
from netspec_cupy.kernels.dense import HOPPER, TILES

TEXT, OF_HOPPER = (
    (Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("primitives.cu", "warpgroups.cu")
)
DEPTH = 104
"""Three rows of TF32 and a bit, so that the pipeline fills, runs and empties."""
MUCH = 15_000
"""float32 that take more than the 48 KiB of shared memory that are there unasked."""


def run(
    device: Device, name: str, threads: int, given: list[Any], output: Array, shared: int = 0, text: str = TEXT
) -> Array:
    """What a kernel of ``text`` puts into an array like ``output``, which is the last of its arrays."""
    arrays = [each for each in (*given, output) if isinstance(each, np.ndarray)]
    held = [device.allocate(array.nbytes) for array in arrays]
    device.send([(memory.address, array) for memory, array in zip(held, arrays, strict=True)])
    places = iter(held)
    numbers = [each for each in given if not isinstance(each, np.ndarray)]
    kept, pointers = contract.addresses([*(pointer(memory.address) for memory in places), *numbers])
    device.launch(device.function(name, text), (1, 1, 1), threads, pointers, shared)
    found = np.empty_like(output)
    device.fetch(held[-1].address, found)
    del kept
    return found


def complaints(device: Device) -> dict[str, str]:
    """By what was tried, what is wrong with it; empty where nothing is."""
    found = {}
    for name, check in (CHECKS | (CHECKS_OF_HOPPER if device.capability == HOPPER else {})).items():
        wrong = check(device)
        found[name] = "" if wrong is None else wrong
    return found


def _roundings(device: Device) -> str | None:
    x = np.array([1 + 2.0**-11, 1 + 3 * 2.0**-11, 1 + 2.0**-8, 1 + 3 * 2.0**-8, np.inf, np.nan, -3.25], np.float32)
    both = run(device, "round_both", 128, [x, x.size], np.empty((2, x.size), np.float32))
    # ties of TF32 go away from zero, those of bfloat16 to even
    wanted = [1 + 2.0**-10, 1 + 2.0**-9, 1.0, 1 + 2.0**-6, np.inf, np.nan, -3.25]
    actual = np.array([*both[0, :2], *both[1, 2:]])
    return None if np.array_equal(actual, wanted, equal_nan=True) else f"{actual.tolist()} for {wanted}"


def _product(kind: str, digits: int) -> Callable[[Device], str | None]:
    def check(device: Device) -> str | None:
        generator = np.random.default_rng(3)
        a, b = (generator.standard_normal((64, DEPTH)).astype(np.float32) for _ in range(2))
        given = [a, b, DEPTH] if kind == "tf32" else [to_bf16(a), to_bf16(b), DEPTH]
        found = run(device, f"multiply_{kind}", 128, given, np.full((64, 64), np.nan, np.float32))
        error = float(np.abs(found - a @ b.T).max())
        # Each factor is off by half a unit of its last digit, and ten standard deviations of 104 products are 100.
        return None if error < 100 * 2.0**-digits else f"an error of {error}"

    return check


def _product_of_groups(kind: str, digits: int) -> Callable[[Device], str | None]:
    def check(device: Device) -> str | None:
        generator = np.random.default_rng(3)
        a, b = (generator.standard_normal((128, DEPTH)).astype(np.float32) for _ in range(2))
        shared = TILES[f"{'tf32' if kind == 'tf32' else 'bfloat16'}/warpgroups"].shared
        output = np.full((128, 128), np.nan, np.float32)
        given = [a, b, DEPTH] if kind == "tf32" else [to_bf16(a), to_bf16(b), DEPTH]
        found = run(device, f"multiply_groups_{kind}", 256, given, output, shared, OF_HOPPER)
        error = float(np.abs(found - a @ b.T).max())
        return None if error < 100 * 2.0**-digits else f"an error of {error}"  # as of a single product

    return check


def to_bf16(x: Array) -> Array:
    """The upper halves of the bits, rounded to even: how a GPU stores bfloat16."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def _shuffles(device: Device) -> str | None:
    x = np.arange(64, dtype=np.float32)
    found = run(device, "add_lanes", 64, [x], np.empty_like(x))
    wanted = np.repeat([x[:32].sum(), x[32:].sum()], 32)
    return None if np.array_equal(found, wanted) else f"{found.tolist()}"


def _shared(device: Device) -> str | None:
    x = np.arange(MUCH, dtype=np.float32)
    bytes = -(-x.nbytes // 1024) * 1024
    found = run(device, "turn_round", 128, [x, MUCH], np.empty_like(x), bytes)
    return None if np.array_equal(found, x[::-1]) else "numbers are not where they were put"


def _matrices(device: Device) -> str | None:
    x = np.arange(256, dtype=np.uint16).reshape(4, 8, 8)
    found = run(device, "load_both_ways", 32, [x], np.empty((2, 4, 8, 8), np.uint16), x.nbytes)
    right = np.array_equal(found, [x, x.transpose(0, 2, 1)])
    return None if right else "fragments are not the rows, or not the columns, of matrices"


def _halves(device: Device) -> str | None:
    x = np.linspace(-1, 1, 128).astype(np.float32)
    found = run(device, "double_halves", 32, [to_bf16(x)], np.empty(128, np.uint16))
    return None if np.array_equal(found, to_bf16(2 * x)) else "numbers of 16 bits are not what they were"


CHECKS: dict[str, Callable[[Device], str | None]] = {
    "roundings": _roundings,
    "tf32": _product("tf32", 10),
    "bf16": _product("bf16", 8),
    "shuffles": _shuffles,
    "dynamic shared memory": _shared,
    "matrices": _matrices,
    "halves": _halves,
}

CHECKS_OF_HOPPER = {"groups, tf32": _product_of_groups("tf32", 10), "groups, bf16": _product_of_groups("bf16", 8)}
