"""Names of layers: unique in their list, looked up in their own list, then in the list around it, and so on outward."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from netspec.core.graph import Value

VISIBLE_LIMIT = 200
"""Names of one list that are looked through for what a misspelt one may mean."""
INPUT = "input"
"""What enters the block, at the file's level the network."""


class Named(NamedTuple):
    """What a name stands for: an output (``None``: of unknown shape) and the path of its layer.

    ``written`` is whether all of the name is written in the file; an automatic name may change with the next layer that
    is put in, so nothing may refer to it.
    """

    output: Value | None
    path: str
    written: bool = True


class Scope:
    """One list of layers: its path, what enters it, its layers so far, and the list around it.

    ``is_block`` says that what enters is called ``input`` here, as in the layers of a block and of the file.
    """

    def __init__(self, path: str, input: Value | None, outer: Scope | None = None, is_block: bool = False) -> None:
        self.path = path
        self.input = input
        self.outer = outer
        self.is_block = is_block or outer is None
        self.inputs: dict[str, Value] = {}
        """Inputs of the network that are found by name, where there are several."""
        self._layers: dict[str, Named] = {}
        self._inner: dict[str, Scope] = {}
        self._unnamed: dict[str, int] = {}

    def automatic(self, op: str) -> str:
        """Name of the next layer of this op that has none: ``conv``, ``conv2``, ... among the unnamed ones."""
        while True:
            self._unnamed[op] = self._unnamed.get(op, 0) + 1
            name = op if self._unnamed[op] == 1 else f"{op}{self._unnamed[op]}"
            if name not in self._layers:
                return name

    def taken(self, name: str) -> bool:
        """Whether a layer of this list is called so."""
        return name in self._layers

    def free(self, name: str) -> str:
        """A name like this one that is not taken."""
        number = 2
        while f"{name}{number}" in self._layers or f"{name}{number} " in self._layers:
            number += 1
        return f"{name}{number}"

    def join(self, name: str) -> str:
        """Path of a layer of this list."""
        return f"{self.path}/{name}" if self.path else name

    def enter(self, name: str, inner: Scope) -> None:
        """Make the layers of ``inner`` reachable as ``name/layer``."""
        self._inner[name] = inner

    def add(self, name: str, output: Value | None, written: bool) -> None:
        """Note the output of a layer."""
        self._layers[name] = Named(output, self.join(name), written)

    def find(self, name: str) -> Named | None:
        """What the name or path stands for, seen from here; a path that begins with ``/`` begins at the file's list."""
        if name.startswith("/"):
            root = self
            while root.outer is not None:
                root = root.outer
            return root._own(name[1:])
        found = self._own(name)
        if found is not None or self.outer is None:
            return found
        return self.outer.find(name)

    def _own(self, name: str) -> Named | None:
        if name in self._layers:
            return self._layers[name]
        if name == INPUT and self.is_block and (self.outer is not None or self.input is not None):
            return Named(self.input, INPUT)
        if name in self.inputs:
            return Named(self.inputs[name], name)
        cut = name.find("/")
        while cut > 0:
            if name[:cut] in self._inner:
                found = self._inner[name[:cut]]._own(name[cut + 1 :])
                if found is not None:
                    around = self._layers.get(name[:cut].partition("/")[0])
                    return found._replace(written=found.written and (around is None or around.written))
            cut = name.find("/", cut + 1)
        return None

    def visible(self) -> list[str]:
        """Written names that can be seen from here, the nearest first."""
        own = [
            name
            for name in islice(reversed(self._layers), VISIBLE_LIMIT)
            if self._layers[name].written and name[-1] != " "
        ]
        if self.outer is not None:
            return [*own, *self.outer.visible()]
        return [*own, *(self.inputs or [INPUT])]
