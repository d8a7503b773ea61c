"""Kernels, one file a family: the source for the device and beside it, in Python, what is launched for which op."""

from __future__ import annotations

import importlib
from math import inf
from typing import Any

from netspec.core.declare import REGISTRIES, declaration_of
from netspec.diagnostics import RunError
from netspec.target import DIRECT, Math, Precision
from netspec_cupy.contract import ALTERNATIVES, EITHER, KERNELS, Kernel, Types

FAMILIES = (
    "byte_convolution",
    "byte_layers",
    "channels",
    "convolution",
    "dense",
    "depthwise",
    "direct",
    "dropout",
    "movement",
    "normalization",
    "pooling",
    "products",
    "softmax",
    "stem",
    "synchronized_normalization",
    "totals",
    "weight_rounding",
    "winograd",
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


def find(attrs: Any, algorithm: str = DIRECT) -> Kernel:
    """The kernel of an op: written by hand, or generated where the op states expressions."""
    from netspec_cupy.kernels.elementwise import build_elementwise

    declaration = declaration_of(attrs)
    if declaration.has("expressions"):
        return Kernel(build_elementwise, storage=EITHER)
    if not is_written(declaration.name):
        raise RunError.of("NS901", backend="cupy", reason=f"it has no kernel for {declaration.name!r}")
    return KERNELS[declaration.name] if algorithm == DIRECT else ALTERNATIVES[declaration.name][algorithm]


def algorithms(
    attrs: Any, inputs: Types, outputs: Types, batch: int, math: Math, precision: Precision, capability: int
) -> tuple[str, ...]:
    """Those that compute the op on these types: what rounds as ``precision`` says first, then what takes least."""
    direct = find(attrs)  # first: it imports all families
    others = ALTERNATIVES.get(declaration_of(attrs).name, {})
    ranks = {
        name: (kernel.precision != precision, kernel.cost(attrs, inputs, outputs, batch))
        for name, kernel in ({DIRECT: direct} | others).items()
        if kernel.precision in ("float32", precision)
        and (kernel.exact or math == "fast")
        and kernel.capability in (None, capability)
        and kernel.takes((*inputs, *outputs))
    }
    return tuple(sorted((name for name, (_, cost) in ranks.items() if cost < inf), key=ranks.__getitem__))
