"""Expressions of the spec language: ``$name`` and ``$(2 * width if wide else 16)`` to a small tree with positions.

A tokenizer and a Pratt parser (operator precedence by binding power); precedence and associativity are Python's. Length
and depth are bounded. `evaluation` works out the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax.nodes import Node, Scalar, Sequence

LENGTH_LIMIT = 1_000
"""Characters of an expression."""
DEPTH_LIMIT = 100
"""Levels of an expression's tree."""
MAGNITUDE_LIMIT = 10**15
"""Largest whole number, here and in results: exact in float64, and far beyond any size of a network."""

FUNCTIONS: dict[str, tuple[int, int | None]] = {
    "min": (2, None),
    "max": (2, None),
    "floor": (1, 1),
    "ceil": (1, 1),
    "abs": (1, 1),
    "round": (1, 1),
    "multiple": (2, 2),
}
"""The functions, with the least and the greatest number of arguments."""

Kind = Literal["literal", "name", "unary", "binary", "compare", "logic", "not", "conditional", "call"]

_WORD = re.compile(r"[^\W\d]\w*")
_SIGNS = ("**", "//", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "(", ")", ",")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_POWERS = {
    "if": 1,
    "or": 2,
    "and": 3,
    **dict.fromkeys(_COMPARISONS, 5),
    **dict.fromkeys("+-", 6),
    **dict.fromkeys(("*", "/", "//", "%"), 7),
    "**": 9,
}
_NOT_POWER, _UNARY_POWER = 4, 8
_KEYWORDS = frozenset(("and", "or", "not", "if", "else", "true", "false"))
# What other languages write, and what is written here; the longer first.
_FOREIGN = {"&&": "'and'", "||": "'or'", "!": "'not'", "=": "'=='", "^": "'**'", "?": "'a if c else b'"}


class Part(NamedTuple):
    """A node of the tree. ``start`` and ``end`` are offsets in the scalar's value.

    ``operator`` is the sign, the name or the function; a comparison holds one sign between each two operands.
    """

    kind: Kind
    start: int
    end: int
    operator: str = ""
    operands: tuple[Part, ...] = ()
    value: bool | int | float | None = None
    height: int = 1


class ExpressionTree(NamedTuple):
    """A parsed expression and the scalar it stands in."""

    root: Part
    scalar: Scalar
    names: tuple[str, ...]
    """The names that it uses, each once, in the order of the text."""

    def span(self, part: Part) -> Span:
        """Where a part is written."""
        return span_within(self.scalar, part.start, part.end)

    def text(self, part: Part) -> str:
        """A part as it is written."""
        return str(self.scalar.value)[part.start : part.end]


def is_expression(node: Node) -> bool:
    """Whether a node is a scalar whose text begins with one dollar."""
    value = node.value if isinstance(node, Scalar) else None
    return isinstance(value, str) and value.startswith("$") and not value.startswith("$$")


def plain_text(value: str) -> str:
    """A text that is no expression, with the doubled dollar at its head made one."""
    return value[1:] if value.startswith("$$") else value


def span_within(scalar: Scalar, start: int, end: int) -> Span:
    """The place of ``value[start:end]``; the whole scalar where escapes, line ends or an alias stand in between."""
    text, span = str(scalar.value), scalar.span
    if span.line != span.end_line or scalar.raw not in (text, f"'{text}'", f'"{text}"'):
        return span
    column = span.column + (scalar.raw != text)
    return Span(span.file, span.line, column + start, span.line, column + end)


def parse_expression(scalar: Scalar, diagnostics: Diagnostics) -> ExpressionTree | None:
    """The tree of a scalar that `is_expression`; None, with a diagnostic, when it cannot be read."""
    text = str(scalar.value)
    try:
        if len(text) > LENGTH_LIMIT:
            problem = f"it has {len(text)} characters, more than {LENGTH_LIMIT}"
            raise _Unreadable(problem, 0, len(text), code="NS110")
        root = _parse_whole(text)
        return ExpressionTree(root, scalar, tuple({part.operator: None for part in parts(root) if part.kind == "name"}))
    except _Unreadable as error:
        span = span_within(scalar, error.start, error.end)
        diagnostics.append(Diagnostic(error.code, span, {"problem": error.problem}, help=error.help))
        return None


def expression_words(node: Node) -> Iterator[str]:
    """Every word in the expressions at and below a node: the names that they use, and more."""
    if isinstance(node, Scalar):
        if is_expression(node):
            yield from _WORD.findall(str(node.value))
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from expression_words(item)
    else:
        for entry in node.entries:
            yield from expression_words(entry.key)
            yield from expression_words(entry.value)


