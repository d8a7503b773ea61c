"""What stands beside the op of a layer and says whether, how often, and with which parameters it is there."""

from __future__ import annotations

from typing import Any

from netspec.syntax import tree
from netspec.syntax.environment import Environment
from netspec.syntax.initials import Initials, read_initials
from netspec.syntax.placing import Parameters, Sharing
from netspec.syntax.record import PathReference, Record
from netspec.syntax.references import References
from netspec.syntax.schema import FLAG, REPEAT
from netspec.syntax.scope import Scope
from netspec.syntax.values import UNKNOWN, Values


def beside(node: tree.Node, key: str) -> tree.Entry | None:
    """What stands under a key beside the op."""
    return node.by_name.get(key) if isinstance(node, tree.Mapping) else None


class Modifiers:
    """Reads ``when``, ``repeat``, ``freeze``, ``init`` and ``share``."""

    def __init__(self, values: Values, references: References) -> None:
        self._values = values
        self._references = references

    def present(self, node: tree.Node, names: Environment) -> Any:
        """Whether ``when`` lets the layer or branch be there; ``UNKNOWN`` where that cannot be told."""
        entry = beside(node, "when")
        return True if entry is None else self._value(entry, names, FLAG)

    def count(self, node: tree.Node, names: Environment) -> Any:
        """How many copies ``repeat`` wants; None for a layer that is not repeated."""
        entry = beside(node, "repeat")
        if entry is None:
            return None
        value = self._value(entry, names, REPEAT)
        return value if value is UNKNOWN else int(value)

    def _value(self, entry: tree.Entry, names: Environment, schema: dict[str, Any]) -> Any:
        value = self._values.checked(entry.value, names, schema, entry.name)
        return UNKNOWN if self._values.is_guess(entry.value) else value

    def parameters(
        self, node: tree.Node, names: Environment, outer: Parameters, scope: Scope, record: Record, path: str
    ) -> Parameters:
        """What the layer at ``path`` says of its parameters, over what is said of those of the layer around it.

        ``record`` takes note of what the layer itself says.
        """
        found = outer._replace(initials=_inherited(outer.initials))
        freeze, init, share = (beside(node, key) for key in ("freeze", "init", "share"))
        if freeze is not None and self._value(freeze, names, FLAG) is True:
            found = found._replace(frozen=True)
            record.beside["freeze"] = True
        if init is not None:
            found = found._replace(initials=read_initials(init.value, names, self._values, found.initials))
            record.beside["init"] = found.initials
        if share is not None and not self._values.violations.has(share.value):
            meant = self._references.layer(share.value, scope, names)
            if meant is not None:
                place = self._values.place(share.value, names)
                found = found._replace(share=Sharing(path, meant.path, place))
                record.beside["share"] = PathReference(meant.path)
        return found


def _inherited(initials: Initials | None) -> Initials | None:
    return None if initials is None else initials._replace(own=False)
