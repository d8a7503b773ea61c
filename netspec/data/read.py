"""From what ``train.data`` names to a data set that fits the network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.core.formulas import times
from netspec.data.dataset import Dataset, ReadContext, Reader
from netspec.diagnostics.errors import RunError, SpecError
from netspec.diagnostics.model import Diagnostic, Span

if TYPE_CHECKING:
    from netspec.syntax.spec import Spec


def data_folder(given: str | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of the data sets: what is given, else NETSPEC_DATA, else none."""
    folder = given or environment.get("NETSPEC_DATA")
    return Path(folder).expanduser() if folder else None


def read_dataset(spec: Spec, data_dir: Path | None, spec_folder: Path) -> Dataset:
    """The data of a spec, with ``train.validation`` of the training part kept aside by ``train.seed``.

    A SpecError says where data and network do not go together; a RunError that there is no data, or what is wrong
    with the files.
    """
    recipe = spec.recipe
    if recipe.data is None:
        raise RunError(
            f"spec '{spec.name}' names no data: add 'data: digits' under 'train:', or --set train.data=digits"
        )
    reader: Reader = import_module(recipe.data.reader).load
    shape = spec.graph.inputs[0].type.shape
    dataset = reader(recipe.data, ReadContext(data_dir, spec_folder, shape, recipe.validation, recipe.seed))
    found = mismatches(spec, dataset)
    if found:
        raise SpecError(found, {spec.file: spec.text})
    return dataset


def mismatches(spec: Spec, dataset: Dataset) -> list[Diagnostic]:
    """NS502 where the images are not what the input says, NS501 where a head does not give one number per class.

    A head of one number is no mistake where the loss takes the number of the class as a number.
    """
    span = spec.recipe_spans.get("data", Span.of_file(spec.file))
    found = []
    expected = spec.graph.inputs[0].type.shape
    if dataset.image_shape != expected:
        fields: dict[str, object] = {
            "found": times(dataset.image_shape),
            "expected": times(expected),
            "suggestion": str(list(dataset.image_shape)),
        }
        found.append(Diagnostic("NS502", span, {"data": dataset.name, **fields}))
    producers = spec.graph.producer()
    for name, head in spec.graph.heads.items():
        a_number = head.type.shape == spec.recipe.loss.target(head.type).shape == (1,)
        if head.type.shape != (len(dataset.class_names),) and not a_number:
            layer = producers[head].path if head in producers else name
            fields = {"classes": len(dataset.class_names), "layer": layer, "outputs": times(head.type.shape)}
            found.append(Diagnostic("NS501", span, {"data": dataset.name, **fields}))
    return found
