"""The model that Python programs hold: training, prediction, gradients and weights, all with NumPy arrays.

Images are channels-last, (N, H, W, C); uint8 ones travel as bytes, all others as float32. Labels are class numbers or
what else the loss takes: a number for each number of the head.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from netspec.data.dataset import Array, Part
from netspec.interop.safetensors import encode, read_weights
from netspec.syntax.suggestions import did_you_mean
from netspec.training.arrays import (
    InputError,
    UnknownNameError,
    checked_inputs,
    checked_part,
    path_of,
    shape_text,
    warn_of_scaled,
    whole_number,
)
from netspec.training.average import averaged_weights
from netspec.training.evaluate import evaluate, predict
from netspec.training.files import write_output
from netspec.training.fitted import fit, with_kept_numbers
from netspec.training.history import History
from netspec.training.loop import run_epochs, train_step
from netspec.training.memory_check import memory_limits, refuse_what_does_not_fit
from netspec.training.position import START, Position
from netspec.training.progress import Progress, make_progress
from netspec.training.progress_notebook import Notebook, in_notebook
from netspec.training.runs import MANIFEST, find_checkpoint
from netspec.training.runtime import Runtime
from netspec.training.scores import Scores
from netspec.training.state import read_state
from netspec.training.taps import activations, gradients
from netspec.training.warm_up import compile_training


class Weights(Mapping[str, Array]):
    """Parameters and moving statistics by name, such as ``conv.weight``, in the logical layout.

    Reading gives a copy that cannot be written to, so that no change is lost unseen; assigning changes the network:
    ``weights["conv.weight"] = array``.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._state = runtime.state
        self.shapes = runtime.weight_shapes

    def __getitem__(self, name: str) -> Array:
        if name not in self.shapes:
            raise UnknownNameError(_no_weights(name, self.shapes))
        array = self._state.read(name)
        array.flags.writeable = False
        return array

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self.shapes:
            raise UnknownNameError(_no_weights(name, self.shapes))
        array = np.asarray(value, np.float32)
        if array.shape != self.shapes[name]:
            raise InputError(f"{name} is {shape_text(self.shapes[name])}, but {shape_text(array.shape)} was given")
        self._state.write(name, array)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def update(self, arrays: Mapping[str, Any]) -> None:
        """Assign several."""
        for name, array in arrays.items():
            self[name] = array


def _no_weights(name: Any, known: Iterable[str]) -> str:
    return f"the network has no weights called {name!r}; {did_you_mean(str(name), known)}"


