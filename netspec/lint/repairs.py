"""Fixes: what a finding advises, as edits of the text at its place.

A finding of the language or of an op says in its fields what would be right; the table ``REPAIRS`` turns that into
edits. A safe repair cannot change what a correct spec means: either there is nothing correct yet, or it means the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from netspec.core.declare import REGISTRIES
from netspec.diagnostics import Diagnostic, Edit, Fix
from netspec.lint.layout import Edits, Page
from netspec.syntax import tree
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec

Repair = Callable[[Diagnostic, Page, Spec | None], Fix | None]


def repaired(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str], spec: Spec | None) -> list[Diagnostic]:
    """The findings, each with its fix where there is one."""
    pages: dict[str, Page] = {}
    found = []
    for diagnostic in diagnostics:
        repair = REPAIRS.get(diagnostic.code)
        file = diagnostic.span.file
        if diagnostic.fix is None and repair is not None and file in texts:
            page = pages.setdefault(file, Page(Source(file, texts[file])))
            diagnostic = replace(diagnostic, fix=repair(diagnostic, page, spec))
        found.append(diagnostic)
    return found


def _suggested(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """Did you mean ...?"""
    word = diagnostic.fields.get("suggestion")
    if not isinstance(word, str):
        return None
    return Fix(f"Write '{word}'", (Edit(diagnostic.span, _as_written(page.written(diagnostic.span), word)),))


def _meant(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """The value that a text was meant to be, without the quotes that may stand around the text."""
    value = diagnostic.fields.get("suggestion")
    return Fix(f"Write {value}", (Edit(diagnostic.span, value),)) if isinstance(value, str) else None


def _separated(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """An op and what follows it, with the colon and the blank between them."""
    layer = diagnostic.fields.get("separated")
    if not isinstance(layer, str):
        return _suggested(diagnostic, page, spec)
    return Fix(f"Write '{layer}'", (Edit(diagnostic.span, layer),))


def _suggested_path(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """Did you mean ...?, where the finding points at what is said of the misspelt path."""
    word = diagnostic.fields.get("suggestion")
    for node in reversed(page.around(diagnostic.span)):
        for entry in node.entries if isinstance(node, tree.Mapping) else ():
            if isinstance(word, str) and entry.value.span == diagnostic.span:
                return Fix(f"Write '{word}'", (Edit(entry.key.span, _as_written(entry.key.raw, word)),))
    return None


def _as_written(old: str, new: str) -> str:
    """The new word in the quotes of the old one."""
    quote = old[:1] if old[:1] in ("'", '"') and old[-1:] == old[:1] and len(old) > 1 else ""
    return f"{quote}{new}{quote}"


def _named(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """A misspelt name, or a name to be written at the layer that has it by its place only."""
    name = diagnostic.fields.get("automatic")
    if not isinstance(name, str):
        return _suggested(diagnostic, page, spec)
    lines = [] if spec is None else [line for line in spec.layers if line.path == name]
    if len(lines) != 1 or lines[0].span.file != page.source.name:
        return None
    layer = page.layer(lines[0].span)
    return _fix(f"Write 'name: {name}'", page.beside(layer, "name", name) if layer else None)


def _free_name(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """Another name for the second layer of a name; what refers to it may mean either."""
    found = _suggested(diagnostic, page, spec)
    return found and found._replace(safe=False)


def _shape(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """A shape as it should be; one that holds names is left to the person."""
    shape = diagnostic.fields.get("suggestion")
    if not isinstance(shape, str) or "$" in page.written(diagnostic.span):
        return None
    return _fix(f"Write {shape}", (Edit(diagnostic.span, shape),))


def _depth(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """Keys moved to where they belong."""
    keys, op = diagnostic.fields.get("keys"), diagnostic.fields.get("op")
    inside = str(diagnostic.fields.get("depth", "")).startswith("too deep")
    if not isinstance(keys, list) or not isinstance(op, str):
        return None
    for node in reversed(page.around(diagnostic.span)):
        entry = node.by_name.get(op) if isinstance(node, tree.Mapping) else None
        layer = page.layer(entry.key.span) if entry is not None else None
        if layer is not None:
            edits = page.moved_out(layer, keys) if inside else page.moved_in(layer, keys, _main(op, spec))
            return _fix("Put it beside the op" if inside else "Put it into the op's mapping", edits)
    return None


def _main(op: str, spec: Spec | None) -> str | None:
    declaration = REGISTRIES["op"].get(op)
    return None if declaration is None else declaration.main


def _quoted_key(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    key = diagnostic.fields.get("key")
    return _fix("Put the key in quotes", (Edit(diagnostic.span, f"'{key}'"),)) if isinstance(key, str) else None


def _missing_key(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """The one key that has one value only."""
    root = page.root
    if diagnostic.fields.get("key") != "netspec" or not isinstance(root, tree.Mapping) or not root.entries:
        return None
    start = root.entries[0].key.span
    if start.column != 1 or page.written(root.span)[:1] == "{":
        return None
    place = start._replace(end_line=start.line, end_column=1)
    return _fix("Begin with 'netspec: 1'", (Edit(place, "netspec: 1\n"),))


def _same_padding(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """Padding that lets the window fit; a smaller window or less pooling before it would as well."""
    if diagnostic.fields.get("same") is None:
        return None
    return _with_attribute(diagnostic, page, "padding", "same", safe=False)


def _flattened(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    layer = page.layer(diagnostic.span)
    return _fix("Put 'flatten' before it", page.before(layer, "flatten") if layer else None)


def _activated(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    layer = page.layer(diagnostic.span)
    return _fix("Put 'relu' before it", page.before(layer, "relu") if layer else None, safe=False)


def _without_bias(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """No bias: the network computes what it did before, but it has other parameters than ``expect`` may say."""
    counted = spec is not None and any(e.subject in ("params", "params_trained") for e in spec.expectations)
    return _with_attribute(diagnostic, page, "bias", "false", safe=not counted)


def _classes(diagnostic: Diagnostic, page: Page, spec: Spec | None) -> Fix | None:
    """As many outputs as the data has classes, where a number is written."""
    old = page.written(diagnostic.span)
    if not old.isdecimal():
        return None
    classes = str(diagnostic.fields["classes"])
    return _fix(f"Write {classes}", (Edit(diagnostic.span, classes),))


def _with_attribute(diagnostic: Diagnostic, page: Page, name: str, value: str, safe: bool = True) -> Fix | None:
    """An attribute of the op that the finding is about, which may point at the op or at one of its attributes."""
    for node in reversed(page.around(diagnostic.span)):
        for entry in node.entries if isinstance(node, tree.Mapping) else ():
            declaration = REGISTRIES["op"].get(entry.name)
            layer = page.layer(entry.key.span)
            if declaration is not None and declaration.attribute(name) is not None and layer is not None:
                return _fix(f"Write '{name}: {value}'", page.with_attribute(layer, name, value, declaration.main), safe)
    return None


def _fix(title: str, edits: Edits | None, safe: bool = True) -> Fix | None:
    return Fix(title, edits, safe) if edits else None


REPAIRS: Mapping[str, Repair] = {
    "NS013": _quoted_key,
    "NS101": _suggested,
    "NS102": _meant,
    "NS103": _missing_key,
    "NS104": _separated,
    "NS107": _suggested,
    "NS109": _suggested,
    "NS111": _free_name,
    "NS118": _depth,
    "NS201": _same_padding,
    "NS205": _flattened,
    "NS206": _named,
    "NS207": _shape,
    "NS208": _shape,
    "NS209": _suggested_path,
    "NS301": _activated,
    "NS303": _without_bias,
    "NS501": _classes,
    "NS502": _shape,
}
"""What mends a finding, by its code."""

_MENDED_WHERE_FOUND = ("NS115", "NS129")
"""Findings that bring their fix with them."""


def mendable(code: str) -> bool:
    """Whether some finding of this code has a fix."""
    return code in REPAIRS or code in _MENDED_WHERE_FOUND
