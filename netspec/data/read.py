"""From what ``train.data`` names to a data set that fits the network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.data.augment import Augmenter
from netspec.data.dataset import Dataset, ReadContext, Reader
from netspec.data.feed import (
    find_feed,
    mismatches,
    numbered_as,
    refuse_strange_labels,
    target_types,
    with_class_numbers,
)
from netspec.data.split import with_validation
from netspec.data.stand_in import missing, stand_in
from netspec.diagnostics.errors import RunError, SpecError

if TYPE_CHECKING:
    from netspec.syntax.spec import Spec


def data_folder(given: str | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of the data sets: what is given, else NETSPEC_DATA, else none."""
    folder = given or environment.get("NETSPEC_DATA")
    return Path(folder).expanduser() if folder else None


def read_dataset(
    spec: Spec,
    data_dir: Path | None,
    spec_folder: Path,
    cache_dir: Path | None = None,
    fetches: bool = True,
    learnt: Mapping[str, tuple[str, ...]] | None = None,
) -> Dataset:
    """The data of a spec, each part with what the network is fed; see :func:`find_feed`.

    The validation part is the share of the training part that ``train.validation`` says, picked by ``train.seed``;
    without a share, the data's own. Unless it ``fetches``, a published set that is not here is replaced by
    its :func:`stand_in`. With the names of the classes that each head has ``learnt``, they are numbered so; see
    :func:`numbered_as`. A SpecError says where data and network do not go together; a RunError that there
    is no data, or what is wrong with the files.
    """
    recipe = spec.recipe
    if recipe.data is None:
        raise RunError(
            f"spec '{spec.name}' names no data: add 'data: digits' under 'train:', or --set train.data=digits"
        )
    reader: Reader = import_module(recipe.data.reader).load
    named = recipe.validation if isinstance(recipe.validation, str) else None
    shape = spec.graph.inputs[0].type.shape
    context = ReadContext(data_dir, spec_folder, shape, named, cache_dir, recipe.cache * 2**20)
    absent = not fetches and cache_dir is not None and missing(recipe.data, data_dir, cache_dir)
    dataset = stand_in(recipe.data) if absent else reader(recipe.data, context)
    if isinstance(recipe.validation, str):
        dataset = _own_validation(dataset, recipe.validation)
    elif recipe.validation:
        dataset = with_validation(dataset, recipe.validation, recipe.seed)
    feed, found = find_feed(spec, dataset)
    if not found:
        dataset = numbered_as(dataset, feed, learnt or {})
        dataset = with_class_numbers(spec, dataset, feed)
        found = mismatches(spec, dataset, feed)
    if found:
        raise SpecError(found, spec.texts)
    refuse_strange_labels(spec, dataset, feed)
    dataset = dataset.with_parts(lambda part: replace(part, feed=feed))
    if recipe.augment:  # what does not go with the data is found now, not when training begins
        Augmenter(dataset.train, recipe.augment, recipe.seed, target_types(spec.graph, recipe))
    return dataset


def _own_validation(dataset: Dataset, name: str) -> Dataset:
    """The data set if it has the part that a spec wants for validation, which is no part that is tested on."""
    if name == "test":
        raise RunError.of("NS908", data=dataset.name, part=name)
    if not len(dataset.validation):
        raise RunError.of("NS909", data=dataset.name, part=name)
    return dataset
