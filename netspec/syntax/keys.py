"""Keys that the language does not know: each is reported, and taken for the one that it most likely stands for.

This comes before validation. JSON Schema looks at nothing below an unknown key, and it would report a misspelt
``kernel`` a second time, as missing. In the tree that is returned the name of such an entry is the guess; its key
scalar still holds what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from netspec.core.declare import REGISTRIES
from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax import tree
from netspec.syntax.expressions import is_expression
from netspec.syntax.suggestions import closest, plain
from netspec.syntax.vocabulary import ALIASES, FOREIGN, GROUP, MODIFIERS

Schema = Mapping[str, Any]
Fits = Callable[[object, Schema], bool]
"""Whether a plain value is valid under a part of the schema."""


def mend_keys(
    root: tree.Node, schema: Schema, fits: Fits, diagnostics: Diagnostics, part: Schema | None = None
) -> tree.Node:
    """The tree with every unknown key reported and, where a known one is near, renamed or moved.

    ``schema`` is that of a whole spec; ``part`` is the one that the tree is under, if it is not all of a spec. What is
    not changed is the same object as before.
    """
    return _Mender(schema, fits, diagnostics).mended(root, part or schema, "")


def is_guess(entry: tree.Entry) -> bool:
    """Whether the name of the entry is a guess at what its key was meant to be."""
    return entry.name != entry.key.value


class _Mender:
    """Walks tree and schema side by side; this schema tells alternatives apart by type, so the way is always one."""

    def __init__(self, schema: Schema, fits: Fits, diagnostics: Diagnostics) -> None:
        self._layer = schema["$defs"]["layer"]
        self._callable = [name for name in self._layer["properties"] if name not in MODIFIERS]
        self._ops = [name for name in self._callable if name == GROUP or REGISTRIES["op"].get(name) is not None]
        self._blocks = sorted(set(self._callable).difference(self._ops))
        self._fits = fits
        self._diagnostics = diagnostics

    def mended(self, node: tree.Node, schema: Schema, owner: str) -> tree.Node:
        """The node without unknown keys that could be guessed; ``owner`` is the key it stands under."""
        if isinstance(node, tree.Scalar):
            return node
        if "$ref" in schema:
            schema = self._layer  # the only definition there is
        if isinstance(node, tree.Sequence):
            return self._items(node, schema.get("items"))
        known = schema.get("properties", {})
        if schema is self._layer:
            node = self._layer_keys(node)
        elif "properties" in schema and not node.by_name.keys() <= known.keys():
            node = self._renamed(node, schema, owner)
        others = schema.get("additionalProperties")
        values = []
        for entry in node.entries:
            inner = known.get(entry.name, others)
            values.append(self.mended(entry.value, inner, entry.name) if inner else entry.value)
        if all(value is entry.value for value, entry in zip(values, node.entries, strict=True)):
            return node
        entries = (entry._replace(value=value) for value, entry in zip(values, node.entries, strict=True))
        return _mapping(node, entries)

    def _items(self, node: tree.Sequence, schema: Schema | None) -> tree.Sequence:
        if schema is None:
            return node
        items = tuple(self.mended(item, schema, "") for item in node.items)
        return node if all(map(_same, items, node.items)) else node._replace(items=items)

    def _renamed(self, node: tree.Mapping, schema: Schema, owner: str) -> tree.Mapping:
        """A mapping whose unknown keys are called what they were most likely meant to be."""
        known, free_names = schema["properties"], schema.get("additionalProperties")
        where = f"'{owner}'" if owner else None
        guesses: dict[str, str] = {}
        for entry in node.entries:
            if entry.name in known or (free_names and _is_branch(entry.value)):
                continue
            unused = [name for name in known if name not in node.by_name and name not in guesses.values()]
            guess = closest(entry.name, unused, ALIASES) or self._only_missing(node, entry, schema)
            if guess is None and free_names:
                continue  # any name will do here; what is wrong, if anything, is its value
            fields = {"key": entry.name, "suggestion": guess, "known": sorted(known), "where": where}
            foreign = plain(entry.name)
            advice = FOREIGN.get(f"{owner}/{foreign}", FOREIGN.get(foreign))
            if advice is None and not known and owner:
                advice = _no_attributes(owner, entry.name)
            self._report("NS101", entry.key.span, fields | {"advice": advice})
            if guess is not None:
                guesses[entry.name] = guess
        return _mapping(node, (entry._replace(name=guesses.get(entry.name, entry.name)) for entry in node.entries))

    def _only_missing(self, node: tree.Mapping, stranger: tree.Entry, schema: Schema) -> str | None:
        """The one required key that is missing, where the only stranger holds what would suit it."""
        missing = [key for key in schema.get("required", ()) if key not in node.by_name]
        strangers = [name for name in node.by_name if name not in schema["properties"]]
        if len(missing) != 1 or len(strangers) != 1:
            return None
        suits = self._fits(tree.to_plain(stranger.value), schema["properties"][missing[0]])
        return missing[0] if suits else None

    def _layer_keys(self, node: tree.Mapping) -> tree.Mapping:
        """A layer whose keys stand at the right depth and are known, as far as that can be guessed."""
        known = self._layer["properties"]
        strangers = [e.name for e in node.entries if e.name not in known and not is_expression(e.key)]
        op = next((name for name in node.by_name if name in self._callable), None)
        if op is None:
            if any(is_expression(entry.key) for entry in node.entries):
                return self._renamed_modifiers(node, strangers)
            return self._named_layer(node, strangers) if strangers else node
        attributes = known[op].get("properties", {})
        value = node.by_name[op].value
        outside = [name for name in strangers if name in attributes]
        inside = [name for name in MODIFIERS if isinstance(value, tree.Mapping) and name in value.by_name]
        for names, wording in ((outside, "too little to belong to"), (inside, "too deep to stand beside")):
            if names:
                holder = node if names is outside else value
                assert isinstance(holder, tree.Mapping)
                fields = {"keys": names, "depth": wording, "op": op}
                self._report("NS118", holder.by_name[names[0]].key.span, fields)
        if outside or inside:
            main = next(iter(attributes), None) if op in self._blocks else _main(op)
            node = _moved(node, op, outside, inside, main)
        rest = [name for name in strangers if name not in outside]
        return self._renamed_modifiers(node, rest) if rest else node

    def _named_layer(self, node: tree.Mapping, strangers: list[str]) -> tree.Mapping:
        """A layer without a known op: the first stranger is taken for the op."""
        entry = node.by_name[strangers[0]]
        guess = self._nearest(entry)
        fields = {"name": entry.name, "suggestion": guess, "blocks": self._blocks or None}
        self._report("NS104", entry.key.span, fields)
        renamed = _mapping(node, (e._replace(name=guess or e.name) if e is entry else e for e in node.entries))
        return self._layer_keys(renamed) if guess in self._callable else self._renamed_modifiers(renamed, strangers[1:])

    def _nearest(self, entry: tree.Entry) -> str | None:
        """The op or block that a misspelt one stands for: of those near, one that what stands behind it suits."""
        schemas, value = self._layer["properties"], tree.to_plain(entry.value)
        guess = closest(entry.name, self._callable, ALIASES)
        if guess is None or self._fits(value, schemas[guess]):
            return guess
        return closest(entry.name, [name for name in self._callable if self._fits(value, schemas[name])]) or guess

    def _renamed_modifiers(self, node: tree.Mapping, strangers: list[str]) -> tree.Mapping:
        """A layer whose other unknown keys are taken for what may stand beside an op."""
        guesses: dict[str, str] = {}
        for name in strangers:
            unused = [key for key in MODIFIERS if key not in node.by_name and key not in guesses.values()]
            guess = closest(name, unused)
            fields = {"key": name, "suggestion": guess, "known": MODIFIERS}
            self._report("NS101", node.by_name[name].key.span, fields)
            if guess is not None:
                guesses[name] = guess
        return _mapping(node, (entry._replace(name=guesses.get(entry.name, entry.name)) for entry in node.entries))

    def _report(self, code: str, span: Span, fields: Mapping[str, object]) -> None:
        self._diagnostics.append(Diagnostic(code, span, fields))


def _moved(node: tree.Mapping, op: str, outside: list[str], inside: list[str], main: str | None) -> tree.Mapping:
    """The layer with the keys ``outside`` put into the op's mapping, and those ``inside`` it put beside the op."""
    entry = node.by_name[op]
    attributes = _attributes(entry, main)
    kept = [e for e in attributes if e.name not in inside] + [node.by_name[name] for name in outside]
    within = tree.Mapping(tuple(kept), entry.value.span, {e.name: e for e in kept})
    beside = [e for e in attributes if e.name in inside and e.name not in node.by_name]
    layer = [e._replace(value=within) if e is entry else e for e in node.entries if e.name not in outside]
    return _mapping(node, [*layer, *beside])


