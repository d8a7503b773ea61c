"""``netspec predict``: what a finished run says of new samples."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from netspec.cli.common import backend_option, format_option, threads_option

if TYPE_CHECKING:
    import numpy as np

    from netspec.training.open_run import OpenRun

    Array = np.ndarray[Any, np.dtype[Any]]

_LIKELIEST = 3
"""Classes that the text shows of each sample."""


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--checkpoint",
    "kept",
    type=click.Choice(["last", "best"]),
    default="last",
    show_default=True,
    help="The weights of the last epoch, or of the one with the lowest validation loss.",
)
@click.option(
    "--resize",
    type=click.Choice(["none", "stretch", "crop", "letterbox"]),
    help="What to do with images of another size than the input's; as the run's data if left out.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="An .npz to write the output of each head to.")
@threads_option
@backend_option
@format_option
def command(
    run: Path,
    inputs: tuple[str, ...],
    kept: Literal["last", "best"],
    resize: str | None,
    output: Path | None,
    threads: int | None,
    backend: str,
    format_: str,
) -> None:
    """Predict images, folders of images, arrays (.npy, or .npz by input), or what comes from the standard input (-).

    \b
    Example:
      netspec predict runs/lenet5-20260131-142500 digit.png more/
      netspec predict runs/first samples.npy --format json
    """
    from netspec.data.samples import in_batches, read_samples
    from netspec.training.evaluate import predict
    from netspec.training.open_run import open_run
    from netspec.training.threads import available_threads

    opened = open_run(run, kept, backend, threads or available_threads())
    shapes = {value.name: value.type.shape for value in opened.spec.graph.inputs}
    written: str = getattr(opened.spec.recipe.data, "resize", "none")
    samples = read_samples(inputs, shapes, written if resize is None else resize, sys.stdin.buffer.read)
    names: list[str] = []
    found: dict[str, list[Array]] = {}
    for called, batch in in_batches(samples, opened.runtime.batch):
        names += called
        for head, array in predict(opened.runtime, batch).items():
            found.setdefault(head, []).append(array)
    heads = {head: _joined(arrays) for head, arrays in found.items()}
    if output is not None:
        _write(output, heads)
    document = _document(opened, names, heads)
    click.echo(json.dumps(document, indent=2) if format_ == "json" else _text(document))


def _joined(arrays: Sequence[Array]) -> Array:
    import numpy as np

    return np.concatenate(arrays)


def _write(path: Path, heads: Mapping[str, Array]) -> None:
    import io
    import zipfile

    import numpy as np

    from netspec.diagnostics import RunError
    from netspec.training.files import write_atomic

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:  # np.savez takes names as keywords, of which one is its own
        for head, array in heads.items():
            content = io.BytesIO()
            np.save(content, array)
            archive.writestr(f"{head}.npy", content.getvalue())
    try:
        write_atomic(path, stream.getvalue())
    except OSError as error:
        raise RunError(f"'{path}' cannot be written: {error.strerror or error}") from error


def _document(run: OpenRun, names: Sequence[str], heads: Mapping[str, Array]) -> dict[str, Any]:
    """Plain data. What is said of a sample stands beside ``input``, or under ``heads`` where there are several."""
    classes = {head: _classes(run, head, array) for head, array in heads.items()}
    predictions = []
    for place, name in enumerate(names):
        said = {head: _said(array[place], classes[head]) for head, array in heads.items()}
        alone = next(iter(said.values())) if len(said) == 1 else {"heads": said}
        predictions.append({"input": name, **alone})
    shown = next(iter(classes.values())) if len(classes) == 1 else classes
    return {"version": 1, "classes": shown, "predictions": predictions}


def _classes(run: OpenRun, head: str, array: Array) -> list[str] | None:
    """The classes that a head gives the probabilities of; none where it gives anything else."""
    if array.ndim != 2 or run.spec.recipe.head(head).loss.absorbs != "softmax":
        return None
    names = run.class_names(head)
    return list(names) if len(names) == array.shape[1] else list(map(str, range(array.shape[1])))


def _said(output: Array, classes: Sequence[str] | None) -> dict[str, Any]:
    """Of classes the likeliest and all probabilities, of a few other numbers these, of a map its shape."""
    if classes is not None:
        return {"label": classes[int(output.argmax())], "probabilities": output.tolist()}
    return {"values": output.tolist()} if output.ndim == 1 else {"shape": list(output.shape)}


def _text(document: Mapping[str, Any]) -> str:
    lines = []
    for prediction in document["predictions"]:
        said = prediction.get("heads", {"": prediction})
        shown = (
            f"{head}: {line}" if head else line for head, line in ((h, _line(s, document, h)) for h, s in said.items())
        )
        lines.append(f"{prediction['input']}: {'; '.join(shown)}")
    return "\n".join(lines)


def _line(said: Mapping[str, Any], document: Mapping[str, Any], head: str) -> str:
    if "probabilities" in said:
        classes = document["classes"][head] if head else document["classes"]
        likeliest = sorted(zip(said["probabilities"], classes, strict=True), key=lambda pair: -pair[0])[:_LIKELIEST]
        return ", ".join(f"{name} {probability:.4f}" for probability, name in likeliest)
    if "values" in said:
        return " ".join(f"{value:g}" for value in said["values"])
    return f"{'x'.join(map(str, said['shape']))} numbers; -o FILE.npz writes them"
