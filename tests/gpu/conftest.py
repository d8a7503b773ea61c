"""The GPU at hand. Without one these tests are left out, and tests/netspec_cupy runs some of them on paper."""

from __future__ import annotations

import pytest

from netspec_cupy.backend import CupyBackend


@pytest.fixture(scope="session")
def backend() -> CupyBackend:
    return CupyBackend()