class Model:
    """A network in memory. To be used from one thread."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._position = START
        self._warned = False
        self.weights = Weights(runtime)

    def __repr__(self) -> str:
        """Name, inputs, heads and size."""
        network, runtime = self._runtime.network, self._runtime
        types = [f"{v.name} {shape_text(('N', *v.type.shape))}" for v in network.inputs]
        heads = [f"{name} {shape_text(('N', *v.type.shape))}" for name, v in network.heads.items()]
        numbers = sum(math.prod(shape) for shape in self.weights.shapes.values())
        return (
            f"<Model {network.name}: {', '.join(types)} -> {', '.join(heads)}, {numbers:,} weights, "
            f"batch {runtime.batch}, threads {runtime.threads}>"
        )

    def fit(
        self,
        x: Any,
        y: Any,
        epochs: int | None = None,
        validation: tuple[Any, Any] | None = None,
        verbose: bool = False,
        progress: Progress | None = None,
    ) -> History:
        """Train on images ``x`` and labels ``y`` by the spec's recipe; returns an entry per epoch.

        With several inputs ``x`` is a mapping of input to array, with several heads ``y`` one of head to array; a
        single ``y`` is learnt by every head.

        An entry holds ``epoch``, ``loss`` and ``metrics`` (running means of the epoch) and, with ``validation`` images
        and labels, ``validation`` with the loss and metrics on them; where the recipe makes an average of the weights,
        also ``averaged``, those of the average. A second call goes on with the network as it is
        and begins the learning rate's schedule anew. A RunError when the loss is not finite.

        With ``verbose`` it shows how it goes, as a terminal, a log or a notebook can; a ``progress`` of your own is
        told in its place.
        """
        count = self._runtime.recipe.epochs if epochs is None else whole_number("epochs", epochs, 0)
        _check_validation(validation)
        part = self._part(x, y)
        held = part.take(np.arange(0)) if validation is None else self._part(*validation)
        self._runtime.use(fit(self._runtime.recipe, self._runtime.network, part))
        refuse_what_does_not_fit(self._runtime, memory_limits(), part, held)
        progress = progress or _shown(verbose)
        history = []
        try:
            if count and not self._runtime.is_loaded("train", self._runtime.train_type(part)):
                progress.preparing("compiling kernels")
                compile_training(self._runtime, self._runtime.train_type(part))
            with closing(run_epochs(self._runtime, part, held, progress, count, self._position)) as results:
                for result in results:
                    self._position = Position(result.epoch, result.step)
                    entry: dict[str, Any] = {"epoch": result.epoch, **_document(result.train)}
                    if result.validation is not None:
                        entry["validation"] = _document(result.validation)
                    if result.averaged is not None:
                        entry["averaged"] = _document(result.averaged)
                    history.append(entry)
        finally:
            progress.close()
        return History(history)

    def evaluate(self, x: Any, y: Any) -> dict[str, Any]:
        """``{"loss": …, "metrics": {…}}`` of the inference form, over any number of samples."""
        return _document(evaluate(self._runtime, self._part(x, y)).scores)

    @property
    def averaged_weights(self) -> dict[str, Array]:
        """The moving average of the weights, by name, as far as the recipe makes one; else the weights as they are."""
        return averaged_weights(self.weights, read_state(self._runtime.state, self._runtime.moments))

    def predict(self, x: Any) -> Any:
        """Probabilities (N, classes) for images (N, H, W, C); with several heads, a mapping of head to array.

        ``x`` is a mapping of input to array where the network has several inputs.
        """
        found = predict(self._runtime, self._inputs(x))
        return next(iter(found.values())) if len(found) == 1 else found

    def step(self, x: Any, y: Any, rate: float | None = None) -> dict[str, float]:
        """One step of training on at most one batch; returns its ``loss``, from before the update.

        ``rate`` is the learning rate; left out, it is the one with which the spec's schedule begins.
        """
        part = self._one_batch(self._part(x, y))
        loaded = self._runtime.load("train", self._runtime.input_type(part.inputs))
        schedule, epochs = self._runtime.recipe.lr, self._runtime.recipe.epochs
        position = replace(self._position, step=self._position.step + 1)
        used = schedule.at(0, 1, epochs) if rate is None else rate
        if not isinstance(used, Real) or not math.isfinite(used) or used < 0:
            raise InputError(f"rate is {used!r}, but must be a finite number of at least 0")
        loss = train_step(self._runtime, loaded, self._runtime.prepared(part), float(used), position)
        self._position = position
        return {"loss": loss}

    def gradients(self, x: Any, y: Any, input: bool = False) -> dict[str, Array]:
        """Gradients of the loss by the name of the parameter, and with ``input`` that of ``x`` as ``input``, or those
        of several inputs as ``input/NAME``.

        In training mode: with batch statistics, and the dropout that the next step will draw. All state stays as it is.
        """
        return gradients(self._runtime, self._one_batch(self._part(x, y)), self._position.step + 1, input)

    def activations(self, x: Any, layers: str | Iterable[str] | None = None) -> dict[str, Array]:
        """What layers give, (N, ...) channels-last, by their paths such as ``stage2/0/conv``; all layers if left out.

        Of the inference form, in which a dropout is no layer. An InputError names a layer that is not there.
        """
        wanted = [layers] if isinstance(layers, str) else layers
        inputs = self._inputs(x)
        try:
            return activations(self._runtime, inputs, wanted)
        except KeyError as error:
            paths = dict.fromkeys(node.path for node in self._runtime.network.nodes)
            near = did_you_mean(str(error.args[0]), paths)
            raise InputError(f"the network has no layer {error} when it predicts; {near}") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all weights and statistics as safetensors; the file is replaced as a whole.

        A RunError where it cannot be written, an InputError where ``path`` is none.
        """
        file = path_of(path, "what weights are saved to")
        write_output(file, encode(self.weights, {"format": "netspec"}))

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read what :meth:`save` wrote, or the last checkpoint of a run directory.

        A RunError lists every name that is missing, unknown or of another shape; nothing is changed then.
        """
        file = path_of(path, "what weights are read from")
        if (file / MANIFEST).is_file():
            self._runtime.use(with_kept_numbers(self._runtime.recipe, file))
            file = find_checkpoint(file, "last").weights
        self.weights.update(read_weights(file, self.weights.shapes, self._runtime.unused_weights))

    def _inputs(self, x: Any) -> dict[str, Array]:
        inputs = checked_inputs(x, self._runtime.network)
        self._warn_once(inputs)
        return inputs

    def _part(self, x: Any, y: Any) -> Part:
        part = checked_part(x, y, self._runtime.network, self._runtime.recipe)
        self._warn_once(part.inputs)
        return part

    def _warn_once(self, inputs: Mapping[str, Array]) -> None:
        """Called by what a public method calls, so that a warning shows the line that called that method."""
        self._warned = self._warned or warn_of_scaled(inputs, self._runtime.recipe, stacklevel=4)

    def _one_batch(self, part: Part) -> Part:
        if len(part) > self._runtime.batch:
            raise InputError(
                f"{len(part)} samples do not fit one step: the model was compiled for {self._runtime.batch}"
            )
        return part


def _check_validation(given: Any) -> None:
    """Refuse what is not a pair of images and labels: an array of two samples is none either."""
    if given is not None and not (isinstance(given, (tuple, list)) and len(given) == 2):
        came = shape_text(given.shape) if isinstance(given, np.ndarray) else repr(given)
        raise InputError(f"validation is images and labels, validation=(x, y), but {came} was given")


def _shown(verbose: bool) -> Progress:
    return Notebook() if verbose and in_notebook() else make_progress(not verbose, sys.stderr)


def _document(scores: Scores) -> dict[str, Any]:
    return {"loss": scores.loss, "metrics": dict(scores.metrics)}
