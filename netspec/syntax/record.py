"""What the expansion made of each layer, from which the resolved spec is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from netspec.core.graph import Value


class Reference(NamedTuple):
    """Stands where the resolved spec names a layer: the one that makes this output."""

    output: Value


class PathReference(NamedTuple):
    """Stands where the resolved spec names a layer or group, whose parameters are meant, by its path."""

    path: str


@dataclass(slots=True, eq=False)
class Listing:
    """A list of layers; ``owner`` is the layer it belongs to, ``branch`` the one of its branches that it is."""

    owner: Record | None = None
    branch: str = ""
    records: list[Record] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Record:
    """One layer of the resolved spec: an op with its attributes, a group, or a merge with its branches.

    ``named`` says that its name has to be written. In attributes and ``beside`` (the keys that stand beside the op), a
    :class:`Reference` stands for the name of a layer.
    """

    op: str
    name: str
    named: bool
    parent: Listing
    attributes: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict)
    listing: Listing | None = None
    branches: list[Listing] = field(default_factory=list)
