"""The network on each side, ready to be run step by step. A peer's library is imported in its own process only."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from netspec.backend import find_backend
from netspec.bench.case import ONNX_MODEL, ONNX_MODEL_OF_ROUNDED_SUMS, TORCH_SOURCE, TORCH_WEIGHTS, Measured
from netspec.interop.safetensors import decode
from netspec.interop.tensors import Array
from netspec.target import Math
from netspec.training.loop import train_step
from netspec.training.position import Position
from netspec.training.runtime import Fed


class Side(Protocol):
    """A network that can be run."""

    def step(self) -> float | None:
        """One step of training, which returns its loss, or one prediction, which leaves its results to be read."""

    def outputs(self) -> dict[str, Array]:
        """Every head of the last prediction, channels last."""


def import_library(side: str, backend: str) -> None:
    """Import what the side's process needs; memory is counted from then on."""
    if side == "netspec":
        find_backend(backend).kernel("conv")  # which imports the kernels
    elif side == "onnxruntime":
        import onnxruntime  # noqa: F401  # for its effect on memory
    else:
        import torch  # noqa: F401  # for its effect on memory


def make_side(side: str, options: Mapping[str, Any], measured: Measured) -> Side:
    """The network on a side, as one of its variants."""
    if side == "netspec":
        return Ours(measured, options["math"], options.get("in_bytes", False))
    if side == "onnxruntime":
        return OnnxRuntime(measured, ONNX_MODEL_OF_ROUNDED_SUMS if options.get("rounds_sums") else ONNX_MODEL)
    return TorchTraining(measured, options) if measured.case.mode == "train" else TorchInference(measured, options)


class Ours:
    """netspec: what the loop of ``netspec train`` runs for a batch, or ``netspec predict``."""

    def __init__(self, measured: Measured, math: Math, in_bytes: bool) -> None:
        self._case, self._inputs = measured.case, measured.inputs
        self._runtime = measured.runtime(math, in_bytes)
        self._loaded = self._runtime.load("train" if self._case.mode == "train" else "predict", "float32")
        self._fed = Fed(measured.inputs, measured.targets, self._case.batch)
        self._steps = 0
        self._found: dict[str, Array] = {}

    def step(self) -> float | None:
        """One step."""
        self._steps += 1
        if self._case.mode == "train":
            return train_step(self._runtime, self._loaded, self._fed, self._case.rate, Position(0, self._steps))
        executable = self._loaded.executable
        executable.run(self._loaded.feed(self._inputs, {}), {}, self._case.batch)
        heads = self._runtime.plan("predict", "float32").graph.heads
        self._found = {head: executable.output(head) for head in heads}
        return None

    def outputs(self) -> dict[str, Array]:
        """Of the last prediction."""
        return self._found


def _torch_module(measured: Measured, options: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """The exported module with its weights, and the inputs, in the variant's memory format."""
    import torch

    from netspec.interop.pytorch.compare import load_module
    from netspec.interop.pytorch.training import to_torch

    torch.set_num_threads(measured.case.threads)
    state = decode((measured.folder / TORCH_WEIGHTS).read_bytes(), TORCH_WEIGHTS)
    module: Any = load_module(measured.folder / TORCH_SOURCE, measured.case.torch_class or "", state)
    inputs = [to_torch(measured.inputs[value.name]) for value in measured.graph.inputs]
    if options["layout"] == "channels_last":
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        inputs = [x.contiguous(memory_format=formats.get(x.dim(), torch.contiguous_format)) for x in inputs]
        module = module.to(memory_format=formats.get(inputs[0].dim(), torch.preserve_format))
    return module, inputs


class TorchTraining:
    """A training step in PyTorch: forward, loss, backward, clipping where asked for, the optimiser."""

    def __init__(self, measured: Measured, options: Mapping[str, Any]) -> None:
        import torch

        from netspec.interop.pytorch.source import torch_source
        from netspec.interop.pytorch.training import clip, loss_function, optimizer, to_torch

        self._module, self._inputs = _torch_module(measured, options)
        self._module.train()
        self._targets = {name: to_torch(array) for name, array in measured.targets.items()}
        self._loss, self._recipe, self._clip = loss_function(measured.graph, measured.recipe), measured.recipe, clip
        tensors = torch_source(measured.graph, measured.recipe).tensors
        self._optimizer = optimizer(self._module, measured.recipe, measured.case.rate, tensors)
        self._run = torch.compile(self._module) if options["form"] == "compile" else self._module

    def step(self) -> float | None:
        """One step."""
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss(self._run(*self._inputs), self._targets)
        loss.backward()
        self._clip(self._module, self._recipe)
        self._optimizer.step()
        return float(loss.detach())

    def outputs(self) -> dict[str, Array]:
        """None: what is compared of training are losses."""
        return {}


class TorchInference:
    """A prediction in PyTorch: eager, traced and frozen, or compiled."""

    def __init__(self, measured: Measured, options: Mapping[str, Any]) -> None:
        import torch

        module, self._inputs = _torch_module(measured, options)
        self._heads = [name for name in measured.graph.heads if not measured.recipe.head(name).train_only]
        form = options["form"]
        self._context: type[AbstractContextManager[Any]] = torch.inference_mode if form == "eager" else torch.no_grad
        if form == "jit":
            with torch.no_grad():
                traced = torch.jit.freeze(torch.jit.trace(module, tuple(self._inputs), strict=False))
                self._run = torch.jit.optimize_for_inference(traced)
        elif form.startswith("compile"):
            frozen = form == "compile_frozen"
            self._run = torch.compile(module, options={"freezing": True} if frozen else None)
        else:
            self._run = module
        self._found: Any = None

    def step(self) -> float | None:
        """One prediction."""
        with self._context():
            self._found = self._run(*self._inputs)
        return None

    def outputs(self) -> dict[str, Array]:
        """Of the last prediction."""
        from netspec.interop.pytorch.training import from_torch

        found = self._found if isinstance(self._found, dict) else {self._heads[0]: self._found}
        return {name: from_torch(tensor) for name, tensor in found.items()}


class OnnxRuntime:
    """A prediction in ONNX Runtime with all its optimisations."""

    def __init__(self, measured: Measured, model: str) -> None:
        from netspec.interop.onnx.session import feed, open_session

        self._session = open_session((measured.folder / model).read_bytes(), measured.case.threads)
        self._feed = feed(measured.inputs)
        self._found: list[Array] = []

    def step(self) -> float | None:
        """One prediction."""
        self._found = self._session.run(None, self._feed)
        return None

    def outputs(self) -> dict[str, Array]:
        """Of the last prediction."""
        names = [output.name for output in self._session.get_outputs()]
        arrays = zip(names, self._found, strict=True)
        return {name: np.moveaxis(array, 1, -1) if array.ndim > 1 else array for name, array in arrays}
