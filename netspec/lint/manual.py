"""The manual of the linter: every code with its family, and a page for each rule, made from its module's docstring."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from types import ModuleType
from typing import NamedTuple

from netspec.diagnostics import Severity
from netspec.diagnostics.catalogue import codes, lookup
from netspec.lint import comments, configuration
from netspec.lint.engine import load_rules
from netspec.lint.repairs import mendable

FAMILIES: Mapping[str, str] = {
    "NS0": "YAML",
    "NS1": "form",
    "NS2": "shape",
    "NS3": "sense",
    "NS4": "cost",
    "NS5": "training",
    "NS6": "portability",
    "NS8": "smaller networks",
    "NS9": "run time",
}
"""What the codes are about, by how they begin."""

_EXAMPLES = {
    "Settings:": "With these settings",
    "Fails:": "A spec that is at fault",
    "Passes:": "One that is not",
}


class Page(NamedTuple):
    """What the manual says of a code; ``page`` is empty where no rule but the reading of the spec finds it."""

    code: str
    family: str
    severity: Severity
    title: str
    fix: bool
    page: str


def pages(plugins: bool = True) -> list[Page]:
    """Every code that there is, in order."""
    rules = load_rules(plugins)
    found = []
    for code in codes():
        entry = lookup(code)
        page = rules[code].page if code in rules else ""
        found.append(Page(code, FAMILIES.get(code[:3], "plug-in"), entry.severity, entry.title, mendable(code), page))
    return found


def markdown(page: Page) -> str:
    """The page of a rule as Markdown."""
    head, _, rest = page.page.partition("\n\n")
    facts = f"{page.severity} · {page.family}" + (" · `--fix` mends it" if page.fix else "")
    parts = [f"# {page.code}: {page.title}", facts, head]
    for paragraph in re.split(r"\n\n(?=\S)", rest):
        title, _, example = paragraph.partition("\n\n")
        if title in _EXAMPLES:
            language = "toml" if title == "Settings:" else "yaml"
            parts += [f"{_EXAMPLES[title]}:", f"```{language}\n{textwrap.dedent(example).strip()}\n```"]
        else:
            parts.append(paragraph)
    ignoring = f"To keep a finding, say why: `# netspec: ignore[{page.code}] the paper has it so`."
    return "\n\n".join([*parts, ignoring]) + "\n"


def index(found: list[Page]) -> str:
    """The list of all codes as Markdown, with links to the pages of rules."""
    lines = [
        "# What the linter finds",
        "",
        "Errors and warnings make `netspec lint` fail, infos do not. `netspec explain CODE` shows a page on the",
        "terminal; a star marks what `--fix` can mend.",
    ]
    for start, family in FAMILIES.items():
        members = [page for page in found if page.code.startswith(start)]
        lines += ["", f"## {start}: {family}", "", "| code | severity | what |", "|---|---|---|"]
        for page in members:
            code = f"[{page.code}]({page.code}.md)" if page.page else page.code
            lines.append(f"| {code} | {page.severity} | {page.title}{' *' if page.fix else ''} |")
    written = [_written(comments, "Keeping a finding"), _written(configuration, "Settings")]
    return "\n\n".join(["\n".join(lines), *written]) + "\n"


def _written(module: ModuleType, title: str) -> str:
    """What a module says of itself, its examples as code."""
    paragraphs = re.split(r"\n\n(?=\S)|(?<=\S)\n\n(?=    )", (module.__doc__ or "").strip())
    shown = [f"```toml\n{textwrap.dedent(p).rstrip()}\n```" if p.startswith("    ") else p for p in paragraphs]
    return "\n\n".join([f"## {title}", *shown])
