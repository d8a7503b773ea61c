"""A layer whose output nothing takes.

It is computed and thrown away: what follows it names another layer in its `from`. Mostly a `from` is missing or one too
many, or the layer was meant to be a branch of a merge, or a head.

Fails:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3}
        name: stem
      - relu
      - max_pool: 2
        from: stem

Passes:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3}
        name: stem
      - relu
      - max_pool: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS239")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the layer; one in a block only where no use of the block takes its output."""
    if not facts.spec.complete:
        return
    needed = {*facts.consumers, *facts.graph.heads.values()}
    taken = {node.where.layer for node in facts.graph if node.where and not needed.isdisjoint(node.outputs)}
    heads = list(facts.graph.heads)
    own = tuple(f"{head}/" for head in heads)
    last = next((node for node in reversed(facts.graph.nodes) if not node.path.startswith(own)), None)
    for node in facts.graph:
        if node.where is not None and node.where.layer not in taken:
            yield Diagnostic("NS239", facts.place(node), {"layer": node.path, "heads": heads if node is last else None})
