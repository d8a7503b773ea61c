"""The resolved spec: a network after blocks, variables, files and dialect, written out as a spec that means the same.

Uses of blocks and copies of repeated layers become named groups, so that paths, and the names of weights, stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from netspec.core.declare import REGISTRIES, attributes_of, declaration_of
from netspec.declarations.recipe import Head, Recipe
from netspec.syntax.initials import Initials
from netspec.syntax.network import MAIN
from netspec.syntax.record import Listing, PathReference, Record, Reference
from netspec.syntax.scalars import resolve_plain
from netspec.syntax.spec import Expectation, Spec
from netspec.syntax.vocabulary import GROUP, LANGUAGE_VERSION

_WIDTH = 120
"""Characters of a line, about."""


Changes = Mapping[Record, Mapping[str, Any]]
"""Attributes that layers are to have otherwise than they were written."""
_NONE: Changes = {}


def resolved_text(spec: Spec, changes: Changes = _NONE) -> str:
    """The resolved spec as YAML. The spec is one without mistakes."""
    # PyYAML's own layout: collections of plain values on one line, all else in blocks.
    text: str = yaml.dump(
        resolved(spec, changes),
        Dumper=_Dumper,
        default_flow_style=None,
        sort_keys=False,
        width=_WIDTH,
        allow_unicode=True,
    )
    return text


def resolved(spec: Spec, changes: Changes = _NONE) -> dict[str, Any]:
    """The resolved spec as nested mappings and lists."""
    assert spec.listing is not None
    names = _Names(spec, changes)
    found: dict[str, Any] = {"netspec": LANGUAGE_VERSION, "name": spec.name}
    if spec.doc:
        found["doc"] = spec.doc
    found |= _inputs(spec)
    found[GROUP] = _layers(spec.listing, names)
    if spec.head_sources:
        found["heads"] = {name: _head(name, spec, names) for name in spec.head_sources}
    train = _train(spec)
    if train:
        found["train"] = train
    expect = _expect(spec.expectations)
    if expect:
        found["expect"] = expect
    plain: dict[str, Any] = _plain(found)
    return plain


class _Dumper(yaml.SafeDumper):
    """Writes lists below their key with the dash indented, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """A text, in quotes where the language would read it as something else: YAML 1.1 and 1.2 differ."""
        style = None if text and isinstance(resolve_plain(text), str) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


_Dumper.add_representer(str, _Dumper.represent_text)


class _Names:
    """What the resolved spec calls each layer that another refers to; a layer that is referred to gets its name."""

    def __init__(self, spec: Spec, changes: Changes) -> None:
        self._changes = changes
        self._inputs = {value: value.name for value in spec.graph.inputs}
        self._records = spec.records
        listings = [spec.listing, *spec.head_listings.values()]
        records = [record for listing in listings if listing is not None for record in _records(listing)]
        self._by_path = {_path(record): record for record in records}
        self.texts: dict[tuple[Any, Listing], str] = {}
        for record in records:
            for value in (*record.attributes.values(), *_flat(record.beside.values())):
                if isinstance(value, Reference | PathReference):
                    self.texts[value, record.parent] = self._text(value, record.parent)
        for head, source in spec.head_sources.items():
            if source is not None and spec.listing is not None:
                reference = Reference(source)
                self.texts[reference, spec.head_listings.get(head, spec.listing)] = self._text(reference, spec.listing)

    def attributes(self, record: Record) -> Mapping[str, Any]:
        """The attributes of a layer as they are to be written."""
        return {**record.attributes, **self._changes.get(record, {})}

    def _text(self, reference: Reference | PathReference, place: Listing) -> str:
        if isinstance(reference, PathReference):
            return self._relative(self._by_path[reference.path], place)
        if reference.output in self._inputs:
            return self._inputs[reference.output]
        return self._relative(self._records[reference.output], place)

    def _relative(self, record: Record, place: Listing) -> str:
        """The name of a layer as seen from a list; all that it is made of has to be written then."""
        around = list(_outward(place))
        steps: list[str] = []
        while True:
            record.named = True
            steps.insert(0, record.name)
            listing = record.parent
            if listing in around:
                text = "/".join(steps)
                nearer = around[: around.index(listing)]
                hidden = any(other.name == steps[0] for inner in nearer for other in inner.records)
                return f"/{_path(record)}{text[len(steps[0]) :]}" if hidden else text
            assert listing.owner is not None  # every list of the file stands in the file's own
            if listing.branch:
                steps.insert(0, listing.branch)
            record = listing.owner


def _outward(listing: Listing) -> Iterator[Listing]:
    yield listing
    while listing.owner is not None:
        listing = listing.owner.parent
        yield listing


def _path(record: Record) -> str:
    listing = record.parent
    if listing.owner is None:
        return f"{listing.branch}/{record.name}" if listing.branch else record.name
    return "/".join(filter(None, (_path(listing.owner), listing.branch, record.name)))


