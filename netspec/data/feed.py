"""Which field of the data goes in where, and whether it fits there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from netspec.core.formulas import times
from netspec.core.graph import Graph, Value
from netspec.core.types import TensorType
from netspec.data.dataset import PARTS, Array, Dataset, Feed
from netspec.data.ondemand import on_demand
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import RunError
from netspec.diagnostics.model import Diagnostic, Span

if TYPE_CHECKING:
    from netspec.syntax.spec import Spec

NAMES_SHOWN = 12
"""Names of classes that a message lists."""


def find_feed(spec: Spec, dataset: Dataset) -> tuple[Feed, list[Diagnostic]]:
    """The field that each input takes and each head learns; NS507 for each that there is no field for.

    An input takes the field that ``source`` names, else that of its own name, else the images. A head learns the field
    that ``target`` names, else that of its own name, else the labels.
    """
    found: list[Diagnostic] = []
    inputs, targets = {}, {}
    for value in spec.graph.inputs:
        written = spec.inputs[value.name].source
        field = _field(dataset, written, (value.name, dataset.image))
        if field is None:
            span = spec.inputs[value.name].span
            found.append(_missing(dataset, "input", value.name, "source", written or dataset.image, span))
        else:
            inputs[value.name] = field
    for name in spec.graph.heads:
        written = spec.recipe.head(name).target
        field = _field(dataset, written, (name, dataset.label))
        if field is None:
            found.append(_missing(dataset, "head", name, "target", written or dataset.label, _data_span(spec)))
        else:
            targets[name] = field
    return Feed(inputs, targets), found


def _field(dataset: Dataset, written: str | None, usual: Iterable[str]) -> str | None:
    names = usual if written is None else (written,)
    return next((name for name in names if name in dataset.train.fields), None)


def _missing(dataset: Dataset, kind: str, name: str, key: str, field: str, span: Span) -> Diagnostic:
    known = list(dataset.train.fields)
    fields = {"data": dataset.name, "kind": kind, "name": name, "field": field, "key": key, "known": known}
    return Diagnostic("NS507", span, fields)


def _data_span(spec: Spec) -> Span:
    return spec.recipe_spans.get("data", Span.of_file(spec.file))


def target_types(network: Graph, recipe: Recipe) -> dict[str, TensorType]:
    """By head, the type of the targets that its loss takes."""
    return {name: recipe.head(name).loss.target(head.type) for name, head in network.heads.items()}


def _learnt_as_classes(spec: Spec, feed: Feed) -> Iterator[tuple[str, str]]:
    """Each head whose loss wants class numbers, with the field that it learns."""
    for name, target in target_types(spec.graph, spec.recipe).items():
        if target.dtype == "int32":
            yield name, feed.targets[name]


def numbered_as(dataset: Dataset, feed: Feed, learnt: Mapping[str, tuple[str, ...]]) -> Dataset:
    """The data set with its classes numbered as each head has ``learnt`` them: it may have fewer, in another order.

    NS949 where it has others: they would be taken for some of those, since a class is told by its number.
    """
    for head, names in learnt.items():
        field = feed.targets.get(head)
        found = dataset.classes(field) if field else ()
        if not names or not found or found == names or field is None:
            continue
        labels = dataset.train[field]
        if not set(found) <= set(names) or not isinstance(labels, np.ndarray) or labels.dtype != np.int32:
            raise RunError.of("NS949", data=dataset.name, found=_listed(found), learnt=_listed(names))
        numbers = np.array([names.index(name) for name in found], np.int32)
        dataset = _renumbered(dataset, field, numbers)
        if field == dataset.label:
            dataset = replace(dataset, class_names=names)
        else:
            dataset = replace(dataset, other_classes={**dataset.other_classes, field: names})
    return dataset


def _renumbered(dataset: Dataset, field: str, numbers: Array) -> Dataset:
    """The data set with ``numbers[n]`` in the place of class n; what is no class stays for others to refuse."""

    def change(labels: Array) -> Array:
        known = (labels >= 0) & (labels < len(numbers))
        return np.where(known, numbers[np.where(known, labels, 0)], -1).astype(np.int32)

    return dataset.with_parts(
        lambda part: replace(part, fields={**part.fields, field: change(part[field])}) if field in part.fields else part
    )


def _listed(names: tuple[str, ...]) -> str:
    """The names, the first of many."""
    return ", ".join(names[:NAMES_SHOWN]) + (f", … ({len(names)} in all)" if len(names) > NAMES_SHOWN else "")


def with_class_numbers(spec: Spec, dataset: Dataset, feed: Feed) -> Dataset:
    """The data set with bytes as class numbers where a head learns them as such and nothing takes them as an image."""
    wanted = {field for _, field in _learnt_as_classes(spec, feed)} - set(feed.inputs.values())
    as_bytes = {name for name in wanted if dataset.train[name].dtype == "uint8"}
    if not as_bytes:
        return dataset
    return dataset.with_parts(
        lambda part: replace(
            part, fields={n: np.asarray(a).astype("int32") if n in as_bytes else a for n, a in part.fields.items()}
        )
    )


def refuse_strange_labels(spec: Spec, dataset: Dataset, feed: Feed) -> None:
    """A RunError where a class number is none of the head that learns it.

    What is decoded later is checked then, against the classes of its source, which are as many as the head's.
    """
    for head, field in _learnt_as_classes(spec, feed):
        classes = spec.graph.heads[head].type.channels
        for part in PARTS:
            labels = dataset.part(part)[field]
            if on_demand(labels):
                continue
            strange = (labels < 0) | (labels >= classes)
            if strange.any():
                place = tuple(axis[0] for axis in strange.nonzero())
                fields = {"value": int(labels[place]), "sample": int(place[0]), "part": part, "last": classes - 1}
                raise RunError.of("NS910", data=dataset.name, field=field, head=head, **fields)


def mismatches(spec: Spec, dataset: Dataset, feed: Feed) -> list[Diagnostic]:
    """NS502 where a field is not what its input says; NS501 and NS508 where a head cannot learn its field."""
    found = []
    for value in spec.graph.inputs:
        shape = dataset.train[feed.inputs[value.name]].shape[1:]
        if shape != value.type.shape:
            fields: dict[str, object] = {
                "found": times(shape) or "a number",
                "expected": times(value.type.shape),
                "suggestion": str(list(shape)),
            }
            if len(spec.graph.inputs) > 1:
                fields = {"found": fields["found"], "expected": fields["expected"], "input": value.name}
            found.append(Diagnostic("NS502", _data_span(spec), {"data": dataset.name, **fields}))
    for name, head in spec.graph.heads.items():
        found.extend(_head_mismatches(spec, dataset, name, head, feed.targets[name]))
    return found


def _head_mismatches(spec: Spec, dataset: Dataset, name: str, head: Value, field: str) -> Iterator[Diagnostic]:
    """What keeps a head from learning a field.

    A loss that wants class numbers needs them, and as many classes as the head has channels. One that wants numbers
    takes a field of the head's shape; class numbers as one-hot rows, or as the one number of the head.
    """
    array, classes = dataset.train[field], dataset.classes(field)
    target: TensorType = spec.recipe.head(name).loss.target(head.type)
    shape = array.shape[1:]
    by_class = target.dtype == "int32" or (shape == target.shape[:-1] and bool(classes) and target.channels > 1)
    if by_class:
        fits = shape == head.type.spatial and (len(classes) == head.type.channels or not classes)
        fits = fits and array.dtype == "int32"
    else:
        fits = shape == target.shape or (target.channels == 1 and shape == target.shape[:-1])
    if fits:
        return
    if classes and len(shape) == 0:
        producer = spec.graph.producer().get(head)
        layer = name if producer is None else producer.path
        about: dict[str, object] = {"classes": len(classes), "layer": layer, "outputs": times(head.type.shape)}
        yield Diagnostic("NS501", _data_span(spec), {"data": dataset.name, **about})
        return
    wanted = f"class numbers of {_size(head.type.spatial)}" if target.dtype == "int32" else _size(target.shape)
    kind = f"{len(classes)} classes, " if classes else ("" if array.dtype == "int32" else "numbers, ")
    fields = {"data": dataset.name, "head": name, "field": field, "wanted": wanted, "found": kind + _size(shape)}
    if target.dtype == "int32":
        fields["channels"] = str(head.type.channels)
    yield Diagnostic("NS508", _data_span(spec), fields)


def _size(shape: tuple[int, ...]) -> str:
    return f"{times(shape)} for each sample" if shape else "one for each sample"
