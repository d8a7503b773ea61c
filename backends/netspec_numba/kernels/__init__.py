"""Kernels, one file a family. Importing a family registers its builders; :func:`find` is how the runtime asks."""

from __future__ import annotations

import importlib
from math import isfinite
from typing import Any

from netspec.core.declare import REGISTRIES, declaration_of
from netspec.diagnostics.errors import RunError
from netspec.target import DIRECT, Math
from netspec_numba.contract import ALTERNATIVES, KERNELS, Kernel, Types

FAMILIES = (
    "batch_mean",
    "byte_convolution",
    "byte_layers",
    "channels",
    "clipping",
    "constants",
    "convolution",
    "cross_entropy",
    "dense",
    "dense_rows",
    "dropout",
    "fake_quantization",
    "finite",
    "folding",
    "lane_groups",
    "lane_positions",
    "lane_sums",
    "lane_taps",
    "layout",
    "local_response",
    "locally_connected",
    "lp_pooling",
    "median_pooling",
    "movement",
    "normalization",
    "pooled_convolution",
    "pooling",
    "prelu",
    "products",
    "rbf",
    "reshaping",
    "sample_normalization",
    "softmax",
    "synchronized_normalization",
    "transposed",
    "winograd",
)


def is_elementwise(op: str) -> bool:
    """Whether the op's kernel is generated from its scalar expressions."""
    return REGISTRIES["op"][op].has("expressions")


def find(attrs: Any, algorithm: str = DIRECT) -> Kernel:
    """The kernel of an op: written by hand, or generated where the op states expressions."""
    from netspec_numba.kernels.elementwise import build_elementwise
    from netspec_numba.kernels.gates import gate_scratch

    declaration = declaration_of(attrs)
    if declaration.has("expressions"):
        return Kernel(build_elementwise, gate_scratch, slices=True)
    if not is_written(declaration.name):
        raise RunError.of("NS901", backend="numba", reason=f"it has no kernel for {declaration.name!r}")
    return KERNELS[declaration.name] if algorithm == DIRECT else ALTERNATIVES[declaration.name][algorithm]


def algorithms(
    attrs: Any, inputs: Types, outputs: Types, batch: int, math: Math, kept: bool, prologue: bool = False
) -> tuple[str, ...]:
    """The algorithms that compute the op on these types, in order of the time they are expected to take; with a
    ``prologue`` those that do one."""
    direct, others = find(attrs), ALTERNATIVES.get(declaration_of(attrs).name, {})
    slices = any(tensor.pitch is not None for tensor in (*inputs, *outputs))
    costs = {
        name: kernel.cost(attrs, inputs, outputs, batch, kept)
        for name, kernel in ({DIRECT: direct} | others).items()
        if (kernel.exact or math == "fast") and kernel.slices >= slices and kernel.prologue >= prologue
    }
    return tuple(sorted((name for name, cost in costs.items() if isfinite(cost)), key=costs.__getitem__))


def is_written(op: str) -> bool:
    """Whether there is a kernel for the op that is not generated."""
    if op not in KERNELS:
        for family in FAMILIES:
            importlib.import_module(f"netspec_numba.kernels.{family}")
    return op in KERNELS
