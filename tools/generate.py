"""Write the generated files of the repository, or check that they are what they would be written as.

    python tools/generate.py            writes what has changed
    python tools/generate.py --check    writes nothing; status 1 and a diff where a file is not up to date

A generated file is committed and never edited. To add one, write a function that returns its text and enter it in
``GENERATED``.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netspec.core.declare import Declaration

REPOSITORY = Path(__file__).resolve().parent.parent

Producer = Callable[[], str]


@contextmanager
def without_plugins() -> Iterator[None]:
    """Keep out what plug-ins on this machine would add."""
    from netspec.declarations import use_plugins

    use_plugins(False)
    try:
        yield
    finally:
        use_plugins(True)


def spec_schema_text() -> str:
    """The JSON Schema of a spec."""
    from netspec.syntax.editor_schema import schema_text

    with without_plugins():
        return schema_text()


def declared(kind: str) -> list[Declaration]:
    """All that a spec may name of a kind."""
    from netspec.core.declare import REGISTRIES

    with without_plugins():
        return list(REGISTRIES[kind].public())


def matrix_text() -> str:
    """Which kernels each backend has."""
    from netspec.testing.matrix import matrix_page
    from netspec_cupy.backend import CupyBackend
    from netspec_numba.backend import NumbaBackend

    with without_plugins():
        return matrix_page((NumbaBackend(), CupyBackend()))


def pages() -> dict[str, Producer]:
    """A page for each op, one for each other kind of declaration, and the matrix of kernels."""
    from netspec.analysis.pages import KINDS, kind_page, op_index, op_page

    ops = declared("op")
    made: dict[str, Producer] = {f"docs/ops/{op.name}.md": partial(op_page, op) for op in ops}
    made |= {f"docs/{page.page}.md": partial(kind_page, page, declared(kind)) for kind, page in KINDS.items()}
    return made | {"docs/ops/README.md": partial(op_index, ops), "docs/matrix.md": matrix_text} | rule_pages()


def rule_pages() -> dict[str, Producer]:
    """A page for each rule of the linter, and the list of all codes."""
    from netspec.lint import manual

    found = manual.pages(plugins=False)
    made: dict[str, Producer] = {
        f"docs/rules/{page.code}.md": partial(manual.markdown, page) for page in found if page.page
    }
    return made | {"docs/rules/README.md": partial(manual.index, found)}


GENERATED: dict[str, Producer] = {"docs/netspec.schema.json": spec_schema_text, **pages()}
"""Path below the repository -> the function that returns the file's text."""


def stale_files(root: Path, generated: Mapping[str, Producer]) -> dict[str, tuple[str, str]]:
    """Return (text on disk, text as produced) by path, for each file of which the two differ.

    A file that is missing counts as empty.
    """
    stale = {}
    for path, produce in sorted(generated.items()):
        file = root / path
        found = file.read_text(encoding="utf-8") if file.is_file() else ""
        wanted = produce()
        if found != wanted:
            stale[path] = (found, wanted)
    return stale


def check(root: Path, generated: Mapping[str, Producer]) -> int:
    """Print a diff of each file that is not up to date. Returns the exit status."""
    stale = stale_files(root, generated)
    for path, (found, wanted) in stale.items():
        difference = difflib.unified_diff(
            found.splitlines(), wanted.splitlines(), path, f"{path} (generated)", "", "", 1
        )
        print("\n".join(difference))
    if stale:
        print(f"not up to date: {', '.join(stale)}; run: python tools/generate.py")
        return 1
    print(f"{len(generated)} generated files are up to date")
    return 0


def write(root: Path, generated: Mapping[str, Producer]) -> int:
    """Write each file that is not up to date. Returns the exit status."""
    for path, (_, wanted) in stale_files(root, generated).items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(wanted, encoding="utf-8")
        print(f"wrote {path}")
    return 0


def main() -> int:
    """Read the arguments and do as told."""
    parser = argparse.ArgumentParser(description="Write or check the generated files.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not up to date")
    arguments = parser.parse_args()
    return (check if arguments.check else write)(REPOSITORY, GENERATED)


if __name__ == "__main__":
    sys.exit(main())
