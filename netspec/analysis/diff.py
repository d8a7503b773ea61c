"""What changed from one spec to another: layers, totals, and how the network is trained."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple

from netspec.analysis.cost import Cost, LayerCost, cost
from netspec.analysis.describe import describe, show_value
from netspec.core.declare import attributes_of, declaration_of
from netspec.core.formulas import times
from netspec.core.graph import Graph, Node
from netspec.declarations.recipe import Recipe
from netspec.syntax.spec import Spec

Kind = Literal["added", "removed", "changed", "renamed"]
Side = int | str | None
"""A value before or after: a count, what it is in words, or nothing where there is none."""


class Change(NamedTuple):
    """One thing that is not as it was."""

    what: str
    before: Side
    after: Side


class LayerChange(NamedTuple):
    """A layer that came, went, or is not as it was. ``name`` is its path now, ``was`` its path before."""

    kind: Kind
    name: str | None
    was: str | None
    op: str
    changes: tuple[Change, ...]


class Difference(NamedTuple):
    """All that differs. ``totals`` holds every total, equal or not; ``network`` inputs and heads."""

    layers: tuple[LayerChange, ...]
    totals: tuple[Change, ...]
    network: tuple[Change, ...]
    recipe: tuple[Change, ...]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.layers or self.network or self.recipe or any(t.before != t.after for t in self.totals))


class _Layer(NamedTuple):
    node: Node
    cost: LayerCost

    @property
    def place(self) -> tuple[str, str]:
        """What it is called and what it does, whatever its attributes are."""
        return self.node.path, self.node.op.name

    @property
    def written(self) -> str:
        """The layer's own name, where a person gave it one."""
        name = self.node.path.rpartition("/")[2]
        numbered = name.removeprefix(self.node.op.name)
        return "" if numbered != name and (numbered.isdigit() or not numbered) else name


Sources = Mapping[str, tuple[str, ...]]
Pair = tuple[_Layer | None, _Layer | None]

KEYS: tuple[Callable[[_Layer], Hashable], ...] = (
    lambda layer: (layer.node.attrs, layer.written),
    lambda layer: layer.node.attrs,
    lambda layer: layer.node.path,
    lambda layer: layer.node.op.name,
)
"""What makes two layers the same one, first what says most. A number in a name that was not written says little: one
more layer before it changes it."""


def compare(before: Spec, after: Spec) -> Difference:
    """What changed from ``before`` to ``after``; both are without mistakes."""
    costs = cost(before.graph, before.train_only), cost(after.graph, after.train_only)
    return Difference(
        tuple(_layers((before.graph, after.graph), costs)),
        tuple(_totals(*costs)),
        tuple(_differing(_shapes(before.graph), _shapes(after.graph))),
        tuple(_recipe(before.recipe, after.recipe)),
    )


def _layers(graphs: tuple[Graph, Graph], costs: tuple[Cost, Cost]) -> Iterator[LayerChange]:
    old, new = (
        [_Layer(*pair) for pair in zip(graph.nodes, table.layers, strict=True)]
        for graph, table in zip(graphs, costs, strict=True)
    )
    pairs = list(_aligned(old, new, KEYS))
    sources = _sources(graphs[0]), _sources(graphs[1])
    partner = {a.node.path: b.node.path for a, b in pairs if a is not None and b is not None}
    for a, b in pairs:
        if a is None or b is None:
            yield _one_sided(a, b)
            continue
        found = [*_differing(_facts(a), _facts(b)), *_wiring(a, b, sources, partner)]
        kind: Kind = "changed" if found else "renamed"
        if a.node.path != b.node.path and b.cost.params:  # of others the path matters to nobody
            found.append(Change("name", a.node.path, b.node.path))
        if found:
            yield LayerChange(kind, b.node.path, a.node.path, b.node.op.name, tuple(found))


