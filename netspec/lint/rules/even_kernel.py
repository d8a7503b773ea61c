"""A window with an even side under `padding: same`.

An even window has no middle cell, so `same` pads one cell more on one side than on the other, and every such layer
shifts the picture by half a cell. An odd window keeps things where they are.

Fails:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 4, padding: same}
      - relu

Passes:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3, padding: same}
      - relu
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core import formulas
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule


@rule("NS309")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the kernel of a layer with weights and stride 1."""
    for node in layers(facts):
        if not node.op.has("geometry") or not node.op.has("macs") or getattr(node.attrs, "padding", None) != "same":
            continue
        window = facts.window(node)
        spans = [formulas.window_span(k, d) for k, d in zip(window.size, window.dilation, strict=True)]
        if any(span % 2 == 0 and stride == 1 for span, stride in zip(spans, window.stride, strict=True)):
            fields = {"layer": node.path, "kernel": formulas.times(window.size)}
            yield Diagnostic("NS309", facts.place(node, "kernel"), fields)
