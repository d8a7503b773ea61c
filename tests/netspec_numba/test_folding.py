"""Folding a batch normalisation into weights, against its definition in float64."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from kernel_operands import close, empty, logical, operand, run

from netspec.core.types import TensorType
from netspec.declarations.ops.folding import FoldNorm
from netspec.declarations.ops.folding_reference import fold_norm
from netspec_numba.kernels import folding  # noqa: F401 - registers the kernel


@pytest.mark.parametrize(("bias", "scale", "center"), list(product((False, True), repeat=3)))
@pytest.mark.parametrize("shape", [(3, 3, 5, 17), (40, 33, 16), (1, 1)])
def test_folded_weight_and_bias(shape: tuple[int, ...], bias: bool, scale: bool, center: bool) -> None:
    rng = np.random.default_rng(3)
    weight, channels = TensorType(shape, batched=False), TensorType(shape[-1:], batched=False)
    vectors = [rng.normal(size=shape[-1]).astype(np.float32) for _ in range(2 + bias + scale + center)]
    numbers = [rng.normal(size=shape).astype(np.float32), *vectors[:-1], np.abs(vectors[-1])]
    kinds = [weight, *[channels] * len(vectors)]
    inputs = [operand(kind, values, 1) for kind, values in zip(kinds, numbers, strict=True)]
    outputs = [empty(weight, 1), empty(channels, 1)]
    attrs = FoldNorm(eps=1e-3, bias=bias, scale=scale, center=center)
    run("fold_norm", attrs, inputs, outputs, 1, 1)
    wanted = fold_norm(attrs, [values.astype(np.float64) for values in numbers], None)  # type: ignore[arg-type]  # unused
    for got, want in zip(outputs, wanted, strict=True):
        close(logical(got), want, 2)
