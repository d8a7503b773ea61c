"""``netspec export``: a network for another program, compared with what netspec computes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from netspec.cli.common import backend_option, format_option, load, set_option, shown_in, threads_option
from netspec.training.files import write_output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netspec.interop.tensors import Array, Exchanged
    from netspec.syntax.spec import Spec

SAMPLES = 2
"""Samples that both sides predict when they are compared."""
TOLERANCE = 1e-4
"""How far they may differ, relative to the largest number: float32 sums in another order, through a hundred layers."""
TOLERANCE_OF_BYTES = 0.05
"""The same for a quantised network: where a number lies between two bytes, either may come out, and what follows from
it is rounded again in every layer."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how it compares."""

    to: str
    files: tuple[Path, ...]
    tensors: tuple[Exchanged, ...]
    left_out: tuple[str, ...]
    before: tuple[str, ...]
    """Transforms of the spec that whoever feeds the file has to make."""
    error: float | None
    facts: Mapping[str, Any]
    tolerance: float = TOLERANCE

    def document(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "version": 1,
            "to": self.to,
            "files": [str(file) for file in self.files],
            **self.facts,
            "tensors": [tensor.row() for tensor in self.tensors],
            "left_out": list(self.left_out),
            "preprocess": list(self.before),
            "agreement": {"error": self.error, "tolerance": self.tolerance, "samples": SAMPLES},
        }


@click.command("export")
@click.argument("source", metavar="RUN|SPEC")
@set_option
@click.option("--to", type=click.Choice(["torch", "onnx"]), required=True, help="Python source, or an ONNX model.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE", help="Where to."
)
@click.option(
    "--checkpoint",
    "kept",
    type=click.Choice(["last", "best"]),
    default="last",
    show_default=True,
    help="Of a run, the weights of the last epoch, or of the one with the lowest validation loss.",
)
@click.option("--averaged", is_flag=True, help="Of a run the moving average of its weights, if it made one.")
@threads_option
@backend_option
@format_option
def command(
    source: str,
    overrides: tuple[str, ...],
    to: Literal["torch", "onnx"],
    output: Path,
    kept: Literal["last", "best"],
    averaged: bool,
    threads: int | None,
    backend: str,
    format_: str,
) -> None:
    """Write a network for PyTorch or ONNX.

    \b
    Example:
      netspec export runs/lenet5-20260131-142500 --to onnx -o lenet5.onnx
      netspec export zoo:resnet18 --to torch -o resnet18.py

    RUN may be a quantised network, which goes to ONNX with nodes that round to bytes. Of a spec, the weights are
    freshly drawn. ONNX takes the extra onnx, and is run with ONNX Runtime and compared; PyTorch source has its weights
    beside it as safetensors, and is compared where PyTorch is installed.
    """
    from netspec.training.quantized import is_quantized
    from netspec.training.threads import available_threads

    _refuse_suffix(to, output)
    count = threads or available_threads()
    if is_quantized(Path(source)):
        if averaged:
            raise click.UsageError("--averaged is of a run directory; a quantised network has one set of weights")
        found = _quantized(source, overrides, to, output, backend, count)
    else:
        spec, weights = _network(source, overrides, kept, averaged, backend, count)
        with shown_in(spec):
            found = (_to_onnx if to == "onnx" else _to_torch)(spec, weights, output, backend, count)
    click.echo(json.dumps(found.document(), indent=2) if format_ == "json" else _text(found))


def _refuse_suffix(to: str, output: Path) -> None:
    """A usage error where the file's ending is that of another format."""
    formats = {".onnx": "onnx", ".py": "torch"}
    endings = {"onnx": ".onnx", "torch": ".py"}
    suffix = output.suffix.lower()
    foreign = suffix in (".pt", ".pth", ".safetensors") or formats.get(suffix, to) != to
    if foreign:
        raise click.UsageError(f"--to {to} writes a file such as {output.stem}{endings[to]}, not {output.suffix}")


