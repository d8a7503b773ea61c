"""Pooling against direct loops in float64."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from kernel_operands import close, empty, logical, operand, run, tensor

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.host import LANES
from netspec_numba.kernels import pooling  # noqa: F401 - registers the kernels


@dataclass(frozen=True)
class Pool:
    """Attributes of a pooling op; ``after`` is the declared trailing padding."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil: bool = False
    count_padding: bool = False

    def geometry(self, x: TensorType) -> WindowGeometry:
        output = []
        for axis, length in enumerate(x.spatial):
            reach = self.dilation[axis] * (self.size[axis] - 1) + 1
            room = length + self.before[axis] + self.after[axis] - reach
            output.append((room + (self.stride[axis] - 1 if self.ceil else 0)) // self.stride[axis] + 1)
        return WindowGeometry(x.spatial, tuple(output), self.size, self.stride, self.dilation, self.before)

    def padding_after(self, x: TensorType) -> tuple[int, ...]:
        return self.after


def pool(rank: int, size: int, stride: int, pad: int = 0, dilation: int = 1, **more: Any) -> Pool:
    return Pool(*((each,) * rank for each in (size, stride, pad, pad, dilation)), **more)


CASES = [
    ((9,), pool(1, 2, 2)),
    ((10,), pool(1, 3, 2, 1, ceil=True)),
    ((8, 6), pool(2, 2, 2)),
    ((7, 9), pool(2, 3, 2, 1)),
    ((7, 8), pool(2, 3, 2, 0, ceil=True)),
    ((6, 6), pool(2, 3, 1, 1)),
    ((9, 9), pool(2, 5, 3, 2, ceil=True)),
    ((7, 7), pool(2, 2, 1, 1, 3)),
    ((5, 4, 6), pool(3, 2, 2, 0, ceil=True)),
    ((5, 5, 5), pool(3, 3, 2, 1)),
    ((4, 4), pool(2, 1, 2)),
    ((3, 300), Pool((1, 4), (1, 3), (0, 0), (0, 0), (1, 1))),
]
CHANNELS = [1, 3, LANES, LANES + 1]


def windows(geometry: WindowGeometry) -> Any:
    """For each output position its index and the taps seen: (tap number, input index)."""
    for place in itertools.product(*map(range, geometry.output)):
        seen = []
        for number, tap in enumerate(itertools.product(*map(range, geometry.size))):
            each = zip(place, geometry.stride, geometry.before, tap, geometry.dilation, strict=True)
            at = tuple(o * s - b + t * d for o, s, b, t, d in each)
            if all(0 <= a < length for a, length in zip(at, geometry.input, strict=True)):
                seen.append((number, at))
        yield place, seen


def reference_maximum(x: Any, geometry: WindowGeometry) -> tuple[Any, Any]:
    y = np.full((len(x), *geometry.output, x.shape[-1]), -np.inf)
    index = np.zeros(y.shape, np.int64)
    for place, seen in windows(geometry):
        if seen:
            candidates = np.stack([x[(slice(None), *at)] for _, at in seen])
            best = np.argmax(candidates, axis=0)  # the first maximum, or the first NaN
            y[(slice(None), *place)] = np.take_along_axis(candidates, best[None], 0)[0]
            index[(slice(None), *place)] = np.array([number for number, _ in seen])[best]
    return y, index


@pytest.mark.parametrize(("spatial", "attrs"), CASES)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("batch", [3, 16], ids=["few planes", "many planes"])  # which gradients take in parts, or whole
def test_max_pool_and_its_gradient(spatial: tuple[int, ...], attrs: Pool, channels: int, batch: int) -> None:
    rng = np.random.default_rng(1)
    n = 2
    kind = tensor((*spatial, channels))
    geometry = attrs.geometry(kind)
    out = tensor((*geometry.output, channels))
    dtype = "int32" if channels == 3 else "uint8"
    x = rng.integers(-3, 3, (n, *spatial, channels)).astype(np.float32)  # few values, many ties
    want, want_index = reference_maximum(x, geometry)
    y, index = empty(out, batch), empty(tensor(out.shape, dtype), batch)
    run("max_pool", attrs, [operand(kind, x, batch)], [y, index], batch, n)
    np.testing.assert_array_equal(logical(y, n), want)
    np.testing.assert_array_equal(logical(index, n), want_index)

    dy = rng.normal(size=want.shape).astype(np.float32)
    want_dx = np.zeros(x.shape)
    for place, seen in windows(geometry):
        for number, at in seen:
            won = want_index[(slice(None), *place)] == number
            want_dx[(slice(None), *at)] += np.where(won, dy[(slice(None), *place)], 0)
    dx = empty(kind, batch)
    run("max_pool.dx", attrs, [index, operand(out, dy, batch)], [dx], batch, n)
    close(logical(dx, n), want_dx)


def test_max_pool_passes_nan_on_and_padding_never_wins() -> None:
    attrs = pool(2, 3, 2, 1)
    kind = tensor((6, 6, 2))
    x = np.full((1, 6, 6, 2), -np.inf, np.float32)
    x[0, 2, 2, 0] = x[0, 2, 3, 0] = np.nan
    x[0, 4, 4, 1] = np.inf
    want, want_index = reference_maximum(x, attrs.geometry(kind))
    y, index = empty(tensor(want.shape[1:]), 1), empty(tensor(want.shape[1:], "uint8"), 1)
    run("max_pool", attrs, [operand(kind, x, 1)], [y, index], 1, 1)
    np.testing.assert_array_equal(logical(y, 1), want)
    np.testing.assert_array_equal(logical(index, 1), want_index)
    assert np.isnan(want).sum() == 2


@pytest.mark.parametrize("batch", [2, 16], ids=["few planes", "many planes"])
def test_the_gradient_of_a_plain_image_stays_within_its_channels(batch: int) -> None:
    attrs = pool(2, 3, 2)
    kind, out = TensorType((6, 5, 3)), TensorType((2, 2, 3))
    rng = np.random.default_rng(3)
    x, dy = rng.normal(size=(2, 6, 5, 3)).astype(np.float32), rng.normal(size=(2, 2, 2, 3)).astype(np.float32)
    _, index = reference_maximum(x, attrs.geometry(kind))
    want = np.zeros(x.shape)
    for place, seen in windows(attrs.geometry(kind)):
        for number, at in seen:
            want[(slice(None), *at)] += np.where(index[(slice(None), *place)] == number, dy[(slice(None), *place)], 0)
    dx = empty(kind, batch)
    given = [operand(TensorType(out.shape, "uint8"), index, batch), operand(out, dy, batch)]
    run("max_pool.dx", attrs, given, [dx], batch, 2)
    close(logical(dx, 2), want)


def test_a_plain_image_pools_as_well() -> None:
    attrs = pool(2, 2, 2)
    x = np.random.default_rng(2).normal(size=(2, 4, 6, 3)).astype(np.float32)
    want, want_index = reference_maximum(x, attrs.geometry(TensorType((4, 6, 3))))
    y, index = empty(TensorType((2, 3, 3)), 2), empty(TensorType((2, 3, 3), "uint8"), 2)
    run("max_pool", attrs, [operand(TensorType((4, 6, 3)), x, 2)], [y, index], 2, 2)
    np.testing.assert_array_equal(logical(y, 2), want)
    np.testing.assert_array_equal(logical(index, 2), want_index)


def divisor(attrs: Pool, geometry: WindowGeometry, place: tuple[int, ...], seen: list[Any]) -> int:
    if not attrs.count_padding:
        return max(1, len(seen))
    cells = 1
    for axis, at in enumerate(place):
        first = at * geometry.stride[axis] - geometry.before[axis]
        taps = (first + tap * geometry.dilation[axis] for tap in range(geometry.size[axis]))
        cells *= sum(tap < geometry.input[axis] + attrs.after[axis] for tap in taps)
    return cells


@pytest.mark.parametrize("count_padding", [False, True])
@pytest.mark.parametrize(("spatial", "attrs"), CASES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_average_pool_and_its_gradient(
    spatial: tuple[int, ...], attrs: Pool, channels: int, count_padding: bool
) -> None:
    attrs = Pool(attrs.size, attrs.stride, attrs.before, attrs.after, attrs.dilation, attrs.ceil, count_padding)
    rng = np.random.default_rng(3)
    batch, n = 3, 2
    kind = tensor((*spatial, channels))
    geometry = attrs.geometry(kind)
    out = tensor((*geometry.output, channels))
    x = rng.normal(size=(n, *spatial, channels)).astype(np.float32)
    dy = rng.normal(size=(n, *out.shape)).astype(np.float32)
    want, want_dx = np.zeros(dy.shape), np.zeros(x.shape)
    for place, seen in windows(geometry):
        count = divisor(attrs, geometry, place, seen)
        for _, at in seen:
            want[(slice(None), *place)] += x[(slice(None), *at)].astype(np.float64) / count
            want_dx[(slice(None), *at)] += dy[(slice(None), *place)].astype(np.float64) / count
    y, dx = empty(out, batch), empty(kind, batch)
    run("avg_pool", attrs, [operand(kind, x, batch)], [y], batch, n)
    run("avg_pool.dx", attrs, [operand(out, dy, batch)], [dx], batch, n)
    close(logical(y, n), want)
    close(logical(dx, n), want_dx)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("spatial", [(5,), (3, 7), (2, 3, 4), (40, 40)])
def test_global_average_pool_and_its_gradient(spatial: tuple[int, ...], channels: int, keep: bool) -> None:
    rng = np.random.default_rng(4)
    batch, n = 3, 2
    kind = tensor((*spatial, channels))
    out = tensor((*(1 for _ in spatial), channels) if keep else (channels,))
    x = rng.normal(3.0, size=(n, *spatial, channels)).astype(np.float32)
    y, dx = empty(out, batch), empty(kind, batch)
    run("global_avg_pool", None, [operand(kind, x, batch)], [y], batch, n)
    axes = tuple(range(1, len(spatial) + 1))
    want = x.mean(axis=axes, dtype=np.float64, keepdims=keep)
    np.testing.assert_array_equal(logical(y, n), want.astype(np.float32))  # summed in float64, rounded once
    dy = rng.normal(size=(n, *out.shape)).astype(np.float32)
    run("global_avg_pool.dx", None, [operand(out, dy, batch)], [dx], batch, n)
    share = dy.reshape(n, *(1 for _ in spatial), channels) / np.prod(spatial)
    close(logical(dx, n), np.broadcast_to(share, x.shape))
