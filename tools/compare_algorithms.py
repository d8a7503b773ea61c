"""Every algorithm of a convolution on the CPU, interleaved in one process: GFLOP/s of the direct algorithm's work.

    python tools/compare_algorithms.py --batch 8 56x64 28x128 14x256

A layer is the side of its map and its channels, in and out; the window is 3x3. Times are those of the processor, not of
the clock on the wall, so that other programs disturb them less; one thread.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv, ConvDw, ConvDx
from netspec.plan import DIRECT
from netspec_numba.host import LANES, configure

configure()

from netspec_numba.contract import Operand, Prepared, Request  # noqa: E402 - the cache has to be selected first
from netspec_numba.kernels import algorithms, find  # noqa: E402
from netspec_numba.state import aligned  # noqa: E402

ROUNDS = 12


def operand(kind: TensorType, batch: int) -> Operand:
    """Random numbers."""
    size = kind.stored * (batch if kind.batched else 1)
    array = aligned(4 * size).view(np.float32)
    array[:] = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    return Operand(kind, array)


def launch(attrs: Any, inputs: tuple[Operand, ...], output: Operand, batch: int, algorithm: str) -> Any:
    """The kernel, without what it prepares from weights."""
    kernel = find(attrs, algorithm)
    types = tuple(each.type for each in inputs), (output.type,)
    sizes = {**kernel.scratch(attrs, *types, batch, 1), **kernel.prepared(attrs, *types, batch, 1)}
    spaces = {name: aligned(4 * size).view(np.float32) for name, size in sizes.items()}
    made = kernel.build(Request(attrs, inputs, (output,), batch, 1, spaces))
    made(batch)
    return made.launch if isinstance(made, Prepared) else made


def measure(side: int, channels: int, batch: int) -> None:
    """Print a line for each direction."""
    conv = Conv(filters=channels, kernel=3, padding="same", bias=False)
    image = TensorType((side, side, channels), block=LANES)
    weight = TensorType((3, 3, channels, channels), batched=False)
    x, y, w = operand(image, batch), operand(image, batch), operand(weight, batch)
    work = 2e-9 * batch * image.positions * 9 * channels**2
    directions = {
        "forward": (conv, (x, w), y),
        "data gradient": (ConvDx(conv=conv, x=image), (y, w), x),
        "weight gradient": (ConvDw(conv=conv), (x, y), w),
    }
    for name, (attrs, inputs, output) in directions.items():
        types = tuple(each.type for each in inputs), (output.type,)
        found = algorithms(attrs, *types, batch, "fast", True)
        launches = {each: launch(attrs, inputs, output, batch, each) for each in sorted(found)}
        best = dict.fromkeys(launches, float("inf"))
        for _ in range(ROUNDS):
            for each, run in launches.items():
                begin = time.process_time()
                run(batch)
                best[each] = min(best[each], time.process_time() - begin)
        rates = "  ".join(f"{each} {work / seconds:4.0f}" for each, seconds in best.items())
        chosen = "" if found[0] == DIRECT else f", chosen: {found[0]}"
        print(f"{channels} at {side}x{side}, batch {batch}, {name}: {rates}{chosen}", flush=True)


def main() -> None:
    """Read the layers and measure each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", nargs="+", metavar="SIDExCHANNELS")
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    import numba

    numba.set_num_threads(1)
    for layer in options.layers:
        side, channels = map(int, layer.split("x"))
        measure(side, channels, options.batch)


if __name__ == "__main__":
    main()
