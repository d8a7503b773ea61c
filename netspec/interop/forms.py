"""What the exporters share: a table of forms, one per op, and the refusal of a layer that has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from netspec.core.graph import Node
from netspec.diagnostics import Diagnostic, Span
from netspec.diagnostics.errors import SpecError

F = TypeVar("F", bound=Callable[..., object])


class NoFormError(Exception):
    """A layer cannot be said in another program's terms; the text says why."""


def register(table: dict[str, F], *names: str) -> Callable[[F], F]:
    """Enter the decorated function as the form of these ops."""

    def enter(function: F) -> F:
        table.update(dict.fromkeys(names, function))
        return function

    return enter


def find(table: Mapping[str, F], node: Node, target: str) -> F:
    """The form of a node's op; NoFormError where the table has none."""
    found = table.get(node.op.name)
    if found is None:
        raise NoFormError(f"{target} has no counterpart of '{node.op.name}'")
    return found


def refusal(node: Node, target: str, reason: str) -> SpecError:
    """The error that says at the layer's place why it cannot be exported."""
    span = node.where.layer if node.where else Span.of_file("")
    return SpecError([Diagnostic("NS930", span, {"layer": node.path, "target": target, "reason": reason})])
