from __future__ import annotations

from pathlib import Path

import pytest

from netspec.core.host import available_memory
from netspec.core.quantities import quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("61706", 61706), ("1.5", 1.5), ("1.2M", 1_200_000), ("2 k", 2000), ("4G", 4 * 10**9)),
        *(("1KB", 1000), ("1kB", 1000), ("500MB", 500 * 10**6), ("1.5GiB", 3 * 2**29), ("8 KiB", 8192)),
        *(("123456 bytes", 123456), ("12B", 12)),
        *(("", None), ("M", None), ("-1", None), ("1e3", None), ("1mB", None), ("5 apples", None)),
    ],
)
def test_counts_and_sizes(text: str, number: float | None) -> None:
    assert quantity(text) == number


def test_free_memory_is_read_in_bytes(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal:       8000000 kB\nMemAvailable:   1234 kB\n")
    assert available_memory(tmp_path) == 1234 * 1024
    assert available_memory(tmp_path / "none") is None
