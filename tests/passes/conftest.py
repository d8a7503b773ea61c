"""A target that has every rule a target may have, and no machine behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from netspec.core.graph import Node
from netspec.core.types import TensorType


@dataclass(frozen=True, slots=True)
class BlockedTarget:
    """Images are blocked by eight, convolutions read few plain channels as they are and want a workspace."""

    name: str = "blocked"

    def preferred_block(self, type: TensorType) -> int | None:
        return 8 if type.batched and type.spatial else None

    def accepts(self, op: str, position: int, type: TensorType) -> bool:
        if op in ("flatten", "layout.convert", "affine") or type.dtype == "int32":
            return True
        return type.block == self.preferred_block(type) or (op == "conv" and type.channels <= 3)

    def takes_epilogue(self, op: str) -> bool:
        return False

    def scratch(self, node: Node, batch: int) -> Mapping[str, int]:
        return {"copy": 100 * batch, "sums": 40} if node.op.name.startswith("conv") else {}


@pytest.fixture
def target() -> BlockedTarget:
    return BlockedTarget()
