"""The command: which stages are run, for how long, and where their results go."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from netspec.diagnostics import RunError
from netspec_cupy.bench.results import Folder
from netspec_cupy.bench.stages import MINUTES, STAGES, run_stages
from netspec_cupy.bench.subject import dry_subject, gpu_subject


def main(arguments: list[str] | None = None) -> int:
    """Run what is left to do of the stages; 0 if all of them passed, 2 where there is no GPU to run them on."""
    parser = argparse.ArgumentParser("python -m netspec_cupy.bench", description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the results; stages that are there are not run again"
    )
    parser.add_argument("--stages", default=",".join(STAGES), help=f"some of {','.join(STAGES)}")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all stages together")
    parser.add_argument(
        "--dry-run", action="store_true", help="on the processor, with sizes that tell nothing of speed"
    )
    given = parser.parse_args(arguments)
    wanted = given.stages.split(",")
    if unknown := sorted(set(wanted) - set(STAGES)):
        parser.error(f"there is no stage {', '.join(unknown)}: there are {', '.join(STAGES)}")
    try:
        subject = dry_subject() if given.dry_run else gpu_subject()
    except RunError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    folder = Folder(given.out)
    passed = run_stages(subject, folder, wanted, given.minutes * 60, _notice)
    sys.stdout.write(folder.table())
    return 0 if passed else 1


def _notice(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
