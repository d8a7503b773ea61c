"""Expansion of ``train:`` into a :class:`Recipe`."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from netspec.core.declare import REGISTRIES
from netspec.declarations.recipe import Head, Recipe
from netspec.declarations.schedules import Constant
from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax import tree
from netspec.syntax.environment import Environment
from netspec.syntax.interface import WrittenHead
from netspec.syntax.schema import spec_schema
from netspec.syntax.suggestions import closest
from netspec.syntax.values import UNKNOWN, Values
from netspec.syntax.vocabulary import ALIASES, TRAIN_CHOICES

_KINDS = {"data": "source", "loss": "loss", "optimizer": "optimizer", "lr": "schedule"}
_LISTS = {"preprocess": "transform", "augment": "augmentation", "metrics": "metric"}
_FLAGS = ("sync_batch_norm",)
_NUMBERS = ("validation", "epochs", "batch", "accumulate", "seed", "workers", "cache")


class Expanded(NamedTuple):
    """A recipe with the place of each value that is written, and of each item of a list."""

    recipe: Recipe
    spans: dict[str, Span]
    items: dict[str, tuple[Span, ...]]


class RecipeExpansion:
    """Reads the keys of ``train:`` one by one; what is refused keeps its default."""

    def __init__(self, values: Values, diagnostics: Diagnostics, variables: Environment) -> None:
        self._values = values
        self._diagnostics = diagnostics
        self._variables = variables

    def recipe(self, node: tree.Node | None) -> Expanded:
        """The recipe, the span of each value that was written, and those of the items of its lists."""
        found: dict[str, Any] = {}
        spans: dict[str, Span] = {}
        places: dict[str, tuple[Span, ...]] = {}
        entries = node.entries if isinstance(node, tree.Mapping) else ()
        for entry in entries:
            key = entry.name
            spans[key] = entry.value.span
            if key in TRAIN_CHOICES:
                found[key] = self._choice(entry.value)
            elif key in _KINDS:
                found[key] = self._instance(_KINDS[key], key, entry.value)
            elif key in _LISTS:
                items = _items(key, entry.value)
                places[key] = tuple(item.span for item in items)
                found[key] = self._list(_LISTS[key], key, items)
            elif key == "init":
                found[key] = self._texts(entry.value)
            elif key in _FLAGS:
                found[key] = self._flag(key, entry.value)
            elif key in _NUMBERS:
                found[key] = self._number(key, entry.value)
            elif REGISTRIES["option"].get(key) is not None and not self._values.violations.has(entry.value):
                found[key] = self._made("option", key, key, entry.key.span, entry.value)
        kept = {key: value for key, value in found.items() if value is not None}
        if "lr" not in kept and "optimizer" in kept:
            kept["lr"] = Constant(rate=kept["optimizer"].default_rate)
        if "metrics" not in kept and "loss" in kept:
            kept["metrics"] = kept["loss"].metrics
        return Expanded(Recipe(**kept, stated=node is not None), spans, places)

    def _choice(self, node: tree.Node) -> str | None:
        """One of some words."""
        if not isinstance(node, tree.Scalar) or self._values.violations.has(node):
            return None
        return str(node.value)

    def head(self, written: WrittenHead) -> Head:
        """How a head is trained, as far as it says so itself."""
        loss, weight, metrics = (written.value(key) for key in ("loss", "weight", "metrics"))
        found: dict[str, Any] = {"train_only": written.value("only") is not None}
        if loss is not None:
            found["loss"] = self._instance("loss", "loss", loss)
        if weight is not None:
            schema = spec_schema()["properties"]["heads"]["additionalProperties"]["properties"]["weight"]
            number = self._values.checked(weight, self._variables, schema, "weight")
            found |= {} if number is UNKNOWN else {"weight": float(number)}
        if metrics is not None:
            found["metrics"] = self._list("metric", "metrics", _items("metrics", metrics))
        target = written.value("target")
        if isinstance(target, tree.Scalar) and isinstance(target.value, str):
            found["target"] = target.value
        return Head(**found)

    def _number(self, key: str, node: tree.Node) -> float | str | None:
        schema = spec_schema()["properties"]["train"]["properties"][key]
        number = self._values.checked(node, self._variables, schema, key)
        if number is UNKNOWN or self._values.is_guess(node):
            return None
        if isinstance(number, str):
            return number
        return int(number) if "integer" in schema["type"] else float(number)

    def _flag(self, key: str, node: tree.Node) -> bool | None:
        schema = spec_schema()["properties"]["train"]["properties"][key]
        flag = self._values.checked(node, self._variables, schema, key)
        return flag if isinstance(flag, bool) else None

    def _texts(self, node: tree.Node) -> dict[str, str] | None:
        """A mapping of texts, as far as the schema has nothing against it."""
        if not isinstance(node, tree.Mapping) or self._values.violations.within(node):
            return None
        return {entry.name: str(self._values.read(entry.value, self._variables)) for entry in node.entries}

    def _list(self, kind: str, key: str, items: tuple[tree.Node, ...]) -> tuple[Any, ...] | None:
        made = [self._instance(kind, f"{key}[{index}]", item) for index, item in enumerate(items)]
        if any(instance is None for instance in made):
            return None
        return tuple((type(m).declaration.name, m) for m in made) if key == "metrics" else tuple(made)

    def _instance(self, kind: str, key: str, node: tree.Node) -> Any:
        """An instance written like a layer: a bare name, or a mapping of one name to attributes."""
        if self._values.violations.has(node):
            return None
        if isinstance(node, tree.Mapping):
            entry = node.entries[0]
            return self._made(kind, key, entry.name, entry.key.span, entry.value)
        if isinstance(node, tree.Scalar):
            rates = ["number"] if kind == "schedule" else []
            written = self._values.checked(node, self._variables, {**_NAME_OR_RATE, "type": [*rates, "string"]}, key)
            if isinstance(written, str):
                return self._made(kind, key, written, node.span, None)
            if written is not UNKNOWN:
                return Constant(rate=float(written))
        return None

    def _made(self, kind: str, key: str, name: str, place: Span, value: tree.Node | None) -> Any:
        """An instance of the declaration of that name; None where something of it is wrong."""
        declaration = REGISTRIES[kind].get(name)
        if declaration is None:
            if value is None:  # an unknown key has been reported with the other keys
                known = [d.name for d in REGISTRIES[kind].public()]
                guess = closest(name, known, ALIASES)
                fields = {"what": key, "choices": known, "found": f"'{name}'", "suggestion": guess}
                if kind == "schedule":
                    fields |= {"choices": ["a number", *known], "advice": _rate_advice(name)}
                if kind == "source":
                    fields |= {"advice": _SOURCE_ADVICE}
                self._diagnostics.append(Diagnostic("NS109", place, fields))
            return None
        written = self._values.make(declaration, value, self._variables, place)
        return written.instance if written.other is None else None


def _items(key: str, node: tree.Node) -> tuple[tree.Node, ...]:
    """The items of a list; one metric may stand alone."""
    if isinstance(node, tree.Sequence):
        return node.items
    return (node,) if key == "metrics" else ()


def _rate_advice(written: str) -> str:
    """What to write for a text that is no schedule: it may be a number in quotes, or with a comma."""
    if re.fullmatch(r"\d{1,9}(?:[.,]\d{1,12})?(?:e[-+]?\d{1,3})?", written, re.IGNORECASE):
        return f"write {written.replace(',', '.')}, with a point and without quotes"
    return "write a learning rate, such as 0.01, or a schedule, such as {cosine: {peak: 0.01}}"


_SOURCE_ADVICE = "data of your own is read by {folder: PATH}, {npz: FILE}, {csv: FILE} and others: docs/sources.md"
_NAME_OR_RATE = {"title": "a name, or a learning rate of more than 0", "exclusiveMinimum": 0}
