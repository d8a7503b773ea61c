"""How far a float32 kernel may be from the float64 definition.

Of an elementwise op the bound follows from its expression by running error analysis (Higham, "Accuracy and Stability of
Numerical Algorithms", 2002, 3.3): each operation passes on the errors of its operands, by its derivative, and adds a
rounding of its own. Of any other op the reference module states ``|error| <= c·eps·√K·scale``, a
:class:`netspec.core.reference.Bound`; one for which nothing is stated moves numbers and must be exact.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netspec.core import expression
from netspec.core import op as ops
from netspec.core.declare import REGISTRIES, Declaration
from netspec.core.expression import Apply, Constant, Expression, Variable, walk
from netspec.core.graph import Epilogue, Node
from netspec.core.reference import Bound, Context
from netspec.target import DIRECT, errors_of
from netspec.testing.interpreter import evaluate, variables

Array = np.ndarray[Any, np.dtype[Any]]

EPS = float(np.finfo(np.float32).eps)
TINY = float(np.finfo(np.float32).tiny)
"""Smallest normal float32: what lies below may be taken for zero."""
ROUNDING = EPS / 2
"""Largest share that rounding takes of a sum, product, quotient or root."""
SECOND_ORDER = 1.01
"""Covers products of rounding errors, which the analysis leaves out."""
FUNCTION = 4 * EPS
"""Largest share that a library's exp, log, tanh or erf is off: the widest of the vectorised ones."""


def allowed_errors(node: Node, inputs: Sequence[Array], samples: int, algorithm: str = DIRECT) -> tuple[Array, ...]:
    """Per output of the node, on logical float64 inputs, the largest error of each number computed by an algorithm."""
    if node.epilogue is not None:
        return _with_epilogue(node, node.epilogue, inputs, samples, algorithm)
    if ops.is_elementwise(node.attrs):
        formulas = node.attrs.expressions(len(inputs))
        return tuple(_running_error(formula, inputs) for formula in formulas)
    context = Context(node, samples)
    bound = stated(node.op, algorithm)
    if bound is None:
        return tuple(np.zeros(()) for _ in node.outputs)
    if bound.scale is None:
        scales = evaluate(node, [np.abs(array) for array in inputs], samples)
    else:
        scales = bound.scale(inputs, context)
    factor = bound.c * EPS * math.sqrt(max(bound.terms(context), 1))
    return tuple(factor * np.abs(scale) + TINY for scale in scales)


def _with_epilogue(
    node: Node, epilogue: Epilogue, inputs: Sequence[Array], samples: int, algorithm: str
) -> tuple[Array, ...]:
    """Adding rounds once more; clipping adds no error; sums have their own bound, and pass on what they are of."""
    outputs = node.outputs[:-1] if epilogue.sums else node.outputs
    bare = replace(node, inputs=node.operands, outputs=outputs, epilogue=None, prologue=None)
    own = inputs[: len(node.operands)]
    first, *others = allowed_errors(bare, own, samples, algorithm)
    if epilogue.residual:
        first = first + ROUNDING * np.abs(evaluate(bare, own, samples)[0] + inputs[-1])
    if not epilogue.sums:
        return first, *others
    made, bound = evaluate(bare, own, samples)[0], stated(REGISTRIES["op"]["channel_sum"])
    assert bound is not None
    factor = bound.c * EPS * math.sqrt(bound.terms(Context(node, samples)))
    return first, *others, (factor * np.abs(made) + first).reshape(-1, made.shape[-1]).sum(axis=0) + TINY


def stated(declaration: Declaration, algorithm: str = DIRECT) -> Bound | None:
    """The bound that the op's reference module states, if it does; a KeyError for an algorithm without one."""
    module = importlib.import_module(declaration.module + "_reference")
    name = errors_of(algorithm)
    if name != DIRECT:
        of_algorithm: Bound = module.ALGORITHM_BOUNDS[declaration.name][name]
        return of_algorithm
    found: Bound | None = getattr(module, "BOUNDS", {}).get(declaration.name)
    return found


def _running_error(formula: Expression, inputs: Sequence[Array]) -> Array:
    """Bound of the error of one expression, number by number."""
    known = variables(inputs)
    values: dict[Expression, Any] = {}
    errors: dict[Expression, Any] = {}
    with np.errstate(all="ignore"):
        for part in walk([formula]):
            values[part] = expression.evaluate(part, known, np)
            if isinstance(part, Apply):
                operands = [np.asarray(values[p], np.float64) for p in part.operands]
                passed = PASSED_ON[part.operation](values[part], operands, [errors[p] for p in part.operands])
                errors[part] = passed + ADDED.get(part.operation, 0.0) * np.abs(values[part])
            elif isinstance(part, Constant):
                errors[part] = abs(part.value - float(np.float32(part.value)))
            elif isinstance(part, Variable):
                errors[part] = 0.0
    return np.asarray(SECOND_ORDER * errors[formula] + TINY)


Propagation = Callable[[Any, list[Array], list[Any]], Any]
"""(value, operands, errors of the operands) -> error passed on."""

PASSED_ON: dict[str, Propagation] = {
    "add": lambda y, x, e: e[0] + e[1],
    "subtract": lambda y, x, e: e[0] + e[1],
    "multiply": lambda y, x, e: np.abs(x[0]) * e[1] + np.abs(x[1]) * e[0],
    "divide": lambda y, x, e: (e[0] + np.abs(y) * e[1]) / np.abs(x[1]),
    "maximum": lambda y, x, e: np.maximum(*e),
    "minimum": lambda y, x, e: np.maximum(*e),
    "where": lambda y, x, e: np.where(x[0], e[1], e[2]),
    "negative": lambda y, x, e: e[0],
    "abs": lambda y, x, e: e[0],
    "exp": lambda y, x, e: y * e[0],
    "log": lambda y, x, e: e[0] / np.abs(x[0]),
    "sqrt": lambda y, x, e: np.where(y > 0, e[0] / (2 * y), np.sqrt(e[0])),
    "tanh": lambda y, x, e: (1 - y * y) * e[0],
    "erf": lambda y, x, e: 2 / math.sqrt(math.pi) * np.exp(-x[0] * x[0]) * e[0],
    # Near the middle of two whole numbers an error, however small, may turn the choice.
    "rint": lambda y, x, e: np.where(np.abs(x[0] - y) + e[0] >= 0.5, 1.0 + e[0], 0.0),
    **dict.fromkeys(expression.COMPARISONS, lambda y, x, e: 0.0),
}
"""Per operation the errors of its operands times its derivatives."""

ADDED: dict[str, float] = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "sqrt"), ROUNDING),
    **dict.fromkeys(("exp", "log", "tanh", "erf"), FUNCTION),
}
"""Per operation its own error as a share of its value; the others are exact."""
