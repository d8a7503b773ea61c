"""Pages of documentation, made from the declarations alone: what a plug-in declares gets the same page as our own."""

from __future__ import annotations

from netspec.analysis.pages.examples import example_lines, example_spec
from netspec.analysis.pages.kinds import KINDS, kind_page
from netspec.analysis.pages.operators import op_index, op_page

__all__ = ["KINDS", "example_lines", "example_spec", "kind_page", "op_index", "op_page"]
