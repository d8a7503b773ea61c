"""``netspec explain``: the formulas behind a layer's numbers, or the page of a code."""

from __future__ import annotations

import json
import re
import textwrap

import click

from netspec.analysis.errata import common_mistakes
from netspec.analysis.explain import explain_layer, find_layer
from netspec.analysis.lightweight import LighterForm, int_of, lighter_forms
from netspec.cli.common import check_code, format_option, load, set_option
from netspec.core.formulas import Formula, times
from netspec.core.graph import Node
from netspec.diagnostics.catalogue import Templates, lookup
from netspec.lint.engine import load_rules
from netspec.syntax.suggestions import NAMES_SHOWN, did_you_mean

WIDTH = 100
"""Characters of a line of prose."""

_CODE = re.compile(r"[A-Z]{2,}\d+")


@click.command("explain")
@click.argument("subject")
@click.argument("layer", required=False)
@set_option
@format_option
def command(subject: str, layer: str | None, overrides: tuple[str, ...], format_: str) -> None:
    """How a layer's numbers came to be, or what a code means.

    SUBJECT is a spec, followed by the LAYER's path, or a code such as NS201. For a layer: the formulas with its
    numbers, and the mistakes that are often made with them.

    \b
    Example:
      netspec explain zoo:lenet5 conv
      netspec explain NS301
    """
    if layer is None:
        asked = subject.upper()
        if not _CODE.fullmatch(asked):
            raise click.UsageError("name a layer after the spec, or a code such as NS201")
        check_code(asked)
        click.echo(
            json.dumps(_page_document(asked), indent=2, ensure_ascii=False) if format_ == "json" else _page(asked)
        )
        return
    spec = load(subject, overrides)
    node = find_layer(spec.graph, layer)
    if node is None:
        paths = [n.path for n in spec.graph.nodes]
        inside = [path for path in paths if path.startswith(f"{layer}/")]
        if inside:
            raise click.UsageError(
                f"{layer!r} is made of several layers: explain one of {', '.join(inside[:NAMES_SHOWN])}"
            )
        raise click.UsageError(f"{spec.name!r} has no layer {layer!r}; {did_you_mean(layer, paths)}")
    formulas, lighter = explain_layer(node), lighter_forms(spec.graph, node)
    if format_ == "json":
        click.echo(json.dumps(_document(node, formulas, lighter), indent=2, ensure_ascii=False))
    else:
        click.echo(_text(node, formulas, lighter))


def _page(code: str) -> str:
    page = _page_document(code)
    return f"{code} ({page['severity']}): {page['title']}\n\n{page['page']}"


def _page_document(code: str) -> dict[str, object]:
    """What is known of a code; its page is that of its rule, else the wording of its messages."""
    entry, rule = lookup(code), load_rules().get(code)
    page = rule.page if rule else "\n".join(_wordings("It says", entry.message) + _wordings("It advises", entry.help))
    return {"version": 1, "code": code, "severity": entry.severity, "title": entry.title, "page": page}


def _wordings(head: str, templates: Templates) -> list[str]:
    """The templates of a message or of a help, what is filled in shown as ``<kernel>``."""
    alternatives = [templates] if isinstance(templates, str) else list(templates)
    shown = [re.sub(r"\{(\w+)[^}]*\}", r"<\1>", template) for template in alternatives]
    return [f"{head if number == 0 else 'or'}: {text}" for number, text in enumerate(shown)]


def _document(node: Node, formulas: tuple[Formula, ...], lighter: tuple[LighterForm, ...]) -> dict[str, object]:
    return {
        "version": 1,
        "layer": node.path,
        "formulas": [_plain(f) for f in formulas],
        "lighter": [form._asdict() | {"params": _plain(form.params), "macs": _plain(form.macs)} for form in lighter],
        "common_mistakes": [mistake._asdict() for mistake in common_mistakes(node)],
    }


def _plain(formula: Formula) -> dict[str, object]:
    return {
        "quantity": formula.quantity,
        "formula": formula.symbolic,
        "substituted": formula.substituted,
        "result": formula.result,
        "remark": formula.remark,
    }


def _text(node: Node, formulas: tuple[Formula, ...], lighter: tuple[LighterForm, ...]) -> str:
    inputs = ", ".join(times(v.type.shape) for v in node.data)
    lines = [f"{node.path} ({node.op.name}): {inputs} -> {times(node.output.type.shape)}", node.op.doc]
    for f in formulas:
        result = f"{f.result:,}" if isinstance(f.result, int) else times(f.result)
        lines += ["", f"  {f.quantity}", f"    = {f.symbolic}", f"    = {f.substituted}", f"    = {result}"]
        if f.remark:
            lines.append(f"    ({f.remark})")
    for form in lighter:
        lines += ["", *_paragraph(f"Lighter, {form.name}: {form.written}", "  ")]
        for f, now in ((form.params, form.params_now), (form.macs, form.macs_now)):
            lines += [f"    {f.quantity}", f"      = {f.symbolic}", f"      = {f.substituted}"]
            lines += [f"      = {int_of(f):,}, {int_of(f) / now:.1%} of {now:,}"]
        lines += _paragraph(f"({form.remark})", "    ")
    for mistake in common_mistakes(node):
        lines += ["", *_paragraph(f"Common mistake: {mistake.claim}", "  "), *_paragraph(f"{mistake.why}.", "    ")]
    return "\n".join(lines)


def _paragraph(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)
