"""The one home of the wording: what each code is called, how severe it is, what it says and what it advises.

A message or help is a `str.format` template, or several of which the first whose fields are all given is used. So one
code can name a suggestion where there is one, and say what is known where there is none. Codes are never reused.
"""

from __future__ import annotations

from collections.abc import Mapping

from netspec.diagnostics.catalogue.entry import Entry, Templates
from netspec.diagnostics.catalogue.exchange import EXCHANGE
from netspec.diagnostics.catalogue.network import NETWORK
from netspec.diagnostics.catalogue.practice import PRACTICE
from netspec.diagnostics.catalogue.reading import READING
from netspec.diagnostics.catalogue.running import RUNNING
from netspec.diagnostics.catalogue.slimming import SLIMMING

__all__ = ["Entry", "Templates", "codes", "fill", "lookup", "register"]

_ENTRIES: dict[str, Entry] = {**READING, **NETWORK, **PRACTICE, **RUNNING, **EXCHANGE, **SLIMMING}


def lookup(code: str) -> Entry:
    """The entry of a code. Raises KeyError for one that nobody registered."""
    return _ENTRIES[code]


def codes() -> tuple[str, ...]:
    """Every known code, in order."""
    return tuple(sorted(_ENTRIES))


def register(code: str, entry: Entry) -> None:
    """Add the code of a plug-in's rule or op.

    Raises ValueError when the code is taken, or begins with ``NS`` and a digit, which is netspec's own.
    """
    if code[:2] == "NS" and code[2:3].isdigit():
        raise ValueError(f"code {code!r} lies in netspec's own range; begin it with letters of your plug-in")
    if _ENTRIES.setdefault(code, entry) != entry:
        raise ValueError(f"code {code!r} is already used for {_ENTRIES[code].title!r}")


def fill(templates: Templates, fields: Mapping[str, object]) -> str | None:
    """The first template whose fields are all given, filled in; None when there is none.

    A field that is None counts as not given; a tuple or list is written with commas.
    """
    given = {name: _written(value) for name, value in fields.items() if value is not None}
    for template in (templates,) if isinstance(templates, str) else templates:
        try:
            return template.format_map(given)
        except KeyError:
            continue
    return None


def _written(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else value
