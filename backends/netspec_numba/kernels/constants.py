"""Numbers known when the graph is built."""

from __future__ import annotations

from collections.abc import Iterator

from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.kernels.loops import serial


@kernel("constant")
def constant(request: Request) -> Launch:
    """Writes the number at every run: its place in the arena belongs to other values before and after."""
    array, value = request.outputs[0].array, float(request.attrs.value)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield set_number, (array, value)

    return launch


@serial
def set_number(array: Array, value: float) -> None:
    """array (1,) = value."""
    array[0] = value
