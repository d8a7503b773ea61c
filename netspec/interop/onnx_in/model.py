"""A model's file as a spec and its weights, with a report of what became of every node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.graph import Value
from netspec.declarations.ops.activations import Sigmoid, Softmax
from netspec.declarations.ops.reshaping import Identity
from netspec.diagnostics import SpecError
from netspec.interop.draft import Draft, DraftLayer, contradicts
from netspec.interop.draft_text import DraftText, draft_text, legal_name
from netspec.interop.onnx_in import layers, numbers, shapes, windows
from netspec.interop.onnx_in.file import refused
from netspec.interop.onnx_in.graph import Call, Calls
from netspec.interop.onnx_in.reader import Blank, Reader
from netspec.interop.onnx_in.views import Factor, NotUnderstood, first_view
from netspec.interop.tensors import Array

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto

FORM_MODULES = (layers, numbers, shapes, windows)
"""What enters forms and patterns into the tables."""
ANY_BATCH = 1_000_003
"""The batch of a model that takes any: a prime, so that it is known again in every shape that is reckoned from it."""
DIALECTS = ("textbook", "torch", "keras")
"""Whose defaults a model may follow."""
RANKS = range(2, 6)
"""Axes of an input, the batch included."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The draft, its text, what became of each node, and which inputs and outputs have their channels last there.

    ``inputs`` and ``outputs`` map names over there to those of inputs and heads here.
    """

    draft: Draft
    written: DraftText
    nodes: tuple[Mapping[str, Any], ...]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    channels_last: frozenset[str]
    batch: int | None

    def weights(self, names: Sequence[str]) -> dict[str, Array]:
        """The arrays by the names that the spec's layers give them, which is where ``names`` come from."""
        found = {
            f"{self.written.names[layer]}.{parameter}": array
            for layer in self.draft.layers
            if layer.share is None
            for parameter, array in layer.weights.items()
        }
        return {name: found[name] for name in names}


def imported(
    model: ModelProto, file: str, sizes: Mapping[str, tuple[int, ...]], train: Mapping[str, Any] | None = None
) -> Imported:
    """The model, which diagnostics call ``file``; a SpecError with everything in it that was not understood.

    ``sizes`` are shapes of inputs by their name, channels last, where the model leaves them open (the only input may be
    called by the empty text); ``train`` is what the spec says under that key.
    """
    calls = Calls(model)
    given = _open_inputs(model.graph)
    batch = Factor(_batch(given))
    draft = Draft(legal_name(model.graph.name) or legal_name(Path(file).stem) or "model")
    draft.train.update(train or {})
    read = Reader(calls, draft, batch, file)
    inputs, last = _enter(read, model.graph, given, sizes, file)
    read.read()
    outputs = {} if read.diagnostics else _leave(read, model.graph, last, file)
    if read.diagnostics:
        raise SpecError(read.diagnostics)
    draft.prune()
    written = draft_text(draft, DIALECTS, f"Imported from {Path(file).name!r}.")
    fixed = None if batch.size == ANY_BATCH else batch.size
    return Imported(draft, written, _rows(read, written), inputs, outputs, frozenset(last), fixed)


# Inputs


def _open_inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """The inputs that are no weights: old files list these too."""
    known = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in known]


def _dims(value: ValueInfoProto) -> list[int]:
    """Sides of a tensor, 0 where they are open."""
    return [int(dim.dim_value) if dim.HasField("dim_value") else 0 for dim in value.type.tensor_type.shape.dim]


def _batch(given: Sequence[ValueInfoProto]) -> int:
    first = {_dims(value)[0] for value in given if _dims(value)}
    return first.pop() if len(first) == 1 and min(first) > 0 else ANY_BATCH


