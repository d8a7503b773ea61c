"""A dropout before a batch norm.

While training, dropout makes the numbers behind it vary more than they do in use, where nothing is dropped. A batch
norm behind it learns the variance of training and meets the other one in use (Li, Chen, Hu and Yang, 2018). Behind
the last normalisation dropout does no such harm.

Fails:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3, bias: false}
      - dropout: 0.2
      - batch_norm
      - relu

Passes:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3, bias: false}
      - batch_norm
      - relu
      - dropout: 0.2
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.graph import Node
from netspec.diagnostics import Diagnostic, Note
from netspec.diagnostics.severity import Severity
from netspec.lint.engine import Facts, layers, rule

_LINEAR = ("conv", "depthwise_conv", "separable_conv", "dense")
_TRANSPARENT = ("flatten", "max_pool", "avg_pool")


@rule("NS305")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at a dropout before a batch norm, with at most activations, poolings and one linear layer between.

    One that drops whole samples is none: it is there once per branch, behind the norms.
    """
    for node in layers(facts, "dropout"):
        following, weighted = facts.following(node), False
        while following is not None and _passes(following, weighted):
            weighted = weighted or bool(following.parameters)
            following = facts.following(following)
        if following is not None and following.op.name == "batch_norm" and node.attrs.drop != "sample":
            note = Note(facts.place(following), "learns the variance that dropout makes")
            fields = {"dropout": node.path, "norm": following.path}
            severity: Severity | None = "info" if weighted else None  # published networks have it so
            yield Diagnostic("NS305", facts.place(node), fields, (note,), severity_override=severity)


def _passes(node: Node, weighted: bool) -> bool:
    """Whether what dropout did to the variance goes through the layer; ``weighted``: it went through a linear one."""
    if node.op.name in _LINEAR:
        return not weighted
    return node.op.has("activation") or node.op.name in _TRANSPARENT
