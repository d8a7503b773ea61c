"""Scalar expressions: what an elementwise op computes, stated once for the oracle and for every backend.

An expression is an immutable tree; equal trees compare equal and hash alike, so one tree may stand for a
value wherever it occurs. :func:`evaluate` runs it with an array module (the float64 oracle), :func:`render`
writes it as source text in a language given as a table, and :func:`substitute` puts expressions in the place
of others, which is how a chain of elementwise ops becomes one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

Number = float | int

INFIX: dict[str, tuple[str, int]] = {
    "less": ("<", 1),
    "less_equal": ("<=", 1),
    "greater": (">", 1),
    "greater_equal": (">=", 1),
    "equal": ("==", 1),
    "add": ("+", 2),
    "subtract": ("-", 2),
    "multiply": ("*", 3),
    "divide": ("/", 3),
}
"""Symbol and binding strength of the operations written between their operands."""

OPERATIONS: dict[str, int] = {
    **dict.fromkeys(INFIX, 2),
    **dict.fromkeys(("negative", "exp", "log", "sqrt", "tanh", "abs", "erf", "rint"), 1),
    **dict.fromkeys(("maximum", "minimum"), 2),
    "where": 3,
}
"""Every operation and the number of its operands; a dialect of :func:`render` knows all of them."""

COMPARISONS = frozenset({"less", "less_equal", "greater", "greater_equal", "equal"})
"""The operations whose value is a condition and not a number."""


class Expression:
    """A number, or a condition, computed from named variables. ``==`` compares structure; see :func:`equal`."""

    __slots__ = ()

    def __add__(self, other: Expression | Number) -> Expression:
        return apply("add", self, other)

    def __radd__(self, other: Number) -> Expression:
        return apply("add", other, self)

    def __sub__(self, other: Expression | Number) -> Expression:
        return apply("subtract", self, other)

    def __rsub__(self, other: Number) -> Expression:
        return apply("subtract", other, self)

    def __mul__(self, other: Expression | Number) -> Expression:
        return apply("multiply", self, other)

    def __rmul__(self, other: Number) -> Expression:
        return apply("multiply", other, self)

    def __truediv__(self, other: Expression | Number) -> Expression:
        return apply("divide", self, other)

    def __rtruediv__(self, other: Number) -> Expression:
        return apply("divide", other, self)

    def __neg__(self) -> Expression:
        return apply("negative", self)

    def __lt__(self, other: Expression | Number) -> Expression:
        return apply("less", self, other)

    def __le__(self, other: Expression | Number) -> Expression:
        return apply("less_equal", self, other)

    def __gt__(self, other: Expression | Number) -> Expression:
        return apply("greater", self, other)

    def __ge__(self, other: Expression | Number) -> Expression:
        return apply("greater_equal", self, other)

    def __bool__(self) -> bool:
        raise TypeError(f"the value of {self} is not known yet; choose with where(condition, a, b)")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Constant(Expression):
    """A number known when the expression is written. Zeros of either sign differ, NaN equals itself."""

    value: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.value.hex() == other.value.hex()

    def __hash__(self) -> int:
        return hash(self.value.hex())

    def __str__(self) -> str:
        return f"{self.value:g}" if float(f"{self.value:g}") == self.value else repr(self.value)


@final
@dataclass(frozen=True, slots=True)
class Variable(Expression):
    """A number given by name; the inputs of an op are ``x0``, ``x1``, and so on by position."""

    name: str

    def __str__(self) -> str:
        return self.name


@final
@dataclass(frozen=True, slots=True)
class Apply(Expression):
    """One of :data:`OPERATIONS` applied to operands; make it with :func:`apply` or the functions below."""

    operation: str
    operands: tuple[Expression, ...]
    # Kept, since a shared operand would otherwise be hashed anew on every path that leads to it.
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if OPERATIONS.get(self.operation) != len(self.operands):
            raise ValueError(f"no operation {self.operation!r} of {len(self.operands)} operands")
        object.__setattr__(self, "_hash", hash((self.operation, self.operands)))

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        if self.operation == "negative":
            return f"-{_within(self.operands[0], 4)}"
        if self.operation not in INFIX:
            return f"{self.operation}({', '.join(map(str, self.operands))})"
        symbol, strength = INFIX[self.operation]
        left, right = self.operands
        return f"{_within(left, strength)} {symbol} {_within(right, strength + 1)}"


def _within(operand: Expression, strength: int) -> str:
    """Text of an operand, in parentheses where it binds less strongly than its place asks."""
    own = 5
    if isinstance(operand, Apply):
        own = 4 if operand.operation == "negative" else INFIX.get(operand.operation, ("", own))[1]
    elif isinstance(operand, Constant) and math.copysign(1.0, operand.value) < 0:
        own = 4
    return str(operand) if own >= strength else f"({operand})"


def apply(operation: str, *operands: Expression | Number) -> Expression:
    """``operation`` applied to expressions or plain numbers; raises ValueError on a name or count unknown."""
    made = tuple(each if isinstance(each, Expression) else Constant(float(each)) for each in operands)
    return Apply(operation, made)


def inputs(count: int) -> tuple[Variable, ...]:
    """The variables ``x0`` to ``x{count - 1}``: the inputs of an elementwise op."""
    return tuple(Variable(f"x{position}") for position in range(count))


def maximum(a: Expression | Number, b: Expression | Number) -> Expression:
    """The larger of two numbers; NaN if either is."""
    return apply("maximum", a, b)


def minimum(a: Expression | Number, b: Expression | Number) -> Expression:
    """The smaller of two numbers; NaN if either is."""
    return apply("minimum", a, b)


def equal(a: Expression | Number, b: Expression | Number) -> Expression:
    """The condition that two numbers are equal; false where either is NaN."""
    return apply("equal", a, b)


def where(condition: Expression, a: Expression | Number, b: Expression | Number) -> Expression:
    """``a`` where the condition holds, else ``b``. Both are computed, and the one not chosen does no harm."""
    return apply("where", condition, a, b)


def exp(a: Expression | Number) -> Expression:
    """e to the power of a."""
    return apply("exp", a)


def log(a: Expression | Number) -> Expression:
    """Natural logarithm; minus infinity at zero, NaN below."""
    return apply("log", a)


def sqrt(a: Expression | Number) -> Expression:
    """Square root; NaN below zero."""
    return apply("sqrt", a)


def tanh(a: Expression | Number) -> Expression:
    """Hyperbolic tangent."""
    return apply("tanh", a)


def absolute(a: Expression | Number) -> Expression:
    """The number without its sign (``abs``)."""
    return apply("abs", a)


def rint(a: Expression | Number) -> Expression:
    """The nearest whole number; of two as near, the even one."""
    return apply("rint", a)


def erf(a: Expression | Number) -> Expression:
    """The error function, 2/sqrt(pi) times the integral of exp(-t*t) from 0 to a."""
    return apply("erf", a)


def sigmoid(a: Expression) -> Expression:
    """1 / (1 + exp(-a)), written so that no power overflows on either side."""
    power = exp(-absolute(a))
    return where(a >= 0.0, 1.0, power) / (1.0 + power)


def walk(expressions: Sequence[Expression]) -> Iterator[Expression]:
    """Every distinct expression within the given ones, operands before what uses them, in a fixed order."""
    seen: set[Expression] = set()

    def visit(expression: Expression) -> Iterator[Expression]:
        if expression in seen:
            return
        if isinstance(expression, Apply):
            for operand in expression.operands:
                yield from visit(operand)
        seen.add(expression)
        yield expression

    for expression in expressions:
        yield from visit(expression)


def variables(expressions: Sequence[Expression]) -> frozenset[str]:
    """Names of the variables that the expressions read."""
    return frozenset(each.name for each in walk(expressions) if isinstance(each, Variable))


def substitute(expression: Expression, replacements: Mapping[Expression, Expression]) -> Expression:
    """The expression with every occurrence of a key of ``replacements`` exchanged for its value, outermost first.

    What is put in is not searched again, so variables may change places.
    """
    done: dict[Expression, Expression] = dict(replacements)

    def visit(node: Expression) -> Expression:
        if node not in done:
            if isinstance(node, Apply):
                operands = tuple(visit(operand) for operand in node.operands)
                done[node] = node if operands == node.operands else Apply(node.operation, operands)
            else:
                done[node] = node
        return done[node]

    return visit(expression)


def evaluate(expression: Expression, values: Mapping[str, Any], numpy_module: Any) -> Any:
    """The expression's value for variables given as arrays or numbers of ``numpy_module`` (NumPy or alike).

    Precision and broadcasting are the arrays' own. Raises KeyError on a variable without a value. Floating
    point warnings are silent: infinities and NaN are results.
    """
    known: dict[Expression, Any] = {}
    with numpy_module.errstate(all="ignore"):
        for node in walk([expression]):
            if isinstance(node, Constant):
                known[node] = node.value
            elif isinstance(node, Variable):
                known[node] = values[node.name]
            elif isinstance(node, Apply):
                operands = [known[operand] for operand in node.operands]
                if node.operation == "erf":  # NumPy has none
                    known[node] = numpy_module.vectorize(math.erf, otypes=[float])(*operands)
                else:
                    known[node] = getattr(numpy_module, node.operation)(*operands)
    return known[expression]


class Dialect(NamedTuple):
    """How a language writes operations, each a format string over its operands, and constants.

    Operands are always names, so that templates need no parentheses around them.
    """

    operations: Mapping[str, str]
    constant: Callable[[float], str]


class Rendered(NamedTuple):
    """Source text: assignments ``(name, text)`` in the order to be run, and the name of each result."""

    assignments: tuple[tuple[str, str], ...]
    results: tuple[str, ...]


def render(
    expressions: Sequence[Expression], names: Mapping[str, str], dialect: Dialect, temporary: str = "t"
) -> Rendered:
    """Write expressions in a dialect; one assignment for each distinct operation or constant, so each is done once.

    ``names`` gives the text that stands for a variable (KeyError where one is missing); new names are
    ``temporary`` and a running number. The text depends on the expressions only.
    """
    text: dict[Expression, str] = {}
    assignments: list[tuple[str, str]] = []
    for node in walk(expressions):
        if isinstance(node, Variable):
            text[node] = names[node.name]
            continue
        if isinstance(node, Constant):
            written = dialect.constant(node.value)
        elif isinstance(node, Apply):
            written = dialect.operations[node.operation].format(*(text[operand] for operand in node.operands))
        text[node] = f"{temporary}{len(assignments)}"
        assignments.append((text[node], written))
    return Rendered(tuple(assignments), tuple(text[expression] for expression in expressions))
