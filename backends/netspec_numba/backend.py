"""The Numba backend: what planning must know of it, its state, and plans loaded with its kernels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from netspec.core.declare import REGISTRIES
from netspec.core.graph import Node
from netspec.core.types import TensorType
from netspec.diagnostics.errors import RunError
from netspec.plan import Plan
from netspec.target import DIRECT, Math, Precision

if TYPE_CHECKING:
    from netspec.backend import KernelState, Roof
    from netspec_numba.contract import ScratchSizes
    from netspec_numba.executable import NumbaExecutable
    from netspec_numba.state import NumbaState

ITEM = 4
"""Workspaces are float32."""


class NumbaTarget:
    """Planning facts: activations with spatial axes are blocked by the vector's lanes, everything else is plain."""

    name = "numba"
    roomy = 2**29
    precisions: tuple[Precision, ...] = ("float32",)
    _ANY_LAYOUT = frozenset({"flatten", "layout.convert", "affine", "dropout.mask", "quantize"})
    _NARROW_PLAIN = frozenset({"conv", "conv.dw", "conv.pooled"})
    _NARROW = 4
    """A plain input of at most so many channels goes straight into a convolution."""

    def __init__(self, threads: int) -> None:
        import numba

        from netspec_numba.host import LANES, configure

        configure()
        most = numba.config.NUMBA_NUM_THREADS
        if threads > most:
            limited = ", as NUMBA_NUM_THREADS says" if "NUMBA_NUM_THREADS" in os.environ else ""
            raise RunError(f"{threads} threads were asked for, but this process has at most {most}{limited}")
        self._lanes = LANES
        self._threads = threads

    def preferred_block(self, type: TensorType) -> int | None:
        """Blocks of one vector for images, none for rows of features, nor for bytes that stand for numbers."""
        return self._lanes if type.batched and type.spatial and type.quantized is None else None

    def accepts(self, op: str, position: int, type: TensorType) -> bool:
        """Whether the op's kernel reads this layout as its input number ``position``."""
        from netspec_numba.kernels import is_elementwise

        if op in self._ANY_LAYOUT or type.dtype == "int32" or is_elementwise(op):
            return True
        if op in self._NARROW_PLAIN and position == 0 and type.block is None and type.channels <= self._NARROW:
            return True
        return type.block == self.preferred_block(type)

    def takes_epilogue(self, op: str) -> bool:
        """Whether the op's kernel can add a residual to its output and clip it."""
        from netspec_numba.contract import KERNELS
        from netspec_numba.kernels import is_written

        return is_written(op) and KERNELS[op].epilogue

    def takes_prologue(self, node: Node, before: Node, batch: int) -> bool:
        """Whether the node's kernel can do the work of ``before`` while it reads, and gains by it."""
        from netspec_numba.contract import KERNELS
        from netspec_numba.kernels import is_written
        from netspec_numba.kernels.on_load import loads

        if before.op.name != "batch_norm" or not is_written(node.op.name) or not KERNELS[node.op.name].prologue:
            return False
        x, attrs = before.inputs[0].type, node.attrs
        return loads(x, node.output.type, attrs.geometry(x), attrs.groups, batch)

    def gathers_moments(self, op: str) -> bool:
        """Whether the op's kernel can gather the moments of its output."""
        from netspec_numba.contract import KERNELS
        from netspec_numba.kernels import is_written

        return is_written(op) and KERNELS[op].moments

    def takes_slices(self, op: str) -> bool:
        """Whether the op's kernel reads and writes slices of the channels of larger tensors."""
        from netspec_numba.contract import KERNELS
        from netspec_numba.kernels import is_elementwise, is_written

        return is_elementwise(op) or (is_written(op) and KERNELS[op].slices)

    def gathers_sums(self, op: str) -> bool:
        """Whether the op's kernel can sum what it lets pass: all gates are one kernel."""
        from netspec_numba.kernels import is_elementwise

        return is_elementwise(op)

    def pools(self, convolution: Node, pooled: Node, batch: int, math: Math, kept: bool) -> bool:
        """Whether the algorithm that is expected to be the fastest for a convolution is so for the pooled one too.

        Not where maps are so large that their tables are made for planes: the pooled convolution has none such.
        """
        from netspec_numba.kernels.index_tables import is_large

        geometry = convolution.attrs.geometry(convolution.inputs[0].type)
        if is_large(geometry, geometry.output):
            return False
        first = (self.algorithms(node, batch, math, kept, "float32")[:1] for node in (convolution, pooled))
        return len(set(first)) == 1

    def algorithms(self, node: Node, batch: int, math: Math, kept: bool, precision: Precision) -> tuple[str, ...]:
        """The algorithms that there are kernels of for this node, by the time they are expected to take."""
        from netspec_numba.kernels import algorithms

        return algorithms(node.attrs, *_types(node), batch, math, kept, node.prologue is not None)

    def scratch(self, node: Node, batch: int, algorithm: str = DIRECT) -> Mapping[str, int]:
        """Bytes by name of the workspaces that the node's kernel wants."""
        from netspec_numba.kernels import find

        return self._bytes(find(node.attrs, algorithm).scratch, node, batch)

    def prepared(self, node: Node, batch: int, algorithm: str = DIRECT, kept: bool = True) -> Mapping[str, int]:
        """Bytes by name of the workspaces that hold packed or transformed weights."""
        from netspec_numba.kernels import find

        kernel = find(node.attrs, algorithm)
        sizes = kernel.prepared if kept or kernel.passing is None else kernel.passing
        return self._bytes(sizes, node, batch)

    def _bytes(self, sizes: ScratchSizes, node: Node, batch: int) -> Mapping[str, int]:
        found = sizes(node.attrs, *_types(node), batch, self._threads)
        return {name: elements * ITEM for name, elements in found.items()}


