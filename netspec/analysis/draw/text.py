"""A picture as text for other programs to lay out: Mermaid, which GitHub shows in Markdown, and DOT of Graphviz."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from netspec.analysis.draw.picture import Box, Cluster, Picture, below
from netspec.diagnostics.text import escape


def mermaid(picture: Picture) -> str:
    """The picture as a Mermaid flowchart. Everything but letters, digits and blanks is written as its number."""
    names = _names(picture.root)
    lines = ["flowchart TB", *_mermaid(picture.root, "", names, count(), "  ")]
    lines += [f"  {names[first]} --> {names[last]}" for first, last in picture.edges]
    return "\n".join(lines) + "\n"


def _mermaid(cluster: Cluster, around: str, names: dict[Box, str], numbers: count[int], indent: str) -> Iterator[str]:
    inner = cluster.name if cluster.framed else around
    for item in cluster.items:
        if isinstance(item, Cluster):
            if item.framed:
                yield f'{indent}subgraph c{next(numbers)}["{_numbered(below(item.name, inner))}"]'
            yield from _mermaid(item, inner, names, numbers, indent + "  " * item.framed)
            if item.framed:
                yield f"{indent}end"
        else:
            label = "<br/>".join(_numbered(line) for line in _lines(item, inner))
            shape = '(["{}"])' if item.kind in ("input", "output") else '["{}"]'
            yield f"{indent}{names[item]}{shape.format(label)}"


def _numbered(text: str) -> str:
    """The text with what may be markup as ``#35;``."""
    return "".join(c if c.isalnum() or c in " ,_/" else f"#{ord(c)};" for c in escape(text))


def dot(picture: Picture) -> str:
    """The picture as a DOT digraph, groups as clusters."""
    names = _names(picture.root)
    lines = [
        f"digraph {_quoted(picture.name)} {{",
        '  graph [rankdir=TB, fontname="Helvetica", fontsize=11, color="#a9b3c0", style=rounded];',
        '  node [shape=box, style=rounded, fontname="Helvetica", fontsize=11];',
        '  edge [color="#7f8a98"];',
        *_dot(picture.root, "", names, count(), "  "),
        *(f"  {names[first]} -> {names[last]};" for first, last in picture.edges),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _dot(cluster: Cluster, around: str, names: dict[Box, str], numbers: count[int], indent: str) -> Iterator[str]:
    inner = cluster.name if cluster.framed else around
    for item in cluster.items:
        if isinstance(item, Cluster):
            if item.framed:
                yield f"{indent}subgraph cluster_{next(numbers)} {{"
                yield f"{indent}  label={_quoted(below(item.name, inner))};"
            yield from _dot(item, inner, names, numbers, indent + "  " * item.framed)
            if item.framed:
                yield f"{indent}}}"
        else:
            shape = ", shape=oval" if item.kind in ("input", "output") else ""
            yield f"{indent}{names[item]} [label={_quoted(*_lines(item, inner))}{shape}];"


def _quoted(*lines: str) -> str:
    r"""Lines as one quoted string of DOT, with ``\n`` between them."""
    shown = (escape(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(shown) + '"'


def _names(root: Cluster) -> dict[Box, str]:
    return {box: f"n{number}" for number, box in enumerate(root.boxes())}


def _lines(box: Box, around: str) -> tuple[str, ...]:
    return (below(box.name, around), *box.lines, box.shape)


WRITERS: dict[str, Callable[[Picture], str]] = {"mermaid": mermaid, "dot": dot}
"""What writes a picture as text, by format."""
