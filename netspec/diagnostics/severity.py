"""How grave a diagnostic is."""

from typing import Literal

Severity = Literal["error", "warning", "info"]
