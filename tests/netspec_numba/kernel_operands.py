"""Operands made from logical arrays, and read back: what every test of a kernel needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np

from netspec.core.types import TensorType
from netspec_numba.contract import KERNELS, Launch, Operand, Request
from netspec_numba.host import LANES, configure

# Before any kernel is imported: in a cache that is not of this vector width, code of another one would be found.
configure()

TAIL_BYTES = 64
"""Readable bytes the planner leaves behind every operand."""

DTYPES: dict[str, Any] = {"float32": np.float32, "int32": np.int32, "uint8": np.uint8, "bool": np.bool_}


def tensor(shape: Sequence[int], dtype: Any = "float32", batched: bool = True) -> TensorType:
    """A type in the layout the backend uses: blocked where there are spatial axes."""
    block = LANES if batched and len(shape) > 1 else None
    return TensorType(tuple(shape), dtype, batched, block)


def empty(kind: TensorType, batch: int) -> Operand:
    """An operand full of NaN (or of large numbers), its tail as well."""
    size = kind.stored * (batch if kind.batched else 1)
    dtype = np.dtype(DTYPES[kind.dtype])
    storage = np.full(size + TAIL_BYTES // dtype.itemsize, np.nan if dtype.kind == "f" else 1, dtype)
    if dtype.kind in "iu":
        storage[...] = np.iinfo(dtype).max
    return Operand(kind, storage[:size])


def operand(kind: TensorType, values: Any, batch: int) -> Operand:
    """An operand that holds the logical array ``values`` (samples first if batched); all else is NaN."""
    made = empty(kind, batch)
    values = np.asarray(values)
    if not kind.batched:
        made.array[...] = values.reshape(-1)
        return made
    samples = len(values)
    flat = values.reshape(samples, kind.positions, kind.channels)
    view = made.array.reshape(batch, kind.blocks, kind.positions, kind.lanes)
    for channel in range(kind.channels):
        view[:samples, channel // kind.lanes, :, channel % kind.lanes] = flat[:, :, channel]
    return made


def logical(made: Operand, samples: int = 1) -> Any:
    """The logical array of the first samples, or of a value that is not batched."""
    kind = made.type
    if not kind.batched:
        return made.array.reshape(kind.shape).copy()
    size = samples * kind.stored
    view = made.array[:size].reshape(samples, kind.blocks, kind.positions, kind.lanes).transpose(0, 2, 1, 3)
    flat = view.reshape(samples, kind.positions, kind.blocks * kind.lanes)[:, :, : kind.channels]
    return flat.reshape(samples, *kind.shape).copy()


def request(
    op: str, attrs: Any, inputs: Sequence[Operand], outputs: Sequence[Operand], batch: int, threads: int = 1
) -> Request:
    """A request with scratch as the kernel asks for, filled with NaN."""
    ins, outs = tuple(each.type for each in inputs), tuple(each.type for each in outputs)
    kernel = KERNELS.get(op)
    wanted = (kernel.scratch, kernel.prepared) if kernel else ()
    sizes = {name: size for each in wanted for name, size in each(attrs, ins, outs, batch, threads).items()}
    scratch = {name: np.full(size, np.nan, np.float32) for name, size in sizes.items()}
    return Request(attrs, tuple(inputs), tuple(outputs), batch, threads, scratch)


def run(op: str, attrs: Any, inputs: Sequence[Operand], outputs: Sequence[Operand], batch: int, n: int) -> None:
    """Build and launch a kernel with one thread, then with two, and demand the same bits of both."""
    launch = KERNELS[op].build(request(op, attrs, inputs, outputs, batch))
    same_bits(launch, inputs, outputs, n)


def same_bits(launch: Launch, inputs: Sequence[Operand], outputs: Sequence[Operand], n: int) -> None:
    """Launch with one and with two threads from the same inputs; what lies past sample n must stay as it was."""
    before = [each.array.copy() for each in (*inputs, *outputs)]
    results = []
    threads = numba.get_num_threads()
    try:
        for count in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            for each, old in zip((*inputs, *outputs), before, strict=True):
                each.array[...] = old
            numba.set_num_threads(count)
            launch(n)
            results.append([each.array.copy() for each in outputs])
    finally:
        numba.set_num_threads(threads)
    for each, old, one, two in zip(outputs, before[len(inputs) :], *results, strict=True):
        assert live(each.type, one, n) == live(each.type, two, n), f"{each.type} depends on the threads"
        if each.type.batched:
            rest = slice(n * each.type.stored, None)
            assert one[rest].tobytes() == old[rest].tobytes(), f"{each.type} written past the live samples"


def live(kind: TensorType, array: Any, n: int) -> bytes:
    """Bits of what counts: the real lanes of the live samples."""
    return bytes(logical(Operand(kind, array), n).tobytes())


def close(got: Any, want: Any, scale: float = 4.0) -> None:
    """Equal to within ``scale`` float32 roundings of the largest number that took part."""
    want = np.asarray(want, np.float64)
    bound = scale * np.finfo(np.float32).eps * max(1.0, float(np.nanmax(np.abs(want), initial=0.0)))
    np.testing.assert_allclose(np.asarray(got, np.float64), want, rtol=0.0, atol=bound)


def positions(shape: Sequence[int]) -> int:
    """Product of the spatial axes."""
    return math.prod(shape[:-1])
