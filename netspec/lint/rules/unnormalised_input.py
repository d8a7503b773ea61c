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

from collections.abc import Iterator, Sequence
from typing import Any

from netspec.core.declare import declaration_of
from netspec.declarations.transforms import is_fitted
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule
from netspec.lint.facts import normalises

_LARGE = 160
"""A mean alone, taken off, leaves numbers up to 130, which published networks were trained with."""


@rule("NS516")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the preprocessing, or at the data where there is none."""
    spec, recipe = facts.spec, facts.spec.recipe
    brightest = getattr(recipe.data, "brightest", None) or (facts.data and facts.data.brightest)
    place = spec.recipe_spans.get("preprocess", spec.recipe_spans.get("data"))
    known = all(not transform.on_host and is_fitted(transform) for transform in recipe.preprocess)
    known = known and len(recipe.preprocess) == len(spec.recipe_items.get("preprocess", ()))  # none was refused
    if brightest is None or place is None or not known or len(facts.graph.inputs) != 1:
        return
    value = facts.graph.inputs[0]
    readers = facts.consumers.get(value, [])
    if value in spec.guessed or not value.type.spatial or (readers and all(map(normalises, readers))):
        return
    largest = max(map(abs, _ends(recipe.preprocess, brightest, value.type.channels)))
    if largest > _LARGE:
        yield Diagnostic("NS516", place, {"data": declaration_of(recipe.data).name, "largest": f"{largest:,.0f}"})


def _ends(transforms: Sequence[Any], brightest: float, channels: int) -> list[float]:
    """What the darkest and the brightest pixel become, in every channel."""
    ends = [end for end in (0.0, float(brightest)) for _ in range(channels)]
    for transform in transforms:
        scale, shift = transform.numbers(channels)
        ends = [x * scale[place % len(scale)] + shift[place % len(shift)] for place, x in enumerate(ends)]
    return ends
