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
from collections.abc import Callable, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

Producer = Callable[[], str]


def spec_schema_text() -> str:
    """The JSON Schema of a spec, without what plug-ins on this machine would add."""
    from netspec.declarations import use_plugins
    from netspec.syntax.schema import schema_text

    use_plugins(False)
    try:
        return schema_text()
    finally:
        use_plugins(True)


GENERATED: dict[str, Producer] = {"docs/netspec.schema.json": spec_schema_text}
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
