"""Expansion of ``train:`` into a :class:`Recipe`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.core.declare import REGISTRIES
from netspec.declarations.recipe import Recipe
from netspec.declarations.schedules import Constant
from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax import tree
from netspec.syntax.schema import LATER_TRAIN_KEYS
from netspec.syntax.suggestions import closest
from netspec.syntax.values import Values

_KINDS = {"data": "source", "loss": "loss", "optimizer": "optimizer", "lr": "schedule"}
_LISTS = {"preprocess": "transform", "metrics": "metric"}
_NUMBERS = ("validation", "epochs", "batch", "seed")


class RecipeExpansion:
    """Reads the keys of ``train:`` one by one; what is refused keeps its default."""

    def __init__(self, values: Values, diagnostics: Diagnostics, variables: Mapping[str, Any]) -> None:
        self._values = values
        self._diagnostics = diagnostics
        self._variables = variables

    def recipe(self, node: tree.Node | None) -> tuple[Recipe, dict[str, Span]]:
        """The recipe and the span of each value that was written."""
        found: dict[str, Any] = {}
        spans: dict[str, Span] = {}
        entries = node.entries if isinstance(node, tree.Mapping) else ()
        for entry in entries:
            key = entry.name
            spans[key] = entry.value.span
            if key in LATER_TRAIN_KEYS:
                self._diagnostics.append(Diagnostic("NS113", entry.key.span, {"feature": f"train.{key}"}))
            elif key in _KINDS:
                found[key] = self._instance(_KINDS[key], entry.value)
            elif key in _LISTS:
                items = entry.value.items if isinstance(entry.value, tree.Sequence) else ()
                found[key] = self._list(key, items)
            elif key in _NUMBERS and not self._values.violations.has(entry.value):
                number = self._values.read(entry.value, self._variables)
                found[key] = number if isinstance(number, int | float) else None
        kept = {key: value for key, value in found.items() if value is not None}
        if "lr" not in kept and "optimizer" in kept:
            kept["lr"] = Constant(rate=kept["optimizer"].default_rate)
        return Recipe(**kept), spans

    def _list(self, key: str, items: tuple[tree.Node, ...]) -> tuple[Any, ...] | None:
        made = [self._instance(_LISTS[key], item) for item in items]
        if any(instance is None for instance in made):
            return None
        return tuple((type(m).declaration.name, m) for m in made) if key == "metrics" else tuple(made)

    def _instance(self, kind: str, node: tree.Node) -> Any:
        """An instance written like a layer: a bare name, or a mapping of one name to attributes."""
        if self._values.violations.has(node):
            return None
        if isinstance(node, tree.Scalar) and not isinstance(node.value, str):
            return Constant(rate=float(node.value)) if isinstance(node.value, int | float) else None
        key: tree.Scalar
        value: tree.Node | None
        if isinstance(node, tree.Mapping):
            key, value = node.entries[0].key, node.entries[0].value
        elif isinstance(node, tree.Scalar):
            key, value = node, None
        else:
            return None
        return self._named(kind, key, value)

    def _named(self, kind: str, key: tree.Scalar, value: tree.Node | None) -> Any:
        name = str(key.value)
        if name.startswith("$"):
            read = self._values.read(key, self._variables)
            if isinstance(read, int | float) and kind == "schedule":
                return Constant(rate=float(read))
            name = read if isinstance(read, str) else name
        declaration = REGISTRIES[kind].get(name)
        if declaration is None:
            if value is None:  # a key was refused by the schema
                known = [d.name for d in REGISTRIES[kind].public()]
                fields = {"what": kind, "choices": known, "found": repr(name), "suggestion": closest(name, known)}
                self._diagnostics.append(Diagnostic("NS109", key.span, fields))
            return None
        written = self._values.make(declaration, value, self._variables, key.span)
        return None if written is None else written.instance
