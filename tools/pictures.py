"""Writes the pictures of README.md: what the program really prints, as SVG. Needs the extra ``demo``.

python tools/pictures.py
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
WIDTH = 112


def run(*arguments: str) -> str:
    """What a command prints, in colour."""
    command = [sys.executable, "-m", "netspec", *arguments]
    environment = {**os.environ, "FORCE_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.stderr + done.stdout


def picture(name: str, command: str, output: str) -> None:
    """A terminal with the command and what it printed."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(output.rstrip()))
    drawn = console.export_svg(title="netspec", unique_id=name)
    # The fonts would be fetched from a server; whoever looks at the picture has a monospaced one.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    (IMAGES / f"{name}.svg").write_text(drawn, encoding="utf-8")


def main() -> None:
    """Draw both."""
    spec = "docs/examples/mistakes.yaml"
    picture("lint", f"netspec lint {spec}", run("lint", spec))
    with tempfile.TemporaryDirectory() as folder:
        output = run("train", "zoo:lenet5", "--run-dir", f"{folder}/run").replace(f"{folder}/", "")
    picture("train", "netspec train zoo:lenet5 --run-dir run", output)


if __name__ == "__main__":
    main()
