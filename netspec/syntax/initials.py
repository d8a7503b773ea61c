"""``init:`` of a layer: how its parameters start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from netspec.core.declare import REGISTRIES, declaration_of
from netspec.core.graph import Param
from netspec.core.op import ShapeError
from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax import tree
from netspec.syntax.environment import Environment
from netspec.syntax.values import UNKNOWN, Values
from netspec.syntax.vocabulary import PARAMETERS


class Initials(NamedTuple):
    """Initialisers by parameter; under "" the one for weights. ``outer`` are those of the group or block around.

    ``own`` is whether they stand beside the layer itself, so that all of them have to be used.
    """

    by_name: Mapping[str, tuple[Any, Span]]
    outer: Initials | None = None
    own: bool = True

    def of(self, wanted: Mapping[str, Param], diagnostics: Diagnostics) -> dict[str, Any]:
        """The initialiser of each of these parameters that is given one.

        A bare one is for the weights, or for the only parameter that is trained. NS131 where the layer has no such
        parameter, NS229 where values do not fit it.
        """
        found = {} if self.outer is None else self.outer._replace(own=False).of(wanted, diagnostics)
        for name, (initializer, span) in self.by_name.items():
            meant = [name] if name else _weights(wanted)
            if self.own and not set(meant) & wanted.keys():
                fields = {"parameter": name or "weight", "known": list(wanted) or None}
                diagnostics.append(Diagnostic("NS131", span, fields))
            for parameter in set(meant) & wanted.keys():
                try:
                    if declaration_of(initializer).has("check"):
                        initializer.check(wanted[parameter])
                except ShapeError as error:
                    diagnostics.append(Diagnostic(error.code, span, {"parameter": parameter, **error.fields}))
                else:
                    found[parameter] = initializer
        return found


def _weights(wanted: Mapping[str, Param]) -> list[str]:
    weights = [name for name in wanted if name.endswith("weight")]
    trained = [name for name, param in wanted.items() if param.trained]
    return weights or (trained if len(trained) == 1 else [])


def read_initials(node: tree.Node, names: Environment, values: Values, outer: Initials | None) -> Initials | None:
    """What stands under ``init``: an initialiser, or one for each of some parameters."""
    found: dict[str, tuple[Any, Span]] = {}
    if isinstance(node, tree.Mapping) and not values.violations.has(node):
        if len(node.entries) > 1 and not all(entry.name in PARAMETERS for entry in node.entries):
            names_written = " and ".join(entry.name for entry in node.entries)
            fields = {"what": "init", "expected": "one initialiser, or one for each of some parameters"}
            values.diagnostics.append(Diagnostic("NS102", node.span, {**fields, "found": names_written}))
            return outer
        for entry in node.entries:
            if entry.name in PARAMETERS:
                made = _initializer(entry.value, names, values)
                place = entry.key.span
                name = entry.name
            else:
                made, place, name = _made(entry.name, entry.key.span, entry.value, names, values), entry.key.span, ""
            if made is not None:
                found[name] = (made, place)
    else:
        made = _initializer(node, names, values)
        if made is not None:
            found[""] = (made, node.span)
    return Initials(found, outer) if found else outer


def _initializer(node: tree.Node, names: Environment, values: Values) -> Any:
    if values.violations.has(node):
        return None
    if isinstance(node, tree.Mapping):
        entry = node.entries[0]
        return _made(entry.name, entry.key.span, entry.value, names, values)
    written = values.read(node, names)
    return None if written is UNKNOWN else _made(str(written), node.span, None, names, values)


def _made(name: str, place: Span, value: tree.Node | None, names: Environment, values: Values) -> Any:
    declaration = REGISTRIES["initializer"].get(name)
    if declaration is None:
        if value is None:  # an unknown key has been reported with the other keys
            from netspec.syntax.suggestions import closest

            known = [d.name for d in REGISTRIES["initializer"].public()]
            fields = {"what": "init", "choices": known, "found": f"'{name}'", "suggestion": closest(name, known)}
            values.diagnostics.append(Diagnostic("NS109", place, fields))
        return None
    written = values.make(declaration, value, names, place)
    return written.instance if written.other is None else None
