"""``netspec lsp`` where its extra is not installed; what it answers is tested in tests/lsp."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest


def test_without_its_extra_it_says_what_to_install(
    netspec: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.startswith(("netspec.lsp.server", "netspec.lsp.protocol"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "lsprotocol", None)
    result = netspec("lsp")
    assert result.status == 3
    assert result.out == ""
    assert result.err.splitlines() == [
        "error: [NS946] the language server needs 'lsprotocol', which is not installed",
        "  help: pip install 'netspec[lsp]'",
    ]
