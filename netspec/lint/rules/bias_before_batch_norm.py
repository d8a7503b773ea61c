"""A convolution or dense layer with a bias right before a batch norm.

Batch normalisation subtracts the mean of each channel, and with it any bias that was added before. The bias costs
memory and an update per step, and learns nothing; the norm's own shift does its work.

Fails:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3}
      - batch_norm
      - relu

Passes:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3, bias: false}
      - batch_norm
      - relu
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic, Note
from netspec.lint.engine import Facts, layers, rule

_WITH_BIAS = ("conv", "conv_transpose", "dense", "depthwise_conv", "separable_conv")
"""Ops whose bias is one number per channel."""


@rule("NS303")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the layer with the bias."""
    for node in layers(facts, *_WITH_BIAS):
        following = facts.following(node)
        if node.attrs.bias and following is not None and following.op.name == "batch_norm":
            note = Note(facts.place(following), "subtracts the mean, and the bias with it")
            fields = {"layer": node.path, "norm": following.path, "saved": node.output.type.channels}
            yield Diagnostic("NS303", facts.place(node, "bias"), fields, notes=(note,))
