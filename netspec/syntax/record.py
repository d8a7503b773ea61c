"""What the expansion made of each layer, from which the resolved spec is written."""

from __future__ import annotations

from typing import Any, NamedTuple

from netspec.core.graph import Value


class Reference(NamedTuple):
    """Stands where the resolved spec names a layer: the one that makes this output."""

    output: Value


class PathReference(NamedTuple):
    """Stands where the resolved spec names a layer or group, whose parameters are meant, by its path."""

    path: str


class Listing:
    """A list of layers; ``owner`` is the layer it belongs to, ``branch`` the one of its branches that it is."""

    __slots__ = ("branch", "owner", "records")

    def __init__(self, owner: Record | None = None, branch: str = "") -> None:
        self.owner = owner
        self.branch = branch
        self.records: list[Record] = []


class Record:
    """One layer of the resolved spec: an op with its attributes, a group, or a merge with its branches.

    ``named`` says that its name has to be written. In attributes and ``beside`` (the keys that stand beside the op), a
    :class:`Reference` stands for the name of a layer.
    """

    __slots__ = ("attributes", "beside", "branches", "listing", "name", "named", "op", "parent")

    def __init__(self, op: str, name: str, named: bool, parent: Listing) -> None:
        self.op = op
        self.name = name
        self.named = named
        self.parent = parent
        self.attributes: dict[str, Any] = {}
        self.beside: dict[str, Any] = {}
        self.listing: Listing | None = None
        self.branches: list[Listing] = []
