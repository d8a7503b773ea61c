"""The page of an op: attributes, an example with its shapes and formulas, what it computes, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from netspec.analysis.explain import explain_layer
from netspec.analysis.pages.examples import example_graph, example_spec
from netspec.analysis.pages.markup import GENERATED, attribute_table, block, code, escaped, formula, table
from netspec.analysis.pages.refusals import refusals
from netspec.core import op as ops
from netspec.core.builder import Builder
from netspec.core.declare import Declaration
from netspec.core.formulas import times
from netspec.core.graph import Graph, Node
from netspec.diagnostics.catalogue import lookup

_FORMS = {"lower": "It is run as", "training": "While training it is", "inference": "When training is over it is"}


def op_page(declaration: Declaration) -> str:
    """The page in Markdown of an op that a spec may name."""
    graph = example_graph(declaration)
    node = next(node for node in graph if node.op is declaration)
    sections = [
        GENERATED,
        f"# {code(declaration.name)}",
        escaped(declaration.doc),
        *_section("Attributes", attribute_table(declaration) if declaration.attributes else "None."),
        *_section("Example", f"{block('yaml', example_spec(declaration))}\n\n{_layers(graph)}"),
        *_section("Formulas", _formulas(node)),
        *_section("Parameters", _parameters(node)),
        *_section("What it computes", _computed(graph, node)),
        *_section("What it refuses", _refused(declaration)),
    ]
    return "\n\n".join(sections) + "\n"


def op_index(declarations: Iterable[Declaration]) -> str:
    """The list of all pages."""
    rows = [(f"[{code(d.name)}]({d.name}.md)", escaped(d.doc)) for d in declarations]
    return f"{GENERATED}\n\n# Layers\n\n{table(('layer', 'what it does'), rows)}\n"


def _section(title: str, text: str) -> tuple[str, ...]:
    return (f"## {title}", text) if text else ()


def _layers(graph: Graph) -> str:
    rows = []
    for node in graph:
        data, outputs = tuple(v.type for v in node.data), tuple(v.type for v in node.outputs)
        stored = sum(math.prod(param.shape) for param in ops.params(node.attrs, data).values())
        macs = ops.macs(node.attrs, data, outputs)
        rows.append((code(node.path), times(node.output.type.shape), f"{stored:,}", f"{macs:,}"))
    return table(("layer", "output", "parameters", "MACs"), rows)


def _formulas(node: Node) -> str:
    """What the op says of its numbers, in the example."""
    rows = [
        (escaped(f.quantity), escaped(f.symbolic), f"{escaped(f.substituted)} = {f.result}", escaped(f.remark))
        for f in explain_layer(node)
    ]
    return table(("quantity", "formula", "in the example", ""), rows) if rows else ""


def _parameters(node: Node) -> str:
    wanted = ops.params(node.attrs, tuple(v.type for v in node.data))
    rows = []
    for name, param in wanted.items():
        start = param.initializer if isinstance(param.initializer, str) else repr(param.initializer)
        rows.append((code(name), times(param.shape), code(start), "yes" if param.trained else "no"))
    return table(("name", "shape in the example", "starts as", "trained"), rows) if rows else ""


def _computed(graph: Graph, node: Node) -> str:
    """Its expression, and the ops that stand for it in each form of the network."""
    lines = []
    if ops.is_elementwise(node.attrs):
        (value,) = node.attrs.expressions(len(node.inputs))
        lines.append(f"Number by number, {code(f'y = {formula(value)}')}.")
    for method, words in _FORMS.items():
        if node.op.has(method):
            lines.append(f"{words} {_made(graph, partial(getattr(node.attrs, method), node=node))}.")
    if node.op.has("grad"):
        where = "As it stands, in a layer that is frozen, its" if node.op.has("training") else "Its"
        lines.append(f"{where} gradient is {_made(graph, partial(_gradient, node=node))}.")
    return "\n\n".join(lines)


def _gradient(g: Builder, node: Node) -> None:
    g.region = "backward"
    arriving = [g.value("dy", value.type) for value in node.outputs]
    node.attrs.grad(g, node, *arriving)


def _made(graph: Graph, make: Callable[[Builder], Any]) -> str:
    """The ops that ``make`` adds to the network."""
    g = Builder.continuing(graph, graph.nodes)
    make(g)
    added = dict.fromkeys(new.op.name for new in g.nodes[len(graph.nodes) :])
    return ", ".join(map(code, added)) or "what comes in, as it is"


def _refused(declaration: Declaration) -> str:
    rows = [(code(each), escaped(lookup(each).title)) for each in refusals(declaration)]
    return table(("code", "what is wrong"), rows) if rows else ""
