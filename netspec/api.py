"""netspec from Python: a spec, compiled to a model that learns and predicts with NumPy arrays.

.. code-block:: python

    model = netspec.load("zoo:lenet5").compile(batch=64)
    model.fit(images, labels, epochs=5)
    model.predict(images)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from netspec.analysis.notebook import spec_html
from netspec.backend import Backend, find_backend
from netspec.core.graph import Graph
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import NetspecError, SpecError
from netspec.syntax.load import load_spec
from netspec.syntax.resolved import resolved_text
from netspec.syntax.source import BUNDLE_SUFFIX, Source, read_source
from netspec.syntax.spec import Spec as ReadSpec
from netspec.syntax.suggestions import did_you_mean
from netspec.training.arrays import InputError, InputWarning, whole_number
from netspec.training.bundles import read_bundle
from netspec.training.history import History
from netspec.training.model import Model, Weights
from netspec.training.progress import Progress
from netspec.training.runtime import Runtime
from netspec.training.threads import available_threads
from netspec.training.transfer import take_weights
from netspec.training.tuned import conditions, read_tuned
from netspec.zoo import UnknownZooSpecError, zoo_path

__all__ = ["History", "InputError", "InputWarning", "Model", "Progress", "Spec", "Weights", "load"]

ZOO = "zoo:"


def load(source: str | os.PathLike[str] | Mapping[str, Any], overrides: str | Sequence[str] = ()) -> Spec:
    """The spec in a file, a bundle, a text, nested mappings, or the zoo (``zoo:NAME``).

    A string with a line break is the text itself. ``overrides`` are ``name=value``, as behind ``--set``; one
    may stand alone. A SpecError holds every mistake.
    """
    return Spec(load_spec(_source(source), _overrides(overrides)))


def _overrides(given: str | Sequence[str]) -> tuple[str, ...]:
    """What was given as a tuple; an InputError where there is anything but text."""
    found = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    strange = [each for each in found if not isinstance(each, str)]
    if strange:
        raise InputError(f"overrides are texts such as 'train.lr=0.1', but {strange[0]!r} was given")
    return found


def _source(given: str | os.PathLike[str] | Mapping[str, Any]) -> Source:
    if isinstance(given, Mapping):
        return Source("<mapping>", _written(given))
    if not isinstance(given, (str, os.PathLike)):
        raise InputError(f"a spec is a path, a text, a mapping or zoo:NAME, but {given!r} was given")
    name = os.fspath(given)
    if "\n" in name:
        return Source("<text>", name)
    if name.startswith(ZOO):
        try:
            name = str(zoo_path(name.removeprefix(ZOO)))
        except UnknownZooSpecError as error:
            near = did_you_mean(error.name, error.known, ZOO)
            raise NetspecError(f"no spec called {error.name!r} ships with netspec; {near}") from error
    source = read_bundle(name) if name.endswith(BUNDLE_SUFFIX) else read_source(name)
    if not isinstance(source, Source):
        raise SpecError([source])
    return source


def _plain(given: Any) -> Any:
    """Nested mappings and lists with the numbers of NumPy as those of Python."""
    if isinstance(given, Mapping):
        return {_plain(key): _plain(value) for key, value in given.items()}
    if isinstance(given, (list, tuple)):
        return [_plain(each) for each in given]
    return given.item() if isinstance(given, np.generic) else given


def _written(mapping: Mapping[str, Any]) -> str:
    try:
        return yaml.safe_dump(_plain(mapping), sort_keys=False, allow_unicode=True)
    except yaml.representer.RepresenterError as error:
        kind = type(error.args[-1]).__name__
        raise InputError(
            f"a mapping holds texts, numbers, lists and mappings, but there is a {kind} in it: {error.args[-1]!r}"
        ) from error


@dataclass(frozen=True, slots=True)
class Spec:
    """A spec without mistakes, ready to be compiled."""

    read: ReadSpec

    def __repr__(self) -> str:
        """Name and layers, for a prompt."""
        return f"<Spec {self.name}: {len(self.graph.nodes)} nodes, heads {', '.join(self.graph.heads)}>"

    @property
    def name(self) -> str:
        """Its name, or its file's."""
        return self.read.name

    def _repr_html_(self) -> str:
        """What a notebook shows: the layers as a table, the totals, the picture."""
        return spec_html(self.read)

    @property
    def text(self) -> str:
        """The YAML."""
        return self.read.text

    @property
    def resolved(self) -> str:
        """The YAML after blocks, vars, included files and the dialect: a spec again, with the same weights."""
        return resolved_text(self.read)

    @property
    def graph(self) -> Graph:
        """The network as a graph."""
        return self.read.graph

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return self.read.recipe

    def compile(
        self,
        batch: int | None = None,
        backend: str | Backend = "numba",
        mode: Literal["train", "infer"] = "train",
        threads: int | None = None,
        seed: int | None = None,
        tuned: str | os.PathLike[str] | None = None,
    ) -> Model:
        """A model with freshly drawn weights, or those of ``train.init`` as far as they fit.

        ``batch`` is the largest number of samples of a step, ``seed`` that of weights, shuffling and dropout; both are
        the spec's when left out. ``threads`` are all that the process may use when left out. With ``mode="infer"`` the
        model cannot be trained and takes less memory. ``tuned`` is a file that ``netspec compile SPEC --tune FILE``
        wrote, whose algorithms are taken. A RunError if the backend cannot be used, or the file is for others (NS172).
        """
        if mode not in ("train", "infer"):
            raise InputError(f"mode is {mode!r}, but must be 'train' or 'infer'")
        size = self.recipe.batch if batch is None else whole_number("batch", batch, 1)
        count = available_threads() if threads is None else whole_number("threads", threads, 1)
        recipe = self.recipe if seed is None else replace(self.recipe, seed=whole_number("seed", seed, 0))
        machine = find_backend(backend) if isinstance(backend, str) else backend
        measured = None if tuned is None else read_tuned(Path(tuned))
        if measured is not None:
            measured.refuse_others(conditions(self.graph, recipe, machine.name, size), mode)
        runtime = Runtime(self.graph, recipe, machine, size, count, mode == "train", tuned=measured)
        if recipe.init:
            take_weights(runtime, recipe.init, Path(self.read.file).parent)
        return Model(runtime)
