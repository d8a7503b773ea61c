"""Runs that learn to be computed in bytes: what they need, and the ranges of activations that they end with."""

from __future__ import annotations

from netspec.backend import Backend
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import decode
from netspec.passes.fake_quantization import HIGHEST, LOWEST
from netspec.passes.quantization import Range
from netspec.training.accumulate import Turns
from netspec.training.checkpoints import Checkpoint

_KERNELS = ("fake_quantize", "fake_quantize.dx", "fake_quantize.weights", "extremes")


def refuse_without_rounding(backend: Backend, recipe: Recipe) -> None:
    """A RunError where the recipe trains for bytes and the backend (NS867) or the precision (NS868) cannot."""
    if recipe.quantize is None:
        return
    if any(backend.kernel(op) not in ("written", "generated") for op in _KERNELS):
        raise RunError.of("NS867", backend=backend.name)
    if recipe.precision != "float32":
        raise RunError.of("NS868", precision=recipe.precision)


def refuse_late_rounding(recipe: Recipe, samples: int, batch: int) -> None:
    """NS869 where a run over so many ``samples``, ``batch`` of them in a step, ends before it has learnt a range."""
    if recipe.quantize is None:
        return
    updates = Turns(samples, batch, recipe.accumulate).per_epoch * recipe.epochs
    if recipe.quantize.start >= updates:
        raise RunError.of("NS869", start=f"{recipe.quantize.start:,}", updates=f"{updates:,}")


def learnt_ranges(checkpoint: Checkpoint) -> dict[str, Range]:
    """The ranges in a checkpoint, by the names of their activations; a RunError where it cannot be read."""
    try:
        moments = decode(checkpoint.moments.read_bytes(), str(checkpoint.moments))
    except OSError as error:
        raise RunError(f"'{checkpoint.moments}' cannot be read: {error.strerror or error}") from error
    names = [name.removesuffix(f":{LOWEST}") for name in moments if name.endswith(f":{LOWEST}")]
    return {name: Range(*(float(moments[f"{name}:{limit}"]) for limit in (LOWEST, HIGHEST))) for name in names}
