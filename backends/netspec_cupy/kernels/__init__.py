"""Kernels, one file a family: the source for the device and beside it, in Python, what is launched for which op."""

from __future__ import annotations

import importlib
from typing import Any

from netspec.core.declare import REGISTRIES, declaration_of
from netspec.diagnostics import RunError
from netspec_cupy.contract import KERNELS, Kernel, no_scratch

FAMILIES = (
    "byte_convolution",
    "byte_layers",
    "channels",
    "convolution",
    "dense",
    "direct",
    "dropout",
    "movement",
    "normalization",
    "pooling",
    "products",
    "softmax",
    "synchronized_normalization",
    "totals",
    "weight_rounding",
)


def is_elementwise(op: str) -> bool:
    """Whether the op's kernel is generated from its scalar expressions."""
    return REGISTRIES["op"][op].has("expressions")


def is_written(op: str) -> bool:
    """Whether there is a kernel for the op that is not generated."""
    if op not in KERNELS:
        for family in FAMILIES:
            importlib.import_module(f"netspec_cupy.kernels.{family}")
    return op in KERNELS


def find(attrs: Any) -> Kernel:
    """The kernel of an op: written by hand, or generated where the op states expressions."""
    from netspec_cupy.kernels.elementwise import build_elementwise

    declaration = declaration_of(attrs)
    if declaration.has("expressions"):
        return Kernel(build_elementwise, no_scratch)
    if not is_written(declaration.name):
        raise RunError.of("NS901", backend="cupy", reason=f"it has no kernel for {declaration.name!r}")
    return KERNELS[declaration.name]
