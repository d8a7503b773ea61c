"""A local response normalisation whose alpha frameworks read differently.

In the paper of AlexNet alpha is times the sum over the window; Caffe and PyTorch take it times the mean, so that the
same number does `size` times less there. `dialect:` says which one a spec follows.

Fails:

    netspec: 1
    input: [8, 8, 16]
    layers:
      - lrn: {alpha: 1.0e-4}

Passes:

    netspec: 1
    dialect: caffe
    input: [8, 8, 16]
    layers:
      - lrn: {alpha: 5.0e-4}
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule


@rule("NS604")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """One finding, at the first alpha that is written where the sum counts."""
    for node in layers(facts, "lrn"):
        written = node.where is not None and "alpha" in node.where.attributes
        if written and node.attrs.scaling == "sum":
            taps = facts.window(node).taps
            fields = {"layer": node.path, "alpha": f"{node.attrs.alpha:g}", "mean": f"{node.attrs.alpha * taps:g}"}
            yield Diagnostic("NS604", facts.place(node, "alpha"), fields)
            return