def parts(root: Part) -> Iterator[Part]:
    """A part and all below it, in the order of the text."""
    yield root
    for operand in root.operands:
        yield from parts(operand)


class _Unreadable(Exception):
    """The expression cannot be read, for what stands from ``start`` to ``end``."""

    def __init__(self, problem: str, start: int, end: int, help: str | None = None, code: str = "NS106") -> None:
        super().__init__(problem)
        self.problem = problem
        self.start = start
        self.end = end
        self.help = help
        self.code = code


class _Token(NamedTuple):
    kind: Literal["number", "name", "sign", "end"]
    text: str
    start: int
    end: int


def _parse_whole(text: str) -> Part:
    text = text.rstrip()
    if text.startswith("$("):
        return _Parser(_tokens(text, 2)).whole()
    name = text[1:]
    if name and _name_end(text, 1) == len(text):
        if name in _KEYWORDS:
            raise _Unreadable(f"'{name}' is a word of the language", 1, len(text), f"write $({name})")
        return Part("name", 1, len(text), name)
    if not name:
        raise _Unreadable("nothing follows the '$'", 0, 1, "a plain dollar is written $$")
    if name[0] == "{":
        raise _Unreadable("a name stands in no braces", 1, len(text), f"write ${name.strip('{}')}")
    problem = "what is more than a name stands in parentheses"
    raise _Unreadable(problem, 1, len(text), f"write $({name}), or $$ for a plain dollar")


def _tokens(text: str, position: int) -> list[_Token]:
    found: list[_Token] = []
    while position < len(text):
        start = position
        character = text[position]
        if character in " \t\n":
            position += 1
            continue
        if _name_end(text, position) > position:
            position = _name_end(text, position)
            found.append(_Token("name", text[start:position], start, position))
        elif character in "0123456789" or (character == "." and text[position + 1 : position + 2].isdecimal()):
            position = _number_end(text, position)
            found.append(_Token("number", text[start:position], start, position))
        else:
            sign = next((sign for sign in _SIGNS if text.startswith(sign, position)), None)
            if sign is None:
                raise _foreign(text, position)
            position += len(sign)
            found.append(_Token("sign", sign, start, position))
    found.append(_Token("end", "", len(text), len(text)))
    return found


def _foreign(text: str, position: int) -> _Unreadable:
    for sign, here in _FOREIGN.items():
        if text.startswith(sign, position):
            return _Unreadable(f"there is no '{sign}'", position, position + len(sign), f"write {here}")
    character = text[position]
    if character == "[":
        advice = "an expression takes nothing out of a list: give what you need a name of its own under 'vars'"
        return _Unreadable("'[' means nothing here", position, position + 1, advice)
    return _Unreadable(f"'{character}' means nothing here", position, position + 1)


def _name_end(text: str, position: int) -> int:
    """The end of the name that begins at ``position``; the position itself when none does."""
    end = position
    while end < len(text) and (text[end] == "_" or text[end].isalpha() or (end > position and text[end].isalnum())):
        end += 1
    return end


def _number_end(text: str, position: int) -> int:
    end = _digits_end(text, position)
    if text[end : end + 1] == ".":
        end = _digits_end(text, end + 1)
    if text[end : end + 1] in ("e", "E"):
        exponent = end + 2 if text[end + 1 : end + 2] in ("+", "-") else end + 1
        if _digits_end(text, exponent) > exponent:
            end = _digits_end(text, exponent)
    name_end = _name_end(text, end)
    if name_end > end:
        number, name = text[position:end], text[end:name_end]
        raise _Unreadable(
            f"'{number}{name}' is neither number nor name", position, name_end, f"write {number} * {name}"
        )
    return end


