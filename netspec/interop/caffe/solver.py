"""A solver of Caffe: its network as a spec, and how that is trained as the spec's ``train:`` section.

Caffe counts iterations, a spec counts epochs; the batch stands in the network's layer of data, and how many samples
there are in neither file, so whoever calls says that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.diagnostics import Diagnostic, SpecError
from netspec.interop.caffe.network import DATA, ImportedCaffe, finish, read_network, training_layers
from netspec.interop.caffe.prototxt import Message, parse
from netspec.interop.caffe.reader import CaffeLayer, CaffeReader
from netspec.interop.caffe.solver_words import Length, Words, optimizer, schedule
from netspec.syntax.source import Source, read_source

NETWORKS = ("net", "train_net", "net_param", "train_net_param")
"""Fields that say which network is trained: a file, or the network itself."""
_SIGNS = (*NETWORKS, "base_lr", "lr_policy", "max_iter", "solver_type")
BATCHES = ("data", "image_data", "hdf5_data", "memory_data", "window_data", "annotated_data")
"""Settings of layers of data that may have a ``batch_size``."""
ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(
        ("display", "average_loss", "debug_info", "test_compute_loss"), "progress is shown and kept anyway"
    ),
    **dict.fromkeys(("snapshot", "snapshot_prefix", "snapshot_format", "snapshot_after_train"), "an epoch is kept"),
    **dict.fromkeys(("snapshot_diff", "layer_wise_reduce"), "of Caffe's own workings"),
    **dict.fromkeys(("solver_mode", "device_id"), "netspec train --backend"),
    **dict.fromkeys(("test_iter", "test_interval", "test_initialization"), "tested after the run; see 'validation'"),
    **dict.fromkeys(("test_net", "test_net_param", "test_state", "train_state"), "of tests while training"),
    **dict.fromkeys(("gamma", "power", "stepsize", "stepvalue"), "of no effect under this lr_policy"),
    **dict.fromkeys(("momentum", "momentum2", "delta", "rms_decay"), "of no effect with this type"),
}
"""Fields of which no bit of what is learnt depends, and what stands in their place."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What is learnt from: the name of a declared source if there is one, and the samples of its training part."""

    name: str = ""
    samples: int | None = None


@dataclass(frozen=True, slots=True)
class ImportedSolver:
    """The network with its ``train:`` section, what became of the solver's fields, and every text that was read."""

    network: ImportedCaffe
    rows: tuple[Mapping[str, Any], ...]
    told: tuple[Diagnostic, ...]
    sources: Mapping[str, str]


def is_solver(message: Message) -> bool:
    """Whether the text is a solver and not a network."""
    names = {name for name, _, _ in message.fields}
    return not names & {"layer", "layers"} and bool(names.intersection(_SIGNS))


def import_solver(source: Source, sizes: Mapping[str, tuple[int, ...]], data: TrainingData) -> ImportedSolver:
    """The solver in ``source`` with the network that it names; a SpecError with what was not understood.

    ``sizes`` are those of :func:`netspec.interop.caffe.network.import_prototxt`.
    """
    solver = parse(source)
    net, net_source = _network(solver, source)
    sources = {source.name: source.text, net_source.name: net_source.text}
    try:
        read = read_network(net, net_source, sizes)
        layer = next((each for each in training_layers(net) if each.type in DATA and _batch(each)), None)
        words = Words(solver)
        said = _said(words, read, layer, data)
    except SpecError as error:
        raise SpecError(error.diagnostics, sources) from None
    if words.refused:
        raise SpecError(words.refused, sources)
    read.draft.train.update(said)
    told, rows = _left(solver, words)
    network = finish(read, net_source, decays_are_said=_decay_on(read) is not None)
    transformed = () if layer is None else tuple(_untransformed(layer))
    return ImportedSolver(network, rows, (*told, *transformed, *network.told), sources)


# The network


def _network(solver: Message, source: Source) -> tuple[Message, Source]:
    """The message of the network that is trained, and the text that it stands in."""
    for inline in ("train_net_param", "net_param"):
        for message in solver.messages(inline):
            return message, source
    named = [scalar for field in ("train_net", "net") for scalar in solver.scalars(field)]
    if not named:
        problem = "it is a solver that names no network ('net' or 'train_net')"
        raise SpecError([Diagnostic("NS973", solver.span, {"problem": problem})], {source.name: source.text})
    for file in (places := _places(named[0].text, Path(source.name))):
        found = read_source(file) if file.is_file() else None
        if isinstance(found, Source):
            return parse(found), found
    tried = ", ".join(sorted({str(file) for file in places}))
    fields = {"file": named[0].text, "tried": tried}
    raise SpecError([Diagnostic("NS960", named[0].span, fields)], {source.name: source.text})


def _places(written: str, solver: Path) -> list[Path]:
    """Where the file may be: Caffe's paths begin at the folder that it is started in, which is above the solver's.

    Absolute paths and those that climb are another machine's; of them the name alone is looked for.
    """
    path = Path(re.sub(r"[\\/]+", "/", written))
    beside = solver.parent / path.name
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", written):
        return [beside]
    return [*(folder / path for folder in (solver.parent, *solver.parent.parents)), beside]


