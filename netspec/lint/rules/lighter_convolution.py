"""A convolution that takes much of the network's multiply-accumulates, and would take few in another form.

A depthwise-separable convolution filters each channel by itself and mixes the channels after that, with 1/c_out + 1/k²
of the multiply-accumulates (Howard and others 2017). The rule names a layer only where that would save a quarter of
those of the whole network. It lets networks below a hundred million be, and layers that read fewer than 16 channels.
`netspec explain SPEC LAYER` shows what this and other lighter forms would take: a column and a row, several 3x3, a
bottleneck of 1x1.

Fails:

    netspec: 1
    input: [8, 8, 512]
    layers:
      - conv: {filters: 512, kernel: 3, padding: same}
      - relu
      - global_avg_pool
      - dense: 10

Passes:

    netspec: 1
    input: [8, 8, 512]
    layers:
      - separable_conv: {filters: 512, kernel: 3, padding: same}
      - relu
      - global_avg_pool
      - dense: 10
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core import formulas
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule

_FEWEST = 100_000_000
_SHARE = 0.25
_FEW = 16
"""Channels below which filtering each by itself loses much: MobileNets have a full convolution at their first layer."""


@rule("NS406")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at each such layer."""
    if not facts.spec.complete or facts.cost.macs < _FEWEST:
        return
    for node in layers(facts, "conv"):
        x, y, window = node.data[0].type, node.output.type, facts.window(node)
        if node.attrs.groups != 1 or window.taps == 1 or x.channels < _FEW:
            continue
        now = formulas.convolution_macs(y.positions, window.size, x.channels, 1, y.channels)
        then = formulas.separable_macs(y.positions, window.size, x.channels, 1, y.channels)
        if now - then >= _SHARE * facts.cost.macs:
            fields = {
                "layer": node.path,
                "share": f"{now / facts.cost.macs:.0%}",
                "now": f"{now:,}",
                "then": f"{then:,}",
            }
            yield Diagnostic("NS406", facts.place(node), fields)
