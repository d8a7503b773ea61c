"""What a call asked for that matters beyond its command."""

from __future__ import annotations


class Asked:
    """The form of what stdout holds, from the moment that ``--format`` is read."""

    def __init__(self) -> None:
        self.form = "text"
