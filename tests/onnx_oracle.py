"""Operators as the ONNX project computes them, in Python: a definition that is not ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

Array = np.ndarray[Any, np.dtype[Any]]

OPSET = 22


def run_onnx(op_type: str, inputs: Sequence[Array], **attributes: Any) -> tuple[Array, ...]:
    """The operator's outputs on arrays in ONNX's layout, channels behind the batch; ``outputs=n`` asks for n of them.

    Floating-point inputs may be float64, and are then computed as such.
    """
    count = attributes.pop("outputs", 1)
    names = [f"x{place}" for place in range(len(inputs))]
    made = [f"y{place}" for place in range(count)]
    node = helper.make_node(op_type, names, made, **attributes)
    types = [helper.np_dtype_to_tensor_dtype(array.dtype) for array in inputs]
    given = [helper.make_tensor_value_info(*pair, None) for pair in zip(names, types, strict=True)]
    wanted = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in made]
    graph = helper.make_graph([node], op_type, given, wanted)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_node(node)
    found = ReferenceEvaluator(model).run(None, dict(zip(names, inputs, strict=True)))
    return tuple(np.asarray(each) for each in found)


def channels_first(x: Array) -> Array:
    """``(N, ..., C)`` to ``(N, C, ...)``."""
    return np.moveaxis(x, -1, 1)


def channels_last(x: Array) -> Array:
    """``(N, C, ...)`` to ``(N, ..., C)``."""
    return np.moveaxis(x, 1, -1)
