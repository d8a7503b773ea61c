"""What the server answers to a real client over stdio, feature by feature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lsp_editor import Editor
from lsprotocol import types
from pygls.exceptions import JsonRpcException

SPEC = """\
netspec: 1
name: small
vars: {classes: 10, width: 16}
input: [32, 32, 3]

blocks:
  conv_bn:
    args: {filters: required, kernel: 3}
    layers:
      - conv: {filters: $filters, kernel: $kernel, padding: same, bias: false}
      - batch_norm
      - relu

layers:
  - conv_bn: $width
    name: stem
  - conv_bn: {filters: $(2 * width), kernel: 5}
  - concat:
      wide:
        - conv: {filters: $width, kernel: 1}
      deep:
        - conv_bn: 8
  - conv: {filters: 16, kernel: 1}
    name: mix
  - add:
    from: [mix, stem]
  - relu
  - global_avg_pool
  - dense: $classes

train:
  loss: cross_entropy
  optimizer: {sgd: {momentum: 0.9}}

expect:
  output: [$classes]
  shapes: {stem: [32, 32, 16]}
"""


def line_of(text: str, part: str) -> int:
    """The line, from 0, that holds a part of the text."""
    return next(number for number, line in enumerate(text.split("\n")) if part in line)


def place(text: str, part: str, within: str | None = None) -> tuple[int, int]:
    """Line and character of a part of the text, the second letter of it; ``within`` is a part of its line."""
    line = line_of(text, within or part)
    return line, text.split("\n")[line].index(part) + 1


def edited(text: str, edits: list[types.TextEdit]) -> str:
    """The text with edits of single lines put in."""
    lines = text.split("\n")
    for edit in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
        first, last = edit.range.start, edit.range.end
        joined = lines[first.line][: first.character] + edit.new_text + lines[last.line][last.character :]
        lines[first.line : last.line + 1] = joined.split("\n")
    return "\n".join(lines)


def test_findings_follow_the_text(editor: Editor) -> None:
    editor.open("a.yaml", SPEC)
    assert editor.findings("a.yaml") == []
    wrong = SPEC.replace("padding: same", "paddding: same")
    editor.open("a.yaml", wrong)
    (finding,) = editor.findings("a.yaml")
    assert (finding.code, finding.severity, finding.source) == ("NS101", types.DiagnosticSeverity.Error, "netspec")
    assert finding.range.start.line == line_of(SPEC, "padding: same")
    assert "did you mean 'padding'" in finding.message
    editor.open("a.yaml", SPEC)
    assert editor.findings("a.yaml") == []


def test_a_closed_text_has_no_findings(editor: Editor) -> None:
    uri = editor.open("closed.yaml", "netspec: 1\n")
    assert "NS103" in editor.codes("closed.yaml")
    editor.close("closed.yaml")
    assert editor.run(editor._findings(uri, None)) == []


def test_a_finding_tells_who_made_the_shape(editor: Editor) -> None:
    text = "netspec: 1\ninput: [8, 8, 3]\nlayers:\n  - max_pool: 4\n  - conv: {filters: 4, kernel: 5}\n"
    editor.open("shape.yaml", text)
    finding = next(f for f in editor.findings("shape.yaml") if f.code == "NS201")
    assert "⌊(2 + 2·0 − 5)/1⌋ + 1" in finding.message
    assert [note.location.range.start.line for note in finding.related_information] == [3]


def test_comments_and_settings_keep_findings(editor: Editor) -> None:
    text = SPEC.replace("  - relu\n  - global", "  - relu\n  - relu\n  - global")
    editor.open("kept.yaml", text)
    assert editor.codes("kept.yaml") == ["NS302"]
    editor.open("kept.yaml", text.replace("- relu\n  - relu", "- relu\n  - relu  # netspec: ignore[NS302]"))
    assert editor.codes("kept.yaml") == []
    settings = editor.folder / ".netspec.toml"
    settings.write_text('[lint]\nignore = ["NS3"]\n')
    editor.open("kept.yaml", text)
    editor.save("kept.yaml")
    editor.open("kept.yaml", text + "\n")
    assert editor.codes("kept.yaml") == []
    settings.unlink()
    editor.save("kept.yaml")
    editor.open("kept.yaml", text)
    assert editor.codes("kept.yaml") == ["NS302"]


def test_hints_stand_behind_every_layer_and_block(editor: Editor) -> None:
    editor.open("a.yaml", SPEC)
    found = editor.hints("a.yaml")
    assert found[line_of(SPEC, "conv_bn: $width") + 1] == "32x32x16 · 496 parameters"
    assert found[line_of(SPEC, "from: [mix, stem]")] == "32x32x16"
    assert found[line_of(SPEC, "dense: $classes") + 1] == "10 · 170 parameters"
    assert found[line_of(SPEC, "conv_bn:") + 1] == "15,760 parameters in 3 uses"
    assert found[line_of(SPEC, "batch_norm") + 1] == "32x32x16 … 32x32x8 · 224 parameters in 3 uses"
    layers = {n for n, line in enumerate(SPEC.split("\n"), 1) if line.lstrip().startswith("- ")}
    assert layers <= found.keys()


def test_hover_shows_formulas_and_meanings(editor: Editor) -> None:
    editor.open("a.yaml", SPEC)
    dense = editor.hover("a.yaml", *place(SPEC, "dense"))
    assert "(16 + 1)·10 = 170" in dense
    assert "output channels" in editor.hover("a.yaml", *place(SPEC, "filters", "filters: $filters"))
    assert "32x32x16`, 496 parameters" in editor.hover("a.yaml", *place(SPEC, "conv_bn", "conv_bn: $width"))
    assert "(filters, kernel = 3)" in editor.hover("a.yaml", *place(SPEC, "conv_bn", "conv_bn:"))
    assert "`classes` = `10`" in editor.hover("a.yaml", *place(SPEC, "classes", "dense: $classes"))
    assert "32x32x16" in editor.hover("a.yaml", *place(SPEC, "stem", "from:"))
    assert "earlier layer" in editor.hover("a.yaml", *place(SPEC, "from:"))
    assert "momentum" in editor.hover("a.yaml", *place(SPEC, "momentum"))
    assert "made small" in editor.hover("a.yaml", *place(SPEC, "loss"))
    assert editor.hover("a.yaml", 4, 0) == ""


def test_definitions_are_found(editor: Editor) -> None:
    editor.open("a.yaml", SPEC)

    def goes_to(part: str, within: str) -> list[int]:
        return [found.range.start.line for found in editor.definition("a.yaml", *place(SPEC, part, within))]

    assert goes_to("conv_bn", "conv_bn: $width") == [line_of(SPEC, "conv_bn:")]
    assert goes_to("stem", "from: [mix") == [line_of(SPEC, "name: stem")]
    assert goes_to("stem", "shapes:") == [line_of(SPEC, "name: stem")]
    assert goes_to("width", "conv_bn: $width") == [line_of(SPEC, "vars:")]
    assert goes_to("kernel", "kernel: $kernel") == []
    assert goes_to("$kernel", "kernel: $kernel") == [line_of(SPEC, "args:")]
    assert goes_to("kernel", "kernel: 5") == [line_of(SPEC, "args:")]


def test_references_are_found(editor: Editor) -> None:
    editor.open("a.yaml", SPEC)
    found = editor.references("a.yaml", *place(SPEC, "conv_bn"))
    assert sorted(place.range.start.line for place in found) == [
        number for number, line in enumerate(SPEC.split("\n")) if "conv_bn" in line
    ]


@pytest.mark.parametrize(
    ("part", "within", "new", "old"),
    [
        ("conv_bn", "conv_bn:", "unit", "conv_bn"),
        ("filters", "args:", "out", None),
        ("width", "vars:", "wide_net", None),
        ("stem", "name: stem", "first-layer", "stem"),
    ],
)
def test_a_renamed_thing_is_renamed_wherever_it_is_mentioned(
    editor: Editor, part: str, within: str, new: str, old: str | None
) -> None:
    editor.open("a.yaml", SPEC)
    before = editor.hints("a.yaml")
    (edits,) = editor.rename("a.yaml", *place(SPEC, part, within), new).values()
    text = edited(SPEC, edits)
    assert new in text
    assert old is None or old not in text
    editor.open("renamed.yaml", text)
    assert editor.findings("renamed.yaml") == []
    assert editor.hints("renamed.yaml") == before


@pytest.mark.parametrize(("new", "why"), [("channels", "meaning"), ("9x", "begin"), ("classes", "called so")])
def test_a_name_that_cannot_be_given_is_refused(editor: Editor, new: str, why: str) -> None:
    editor.open("a.yaml", SPEC)
    with pytest.raises(JsonRpcException, match=why):
        editor.rename("a.yaml", *place(SPEC, "width", "vars:"), new)


def test_quick_fixes_mend_and_keep(editor: Editor) -> None:
    wrong = SPEC.replace("- batch_norm", "- batch_nrom")
    uri = editor.open("fix.yaml", wrong)
    mend, keep = editor.actions("fix.yaml", line_of(SPEC, "- batch_norm"))
    assert (mend.title, mend.is_preferred) == ("Write 'batch_norm'", True)
    assert mend.diagnostics[0].code == "NS104"
    assert edited(wrong, mend.edit.changes[uri]) == SPEC
    editor.open("fix.yaml", edited(wrong, keep.edit.changes[uri]))
    assert editor.codes("fix.yaml") == []


def test_everything_is_mended_at_once(editor: Editor) -> None:
    wrong = SPEC.replace("- batch_norm", "- batch_nrom").replace("padding: same", "paddding: same")
    uri = editor.open("all.yaml", wrong)
    (action,) = editor.actions("all.yaml", 0, types.CodeActionKind.SourceFixAll)
    assert edited(wrong, action.edit.changes[uri]) == SPEC


def test_symbols_and_folds(editor: Editor) -> None:
    editor.open("a.yaml", SPEC)
    sections = {symbol.name: symbol for symbol in editor.symbols("a.yaml")}
    assert list(sections) == ["netspec", "name", "vars", "input", "blocks", "layers", "train", "expect"]
    assert [child.name for child in sections["layers"].children] == [
        *("stem", "conv_bn", "concat", "mix", "add", "relu", "global_avg_pool", "dense")
    ]
    concat = sections["layers"].children[2]
    assert [(branch.name, [layer.name for layer in branch.children]) for branch in concat.children] == [
        ("wide", ["conv"]),
        ("deep", ["conv_bn"]),
    ]
    (block,) = sections["blocks"].children
    assert [child.name for child in block.children] == ["filters", "kernel", "conv", "batch_norm", "relu"]
    assert (line_of(SPEC, "conv_bn:"), line_of(SPEC, "- relu")) in editor.folds("a.yaml")


def test_half_typed_yaml_keeps_the_last_good_tree(editor: Editor) -> None:
    editor.open("half.yaml", SPEC)
    hints = editor.hints("half.yaml")
    line = line_of(SPEC, "global_avg_pool")
    broken = SPEC.replace("  - global_avg_pool\n", "  - global_avg_pool\n  - conv: {filters: [\n")
    editor.open("half.yaml", broken)
    assert "NS001" in editor.codes("half.yaml")
    now = editor.hints("half.yaml")
    assert now == {n + (n > line + 1): text for n, text in hints.items()}
    assert "(16 + 1)·10 = 170" in editor.hover("half.yaml", *place(broken, "dense"))
    assert [symbol.name for symbol in editor.symbols("half.yaml")][-2:] == ["train", "expect"]
    assert "conv_bn" in editor.complete("half.yaml", line, len("  - "))
    assert "kernel" in editor.complete("half.yaml", line + 1, len("  - conv: {"))


def test_included_files_are_read_from_open_texts(editor: Editor) -> None:
    library = "blocks:\n  unit:\n    args: {filters: required}\n    layers:\n      - dense: $filters\n"
    spec = "netspec: 1\ninclude: [lib.yaml]\ninput: [4]\nlayers:\n  - unit: 3\n"
    editor.open("lib.yaml", library)
    editor.open("user.yaml", spec)
    assert editor.codes("user.yaml") == []
    assert [found.uri for found in editor.definition("user.yaml", 4, 5)] == [editor.uri("lib.yaml")]
    editor.open("lib.yaml", library.replace("unit:", "other:"))
    editor.run(editor._hints(editor.uri("user.yaml")))
    editor.open("user.yaml", spec + "\n")
    assert "NS104" in editor.codes("user.yaml")


def test_renaming_reaches_the_specs_that_share_a_block(editor: Editor) -> None:
    folder = editor.folder / "shared"
    folder.mkdir()
    library = "netspec: 1\nblocks:\n  unit:\n    args: {filters: required}\n    layers:\n      - dense: $filters\n"
    spec = "netspec: 1\ninclude: [lib.yaml]\ninput: [4]\nlayers:\n  - unit: 3\n"
    (folder / "lib.yaml").write_text(library)
    (folder / "one.yaml").write_text(spec)
    (folder / "two.yaml").write_text(spec.replace("unit: 3", "unit: {filters: 3}"))
    editor.open("shared/one.yaml", spec)
    changes = editor.rename("shared/one.yaml", 4, 5, "fresh")
    assert {Path(uri).name: len(edits) for uri, edits in changes.items()} == {
        "lib.yaml": 1,
        "one.yaml": 1,
        "two.yaml": 1,
    }
    assert [Path(f.uri).name for f in editor.definition("shared/one.yaml", 1, 12)] == ["lib.yaml"]


def test_a_mistake_of_an_included_file_is_shown_where_it_is_named(editor: Editor) -> None:
    (editor.folder / "bad.yaml").write_text("blocks:\n  unit:\n    layers: [\n")
    editor.open("named.yaml", "netspec: 1\ninclude: [bad.yaml]\ninput: [4]\nlayers:\n  - dense: 3\n")
    finding = next(f for f in editor.findings("named.yaml") if str(f.code).startswith("NS0"))
    assert finding.range.start.line == 1
    assert finding.related_information[0].location.uri.endswith("bad.yaml")


def test_no_plugins_and_a_text_without_a_file(start: Callable[..., Editor]) -> None:
    editor = start(None, "--no-plugins", "--stdio")
    uri = "untitled:Untitled-1"
    wrong = SPEC.replace("- batch_norm", "- batch_nrom")
    (finding,) = editor.run(editor.prefix(uri, wrong))
    assert finding.code == "NS104"
    assert editor.run(editor.prefix(uri, SPEC)) == []
