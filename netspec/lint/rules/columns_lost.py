"""A window that leaves the last rows or columns of its input unread.

"Only the whole part is kept": where the stride does not divide, the cells behind the last window never reach the
output, and the network does not see that edge of the image.

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
from netspec.declarations.ops.merge import AXES
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS306")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the stride, or at the layer where it has none."""
    for node in facts.graph.nodes:
        if not node.op.has("geometry") or node.where is None or getattr(node.attrs, "round", "floor") == "ceil":
            continue
        x = node.data[0].type
        window = node.attrs.geometry(x)
        after = node.attrs.padding_after(x)
        lost = [
            formulas.columns_left_over(n, k, s, before + behind, d) - behind
            for n, k, s, before, behind, d in zip(
                x.spatial, window.size, window.stride, window.before, after, window.dilation, strict=True
            )
        ]
        for axis, cells in enumerate(lost):
            if cells > 0:
                name = (*AXES[len(x.spatial)],)[axis]
                fields = {"layer": node.path, "lost": cells, "total": x.spatial[axis], "axis": name}
                yield Diagnostic("NS306", facts.place(node, "stride"), fields)
                break
