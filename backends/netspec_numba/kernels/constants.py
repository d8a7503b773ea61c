"""Numbers known when the graph is built."""

from __future__ import annotations

from netspec_numba.contract import Launch, Request, kernel


@kernel("constant")
def constant(request: Request) -> Launch:
    """Writes the number at every run: its place in the arena belongs to other values before and after."""
    array, value = request.outputs[0].array, request.attrs.value

    def launch(n: int) -> None:
        array[0] = value

    return launch
