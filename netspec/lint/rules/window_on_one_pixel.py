"""A window that slides over a single pixel.

Everything has been pooled away before it: all cells of the window but one lie in the padding. A pooling does nothing
there, and a convolution learns weights that only ever meet zeros.

Fails:

    netspec: 1
    input: [4, 4, 8]
    layers:
      - max_pool: 4
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu

Passes:

    netspec: 1
    input: [4, 4, 8]
    layers:
      - max_pool: 4
      - conv: {filters: 8, kernel: 1}
      - relu
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core import formulas
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule


@rule("NS312")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the layer; the response norms, which look at channels, are none."""
    for node in layers(facts):
        if not node.op.has("geometry") or node.op.name == "lrn" or not facts.sized(node):
            continue
        window = facts.window(node)
        if window.taps > 1 and set(window.input) == {1}:
            attribute = "size" if node.op.attribute("size") else "kernel"
            fields = {"layer": node.path, "attribute": attribute, "kernel": formulas.times(window.size)}
            yield Diagnostic("NS312", facts.place(node, attribute), fields)