def _no_attributes(owner: str, key: str) -> str:
    """What to say where an op of no attributes is given one: an op of a like name may have it."""
    likes = [op for op in REGISTRIES["op"].public() if owner in op.name.split("_") and op.attribute(key) is not None]
    return f"'{owner}' takes no attributes" + (f"; '{likes[0].name}' has '{key}'" if likes else "")


def _main(op: str) -> str | None:
    declaration = REGISTRIES["op"].get(op)
    return None if declaration is None else declaration.main


def _attributes(entry: tree.Entry, main: str | None) -> tuple[tree.Entry, ...]:
    """What stands behind an op as the entries of a mapping, if it is the main attribute alone or a list of branches."""
    value = entry.value
    if isinstance(value, tree.Mapping):
        return value.entries
    if main is not None and tree.to_plain(value) is not None:
        return (tree.Entry(main, tree.Scalar(main, entry.key.span, "", "plain"), value),)
    if isinstance(value, tree.Sequence):
        names = [tree.Scalar(str(index), entry.key.span, "", "plain") for index in range(len(value.items))]
        return tuple(tree.Entry(str(n.value), n, item) for n, item in zip(names, value.items, strict=True))
    return ()


def _is_branch(value: tree.Node) -> bool:
    """Whether this is a branch of a merge: a list of layers, or a mapping that holds one."""
    return isinstance(value, tree.Sequence) or (isinstance(value, tree.Mapping) and GROUP in value.by_name)


def _mapping(node: tree.Mapping, entries: Iterable[tree.Entry]) -> tree.Mapping:
    kept = tuple(entries)
    return tree.Mapping(kept, node.span, {entry.name: entry for entry in kept})


def _same(first: object, second: object) -> bool:
    return first is second
