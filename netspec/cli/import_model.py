"""``netspec import``: a model that another program wrote as a spec, compared with what it computes there."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.common import show
from netspec.training.files import write_output

if TYPE_CHECKING:
    from netspec.diagnostics import Diagnostic
    from netspec.interop.onnx_in.model import Imported
    from netspec.interop.tensors import Array
    from netspec.syntax.spec import Spec

SAMPLES = 2
"""Samples that both sides predict when they are compared, unless the model is made for another number."""
TOLERANCE = 1e-4
"""How far they may differ, relative to the largest number: float32 sums in another order, through a hundred layers."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was called with."""

    model: Path
    output: Path
    sizes: Mapping[str, tuple[int, ...]]
    backend: str
    threads: int
    data: str = ""
    samples: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What was written, what became of each part of the model, and how the two compare.

    ``parts`` are rows of a table whose heads are the keys. ``told`` are findings that leave the spec as it is;
    ``sources`` are the texts that they point into.
    """

    source: str
    files: tuple[Path, ...]
    parts: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Any]
    told: tuple[Diagnostic, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    error: float | None = None
    uncompared: str = ""

    def document(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        from netspec.diagnostics.render import json_document

        return {
            "version": 1,
            "from": self.source,
            "files": [str(file) for file in self.files],
            **self.facts,
            "parts": [dict(part) for part in self.parts],
            "told": json_document(self.told, [self.source])["diagnostics"],
            "agreement": {"error": self.error, "tolerance": TOLERANCE, "not_compared": self.uncompared or None},
        }


def run(asked: Asked, force: bool, format_: str) -> None:
    """Read, write, compare, and print what became of every part of the model."""
    kind = KINDS[asked.model.suffix.lower()]
    if asked.output.suffix.lower() not in (".yaml", ".yml"):
        raise click.UsageError(f"a spec is a file such as {asked.output.stem}.yaml, not {asked.output.name!r}")
    written = [asked.output, *([_weights_of(asked.output)] if kind is _from_onnx else ())]
    for file in written:
        if file.exists() and not force:
            raise click.UsageError(f"{str(file)!r} is there already; --force replaces it")
    found = kind(asked)
    if found.told:
        show(found.told, found.sources, err=True)
    click.echo(json.dumps(found.document(), indent=2) if format_ == "json" else _text(found))


def _weights_of(spec: Path) -> Path:
    """Where the weights go that are imported with a spec."""
    return spec.with_suffix(".safetensors")


# ONNX


def _from_onnx(asked: Asked) -> Report:
    from netspec.diagnostics.libraries import require
    from netspec.interop.onnx_in.file import read_model
    from netspec.interop.onnx_in.model import imported
    from netspec.interop.safetensors import encode
    from netspec.syntax.load import load_spec
    from netspec.syntax.source import Source

    require("onnx", "import of ONNX models", "onnx")
    beside = _weights_of(asked.output)
    model = read_model(asked.model)
    found = imported(model, str(asked.model), asked.sizes, {"init": {"from": beside.name}})
    spec = load_spec(Source(str(asked.output), found.written.text))
    weights = found.weights([slot.name for slot in spec.graph.slots])
    error, uncompared = _compared(model.SerializeToString, found, spec, weights, asked)
    write_output(beside, encode(weights), folders=True)
    write_output(asked.output, found.written.text.encode(), folders=True)
    facts = {
        "layers": len(spec.graph.nodes),
        "parameters": sum(array.size for array in weights.values()),
        "dialect": found.written.dialect,
    }
    files = (asked.output, beside)
    return Report("onnx", files, found.nodes, facts, error=error, uncompared=uncompared)


def _compared(
    model: Callable[[], bytes], found: Imported, spec: Spec, weights: Mapping[str, Array], asked: Asked
) -> tuple[float | None, str]:
    """How far the two are apart, or why that was not measured; a RunError where it is too far."""
    from netspec.diagnostics import RunError
    from netspec.diagnostics.libraries import installed
    from netspec.interop.onnx_in.session import outputs
    from netspec.interop.tensors import relative_error

    if not installed("onnxruntime"):
        return None, "ONNX Runtime is not installed: pip install 'netspec[onnx]'"
    inputs, ours = _predicted(spec, weights, asked, found.batch or SAMPLES)
    theirs = outputs(model, found, inputs, asked.threads)
    if isinstance(theirs, str):
        return None, theirs
    error = max(relative_error(ours[head], array) for head, array in theirs.items())
    if not error <= TOLERANCE:
        raise RunError.of("NS972", target="ONNX Runtime", error=f"{error:.1e}", tolerance=f"{TOLERANCE:g}")
    return error, ""


def _predicted(
    spec: Spec, weights: Mapping[str, Array], asked: Asked, samples: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs by their names here, and what netspec predicts for them by head."""
    import numpy as np

    from netspec.backend import find_backend
    from netspec.training.evaluate import predict
    from netspec.training.runtime import Runtime

    recipe = replace(spec.recipe, init=None)
    runtime = Runtime(spec.graph, recipe, find_backend(asked.backend), samples, asked.threads, trains=False)
    for name in runtime.weight_shapes:
        runtime.state.write(name, weights[name])
    generator = np.random.default_rng(0)
    inputs = {
        value.name: generator.standard_normal((samples, *value.type.shape), dtype=np.float32)
        for value in spec.graph.inputs
    }
    return inputs, predict(runtime, inputs)


