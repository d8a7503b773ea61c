"""Walks through a model's nodes and grows the draft; each op of ONNX has a form that says what it is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netspec.core.graph import Value
from netspec.core.op import ShapeError
from netspec.diagnostics import Diagnostic, Span
from netspec.interop.draft import Draft, DraftLayer, refused
from netspec.interop.onnx_in.folding import constant_of, folded
from netspec.interop.onnx_in.graph import Call, Calls
from netspec.interop.onnx_in.names import layer_of_node, layer_of_weight
from netspec.interop.onnx_in.views import (
    Factor,
    NotUnderstood,
    View,
    check_batch,
    first_view,
    flattened,
    image_axes,
    in_stored_order,
    materialized,
    row_order,
)
from netspec.interop.tensors import Array

Made = View | Sequence[View | None]
"""What the outputs of a node are; one that nobody reads may be None."""
Form = Callable[["Reader", Call], Made]
"""Adds what a node is to the draft."""
FORMS: dict[str, Form] = {}
"""By the name of ONNX's op."""


@dataclass(frozen=True, slots=True)
class Match:
    """A node that is the last of several which together are one layer; ``inputs`` is what they read from outside."""

    form: Form
    inputs: tuple[str, ...]
    covered: tuple[Call, ...]


Pattern = Callable[[Calls, Call], Match | None]
PATTERNS: dict[str, list[Pattern]] = {}
"""By the op of the last node; the first that fits holds."""


def pattern(*ops: str) -> Callable[[Pattern], Pattern]:
    """Enter the decorated function as a pattern that ends in one of these ops."""

    def enter(function: Pattern) -> Pattern:
        for each in ops:
            PATTERNS.setdefault(each, []).append(function)
        return function

    return enter


class Blank(Exception):
    """An input comes from a node that was not understood, so that nothing more can be said."""


@dataclass(frozen=True, slots=True)
class Oriented:
    """A tensor as it is stored, with the way back to ONNX's axes."""

    value: Value
    channels_last: bool
    batch: Factor

    def axis(self, place: int) -> int:
        """The stored axis, the channels last, that is ONNX's axis at this place; the batch is refused."""
        rank = len(self.value.type.shape) + 1
        place += rank if place < 0 else 0
        if not 0 < place < rank:
            raise NotUnderstood(f"axis {place} is that of the samples, or is not there")
        if self.channels_last:
            return place - 1
        return rank - 2 if place == 1 else place - 2

    def view(self, value: Value) -> View:
        """What was made of it, as ONNX sees it."""
        return first_view(value, self.batch, self.channels_last)