def _network(
    source: str, overrides: tuple[str, ...], kept: Literal["last", "best"], averaged: bool, backend: str, threads: int
) -> tuple[Spec, Mapping[str, Array]]:
    """The spec and all weights: a run's, or freshly drawn ones."""
    from netspec.backend import find_backend
    from netspec.training.open_run import stored_run
    from netspec.training.runs import MANIFEST
    from netspec.training.runtime import Runtime
    from netspec.training.transfer import take_weights

    if (Path(source) / MANIFEST).is_file():
        _refuse_changes(overrides)
        stored = stored_run(Path(source), kept, averaged)
        return stored.spec, stored.weights
    if averaged:
        raise click.UsageError("--averaged is of a run directory: a spec's weights are freshly drawn")
    spec = load(source, overrides)
    runtime = Runtime(spec.graph, spec.recipe, find_backend(backend), 1, threads)
    if spec.recipe.init:
        take_weights(runtime, spec.recipe.init, Path(spec.file).parent)
    return spec, {name: runtime.state.read(name) for name in runtime.weight_shapes}


def _refuse_changes(overrides: tuple[str, ...]) -> None:
    if overrides:
        raise click.UsageError("--set changes a spec; a run's is fixed")


def _quantized(source: str, overrides: tuple[str, ...], to: str, output: Path, backend: str, threads: int) -> Exported:
    """A quantised network, with nodes that round to bytes."""
    from netspec.diagnostics import RunError
    from netspec.interop.onnx.model import OPSET
    from netspec.interop.onnx.quantized import quantized_model
    from netspec.interop.onnx.session import run
    from netspec.training.evaluate import predict
    from netspec.training.open_run import open_run
    from netspec.training.quantized import inputs_within, quantized_graph
    from netspec.training.runtime import Runtime
    from netspec.training.state import read_state
    from netspec.training.taps import constants

    _refuse_changes(overrides)
    if to != "onnx":
        raise RunError.of("NS986", path=source, target="PyTorch")
    _require_onnx()
    opened = open_run(Path(source), "last", backend, threads)
    spec, found = opened.spec, opened.runtime
    recipe = replace(found.recipe, preprocess=(), augment=(), init=None)
    runtime = Runtime(found.network, recipe, found.backend, SAMPLES, threads, trains=False, ranges=found.ranges)
    for name, array in read_state(found.state, found.weights).items():
        runtime.state.write(name, array)
    graph = quantized_graph(runtime)
    with shown_in(spec):
        model = quantized_model(graph, constants(runtime, graph))
    inputs = inputs_within(runtime, SAMPLES)
    wanted = predict(runtime, inputs)
    error = _checked("ONNX Runtime", run(model.encoded(), inputs, threads), wanted, TOLERANCE_OF_BYTES)
    write_output(output, model.encoded(), folders=True)
    facts = {"opset": OPSET, "bits": 8}
    return Exported("onnx", (output,), model.tensors, (), _transforms(spec), error, facts, TOLERANCE_OF_BYTES)


