"""Blocks: layer lists with arguments, that are used like ops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from netspec.core.declare import REGISTRIES
from netspec.diagnostics import Diagnostic, Diagnostics, Note, Span
from netspec.syntax import tree
from netspec.syntax.environment import RESERVED, Environment
from netspec.syntax.evaluation import UNKNOWN
from netspec.syntax.expressions import expression_words
from netspec.syntax.validate import missing_key
from netspec.syntax.values import Values
from netspec.syntax.vocabulary import GROUP, MODIFIERS, REQUIRED

_USE = "in block "


class Block(NamedTuple):
    """A block as it is defined: ``args`` and ``vars`` in their order, ``span`` all of the definition."""

    name: str
    key: Span
    span: Span
    args: Mapping[str, tree.Entry]
    vars: Mapping[str, tree.Entry]
    layers: tree.Node | None
    """None where they are missing, which is reported at the definition."""

    def requires(self, argument: str) -> bool:
        """Whether the argument has no default."""
        value = self.args[argument].value
        return isinstance(value, tree.Scalar) and value.value == REQUIRED

    @property
    def signature(self) -> dict[str, bool] | None:
        """Its arguments in order, each with whether it is required; None where the block could not be read."""
        return None if self.layers is None else {name: self.requires(name) for name in self.args}

    def holds(self, span: Span) -> bool:
        """Whether a place lies within the definition."""
        own = self.span
        return span.file == own.file and own[1:3] <= span[1:3] and span[3:5] <= own[3:5]


def read_blocks(root: tree.Mapping, diagnostics: Diagnostics) -> dict[str, Block]:
    """The blocks that a file defines; a name that cannot be used is reported."""
    found = {}
    for entry in _entries(root, "blocks"):
        declaration = REGISTRIES["op"].get(entry.name)
        if entry.name == GROUP or entry.name in MODIFIERS or (declaration is not None and declaration.public):
            kind = "op" if declaration is not None else "key"
            diagnostics.append(Diagnostic("NS120", entry.key.span, {"name": entry.name, "kind": kind}))
            continue
        if not isinstance(entry.value, tree.Mapping) or GROUP not in entry.value.by_name:
            found[entry.name] = Block(entry.name, entry.key.span, entry.value.span, {}, {}, None)
            continue  # the schema says what is wrong; its uses are no further mistakes
        arguments = _named(entry.value, "args", "an argument", (*RESERVED, *MODIFIERS), diagnostics)
        variables = _named(entry.value, "vars", "a var", RESERVED, diagnostics)
        for name in arguments.keys() & variables.keys():
            fields = {"name": name, "what": "a var of this block", "reason": "one of its arguments is called so"}
            diagnostics.append(Diagnostic("NS119", variables.pop(name).key.span, fields))
        layers = entry.value.by_name[GROUP].value
        found[entry.name] = Block(entry.name, entry.key.span, entry.value.span, arguments, variables, layers)
    return found


def _named(
    block: tree.Mapping, key: str, what: str, reserved: tuple[str, ...], diagnostics: Diagnostics
) -> dict[str, tree.Entry]:
    found = {}
    for entry in _entries(block, key):
        if not check_name(entry, what, reserved, diagnostics):
            continue
        found[entry.name] = entry
    return found


def check_name(entry: tree.Entry, what: str, reserved: tuple[str, ...], diagnostics: Diagnostics) -> bool:
    """Whether a var or argument may be called so; else it is reported."""
    reason = None
    if entry.name in reserved:
        reason = "that word has a meaning of its own"
    elif not entry.name.isidentifier():
        reason = "a name has letters, digits and _ and does not begin with a digit"
    if reason is not None:
        fields = {"name": entry.name, "what": what, "reason": reason}
        diagnostics.append(Diagnostic("NS119", entry.key.span, fields))
    return reason is None


def bind(
    block: Block, value: tree.Node | None, place: Span, caller: Environment, inside: Environment, values: Values
) -> Environment:
    """The names that the layers of a block see: arguments and vars of this use, beside those of ``inside``.

    ``value`` stands behind the block's name, under the names of the ``caller``; ``place`` is where to say that an
    argument lacks.
    """
    given = _given(block, value)
    origins: dict[str, Span] = {}
    for name, entry in block.args.items():
        known = given.get(name)
        if known is not None:
            found = UNKNOWN if values.violations.within(known) else values.read(known, caller)
            origins[name] = values.place(known, caller)
            guessed = values.is_guess(known)
        elif block.requires(name):
            if not isinstance(value, tree.Mapping):  # of a mapping the schema said it
                values.diagnostics.append(missing_key(name, {}, f"block '{block.name}'", place))
            found, guessed = UNKNOWN, True
        else:
            refused = values.violations.within(entry.value)
            found = UNKNOWN if refused else values.read(entry.value, inside)
            guessed = values.is_guess(entry.value)
        inside = inside.extended(**{name: found}).marked(name, guessed)
    for name, entry in block.vars.items():
        found = UNKNOWN if values.violations.within(entry.value) else values.read(entry.value, inside)
        inside = inside.extended(**{name: found}).marked(name, values.is_guess(entry.value))
    return inside._replace(origins=origins)


def _given(block: Block, value: tree.Node | None) -> dict[str, tree.Node]:
    """Arguments as written: by name, or the first one alone."""
    if isinstance(value, tree.Mapping):
        return {entry.name: entry.value for entry in value.entries if entry.name in block.args}
    if value is None or (isinstance(value, tree.Scalar) and value.value is None) or not block.args:
        return {}
    return {next(iter(block.args)): value}


def unused_names(block: Block) -> Iterator[Diagnostic]:
    """A warning for each argument and var of a block that nothing in it uses."""
    if block.layers is None:
        return
    used = set(expression_words(block.layers))
    for entry in (*block.args.values(), *block.vars.values()):
        used.update(expression_words(entry.value))
    for entry in (*block.args.values(), *block.vars.values()):
        if entry.name not in used:
            kind = "argument" if entry.name in block.args else "var"
            yield Diagnostic("NS117", entry.key.span, {"name": entry.name, "kind": kind})


def _entries(node: tree.Mapping, key: str) -> tuple[tree.Entry, ...]:
    entry = node.by_name.get(key)
    return entry.value.entries if entry is not None and isinstance(entry.value, tree.Mapping) else ()


def with_use(diagnostic: Diagnostic, block: Block, place: Span) -> Diagnostic:
    """The diagnostic with the place where the block is used, if it is about something in the block."""
    places = [diagnostic.span, *(note.span for note in diagnostic.notes if note.text.startswith(_USE))]
    if not block.holds(places[-1]):
        return diagnostic
    return replace(diagnostic, notes=(*diagnostic.notes, Note(place, f"{_USE}'{block.name}', used here")))
