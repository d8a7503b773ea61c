"""The value of an expression: a walk over its tree, with every number bounded before and after it is made."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Final

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.syntax.expressions import FUNCTIONS, MAGNITUDE_LIMIT, ExpressionTree, Part, parts
from netspec.syntax.scalars import describe
from netspec.syntax.suggestions import closest


class _Absent:
    """What stands for a value where there is none."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


UNKNOWN: Final = _Absent("UNKNOWN")
"""A value that cannot be known yet, as of a shape after a mistake; what rests on it is unknown too, silently."""
FAILED: Final = _Absent("FAILED")
"""The value of an expression whose mistake has been reported."""

_Number = int | float  # not a truth value, though Python counts those as ints

_ARITHMETIC: dict[str, Callable[[_Number, _Number], _Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
_ORDER: dict[str, Callable[[_Number, _Number], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate(tree: ExpressionTree, environment: Mapping[str, object], diagnostics: Diagnostics) -> object:
    """The value of the expression under ``environment``, which maps each name to a value, UNKNOWN or FAILED.

    A mistake is added to ``diagnostics`` and gives FAILED. A name alone gives its value whatever that is; inside of
    ``$(...)`` there are only numbers and truth values, and equality of anything. Division gives a float, as in Python;
    see `whole_number` for where a whole one is wanted, and `mend_names` for going on behind a misspelt name.
    """
    if any(environment.get(name) is FAILED for name in tree.names):
        return FAILED
    unknown = _unknown_names(tree, environment)
    if unknown:
        for part in unknown:
            _report_unknown_name(tree, part, environment, diagnostics)
        return FAILED
    try:
        return _Evaluator(tree, environment).value(tree.root)
    except _Mistake as mistake:
        diagnostics.append(mistake.diagnostic)
        return FAILED


def mend_names(tree: ExpressionTree, environment: Mapping[str, object], diagnostics: Diagnostics) -> dict[str, str]:
    """Report every name that is not in the environment; returns those that a known one is near to, with that one."""
    guesses = {}
    for part in _unknown_names(tree, environment):
        guess = _report_unknown_name(tree, part, environment, diagnostics)
        if guess is not None:
            guesses[part.operator] = guess
    return guesses


def whole_number(value: object) -> int | None:
    """The value as an int where it is a whole number, as ``6 / 2`` is; else None. A truth value is none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _unknown_names(tree: ExpressionTree, environment: Mapping[str, object]) -> list[Part]:
    """The names that are not in the environment, in branches not taken too."""
    return [part for part in parts(tree.root) if part.kind == "name" and part.operator not in environment]


def _report_unknown_name(
    tree: ExpressionTree, part: Part, environment: Mapping[str, object], diagnostics: Diagnostics
) -> str | None:
    """Say that a name is not known; returns the one that is most likely meant."""
    name = part.operator
    guess = None if name in FUNCTIONS else closest(name, (*environment, "true", "false"))
    fields = {
        "name": name,
        "function": name if name in FUNCTIONS else None,
        "suggestion": guess,
        "known": sorted(environment) or None,
    }
    diagnostics.append(Diagnostic("NS107", tree.span(part), fields))
    return guess if guess in environment else None


class _Mistake(Exception):
    """Ends an evaluation with its diagnostic."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.code)
        self.diagnostic = diagnostic


class _Evaluator:
    """Works out parts by their kind; the depth of recursion is bounded by the parser."""

    def __init__(self, tree: ExpressionTree, environment: Mapping[str, object]) -> None:
        self._tree = tree
        self._environment = environment

    def value(self, part: Part) -> object:
        """The value of a part, or UNKNOWN. Raises _Mistake."""
        if part.kind == "literal":
            return part.value
        if part.kind == "name":
            return self._environment[part.operator]
        if part.kind == "logic":
            return self._logic(part)
        if part.kind == "conditional":
            return self._conditional(part)
        if part.kind == "compare":
            return self._compare(part)
        if part.kind == "not":
            truth = self._truth(part.operands[0], "not")
            return truth if isinstance(truth, _Absent) else not truth
        numbers = [self._number(operand, part.operator) for operand in part.operands]
        known = [number for number in numbers if not isinstance(number, _Absent)]
        if len(known) < len(numbers):
            return UNKNOWN
        return self._bounded(part, self._computed(part, known))

    def _computed(self, part: Part, numbers: list[_Number]) -> _Number:
        if part.kind == "call":
            return self._call(part, numbers)
        if part.kind == "unary":
            return -numbers[0] if part.operator == "-" else numbers[0]
        left, right = numbers
        if part.operator == "**":
            return self._power(part, left, right)
        if part.operator in ("/", "//", "%") and right == 0:
            divisor = part.operands[1]
            cause = "" if divisor.kind == "literal" else f"'{self._tree.text(divisor)}' is 0, and "
            raise self._without_value(part, f"{cause}nothing can be divided by 0")
        return _ARITHMETIC[part.operator](left, right)

    def _power(self, part: Part, base: _Number, exponent: _Number) -> _Number:
        if base == 0 and exponent < 0:
            raise self._without_value(part, "a negative power of 0 divides by 0")
        if base < 0 and not float(exponent).is_integer():
            raise self._without_value(part, "a negative number has no power that is not whole")
        whole = isinstance(base, int) and isinstance(exponent, int)
        # The result is at least 2 to the power of the first product: too large is refused before it is computed.
        if whole and (abs(int(base)).bit_length() - 1) * exponent > MAGNITUDE_LIMIT.bit_length():
            raise self._too_large(part)
        try:
            return base**exponent
        except OverflowError:
            raise self._too_large(part) from None

    def _call(self, part: Part, numbers: list[_Number]) -> _Number:
        first = numbers[0]
        if part.operator in ("floor", "ceil", "round") and not math.isfinite(first):
            raise self._too_large(part)
        if part.operator == "min":
            return min(numbers)
        if part.operator == "max":
            return max(numbers)
        if part.operator == "floor":
            return math.floor(first)
        if part.operator == "ceil":
            return math.ceil(first)
        if part.operator == "abs":
            return abs(first)
        if part.operator == "round":
            below = math.floor(first)  # adding 1/2 and flooring would round 0.49999999999999994 to 1
            return below + (first - below >= 0.5)
        divisor = whole_number(numbers[1])
        if divisor is None or divisor < 1:
            raise self._wrong_kind(part.operands[1], "multiple", "a whole number of at least 1", numbers[1])
        return nearest_multiple(first, divisor)

    def _logic(self, part: Part) -> object:
        """``and`` and ``or``: a side that decides alone does so, whatever the other is."""
        deciding = part.operator == "or"
        left = self._truth(part.operands[0], part.operator)
        if left is deciding:
            return deciding
        right = self._truth(part.operands[1], part.operator)
        return right if right is deciding or left is not UNKNOWN else UNKNOWN

    def _conditional(self, part: Part) -> object:
        chosen, condition, other = part.operands
        truth = self._truth(condition, "if")
        if isinstance(truth, _Absent):
            return UNKNOWN
        return self.value(chosen if truth else other)

    def _compare(self, part: Part) -> object:
        """A chain as in Python: ``a < b < c`` holds when each neighbouring pair does."""
        left = self.value(part.operands[0])
        result: object = True
        for position, sign in enumerate(part.operator.split()):
            right = self.value(part.operands[position + 1])
            if left is UNKNOWN or right is UNKNOWN:
                result = UNKNOWN
            elif not self._holds(part, position, sign, left, right):
                return False
            left = right
        return result

    def _holds(self, part: Part, position: int, sign: str, left: object, right: object) -> bool:
        if sign in ("==", "!="):
            alike = isinstance(left, bool) == isinstance(right, bool) and left == right
            return alike == (sign == "==")
        first = self._as_number(part.operands[position], sign, left)
        return _ORDER[sign](first, self._as_number(part.operands[position + 1], sign, right))

    def _number(self, part: Part, wanted_by: str) -> _Number | _Absent:
        value = self.value(part)
        return value if isinstance(value, _Absent) else self._as_number(part, wanted_by, value)

    def _as_number(self, part: Part, wanted_by: str, value: object) -> _Number:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong_kind(part, wanted_by, "numbers", value)
        if isinstance(value, int) and abs(value) > MAGNITUDE_LIMIT:
            raise self._too_large(part)
        return value

    def _truth(self, part: Part, wanted_by: str) -> bool | _Absent:
        value = self.value(part)
        if not isinstance(value, (bool, _Absent)):
            number = isinstance(value, (int, float))
            advice = f"compare it: {self._tree.text(part)} != 0" if number else None
            raise self._wrong_kind(part, wanted_by, "true or false", value, advice)
        return value

    def _bounded(self, part: Part, value: _Number) -> _Number:
        if (isinstance(value, int) and abs(value) > MAGNITUDE_LIMIT) or not math.isfinite(value):
            raise self._too_large(part)
        return value

    def _too_large(self, part: Part) -> _Mistake:
        fields = {"problem": f"{self._tree.text(part)} is beyond {MAGNITUDE_LIMIT:.0e}"}
        help_text = "no size of a network comes near it; is an operator or a unit wrong?"
        return _Mistake(Diagnostic("NS110", self._tree.span(part), fields, help=help_text))

    def _without_value(self, part: Part, problem: str) -> _Mistake:
        return _Mistake(Diagnostic("NS116", self._tree.span(part), {"problem": problem}))

    def _wrong_kind(
        self, part: Part, wanted_by: str, expected: str, found: object, advice: str | None = None
    ) -> _Mistake:
        operand = None if part.kind == "literal" else f"'{self._tree.text(part)}'"
        fields = {
            "what": wanted_by,
            "expected": expected,
            "operand": operand,
            "found": describe(found),
            "advice": advice,
        }
        return _Mistake(Diagnostic("NS108", self._tree.span(part), fields))


def nearest_multiple(number: float, divisor: int) -> int:
    """The multiple of ``divisor`` nearest to ``number``, at least ``divisor`` and never below 0.9 of ``number``.

    Source: ``_make_divisible`` of the published MobileNet code, by which its channel counts are scaled.
    """
    multiple = max(divisor, math.floor(number + divisor / 2) // divisor * divisor)
    return multiple + divisor if multiple < 0.9 * number else multiple