def _digits_end(text: str, position: int) -> int:
    while position < len(text) and text[position] in "0123456789":
        position += 1
    return position


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0

    def whole(self) -> Part:
        """The expression up to the parenthesis that ends it, behind which nothing may stand."""
        root = self._expression(0)
        self._closing()
        rest = self._next()
        if rest.kind != "end":
            help_text = "an expression is the whole value: write one $(...) around all of it"
            raise _Unreadable("something stands behind the closing ')'", rest.start, self._tokens[-1].end, help_text)
        return root

    def _expression(self, power: int) -> Part:
        """An expression whose operators bind at least as strongly as ``power``."""
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise self._too_deep(self._peek())
        left = self._operand(power)
        while (strength := _POWERS.get(self._peek().text, -1)) >= max(power, 0):
            left = self._continued(left, self._next().text, strength)
        self._depth -= 1
        return left

    def _continued(self, left: Part, operator: str, strength: int) -> Part:
        """``left`` together with the operator that was just read and what follows it."""
        if operator == "if":
            condition = self._expression(strength + 1)
            self._expect("else", "'else' is missing: a if condition else b")
            return self._part("conditional", left.start, "if", left, condition, self._expression(strength))
        if operator in ("and", "or"):
            return self._part("logic", left.start, operator, left, self._expression(strength + 1))
        if operator in _COMPARISONS:
            return self._comparison(left, operator, strength)
        # ** groups from the right, the others from the left.
        right = self._expression(strength if operator == "**" else strength + 1)
        return self._part("binary", left.start, operator, left, right)

    def _comparison(self, left: Part, operator: str, strength: int) -> Part:
        operators, operands = [operator], [left, self._expression(strength + 1)]
        while self._peek().text in _COMPARISONS:
            operators.append(self._next().text)
            operands.append(self._expression(strength + 1))
        return self._part("compare", left.start, " ".join(operators), *operands)

    def _operand(self, power: int) -> Part:
        token = self._next()
        if token.kind == "number":
            return _number(token)
        if token.text in ("true", "false"):
            return Part("literal", token.start, token.end, value=token.text == "true")
        if token.text == "not" and power <= _NOT_POWER:
            return self._part("not", token.start, "not", self._expression(_NOT_POWER))
        if token.kind == "name" and token.text not in _KEYWORDS:
            return self._call(token) if self._peek().text == "(" else Part("name", token.start, token.end, token.text)
        if token.text in ("+", "-"):
            return self._part("unary", token.start, token.text, self._expression(_UNARY_POWER))
        if token.text == "(":
            inner = self._expression(0)
            return inner._replace(start=token.start, end=self._closing().end)
        if token.kind == "end":
            raise _Unreadable("it ends where a value is wanted", token.start, token.end)
        help_text = "put it in parentheses: (not ...)" if token.text == "not" else None
        raise _Unreadable(f"a value is wanted here, not '{token.text}'", token.start, token.end, help_text)

    def _call(self, function: _Token) -> Part:
        if function.text not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            raise _Unreadable(
                f"there is no function '{function.text}'", function.start, function.end, f"known: {known}"
            )
        self._next()
        arguments: list[Part] = []
        while self._peek().text != ")" or arguments:
            arguments.append(self._expression(0))
            if self._peek().text != ",":
                break
            self._next()
        end = self._closing().end
        least, most = FUNCTIONS[function.text]
        if not least <= len(arguments) <= (most or len(arguments)):
            wanted = f"{least} value{'' if least == 1 else 's'}{'' if most else ' or more'}"
            problem = f"'{function.text}' takes {wanted}, but {len(arguments)} given"
            raise _Unreadable(problem, function.start, end)
        return self._part("call", function.start, function.text, *arguments)

    def _part(self, kind: Kind, start: int, operator: str, *operands: Part) -> Part:
        height = 1 + max(operand.height for operand in operands)
        if height > DEPTH_LIMIT:
            raise self._too_deep(self._peek())
        return Part(kind, start, self._tokens[self._position - 1].end, operator, operands, height=height)

    def _too_deep(self, token: _Token) -> _Unreadable:
        problem = f"it is nested more than {DEPTH_LIMIT} levels deep"
        return _Unreadable(problem, token.start, token.end, code="NS110")

    def _closing(self) -> _Token:
        token = self._next()
        if token.kind == "end":
            raise _Unreadable("')' is missing", token.start, token.end)
        if token.text != ")":
            problem = f"an operator or ')' is wanted here, not '{token.text}'"
            raise _Unreadable(problem, token.start, token.end)
        return token

    def _expect(self, text: str, problem: str) -> _Token:
        token = self._next()
        if token.text != text:
            raise _Unreadable(problem, token.start, token.end)
        return token

    def _peek(self) -> _Token:
        return self._tokens[self._position]

    def _next(self) -> _Token:
        token = self._tokens[self._position]
        self._position = min(self._position + 1, len(self._tokens) - 1)
        return token


def _number(token: _Token) -> Part:
    # Its length is bounded by that of the expression, so int() cannot refuse it.
    value = int(token.text) if token.text.isdecimal() else float(token.text)
    if abs(value) > MAGNITUDE_LIMIT and (isinstance(value, int) or value == float("inf")):
        problem = f"{token.text} is beyond {MAGNITUDE_LIMIT:.0e}"
        raise _Unreadable(problem, token.start, token.end, code="NS110")
    return Part("literal", token.start, token.end, value=value)