# Caffe


def _from_prototxt(asked: Asked) -> Report:
    from netspec.diagnostics import Diagnostic, SpecError
    from netspec.interop.caffe.network import import_prototxt
    from netspec.interop.caffe.prototxt import parse
    from netspec.interop.caffe.solver import TrainingData, import_solver, is_solver
    from netspec.syntax.load import load_spec
    from netspec.syntax.source import Source, read_source

    source = read_source(asked.model)
    if isinstance(source, Diagnostic):
        raise SpecError([source])
    if is_solver(parse(source)):
        solved = import_solver(source, asked.sizes, TrainingData(asked.data, _samples(asked)))
        found, rows, told, sources = solved.network, solved.rows, solved.told, solved.sources
    else:
        if asked.data or asked.samples is not None:
            raise click.UsageError("--data and --samples are for a solver, which says how a network is trained")
        found = import_prototxt(source, asked.sizes)
        rows, told, sources = (), found.told, {source.name: source.text}
    spec = load_spec(Source(str(asked.output), found.written.text))
    write_output(asked.output, found.written.text.encode(), folders=True)
    parameters = sum(math.prod(slot.param.shape) for slot in spec.graph.slots)
    facts = {"layers": len(spec.graph.nodes), "parameters": parameters, "dialect": found.written.dialect}
    return Report("caffe", (asked.output,), (*rows, *found.rows), facts, told, sources)


def _samples(asked: Asked) -> int | None:
    """Of the training part, as it was said, or as the data is known to have."""
    from netspec.core.declare import REGISTRIES

    declared = REGISTRIES["source"].public()
    known = {each.name: int(getattr(each.make, "training_samples", 0)) for each in declared}
    known = {name: samples for name, samples in known.items() if samples}
    if asked.data and asked.data not in known:
        raise click.UsageError(f"--data {asked.data!r} is none of the sets that are known: {', '.join(sorted(known))}")
    return asked.samples or (known.get(asked.data))


KINDS: Mapping[str, Callable[[Asked], Report]] = {".onnx": _from_onnx, ".prototxt": _from_prototxt}
"""By the ending of the file, what makes a spec of it."""


def _text(found: Report) -> str:
    """The report: every part, and how well the two agree."""
    from netspec.cli.tables import columns
    from netspec.diagnostics.text import escape

    lines = []
    if found.parts:
        rows = [tuple(found.parts[0])]
        rows += [tuple(map(_cell, part.values())) for part in found.parts]
        lines = [*columns(rows, right=(0,)), ""]
    facts = "".join(f", {name} {_cell(value)}" for name, value in found.facts.items())
    lines.append(f"wrote {escape(', '.join(map(str, found.files)))}{facts}")
    if found.error is not None:
        allowed = f"of the largest number (at most {TOLERANCE:g} is allowed)"
        lines.append(f"agrees with ONNX Runtime within {found.error:.1e} {allowed}")
    if found.uncompared:
        lines.append(f"not compared: {escape(found.uncompared)}")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
