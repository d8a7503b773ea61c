"""``declare()``: how an op, loss, optimiser, schedule, initialiser, transform, augmentation, ... comes to be known.

A declaration is a plain class with annotated attributes. The decorator reads the attributes, gives the class a
keyword constructor, equality, hash and repr, freezes its instances, and enters it in the registry of its kind.
An instance then is "the op with these attributes", and its methods state everything netspec knows of it. The
methods an op may have are listed in ``netspec.core.op``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import get_annotations
from typing import Any, TypeVar, dataclass_transform

from netspec.core.attributes import REQUIRED, Attribute, attr, bind

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """A declared class with its name, its attributes in order, the main one, and what it is for.

    ``example`` is what its page of documentation shows and a test runs: of an op a list of layers in YAML that stand
    on an image, of any other kind what stands behind the key. Only where an attribute must be written it is needed.
    """

    kind: str
    name: str
    main: str | None
    doc: str
    public: bool
    attributes: tuple[Attribute, ...]
    make: Callable[..., Any]
    module: str
    example: str = ""

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of that name, or ``None``."""
        return next((a for a in self.attributes if a.name == name), None)

    def has(self, method: str) -> bool:
        """Whether the class states ``method`` (optional methods are simply left out)."""
        return hasattr(self.make, method)


@dataclass(slots=True)
class Registry:
    """All declarations of one kind, by name. ``load`` is called once, when a name is first asked for."""

    kind: str
    entries: dict[str, Declaration] = field(default_factory=dict)
    load: Callable[[], None] | None = None
    load_plugins: Callable[[], None] | None = None

    def _ready(self) -> None:
        if self.load is not None:
            load, self.load = self.load, None
            load()

    def _with_plugins(self) -> None:
        self._ready()
        if self.load_plugins is not None:
            load, self.load_plugins = self.load_plugins, None
            load()

    def get(self, name: str) -> Declaration | None:
        """The declaration called ``name``; installed plug-ins are looked at only when the name is not ours."""
        self._ready()
        if name not in self.entries:
            self._with_plugins()
        return self.entries.get(name)

    def __getitem__(self, name: str) -> Declaration:
        found = self.get(name)
        if found is None:
            raise KeyError(f"no {self.kind} called {name!r}")
        return found

    def public(self) -> Iterator[Declaration]:
        """Declarations a person may write, by name; plug-ins included."""
        self._with_plugins()
        return iter(sorted((d for d in self.entries.values() if d.public), key=lambda d: d.name))

    def all(self) -> Iterator[Declaration]:
        """Every declaration, internal ones and plug-ins included, by name."""
        self._with_plugins()
        return iter(sorted(self.entries.values(), key=lambda d: d.name))

    def add(self, declaration: Declaration) -> None:
        """Enter a declaration; a second one of the same name is a ValueError."""
        if declaration.name in self.entries:
            raise ValueError(f"two {self.kind} declarations called {declaration.name!r}")
        self.entries[declaration.name] = declaration


REGISTRIES: dict[str, Registry] = {
    kind: Registry(kind)
    for kind in (
        "op",
        "loss",
        "optimizer",
        "schedule",
        "initializer",
        "transform",
        "augmentation",
        "source",
        "metric",
        "option",
    )
}


def declaration_of(instance: object) -> Declaration:
    """The declaration whose instance this is."""
    found: Declaration = type(instance).declaration  # type: ignore[attr-defined]  # declare() puts it there
    return found


def attributes_of(instance: object) -> dict[str, Any]:
    """Attribute values of an instance, by name, in declared order."""
    return {a.name: getattr(instance, a.name) for a in declaration_of(instance).attributes}


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(attr,))
def declare(
    kind: str, name: str, *, main: str | None = None, doc: str = "", public: bool = True, example: str = ""
) -> Callable[[type[T]], type[T]]:
    """Enter the decorated class in the registry of ``kind`` under ``name``.

    ``main`` names the attribute that ``- op: value`` sets. An internal declaration (``public=False``) cannot be
    written in a spec. What ``example`` is says :class:`Declaration`.
    """

    def register(cls: type[T]) -> type[T]:
        annotations: Mapping[str, str] = get_annotations(cls)
        attributes = tuple(bind(key, str(kind_), getattr(cls, key), public) for key, kind_ in annotations.items())
        if main is not None and main not in annotations:
            raise TypeError(f"{name!r} has no attribute {main!r} to be its main one")
        declaration = Declaration(
            kind, name, main, doc or (cls.__doc__ or "").strip(), public, attributes, cls, cls.__module__, example
        )
        _freeze(cls, declaration)
        REGISTRIES[kind].add(declaration)
        return cls

    return register


def _freeze(cls: Any, declaration: Declaration) -> None:
    """Give the class its constructor and value semantics. Shared closures, since generated code costs start-up."""
    defaults = {a.name: a.default for a in declaration.attributes}

    def construct(self: object, **given: Any) -> None:
        unknown = given.keys() - defaults.keys()
        if unknown:
            raise TypeError(f"{declaration.name} has no attribute {', '.join(sorted(unknown))}")
        values = {**defaults, **given}
        missing = [key for key, value in values.items() if value is REQUIRED]
        if missing:
            raise TypeError(f"{declaration.name} lacks {', '.join(missing)}")
        self.__dict__.update(values)

    def refuse(self: object, name: str, value: object = None) -> None:
        raise AttributeError(f"a {declaration.name} declaration is frozen")

    def show(self: object) -> str:
        written = (f"{k}={v!r}" for k, v in attributes_of(self).items() if v != defaults[k])
        return f"{declaration.name}({', '.join(written)})"

    cls.declaration = declaration
    cls.__init__ = construct
    cls.__setattr__ = refuse
    cls.__delattr__ = refuse
    cls.__repr__ = show
    cls.__eq__ = lambda self, other: type(self) is type(other) and self.__dict__ == other.__dict__
    cls.__hash__ = lambda self: hash((declaration.name, tuple(self.__dict__.items())))
    for attribute in declaration.attributes:
        delattr(cls, attribute.name)
