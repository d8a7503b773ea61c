"""The parts of a diagnostic: a place, a code with its fields, notes and fixes.

The small records are named tuples: one is made for every value of a spec, and a tuple is built three times as fast as a
frozen dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from netspec.diagnostics.severity import Severity


class Span(NamedTuple):
    """A stretch of a file. Lines and columns count from 1, columns count characters, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    @classmethod
    def of_file(cls, file: str) -> Span:
        """The empty span at the head of a file: for what is true of the file as a whole."""
        return cls(file, 1, 1, 1, 1)

    def until(self, other: Span) -> Span:
        """From the start of this span to the end of ``other``, which lies later in the same file."""
        return Span(self.file, self.line, self.column, other.end_line, other.end_column)


class Note(NamedTuple):
    """A second place that explains the first, such as the layer that made a shape."""

    span: Span
    text: str


class Edit(NamedTuple):
    """Put ``replacement`` in the place of the text at ``span``; an empty span inserts."""

    span: Span
    replacement: str


class Fix(NamedTuple):
    """Edits that mend a mistake. A safe one cannot change what a correct spec means."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool = True


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake at one place.

    ``fields`` fill the templates that the catalogue keeps for ``code``; a field that is None counts as not given.
    ``help`` and ``severity_override``, where given, take the place of what the catalogue says.
    """

    code: str
    span: Span
    fields: Mapping[str, object]
    notes: tuple[Note, ...] = ()
    formula: str | None = None
    help: str | None = None
    severity_override: Severity | None = None
    fix: Fix | None = None

    @property
    def severity(self) -> Severity:
        """Severity by the catalogue, unless overridden."""
        from netspec.diagnostics.catalogue import lookup

        return self.severity_override or lookup(self.code).severity

    @property
    def message(self) -> str:
        """What arrived and what was expected, in one line.

        Raises KeyError when the code is not in the catalogue or a field that its wording needs is missing.
        """
        from netspec.diagnostics.catalogue import fill, lookup

        message = fill(lookup(self.code).message, self.fields)
        if message is None:
            raise KeyError(f"{self.code}: the fields {sorted(self.fields)} fill none of its messages")
        return message

    @property
    def help_text(self) -> str | None:
        """A way out, where there is one to name."""
        from netspec.diagnostics.catalogue import fill, lookup

        return self.help if self.help is not None else fill(lookup(self.code).help, self.fields)
