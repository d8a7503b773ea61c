"""The op of a layer: which key it is, which op or block it names, what stands behind it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from netspec.core.declare import REGISTRIES, Declaration
from netspec.diagnostics import Diagnostic, Span
from netspec.syntax import tree
from netspec.syntax.environment import Environment
from netspec.syntax.expressions import is_expression
from netspec.syntax.keys import is_guess
from netspec.syntax.scalars import resolve_plain
from netspec.syntax.suggestions import closest
from netspec.syntax.validate import Checker
from netspec.syntax.values import UNKNOWN, Values
from netspec.syntax.vocabulary import ALIASES, GROUP, MODIFIERS

_UNSEPARATED = re.compile(r"([a-z]\w*)(?::| +:?)(\d{1,9}(?:\.\d{1,9})?)")
"""An op and its main attribute with the colon or the blank behind it forgotten, which makes them one text."""


class Op(NamedTuple):
    """The op of a layer: its name, where that is written, what stands behind it, whether the name is a guess."""

    name: str
    key: tree.Scalar
    value: tree.Node | None = None
    guess: bool = False

    @property
    def span(self) -> Span:
        """From the op's key to the end of what stands behind it."""
        return self.key.span if self.value is None else self.key.span.until(self.value.span)


class OpKeys:
    """Finds the op of each layer; what is wrong with it is reported."""

    def __init__(self, values: Values, checker: Checker, blocks: Collection[str]) -> None:
        self._values = values
        self._checker = checker
        self._blocks = blocks

    def of(self, node: tree.Node, names: Environment) -> list[Op]:
        """The op of a layer; none where it cannot be read at all, several where dashes are missing."""
        if isinstance(node, tree.Scalar):
            return self._bare(node, names) if isinstance(node.value, str) else []
        if not isinstance(node, tree.Mapping):
            return []
        entries = [entry for entry in node.entries if entry.name not in MODIFIERS]
        if not entries:
            self._report("NS103", node.span, key="an op", where="a layer")
        known = [entry for entry in entries if self._known(entry.name) or is_expression(entry.key)]
        if len(known) > 1:
            self._report("NS105", known[1].key.span, ops=[entry.name for entry in known])
        found = []
        for entry in known or entries[:1]:
            if is_expression(entry.key):
                found += self._named(entry.key, entry.value, names)
            else:
                found.append(Op(entry.name, entry.key, entry.value, is_guess(entry)))
        return found

    def _bare(self, key: tree.Scalar, names: Environment) -> list[Op]:
        """The op that stands alone; of a misspelt one the likeliest."""
        name = str(key.value)
        if self._known(name):
            return [Op(name, key)]
        if is_expression(key):
            return self._named(key, None, names)
        split = _UNSEPARATED.fullmatch(name)
        if split is not None and self._known(split[1]):
            self._report("NS104", key.span, name=name, separated=f"{split[1]}: {split[2]}")
            value = tree.Scalar(resolve_plain(split[2]), key.span, split[2], "plain")
            return [Op(split[1], key, value, True)]
        return [Op(self._nearest(name, key.span), key, None, True)]

    def _named(self, key: tree.Scalar, value: tree.Node | None, names: Environment) -> list[Op]:
        """The op whose name an expression gives; what stands behind it is checked now that it is known."""
        name = self._values.read(key, names)
        if name is UNKNOWN:
            return []
        place = self._values.place(key, names)
        if not isinstance(name, str) or name == GROUP:
            from netspec.syntax.scalars import describe

            self._report("NS102", place, what="op", expected="the name of an op or block", found=describe(name))
            return []
        guess = not self._known(name)
        if guess:
            name = self._nearest(name, place)
        if not self._known(name):
            return []
        if value is not None:
            value, violations = self._checker.behind(name, value)
            self._values.violations.update(violations)
        return [Op(name, key, value, guess)]

    def _nearest(self, name: str, place: Span) -> str:
        """Report a name that is neither op nor block; returns the one that is probably meant, else the name."""
        known = [declaration.name for declaration in REGISTRIES["op"].public()]
        blocks = sorted(self._blocks)
        guess = closest(name, [*known, *blocks], ALIASES)
        self._report("NS104", place, name=name, suggestion=guess, blocks=blocks or None)
        return guess or name

    def _known(self, name: str) -> bool:
        if name == GROUP or name in self._blocks:
            return True
        declaration = REGISTRIES["op"].get(name)
        return declaration is not None and declaration.public

    def _report(self, code: str, span: Span, **fields: object) -> None:
        self._values.diagnostics.append(Diagnostic(code, span, fields))


def branches_of(declaration: Declaration, value: tree.Node | None) -> list[tuple[str, tree.Node]]:
    """Branches of a merge: what stands under its key and is not one of its attributes."""
    if isinstance(value, tree.Sequence):
        return [(str(index), item) for index, item in enumerate(value.items)]
    if isinstance(value, tree.Mapping):
        return [(e.name, e.value) for e in value.entries if declaration.attribute(e.name) is None]
    return []
