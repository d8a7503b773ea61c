"""PyTorch beside us: the same layers and steps on the same device, in each of its forms."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from netspec.bench.case import Measured
from netspec.target import Precision
from netspec_cupy.bench.subject import Layer

FORMS = ("eager", "compile", "reduce-overhead")


def missing() -> bool:
    """Whether PyTorch is not installed: then its columns stay empty."""
    return find_spec("torch") is None


class Peer:
    """PyTorch on a device, with cuDNN's benchmark mode and the channels last."""

    def __init__(self, device: str) -> None:
        import torch

        self._torch: Any = torch
        self._device = device
        torch.backends.cudnn.benchmark = True

    def versions(self) -> dict[str, Any]:
        """Of PyTorch and what it brings."""
        torch = self._torch
        return {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}

    def forms(self) -> tuple[str, ...]:
        """Those that can be tried here: on the processor, in a dry run, only the first."""
        return FORMS if self._device == "cuda" else FORMS[:1]

    def timed(self, work: Callable[[], object], repeats: int) -> float:
        """Seconds of one of so many runs, by the device's own clock."""
        if self._device != "cuda":
            begun = time.perf_counter()
            for _ in range(repeats):
                work()
            return (time.perf_counter() - begun) / repeats
        first, last = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        for _ in range(repeats):
            work()
        last.record()
        last.synchronize()
        return float(first.elapsed_time(last)) * 1e-3 / repeats

    def use(self, precision: Precision) -> None:
        """What float32 products may be rounded to; bfloat16 is said where they are made."""
        allowed = precision != "float32"
        self._torch.backends.cuda.matmul.allow_tf32 = allowed
        self._torch.backends.cudnn.allow_tf32 = allowed

    def layer(self, layer: Layer, batch: int, precision: Precision) -> Mapping[str, Callable[[], object]]:
        """A convolution and its gradients, by the name of our op."""
        torch = self._torch
        kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
        padding, depth = layer.kernel // 2, layer.channels // layer.groups

        def made(*shape: int) -> Any:
            plain = torch.randn(*shape, device=self._device, dtype=kind)
            return plain.contiguous(memory_format=torch.channels_last)

        x, w = (
            made(batch, layer.channels, layer.side, layer.side),
            made(layer.filters, depth, layer.kernel, layer.kernel),
        )
        y = torch.nn.functional.conv2d(x, w, None, layer.stride, padding, 1, layer.groups)
        dy = torch.randn_like(y)

        def backward(wanted: tuple[bool, bool, bool]) -> object:
            where = [layer.stride] * 2, [padding] * 2, [1, 1], False, [0, 0], layer.groups
            return torch.ops.aten.convolution_backward(dy, x, w, None, *where, wanted)

        return {
            "conv": lambda: torch.nn.functional.conv2d(x, w, None, layer.stride, padding, 1, layer.groups),
            "conv.dx": lambda: backward((True, False, False)),
            "conv.dw": lambda: backward((False, True, False)),
        }

    def step(self, measured: Measured, form: str, precision: Precision) -> Callable[[], Any]:
        """A training step from pinned memory on, in a form; its loss is left on the device."""
        from netspec.bench.case import TORCH_SOURCE, TORCH_WEIGHTS
        from netspec.interop.pytorch.compare import load_module
        from netspec.interop.pytorch.source import torch_source
        from netspec.interop.pytorch.training import clip, loss_function, optimizer, to_torch
        from netspec.interop.safetensors import decode

        torch, recipe, case = self._torch, measured.recipe, measured.case
        state = decode((measured.folder / TORCH_WEIGHTS).read_bytes(), TORCH_WEIGHTS)
        module: Any = load_module(measured.folder / TORCH_SOURCE, case.torch_class or "", state)
        module = module.train().to(self._device).to(memory_format=torch.channels_last)
        loss_of = loss_function(measured.graph, recipe)
        rule = optimizer(module, recipe, case.rate, torch_source(measured.graph, recipe).tensors)
        run = module if form == "eager" else torch.compile(module, mode=None if form == "compile" else form)
        inputs = [self._pinned(to_torch(measured.inputs[value.name])) for value in measured.graph.inputs]
        targets = {name: self._pinned(to_torch(array)) for name, array in measured.targets.items()}

        def step() -> Any:
            sent = [x.to(self._device, non_blocking=True) for x in inputs]
            learnt = {name: y.to(self._device, non_blocking=True) for name, y in targets.items()}
            rule.zero_grad(set_to_none=True)
            with torch.autocast(self._device, torch.bfloat16, enabled=precision == "bfloat16"):
                loss = loss_of(run(*sent), learnt)
            loss.backward()
            clip(module, recipe)
            rule.step()
            return loss.detach()

        return step

    def _pinned(self, tensor: Any) -> Any:
        tensor = tensor.contiguous(memory_format=self._torch.channels_last) if tensor.dim() == 4 else tensor
        return tensor.pin_memory() if self._device == "cuda" else tensor
