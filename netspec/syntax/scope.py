"""Names of layers: unique in their list, looked up in their own list, then in the list around it, and so on outward."""

from __future__ import annotations

from itertools import islice

from netspec.core.graph import Value

VISIBLE_LIMIT = 200
"""Names of one list that are looked through for what a misspelt one may mean."""


class Scope:
    """One list of layers: its path, what enters it, the outputs of its layers so far (``None``: of unknown shape)."""

    def __init__(self, path: str, input: Value | None, outer: Scope | None = None) -> None:
        self.path = path
        self.input = input
        self.outer = outer
        self.outputs: dict[str, Value | None] = {}
        self._unnamed: dict[str, int] = {}

    def name(self, op: str) -> str:
        """Name of the next layer of this op that has none: ``conv``, ``conv2``, ... among the unnamed ones."""
        while True:
            self._unnamed[op] = self._unnamed.get(op, 0) + 1
            name = op if self._unnamed[op] == 1 else f"{op}{self._unnamed[op]}"
            if name not in self.outputs:
                return name

    def free(self, name: str) -> str:
        """A name like this one that is not taken."""
        number = 2
        while f"{name}{number}" in self.outputs:
            number += 1
        return f"{name}{number}"

    def join(self, name: str) -> str:
        """Path of a layer of this list."""
        return f"{self.path}/{name}" if self.path else name

    def holds(self, name: str) -> bool:
        """Whether the name (or path) can be seen from here."""
        return name == "input" or name in self.outputs or (self.outer is not None and self.outer.holds(name))

    def look_up(self, name: str) -> Value | None:
        """Output of the layer called ``name``; ``None`` if its shape is unknown. Ask :meth:`holds` first."""
        if name in self.outputs:
            return self.outputs[name]
        if name == "input" and self.outer is None:
            return self.input
        return self.outer.look_up(name) if self.outer is not None else None

    def visible(self) -> list[str]:
        """Names that can be seen from here, the nearest first."""
        own = list(islice(reversed(self.outputs), VISIBLE_LIMIT))
        return [*own, *(self.outer.visible() if self.outer else ["input"])]

    def absorb(self, inner: Scope, name: str) -> None:
        """Make the layers of ``inner`` reachable as ``name/layer``."""
        self.outputs.update({f"{name}/{key}": value for key, value in inner.outputs.items()})
