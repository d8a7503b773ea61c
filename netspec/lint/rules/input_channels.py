"""An input that seems to lack its channel axis.

The last number of a shape says how many channels there are. `[28, 28]` is a signal of 28 steps with 28 channels; a grey
image of 28x28 is `[28, 28, 1]`.

Fails:

    netspec: 1
    input: [28, 28]
    layers:
      - conv: {filters: 4, kernel: 3}
      - relu

Passes:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - conv: {filters: 4, kernel: 3}
      - relu
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule

_SMALLEST_SIDE = 8


@rule("NS208")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the input's shape, where it is a square."""
    for value in facts.graph.inputs:
        shape, span = value.type.shape, facts.spec.inputs[value.name].span
        if len(shape) == 2 and shape[0] == shape[1] >= _SMALLEST_SIDE:
            image = facts.data.image if facts.data is not None else None
            meant = image if image is not None and image[:-1] == shape else (*shape, 1)
            yield Diagnostic("NS208", span, {"shape": str(list(shape)), "suggestion": str(list(meant))})
