"""The images of the data are not what the input says.

Training could not start: the first layer is made for another size, or another number of channels. Of sets that are
known the sizes are known; of idx files the header is read, and nothing else.

Fails:

    netspec: 1
    input: [32, 32, 1]
    layers:
      - flatten
      - dense: 10
    train:
      data: mnist
      preprocess: [{divide: 255}]

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

from netspec.core.declare import declaration_of
from netspec.core.formulas import times
from netspec.diagnostics import Diagnostic, Note
from netspec.lint.engine import Facts, rule


@rule("NS502")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the input's shape."""
    spec = facts.spec
    if facts.data is None or facts.data.image is None or len(facts.graph.inputs) != 1:
        return
    value = facts.graph.inputs[0]
    image, shape = facts.data.image, value.type.shape
    if value in spec.guessed or shape == image:
        return
    name = declaration_of(spec.recipe.data).name
    differs = _difference(image, shape)
    fields = {"data": name, "found": times(image), "expected": times(shape), "differs": differs}
    fields["suggestion"] = str(list(image))
    note = Note(spec.recipe_spans["data"], f"its images are {times(image)}")
    yield Diagnostic("NS502", spec.inputs[value.name].span, fields, (note,))


def _difference(image: tuple[int, ...], shape: tuple[int, ...]) -> str | None:
    """What of them differs, where it is one thing alone."""
    if image[:-1] == shape[:-1]:
        return f"{image[-1]} channel{'s' * (image[-1] > 1)}, not {shape[-1]}"
    return f"{times(image[:-1])} pixels, not {times(shape[:-1])}" if image[-1:] == shape[-1:] else None