class Reader:
    """The draft, what every value is so far, and what could not be understood."""

    def __init__(self, calls: Calls, draft: Draft, batch: Factor, file: str) -> None:
        self.calls = calls
        self.draft = draft
        self.batch = batch
        self.diagnostics: list[Diagnostic] = []
        self.views: dict[str, View] = {}
        self.became: dict[Call, list[DraftLayer]] = {}
        self.covered: dict[Call, Call] = {}
        self._file = file
        self._call: Call | None = None
        self._shared: dict[tuple[Any, ...], DraftLayer] = {}

    # What is known of a value

    def view(self, name: str) -> View:
        """A value that depends on what goes in."""
        if name in self.views:
            return self.views[name]
        if name in self.calls.constants or not name:
            raise NotUnderstood(f"its input '{name}' is a constant" if name else "an input is missing")
        if name in self.calls.unreadable:
            raise NotUnderstood(self.calls.unreadable[name])
        raise Blank

    def constant(self, name: str, what: str = "constant") -> Array:
        """A value that does not."""
        if name in self.calls.constants:
            return self.calls.constants[name]
        if name in self.calls.unreadable:
            raise NotUnderstood(self.calls.unreadable[name])
        if name in self.views:
            raise NotUnderstood(f"its {what} '{name}' is worked out from what goes in")
        if not name:
            raise NotUnderstood(f"its {what} is missing")
        raise Blank

    def is_constant(self, name: str) -> bool:
        """Whether it is known without running the model."""
        return name in self.calls.constants

    def weight(self, name: str, what: str) -> Array:
        """A constant of numbers as float32."""
        found = self.constant(name, what)
        if found.dtype.kind not in "fV":
            raise NotUnderstood(f"its {what} '{name}' holds {found.dtype} numbers")
        return found.astype(np.float32)

    # What an op takes

    def image(self, name: str) -> Value:
        """The value as (N, C, ...) has it."""
        view = self.view(name)
        check_batch(view, self.batch)
        if len(view.axes) < 2:
            raise NotUnderstood("it has one axis only")
        wanted = image_axes(view)
        value = materialized(self.draft, view, wanted, self.layer_name())
        if value is not view.stored:
            self.views[name] = replace(view, stored=value, parts=wanted)
        return value

    def oriented(self, name: str) -> Oriented:
        """The value channels first, or, where it is stored as ONNX has it, channels last."""
        view = self.view(name)
        check_batch(view, self.batch)
        last = len(view.axes) > 2 and view.axes[1:] == view.parts and image_axes(view) != view.parts
        return Oriented(view.stored if last else self.image(name), last, self.batch)

    def leaving(self, name: str) -> Oriented:
        """An output of the model."""
        self._call = self.calls.producers.get(name)
        return self.oriented(name)

    def row(self, name: str) -> tuple[Value, Array | None]:
        """The value as a row, and for each place of ONNX's row the place of the stored one; None where they agree."""
        view = self.view(name)
        check_batch(view, self.batch)
        if len(view.axes) != 2:
            raise NotUnderstood("a row of numbers per sample was expected")
        if in_stored_order(view):
            return self.image(name), None
        turn = row_order(view)
        assert turn is not None
        if len(view.parts) > 1:
            self.views[name] = view = flattened(self.draft, view)
        return view.stored, turn.apply(np.arange(view.stored.type.elements)).astype(np.int64)

    # Layers

    def layer_name(self, sources: Sequence[str] = ()) -> str:
        """What a layer is called that comes from the node at hand, with weights of these names."""
        named = next(filter(None, map(layer_of_weight, sources)), "")
        return named or (layer_of_node(self._call.name, self._call.op) if self._call else "")

    def add(
        self, attrs: Any, *values: Value, weights: Mapping[str, Array] | None = None, sources: Sequence[str] = ()
    ) -> Value:
        """A layer; one with the weights of another, which ``sources`` names, shares them."""
        key = (type(attrs), *sources)
        share = self._shared.get(key) if any(sources) else None
        name = self.layer_name(sources)
        if share is not None and {k: v.shape for k, v in share.weights.items()} != {
            k: v.shape for k, v in (weights or {}).items()
        }:
            share = None
        value = self.draft.add(attrs, *values, name=name, weights=weights, share=share)
        layer = self.draft.producer(value)
        if share is None and any(sources) and layer is not None:
            self._shared[key] = layer
        return value

    def first_view(self, value: Value) -> View:
        """A layer's output as (N, C, ...)."""
        return first_view(value, self.batch)

    # The walk

    def read(self) -> None:
        """All nodes that the outputs need, in the order of the file."""
        for call in self.calls.all:
            if call.op == "Constant" and call.outputs:
                self._attempt(call, lambda call: self._keep_constants(call, [constant_of(call)]))
        for call, match in self._planned():
            if call.op != "Constant":
                self._attempt(call, lambda call, match=match: self._node(call, match))  # type: ignore[misc]  # a default argument of a lambda

    def _planned(self) -> list[tuple[Call, Match | None]]:
        needed = set(self.calls.outputs)
        planned: list[tuple[Call, Match | None]] = []
        for call in reversed(self.calls.all):
            if needed.isdisjoint(call.outputs):
                continue
            found = (each(self.calls, call) for each in PATTERNS.get(call.op, ()))
            match = next((each for each in found if each is not None), None)
            needed.update(call.inputs if match is None else match.inputs)
            self.covered.update(dict.fromkeys(match.covered, call) if match else {})
            planned.append((call, match))
        return planned[::-1]

    def _attempt(self, call: Call, step: Callable[[Call], None]) -> None:
        self._call = call
        before = len(self.draft.layers)
        try:
            step(call)
        except NotUnderstood as error:
            self.refuse(call, str(error))
        except ShapeError as error:
            self.refuse(call, refused(error, call.name or call.op, ()))
        except (ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError, ZeroDivisionError) as error:
            # The model says something of another kind, or shape, than its op wants.
            self.refuse(call, f"what it says does not go together ({' '.join(str(error).split())[:150]})")
        except Blank:
            pass  # what it reads has been told
        self.became[call] = self.draft.layers[before:]

    def refuse(self, call: Call | None, reason: str, name: str = "") -> None:
        """Note that a node is not understood; without one, what is called so."""
        node = {"op": call.op, "node": call.name or call.output, "number": call.number} if call else {"node": name}
        fields = {**node, "reason": reason}
        self.diagnostics.append(Diagnostic("NS967", Span.of_file(self._file), fields))

    def _node(self, call: Call, match: Match | None) -> None:
        if match is not None:
            self._keep(call, match.form(self, call))
            return
        if all(not name or self.is_constant(name) for name in call.inputs):
            made = folded(call, [self.calls.constants.get(name) for name in call.inputs], self.calls.opset)
            if made is not None:
                self._keep_constants(call, made)
                return
        if call.op == "Shape":
            shape = self.view(call.input(0)).shape[call.get("start", 0) : call.get("end")]
            self._keep_constants(call, [np.array(shape, np.int64)])
            return
        form = FORMS.get(call.op)
        if form is None:
            raise NotUnderstood(f"netspec has no counterpart of '{call.op}'")
        self._keep(call, form(self, call))

    def _keep(self, call: Call, made: Made) -> None:
        views = [made] if isinstance(made, View) else made
        for name, view in zip(call.outputs, views, strict=False):
            if view is not None:
                self.views[name] = view
        for name in call.outputs[len(views) :]:
            if self.calls.readers.get(name):
                raise NotUnderstood(f"its further output '{name}' is read")

    def _keep_constants(self, call: Call, arrays: Sequence[Array | None]) -> None:
        for name, array in zip(call.outputs, arrays, strict=False):
            if array is not None:
                self.calls.constants[name] = array
