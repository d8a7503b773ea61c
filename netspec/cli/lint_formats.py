"""Findings of ``netspec lint`` for programs, and counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from netspec.diagnostics import Diagnostic
from netspec.diagnostics.catalogue import lookup


def render(found: Sequence[Diagnostic], files: Sequence[str], format_: str, statistics: bool) -> str:
    """The text of stdout in one of the formats ``json``, ``sarif``, ``github``, ``junit``."""
    if format_ == "github":
        from netspec.diagnostics.github import render_github

        return render_github(found)
    if format_ == "junit":
        from netspec.diagnostics.junit import render_junit

        return render_junit(found, files)
    if format_ == "sarif":
        from netspec.diagnostics.sarif import sarif_document

        document = sarif_document(found, files)
    else:
        from netspec.diagnostics.render import json_document

        document = json_document(found, files)
        if statistics:
            document["statistics"] = dict(_counts(found))
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def count_table(found: Sequence[Diagnostic]) -> str:
    """How often each code was found, the most frequent first."""
    counts = _counts(found)
    width = len(str(max((count for _, count in counts), default=0)))
    return "".join(f"{count:>{width}}  {code}  {lookup(code).title}\n" for code, count in counts)


def _counts(found: Sequence[Diagnostic]) -> list[tuple[str, int]]:
    return sorted(Counter(diagnostic.code for diagnostic in found).items(), key=lambda pair: (-pair[1], pair[0]))
