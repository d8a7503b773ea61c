"""Walks through the layers of a network of Caffe and grows the draft; each type of layer has a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from netspec.core.graph import Value
from netspec.core.op import ShapeError
from netspec.declarations.ops.adaptive_pooling import GlobalMaxPool
from netspec.declarations.ops.dense import Flatten
from netspec.declarations.ops.pooling import GlobalAvgPool
from netspec.diagnostics import Diagnostic, Span, SpecError
from netspec.interop.caffe.prototxt import Message, Scalar
from netspec.interop.draft import Draft, DraftLayer, refused
from netspec.syntax.suggestions import closest

Form = Callable[["CaffeReader", "CaffeLayer"], "Value | list[Value] | None"]
"""Adds what a layer is to the draft, and returns what its tops hold; None where nothing follows from it."""
FORMS: dict[str, Form] = {}
"""By the type of the layer."""
OLD_TYPES: Mapping[str, str] = {
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "IMAGE_DATA": "ImageData",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
}
"""What files of the first version call the types of layers."""
QUIET = frozenset({"name", "type", "engine", "include", "exclude", "param", "blobs_lr", "weight_decay", "phase"})
"""Fields that say nothing about the network, or are told in another way."""


class NotUnderstood(Exception):
    """A layer says something that a spec has no words for; the text says what, ``span`` where."""

    def __init__(self, reason: str, span: Span | None = None) -> None:
        super().__init__(reason)
        self.span = span


class Multiple(NamedTuple):
    """How many times the rate and the weight decay of all others hold for one parameter, and where that is said."""

    rate: float
    decay: float
    span: Span


class Blank(Exception):
    """A bottom comes from a layer that was not understood, so that nothing more can be said."""


class CaffeLayer:
    """One layer of the file."""

    def __init__(self, message: Message, number: int) -> None:
        self.message = message
        written = message.text("type")
        self.type = OLD_TYPES.get(written, written)
        self.name = message.text("name") or f"layer{number}"
        self.bottoms = message.texts("bottom")
        self.tops = message.texts("top")
        places = message.scalars("type")
        self.span = places[-1].span if places else message.span

    def settings(self, name: str) -> Message:
        """The message with the layer's settings."""
        return self.message.message(f"{name}_param")


