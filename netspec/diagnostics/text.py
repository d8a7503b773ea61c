"""Lines, escapes and widths: how text becomes cells of a terminal."""

from __future__ import annotations

import unicodedata
from itertools import accumulate

TAB_CELLS = 4
UNITS = ("bytes", "KiB", "MiB", "GiB")


def split_lines(text: str) -> list[str]:
    r"""The lines of a text without their ends: ``\n``, ``\r\n`` or ``\r``, and nothing else, as editors count them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def line_starts(text: str) -> list[int]:
    """Offset of the first character of every line of ``split_lines``."""
    if "\r" in text:
        text = text.replace("\r\n", " \n").replace("\r", "\n")  # of the same length, so offsets stay
    return list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))[:-1]


def escape(text: str) -> str:
    r"""The text with everything invisible written out: ``\x1b``, ``\u202e``, ``\xa0``.

    A name from a file can then neither colour the terminal, nor move its cursor, nor reverse the reading direction.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _code(character) for character in text)


def shown(text: str) -> str:
    """A piece of a source line as it is printed: escaped, tabs as a fixed number of blanks."""
    return escape(text.replace("\t", " " * TAB_CELLS))


def cells(text: str) -> int:
    """Terminal cells that a printable text takes: East Asian wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_character_cells(character) for character in text)


def size(count: float) -> str:
    """Bytes in the largest fitting unit: ``512 bytes``, ``4.3 MiB``."""
    unit = 0
    while count >= 1024 and unit < len(UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.0f} bytes" if unit == 0 else f"{count:.{2 if unit == 3 else 1}f} {UNITS[unit]}"


def _character_cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _code(character: str) -> str:
    named = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(character)
    if named:
        return named
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
