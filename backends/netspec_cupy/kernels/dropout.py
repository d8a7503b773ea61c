"""Dropout: a mask that is computed anew wherever it is needed."""

from __future__ import annotations

import ctypes

from netspec_cupy.contract import HALVES, Launch, Request, kernel, named

DROPS = ("element", "channel", "sample")
"""What drops as one, in the kernel's numbering."""
WORD = 2**32


@kernel("dropout.mask", storage=HALVES)
def dropout_mask(request: Request) -> Launch:
    """x, seed, step -> x without its dropped elements, the others times 1/(1 − rate); of dy it makes dx."""
    (x, seed, step), (y,), attrs = request.inputs, request.outputs, request.attrs
    rate, key = float(attrs.rate), int(attrs.key)
    sizes = request.live, x.type.positions, x.type.channels, DROPS.index(attrs.drop)
    threshold, scale = ctypes.c_ulonglong(round(rate * WORD)), 1.0 / (1.0 - rate)
    halves = ctypes.c_uint(key % WORD), ctypes.c_uint(key // WORD % WORD)
    return request.per_number(
        named("dropout_mask", x), x.type.elements, x, seed, step, y, *sizes, threshold, scale, *halves
    )
