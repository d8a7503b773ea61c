"""One step that nothing stays of, so that all kernels are compiled before a clock runs."""

from __future__ import annotations

import numpy as np

from netspec.core.types import DType
from netspec.training.runtime import Runtime
from netspec.training.state import read_state


def compile_training(runtime: Runtime, dtype: DType) -> None:
    """Compile whatever a training step on inputs of ``dtype`` runs: some kernels are compiled when they first run.

    The step learns one sample of zeros, and its numbers may be anything. Weights, statistics and moments are afterwards
    what they were; the copy of them takes what writing a checkpoint takes. Ranks have to call it together.
    """
    loaded = runtime.load("train", dtype)
    before = read_state(runtime.state, (*runtime.weights, *runtime.moments))
    inputs = runtime.plan("train", dtype).graph.inputs
    zeros = {value.name: np.zeros((1, *value.type.shape), value.type.dtype) for value in inputs}
    try:
        with runtime.compiling():
            loaded.exchange.run(zeros, runtime.scalars(0.0, 1), 1)
            loaded.executable.run({}, {}, 1, ("update",))
    finally:
        for name, array in before.items():
            runtime.state.write(name, array)
