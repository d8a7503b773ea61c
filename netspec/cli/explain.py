"""``netspec explain``: the formulas behind a layer's numbers, or the page of a code."""

from __future__ import annotations

import json
import re

import click

from netspec.analysis.explain import explain_layer, find_layer
from netspec.cli.common import find_source, format_option, set_option
from netspec.core.formulas import Formula, times
from netspec.core.graph import Node
from netspec.diagnostics.catalogue import lookup
from netspec.lint.engine import load_rules
from netspec.syntax.load import load_spec
from netspec.syntax.suggestions import closest

_CODE = re.compile(r"NS\d{3}")


@click.command("explain")
@click.argument("subject")
@click.argument("layer", required=False)
@set_option
@format_option
def command(subject: str, layer: str | None, overrides: tuple[str, ...], format_: str) -> None:
    r"""How a layer's numbers came to be, or what a code means.

    SUBJECT is a spec, followed by the LAYER's path, or a code such as NS201.

    \b
    Example:
      netspec explain zoo:lenet5 conv
      netspec explain NS301
    """
    if layer is None:
        if not _CODE.fullmatch(subject):
            raise click.UsageError("name a layer after the spec, or a code such as NS201")
        click.echo(_page(subject))
        return
    spec = load_spec(find_source(subject), overrides)
    node = find_layer(spec.graph, layer)
    if node is None:
        paths = [n.path for n in spec.graph.nodes]
        guess = closest(layer, paths)
        ending = f"did you mean {guess!r}?" if guess else f"it has {', '.join(paths[:20])}"
        raise click.UsageError(f"{spec.name} has no layer {layer!r}; {ending}")
    formulas = explain_layer(node)
    if format_ == "json":
        click.echo(json.dumps({"version": 1, "layer": node.path, "formulas": [_plain(f) for f in formulas]}, indent=2))
    else:
        click.echo(_text(node, formulas))


def _page(code: str) -> str:
    entry = lookup(code)
    rule = load_rules().get(code)
    head = f"{code} ({entry.severity}): {entry.title}"
    return f"{head}\n\n{rule.page}" if rule else f"{head}\n\n{entry.message}\n{entry.help or ''}".rstrip()


def _plain(formula: Formula) -> dict[str, object]:
    return {
        "quantity": formula.quantity,
        "formula": formula.symbolic,
        "substituted": formula.substituted,
        "result": formula.result,
        "remark": formula.remark,
    }


def _text(node: Node, formulas: tuple[Formula, ...]) -> str:
    inputs = ", ".join(times(v.type.shape) for v in node.data)
    lines = [f"{node.path} ({node.op.name}): {inputs} -> {times(node.output.type.shape)}", node.op.doc]
    for f in formulas:
        result = f"{f.result:,}" if isinstance(f.result, int) else times(f.result)
        lines += ["", f"  {f.quantity}", f"    = {f.symbolic}", f"    = {f.substituted}", f"    = {result}"]
        if f.remark:
            lines.append(f"    ({f.remark})")
    return "\n".join(lines)
