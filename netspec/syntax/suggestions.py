"""Did you mean ...? The known word that a misspelt one most likely stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

LENGTH_LIMIT = 64
"""Characters of a word that is compared; the comparison takes the product of both lengths."""

_DOUBLED = re.compile(r"(.)\1+")

NAMES_SHOWN = 20
"""Names that a message lists at most."""


def closest(word: str, candidates: Iterable[str], aliases: Mapping[str, Iterable[str]] | None = None) -> str | None:
    """The candidate closest to ``word``, or None when none is near.

    Case, hyphens, underscores, a trailing ``2d`` and the order of parts make no difference: ``MaxPool2D`` finds
    ``max_pool``, ``pool_max`` does too. ``aliases``
    maps words of other tools, lower case and without underscores, to what may be meant: ``{"linear": ["dense"]}``. The
    answer does not depend on the order of the candidates.
    """
    if not word or len(word) > LENGTH_LIMIT:
        return None
    known = sorted(set(candidates) - {word})
    letters = plain(word)
    for alias in (aliases or {}).get(letters, ()):
        if alias in known:
            return alias
    parts = sorted(word.lower().split("_"))
    for candidate in known:
        if len(parts) > 1 and sorted(candidate.lower().split("_")) == parts:
            return candidate
    limit = max(1, len(letters) // 3)
    best: tuple[int, bool, bool, int, str] | None = None
    for candidate in known:
        other = plain(candidate)
        gap = abs(len(other) - len(letters))
        if gap > limit:
            continue
        # A word of one or two letters is one edit from every other: it must agree in a letter at least.
        if len(letters) <= 2 and not set(letters) & set(other):
            continue
        # Hardly anyone errs in the first letter, and many in whether one is doubled: 'adamm' is 'adam', not 'adamw'.
        doubled = _DOUBLED.sub(r"\1", letters) == _DOUBLED.sub(r"\1", other)
        rank = (edit_distance(letters, other), letters[:1] != other[:1], not doubled, gap, candidate)
        if rank[0] <= limit and (best is None or rank < best):
            best = rank
    return best[-1] if best else None


def did_you_mean(word: str, known: Iterable[str], prefix: str = "", more: str = "") -> str:
    """The end of a message about a word that is not known: what it may stand for, else what is known.

    ``more`` says where the rest is shown when that is too much to list.
    """
    names = list(known)
    guess = closest(word, names)
    shown = ", ".join(names[:NAMES_SHOWN]) + (f", …{more}" if len(names) > NAMES_SHOWN else "")
    return f"did you mean {prefix}{guess}?" if guess else f"there are: {shown or 'none'}"


def edit_distance(first: str, second: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.

    The optimal string alignment form of the Damerau-Levenshtein distance: no part is edited twice.
    """
    before: list[int] = []
    above = list(range(len(second) + 1))
    for row, letter in enumerate(first, start=1):
        current = [row]
        for column, other in enumerate(second, start=1):
            cost = min(above[column] + 1, current[column - 1] + 1, above[column - 1] + (letter != other))
            swapped = row > 1 and column > 1 and letter == second[column - 2] and first[row - 2] == other
            current.append(min(cost, before[column - 2] + 1) if swapped else cost)
        before, above = above, current
    return above[-1]


def plain(word: str) -> str:
    """A word as it is compared: lower case, without what joins its parts and without a trailing ``2d``."""
    letters = word.lower().replace("_", "").replace("-", "").replace(" ", "")
    return letters[:-2] if letters[-2:] in ("1d", "2d", "3d") and len(letters) > 2 else letters
