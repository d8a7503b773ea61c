"""Epilogues inside a kernel: what is done to a vector of results before it is stored."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from netspec_numba.contract import Array, Request
from netspec_numba.kernels.lanes import choose, load_lanes, spread
from netspec_numba.kernels.loops import device, same_layout


class Finish(NamedTuple):
    """An epilogue as kernels take it, besides the array of the residual."""

    adds: int
    """1 if a residual is added, else 0."""
    low: np.float32
    high: np.float32


NO_RESIDUAL = np.zeros(1, np.float32)
UNCHANGED = Finish(0, np.float32(-np.inf), np.float32(np.inf))
"""Of a kernel that is given no epilogue."""
UNLIMITED = np.array([-np.inf, np.inf], np.float32)
"""The limits of an ``Ending`` that clips nothing."""


def finishing(request: Request) -> tuple[Array, Finish]:
    """The residual and the epilogue of a request; raises ValueError where the residual is laid out otherwise."""
    epilogue, residual = request.epilogue, request.residual
    if epilogue is None:
        return NO_RESIDUAL, UNCHANGED
    if residual is not None:
        same_layout(residual.type, request.outputs[0].type)
        if residual.type.sample_stride != request.outputs[0].type.sample_stride:
            raise ValueError(f"{residual.type} lies otherwise than what it is added to")
    finish = Finish(int(residual is not None), np.float32(epilogue.low), np.float32(epilogue.high))
    return NO_RESIDUAL if residual is None else residual.array, finish


def ending(request: Request) -> tuple[Array, int, Array]:
    """The epilogue of a request as convolutions take it: the residual, or the output for lack of one; whether there is
    one; and the limits. See ``Ending``."""
    residual, finish = finishing(request)
    limits = np.array([finish.low, finish.high], np.float32)
    return (residual if finish.adds else request.outputs[0].array), finish.adds, limits


@device
def finished(value: Any, residual: Array, at: int, finish: Finish) -> Any:
    """The vector as it is stored at index ``at``. NaN is neither below nor above a limit, and stays."""
    if finish.adds:
        value = value + load_lanes(residual, at)
    low, high = spread(finish.low), spread(finish.high)
    value = choose(value < low, low, value)
    return choose(value > high, high, value)
