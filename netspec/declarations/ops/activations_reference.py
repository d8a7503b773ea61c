"""Prelu and softmax; the other activations are their own definition, as expressions, and only bring cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.activations import (
    Abs,
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    PRelu,
    PReluDx,
    Relu6,
    Sigmoid,
    Silu,
    Softmax,
    SoftmaxDx,
    Softplus,
    Tanh,
)

Array = np.ndarray[Any, np.dtype[Any]]


def prelu(attrs: PRelu, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...,C)``, ``slope (C,)`` to ``x`` where x > 0, else ``slope·x`` (He et al. 2015)."""
    x, slope = inputs
    return (np.where(x > 0, x, slope * x),)


def prelu_dx(attrs: PReluDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x``, ``dy``, ``slope (C,)`` to ``dx``, and ``Σ x·dy`` over samples and positions where x is not above 0."""
    x, dy, slope = inputs
    along = np.where(x > 0, 0.0, x * dy)
    return np.where(x > 0, dy, slope * dy), along.sum(axis=tuple(range(x.ndim - 1)))


def softmax(attrs: Softmax, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``e^xᵢ / Σⱼ e^xⱼ`` over the last axis; the largest is taken off first, which changes nothing but the range."""
    (x,) = inputs
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True),)


def softmax_dx(attrs: SoftmaxDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``y``, ``dy`` to ``dxᵢ = yᵢ (dyᵢ − Σⱼ yⱼ dyⱼ)``."""
    y, dy = inputs
    return (y * (dy - (y * dy).sum(axis=-1, keepdims=True)),)


def _prelu_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    return tuple(np.abs(each) for each in prelu(context.node.attrs, inputs, context))


def _prelu_dx_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    x, dy, slope = inputs
    along = np.where(x > 0, 0.0, np.abs(x * dy))
    return np.where(x > 0, np.abs(dy), np.abs(slope * dy)), along.sum(axis=tuple(range(x.ndim - 1)))


def _per_channel(context: Context) -> int:
    return context.samples * context.x.positions


def _softmax_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """An exponent x − max that is off by ``eps·(|x| + |max|)`` puts the probability off by that share."""
    (x,) = inputs
    exponents = np.abs(x) + np.abs(x).max(axis=-1, keepdims=True)
    return (softmax(context.node.attrs, inputs, context)[0] * (1 + exponents),)


def _softmax_dx_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    y, dy = (np.abs(v) for v in inputs)
    return (y * (dy + (y * dy).sum(axis=-1, keepdims=True)),)


BOUNDS = {
    "prelu": Bound(1, scale=_prelu_magnitudes),
    "prelu.dx": Bound(1, _per_channel, _prelu_dx_magnitudes),
    "softmax": Bound(2, lambda context: context.x.channels, _softmax_magnitudes),
    "softmax.dx": Bound(2, lambda context: context.x.channels, _softmax_dx_magnitudes),
}

_FAR = (TensorType((4, 17)), TensorType((5,)))

_REACHING: tuple[tuple[Any, float], ...] = (
    (Relu6(), 7),
    (LeakyRelu(slope=0.2), 1),
    (Elu(alpha=1.5), 60),
    (Gelu(), 10),
    (Silu(), 60),
    (Softplus(), 60),
    (Sigmoid(), 60),
    (HardSigmoid(), 3),
    (HardSwish(), 3),
    (Abs(), 100),
)
"""Activations, and a magnitude of inputs that reaches all of their branches, or beyond what a power can hold."""

CASES = {
    "prelu": (*(Case(PRelu(), (x,), magnitude=60) for x in _FAR), Case(PRelu(), (TensorType((1,)),))),
    "softmax": (
        *(Case(Softmax(), (x,), magnitude=200) for x in _FAR),
        Case(Softmax(), (TensorType((10,)),), offset=-1000),
        Case(Softmax(), (TensorType((10,)),), ties=True),
        Case(Softmax(), (TensorType((1,)),)),
    ),
    **{attrs.declaration.name: tuple(Case(attrs, (x,), magnitude=size) for x in _FAR) for attrs, size in _REACHING},
    "tanh": (
        *(Case(Tanh(), (x,), magnitude=40) for x in _FAR),
        *(Case(Tanh(scale=1.7159, slope=2 / 3), (TensorType(shape),)) for shape in ((5, 4, 3), (3, 17))),
    ),
}
