"""What can be worked out without running the model: constants, and the shapes that exporters reckon with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.diagnostics import RunError
from netspec.interop.onnx_in.file import array_of
from netspec.interop.onnx_in.graph import Call
from netspec.interop.onnx_in.views import NotUnderstood
from netspec.interop.tensors import Array

NUMBERS = 2**28
"""Numbers of a constant that is worked out: more than any weight of a CNN has."""

FOLDED = frozenset(
    (
        *(
            "Abs",
            "Add",
            "And",
            "Cast",
            "Ceil",
            "Concat",
            "Div",
            "Equal",
            "Exp",
            "Flatten",
            "Floor",
            "Gather",
            "Greater",
        ),
        *("Identity", "Less", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "ReduceProd", "Reshape"),
        *("Round", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where"),
    )
)
"""Ops of ONNX that make no more numbers than the shapes of their inputs, spread over one another, have."""


def constant_of(call: Call) -> Array | None:
    """The array of a node Constant; None of any other."""
    if call.op != "Constant":
        return None
    kind, value = next(iter(call.attributes.items()), ("", None))
    if kind == "value" and value is not None:
        try:
            return array_of(value)
        except RunError as error:
            raise NotUnderstood(str(error)) from error
    if kind in ("value_int", "value_ints"):
        return np.array(value, np.int64)
    if kind in ("value_float", "value_floats"):
        return np.array(value, np.float32)
    raise NotUnderstood(f"a constant as '{kind}'")


def folded(call: Call, inputs: Sequence[Array | None], opset: int) -> list[Array] | None:
    """What the node makes of constants; None where it is none of those that are worked out."""
    if call.op in ("ConstantOfShape", "Expand", "Range", "Tile"):
        return [_grown(call, inputs)]
    if call.op not in FOLDED:
        return None
    shapes = [array.shape for array in inputs if array is not None]
    try:
        if call.op in ("Add", "Sub", "Mul", "Div", "Where", "Min", "Max", "Pow", "Equal", "Mod"):
            largest = math.prod(np.broadcast_shapes(*shapes))
        else:
            largest = sum(map(math.prod, shapes))
        if largest > NUMBERS:
            raise NotUnderstood(f"a constant of {largest:,} numbers would be worked out")
        return _run(call, inputs, opset)
    except NotUnderstood:
        raise
    except Exception as error:  # a mistake of the model, told by whatever the library ran into
        raise NotUnderstood(f"its constants do not go together ({' '.join(str(error).split())[:120]})") from error


def _run(call: Call, inputs: Sequence[Array | None], opset: int) -> list[Array]:
    """The node, executed by ONNX's own definition of it."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    names = [f"x{place}" if array is not None else "" for place, array in enumerate(inputs)]
    outputs = [f"y{place}" for place in range(len(call.outputs))]
    node = helper.make_node(call.op, names, outputs, **call.attributes)
    given = {name: array for name, array in zip(names, inputs, strict=True) if array is not None}
    anything = helper.make_graph(
        [node],
        "constant",
        [helper.make_tensor_value_info(name, _element(array), array.shape) for name, array in given.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
    )
    model = helper.make_model(anything, opset_imports=[helper.make_opsetid("", opset)])
    with np.errstate(all="ignore"):
        return [np.asarray(array) for array in ReferenceEvaluator(model).run(None, dict(given))]


def _element(array: Array) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(array.dtype))


def _grown(call: Call, inputs: Sequence[Array | None]) -> Array:
    """Ops whose output may be far larger than what goes in."""
    if any(array is None for array in inputs):
        raise NotUnderstood("an input is missing")
    arrays = [np.asarray(array) for array in inputs]
    try:
        if call.op == "Range":
            start, limit, step = (float(array.reshape(())) for array in arrays)
            shape: tuple[int, ...] = (max(math.ceil((limit - start) / step), 0),)
        elif call.op == "ConstantOfShape":
            shape = tuple(map(int, arrays[0]))
        elif call.op == "Tile":
            shape = tuple(int(n) * int(m) for n, m in zip(arrays[0].shape, arrays[1], strict=True))
        else:
            shape = np.broadcast_shapes(arrays[0].shape, tuple(map(int, arrays[1])))
        if math.prod(shape) > NUMBERS or any(side < 0 for side in shape):
            raise NotUnderstood(f"a constant of shape {list(shape)} would be worked out")
        if call.op == "Range":
            return (start + step * np.arange(shape[0])).astype(arrays[0].dtype)
        if call.op == "ConstantOfShape":
            value: Any = array_of(call.get("value")) if call.get("value") is not None else np.zeros(1, np.float32)
            return np.full(shape, value.reshape(()))
        return np.tile(*arrays) if call.op == "Tile" else np.broadcast_to(arrays[0], shape)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError, IndexError, RunError) as error:
        raise NotUnderstood(f"its constants do not go together ({' '.join(str(error).split())[:120]})") from error


def whole_numbers(array: Array) -> list[int]:
    """The numbers of a list such as axes or a shape."""
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise NotUnderstood("a list of whole numbers was expected")
    return [int(number) for number in array.reshape(-1)]


def plain(value: float) -> float:
    """A float32 as the shortest number that reads as the same: ``1e-05`` and not ``9.99999974e-06``."""
    return float(str(np.float32(value)))