def _records(listing: Listing) -> Iterator[Record]:
    for record in listing.records:
        yield record
        for inner in (*record.branches, *((record.listing,) if record.listing else ())):
            yield from _records(inner)


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def _layers(listing: Listing, names: _Names) -> list[Any]:
    return [_layer(record, names) for record in listing.records]


def _layer(record: Record, names: _Names) -> Any:
    """One layer: bare, with its main attribute, or with a mapping; beside it what stands there."""
    beside = {key: _beside(value, record.parent, names) for key, value in record.beside.items()}
    if record.named:
        beside = {"name": record.name, **beside}
    body = _body(record, names)
    if body is None and not beside:
        return record.op
    return {record.op: body, **beside}


def _body(record: Record, names: _Names) -> Any:
    if record.listing is not None:
        return _layers(record.listing, names)
    attributes = {
        name: names.texts[value, record.parent] if isinstance(value, Reference) else _escaped(value)
        for name, value in names.attributes(record).items()
    }
    branches = {listing.branch: _layers(listing, names) for listing in record.branches}
    if attributes.keys() == {REGISTRIES["op"][record.op].main} and not branches:
        return next(iter(attributes.values()))
    return {**attributes, **branches} or None


def _beside(value: Any, place: Listing, names: _Names) -> Any:
    if isinstance(value, Reference | PathReference):
        return names.texts[value, place]
    if isinstance(value, Initials):
        own = {name: _named(initializer) for name, (initializer, _) in value.by_name.items()}
        return own[""] if own.keys() == {""} else own
    if isinstance(value, list):
        texts = [names.texts[item, place] for item in value]
        return texts if len(texts) > 1 else texts[0]
    return value


def _inputs(spec: Spec) -> dict[str, Any]:
    shapes = {value.name: value.type.shape for value in spec.graph.inputs}
    if list(shapes) == ["input"] and spec.inputs["input"].source is None:
        return {"input": shapes["input"]}
    fields = {name: spec.inputs[name].source for name in shapes}
    return {
        "inputs": {
            name: shape if fields[name] is None else {"shape": shape, "source": fields[name]}
            for name, shape in shapes.items()
        }
    }


def _head(name: str, spec: Spec, names: _Names) -> dict[str, Any]:
    source = spec.head_sources[name]
    listing = spec.head_listings.get(name, spec.listing)
    assert listing is not None
    said = spec.recipe.heads.get(name, Head())
    found: dict[str, Any] = {}
    if source is not None:
        found["from"] = names.texts[Reference(source), listing]
    if name in spec.head_listings:
        found[GROUP] = _layers(listing, names)
    if said.loss is not None:
        found["loss"] = _named(said.loss)
    if said.weight != 1.0:
        found["weight"] = said.weight
    if said.metrics is not None:
        found["metrics"] = [_named(metric) for _, metric in said.metrics]
    if said.target is not None:
        found["target"] = said.target
    if said.train_only:
        found["only"] = "train"
    return found


def _train(spec: Spec) -> dict[str, Any]:
    """The keys of ``train:`` that are written, with the values that they came to."""
    recipe: Recipe = spec.recipe
    found: dict[str, Any] = {}
    for key in spec.recipe_spans:
        value = getattr(recipe, key)
        if key == "metrics":
            found[key] = [_named(metric) for _, metric in value]
        elif isinstance(value, tuple):
            found[key] = [_named(item) for item in value]
        elif key in REGISTRIES["option"].entries:
            found[key] = attributes_of(value)
        else:
            found[key] = _named(value) if hasattr(type(value), "declaration") else value
    return found


def _expect(expectations: Sequence[Expectation]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for expected in expectations:
        if expected.kind == "output":
            found.setdefault("output", {})[expected.subject] = expected.shape
        elif expected.kind == "shape":
            found.setdefault("shapes", {})[expected.subject] = expected.shape
        elif expected.kind == "train_only":
            found.setdefault("train_only", {})[expected.subject] = _bounds(expected)
        else:
            found[expected.subject] = _bounds(expected)
    if found.get("output", {}).keys() == {MAIN}:
        found["output"] = found["output"][MAIN]
    return found


def _bounds(expected: Expectation) -> Any:
    if expected.minimum == expected.maximum:
        return expected.minimum
    bounds = {"min": expected.minimum, "max": expected.maximum}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _named(instance: Any) -> Any:
    """A declaration's instance as it is written: its name, or its name over the attributes that are not the default."""
    declaration = declaration_of(instance)
    values = attributes_of(instance)
    attributes = declaration.attributes
    written = {a.name: _escaped(values[a.name]) for a in attributes if a.required or values[a.name] != a.default}
    main = declaration.main
    if main is not None and written.keys() == {main} and not isinstance(written[main], Mapping):
        return {declaration.name: written[main]}
    return {declaration.name: written} if written else declaration.name


def _plain(value: Any) -> Any:
    """Tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _escaped(value: Any) -> Any:
    """An attribute's value: a text that begins with a dollar gets another before it, or it would be an expression."""
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in value]
    return f"${value}" if isinstance(value, str) and value.startswith("$") else value
