"""The moving average of the weights: read beside them, and put in their place for as long as it is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from netspec.data.dataset import Array
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import decode, encode
from netspec.passes.step import AVERAGE
from netspec.training.checkpoints import Checkpoint
from netspec.training.files import write_atomic
from netspec.training.runtime import Runtime
from netspec.training.state import read_state

AVERAGED = "average.safetensors"
"""The file of a run with the averaged weights, once it has come to its end."""
_ENDING = f":{AVERAGE}"


def averaged_weights(weights: Mapping[str, Array], moments: Mapping[str, Array]) -> dict[str, Array]:
    """All weights, with averages in the place of those that have one; ``moments`` is where these are kept."""
    return {name: moments.get(f"{name}{_ENDING}", array) for name, array in weights.items()}


def keep_average(folder: Path, runtime: Runtime) -> None:
    """Write the averaged weights into a run directory, where an average is made of them; a RunError if that fails."""
    if runtime.recipe.average is None:
        return
    weights, moments = (read_state(runtime.state, slots) for slots in (runtime.weights, runtime.moments))
    try:
        write_atomic(folder / AVERAGED, encode(averaged_weights(weights, moments), {"format": "netspec"}))
    except OSError as error:
        raise RunError(f"'{folder / AVERAGED}' cannot be written: {error.strerror or error}") from error


def read_average(checkpoint: Checkpoint, weights: Mapping[str, Array]) -> dict[str, Array]:
    """The averaged weights of a checkpoint whose own are ``weights``; NS922 where its run made no average."""
    try:
        moments = decode(checkpoint.moments.read_bytes(), str(checkpoint.moments))
    except OSError as error:
        raise RunError(f"'{checkpoint.moments}' cannot be read: {error.strerror or error}") from error
    if not any(name.endswith(_ENDING) for name in moments):
        raise RunError.of("NS922", run=str(checkpoint.moments.parent.parent))
    return averaged_weights(weights, moments)


@contextmanager
def average_in_place(runtime: Runtime) -> Iterator[None]:
    """Let the network have the averaged weights in the block; afterwards it has its own, to the bit."""
    own = read_state(runtime.state, runtime.weights)
    averages = read_state(runtime.state, [slot for slot in runtime.moments if slot.name.endswith(_ENDING)])
    try:
        for name, array in averaged_weights(own, averages).items():
            runtime.state.write(name, array)
        yield
    finally:
        for name, array in own.items():
            runtime.state.write(name, array)