class CaffeReader:
    """The draft, what every blob is so far, and what could not be understood."""

    def __init__(self, draft: Draft, sizes: Mapping[str, tuple[int, ...]]) -> None:
        self.draft = draft
        self.sizes = sizes
        self.blobs: dict[str, Value] = {}
        self.labels: set[str] = set()
        self.read_by_layer: set[str] = set()
        self.losses: list[tuple[str, Value, str, float]] = []
        """Name, what goes in, netspec's loss, and weight of each loss."""
        self.diagnostics: list[Diagnostic] = []
        self.told: list[Diagnostic] = []
        self.rows: list[dict[str, Any]] = []
        self._became: list[tuple[CaffeLayer, list[DraftLayer], str]] = []
        self._shared: dict[str, DraftLayer] = {}
        self._layer: CaffeLayer | None = None
        self.multiples: list[tuple[CaffeLayer, tuple[Multiple, ...]]] = []
        """Of each layer with parameters, weight before bias, by how much they learn and decay otherwise than others."""

    # What a layer takes

    def bottom(self, layer: CaffeLayer, place: int = 0) -> Value:
        """What comes in."""
        if place >= len(layer.bottoms):
            raise NotUnderstood(f"it has {len(layer.bottoms)} bottoms")
        name = layer.bottoms[place]
        if name in self.labels:
            raise NotUnderstood(f"it reads '{name}', which are labels")
        if name not in self.blobs:
            raise Blank
        return self.blobs[name]

    def row(self, layer: CaffeLayer) -> Value:
        """What comes in as a row of numbers; a pooling over all positions keeps no axes for that."""
        value = self.bottom(layer)
        if not value.type.spatial:
            return value
        pool = self.draft.producer(value)
        if pool is not None and isinstance(pool.attrs, GlobalAvgPool | GlobalMaxPool):
            return self.draft.add(type(pool.attrs)(keep=False), *pool.inputs, name=pool.name)
        return self.draft.add(Flatten(), value)

    # Layers

    def add(self, attrs: Any, *values: Value, initializers: Mapping[str, Any] | None = None) -> Value:
        """A layer named as the one at hand, with its rates and the weights that it shares."""
        layer = self._layer
        assert layer is not None
        message = layer.message
        shares = [text for each in message.all("param") for text in _share_name(each)]
        share = self._shared.get(shares[0]) if shares else None
        multiples = _multiples(message)
        rates = [each.rate for each in multiples]
        value = self.draft.add(
            attrs,
            *values,
            name=layer.name,
            share=share,
            frozen=bool(rates) and not any(rates),
            initializers=initializers if share is None else None,
        )
        made = self.draft.producer(value)
        if shares and share is None and made is not None:
            self._shared[shares[0]] = made
        self.multiples.append((layer, multiples))
        return value

    # The walk

    def read(self, layers: list[CaffeLayer]) -> None:
        """All layers, in the order of the file."""
        for layer in layers:
            self._layer = layer
            before = len(self.draft.layers)
            note = ""
            try:
                note = self._step(layer)
            except NotUnderstood as error:
                self._refuse(layer, str(error), error.span)
            except ShapeError as error:
                inputs = tuple(self.blobs[bottom] for bottom in layer.bottoms if bottom in self.blobs)
                self._refuse(layer, refused(error, layer.name, inputs), None)
            except SpecError as error:
                self.diagnostics += error.diagnostics
            except Blank:
                pass  # what it reads has been told
            except (ValueError, TypeError, OverflowError, ZeroDivisionError, IndexError) as error:
                self._refuse(layer, f"what it says does not go together ({' '.join(str(error).split())[:150]})", None)
            self._became.append((layer, self.draft.layers[before:], note))

    def tell_rates(self, decays_are_said: bool) -> None:
        """One finding, at the first place, of rates and decays that hold for single parameters."""
        own = [
            [each for each in multiples if each.rate not in (0, 1) or (each.decay != 1 and not decays_are_said)]
            for _, multiples in self.multiples
        ]
        own = [each for each in own if each]
        if own:
            says = "layer says" if len(own) == 1 else "layers say"
            what = f"what {len(own)} {says} of the rates and decays of single parameters"
            self.told.append(Diagnostic("NS975", own[0][0].span, {"what": what, "layer": self.draft.name}))

    def _step(self, layer: CaffeLayer) -> str:
        form = FORMS.get(layer.type)
        if form is None:
            guess = closest(layer.type, FORMS)
            meant = f"; did you mean '{guess}'?" if guess else ""
            raise NotUnderstood(f"netspec has no counterpart of the type '{layer.type}'{meant}")
        made = form(self, layer)
        for name, span in layer.message.unused():
            if name not in QUIET:
                self.told.append(Diagnostic("NS975", span, {"what": f"'{name}'", "layer": layer.name}))
        self.read_by_layer.update(set(layer.bottoms) - set(layer.tops))
        if made is None:
            return "no layer of a spec"
        values = made if isinstance(made, list) else [made] * len(layer.tops)
        self.blobs.update(zip(layer.tops, values, strict=False))
        return ""

    def _refuse(self, layer: CaffeLayer, reason: str, span: Span | None) -> None:
        fields = {"layer": layer.name, "type": layer.type or "without type", "reason": reason}
        self.diagnostics.append(Diagnostic("NS974", span or layer.span, fields))

    def report(self, names: Mapping[DraftLayer, str]) -> tuple[Mapping[str, Any], ...]:
        """What became of each layer."""
        return tuple(
            {
                "line": layer.span.line,
                "type": layer.type,
                "name": layer.name,
                "became": [f"{each.op} '{names[each]}'" for each in made if each in names],
                "note": note,
            }
            for layer, made, note in self._became
        )


def _multiples(message: Message) -> tuple[Multiple, ...]:
    """What a layer says of its parameters one by one; files of the first version have lists."""
    found = [
        Multiple(each.number("lr_mult", 1.0), each.number("decay_mult", 1.0), each.span)
        for each in message.all("param")
        if isinstance(each, Message)
    ]
    rates, decays = message.numbers("blobs_lr"), message.numbers("weight_decay")
    places = [*message.scalars("blobs_lr"), *message.scalars("weight_decay")]
    pairs = zip_longest(rates, decays, fillvalue=1.0)
    return (*found, *(Multiple(rate, decay, places[0].span) for rate, decay in pairs))


def _share_name(param: Message | Scalar) -> list[str]:
    """The name of a parameter, by which layers share it; files of the first version have a text alone."""
    if isinstance(param, Message):
        return param.texts("name")
    return [param.text]
