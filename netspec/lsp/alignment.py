"""Lines of an earlier text in a later one: where a person types, the lines before and after stay what they were."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.diagnostics import Span


class Alignment:
    """Which line ``now`` was which line ``then``; lines count from 1. Those that were changed correspond to none."""

    def __init__(self, then: Sequence[str], now: Sequence[str]) -> None:
        shorter = min(len(then), len(now))
        head = next((n for n in range(shorter) if then[n] != now[n]), shorter)
        tail = next((n for n in range(shorter - head) if then[-1 - n] != now[-1 - n]), shorter - head)
        self._head = head
        self._tail_then = len(then) - tail
        self._shift = len(now) - len(then)

    def now(self, line: int) -> int | None:
        """Where a line of then stands now."""
        if line <= self._head:
            return line
        return line + self._shift if line > self._tail_then else None

    def then(self, line: int) -> int | None:
        """Where a line of now stood then."""
        if line <= self._head:
            return line
        return line - self._shift if line > self._tail_then + self._shift else None

    def span(self, span: Span) -> Span | None:
        """A place of then as it is now."""
        first, last = self.now(span.line), self.now(span.end_line)
        return None if first is None or last is None else span._replace(line=first, end_line=last)
