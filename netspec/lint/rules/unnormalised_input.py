"""Images that enter the network as they are, from 0 to 255.

Weights start for inputs of about one. Bytes are a hundred times larger: the first steps overshoot, and units of relu
die. Divide by 255, or take off mean and divide by the standard deviation; a normalisation as the first layer does it
too.

Fails:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
    train:
      data: mnist

Passes:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
    train:
      data: mnist
      preprocess: [{divide: 255}]
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.builder import Builder
from netspec.core.declare import declaration_of
from netspec.core.graph import Graph
from netspec.declarations.ops.preparation import Affine
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule
from netspec.lint.facts import normalises

_BRIGHTEST = 255
_LARGE = 160
"""A mean alone, taken off, leaves numbers up to 130, which published networks were trained with."""


@rule("NS516")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the preprocessing, or at the data where there is none."""
    spec = facts.spec
    place = spec.recipe_spans.get("preprocess", spec.recipe_spans.get("data"))
    known = all(declaration_of(transform).name in ("divide", "normalize") for transform in spec.recipe.preprocess)
    if spec.recipe.data is None or place is None or not known or len(facts.graph.inputs) != 1:
        return
    value = facts.graph.inputs[0]
    readers = facts.consumers.get(value, [])
    if len(value.type.shape) < 2 or value in spec.guessed or (readers and all(map(normalises, readers))):
        return
    builder = Builder("preprocessing")
    flow = builder.input("input", value.type)
    for transform in spec.recipe.preprocess:
        flow = transform.apply(builder, flow)
    largest = _largest(builder.graph({"main": flow}, {}))
    if largest > _LARGE:
        yield Diagnostic("NS516", place, {"data": declaration_of(spec.recipe.data).name, "largest": f"{largest:,.0f}"})


def _largest(preparation: Graph) -> float:
    """The largest number, without its sign, that a byte can become in any channel."""
    ends: list[tuple[float, ...]] = [(0.0,), (float(_BRIGHTEST),)]
    for node in preparation:
        assert isinstance(node.attrs, Affine)
        scale, shift = node.attrs.scale, node.attrs.shift
        count = max(len(scale), len(shift))
        places = [(scale[i % len(scale)], shift[i % len(shift)], i) for i in range(count)]
        ends = [tuple(numbers[i % len(numbers)] * a + b for a, b, i in places) for numbers in ends]
    return max(abs(number) for numbers in ends for number in numbers)
