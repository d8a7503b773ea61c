"""What a person chose: which codes are looked for, how severe they are, what the network may cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from netspec.diagnostics.severity import Severity

ALWAYS = "NS0"
"""What keeps a spec from being read is told whatever is selected: a spec that nobody could read is not clean."""


class Budgets(NamedTuple):
    """What a network may cost at most; ``None`` is no limit. ``fits`` is the memory of the machine that trains it."""

    max_params: int | None = None
    max_macs: int | None = None
    max_memory: int | None = None
    fits: int | None = None


class Settings(NamedTuple):
    """Choices for one spec. A selector is a code or the beginning of one: ``NS301``, ``NS3``."""

    select: tuple[str, ...] | None = None
    """None selects everything."""
    ignore: tuple[str, ...] = ()
    severities: tuple[tuple[str, Severity], ...] = ()
    budgets: Budgets = Budgets()

    def wants(self, code: str) -> bool:
        """Whether findings of this code are told; a rule that is not wanted does not run."""
        if matches(code, self.ignore):
            return False
        return self.select is None or code.startswith(ALWAYS) or matches(code, self.select)

    def severity(self, code: str) -> Severity | None:
        """The severity that was chosen for a code, by the longest selector that it matches, the last of several."""
        chosen = [(len(s), place) for place, (s, _) in enumerate(self.severities) if code.startswith(s)]
        return self.severities[max(chosen)[1]][1] if chosen else None

    def over(self, base: Settings) -> Settings:
        """These choices on top of others: what is ignored adds up, everything else replaces."""
        budgets = (
            mine if mine is not None else theirs for mine, theirs in zip(self.budgets, base.budgets, strict=True)
        )
        return Settings(
            base.select if self.select is None else self.select,
            (*base.ignore, *self.ignore),
            (*base.severities, *self.severities),
            Budgets(*budgets),
        )


DEFAULT = Settings()
"""Everything is looked for, with the severities of the catalogue, and no budget."""


def matches(code: str, selectors: Iterable[str]) -> bool:
    """Whether a code begins with one of the selectors."""
    return any(code.startswith(selector) for selector in selectors)


def unknown_selectors(selectors: Iterable[str], codes: Iterable[str]) -> list[str]:
    """The selectors that no code begins with."""
    known = tuple(codes)
    return [selector for selector in selectors if not selector or not any(c.startswith(selector) for c in known)]
