"""No module needs, by any way round, one that needs it: not in a function, and not for type checkers either."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

FRONT_DOOR = "netspec"
"""It names what lies anywhere in the house, and everybody may read its version."""


@pytest.mark.parametrize("package", ["netspec", "netspec_cupy", "netspec_numba"])
def test_no_circles_of_modules(package: str) -> None:
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules - {FRONT_DOOR}}
    assert any(imports.values())
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" needs ".join(reversed(error.args[1])))
