"""The names that expressions at a place may use, with what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from netspec.diagnostics import Span

CHANNELS = "channels"
"""How many channels come in."""
INDEX = "i"
"""Which copy of a repeated layer this is, from 0."""
RESERVED = (CHANNELS, INDEX)
"""Names that no var and no argument may take."""


class Environment(NamedTuple):
    """Values by name, those of unknown value included.

    ``guessed`` are the names whose value rests on a guess. ``origins`` says of the arguments of a block where the value
    was written in the call, so that a value that does not fit is reported there.
    """

    values: dict[str, Any]
    guessed: frozenset[str] = frozenset()
    origins: Mapping[str, Span] = {}

    def extended(self, **values: Any) -> Environment:
        """The same with more names, or other values of these."""
        return self._replace(values={**self.values, **values})

    def marked(self, name: str, guessed: bool) -> Environment:
        """The same with a note of whether the value of ``name`` rests on a guess."""
        if guessed == (name in self.guessed):
            return self
        return self._replace(guessed=self.guessed | {name} if guessed else self.guessed - {name})
