"""A window that leaves the last rows or columns of its input unread.

"Only the whole part is kept": where the stride does not divide, the cells behind the last window never reach the
output, and the network does not see that edge of the image. A 1x1 window with a stride leaves cells out on purpose (it
is the shortcut of a residual block) and is no finding.

Fails:

    netspec: 1
    input: [9, 9, 3]
    layers:
      - max_pool: 2

Passes:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - max_pool: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core import formulas
from netspec.core.graph import Node
from netspec.declarations.ops.axes import AXES
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule


@rule("NS306")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the stride, or at the layer where it has none."""
    for node in layers(facts):
        if not node.op.has("geometry") or getattr(node.attrs, "round", "floor") == "ceil" or not facts.sized(node):
            continue
        sides = node.data[0].type.spatial
        if not sides:
            continue
        lost: dict[tuple[int, int], list[str]] = {}
        for cells, side, axis in zip(_cells_lost(facts, node), sides, AXES[len(sides)], strict=True):
            if cells > 0:
                lost.setdefault((cells, side), []).append(axis)
        if lost:
            parts = (f"the last {cells} of {side} along the {' and '.join(a)}" for (cells, side), a in lost.items())
            fields = {"layer": node.path, "lost": " and ".join(parts)}
            yield Diagnostic("NS306", facts.place(node, "stride"), fields)


def _cells_lost(facts: Facts, node: Node) -> list[int]:
    """Cells of the input behind the last window, per axis; what lies in the padding does not count."""
    x = node.data[0].type
    window, after = facts.window(node), node.attrs.padding_after(x)
    if window.taps == 1:
        return [0] * len(x.spatial)
    axes = zip(x.spatial, window.size, window.stride, window.before, after, window.dilation, strict=True)
    return [  # where the stride skips more than it reads, that is the finding
        formulas.columns_left_over(n, k, s, before + behind, d) - behind if s <= d * (k - 1) + 1 else 0
        for n, k, s, before, behind, d in axes
    ]