def _aligned(old: Sequence[_Layer], new: Sequence[_Layer], keys: Sequence[Callable[[_Layer], Hashable]]) -> list[Pair]:
    """The layers of both, in order, each beside its partner; alignment by the first key, in its gaps by the next."""
    if not keys or not old or not new:
        return [*((a, None) for a in old), *((None, b) for b in new)]
    if [layer.place for layer in old] == [layer.place for layer in new]:  # no layer came or went, such as under widths
        return list(zip(old, new, strict=True))
    key, pairs = keys[0], list[Pair]()
    matcher = SequenceMatcher(None, [key(a) for a in old], [key(b) for b in new], autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            pairs += zip(old[i:j], new[k:m], strict=True)
        else:
            pairs += _aligned(old[i:j], new[k:m], keys[1:])
    return pairs


def _one_sided(a: _Layer | None, b: _Layer | None) -> LayerChange:
    layer = b or a
    assert layer is not None
    sides = [[None if x is None else value for x in (a, b)] for value in _facts(layer).values()]
    changes = tuple(Change(what, *values) for what, values in zip(_facts(layer), sides, strict=True))
    kind: Kind = "removed" if b is None else "added"
    return LayerChange(kind, b and b.node.path, a and a.node.path, layer.node.op.name, changes)


def _facts(layer: _Layer) -> dict[str, Side]:
    """What is compared: the op, its attributes, the shape that leaves it, its counts."""
    node, counts = layer.node, layer.cost
    attributes: dict[str, Side] = {
        name: value if isinstance(value, int) and not isinstance(value, bool) else show_value(value)
        for name, value in attributes_of(node.attrs).items()
        if value is not None
    }
    resting = counts.params - counts.params_trained
    counted: dict[str, Side] = {"params": counts.params, "params_not_trained": resting, "macs": counts.macs}
    return {"op": node.op.name, **attributes, "output": times(counts.output), **counted}


def _sources(graph: Graph) -> Sources:
    """What every layer takes: paths of layers, or names of inputs in brackets, which no path is."""
    made = {value: f"[{value.name}]" for value in graph.inputs}
    made |= {value: node.path for node in graph.nodes for value in node.outputs}
    return {node.path: tuple(made[value] for value in node.data if value in made) for node in graph.nodes}


def _wiring(a: _Layer, b: _Layer, sources: tuple[Sources, Sources], partner: Mapping[str, str]) -> Iterator[Change]:
    """Whether a layer takes other layers than it did, all of which are there in both; else that is said of them."""
    old, new = sources[0][a.node.path], sources[1][b.node.path]
    kept = set(partner.values())
    moved = tuple(partner.get(name, name if name.startswith("[") else "") for name in old)
    if moved != new and all(moved) and all(name in kept or name.startswith("[") for name in new):
        yield Change("from", ", ".join(old), ", ".join(new))


def _totals(before: Cost, after: Cost) -> Iterator[Change]:
    yield Change("layers", len(before.layers), len(after.layers))
    for name in ("params", "params_trained", "params_statistics", "params_frozen", "macs", "flops", "activation_bytes"):
        yield Change(name, getattr(before.totals, name), getattr(after.totals, name))


def _shapes(graph: Graph) -> dict[str, Side]:
    inputs: dict[str, Side] = {f"input {value.name}": str(value.type) for value in graph.inputs}
    return inputs | {f"head {name}": str(value.type) for name, value in graph.heads.items()}


def _differing(before: Mapping[str, Side], after: Mapping[str, Side]) -> Iterator[Change]:
    for what in dict.fromkeys((*before, *after)):
        change = Change(what, before.get(what), after.get(what))
        if change.before != change.after:
            yield change


def _recipe(before: Recipe, after: Recipe) -> Iterator[Change]:
    """The keys of ``train:`` that differ; of what is the same thing with other attributes, those attributes."""
    for field in (each for each in fields(Recipe) if each.compare):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new:
            continue
        if _same_thing(old, new):
            pairs = ({f"{field.name}.{k}": show_value(v) for k, v in attributes_of(x).items()} for x in (old, new))
            yield from _differing(*pairs)
        else:
            yield Change(field.name, _in_words(old), _in_words(new))


def _same_thing(old: Any, new: Any) -> bool:
    declared = hasattr(type(old), "declaration") and hasattr(type(new), "declaration")
    return declared and declaration_of(old) is declaration_of(new)


def _in_words(value: Any) -> Side:
    """A value of the recipe: a number, a declared thing with its attributes, or a list of these."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if hasattr(type(value), "declaration"):
        return describe(value)
    if isinstance(value, tuple):
        return "; ".join(str(_in_words(part)) for part in _unnamed(value)) or None
    return show_value(value)


def _unnamed(values: tuple[Any, ...]) -> Iterator[Any]:
    """The members of a list, without the names that some lists keep beside them."""
    for value in values:
        yield value[1] if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) else value
