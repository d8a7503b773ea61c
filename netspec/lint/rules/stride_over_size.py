"""A stride larger than the window, so that cells between two windows are never read.

A step wider than the window skips whole rows and columns of the input. A 1x1 convolution with stride 2 does so on
purpose (it is the projection of a residual block) and is no finding.

Fails:

    netspec: 1
    input: [11, 11, 3]
    layers:
      - max_pool: {size: 2, stride: 3}

Passes:

    netspec: 1
    input: [11, 11, 3]
    layers:
      - max_pool: {size: 3, stride: 2}
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core import formulas
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule


@rule("NS307")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the stride."""
    for node in layers(facts):
        if not node.op.has("geometry"):
            continue
        window = facts.window(node)
        spans = [formulas.window_span(k, d) for k, d in zip(window.size, window.dilation, strict=True)]
        if window.taps > 1 and any(s > span for s, span in zip(window.stride, spans, strict=True)):
            fields = {
                "layer": node.path,
                "stride": formulas.times(window.stride),
                "kernel": formulas.times(window.size),
                "attribute": "size" if node.op.attribute("size") else "kernel",
            }
            yield Diagnostic("NS307", facts.place(node, "stride"), fields)
