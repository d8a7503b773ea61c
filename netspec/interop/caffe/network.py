"""A prototxt as a spec: which layers are there while training, what goes in, and what the heads are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.core.graph import Value
from netspec.declarations.ops.reshaping import Identity
from netspec.diagnostics import Diagnostic, SpecError
from netspec.interop.caffe import layers as forms
from netspec.interop.caffe.prototxt import Message, parse
from netspec.interop.caffe.reader import CaffeLayer, CaffeReader
from netspec.interop.draft import Draft, contradicts
from netspec.interop.draft_text import DraftText, draft_text, legal_name
from netspec.syntax.source import Source

FORM_MODULES = (forms,)
"""What enters forms into the table."""
DATA = ("Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "WindowData", "AnnotatedData")
"""Types of layers that bring data and labels."""
SIDE_LIMIT = 2**20
"""The longest side of an input."""


@dataclass(frozen=True, slots=True)
class ImportedCaffe:
    """The draft, its text, what became of each layer, and what is told of fields that a spec has no words for."""

    draft: Draft
    written: DraftText
    rows: tuple[Mapping[str, Any], ...]
    told: tuple[Diagnostic, ...]


def import_prototxt(source: Source, sizes: Mapping[str, tuple[int, ...]]) -> ImportedCaffe:
    """The network in the text, as it is trained where it tells phases apart.

    ``sizes`` are shapes of inputs by their name, channels last, where the text leaves them open; the only input may be
    called by the empty text. A SpecError with everything that was not understood.
    """
    return finish(read_network(parse(source), source, sizes), source)


def read_network(net: Message, source: Source, sizes: Mapping[str, tuple[int, ...]]) -> CaffeReader:
    """The draft of a network whose message stands in ``source``; a SpecError with all that was not understood."""
    present = training_layers(net)
    name = legal_name(net.text("name")) or legal_name(Path(source.name).stem) or "network"
    read = CaffeReader(Draft(name), sizes)
    _enter(read, net, [layer for layer in present if layer.type in DATA])
    read.read([layer for layer in present if layer.type not in DATA])
    if not read.diagnostics:
        _heads(read, present)
    if read.diagnostics:
        raise SpecError(read.diagnostics, {source.name: source.text})
    read.draft.prune()
    return read


def finish(read: CaffeReader, source: Source, decays_are_said: bool = False) -> ImportedCaffe:
    """The spec of a draft that came from ``source``; what is said of single parameters is told, and then left out.

    ``decays_are_said`` says that the spec has the decays of single parameters.
    """
    read.tell_rates(decays_are_said)
    written = draft_text(read.draft, ("caffe",), f"Imported from {Path(source.name).name!r}.")
    return ImportedCaffe(read.draft, written, read.report(written.names), tuple(read.told))


def training_layers(net: Message) -> list[CaffeLayer]:
    """The layers that are there while training; a SpecError where the text has none at all."""
    found = [CaffeLayer(message, number) for number, message in enumerate(_messages(net), 1)]
    if not found:
        raise SpecError([Diagnostic("NS973", net.span, {"problem": "there is no layer in it"})])
    return [layer for layer in found if _trains(layer.message)]


def _messages(net: Message) -> list[Message]:
    """The layers; files of the first version call them ``layers``."""
    return net.messages("layer") or net.messages("layers")


def _trains(layer: Message) -> bool:
    """Whether the layer is there while training."""
    included, excluded = layer.messages("include"), layer.messages("exclude")
    phases = [each.text("phase", "TRAIN") for each in included]
    phases += [layer.text("phase")] if layer.all("phase") else []
    if phases:
        return any(phase in ("TRAIN", "0") for phase in phases)
    return not any(each.text("phase") in ("TRAIN", "0") for each in excluded)


# Inputs


def _enter(read: CaffeReader, net: Message, data: list[CaffeLayer]) -> None:
    """The inputs that are named, or come from layers of data; the second top of these are labels."""
    names = net.texts("input")
    shapes = [shape.wholes("dim") for shape in net.messages("input_shape")]
    dims = net.wholes("input_dim")
    shapes += [dims[start : start + 4] for start in range(0, len(dims), 4)]
    given: list[tuple[str, list[int], CaffeLayer | None]] = []
    for place, name in enumerate(names):
        given.append((name, shapes[place] if place < len(shapes) else [], None))
    for layer in data:
        images = layer.tops if layer.type in ("Input", "DummyData") else layer.tops[:1]
        read.labels.update(layer.tops[len(images) :])
        stated = [shape.wholes("dim") for shape in layer.settings("input").messages("shape")]
        stated += [shape.wholes("dim") for shape in layer.settings("dummy_data").messages("shape")]
        for place, name in enumerate(images):
            known = stated[min(place, len(stated) - 1)] if stated else _held(layer)
            if name == "label" and place > 0:
                read.labels.add(name)
            else:
                given.append((name, known, layer))
    for name, dims, origin in given:
        _input(read, net, name, dims, origin, len(given))


def _held(layer: CaffeLayer) -> list[int]:
    """What a layer of data says of the shape: all of it, or the side to which images are cut."""
    if layer.type == "HDF5Data":
        return []  # arrays of any number of axes
    memory = layer.settings("memory_data")
    if memory.fields:
        return [memory.whole("batch_size", 1), *(memory.whole(side, 0) for side in ("channels", "height", "width"))]
    side = layer.settings("transform").whole("crop_size", 0) or layer.settings("data").whole("crop_size", 0)
    grey = layer.settings("transform").flag("force_gray", False)
    return [1, 1 if grey else 0, side, side]


def _input(read: CaffeReader, net: Message, blob: str, dims: list[int], origin: CaffeLayer | None, count: int) -> None:
    name = "input" if count == 1 else legal_name(blob) or f"input_{len(read.draft.inputs) + 1}"
    inner = [*dims[2:], *dims[1:2]]
    given = read.sizes.get(blob) or (read.sizes.get("") if count == 1 else None)
    shape = given or tuple(inner)
    known = 1 <= len(shape) <= 4 and all(0 < side <= SIDE_LIMIT for side in shape)
    if not known or (inner and contradicts(shape, [max(side, 0) for side in inner])):
        places = net.scalars("input")
        span = origin.span if origin else (places[0].span if places else net.span)
        open_ = ", ".join("?" if side <= 0 else str(side) for side in inner) or "?"
        fields = {"input": blob, "shape": open_, "axes": len(inner) or 3}
        if given:
            fields["given"] = ", ".join(map(str, given))
        read.diagnostics.append(Diagnostic("NS971", span, fields))
        return
    read.blobs[blob] = read.draft.input(name, tuple(shape))


# Heads


def _heads(read: CaffeReader, layers: list[CaffeLayer]) -> None:
    """What losses take, or, without any, what nothing reads."""
    draft = read.draft
    if read.losses:
        *others, (_, value, loss, _) = read.losses
        draft.heads["main"] = _made(read, value)
        if loss != "cross_entropy" or others:
            draft.said["main"] = {"loss": loss}
        for name, value, loss, weight in others:
            head = legal_name(name)
            draft.heads[head] = _made(read, value)
            draft.said[head] = {"loss": loss, "weight": weight, "only": "train"}
        return
    ends = [blob for blob in read.blobs if blob not in read.read_by_layer]
    ends = [blob for blob in ends if read.draft.producer(read.blobs[blob]) is not None]
    if not ends:
        span = layers[-1].span
        read.diagnostics.append(Diagnostic("NS973", span, {"problem": "nothing comes out of the network"}))
    for blob in ends:
        head = "main" if len(ends) == 1 else legal_name(blob)
        value = read.blobs[blob]
        draft.heads[head] = value
        op = draft.producer(value)
        if op is not None and op.op not in ("softmax", "dense"):
            draft.said[head] = {"loss": "binary_cross_entropy" if op.op == "sigmoid" else "mean_squared_error"}


def _made(read: CaffeReader, value: Value) -> Value:
    return read.draft.add(Identity(), value) if read.draft.producer(value) is None else value
