"""A large convolution that smaller ones could replace.

Two 3x3 convolutions see 5x5 cells, three of them 7x7, with fewer weights and an activation more in between (Simonyan
and Zisserman 2014). The rule speaks only where that saves weights: a window on a few input channels, such as that of
a first layer, is cheap as it is.

Fails:

    netspec: 1
    input: [16, 16, 8]
    layers:
      - conv: {filters: 8, kernel: 5, padding: same}
      - relu

Passes:

    netspec: 1
    input: [16, 16, 8]
    layers:
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core import formulas
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule

_SMALL = 3


@rule("NS310")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the kernel of a convolution without stride, dilation or groups."""
    for node in layers(facts, "conv"):
        x, y = node.data[0].type, node.output.type
        window = facts.window(node)
        side = window.size[0]
        plain = node.attrs.groups == 1 and {*window.stride, *window.dilation} == {1}
        if not plain or set(window.size) != {side} or side <= _SMALL or side % 2 == 0:
            continue
        count = (side - 1) // (_SMALL - 1)
        small = (_SMALL,) * len(window.size)
        now = formulas.convolution_weights(window.size, x.channels, 1, y.channels)
        first = formulas.convolution_weights(small, x.channels, 1, y.channels)
        more = formulas.convolution_weights(small, y.channels, 1, y.channels)
        then = first + (count - 1) * more
        if then < now:
            fields = {
                "layer": node.path,
                "kernel": formulas.times(window.size),
                "count": count,
                "small": formulas.times(small),
                "now": f"{now:,}",
                "then": f"{then:,}",
            }
            yield Diagnostic("NS310", facts.place(node, "kernel"), fields)
