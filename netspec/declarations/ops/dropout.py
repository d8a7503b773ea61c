"""Dropout, inverted: what is kept is scaled up by 1/(1 - rate) in training, so that inference is the identity.

Sources: Srivastava et al. 2014 (single numbers); Tompson et al. 2015 (whole channels); Huang et al. 2016 (whole samples
at the end of a residual branch: stochastic depth).
"""

from __future__ import annotations

from dataclasses import replace

from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.types import TensorType


@op(
    "dropout",
    main="rate",
    doc="While training, sets a random share of the numbers to zero and scales up the rest.",
    example="- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- dropout: 0.1",
)
class Dropout:
    rate: float = attr(doc="share that is dropped", minimum=0, exclusiveMaximum=1)
    drop: str = attr(
        default="element",
        doc="what is dropped as one: each number, whole channels, or all of a sample (stochastic depth)",
        enum=("element", "channel", "sample"),
    )

    per_channel = True

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype="float32")

    def training(self, g: Builder, node: Node) -> Value:
        import hashlib  # takes longer to import than a spec to lint

        key = int.from_bytes(hashlib.blake2b(node.path.encode(), digest_size=8).digest(), "little") >> 1
        mask = DropoutMask(rate=self.rate, drop=self.drop, key=key)
        return g.add(mask, node.data[0], g.scalar("seed", "int32"), g.scalar("step", "int32"))

    def inference(self, g: Builder, node: Node) -> Value:
        return node.data[0]


@op("dropout.mask", public=False, doc="Zeroes what a counter-based generator picks from seed, step, path and index.")
class DropoutMask:
    rate: float = attr(doc="share that is dropped")
    drop: str = attr(doc="what is dropped as one")
    key: int = attr(doc="63 bits from the layer's path, so that no two layers drop alike")

    keeps_layout = True

    def infer(self, x: TensorType, seed: TensorType, step: TensorType) -> TensorType:
        return replace(x, dtype="float32")

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(self, dy, *node.inputs[1:]), None, None)
