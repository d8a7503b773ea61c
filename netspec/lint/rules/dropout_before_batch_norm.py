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

from netspec.diagnostics import Diagnostic, Note
from netspec.lint.engine import Facts, layers, rule


@rule("NS305")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at a dropout that only activations part from a batch norm; one that drops whole samples is none."""
    for node in layers(facts, "dropout"):
        following = facts.following(node)
        while following is not None and (following.op.has("activation") or following.op.name == "flatten"):
            following = facts.following(following)
        if following is not None and following.op.name == "batch_norm" and node.attrs.drop != "sample":
            note = Note(facts.place(following), "learns the variance that dropout makes")
            fields = {"dropout": node.path, "norm": following.path}
            yield Diagnostic("NS305", facts.place(node), fields, notes=(note,))
