"""Reading files: what is refused, and the places in what is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netspec.diagnostics import Diagnostic, Span
from netspec.syntax.source import Positions, Source, decode_source, read_source


def refusal(result: Source | Diagnostic) -> Diagnostic:
    assert isinstance(result, Diagnostic)
    return result


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_bytes("name: é\r\nx: 1\n".encode())
    assert read_source(path) == Source(str(path), "name: é\r\nx: 1\n")
    assert read_source(str(path), name="net.yaml") == Source("net.yaml", "name: é\r\nx: 1\n")


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert decode_source("f", b"\xef\xbb\xbfa: 1\n") == Source("f", "a: 1\n")


def test_the_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_bytes(b"a" * 10)
    assert isinstance(read_source(path, limit=10), Source)
    diagnostic = refusal(read_source(path, limit=9))
    assert diagnostic.code == "NS007"
    assert diagnostic.message == "the file is larger than the 9 bytes that are read of a spec"


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        (b"a: 1\nb: x\xffy", (2, 5), "the file is not UTF-8: byte 0xff begins no character"),
        ("é: ".encode() + b"\xe9", (1, 4), "the file is not UTF-8: byte 0xe9 begins no character"),
        ("a: 1".encode("utf-16"), (1, 1), "the file is UTF-16, not UTF-8"),
        (b"\xfe\xff\x00a", (1, 1), "the file is UTF-16, not UTF-8"),
        (b"a: \xc0\x80", (1, 4), "the file is not UTF-8: byte 0xc0 begins no character"),
    ],
)
def test_other_encodings_are_refused(data: bytes, place: tuple[int, int], message: str) -> None:
    diagnostic = refusal(decode_source("f", data))
    assert diagnostic.code == "NS006"
    assert diagnostic.span[1:3] == place
    assert diagnostic.message == message


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link.yaml"
    link.symlink_to("/dev/zero")
    cases = [
        (pipe, "it is a pipe, not a regular file"),  # must not wait for a writer
        (tmp_path, "it is a folder, not a regular file"),
        (Path("/dev/zero"), "it is a device or socket, not a regular file"),
        (link, "it is a device or socket, not a regular file"),
        (tmp_path / "missing.yaml", "there is no such file"),
        (tmp_path / ("x" * 300), "File name too long"),
    ]
    for path, problem in cases:
        diagnostic = refusal(read_source(path))
        assert diagnostic.code == "NS008"
        assert diagnostic.span == Span.of_file(str(path))
        assert diagnostic.message == f"the file cannot be read: {problem}"
    assert refusal(read_source("a\0b")).code == "NS008"


def test_a_link_to_a_regular_file_is_one(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("a: 1")
    (tmp_path / "link").symlink_to("net.yaml")
    assert isinstance(read_source(tmp_path / "link"), Source)


def test_positions() -> None:
    positions = Positions(Source("f", "é: 日\r\n  bb: 1\n"))
    assert positions.span(3, 4) == Span("f", 1, 4, 1, 5)
    assert positions.span(8, 10) == Span("f", 2, 3, 2, 5)
    assert positions.span(0, 10) == Span("f", 1, 1, 2, 5)
    assert positions.written(Span("f", 2, 3, 2, 5)) == "bb"
    assert positions.written(Span("f", 1, 4, 2, 5)) == "日\r\n  bb"
    assert positions.line_start(10) == 6
