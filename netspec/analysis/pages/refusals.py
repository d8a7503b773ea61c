"""Which shapes an op refuses, read off its code: the diagnostics that typing it can end in.

A code such as NS201 stands where the refusal is raised, in ``infer`` or in what it calls. So it is among the constants
of the functions that can be reached from there by name, and need not be written down a second time. An op that is made
of others lists what those refuse, though it may never give them cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from netspec.core.declare import Declaration
from netspec.diagnostics.catalogue import codes

_CODE = re.compile(r"[A-Z]{2,}\d{3}")


def refusals(declaration: Declaration) -> tuple[str, ...]:
    """Codes of the shape errors of an op, in order."""
    found: set[str] = set()
    seen: set[FunctionType] = set()
    waiting = list(_entries(declaration.make))
    while waiting:
        owner, function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for body in _bodies(function.__code__):
            found.update(each for each in body.co_consts if isinstance(each, str) and _CODE.fullmatch(each))
            for name in body.co_names:
                waiting += _called(name, owner, function, declaration.module)
    return tuple(sorted(found.intersection(codes())))


def _entries(owner: Any) -> Iterator[tuple[Any, FunctionType]]:
    """What is asked of an op when a layer is typed."""
    for method in ("infer", "params"):
        function = getattr(owner, method, None)
        if isinstance(function, FunctionType):
            yield owner, function


def _bodies(body: CodeType) -> Iterator[CodeType]:
    """The code of a function and of what is written inside it."""
    yield body
    for inner in body.co_consts:
        if isinstance(inner, CodeType):
            yield from _bodies(inner)


def _called(name: str, owner: Any, function: FunctionType, module: str) -> Iterator[tuple[Any, FunctionType]]:
    """The methods of the op, the functions and the other ops that the name may stand for; none of foreign packages."""
    for named in (getattr(owner, name, None), function.__globals__.get(name)):
        meant = getattr(named, "__wrapped__", named)  # one whose results are remembered
        if hasattr(meant, "declaration"):
            yield from _entries(meant)
        elif isinstance(meant, FunctionType) and meant.__module__.split(".")[0] in ("netspec", module.split(".")[0]):
            yield owner, meant
