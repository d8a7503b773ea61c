"""From text to a :class:`Spec`: parse, join files, override, validate, expand; all that is wrong is collected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import netspec.declarations  # noqa: F401  # declares every op, loss, optimiser, ...
from netspec.core.attributes import DIALECTS
from netspec.core.builder import Builder
from netspec.core.declare import declaration_of
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.declarations.recipe import Recipe
from netspec.declarations.transforms import add_to_graph
from netspec.diagnostics import Diagnostic, Diagnostics, Span, SpecError
from netspec.syntax import tree
from netspec.syntax.blocks import Block, check_name, read_blocks, unused_names
from netspec.syntax.environment import RESERVED, Environment
from netspec.syntax.evaluation import whole_number
from netspec.syntax.expectations import expectations
from netspec.syntax.files import Files
from netspec.syntax.layers import LAYER_LIMIT, LayerExpansion
from netspec.syntax.network import Network
from netspec.syntax.schema import with_blocks
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec
from netspec.syntax.training import Expanded, RecipeExpansion
from netspec.syntax.validate import Checker, Violations
from netspec.syntax.values import UNKNOWN, Values
from netspec.syntax.vocabulary import LANGUAGE_VERSION


class ReadOptions(NamedTuple):
    """What a person may allow: paths outside of the root, and more layers than the usual bound.

    ``opened`` are texts that an editor holds, by resolved path, in the place of the files on the disk.
    """

    allow_outside: bool = False
    layer_limit: int = LAYER_LIMIT
    opened: Mapping[Path, str] = {}


READ = ReadOptions()
"""What is allowed unless a person says otherwise."""


def read_spec(
    source: Source, overrides: Sequence[str], diagnostics: Diagnostics, options: ReadOptions = READ
) -> Spec | None:
    """The spec in ``source`` with ``name=value`` overrides; ``None`` if the text is not YAML at all.

    A spec with mistakes is returned as far as it could be understood, and ``diagnostics`` says what is wrong. A file of
    blocks alone, for others to include, is a spec without layers.
    """
    files = Files(diagnostics, options.allow_outside, options.opened)
    root = _read_tree(source, overrides, diagnostics, files)
    if root is None:
        return None
    blocks = read_blocks(root, diagnostics) if isinstance(root, tree.Mapping) else {}
    checker = Checker(diagnostics, with_blocks({name: block.signature for name, block in blocks.items()}))
    root, violations = checker.whole(root)
    if not isinstance(root, tree.Mapping):
        return None
    blocks = read_blocks(root, Diagnostics())  # as mended; what is wrong with their names has been said
    values = Values(violations, diagnostics, _dialect(root, violations))
    _check_version(root, diagnostics)
    variables = _variables(root, values)
    builder = Builder(_text(root, "name") or Path(source.name).stem)
    expansion = LayerExpansion(builder, values, checker, variables, blocks, root, options.layer_limit)
    network = Network(root, values, expansion, builder)
    is_library = blocks and not {"layers", "input", "inputs", "heads", "train"} & root.by_name.keys()
    if not is_library:
        network.expand(variables)
    recipe, spans, items = _training(root, values, variables, network, builder, diagnostics)
    expected = expectations(_value(root, "expect"), values, variables, diagnostics)
    _unused(root, values, expansion, blocks, source.name)
    if files.lacking:  # an unknown op may be a block of the file that could not be read
        diagnostics.discard(lambda diagnostic: diagnostic.code == "NS104" and not diagnostic.fields.get("suggestion"))
    return Spec(
        name=builder.name,
        doc=_text(root, "doc") or "",
        file=source.name,
        text=source.text,
        graph=builder.graph(network.heads, network.heads),
        recipe=recipe,
        expectations=expected,
        layers=tuple(expansion.lines),
        recipe_spans=spans,
        recipe_items=items,
        overrides=tuple(overrides),
        vars=variables.values,
        dialect=values.dialect,
        inputs=network.inputs,
        listing=network.listing,
        records=expansion.records,
        head_listings=network.head_listings,
        head_sources=network.head_sources,
        complete=expansion.placement.complete and bool(network.heads),
        guessed=frozenset(expansion.placement.others),
        cut=frozenset(expansion.placement.cut),
        texts=files.texts,
    )


def _training(
    root: tree.Mapping,
    values: Values,
    variables: Environment,
    network: Network,
    builder: Builder,
    diagnostics: Diagnostics,
) -> Expanded:
    """How the network is trained, and where its parts stand."""
    training = RecipeExpansion(values, diagnostics, variables)
    recipe, spans, items = training.recipe(_value(root, "train"))
    recipe = replace(recipe, heads={head.name: training.head(head) for head in network.written_heads})
    if network.certain_inputs and recipe.preprocess:
        fits = [_fits(recipe, value.type, items["preprocess"], diagnostics) for value in builder.inputs]
        recipe = recipe if all(fits) else replace(recipe, preprocess=())  # nobody is to meet it again
    return Expanded(recipe, spans, items)


def _read_tree(source: Source, overrides: Sequence[str], diagnostics: Diagnostics, files: Files) -> tree.Node | None:
    """The tree of the text, joined with the files that it names, with the overrides put in."""
    parsed = tree.parse(source, diagnostics)
    if parsed is None:
        return None
    root = files.whole(source, Checker(diagnostics).top(parsed.root))
    if overrides:
        from netspec.syntax.overrides import apply_overrides

        root = apply_overrides(root, overrides, diagnostics)
    return root


def load_spec(source: Source, overrides: Sequence[str] = (), options: ReadOptions = READ) -> Spec:
    """The spec in ``source``; a ``SpecError`` with every mistake if it has any, or if it is a file of blocks alone."""
    diagnostics = Diagnostics()
    spec = read_spec(source, overrides, diagnostics, options)
    if spec is not None and spec.listing is None and not diagnostics.has_errors:
        diagnostics.append(Diagnostic("NS011", Span.of_file(source.name), {"blocks": "blocks"}))
    if spec is None or diagnostics.has_errors:
        from netspec.syntax.overrides import override_sources

        texts = {source.name: source.text} if spec is None else spec.texts
        raise SpecError(diagnostics, {**texts, **override_sources(overrides)})
    assert spec.complete, "a layer was left out, but no mistake was reported"
    return spec


def _value(root: tree.Mapping, key: str) -> tree.Node | None:
    entry = root.by_name.get(key)
    return None if entry is None else entry.value


def _check_version(root: tree.Mapping, diagnostics: Diagnostics) -> None:
    node = _value(root, "netspec")
    version = whole_number(node.value) if isinstance(node, tree.Scalar) else None
    if node is not None and version is not None and version != LANGUAGE_VERSION:
        diagnostics.append(Diagnostic("NS114", node.span, {"found": version, "expected": LANGUAGE_VERSION}))


def _dialect(root: tree.Mapping, violations: Violations) -> str:
    node = _value(root, "dialect")
    return str(node.value) if isinstance(node, tree.Scalar) and not violations.has(node) else DIALECTS[0]


def _fits(recipe: Recipe, input: TensorType, places: Sequence[Span], diagnostics: Diagnostics) -> bool:
    """Try the transforms on an input of this type: they meet it in the graph only when a step is built."""
    builder = Builder("preprocessing")
    flow = builder.input("input", input)
    for transform, place in zip(recipe.preprocess, places, strict=True):
        try:
            flow = flow if transform.on_host else add_to_graph(transform, builder, flow)
        except ShapeError as error:
            fields = {"transform": declaration_of(transform).name, **error.fields}
            diagnostics.append(Diagnostic(error.code, place, fields))
            return False
    return True


def _text(root: tree.Mapping, key: str) -> str | None:
    node = _value(root, key)
    return node.value if isinstance(node, tree.Scalar) and isinstance(node.value, str) else None


def _variables(root: tree.Mapping, values: Values) -> Environment:
    """``vars`` in order; each may use those before it."""
    found = Environment({})
    node = _value(root, "vars")
    for entry in node.entries if isinstance(node, tree.Mapping) else ():
        if not check_name(entry, "a var", RESERVED, values.diagnostics):
            continue
        refused = values.violations.within(entry.value)
        value = UNKNOWN if refused else values.read(entry.value, found)
        found = found.extended(**{entry.name: value}).marked(entry.name, values.is_guess(entry.value))
    return found


def _unused(
    root: tree.Mapping, values: Values, expansion: LayerExpansion, blocks: Mapping[str, Block], file: str
) -> None:
    """Vars, blocks and arguments of this file that nothing uses; unused blocks are looked through all the same.

    Names are looked for in the text of expressions: a refused value, which is not worked out, uses its names too.
    """
    from netspec.syntax.expressions import expression_words

    mentioned = {w for block in blocks.values() if block.layers for w in _words(block.layers, block.name)}
    for name, block in blocks.items():
        expansion.tell_empty(block.layers, name)
        if name not in expansion.used:
            expansion.try_block(block)
            if "layers" in root.by_name and block.key.file == file and name not in mentioned:
                values.diagnostics.append(Diagnostic("NS128", block.key, {"name": name}))
        if block.key.file == file:
            values.diagnostics.extend(unused_names(block))
    node = _value(root, "vars")
    if isinstance(node, tree.Mapping):
        used = values.used.union(expression_words(root))
        for entry in node.entries:
            if entry.name not in used and entry.name not in RESERVED and entry.key.span.file == file:
                values.diagnostics.append(Diagnostic("NS117", entry.key.span, {"name": entry.name, "kind": "var"}))


def _words(node: tree.Node, without: str) -> Iterator[str]:
    """Every key and every text at and below a node, ``without`` one."""
    if isinstance(node, tree.Scalar):
        if isinstance(node.value, str) and node.value != without:
            yield node.value
    elif isinstance(node, tree.Sequence):
        for item in node.items:
            yield from _words(item, without)
    else:
        for entry in node.entries:
            yield from _words(entry.key, without)
            yield from _words(entry.value, without)
