"""A softmax on top of a softmax.

The second one squeezes probabilities once more towards equal shares, and its gradient nearly vanishes. One softmax
before `cross_entropy` is fine: the loss sees it and takes the pair in one numerically safe step.

Fails:

    netspec: 1
    input: [4]
    layers:
      - dense: 3
      - softmax
      - softmax

Passes:

    netspec: 1
    input: [4]
    layers:
      - dense: 3
      - softmax
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic, Note
from netspec.lint.engine import Facts, layers, rule


@rule("NS304")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the second softmax."""
    for node in layers(facts, "softmax"):
        following = facts.following(node)
        if following is not None and following.op.name == "softmax":
            note = Note(facts.place(node), "the first softmax")
            yield Diagnostic(
                "NS304", facts.place(following), {"first": node.path, "second": following.path}, notes=(note,)
            )