def _enter(
    read: Reader,
    graph: GraphProto,
    given: Sequence[ValueInfoProto],
    sizes: Mapping[str, tuple[int, ...]],
    file: str,
) -> tuple[dict[str, str], set[str]]:
    """The inputs of the draft by their names over there, and those of them whose channels are last there."""
    from onnx import TensorProto

    if not given:
        raise refused(file, "NS966", format="ONNX", problem="nothing goes in")
    names: dict[str, str] = {}
    last: set[str] = set()
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    for place, value in enumerate(given):
        dims = _dims(value)
        if value.type.tensor_type.elem_type not in floats or len(dims) not in RANKS:
            kind = f"{len(dims)} axes of type {value.type.tensor_type.elem_type}"
            problem = f"input '{value.name}' has {kind}; 2 to 5 axes of float numbers, the batch first, are known"
            raise refused(file, "NS966", format="ONNX", problem=problem)
        name = "input" if len(given) == 1 else legal_name(value.name) or f"input_{place + 1}"
        if _is_channels_last(read.calls, value.name, len(dims)):
            last.add(value.name)
        asked = sizes.get(value.name) or (sizes.get("") if len(given) == 1 else None)
        inner = dims[1:] if value.name in last else [*dims[2:], dims[1]]
        shape = asked or tuple(inner)
        if contradicts(shape, inner) or not all(shape) or max(shape) > 2**20:
            fields: dict[str, object] = {"input": value.name, "axes": len(inner)}
            fields["shape"] = ", ".join("?" if side == 0 else str(side) for side in inner)
            if asked:
                fields["given"] = ", ".join(map(str, asked))
            raise refused(file, "NS971", **fields)
        names[value.name] = name
        stored = read.draft.input(name, tuple(shape))
        read.views[value.name] = first_view(stored, read.batch, value.name in last)
    return names, last


def _is_channels_last(calls: Calls, name: str, rank: int) -> bool:
    """Whether all that is done with an image is to put its last axis first, as models from TensorFlow do."""
    readers = [call for call in calls.all if name in call.inputs]
    order = [0, rank - 1, *range(1, rank - 1)]
    if rank == 3:  # the order is its own inverse, so that only a convolution behind it tells
        behind = {reader.output for reader in readers}
        if not any(call.op == "Conv" and call.input(0) in behind for call in calls.all):
            return False
    return rank > 2 and bool(readers) and all(r.op == "Transpose" and list(r.get("perm", ())) == order for r in readers)


# Outputs


def _leave(read: Reader, graph: GraphProto, last: set[str], file: str) -> dict[str, str]:
    """The heads by their names over there; what they predict is what the model puts out."""
    found: dict[str, str] = {}
    for place, output in enumerate(graph.output):
        head = "main" if len(graph.output) == 1 else legal_name(output.name) or f"output_{place + 1}"
        call = read.calls.producers.get(output.name)
        try:
            if output.name in read.calls.constants or output.name in read.calls.unreadable:
                raise NotUnderstood("does not depend on what goes in")
            x = read.leaving(output.name)
        except NotUnderstood as error:
            read.refuse(call, f"output '{output.name}': {error}", output.name)
            continue
        except Blank:
            continue
        if x.channels_last:
            last.add(output.name)
        direct = read.draft.producer(x.value) is None
        value = read.draft.add(Identity(), x.value) if direct else x.value
        read.draft.heads[head] = value
        found[output.name] = head
        loss = _loss(read.draft, value)
        if loss:
            read.draft.said[head] = {"loss": loss}
    return found


def _loss(draft: Draft, value: Value) -> str | None:
    """The loss with which netspec predicts the numbers as they are: others put a softmax or sigmoid behind them."""
    layer = draft.producer(value)
    if layer is not None and isinstance(layer.attrs, Softmax):
        return None
    return "binary_cross_entropy" if layer is not None and isinstance(layer.attrs, Sigmoid) else "mean_squared_error"


# The report


def _rows(read: Reader, written: DraftText) -> tuple[Mapping[str, Any], ...]:
    """What became of each node."""
    return tuple(
        {
            "node": call.number,
            "op": call.op,
            "name": call.name or call.output,
            "became": [_said(layer, written) for layer in read.became.get(call, ()) if layer in written.names],
            "note": _note(read, call),
        }
        for call in read.calls.all
    )


def _said(layer: DraftLayer, written: DraftText) -> str:
    name = written.names[layer]
    return layer.op if name.rstrip("0123456789") == layer.op else f"{layer.op} '{name}'"


def _note(read: Reader, call: Call) -> str:
    """Why a node has no layer of its own."""
    if call in read.covered:
        last = read.covered[call]
        return f"part of node {last.number}"
    if call not in read.became:
        return "constant" if call.op == "Constant" else "nothing reads it"
    if read.became[call]:
        return ""
    return "constant" if all(name in read.calls.constants for name in call.outputs if name) else "order of axes"
