"""The processor as a GPU: what every test of the kernels runs on."""

from __future__ import annotations

import pytest

from netspec_cupy.backend import CupyBackend
from netspec_cupy.host_device import HostDevice


@pytest.fixture(scope="session")
def host_backend() -> CupyBackend:
    return CupyBackend(HostDevice())
