"""What goes into the network and what comes out: ``input``, ``inputs`` and ``heads``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from netspec.core.types import TensorType
from netspec.diagnostics import Diagnostic, Span
from netspec.syntax import tree
from netspec.syntax.environment import Environment
from netspec.syntax.schema import spec_schema
from netspec.syntax.validate import missing_key
from netspec.syntax.values import UNKNOWN, Values
from netspec.syntax.vocabulary import GROUP

_GUESSED_SIDE = 720
"""What is taken for a side of the input that is unknown: large enough for most windows, and divided by most strides."""


class NetworkInput(NamedTuple):
    """An input of the network: ``other`` is the second version of a type that had to be guessed, ``source`` the field
    of the data that goes in."""

    name: str
    type: TensorType
    span: Span
    other: TensorType | None = None
    source: str | None = None


def read_inputs(root: tree.Mapping, values: Values, names: Environment) -> list[NetworkInput]:
    """The inputs of the network, as far as they can be read; none at all is NS103."""
    single, several = (root.by_name.get(key) for key in ("input", "inputs"))
    if single is not None and several is not None:
        values.diagnostics.append(Diagnostic("NS130", several.key.span, {"first": "input", "second": "inputs"}))
    if single is not None:
        return list(_input("input", single.value, None, values, names))
    if several is None:
        values.diagnostics.append(missing(root, "input"))
        return []
    found: list[NetworkInput] = []
    for entry in several.value.entries if isinstance(several.value, tree.Mapping) else ():
        shape, source = entry.value, None
        if isinstance(shape, tree.Mapping) and not values.violations.has(shape):
            field = shape.by_name.get("source")
            source = str(field.value.value) if field is not None and isinstance(field.value, tree.Scalar) else None
            if "shape" not in shape.by_name:
                continue  # as the schema says
            shape = shape.by_name["shape"].value
        found.extend(_input(entry.name, shape, source, values, names))
    return found


def _input(
    name: str, node: tree.Node, source: str | None, values: Values, names: Environment
) -> Iterator[NetworkInput]:
    """The input of a shape, and another type of it where some of its sides had to be guessed."""
    if not isinstance(node, tree.Sequence) or values.violations.has(node):
        return
    schema = spec_schema()["properties"]["input"]["items"]
    sides = [values.checked(item, names, schema, f"{name}[{i}]") for i, item in enumerate(node.items)]
    known = [side is not UNKNOWN and not values.is_guess(item) for side, item in zip(sides, node.items, strict=True)]
    first = TensorType(tuple(_GUESSED_SIDE if side is UNKNOWN else int(side) for side in sides))
    second = TensorType(tuple(n if sure else n + 1 for n, sure in zip(first.shape, known, strict=True)))
    yield NetworkInput(name, first, node.span, None if all(known) else second, source)


class WrittenHead(NamedTuple):
    """A head as it is written: ``entries`` are the keys of its mapping."""

    name: str
    key: Span
    entries: dict[str, tree.Entry]

    def value(self, key: str) -> tree.Node | None:
        """What stands under one of its keys."""
        entry = self.entries.get(key)
        return None if entry is None else entry.value

    @property
    def layers(self) -> tree.Node | None:
        """Its own layers."""
        return self.value(GROUP)


def read_heads(root: tree.Mapping) -> list[WrittenHead]:
    """The heads that are written."""
    entry = root.by_name.get("heads")
    if entry is None or not isinstance(entry.value, tree.Mapping):
        return []
    return [
        WrittenHead(e.name, e.key.span, dict(e.value.by_name) if isinstance(e.value, tree.Mapping) else {})
        for e in entry.value.entries
    ]


def missing(root: tree.Mapping, key: str) -> Diagnostic:
    """What to say of a key that the spec must have."""
    schema: dict[str, Any] = spec_schema()["properties"][key]
    return missing_key(key, schema, "the spec", Span(*root.span[:3], root.span.line, root.span.column + 1))
