"""A stride under `padding: same` that pads one side more than the other.

TensorFlow and Keras pad only what is needed, and the odd cell goes behind the image; PyTorch and Caffe pad both sides
alike. Weights that were trained under one convention see the picture shifted by a cell under the other. `dialect:` says
which one a spec follows, and an explicit padding makes it plain.

Fails:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3, stride: 2, padding: same}
      - relu

Passes:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3, stride: 2, padding: 1}
      - relu
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.graph import Node
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule


@rule("NS602")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """One finding, at the first such layer."""
    found = [node for node in layers(facts) if getattr(node.attrs, "padding", None) == "same" and _is_odd(facts, node)]
    if found:
        others = len({facts.place(node) for node in found}) - 1
        fields = {"layer": found[0].path, "others": others or None}
        yield Diagnostic("NS602", facts.place(found[0], "padding"), fields)


def _is_odd(facts: Facts, node: Node) -> bool:
    """Whether a strided window with weights gets another padding before than after the image."""
    if not node.op.has("macs") or not node.op.has("padding_after") or not facts.sized(node):
        return False
    x = node.data[0].type
    window, after = facts.window(node), node.attrs.padding_after(x)
    axes = zip(window.before, after, window.stride, strict=True)
    return any(before != behind and stride > 1 for before, behind, stride in axes)
