"""What preprocessing learnt from the training part, kept in the run directory for evaluation, prediction and resume."""

from __future__ import annotations

from pathlib import Path

from netspec.data.preprocess import fitted_numbers, with_fitted_numbers
from netspec.declarations.recipe import Recipe
from netspec.declarations.transforms import is_fitted
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import decode, encode
from netspec.training.files import write_atomic

FITTED = "preprocess.safetensors"


def keep_fitted(folder: Path, recipe: Recipe) -> None:
    """Write the fitted numbers of a recipe into a run directory, where there are any."""
    numbers = fitted_numbers(recipe)
    if numbers:
        try:
            write_atomic(folder / FITTED, encode(numbers, {"format": "netspec", "holds": "preprocessing"}))
        except OSError as error:
            raise RunError(f"'{folder / FITTED}' cannot be written: {error.strerror or error}") from error


def with_kept_numbers(recipe: Recipe, folder: Path) -> Recipe:
    """A recipe as written, with the numbers that a run directory keeps; a RunError where it lacks them."""
    if all(map(is_fitted, recipe.preprocess)):
        return recipe
    try:
        data = (folder / FITTED).read_bytes()
    except OSError as error:
        raise RunError(f"the run '{folder}' lacks what its preprocessing learnt: {FITTED} cannot be read") from error
    found = with_fitted_numbers(recipe, decode(data, str(folder / FITTED)))
    if not all(map(is_fitted, found.preprocess)):
        raise RunError.of("NS904", path=str(folder / FITTED), problem="it is not of the preprocessing of this run")
    return found
