"""``netspec compile``: check, differentiate and plan; show the graph or the plan."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from netspec.analysis.memory import plan_for
from netspec.backend import find_backend
from netspec.cli.common import (
    backend_option,
    format_option,
    load,
    memory_budget_option,
    set_option,
    spec_argument,
    threads_option,
)
from netspec.core.verify import verify
from netspec.diagnostics import RunError
from netspec.diagnostics.text import escape, size
from netspec.plan import Mode, Plan
from netspec.syntax.source import BUNDLE_SUFFIX
from netspec.syntax.spec import Spec
from netspec.training.threads import available_threads


@click.command("compile")
@spec_argument
@set_option
@backend_option
@threads_option
@memory_budget_option
@format_option
@click.option("--mode", type=click.Choice(["train", "infer"]), default="train", help="A training step, or prediction.")
@click.option("--batch", type=click.IntRange(min=1), help="Largest batch; the spec's if left out.")
@click.option(
    "-o",
    "--output",
    metavar="BUNDLE",
    type=click.Path(path_type=Path),
    help=f"A file, NAME{BUNDLE_SUFFIX}, to write the spec to as it was checked and planned: train takes it, and with "
    "--weights so do eval and predict.",
)
@click.option("--emit", type=click.Choice(["graph", "plan"]), help="Show the graph, or the plan's steps and buffers.")
@click.option("--verify", "check", is_flag=True, help="Check the graph's invariants.")
def command(
    spec: str,
    overrides: tuple[str, ...],
    backend: str,
    threads: int | None,
    memory_budget: int | None,
    format_: str,
    mode: Mode,
    batch: int | None,
    output: Path | None,
    emit: str | None,
    check: bool,
) -> None:
    """Check, differentiate and plan; fill the kernel cache.

    \b
    Example:
      netspec compile zoo:lenet5 --emit plan --batch 64
      netspec compile zoo:lenet5 -o lenet5.netspec
    """
    if output is not None and output.suffix != BUNDLE_SUFFIX:
        raise click.UsageError(f"the name of a bundle ends in {BUNDLE_SUFFIX}: -o {output.stem}{BUNDLE_SUFFIX}")
    loaded = load(spec, overrides)
    loaded = replace(
        loaded,
        recipe=replace(loaded.recipe, batch=batch or loaded.recipe.batch, memory_budget=memory_budget),
    )
    machine, count = find_backend(backend), threads or available_threads()
    plan = plan_for(loaded, machine.target(count), loaded.recipe.batch, mode, loaded.recipe.precision)
    if check:
        verify(plan.graph)
    executable = machine.load(plan, machine.state(plan), count)
    executable.run(
        {}, dict.fromkeys((v.name for v in plan.graph.scalars), 1), plan.batch
    )  # kernels compile when first run
    if output is not None:
        _write(output, loaded, plan)
    if format_ == "json":
        written = {} if output is None else {"bundle": str(output)}
        click.echo(json.dumps({"version": 1, "plan": plan.document(), **written}, indent=2))
    elif emit == "graph":
        click.echo(_graph(plan))
    elif emit == "plan":
        click.echo(_plan(plan))
    else:
        counts = f"{len(plan.steps)} steps, {len(plan.buffers)} buffers, {size(plan.total_bytes)}"
        click.echo(f"{escape(loaded.name)}: {counts} at batch {plan.batch}")
        if output is not None:
            click.echo(f"bundle: {escape(str(output))}")


def _write(path: Path, spec: Spec, plan: Plan) -> None:
    from netspec.training.bundles import encode_bundle
    from netspec.training.files import write_atomic

    try:
        write_atomic(path, encode_bundle(spec, plan))
    except OSError as error:
        raise RunError(f"'{path}' cannot be written: {error.strerror or error}") from error


def _graph(plan: Plan) -> str:
    lines, region = [], ""
    for node in plan.graph.nodes:
        if node.region != region:
            region = node.region
            lines.append(f"{region}:")
        types = ", ".join(str(v.type) for v in node.outputs)
        lines.append(f"  {node!r} : {types}")
    return "\n".join(lines)


def _plan(plan: Plan) -> str:
    lines = [f"arena {plan.arena_bytes:,} bytes, state {plan.state_bytes:,} bytes, batch {plan.batch}", ""]
    for number, step in enumerate(plan.steps):
        scratch = "".join(f" {name}@{plan.buffers[i].offset}" for name, i in step.scratch.items())
        ins, outs = (",".join(f"b{i}" for i in indices) for indices in (step.inputs, step.outputs))
        lines.append(
            f"{number:4} {step.node.region:8} {step.node.op.name:18} {step.node.path:24} {ins} -> {outs}{scratch}"
        )
    lines.append("")
    for b in plan.buffers:
        lines.append(
            f"  b{b.index:<4} {b.kind:8} {b.bytes:>12,} bytes at {b.offset:>12,}  steps {b.first}-{b.last}  {b.name}"
        )
    return "\n".join(lines)
