"""Inlay hints: behind every layer the shape of what leaves it and its parameters, at blocks their sums."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from netspec.core.formulas import times
from netspec.diagnostics import Span
from netspec.lint.facts import Facts
from netspec.lsp.documents import Documents, Examined
from netspec.syntax.spec import LayerLine


class Hint(NamedTuple):
    """A text that an editor shows at the end of a place."""

    span: Span
    text: str


class Uses(NamedTuple):
    """The key of a layer and the layers that it became: one, or as many as the block around it has uses.

    ``copies`` are the same with each copy of a repeated layer in the place of all of them.
    """

    span: Span
    lines: tuple[LayerLine, ...]
    copies: tuple[LayerLine, ...]


def hints(documents: Documents, name: str) -> list[Hint]:
    """The hints of an open text; of one that cannot be read those of the time when it could, where they are now."""
    examined = documents.examined(name)
    good = examined if examined.is_good else documents.good(name)
    if good is None:
        return []
    found = hints_of(good)
    if good is examined:
        return found
    alignment = documents.alignment(name)
    moved = (hint._replace(span=span) for hint in found if (span := alignment.span(hint.span)) is not None)
    return list(moved)


def hints_of(examined: Examined) -> list[Hint]:
    """The hints of a text that could be read."""
    facts, file = examined.facts, examined.source.name
    if facts is None:
        return []
    sums = parameter_sums(facts)
    layers = [Hint(use.span, _layer(use.lines, sums)) for use in uses(facts, file)]
    found = [*layers, *_blocks(examined, facts, sums)]
    crowded = Counter(hint.span.line for hint in found)
    return [
        hint if crowded[hint.span.line] > 1 else hint._replace(span=_whole_line(hint.span, examined))
        for hint in found
        if hint.text
    ]


def parameter_sums(facts: Facts) -> Mapping[str, int]:
    """The parameters of every layer and of everything that layers stand in, by path; shared ones count once."""
    sums: dict[str, int] = defaultdict(int)
    for row in facts.cost.layers:
        path = row.name
        while True:
            sums[path] += row.params
            if "/" not in path:
                break
            path = path.rpartition("/")[0]
    return sums


def uses(facts: Facts, file: str) -> Iterator[Uses]:
    """The keys of layers in a file with the layers that each became."""
    found: dict[Span, dict[str, LayerLine]] = defaultdict(dict)
    for line in facts.spec.layers:
        if line.span.file == file:
            found[line.span][line.path] = line
    for span, lines in found.items():
        around = {path.rpartition("/")[0] for path in lines}
        wholes = tuple(line for path, line in lines.items() if path.rpartition("/")[0] not in lines)
        yield Uses(span, wholes, tuple(line for path, line in lines.items() if path not in around))


def _layer(lines: tuple[LayerLine, ...], sums: Mapping[str, int]) -> str:
    shapes = [times(line.output.type.shape) or "1" for line in lines if line.output is not None]
    if len(shapes) < len(lines) or not shapes:
        return ""
    count = sum(sums.get(line.path, 0) for line in lines)
    distinct = list(dict.fromkeys(shapes))
    shape = distinct[0] if len(distinct) == 1 else f"{distinct[0]} … {distinct[-1]}"
    return shape + (f" · {parameters(count)}" if count else "") + _times_used(len(lines))


def _blocks(examined: Examined, facts: Facts, sums: Mapping[str, int]) -> Iterator[Hint]:
    """At each block what all of its uses hold together."""
    if "blocks" not in examined.source.text:
        return
    calls: dict[str, list[LayerLine]] = defaultdict(list)
    for file in examined.texts:
        for use in uses(facts, file):
            calls[examined.written(use.span)] += use.copies
    for name, block in examined.blocks.items():
        if block.key.file == examined.source.name and name in calls:
            count = sum(sums.get(line.path, 0) for line in calls[name])
            yield Hint(block.key, f"{parameters(count)}{_times_used(len(calls[name]), 0)}")


def parameters(count: int) -> str:
    """How many parameters, in words."""
    return f"{count:,} {'parameter' if count == 1 else 'parameters'}"


def _times_used(count: int, unless: int = 1) -> str:
    return f" in {count} {'use' if count == 1 else 'uses'}" if count > unless else ""


def _whole_line(span: Span, examined: Examined) -> Span:
    """A place that ends where its first line ends, behind the comment that may stand there."""
    end = len(examined.lines[span.line - 1].rstrip()) + 1
    return span._replace(end_line=span.line, end_column=end)
