"""A model in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netspec.interop.tensors import Array


def open_session(model: bytes, threads: int) -> Any:
    """The model, ready to run on the CPU with all optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors: of warnings, those about shapes that it infers once more
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def feed(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Batches by the input's name, (N, ..., C), as the session takes them."""
    return {name: np.ascontiguousarray(np.moveaxis(x, -1, 1), np.float32) for name, x in inputs.items()}


def run(model: bytes, inputs: Mapping[str, Array], threads: int = 1) -> dict[str, Array]:
    """Every output of the model by name, channels last."""
    session = open_session(model, threads)
    found = session.run(None, feed(inputs))
    names = (output.name for output in session.get_outputs())
    return {name: np.moveaxis(array, 1, -1) for name, array in zip(names, found, strict=True)}
