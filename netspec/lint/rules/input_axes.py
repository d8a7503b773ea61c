"""An input that looks channels-first.

Shapes are channels-last everywhere: height, width, channels. `[3, 224, 224]` would be an image 3 pixels high with 224
channels, which is hardly ever meant; `[224, 224, 3]` is.

Fails:

    netspec: 1
    input: [3, 32, 32]
    layers:
      - conv: {filters: 4, kernel: 3}
      - relu

Passes:

    netspec: 1
    input: [32, 32, 3]
    layers:
      - conv: {filters: 4, kernel: 3}
      - relu
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule

_CHANNELS = (1, 3, 4)
_SMALLEST_SIDE = 8


def _channels_last(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape with its channels last, if it looks as if they stood first, as in PyTorch; else None."""
    suspect = len(shape) >= 3 and shape[0] in _CHANNELS and min(shape[1:]) >= _SMALLEST_SIDE
    return (*shape[1:], shape[0]) if suspect else None


@rule("NS207")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the input's shape."""
    for value in facts.graph.inputs:
        shape, span = value.type.shape, facts.spec.inputs[value.name].span
        turned = _channels_last(shape)
        if turned is not None:
            yield Diagnostic("NS207", span, {"shape": str(list(shape)), "suggestion": str(list(turned))})
