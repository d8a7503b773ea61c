"""The CuPy backend: what planning must know of it, whether it can run here, and plans loaded with its kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from netspec.core.declare import REGISTRIES
from netspec.core.graph import Node, Storage
from netspec.core.types import TensorType
from netspec.diagnostics import RunError
from netspec.diagnostics.text import size
from netspec.plan import Plan, make_plan
from netspec.target import DIRECT, Math, Precision
from netspec_cupy.probe import probe

if TYPE_CHECKING:
    from netspec.backend import KernelState, Ranks
    from netspec_cupy.contract import Device
    from netspec_cupy.executable import CupyExecutable
    from netspec_cupy.gpu_device import GpuDevice
    from netspec_cupy.nccl import Link
    from netspec_cupy.state import CupyState

ITEM = 4
"""Workspaces are counted in float32."""
OLDEST_WITH_TENSOR_CORES = 80
"""Compute capability: Ampere is the first that has TF32, bfloat16 and asynchronous copies."""


def check_memory(plan: Plan, device: Device) -> None:
    """Raise NS902 where the plan's arena is more than the device has free, with the largest batch that would fit."""
    free = device.free_bytes()
    if free is None or plan.arena_bytes <= free:
        return

    def fits(batch: int) -> bool:
        target = CupyTarget(device.capability)
        return make_plan(plan.graph, target, batch, plan.mode, precision=plan.precision).arena_bytes <= free

    fitting, too_large = 0, plan.batch
    while too_large - fitting > 1:
        middle = (fitting + too_large) // 2
        fitting, too_large = (middle, too_large) if fits(middle) else (fitting, middle)
    raise out_of_memory(plan.arena_bytes, free, fitting or None)


def out_of_memory(needed: int, available: int, batch: int | None) -> RunError:
    """NS902, with the largest batch that would fit where one would."""
    texts = {"needed": size(needed), "available": size(available)}
    return RunError.of("NS902", **texts, **({} if batch is None else {"batch": batch}))


class CupyTarget:
    """Planning facts: every value is plain, channels last. Plans are for a GPU of this compute capability."""

    name = "cupy"
    precisions: tuple[Precision, ...] = ("float32", "tf32", "bfloat16")

    def __init__(self, capability: int = OLDEST_WITH_TENSOR_CORES) -> None:
        self.capability = capability

    def preferred_block(self, type: TensorType) -> int | None:
        """None: channels are neighbours."""
        return None

    def accepts(self, op: str, position: int, type: TensorType) -> bool:
        """Whether the op's kernel reads this layout: the plain one."""
        return type.block is None

    def takes_epilogue(self, op: str) -> bool:
        """Whether the op's kernel can add a residual to its output and clip it."""
        from netspec_cupy.contract import KERNELS
        from netspec_cupy.kernels import is_written

        return is_written(op) and KERNELS[op].epilogue

    def gathers_moments(self, op: str) -> bool:
        """No kernel does."""
        return False

    def algorithms(self, node: Node, batch: int, math: Math, kept: bool, precision: Precision) -> tuple[str, ...]:
        """Those of :func:`netspec_cupy.kernels.algorithms`."""
        from netspec_cupy.kernels import algorithms

        return algorithms(node.attrs, *_types(node), batch, math, precision, self.capability)

    def storage(self, node: Node, batch: int, precision: Precision) -> Storage:
        """That of the kernel that comes first of :meth:`algorithms`."""
        from netspec_cupy.kernels import find

        return find(node.attrs, self.algorithms(node, batch, "exact", False, precision)[0]).storage

    def scratch(self, node: Node, batch: int, algorithm: str = DIRECT) -> Mapping[str, int]:
        """Bytes by name of the workspaces that the node's kernel wants."""
        from netspec_cupy.kernels import find

        sizes = find(node.attrs, algorithm).scratch(node.attrs, *_types(node), batch)
        return {name: elements * ITEM for name, elements in sizes.items()}

    def prepared(self, node: Node, batch: int, algorithm: str = DIRECT, kept: bool = True) -> Mapping[str, int]:
        """Nothing: no kernel rearranges weights."""
        return {}


def _types(node: Node) -> tuple[tuple[TensorType, ...], tuple[TensorType, ...]]:
    return tuple(v.type for v in node.operands), tuple(v.type for v in node.outputs)


@dataclass(frozen=True, slots=True)
class CupyBackend:
    """Runs on an NVIDIA GPU, or on the ``device`` that it is given: so are its kernels tested where there is no GPU."""

    device: Device | None = None
    name: str = "cupy"
    link: Link | None = None
    """To the GPUs of other ranks, where there are some."""

    def probe(self) -> str | None:
        """Return None if this machine can run the backend, else one line that says why not and what to do."""
        return None if self.device is not None else probe()

    def kernel(self, op: str) -> KernelState | None:
        """Elementwise ops have theirs from their expressions, others by hand."""
        from netspec_cupy.kernels import is_elementwise, is_written

        if op in REGISTRIES["op"].entries and is_elementwise(op):
            return "generated"
        return "written" if is_written(op) else None

    def target(self, threads: int) -> CupyTarget:
        """What planning must know; threads are the processor's and mean nothing here. No GPU is opened for it."""
        if self.device is not None:
            return CupyTarget(self.device.capability)
        if probe() is not None:
            return CupyTarget()
        from netspec_cupy.gpu_device import gpu_capability

        return CupyTarget(gpu_capability())

    def state(self, plan: Plan) -> CupyState:
        """Memory for the plan's state, zeroed; a RunError where there is not so much."""
        from netspec_cupy.state import CupyState

        device = self._device()
        free = device.free_bytes()
        if free is not None and plan.state_bytes > free:
            raise out_of_memory(plan.state_bytes, free, None)
        state = CupyState(device)
        for slot in plan.graph.slots:
            state.hold(slot)
        return state

    def load(self, plan: Plan, state: CupyState, threads: int) -> CupyExecutable:
        """Kernels bound to the plan's buffers and to ``state``; NS902 where the arena does not fit the device."""
        from netspec_cupy.executable import CupyExecutable
        from netspec_cupy.kernels import find

        device = self._device()
        kernels = (find(step.node.attrs, step.algorithm) for step in plan.steps)
        rounded = next((each.precision for each in kernels if each.precision != "float32"), None)
        if rounded is not None and device.capability < OLDEST_WITH_TENSOR_CORES:
            has = f"{device.capability // 10}.{device.capability % 10}"
            raise RunError.of("NS942", device=device.name, capability=has, precision=rounded)
        check_memory(plan, device)
        return CupyExecutable(plan, state, device, link=self.link)

    def joined(self, ranks: Ranks) -> CupyBackend:
        """The same on a GPU of its own for each rank, with NCCL between them; NS990 to NS992 where that cannot be."""
        if self.link is not None:
            return self
        from netspec_cupy.nccl import connect

        device, link = connect(ranks, cast("GpuDevice | None", self.device))
        return replace(self, device=device, link=link)

    def _device(self) -> Device:
        if self.device is not None:
            return self.device
        from netspec_cupy.gpu_device import gpu_device

        return gpu_device()