def _batch(layer: CaffeLayer) -> int:
    """Samples that a layer of data brings; 0 where it does not say."""
    return max(layer.settings(name).whole("batch_size", 0) for name in BATCHES)


# What the spec says


def _said(words: Words, read: CaffeReader, layer: CaffeLayer | None, data: TrainingData) -> dict[str, Any]:
    """The ``train:`` section, in the order in which a person writes it."""
    solver = words.solver
    accumulate = max(solver.whole("iter_size", 1), 1)
    batch = 0 if layer is None else _batch(layer)
    length = _length(words, batch, accumulate, data.samples)
    said: dict[str, Any] = {"data": data.name} if data.name else {}
    said |= {} if layer is None else _transformed(layer)
    said["optimizer"] = optimizer(words, _decay_on(read), accumulate)
    if (rate := schedule(words, length)) is not None:
        said["lr"] = rate
    if solver.scalars("max_iter") and length is not None:
        iterations = solver.whole("max_iter", 0)
        epochs = length.epochs(iterations)
        said["epochs"] = max(math.ceil(epochs), 1)
        note = "" if epochs == int(epochs) else f"{iterations:,} iterations are {epochs:.3g} epochs"
        words.became("max_iter", f"epochs: {said['epochs']}", note)
    said |= {"batch": batch} if batch else {}
    if accumulate > 1:
        said["accumulate"] = accumulate
        words.became("iter_size", f"accumulate: {accumulate}")
    if (seed := solver.whole("random_seed", -1)) >= 0:
        said["seed"] = seed
        words.became("random_seed", f"seed: {seed}")
    return said


def _length(words: Words, batch: int, accumulate: int, samples: int | None) -> Length | None:
    """How long an epoch is; None, and refused where it is needed, if that cannot be known."""
    if batch and samples:
        return Length(batch, accumulate, samples)
    for name, span, _ in words.solver.fields:
        if name in ("max_iter", "stepsize", "stepvalue") or (name == "gamma" and words.policy in ("exp", "inv")):
            fields = {"field": name, **({"samples": "samples"} if batch else {"batch": "batch_size"})}
            words.refused.append(Diagnostic("NS961", span, fields))
            break
    return None


def _decay_on(read: CaffeReader) -> str | None:
    """What decays: ``weights`` where every bias that something is said of does not, ``all`` where nothing is said.

    None where single parameters decay in ways that a spec has no words for.
    """
    said = [multiples for _, multiples in read.multiples if multiples]
    if any(multiples[0].decay != 1 for multiples in said):
        return None
    biases = {multiple.decay for multiples in said for multiple in multiples[1:]}
    return {frozenset(): "all", frozenset({1.0}): "all", frozenset({0.0}): "weights"}.get(frozenset(biases))


# What is done to samples


def _transformed(layer: CaffeLayer) -> dict[str, Any]:
    """Scale, mean and mirroring of the training samples."""
    said = layer.settings("transform")
    scale, means = said.number("scale", 1.0), said.numbers("mean_value")
    found: dict[str, Any] = {}
    divisor = float(f"{1 / scale:.7g}") if scale > 0 else 1.0  # 0.00390625 is 1/256, and 0.0039215684 is 1/255
    if means:
        found["preprocess"] = [{"normalize": {"mean": means if len(means) > 1 else means[0], "std": divisor}}]
    elif divisor != 1:
        found["preprocess"] = [{"divide": divisor}]
    if said.flag("mirror", False):
        found["augment"] = ["random_flip"]
    return found


def _untransformed(layer: CaffeLayer) -> list[Diagnostic]:
    """What else is done to samples: the mean image of a file, and cuts at random places."""
    said = layer.settings("transform")
    names = {"mean_file": "the mean image", "crop_size": "cutting a random part out of images"}
    found = [(names.get(name, f"'{name}'"), span) for name, span, _ in said.fields if name not in _TRANSFORMED]
    return [Diagnostic("NS975", span, {"what": what, "layer": layer.name}) for what, span in found]


_TRANSFORMED = ("scale", "mean_value", "mirror", "force_color", "force_gray")


# The report


def _left(solver: Message, words: Words) -> tuple[tuple[Diagnostic, ...], tuple[Mapping[str, Any], ...]]:
    """What is told of fields that are left out, and a row for every field."""
    told, rows = list(words.told), []
    told_at = {each.span for each in told}
    for name, span, value in solver.fields:
        became, note = words.rows.get(name, ("", ""))
        if not became and name not in NETWORKS:
            note = note or ELSEWHERE.get(name, "")
            if not note and span not in told_at:
                told.append(Diagnostic("NS962", span, {"what": f"'{name}'", "instead": "a spec has no words for it"}))
        text = "{ }" if isinstance(value, Message) else value.text
        note = note or ("the network" if name in NETWORKS else "" if became else "left out")
        row = {"line": span.line, "type": "solver", "name": f"{name}: {text}", "became": [became] if became else []}
        rows.append({**row, "note": note})
    return tuple(told), tuple(rows)
