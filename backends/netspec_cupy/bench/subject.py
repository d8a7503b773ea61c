"""What is measured: a backend on a device, with sizes that suit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netspec.diagnostics import RunError
from netspec.target import Precision
from netspec_cupy.backend import CupyBackend
from netspec_cupy.contract import Device

PRECISIONS: tuple[Precision, ...] = ("bfloat16", "tf32", "float32")


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution to be timed alone."""

    name: str
    side: int
    channels: int
    filters: int
    kernel: int
    stride: int = 1
    groups: int = 1


@dataclass(frozen=True, slots=True)
class Subject:
    """A backend, the networks and layers to time on it, and on which device PyTorch runs beside it."""

    backend: Any
    """A CupyBackend; types of netspec ask for one that loads any state, and each backend loads its own."""
    device: Device
    torch_device: str
    networks: tuple[tuple[str, int], ...]
    """Names and batches."""
    layers: tuple[Layer, ...]
    layer_batch: int
    rounds: int
    repeats: int
    precisions: tuple[Precision, ...] = PRECISIONS
    tests: tuple[str, ...] = ()
    """What pytest is told to run in stage 2."""


LAYERS = (
    Layer("stem of ResNet-50", 224, 3, 64, 7, 2),
    Layer("ResNet-50 1x1 reduce", 56, 256, 64, 1),
    Layer("ResNet-50 3x3", 56, 64, 64, 3),
    Layer("ResNet-50 3x3, stride 2", 56, 128, 128, 3, 2),
    Layer("ResNet-50 1x1 widen", 14, 256, 1024, 1),
    Layer("ResNet-50 last 3x3", 7, 512, 512, 3),
    Layer("ResNet-20 3x3", 32, 16, 16, 3),
    Layer("MobileNet depthwise", 28, 256, 256, 3, 1, 256),
)
NETWORKS = (
    ("zoo:lenet5", 256),
    ("zoo:resnet20", 256),
    ("zoo:resnet18", 128),
    ("zoo:resnet50", 128),
    ("zoo:mobilenet_v1", 128),
)


def gpu_subject() -> Subject:
    """The first visible GPU; NS901 where there is none that can be used."""
    from netspec_cupy.gpu_device import gpu_device
    from netspec_cupy.probe import probe

    reason = probe()
    if reason is not None:
        raise RunError.of("NS901", backend="cupy", reason=reason)
    device = gpu_device()
    backend = CupyBackend(device)
    tests = ("tests/gpu", "-m", "gpu", "-q", "-p", "no:cacheprovider")
    return Subject(backend, device, "cuda", NETWORKS, LAYERS, 64, 5, 20, tests=tests)


def dry_subject() -> Subject:
    """The processor in the GPU's place: it shows that every stage runs to its end."""
    from netspec_cupy.host_device import HostDevice

    device = HostDevice()
    layers = (
        Layer("small 3x3", 5, 4, 5, 3),
        Layer("small 3x3, stride 2", 6, 4, 5, 3, 2),
        Layer("small depthwise", 5, 4, 4, 3, 1, 4),
    )
    return Subject(CupyBackend(device), device, "cpu", (("zoo:lenet5", 2),), layers, 2, 2, 1, ("tf32", "float32"))
