"""Write docs/why.md: twelve mistakes, what PyTorch and Keras say of them at run time, and what netspec says before.

    python tools/why.py            runs every file of tools/why/ and writes the page

Wants PyTorch and Keras, which runs on PyTorch here. Every answer on the page is the captured output of a process.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent
CASES = REPOSITORY / "tools" / "why"
PAGE = REPOSITORY / "docs" / "why.md"

HEAD = """\
# Twelve mistakes, and who tells you when

Each of them was made in PyTorch {torch}, in Keras {keras} (which runs on PyTorch here) and in netspec {netspec}.
What stands below is what their processes printed; `python tools/why.py` runs the files of
[tools/why](../tools/why) and writes this page anew. PyTorch and Keras answer when the line in question runs, some of
them late, or never. netspec answers before anything runs, at the line of the mistake.

| mistake | PyTorch | Keras | netspec |
|---|---|---|---|
"""
ERROR_LINES = 14
"""Lines that are shown of what ends a traceback."""
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Answer(NamedTuple):
    """What a process printed, and whether it ended in an error."""

    text: str
    failed: bool
    traceback: int = 0


def run(*arguments: str) -> Answer:
    """The answer of Python to these arguments, in the repository: one thread, fixed seeds, no colour."""
    environment = os.environ | {
        "KERAS_BACKEND": "torch",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "backends")]),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    printed, complaint = (ESCAPES.sub("", text).rstrip() for text in (done.stdout, done.stderr))
    if not done.returncode or (printed and not complaint):
        return Answer(printed, bool(done.returncode))
    lines = complaint.splitlines()
    first = max(n for n, line in enumerate(lines) if re.match(r"[\w.]+(Error|Exception)\b", line))
    ending = lines[first : first + ERROR_LINES]
    return Answer("\n".join([*printed.splitlines(), *(line.rstrip() for line in ending)]), True, first)


def block(answer: Answer) -> str:
    """The answer as a block of text, with how much of a traceback stands before it."""
    text = answer.text or "(nothing)"
    if answer.traceback:
        text = f"... {answer.traceback} lines of traceback\n{text}"
    return f"```text\n{text}\n```\n"


def netspec_says(case: Path) -> Answer:
    """What the linter prints of the case's spec; advice that is not about its mistake is left out with the infos."""
    spec = case / "spec.yaml"
    return run("-m", "netspec", "lint", "--ignore", "NS313,NS311", str(spec.relative_to(REPOSITORY)))


def section(case: Path) -> tuple[str, str]:
    """The row of the table and the section of one mistake."""
    spec = (case / "spec.yaml").read_text(encoding="utf-8")
    title, what = (line.removeprefix("# ") for line in spec.splitlines()[:2])
    torch, keras = (run(str(case / f"in_{name}.py")) for name in ("torch", "keras"))
    netspec = netspec_says(case)
    findings = re.findall(r"spec\.yaml:(\d+):\d+: (error|warning)\[(NS\d+)\]", netspec.text)
    line, severity, code = min(findings, key=lambda found: found[1])  # errors come before warnings
    cells = ["an error when it runs" if answer.failed else "no word" for answer in (torch, keras)]
    anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
    page = f"rules/{code}.md" if (PAGE.parent / f"rules/{code}.md").exists() else "rules/README.md"
    told = f"{severity} [{code}]({page}) at line {line}"
    row = f"| [{title}](#{anchor}) | {cells[0]} | {cells[1]} | {told} |\n"
    names = ("in_torch.py", "in_keras.py", "spec.yaml")
    files = ", ".join(f"[{name}](../tools/why/{case.name}/{name})" for name in names)
    parts = [f"\n## {title}\n\n{what}\n({files})\n"]
    for name, answer in (("PyTorch", torch), ("Keras", keras), ("netspec", netspec)):
        parts.append(f"\n**{name}**\n\n{block(answer)}")
    return row, "".join(parts)


def main() -> None:
    """Write the page."""
    sections = [section(case) for case in sorted(CASES.iterdir()) if case.is_dir()]
    head = HEAD.format(torch=version("torch").partition("+")[0], keras=version("keras"), netspec=_netspec_version())
    text = head + "".join(row for row, _ in sections) + "".join(body for _, body in sections)
    PAGE.write_text(text, encoding="utf-8")


def _netspec_version() -> str:
    return run("-m", "netspec", "--version").text.split()[-1]


if __name__ == "__main__":
    main()
