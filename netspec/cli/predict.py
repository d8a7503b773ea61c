"""``netspec predict``: what a finished run says of new samples."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from netspec.cli.common import format_option, note, tuned_option
from netspec.cli.trained import Trained, open_trained, trained_options
from netspec.diagnostics.text import escape
from netspec.training.files import write_output

if TYPE_CHECKING:
    import numpy as np

    from netspec.training.open_run import OpenRun

    Array = np.ndarray[Any, np.dtype[Any]]

LIKELIEST = 3
"""Classes that the text names of each sample, unless it is told how many."""


@click.command("predict")
@trained_options
@tuned_option
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--resize",
    type=click.Choice(["none", "stretch", "crop", "letterbox"]),
    help="What to do with images of another size than the input's; as the run's data if left out.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    help=f"Name the K likeliest classes of each sample; the text names {LIKELIEST} if left out.",
    metavar="K",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="An .npz to write the output of each head to.")
@format_option
def command(
    trained: Trained,
    tuned: Path | None,
    inputs: tuple[str, ...],
    resize: str | None,
    top: int | None,
    output: Path | None,
    format_: Literal["text", "json"],
) -> None:
    """Predict images, folders of images, arrays (.npy, or .npz by input), or what comes from the standard input (-).

    RUN is a run directory; or a bundle, or a spec, whose weights --weights names.

    \b
    Example:
      netspec predict runs/lenet5-20260131-142500 digit.png more/
      netspec predict lenet5.netspec --weights lenet5.safetensors samples.npy --format json
      cat digit.png | netspec predict runs/first - --top 1
    """
    from netspec.data.samples import in_batches, read_samples
    from netspec.training.evaluate import predict

    opened = open_trained(trained, tuned=tuned)
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
        note(f"wrote {output}")
    document = _document(opened, names, heads, top)
    click.echo(json.dumps(document, indent=2) if format_ == "json" else _text(document, top or LIKELIEST))


def _joined(arrays: Sequence[Array]) -> Array:
    import numpy as np

    return np.concatenate(arrays)


def _write(path: Path, heads: Mapping[str, Array]) -> None:
    import io
    import zipfile

    import numpy as np

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:  # np.savez takes names as keywords, of which one is its own
        for head, array in heads.items():
            content = io.BytesIO()
            np.save(content, array)
            archive.writestr(f"{head}.npy", content.getvalue())
    write_output(path, stream.getvalue())


def _document(run: OpenRun, names: Sequence[str], heads: Mapping[str, Array], top: int | None) -> dict[str, Any]:
    """Plain data. What is said of a sample stands beside ``input``, or under ``heads`` where there are several."""
    classes = {head: _classes(run, head, array) for head, array in heads.items()}
    predictions = []
    for place, name in enumerate(names):
        said = {head: _said(array[place], classes[head], top) for head, array in heads.items()}
        alone = next(iter(said.values())) if len(said) == 1 else {"heads": said}
        predictions.append({"input": name, **alone})
    shown = next(iter(classes.values())) if len(classes) == 1 else classes
    return {"version": 1, "classes": shown, "predictions": predictions}


def _classes(run: OpenRun, head: str, array: Array) -> list[str] | None:
    """The classes that a head gives the probabilities of; none where it gives anything else."""
    recipe, last = run.spec.recipe, run.spec.graph.producer().get(run.spec.graph.heads[head])
    probable = recipe.predicted_by(head) == "softmax" or (last is not None and last.op.name == "softmax")
    if array.ndim != 2 or not probable:
        return None
    names = run.class_names(head)
    return list(names) if len(names) == array.shape[1] else list(map(str, range(array.shape[1])))


def _said(output: Array, classes: Sequence[str] | None, top: int | None) -> dict[str, Any]:
    """Of classes the likeliest and all probabilities, of a few other numbers these, of a map its shape.

    Where ``top`` asks for them, also so many of the classes, the likeliest first.
    """
    if classes is None:
        return {"values": output.tolist()} if output.ndim == 1 else {"shape": list(output.shape)}
    said: dict[str, Any] = {"label": classes[int(output.argmax())], "probabilities": output.tolist()}
    if top is not None:
        said["top"] = [{"label": name, "probability": p} for name, p in _likeliest(output.tolist(), classes, top)]
    return said


def _likeliest(probabilities: Sequence[float], classes: Sequence[str], count: int) -> list[tuple[str, float]]:
    """So many classes with their probabilities, the likeliest first; of equals the one that is numbered first."""
    return sorted(zip(classes, probabilities, strict=True), key=lambda pair: -pair[1])[:count]


def _text(document: Mapping[str, Any], top: int) -> str:
    lines = []
    for prediction in document["predictions"]:
        said = prediction.get("heads", {"": prediction})
        shown = (
            f"{escape(head)}: {line}" if head else line
            for head, line in ((h, _line(s, document, h, top)) for h, s in said.items())
        )
        lines.append(f"{escape(prediction['input'])}: {'; '.join(shown)}")
    return "\n".join(lines)


def _line(said: Mapping[str, Any], document: Mapping[str, Any], head: str, top: int) -> str:
    if "probabilities" in said:
        classes = document["classes"][head] if head else document["classes"]
        likeliest = _likeliest(said["probabilities"], classes, top)
        return ", ".join(f"{escape(name)} {probability:.4f}" for name, probability in likeliest)
    if "values" in said:
        return " ".join(f"{value:g}" for value in said["values"])
    return f"{'x'.join(map(str, said['shape']))} numbers; -o FILE.npz writes them"
