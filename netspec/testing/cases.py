"""Which uses of an op are tried: those that reflection finds, and those that its reference module adds."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from itertools import product
from typing import Any

from netspec.core import op as ops
from netspec.core.attributes import Attribute
from netspec.core.declare import REGISTRIES, Declaration
from netspec.core.op import ShapeError
from netspec.core.reference import Case
from netspec.core.types import TensorType

SHAPES = ((5,), (33,), (6, 3), (5, 4, 3), (3, 4, 17), (3, 2, 4, 2))
"""Features, then one, two and three spatial axes; channels below, at and beyond the width of a vector."""

EDGES = ((1,), (17,), (1, 17), (1, 3, 1), (1, 2, 1, 17))
"""Axes of a single place, and one channel or one more than a vector holds."""


def all_cases() -> tuple[Case, ...]:
    """The cases of every op that each backend computes, those of installed plug-ins included."""
    return tuple(
        case for declaration in REGISTRIES["op"].all() if not is_optional(declaration) for case in cases(declaration)
    )


def optional_cases() -> tuple[Case, ...]:
    """The cases of ops that a backend may be without."""
    return tuple(
        case for declaration in REGISTRIES["op"].all() if is_optional(declaration) for case in cases(declaration)
    )


def is_optional(declaration: Declaration) -> bool:
    """Whether passes make the op for those targets alone that ask for it."""
    return declaration.has("optional")


def cases(declaration: Declaration) -> tuple[Case, ...]:
    """The cases of one op: none for an internal op that only occurs in what others become."""
    reflected = _reflected(declaration) if declaration.public else ()
    known = tuple(dict.fromkeys((*reflected, *supplied(declaration))))
    return tuple(dict.fromkeys((*known, *_edges(known)))) if declaration.public else known


def supplied(declaration: Declaration) -> tuple[Any, ...]:
    """What the table ``CASES`` of the declaration's reference module holds for it."""
    name = declaration.module + "_reference"
    if importlib.util.find_spec(name) is None:
        return ()
    table = getattr(importlib.import_module(name), "CASES", {})
    return tuple(table.get(declaration.name, ()))


def _reflected(declaration: Declaration) -> Iterator[Case]:
    """Every combination of switches and choices, on every shape that the op takes; a merge is given three."""
    if any(attribute.required for attribute in declaration.attributes):
        return
    choices = [_choices(attribute) for attribute in declaration.attributes]
    names = [attribute.name for attribute in declaration.attributes]
    for shape, *chosen in product(SHAPES, *choices):
        attrs = declaration.make(**dict(zip(names, chosen, strict=True)))
        types = (TensorType(shape),) * _input_count(declaration)
        if _takes(attrs, types):
            yield Case(attrs, types)


def _edges(known: tuple[Case, ...]) -> Iterator[Case]:
    """On each of the shapes at the edge the first use of the op that fits it."""
    for shape in EDGES:
        alike = (Case(case.attrs, (TensorType(shape),) * len(case.types)) for case in known)
        found = next((case for case in alike if _takes(case.attrs, case.types)), None)
        if found is not None:
            yield found


def _choices(attribute: Attribute) -> tuple[Any, ...]:
    if attribute.kind == "bool":
        return (False, True)
    return tuple(attribute.limits.get("enum", (attribute.default,)))


def _input_count(declaration: Declaration) -> int:
    if declaration.has("merges"):
        return 3
    op: Any = declaration.make
    return len(inspect.signature(op.infer).parameters) - 1


def _takes(attrs: Any, types: tuple[TensorType, ...]) -> bool:
    try:
        ops.infer(attrs, types)
    except ShapeError:
        return False
    return True
