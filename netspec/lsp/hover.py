"""What an editor shows of the word under the cursor, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from netspec.analysis.errata import common_mistakes
from netspec.analysis.explain import explain_layer
from netspec.analysis.pages.markup import attribute_table, block, code, escaped, written
from netspec.core.declare import REGISTRIES, Declaration
from netspec.core.formulas import Formula, times
from netspec.core.graph import Node
from netspec.diagnostics import Span
from netspec.lsp.documents import Documents, Examined
from netspec.lsp.hints import parameter_sums, parameters, uses
from netspec.lsp.mentions import Name
from netspec.lsp.place import Place, Schema, layer_schema, locate
from netspec.syntax import tree
from netspec.syntax.vocabulary import MODIFIERS, REQUIRED


class Hover(NamedTuple):
    """The word that is explained, and the explanation in Markdown."""

    span: Span
    markdown: str


def hover(documents: Documents, name: str, line: int, column: int) -> Hover | None:
    """What is said of the word at a place of an open text, as it is now or was when it could last be read."""
    good = documents.good(name)
    then = documents.alignment(name).then(line)
    if good is None or then is None or good.root is None:
        return None
    place = locate(good.root, good.schema, then, column)
    if place.key is None and place.value is None:
        return None
    text = "\n\n".join(_said(good, place, then, column))
    span = documents.alignment(name).span(place.span)
    return Hover(span, text) if text and span is not None else None


def _said(examined: Examined, place: Place, line: int, column: int) -> Iterator[str]:
    op = _op_key(place, examined.schema)
    mention = next(iter(examined.index.at(examined.source.name, line, column)), None)
    if op is not None:
        yield from _layer(examined, op)
    elif mention is not None:
        yield from _name(examined, mention.name)
    elif place.key is not None:
        yield from describe(place.key.name, place.key_schema())
    elif place.value is not None:
        yield from _value(place, place.value)


def _op_key(place: Place, schema: Schema) -> tree.Scalar | None:
    """The op of a layer, if the cursor is on it."""
    if place.steps[-1].schema is not layer_schema(schema):
        return None
    if place.value is not None:
        return place.value
    return place.key.key if place.key is not None and place.key.name not in MODIFIERS else None


def _layer(examined: Examined, key: tree.Scalar) -> Iterator[str]:
    """An op or a block, and what it came to here."""
    declaration = REGISTRIES["op"].get(str(key.value))
    if str(key.value) in examined.blocks:
        yield from _block(examined, str(key.value))
    elif declaration is not None:
        yield f"**{code(declaration.name)}** {escaped(declaration.doc)}"
    facts = examined.facts
    found = next((use for use in uses(facts, examined.source.name) if use.span == key.span), None) if facts else None
    if facts is None or found is None:
        return
    lines = found.lines
    nodes = {node.path: node for node in facts.graph.nodes}
    node = next((nodes[line.path] for line in found.copies if line.path in nodes), None)
    if node is not None:
        yield from formulas(node)
        if len(found.copies) > 1:
            yield f"This is {code(found.copies[0].path)}, the first of {len(found.copies)} that stand for this line."
    elif lines[0].output is not None:
        count = parameter_sums(facts).get(lines[0].path, 0)
        yield f"{code(lines[0].path)}: {code(times(lines[0].output.type.shape))}, {parameters(count)}"


def formulas(node: Node) -> Iterator[str]:
    """How the numbers of a layer came to be, and the mistakes that are often made with them."""
    inputs = ", ".join(times(value.type.shape) for value in node.data)
    yield f"{code(node.path)}: {code(f'{inputs} -> {times(node.output.type.shape)}')}"
    found = explain_layer(node)
    if found:
        yield "\n".join(("```text", *(line for formula in found for line in _formula(formula)), "```"))
    for mistake in common_mistakes(node):
        yield f"*Common mistake:* {escaped(mistake.claim)}  \n{escaped(mistake.why)}."


def _formula(formula: Formula) -> Iterator[str]:
    result = f"{formula.result:,}" if isinstance(formula.result, int) else times(formula.result)
    remark = f"   ({formula.remark})" if formula.remark else ""
    yield f"{formula.quantity} = {formula.symbolic}"
    yield f"{' ' * len(formula.quantity)} = {formula.substituted} = {result}{remark}"


def _name(examined: Examined, name: Name) -> Iterator[str]:
    """A block, a var, an argument, or a layer that is named."""
    facts = examined.facts
    if name.kind == "block":
        yield from _block(examined, name.name)
    if name.kind == "var" and not name.scope and facts is not None and facts.spec.vars is not None:
        yield f"var {code(name.name)} = {code(written(facts.spec.vars.get(name.name)))}"
    elif name.kind == "layer":
        paths = [] if facts is None else [line for line in facts.spec.layers if line.path.split("/")[-1] == name.name]
        for line in paths[:1]:
            shape = "" if line.output is None else f": {code(times(line.output.type.shape))}"
            yield f"layer {code(line.path)}{shape}"
    elif name.scope:
        yield f"{'argument' if name.kind == 'argument' else 'var'} {code(name.name)} of block {code(name.scope)}"


def _block(examined: Examined, name: str) -> Iterator[str]:
    """A block with its arguments and what is said of it."""
    block = examined.blocks.get(name)
    if block is None:
        return
    arguments = ", ".join(
        f"{name}{'' if block.requires(name) else f' = {_plain(entry.value)}'}" for name, entry in block.args.items()
    )
    yield f"block **{code(block.name)}** {code(f'({arguments})')}"
    doc = tree.find(examined.trees[block.key.file], ("blocks", name, "doc"))
    if doc is not None and isinstance(doc.node, tree.Scalar):
        yield escaped(str(doc.node.value))


def _plain(node: tree.Node) -> str:
    value = tree.to_plain(node)
    return written(tuple(value) if isinstance(value, list) else value)


def describe(name: str, schema: Schema) -> Iterator[str]:
    """What the schema says of a key: what it means, what it takes, what holds where it is not written."""
    if "description" in schema:
        yield f"**{code(name)}** {escaped(str(schema['description']))}"
    if "title" in schema:
        default = schema.get("default", REQUIRED)
        ending = "" if default == REQUIRED else f"; by default {code(written(default))}"
        yield f"Takes {escaped(str(schema['title']))}{ending}."


def _value(place: Place, value: tree.Scalar) -> Iterator[str]:
    """A value that is a word of the language: an optimiser, a loss, a choice."""
    step = place.steps[-1]
    known = step.schema.get("properties", {}).get(value.value)
    if known is not None:
        yield from describe(str(value.value), known)
    elif step.entry is not None:
        yield from describe(step.entry.name, step.schema)


@cache  # the same hundred of them are asked for at every word
def declaration_text(declaration: Declaration) -> str:
    """An op as completion shows it: what it is for, its attributes, an example."""
    parts = [escaped(declaration.doc), attribute_table(declaration) if declaration.attributes else ""]
    parts.append(block("yaml", declaration.example) if declaration.example else "")
    return "\n\n".join(part for part in parts if part)
