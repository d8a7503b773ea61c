"""Which steps are too small to be shared among threads: handing work over takes longer than what is gained.

Shapes decide, never a clock, and not the bits either: a kernel cuts its work alike for any number of threads.
"""

from __future__ import annotations

from netspec.core import op as ops
from netspec.plan import Step
from netspec_numba.host import LANES
from netspec_numba.kernels import find

FEW_BYTES = 2**17
"""What one thread reads and writes within two to five microseconds, as long as two threads need to find each other."""

FEW_MULTIPLY_ADDS = 2.0**15
"""Multiply-adds of vectors that take as long."""


def is_small(step: Step, batch: int) -> bool:
    """Whether one thread alone is to run this step for up to ``batch`` samples."""
    node = step.node
    touched = dict.fromkeys((*node.inputs, *node.outputs))
    if sum(value.type.bytes(batch) for value in touched) > FEW_BYTES:
        return False
    types = tuple(value.type for value in node.operands), tuple(value.type for value in node.outputs)
    stated = batch * ops.macs(node.attrs, tuple(value.type for value in node.data), types[1]) / LANES
    return max(stated, find(node.attrs, step.algorithm).cost(node.attrs, *types, batch, step.kept)) <= FEW_MULTIPLY_ADDS
