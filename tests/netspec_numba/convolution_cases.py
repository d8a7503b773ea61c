"""Convolutions by their definition in float64, and a harness that runs a kernel on the same numbers.

Run as a program with a kernel cache of its own, it checks a few convolutions under the environment's NETSPEC_LANES.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import kernel_operands  # noqa: F401 - selects the kernel cache, before any kernel is imported
import numba
import numpy as np

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.target import DIRECT
from netspec_numba.contract import ALTERNATIVES, KERNELS, Kernel, Operand, Request, Types
from netspec_numba.host import LANES
from netspec_numba.kernels import (  # noqa: F401 - registers the kernels
    convolution,
    dense,
    dense_rows,
    lane_groups,
    lane_positions,
    lane_sums,
    lane_taps,
    winograd,
)

Array = np.ndarray[Any, np.dtype[Any]]

PLAIN_SUMS = (DIRECT, "lane-groups", "lane-positions", "lane-sums", "lane-taps", "rows")
ERROR_FACTORS = {**dict.fromkeys(PLAIN_SUMS, 4.0), "winograd-2": 4.0, "winograd-4": 16.0}
"""c of the bound |error| <= c*eps*sqrt(K)*sum|x||w|: K fused additions each round by at most eps/2 of a partial sum,
with signs that are as good as random, and four standard deviations leave room. Winograd's transforms multiply numbers
larger than the result, and mix those of a tile: the sum is the largest of a map, or of a filter."""


@dataclass(frozen=True)
class Window:
    """A convolution's attributes. ``padding`` has (before, after) for every axis."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The window on ``x``."""
        output = tuple(
            (length + before + after - dilation * (size - 1) - 1) // stride + 1
            for length, size, stride, (before, after), dilation in zip(
                x.spatial, self.size, self.stride, self.padding, self.dilation, strict=True
            )
        )
        before = tuple(before for before, _ in self.padding)
        return WindowGeometry(x.spatial, output, self.size, self.stride, self.dilation, before)


@dataclass(frozen=True)
class Case:
    """A convolution of ``n`` live samples in a plan for ``batch``."""

    name: str
    spatial: tuple[int, ...]
    channels: int
    outputs: int
    window: Window
    batch: int = 3
    n: int = 2
    bias: bool = True
    plain: bool = False

    def __str__(self) -> str:
        return self.name


def case(
    name: str, spatial: tuple[int, ...], channels: int, outputs: int, size: tuple[int, ...], **options: Any
) -> Case:
    """A case with numbers in place of tuples where all axes agree: stride, dilation, pad (or pairs as ``padding``)."""
    axes = len(spatial)

    def each(value: Any) -> Any:
        return value if isinstance(value, tuple) else (value,) * axes

    pad = each(options.pop("pad", 0))
    padding = options.pop("padding", tuple((amount, amount) for amount in pad))
    stride, dilation = each(options.pop("stride", 1)), each(options.pop("dilation", 1))
    window = Window(size, stride, padding, dilation, options.pop("groups", 1))
    return Case(name, spatial, channels, outputs, window, **options)


def patches(x: Array, geometry: WindowGeometry) -> list[tuple[tuple[Array, ...], tuple[Array, ...]]]:
    """For each tap the index arrays of (output, input) positions that meet, padding left out."""
    found = []
    for tap in itertools.product(*map(range, geometry.size)):
        outs, ins = [], []
        for axis, offset in enumerate(tap):
            out = np.arange(geometry.output[axis])
            read = out * geometry.stride[axis] - geometry.before[axis] + offset * geometry.dilation[axis]
            inside = (read >= 0) & (read < geometry.input[axis])
            outs.append(out[inside])
            ins.append(read[inside])
        found.append((np.ix_(*outs) if outs else (), np.ix_(*ins) if ins else ()))
    return found


