"""What was learnt from the training part before training: by preprocessing, and the weights of classes.

It is kept in the run directory for evaluation, prediction and resume.
"""

from __future__ import annotations

from pathlib import Path

from netspec.core.graph import Graph
from netspec.data.dataset import Part
from netspec.data.preprocess import fit_preprocessing, fitted_numbers, with_fitted_numbers
from netspec.declarations.recipe import Recipe
from netspec.declarations.transforms import is_fitted
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import decode, encode
from netspec.training.class_weights import balance, balanced_heads, is_balanced, known_weights, with_class_weights
from netspec.training.files import write_atomic

FITTED = "preprocess.safetensors"
_WEIGHTS = "class_weights/"


def fit(recipe: Recipe, network: Graph, train: Part) -> Recipe:
    """The recipe with all that follows from the training part."""
    return balance(fit_preprocessing(recipe, train), network, train)


def keep_fitted(folder: Path, recipe: Recipe) -> None:
    """Write the fitted numbers of a recipe into a run directory, where there are any."""
    weights = {f"{_WEIGHTS}{name}": array for name, array in known_weights(recipe).items()}
    numbers = {**fitted_numbers(recipe), **weights}
    if numbers:
        try:
            write_atomic(folder / FITTED, encode(numbers, {"format": "netspec", "holds": "preprocessing"}))
        except OSError as error:
            raise RunError(f"'{folder / FITTED}' cannot be written: {error.strerror or error}") from error


def with_kept_numbers(recipe: Recipe, folder: Path) -> Recipe:
    """A recipe as written, with the numbers that a run directory keeps; a RunError where it lacks them."""
    unweighted = is_balanced(recipe)
    if all(map(is_fitted, recipe.preprocess)) and not unweighted:
        return recipe
    try:
        data = (folder / FITTED).read_bytes()
    except OSError as error:
        raise RunError(f"the run '{folder}' lacks what its preprocessing learnt: {FITTED} cannot be read") from error
    numbers = decode(data, str(folder / FITTED))
    kept = {name.removeprefix(_WEIGHTS): array for name, array in numbers.items() if name.startswith(_WEIGHTS)}
    weights = {name: kept[name] for name in balanced_heads(recipe, kept)}
    found = with_class_weights(with_fitted_numbers(recipe, numbers), weights)
    if not all(map(is_fitted, found.preprocess)) or (unweighted and not known_weights(found)):
        raise RunError.of("NS904", path=str(folder / FITTED), problem="it is not of the preprocessing of this run")
    return found