def _types(node: Node) -> tuple[tuple[TensorType, ...], tuple[TensorType, ...]]:
    read = (*node.operands, *node.loaded)
    return tuple(v.type for v in read), tuple(v.type for v in node.outputs)


class NumbaBackend:
    """Kernels compiled by Numba for the processor at hand."""

    name = "numba"

    def probe(self) -> str | None:
        """``None`` where Numba can be imported and the settings in the environment make sense, else why not."""
        try:
            import numba  # noqa: F401  # the import is the probe
        except Exception as error:  # a broken installation raises whatever it likes
            return f"numba cannot be imported: {error}"
        try:
            import netspec_numba.host  # noqa: F401  # reads NETSPEC_LANES
        except ValueError as error:
            return str(error)
        return None

    def kernel(self, op: str) -> KernelState | None:
        """Elementwise ops have theirs from their expressions, all others by hand."""
        from netspec_numba.kernels import is_elementwise, is_written

        if op in REGISTRIES["op"].entries and is_elementwise(op):
            return "generated"
        return "written" if is_written(op) else None

    def target(self, threads: int) -> NumbaTarget:
        """What planning must know; a RunError for more threads than Numba was started with."""
        return NumbaTarget(threads)

    def roof(self, threads: int) -> Roof:
        """What so many threads do at best."""
        from netspec_numba.roof import measure_roof

        return measure_roof(threads)

    def state(self, plan: Plan) -> NumbaState:
        """Memory for the plan's state, zeroed; a RunError where there is not so much."""
        from netspec_numba.host import check_memory
        from netspec_numba.state import NumbaState

        check_memory(plan.state_bytes)
        state = NumbaState()
        for slot in plan.graph.slots:
            state.hold(slot)
        return state

    def load(self, plan: Plan, state: NumbaState, threads: int) -> NumbaExecutable:
        """Kernels bound to the plan's buffers and to ``state``."""
        from netspec_numba.executable import NumbaExecutable

        return NumbaExecutable(plan, state, threads)
