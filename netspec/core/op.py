"""What an op may state of itself, and how the rest of the house asks for it.

A declared op is a class with these methods; all but ``infer`` are optional:

``infer(self, *data) -> TensorType | tuple``
    output types from the types of the data inputs; raises :class:`ShapeError`
``params(self, *data) -> dict[str, Param]``
    parameters by name; they follow the data inputs of the node
``macs(self, data, outputs) -> int``
    multiply-accumulates of one sample (convolutions and dense layers only)
``grad(self, g, node, *dy) -> tuple[Value | None, ...]``
    adds the gradient nodes and returns one gradient per input, ``None`` where there is none
``training(self, g, node) -> Value | None``
    the form the op takes while training (batch statistics, a dropout mask) instead of ``node``; ``None`` keeps it
``inference(self, g, node) -> Value | None``
    the form the op takes when training is over, instead of ``node``; ``None`` keeps it
``lower(self, g, node) -> Value``
    other ops in place of ``node``, on its inputs and parameters (``Builder.apply``); such an op needs neither gradient
    nor kernel, and stays one layer in summaries: only what is run is lowered
``keeps_layout = True``
    the output is stored as the input is, whatever its layout (elementwise ops do so anyway)
``activation = True``
    it bends a layer's output, number by number; the linter expects one of them behind a layer, not two
``weighs_channels = True``
    linear in its parameter ``weight``, whose last axis is the output's channels, with an optional ``bias`` for each:
    what scales and shifts the output's channels afterwards can be taken into them
    of which its main attribute says how many there are
``mixing_weight``, ``spreading_weight``
    of such an op whose ``weight`` has another name, and of one that before makes several channels of each that comes
    in: the name of that parameter, whose last axis is these channels, side by side
``per_channel = True``
    each output channel is made of the same channel of the inputs alone, and of its place in the parameters, whose last
    axis is the channels (elementwise ops are so anyway)
``channel_sources(self, *data) -> Sources``
    where it is another channel, or several: see :mod:`netspec.core.channels`. Of an op that states neither, nor
    ``axis_maps``, any channel may depend on any other
``channel_parts``
    of ops that tell channels apart by their place in equal parts, as groups: the number of parts
``narrowed(self, sources) -> attrs``
    the op with fewer channels, made of these sources, where its attributes tell of channels and it is not one that
    ``weighs_channels``
``merges = True``
    takes several inputs: branches, or ``from: [a, b]``
``branches = False``
    of a merge that takes only ``from: [a, b]``, since its inputs play different parts
``explain(self, data, outputs) -> Iterator[Formula]``
    the formulas with the numbers put in
``expressions(self, inputs) -> tuple[Expression, ...]``
    makes it elementwise: one scalar expression per output over ``x0, x1, ...``; backends generate the kernel
``gated(self, node, forward, low, high) -> tuple[attrs, extra inputs] | None``
    of gradients: the same op, which lets dy, the input number ``gate_input``, pass only where what ``forward`` makes of
    its inputs lies strictly between the limits. So the gradient of a clipping activation needs no pass of its own.
    None where ``forward`` is not the op whose gradient ``node`` is
``selects = True``
    of gradients of an op that repeats one number of its input at each place of its first output: takes that op's second
    output, which says where the numbers were, and dy, and sends each number of dy there. Nothing else is in its output
``first_channels(self, *data) -> tuple[int, ...] | None``
    of ops that join their inputs: the channel of the output at which each begins, None where not channels are joined
``slice_start(self, x) -> int | None``
    of ops whose output is a slice of their input: the channel at which it begins, None where it is none of channels
``given_moments(self) -> attrs``
    of ops that normalise their first input by its own moments: the same op, which reads them as its last input
``optional = True``
    of ops that a pass makes for those targets alone that ask for them: a backend may be without a kernel
``scales_channels = True``
    a factor and a summand for each channel of the first input, both from parameters alone, so that whoever reads the
    output may as well make it
``geometry(self, x) -> WindowGeometry``
    of ops with a window
``axis_maps(self, x) -> tuple[AxisMap | None, ...]``
    of ops that move numbers along axes: per axis, channels last, where each place comes from, ``None`` if all stay
``reach(self, x) -> tuple[Reach, ...]``
    of ops that change the spatial axes without a window: per such axis, how much of it one output position sees

Its float64 definition is the function of the same name (dots become underscores) in the sibling module
``<module>_reference``, imported only when asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, dataclass_transform

from netspec.core.attributes import attr
from netspec.core.declare import Declaration, declaration_of, declare
from netspec.core.formulas import Formula
from netspec.core.graph import Param
from netspec.core.types import TensorType

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(attr,))
def op(
    name: str, *, main: str | None = None, doc: str = "", public: bool = True, example: str = ""
) -> Callable[[type[T]], type[T]]:
    """Declare an op; see :func:`netspec.core.declare.declare`."""
    return declare("op", name, main=main, doc=doc, public=public, example=example)


class ShapeError(Exception):
    """An op refuses its inputs. ``code`` is the diagnostic's, ``fields`` fill its wording, ``attr`` is to blame.

    The fields ``layer`` (its name) and ``input`` (the shape that comes in) are added by whoever places the diagnostic.
    ``makes`` is the output's type where that is certain all the same, as of an op that keeps the shape.
    """

    def __init__(
        self,
        code: str,
        *,
        attr: str | None = None,
        formula: str | None = None,
        makes: TensorType | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(f"{code} {fields}")
        self.code = code
        self.attr = attr
        self.formula = formula
        self.makes = makes
        self.fields = fields


def infer(attrs: Any, data: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    """Output types of the op on data inputs of these types; raises :class:`ShapeError`."""
    result = attrs.infer(*data)
    return result if isinstance(result, tuple) else (result,)


def params(attrs: Any, data: tuple[TensorType, ...]) -> dict[str, Param]:
    """Parameters the op wants, by name; empty where it states none."""
    return dict(attrs.params(*data)) if declaration_of(attrs).has("params") else {}


def macs(attrs: Any, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> int:
    """Multiply-accumulates of one sample; 0 where the op states none."""
    return int(attrs.macs(data, outputs)) if declaration_of(attrs).has("macs") else 0


def explain(attrs: Any, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterable[Formula]:
    """Formulas of the op with these numbers."""
    return attrs.explain(data, outputs) if declaration_of(attrs).has("explain") else ()


def is_elementwise(attrs: Any) -> bool:
    """Whether the op is given by scalar expressions."""
    return declaration_of(attrs).has("expressions")


def reference(declaration: Declaration) -> Callable[..., Any]:
    """The op's float64 definition: ``f(attrs, inputs, context) -> tuple of arrays``; a LookupError if it has none."""
    module = declaration.module + "_reference"
    try:
        function = getattr(importlib.import_module(module), declaration.name.replace(".", "_"), None)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        function = None
    if function is None:
        raise LookupError(f"{module} does not define {declaration.name!r}")
    found: Callable[..., Any] = function
    return found
