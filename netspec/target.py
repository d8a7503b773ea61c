"""What planning asks of the machine that a plan is for: the protocols that a backend's targets follow.

Every target is a :class:`Target`; the others are what some can do besides, and are asked for it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

from netspec.core.graph import Node, Storage
from netspec.core.types import TensorType

Math = Literal["fast", "exact"]
"""Any algorithm whose error is documented, or plain sums only."""
Precision = Literal["float32", "tf32", "bfloat16"]
"""How far the factors of convolutions and dense layers may be rounded; sums are float32.

In bfloat16 a target may store tensors of the batch rounded so, too (:class:`NarrowTarget`)."""

DIRECT = "direct"
"""The algorithm that follows the definition: what every kernel is that is not said to be another."""


def errors_of(algorithm: str) -> str:
    """The algorithm whose errors it has: what stands before a slash, behind which a kernel says how it is cut."""
    return algorithm.partition("/")[0]


class Target(Protocol):
    """What planning must know of the machine: layouts and workspaces. A backend provides one."""

    name: str

    def preferred_block(self, type: TensorType) -> int | None:
        """The block that a computed value of this type is stored with."""

    def accepts(self, op: str, position: int, type: TensorType) -> bool:
        """Whether the op's kernel reads this layout as its input number ``position``."""

    def takes_epilogue(self, op: str) -> bool:
        """Whether the op's kernel can add a residual to its output and clip it; see ``Epilogue``."""

    def scratch(self, node: Node, batch: int) -> Mapping[str, int]:
        """Workspaces the node's kernel wants: bytes by name."""


@runtime_checkable
class ChoosingTarget(Target, Protocol):
    """A target that has several algorithms for some ops, or that keeps what it computes from parameters alone."""

    def gathers_moments(self, op: str) -> bool:
        """Whether the op's kernel can gather the moments of its output; see ``Epilogue`` and ``fuse_moments``."""

    precisions: tuple[Precision, ...]
    """Those that it computes in."""

    def algorithms(self, node: Node, batch: int, math: Math, kept: bool, precision: Precision) -> tuple[str, ...]:
        """Those that compute the node, the one that is expected to be the fastest first.

        ``kept`` tells that what is computed from parameters alone stays from one run to the next. Only with a
        ``precision`` other than float32 does one round its factors; it is called as the precision is.
        """

    def scratch(self, node: Node, batch: int, algorithm: str = DIRECT) -> Mapping[str, int]:
        """Workspaces the algorithm wants: bytes by name."""

    def prepared(self, node: Node, batch: int, algorithm: str = DIRECT, kept: bool = True) -> Mapping[str, int]:
        """Workspaces that hold what the algorithm computes from parameters alone: bytes by name.

        Where it is not ``kept`` from one run to the next, less of it may have to be there at a time.
        """


@runtime_checkable
class FrugalTarget(Target, Protocol):
    """A target that is short of memory, and of ways to it."""

    roomy: int
    """Bytes of a plan above which a little is made again rather than kept, also where no budget is given."""

    def takes_slices(self, op: str) -> bool:
        """Whether all that the op reads and writes may be slices of the channels of larger tensors."""

    def gathers_sums(self, op: str) -> bool:
        """Whether the op's kernel, where it is a gate, can sum what it stores; see ``Epilogue``."""


@runtime_checkable
class PoolingTarget(Target, Protocol):
    """A target that stores the maxima of some convolutions alone."""

    def pools(self, convolution: Node, pooled: Node, batch: int, math: Math, kept: bool) -> bool:
        """Whether the convolution is to be the pooled one: computed by the same algorithm, with the same bits."""


@runtime_checkable
class NarrowTarget(ChoosingTarget, Protocol):
    """A target that stores tensors of the batch in fewer bits where it computes with fewer."""

    def storage(self, node: Node, batch: int, precision: Precision) -> Storage:
        """How the kernel that is chosen for the node reads and writes them."""


@runtime_checkable
class LoadingTarget(Target, Protocol):
    """A target with kernels that work on what they read."""

    def takes_prologue(self, node: Node, before: Node, batch: int) -> bool:
        """Whether the node's kernel does best to do the work of ``before``, which makes its first input, itself."""