def reference(
    op: str, geometry: WindowGeometry, groups: int, left: Array, right: Array, result: tuple[int, ...]
) -> Array:
    """y from (x, w), dx from (dy, w) or dw from (x, dy), channels last, w [taps, channels/groups, outputs]."""
    total = np.zeros(result)
    shape = (groups, -1)
    for tap, (out, read) in enumerate(patches(left, geometry)):
        if not all(places.size for places in out):
            continue  # the tap meets nothing but padding
        every = (slice(None),)
        if op == "y":
            weight = right[tap].reshape(right.shape[1], *shape)
            part = np.einsum("...gc,cgk->...gk", _grouped(left[every + read], groups), weight)
            total[every + out] += part.reshape(*part.shape[:-2], -1)
        elif op == "dx":
            weight = right[tap].reshape(right.shape[1], *shape)
            part = np.einsum("...gk,cgk->...gc", _grouped(left[every + out], groups), weight)
            total[every + read] += part.reshape(*part.shape[:-2], -1)
        else:
            x = _grouped(left[every + read], groups).reshape(-1, groups, left.shape[-1] // groups)
            dy = _grouped(right[every + out], groups).reshape(-1, groups, right.shape[-1] // groups)
            total[tap] += np.einsum("pgc,pgk->cgk", x, dy).reshape(total.shape[1:])
    return total


def _grouped(x: Array, groups: int) -> Array:
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)


def aligned(size: int) -> Array:
    """float32 NaNs on a 64-byte boundary, with 64 readable bytes behind them."""
    memory = np.full(size + 32, np.nan, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + size]


def stored(tensor: TensorType, values: Array | None, batch: int) -> Operand:
    """An operand holding ``values`` in its first samples, and NaN in all padding and dead samples."""
    operand = Operand(tensor, aligned(tensor.stored * (batch if tensor.batched else 1)))
    if values is not None and not tensor.batched:
        operand.array[:] = values.ravel()
    elif values is not None:
        blocked = operand.array.reshape(batch, tensor.blocks, tensor.positions, tensor.lanes)
        for channel in range(tensor.channels):
            channel_values = values[..., channel].reshape(len(values), tensor.positions)
            blocked[: len(values), channel // tensor.lanes, :, channel % tensor.lanes] = channel_values
    return operand


def logical(operand: Operand, n: int) -> Array:
    """The first ``n`` samples of a batched operand, channels last; all of one that is not batched."""
    tensor = operand.type
    if not tensor.batched:
        return operand.array.reshape(tensor.shape)
    blocked = operand.array.reshape(-1, tensor.blocks, tensor.positions, tensor.lanes)[:n]
    joined = blocked.transpose(0, 2, 1, 3).reshape(n, tensor.positions, tensor.blocks * tensor.lanes)
    joined = joined[..., : tensor.channels]
    return joined.reshape(n, *tensor.shape)


def run(
    op: str,
    attrs: Any,
    inputs: list[Operand],
    output: Operand,
    batch: int,
    n: int,
    algorithm: str = DIRECT,
    kept: bool = True,
) -> Array:
    """Build the kernel of ``op`` as a plan would, launch it, return the live part of what it wrote."""
    entry = KERNELS[op] if algorithm == DIRECT else ALTERNATIVES[op][algorithm]
    types = tuple(operand.type for operand in inputs)
    scratch = workspaces(entry, attrs, types, (output.type,), batch, kept)
    launch = entry.build(Request(attrs, tuple(inputs), (output,), batch, 2, scratch))
    launch(n)
    return logical(output, n).copy()


def computes(algorithm: str, op: str, trial: Case, inputs: list[Operand], output: Operand) -> bool:
    """Whether there is such a kernel for this op and these types."""
    entry = ALTERNATIVES.get(op, {}).get(algorithm)
    types = tuple(operand.type for operand in inputs), (output.type,)
    return entry is not None and math.isfinite(entry.cost(trial.window, *types, trial.batch, False))


def workspaces(
    entry: Kernel, attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool = True
) -> dict[str, Array]:
    """All that a kernel asks for, for two threads, full of NaN, in a plan that keeps what is prepared or not."""
    prepared = entry.prepared if kept or entry.passing is None else entry.passing
    sizes = {**entry.scratch(attrs, inputs, outputs, batch, 2), **prepared(attrs, inputs, outputs, batch, 2)}
    return {name: aligned(size) for name, size in sizes.items()}


@dataclass(frozen=True)
class Outcome:
    """What a kernel computed, the exact result, and the bound on their difference."""

    computed: Array
    exact: Array
    bound: Array


def outcomes(trial: Case, prefix: str = "conv", algorithm: str = DIRECT, kept: bool = True) -> dict[str, Outcome]:
    """Run those of forward, data gradient and weight gradient of a case that the algorithm computes.

    Dead samples and padding lanes start as NaN.
    """
    random = np.random.default_rng(7)
    few = trial.channels <= 4
    plain = TensorType((*trial.spatial, trial.channels))
    x_type = plain if few or trial.plain else TensorType(plain.shape, block=LANES)
    geometry = trial.window.geometry(x_type)
    block = None if trial.plain else LANES
    y_type = TensorType((*geometry.output, trial.outputs), block=block)
    groups = trial.window.groups
    weight_shape = (geometry.taps, trial.channels // groups, trial.outputs)
    weight_type = TensorType((*geometry.size, *weight_shape[1:]), batched=False)
    bias_type = TensorType((trial.outputs,), batched=False)
    x, dy, weight, bias = (
        random.standard_normal(shape, dtype=np.float32)
        for shape in ((trial.n, *x_type.shape), (trial.n, *y_type.shape), weight_shape, (trial.outputs,))
    )
    operands = {
        "x": stored(x_type, x, trial.batch),
        "dy": stored(y_type, dy, trial.batch),
        "w": stored(weight_type, weight, trial.batch),
        "b": stored(bias_type, bias, trial.batch),
    }
    results = {"y": (y_type, "xwb" if trial.bias else "xw"), "dw": (weight_type, ("x", "dy"))}
    results["dx"] = (TensorType(plain.shape, block=block), ("dy", "w"))
    found = {}
    for name, (tensor, names) in results.items():
        output = stored(tensor, None, trial.batch)
        op = prefix if name == "y" else f"{prefix}.{name}"
        given = [operands[key] for key in names]
        if algorithm != DIRECT and not computes(algorithm, op, trial, given, output):
            continue
        computed = run(op, trial.window, given, output, trial.batch, trial.n, algorithm, kept)
        left, right = {"y": (x, weight), "dx": (dy, weight), "dw": (x, dy)}[name]
        shape = weight_shape if name == "dw" else (trial.n, *tensor.shape)
        exact = reference(name, geometry, groups, left.astype(float), right.astype(float), shape)
        size = reference(name, geometry, groups, abs(left).astype(float), abs(right).astype(float), shape)
        if name == "y" and trial.bias:
            exact, size = exact + bias, size + abs(bias)
        terms = {"y": weight_shape[0] * weight_shape[1] + 1, "dx": weight_shape[0] * trial.outputs // groups}
        length = terms.get(name, trial.n * y_type.positions)
        if algorithm.startswith("winograd"):
            size = size.max(axis=0 if name == "dw" else (1, 2), keepdims=True)
        bound = ERROR_FACTORS[algorithm] * np.finfo(np.float32).eps * np.sqrt(length) * size
        found[name] = Outcome(computed.reshape(shape), exact, bound)
    return found


def check(trial: Case, prefix: str = "conv", algorithm: str = DIRECT) -> None:
    """Assert that all three directions are within their error bounds."""
    for name, outcome in outcomes(trial, prefix, algorithm).items():
        excess = abs(outcome.computed - outcome.exact) - outcome.bound
        assert not np.isnan(excess).any(), f"{trial}: {name} read padding or left a value unwritten"
        assert excess.max() <= 0, f"{trial}: {name} is off by {excess.max()} more than its bound"


FEW_CASES = (
    case("stem", (9, 8), 3, 6, (3, 3), stride=2, pad=1),
    case("grouped", (6, 7), 9, 15, (3, 2), groups=3, padding=((1, 1), (0, 1))),
    case("strided", (7, 9), 17, 33, (3, 3), stride=(2, 3), pad=1),
    case("line", (19,), 6, 5, (4,), dilation=2, pad=2),
    case("depthwise", (9, 8), 18, 18, (3, 5), groups=18, stride=2, pad=2),
    case("narrow groups", (6, 5), 12, 24, (3, 3), groups=6, pad=1),
)

TILED_CASES = (
    case("tiled", (7, 9), 19, 21, (3, 3), pad=1),
    case("tiled without padding", (6, 5), 5, 33, (3, 3), batch=9, n=7),
    case("one channel", (6, 7), 1, LANES // 2, (3, 2), stride=(2, 1), pad=1),
    case("three filters for each channel", (6, 7), 5, 15, (3, 2), groups=5, stride=(1, 2), pad=1),
    case("few results", (6, 7), 2 * LANES, LANES // 2, (3, 2), stride=(1, 2), pad=1),
)

if __name__ == "__main__":
    for few_case in FEW_CASES:
        check(few_case)
    for tiled_case in TILED_CASES:
        for name_of_algorithm in ALTERNATIVES["conv"]:
            check(tiled_case, algorithm=name_of_algorithm)
    print(f"{len(FEW_CASES) + len(TILED_CASES)} convolutions with {LANES} lanes")


def check_threads(trial: Case, algorithm: str = DIRECT) -> None:
    """The same bits with one thread, with two and with all there are, in each direction that the algorithm computes."""
    available = numba.get_num_threads()
    results = []
    try:
        for threads in (1, min(2, available), available):
            numba.set_num_threads(threads)
            results.append(outcomes(trial, algorithm=algorithm))
    finally:
        numba.set_num_threads(available)
    first, *others = results
    assert first
    for name, outcome in first.items():
        for other in others:
            np.testing.assert_array_equal(outcome.computed, other[name].computed)
