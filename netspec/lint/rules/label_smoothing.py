"""A label smoothing that hides the label.

It is the share of the target that is spread over all classes: 0.1 is usual. From a half on, the right class is hardly
told from the others.

Fails:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
    train:
      loss: {cross_entropy: {label_smoothing: 0.9}}

Passes:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
    train:
      loss: {cross_entropy: {label_smoothing: 0.1}}
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule

_MOST = 0.5


@rule("NS519")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the loss."""
    smoothing = getattr(facts.spec.recipe.loss, "label_smoothing", 0.0)
    place = facts.spec.recipe_spans.get("loss")
    if place is not None and smoothing >= _MOST:
        yield Diagnostic("NS519", place, {"smoothing": f"{smoothing:g}", "left": f"{1 - smoothing:.2g}"})