def _predicted(
    spec: Spec, weights: Mapping[str, Array], backend: str, threads: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs as the first layer sees them, and what netspec predicts for them by head."""
    import numpy as np

    from netspec.backend import find_backend
    from netspec.training.evaluate import predict
    from netspec.training.runtime import Runtime

    recipe = replace(spec.recipe, preprocess=(), augment=(), init=None)
    runtime = Runtime(spec.graph, recipe, find_backend(backend), SAMPLES, threads, trains=False)
    for name in runtime.weight_shapes:
        runtime.state.write(name, weights[name])
    generator = np.random.default_rng(0)
    inputs = {
        value.name: generator.standard_normal((SAMPLES, *value.type.shape), dtype=np.float32)
        for value in spec.graph.inputs
    }
    return inputs, predict(runtime, inputs)


def _to_onnx(spec: Spec, weights: Mapping[str, Array], output: Path, backend: str, threads: int) -> Exported:
    from netspec.interop.onnx.model import OPSET, onnx_model
    from netspec.interop.onnx.session import run

    _require_onnx()
    model = onnx_model(spec.graph, spec.recipe, weights)
    inputs, wanted = _predicted(spec, weights, backend, threads)
    error = _checked("ONNX Runtime", run(model.encoded(), inputs, threads), wanted)
    write_output(output, model.encoded(), folders=True)
    left_out, before = _left_out(weights, model.tensors), _transforms(spec)
    return Exported("onnx", (output,), model.tensors, left_out, before, error, {"opset": OPSET})


def _require_onnx() -> None:
    from netspec.diagnostics.libraries import require

    for library in ("onnx", "onnxruntime"):
        require(library, "export --to onnx", "onnx")


def _to_torch(spec: Spec, weights: Mapping[str, Array], output: Path, backend: str, threads: int) -> Exported:
    from netspec.diagnostics.libraries import installed
    from netspec.interop.pytorch.source import torch_source
    from netspec.interop.safetensors import encode

    source = torch_source(spec.graph, spec.recipe)
    beside = output.with_suffix(".safetensors")
    state = source.state(weights)
    write_output(output, source.text.encode(), folders=True)
    write_output(beside, encode(state), folders=True)
    error = None
    if installed("torch"):
        from netspec.interop.pytorch.compare import predict

        inputs, wanted = _predicted(spec, weights, backend, threads)
        error = _checked("PyTorch", predict(output, source.class_name, state, inputs, list(wanted)), wanted)
    left_out, before = _left_out(weights, source.tensors), _transforms(spec)
    return Exported("torch", (output, beside), source.tensors, left_out, before, error, {"class": source.class_name})


def _left_out(weights: Mapping[str, Array], tensors: Sequence[Exchanged]) -> tuple[str, ...]:
    """Weights that are not in the file, such as those of heads that are there while training only."""
    taken = {tensor.source for tensor in tensors}
    return tuple(name for name in weights if name not in taken)


def _transforms(spec: Spec) -> tuple[str, ...]:
    from netspec.core.declare import declaration_of

    return tuple(declaration_of(transform).name for transform in spec.recipe.preprocess)


def _checked(
    target: str, found: Mapping[str, Array], wanted: Mapping[str, Array], tolerance: float = TOLERANCE
) -> float:
    """The largest error of any head; a RunError where it is too large."""
    from netspec.diagnostics import RunError
    from netspec.interop.tensors import relative_error

    error = max(relative_error(found[head], array) for head, array in wanted.items())
    if not error <= tolerance:
        raise RunError.of("NS932", target=target, error=f"{error:.1e}", tolerance=f"{tolerance:g}")
    return error


def _text(found: Exported) -> str:
    """The report: every tensor, what was left out, and how well the two agree."""
    from netspec.cli.tables import columns
    from netspec.diagnostics.text import escape

    rows = [("tensor", "shape", "made of", "how")]
    for tensor in found.tensors:
        row = tensor.row()
        shape = "x".join(map(str, row["shape"]))
        rows.append((tensor.name, shape, tensor.source or "", row["change"] or "as it is"))
    lines = [*columns(rows), ""]
    if found.left_out:
        lines.append(f"left out: {escape(', '.join(found.left_out))}")
    if found.before:
        lines.append(f"what goes in comes after preprocess: {', '.join(found.before)}")
    facts = "".join(f", {name} {value}" for name, value in found.facts.items())
    lines.append(f"{len(found.tensors)} tensors in {escape(', '.join(map(str, found.files)))}{facts}")
    if found.error is None:
        lines.append("not compared, since PyTorch is not installed: pip install 'netspec[bench]'")
    else:
        error = f"{found.error:.1e} of the largest number (at most {found.tolerance:g} is allowed)"
        lines.append(f"agrees with netspec on {SAMPLES} samples within {error}")
    return "\n".join(lines)
