"""Every algorithm of a convolution on the CPU, interleaved in one process: GFLOP/s of the direct algorithm's work.

    python tools/compare_algorithms.py --batch 8 56x64 28x128 14x256
    python tools/compare_algorithms.py --torch --stride 2 56x32:64/32 56x128:128/32

A layer is the side of its map and its channels, in and out, or in, out and groups; the window is 3x3. Times are those
of the processor, not of the clock on the wall, so that other programs disturb them less; one thread. With ``--torch``
PyTorch computes the same, on numbers that lie as NCHW and channels last.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv, ConvDw, ConvDx
from netspec.target import DIRECT
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


Layer = tuple[int, int, int, int]
"""Side of the map, channels in and out, groups."""


def layer(text: str) -> Layer:
    """SIDExCHANNELS[:FILTERS/GROUPS]"""
    side, _, channels = text.partition("x")
    channels, _, rest = channels.partition(":")
    filters, _, groups = rest.partition("/")
    return int(side), int(channels), int(filters or channels), int(groups or 1)


def torch_launches(conv: Conv, x: TensorType, batch: int) -> dict[str, dict[str, Any]]:
    """By direction, what PyTorch does with each layout."""
    import torch

    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {"forward": {}, "data gradient": {}, "weight gradient": {}}
    stride, ones, zeros = [conv.stride] * 2, [1, 1], [0, 0]
    for name, form in (("torch", torch.contiguous_format), ("channels_last", torch.channels_last)):
        image = torch.randn(batch, x.channels, *x.spatial).contiguous(memory_format=form)
        weight = torch.randn(conv.filters, x.channels // conv.groups, 3, 3).contiguous(memory_format=form)
        forward = partial(torch.conv2d, image, weight, None, stride, ones, ones, conv.groups)
        slopes = torch.randn_like(forward()).contiguous(memory_format=form)
        window = (None, stride, ones, ones, False, zeros, conv.groups)
        backward = partial(torch.ops.aten.convolution_backward, slopes, image, weight, *window)
        found["forward"][name] = _ignoring_the_batch(forward)
        found["data gradient"][name] = _ignoring_the_batch(partial(backward, [True, False, False]))
        found["weight gradient"][name] = _ignoring_the_batch(partial(backward, [False, True, False]))
    return found


def _ignoring_the_batch(call: Callable[[], Any]) -> Callable[[int], Any]:
    return lambda n: call()


def measure(sizes: Layer, stride: int, batch: int, against: bool) -> None:
    """Print a line for each direction."""
    side, channels, filters, groups = sizes
    conv = Conv(filters=filters, kernel=3, padding=1, stride=stride, groups=groups, bias=False)
    image = TensorType((side, side, channels), block=LANES)
    result = TensorType(conv.infer(image).shape, block=LANES)
    weight = TensorType((3, 3, channels // groups, filters), batched=False)
    x, y, w = operand(image, batch), operand(result, batch), operand(weight, batch)
    work = 2e-9 * batch * result.positions * 9 * (channels // groups) * filters
    directions = {
        "forward": (conv, (x, w), y),
        "data gradient": (ConvDx(conv=conv, x=image), (y, w), x),
        "weight gradient": (ConvDw(conv=conv), (x, y), w),
    }
    peer = torch_launches(conv, image, batch) if against else {}
    with_groups = f" to {filters} in {groups} groups" if groups > 1 else ""
    for name, (attrs, inputs, output) in directions.items():
        types = tuple(each.type for each in inputs), (output.type,)
        found = algorithms(attrs, *types, batch, "fast", True)
        launches = {each: launch(attrs, inputs, output, batch, each) for each in sorted(found)} | peer.get(name, {})
        best = dict.fromkeys(launches, float("inf"))
        for _ in range(ROUNDS):
            for each, run in launches.items():
                begin = time.process_time()
                run(batch)
                best[each] = min(best[each], time.process_time() - begin)
        rates = "  ".join(f"{each} {work / seconds:4.0f} ({1e3 * seconds:.2f} ms)" for each, seconds in best.items())
        chosen = "" if found[0] == DIRECT else f", chosen: {found[0]}"
        where = f"{channels}{with_groups} at {side}x{side}, stride {stride}, batch {batch}"
        print(f"{where}, {name}: {rates}{chosen}", flush=True)


def main() -> None:
    """Read the layers and measure each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", nargs="+", type=layer, metavar="SIDExCHANNELS[:FILTERS/GROUPS]")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--torch", action="store_true", help="PyTorch's convolutions too")
    options = parser.parse_args()
    import numba

    numba.set_num_threads(1)
    for each in options.layers:
        measure(each, options.stride, options.batch, options.torch)


if __name__ == "__main__":
    main()
