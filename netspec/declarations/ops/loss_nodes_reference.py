"""What losses are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.loss_nodes import (
    AbsoluteError,
    BatchMean,
    BatchMeanDx,
    BinaryError,
    Constant,
    CrossEntropyDx,
    CrossEntropyNode,
    HuberError,
    SquaredError,
)

Array = np.ndarray[Any, np.dtype[Any]]


class _Rows(NamedTuple):
    """Per position in a row: logits z, weighted targets ``w ((1 − ε) t + ε/K)``, ``log Σⱼ e^zⱼ`` (a column).

    ``divisor`` is the sum of the weights of the labels or, for a target per class, the number of rows. The target of a
    label that is no class is NaN.
    """

    z: Array
    target: Array
    log_sum: Array
    divisor: float


def _rows(attrs: CrossEntropyNode | CrossEntropyDx, logits: Array, given: Array) -> _Rows:
    classes = logits.shape[-1]
    z = logits.reshape(-1, classes)
    weights = np.ones(classes) if attrs.class_weights is None else np.array(attrs.class_weights)
    if given.dtype.kind == "i":
        label = given.reshape(-1, 1)
        target = np.where((label >= 0) & (label < classes), label == np.arange(classes), np.nan)
        divisor = float((weights * target).sum())
    else:
        target, divisor = given.reshape(-1, classes), float(len(z))
    smooth = (1 - attrs.label_smoothing) * target + attrs.label_smoothing / classes
    top = z.max(axis=-1, keepdims=True)
    return _Rows(z, weights * smooth, top + np.log(np.exp(z - top).sum(axis=-1, keepdims=True)), divisor)


def cross_entropy(attrs: CrossEntropyNode, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``z (N,...,K)``, targets ``(N,...)`` or ``(N,...,K)`` to ``Σ wₖ tₖ (log Σⱼ e^zⱼ − zₖ)`` over the divisor."""
    rows = _rows(attrs, *inputs)
    return np.asarray((rows.target * (rows.log_sum - rows.z)).sum() / rows.divisor), np.asarray(rows.divisor)


def cross_entropy_dx(attrs: CrossEntropyDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``z``, targets, divisor ``()``, ``dloss ()`` to ``dz (N,...,K)``."""
    logits, target, divisor, dloss = inputs
    rows = _rows(attrs, logits, target)
    slope = np.exp(rows.z - rows.log_sum) * rows.target.sum(axis=-1, keepdims=True) - rows.target
    return ((slope / divisor * dloss).reshape(logits.shape),)


def batch_mean(attrs: BatchMean, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...)`` to its mean, ``()``."""
    return (np.asarray(inputs[0].mean()),)


def batch_mean_dx(attrs: BatchMeanDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy ()`` to ``dx (N,...)``, as many equal shares."""
    return (np.full((context.samples, *attrs.x.shape), inputs[0] / (context.samples * attrs.x.elements)),)


def constant(attrs: Constant, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The number, ``()``."""
    return (np.array(attrs.value, np.float64),)


def _loss_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Every logit enters the loss of its position by its weighted target, and through exponents as large as itself."""
    rows = _rows(context.node.attrs, *inputs)
    sizes = np.abs(rows.target) * (1 + np.abs(rows.z).max(axis=-1, keepdims=True) + np.abs(rows.log_sum) + abs(rows.z))
    return np.asarray(sizes.sum() / rows.divisor), np.asarray(rows.divisor)


def _dx_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """As for softmax: an exponent's error is a share of the probability."""
    logits, target, divisor, dloss = inputs
    rows = _rows(context.node.attrs, logits, target)
    probability = np.exp(rows.z - rows.log_sum) * (1 + np.abs(rows.z) + np.abs(rows.z).max(axis=-1, keepdims=True))
    sizes = np.abs(rows.target)
    total = probability * sizes.sum(axis=-1, keepdims=True) + sizes
    return ((total / divisor * np.abs(dloss)).reshape(logits.shape),)


def _terms(context: Context) -> int:
    return context.x.channels + context.samples * context.x.positions


BOUNDS = {
    "cross_entropy": Bound(2, _terms, _loss_magnitudes),
    "cross_entropy.dx": Bound(2, lambda context: context.x.channels, _dx_magnitudes),
    "batch_mean": Bound(2, lambda context: context.samples * context.x.elements),
    "batch_mean.dx": Bound(1),
    "constant": Bound(1),
}


def _entropy(shape: tuple[int, ...], magnitude: float = 1.0, indices: bool = True, **attributes: Any) -> Case:
    target = TensorType(shape[:-1], "int32") if indices else TensorType(shape)
    node = CrossEntropyNode(**attributes)
    return Case(node, (TensorType(shape), target), magnitude, integers=shape[-1], constants=(1,))


def _weights(classes: int) -> tuple[float, ...]:
    return tuple(0.25 + (5 * k) % 7 for k in range(classes))


def _entropies() -> Iterator[Case]:
    yield _entropy((10,))
    yield _entropy((33,), magnitude=150)
    yield _entropy((6, 17))
    yield _entropy((2,), label_smoothing=0.1)
    for shape in ((10,), (4, 5, 3), (3, 2, 17)):
        for indices in (True, False):
            yield _entropy(shape, indices=indices, class_weights=_weights(shape[-1]))
            yield _entropy(shape, indices=indices, label_smoothing=0.25)
            yield _entropy(shape, indices=indices, label_smoothing=0.25, class_weights=_weights(shape[-1]))
        yield _entropy(shape, indices=False)


def _errors(attrs: Any) -> tuple[Case, ...]:
    def case(*shape: int) -> tuple[TensorType, ...]:
        return (TensorType(shape),) * 2

    return (
        Case(attrs, case(5), constants=(1,)),
        Case(attrs, case(4, 3, 17), constants=(1,)),
        Case(attrs, case(6, 3), magnitude=20, constants=(1,)),
        Case(attrs, case(3, 4), ties=True, constants=(1,)),
    )


CASES = {
    "cross_entropy": tuple(_entropies()),
    "binary_error": _errors(BinaryError()),
    "squared_error": _errors(SquaredError()),
    "absolute_error": _errors(AbsoluteError()),
    "huber_error": (*_errors(HuberError(delta=1.0)), *_errors(HuberError(delta=0.3))),
    "batch_mean": tuple(Case(BatchMean(), (TensorType(shape),)) for shape in ((1,), (33,), (6, 3), (5, 4, 17))),
    "constant": (Case(Constant(value=1.0), ()), Case(Constant(value=0.3), ())),
}
