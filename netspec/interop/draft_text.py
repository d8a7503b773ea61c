"""A draft as the YAML of a spec, as a person would write it: no defaults, and names where something refers to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from netspec.core.attributes import Attribute
from netspec.core.declare import attributes_of, declaration_of
from netspec.core.graph import Value
from netspec.core.types import TensorType
from netspec.interop.draft import Draft, DraftLayer
from netspec.syntax.dialects import written_out
from netspec.syntax.scalars import resolve_plain
from netspec.syntax.scope import INPUT
from netspec.syntax.vocabulary import GROUP, LANGUAGE_VERSION

WINDOWS = ("kernel", "size", "stride", "dilation", "output_padding", "factor")
"""Attributes that are one number, or one per axis."""
COMMENT_COLUMN = 76
"""Where the shape behind a layer stands, unless the line is longer."""


@dataclass(frozen=True, slots=True)
class DraftText:
    """The spec, and the name that it gives to each layer."""

    text: str
    dialect: str
    names: Mapping[DraftLayer, str]


def draft_text(draft: Draft, dialects: Sequence[str], heading: str = "") -> DraftText:
    """The spec in that one of the dialects in which least has to be said; of equals the first."""
    names, written = _names(draft)
    texts = [DraftText(_text(draft, dialect, names, written, heading), dialect, names) for dialect in dialects]
    return min(texts, key=lambda found: len(found.text) - len(found.dialect))


def legal_name(text: str) -> str:
    """The text as the name of a layer: what a name cannot hold becomes an underscore; empty where nothing is left."""
    return re.sub(r"[^\w-]+", "_", text).strip("_-")


def _names(draft: Draft) -> tuple[dict[DraftLayer, str], set[DraftLayer]]:
    """The name of every layer, and the layers whose name has to be written."""
    wanted = _unique_wishes(draft)
    referred = _referred(draft)
    taken = {name for name in wanted.values() if name}
    names: dict[DraftLayer, str] = {}
    written: set[DraftLayer] = set()
    counts: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for layer in draft.layers:
        automatic = _automatic(layer.op, counts)
        wish = wanted[layer]
        named = layer in referred or (bool(layer.parameters) and wish not in ("", automatic))
        if not named and automatic in taken and automatic != wish:
            named = True
        if not named:
            counts[layer.op] = counts.get(layer.op, 0) + 1
            names[layer] = automatic
            continue
        name = wish or _free(layer.op, taken, numbers)
        taken.add(name)
        names[layer] = name
        written.add(layer)
    return names, written


def _automatic(op: str, counts: Mapping[str, int]) -> str:
    """What the language calls the next layer of the op that has no name."""
    number = counts.get(op, 0) + 1
    return op if number == 1 else f"{op}{number}"


def _free(stem: str, taken: set[str], numbers: dict[str, int]) -> str:
    """The stem with the next free number; ``numbers`` are those that were given."""
    while True:
        numbers[stem] = numbers.get(stem, 0) + 1
        if f"{stem}_{numbers[stem]}" not in taken:
            return f"{stem}_{numbers[stem]}"


def _unique_wishes(draft: Draft) -> dict[DraftLayer, str]:
    """The wish of each layer as a legal name that no other has."""
    taken = {INPUT, *(value.name for value in draft.inputs)}
    found = {}
    numbers: dict[str, int] = {}
    for layer in draft.layers:
        name = legal_name(layer.name)
        if name in taken:
            name = _free(name, taken, numbers)
        if name:
            taken.add(name)
        found[layer] = name
    return found


def _referred(draft: Draft) -> set[DraftLayer]:
    """The layers that another names: anything but the one right behind takes them, or a head in the middle."""
    found = {layer.share for layer in draft.layers if layer.share is not None}
    previous = _first_flow(draft)
    for layer in draft.layers:
        meant = draft.meant_by_like(layer)
        if meant is not None:
            found.update(filter(None, [draft.producer(meant)]))
        if layer.inputs != (previous,):
            found.update(filter(None, map(draft.producer, layer.inputs)))
        previous = layer.output
    found.update(filter(None, (draft.producer(value) for value in draft.heads.values() if value is not previous)))
    return found


def _first_flow(draft: Draft) -> Value | None:
    return draft.inputs[0] if len(draft.inputs) == 1 else None


# The text


def _text(draft: Draft, dialect: str, names: Mapping[DraftLayer, str], written: set[DraftLayer], heading: str) -> str:
    lines = [*(f"# {line}".rstrip() for line in heading.splitlines()), *([""] if heading else [])]
    lines += [f"netspec: {LANGUAGE_VERSION}", f"name: {scalar(draft.name)}"]
    lines += [f"doc: {scalar(draft.doc)}"] if draft.doc else []
    lines += [f"dialect: {dialect}"] if dialect != "textbook" else []
    lines += ["", *_inputs(draft), "", f"{GROUP}:"]
    by_value = {layer.output: names[layer] for layer in draft.layers} | {
        value: INPUT if len(draft.inputs) == 1 else value.name for value in draft.inputs
    }
    previous = _first_flow(draft)
    for layer in draft.layers:
        beside = [f"name: {scalar(names[layer])}"] if layer in written else []
        if layer.inputs != (previous,):
            sources = [by_value[value] for value in layer.inputs]
            beside.append(f"from: {flow(sources if len(sources) > 1 else sources[0])}")
        beside += _beside(layer, names)
        said = _op(layer, draft, by_value, dialect)
        colon = ":" if beside and said == layer.op else ""  # a bare word has nothing beside it
        lines.append(_with_comment(f"  - {said}{colon}", layer.output.type))
        lines += [f"    {line}" for line in beside]
        previous = layer.output
    lines += _heads(draft, by_value, previous)
    lines += _train(draft)
    return "\n".join(lines) + "\n"


def _with_comment(line: str, type: TensorType) -> str:
    return f"{line.ljust(COMMENT_COLUMN - 1)} # {type}"


def _inputs(draft: Draft) -> Iterator[str]:
    if len(draft.inputs) == 1:
        yield f"input: {flow(draft.inputs[0].type.shape)}"
        return
    yield "inputs:"
    for value in draft.inputs:
        yield f"  {scalar(value.name)}: {flow(value.type.shape)}"


def _op(layer: DraftLayer, draft: Draft, by_value: Mapping[Value, str], dialect: str) -> str:
    """The op as the item of a list: bare, with its main attribute, or with a mapping."""
    declaration = declaration_of(layer.attrs)
    attributes = written_attributes(layer.attrs, layer.inputs[0].type, dialect)
    meant = draft.meant_by_like(layer)
    if meant is not None:
        attributes["like"] = by_value[meant]
    if not attributes:
        return declaration.name
    if attributes.keys() == {declaration.main}:
        return f"{declaration.name}: {flow(attributes[declaration.main or ''])}"
    return f"{declaration.name}: {flow(attributes)}"


def _beside(layer: DraftLayer, names: Mapping[DraftLayer, str]) -> Iterator[str]:
    if layer.share is not None:
        yield f"share: {scalar(names[layer.share])}"
    if layer.frozen:
        yield "freeze: true"
    if layer.initializers:
        yield f"init: {flow({key: named(start) for key, start in layer.initializers.items()})}"


def _heads(draft: Draft, by_value: Mapping[Value, str], last: Value | None) -> list[str]:
    """Nothing where the one output is that of the last layer."""
    if list(draft.heads.values()) == [last]:
        return []
    lines = ["", "heads:"]
    single = len(draft.heads) == 1  # of a single head the loss stands under `train`
    for name, value in draft.heads.items():
        said: dict[str, Any] = {} if value is last else {"from": by_value[value]}
        said |= {} if single else draft.said.get(name, {})
        lines.append(f"  {scalar(name)}: {flow(said)}")
    return lines


def _train(draft: Draft) -> list[str]:
    said = dict(draft.train)
    if len(draft.heads) == 1:
        said |= next(iter(draft.said.values()), {})
    return ["", "train:", *(f"  {key}: {flow(value)}" for key, value in said.items())] if said else []


# Attributes


def named(instance: Any) -> Any:
    """A declared instance, such as an initialiser, as it is written."""
    declaration = declaration_of(instance)
    values = attributes_of(instance)
    said = {a.name: values[a.name] for a in declaration.attributes if a.required or values[a.name] != a.default}
    return {declaration.name: said} if said else declaration.name


def written_attributes(attrs: Any, x: TensorType, dialect: str) -> dict[str, Any]:
    """The attributes that have to be said for an op on ``x`` to mean this in the dialect."""
    values = attributes_of(attrs)
    found = {}
    for attribute in declaration_of(attrs).attributes:
        value = _shortest(attribute, attrs, values, x, dialect)
        if attribute.required or value != attribute.default_in(dialect):
            found[attribute.name] = value
    return found


def _shortest(attribute: Attribute, attrs: Any, values: Mapping[str, Any], x: TensorType, dialect: str) -> Any:
    value = values[attribute.name]
    if attribute.name in WINDOWS and isinstance(value, tuple):
        value = value[0] if len(set(value)) == 1 else value
        if attribute.name == "stride" and attribute.default is None and values["stride"] == values["size"]:
            return None
    if attribute.name == "padding":
        return _padding(attrs, values, x, dialect)
    if attribute.name == "amount" and isinstance(value, tuple):
        return _pairs(value)
    return value


def _padding(attrs: Any, values: Mapping[str, Any], x: TensorType, dialect: str) -> Any:
    """``valid``, ``same`` where that is meant, else numbers."""
    given = _pairs(values["padding"]) if isinstance(values["padding"], tuple) else values["padding"]
    if given in (0, "valid"):
        return "valid"
    axes = len(x.spatial)
    same = written_out(type(attrs)(**{**values, "padding": "same"}), axes, dialect)
    return "same" if _placed(same, x) == _placed(attrs, x) else given


def _placed(attrs: Any, x: TensorType) -> Any:
    """What the padding of an op amounts to."""
    if declaration_of(attrs).has("reverse"):
        return attrs.reverse(x)
    return attrs.geometry(x), attrs.padding_after(x)


def _pairs(pairs: Sequence[Any]) -> Any:
    """Cells per axis: a number where all are alike, else per axis a number or a pair."""
    short = [each if isinstance(each, int) else each[0] if each[0] == each[1] else list(each) for each in pairs]
    alike = all(each == short[0] for each in short) and isinstance(short[0], int)
    return short[0] if alike else short


# YAML


def flow(value: Any) -> str:
    """A value on one line, with a plain spelling of numbers."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A text, number or truth value; a text in quotes where the language would read it as something else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    text = str(value)
    if re.fullmatch(r"[\w.-]*[^\W\d][\w.-]*", text) and text[0] not in "-." and isinstance(resolve_plain(text), str):
        return text
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=2**20)
    return quoted.strip()


def number(value: float) -> str:
    """The shortest text that reads as the same number, as a person writes it: ``1e-5``, ``0.1``."""
    text = repr(float(value)).removesuffix(".0")
    return re.sub(r"e([+-])0*(\d)", lambda found: f"e{'-' if found[1] == '-' else ''}{found[2]}", text)
