"""What losses are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.loss_nodes import Constant, CrossEntropyDx, CrossEntropyNode

Array = np.ndarray[Any, np.dtype[Any]]


def _rows(logits: Array, labels: Array, smoothing: float) -> tuple[Array, Array, Array]:
    """Per position in a row: logits, targets ``(1 − ε) onehot + ε/K``, and ``log Σⱼ e^zⱼ`` (a column).

    The target of a label that is no class is NaN.
    """
    z, label = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1, 1)
    classes = z.shape[-1]
    onehot = np.where((label >= 0) & (label < classes), label == np.arange(classes), np.nan)
    target = (1 - smoothing) * onehot + smoothing / classes
    top = z.max(axis=-1, keepdims=True)
    return z, target, top + np.log(np.exp(z - top).sum(axis=-1, keepdims=True))


def cross_entropy(attrs: CrossEntropyNode, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``z (N,...,K)``, labels ``(N,...)`` to the mean over positions of ``log Σⱼ e^zⱼ − Σₖ tₖ zₖ``."""
    z, target, log_sum = _rows(inputs[0], inputs[1], attrs.label_smoothing)
    return (np.mean(log_sum[:, 0] - (target * z).sum(axis=-1)),)


def cross_entropy_dx(attrs: CrossEntropyDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``z``, labels, ``dloss ()`` to ``(softmax(z) − t)/m · dloss``, m the number of positions."""
    logits, labels, dloss = inputs
    z, target, log_sum = _rows(logits, labels, attrs.label_smoothing)
    return (((np.exp(z - log_sum) - target) / len(z) * dloss).reshape(logits.shape),)


def constant(attrs: Constant, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The number, ``()``."""
    return (np.array(attrs.value, np.float64),)


def _loss_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Every logit enters the loss of its position with a weight of at most 1, through exponents as large as itself."""
    z, target, log_sum = _rows(inputs[0], inputs[1], context.node.attrs.label_smoothing)
    return (np.mean(1 + np.abs(z).max(axis=-1) + np.abs(log_sum[:, 0]) + (target * np.abs(z)).sum(axis=-1)),)


def _dx_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """As for softmax: an exponent's error is a share of the probability."""
    logits, labels, dloss = inputs
    z, target, log_sum = _rows(logits, labels, context.node.attrs.label_smoothing)
    probability = np.exp(z - log_sum) * (1 + np.abs(z) + np.abs(z).max(axis=-1, keepdims=True))
    return (((probability + target) / len(z) * np.abs(dloss)).reshape(logits.shape),)


def _terms(context: Context) -> int:
    return context.x.channels + context.samples * context.x.positions


BOUNDS = {
    "cross_entropy": Bound(2, _terms, _loss_magnitudes),
    "cross_entropy.dx": Bound(2, lambda context: context.x.channels, _dx_magnitudes),
    "constant": Bound(1),
}


def _case(shape: tuple[int, ...], smoothing: float = 0.0, magnitude: float = 1.0) -> Case:
    types = TensorType(shape), TensorType(shape[:-1], "int32")
    return Case(CrossEntropyNode(label_smoothing=smoothing), types, magnitude, integers=shape[-1])


CASES = {
    "cross_entropy": (
        _case((10,)),
        _case((2,), smoothing=0.1),
        _case((33,), magnitude=150),
        _case((4, 5, 3), smoothing=0.25),
        _case((6, 17)),
    ),
    "constant": (Case(Constant(value=1.0), ()), Case(Constant(value=0.3), ())),
}
