"""The bag into which every stage puts the mistakes it finds, so that one run reports them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from netspec.diagnostics.model import Diagnostic


class Diagnostics:
    """Collects diagnostics and gives them back in the order of the file, each once."""

    __slots__ = ("_found",)

    def __init__(self, found: Iterable[Diagnostic] = ()) -> None:
        self._found = list(found)

    def append(self, diagnostic: Diagnostic) -> None:
        """Add one diagnostic."""
        self._found.append(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Add several diagnostics."""
        self._found.extend(diagnostics)

    def amend(self, since: int, change: Callable[[Diagnostic], Diagnostic]) -> None:
        """Change each diagnostic that came after the first ``since``."""
        self._found[since:] = map(change, self._found[since:])

    def discard(self, unwanted: Callable[[Diagnostic], bool]) -> None:
        """Forget every diagnostic of which ``unwanted`` is true."""
        self._found = [diagnostic for diagnostic in self._found if not unwanted(diagnostic)]

    def drop_repeated(self, since: int) -> None:
        """Drop what came after the first ``since`` and says of a place what has been said of it before.

        The layers of a block are walked once for each use: what is wrong in them is told of the first.
        """
        if len(self._found) > since:
            told = {_subject(diagnostic): diagnostic for diagnostic in reversed(self._found)}
            kept = set(map(id, told.values()))
            self._found[since:] = [diagnostic for diagnostic in self._found[since:] if id(diagnostic) in kept]

    @property
    def has_errors(self) -> bool:
        """Whether any diagnostic has the severity ``error``."""
        return any(diagnostic.severity == "error" for diagnostic in self._found)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """By file, line, column, end and code; what says the same about the same place stands once."""
        ordered = sorted(self._found, key=lambda diagnostic: (diagnostic.span, diagnostic.code))
        unique = {
            (diagnostic.span, diagnostic.code, diagnostic.message): diagnostic for diagnostic in reversed(ordered)
        }
        return tuple(reversed(unique.values()))

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.sorted())

    def __len__(self) -> int:
        """How many were added, repetitions included; 0 exactly when there are none."""
        return len(self._found)


def _subject(diagnostic: Diagnostic) -> tuple[object, ...]:
    """What a diagnostic is about: of one mapping several keys may be missing."""
    return diagnostic.code, diagnostic.span, diagnostic.fields.get("key")
