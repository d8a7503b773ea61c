"""The exceptions that leave netspec: a spec that is refused, a run that failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netspec.diagnostics.collector import Diagnostics
from netspec.diagnostics.model import Diagnostic, Span
from netspec.diagnostics.text import escape


class NetspecError(Exception):
    """What every netspec exception is."""


class SpecError(NetspecError):
    """A spec has mistakes. ``diagnostics`` holds them in the order of the file.

    With ``sources`` (file name to text) the message shows them in full, otherwise one line each.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic], sources: Mapping[str, str] | None = None) -> None:
        self.diagnostics = Diagnostics(diagnostics).sorted()
        self.sources = dict(sources or {})
        super().__init__(self.diagnostics, self.sources)

    def __str__(self) -> str:
        from netspec.diagnostics.render import render_concise, render_text

        if not self.sources:
            return render_concise(self.diagnostics)
        return render_text(self.diagnostics, self.sources, color=False)


class RunError(NetspecError):
    """A run failed. Where it is known, ``diagnostic`` says where in the spec it comes from, and ``code`` what it is."""

    def __init__(self, message: str, diagnostic: Diagnostic | None = None, code: str | None = None) -> None:
        self.diagnostic = diagnostic
        self.code = code
        super().__init__(message, diagnostic, code)

    def __str__(self) -> str:
        return str(self.args[0])

    @classmethod
    def of(cls, code: str, listing: Iterable[str] = (), /, **fields: object) -> RunError:
        """The error that the catalogue words as ``code``, with its advice, where no place in a spec is to blame.

        ``listing`` are lines that stand between the two.
        """
        diagnostic = Diagnostic(code, Span.of_file(""), fields)
        advice = f"\n  help: {diagnostic.help_text}" if diagnostic.help_text else ""
        listed = "".join(f"\n  {escape(line)}" for line in listing)
        return cls(f"[{code}] {diagnostic.message}{listed}{advice}", code=code)
