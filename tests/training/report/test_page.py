"""The page as text: what it holds, what it must not, and how large it is."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from netspec.training.report import page as page_module
from netspec.training.report.content import ClassHead, Report
from netspec.training.report.page import page

SECTIONS = ["curves", "answers", "network", "filters", "weights", "time", "record"]
LARGEST_SMALL = 400_000
"""Bytes of the page of a small network: it can be sent by mail."""


class Seen(HTMLParser):
    """Tags, scripts, addresses."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(markup)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "wbr"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)
        else:
            self.text += data


@pytest.fixture(scope="module")
def seen(digits_report: Report) -> Seen:
    return Seen(page(digits_report))


def test_all_parts_are_there_and_linked(seen: Seen) -> None:
    assert [attributes["id"] for tag, attributes in seen.tags if tag == "section"] == SECTIONS
    links = [attributes["href"] for tag, attributes in seen.tags if tag == "a"]
    assert links == [f"#{name}" for name in SECTIONS]


def test_nothing_leads_out_of_the_page(seen: Seen) -> None:
    for tag, attributes in seen.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            address = attributes.get(name)
            assert address is None or address.startswith(("data:image/", "#")), (tag, address)
        assert tag != "link"
    style = (Path(page_module.__file__).parent / "page.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_every_picture_says_what_it_shows(seen: Seen) -> None:
    pictures = [attributes for tag, attributes in seen.tags if tag == "img" or attributes.get("role") == "img"]
    assert pictures
    assert all(each.get("alt") or each.get("aria-label") for each in pictures)


def test_whatever_a_person_wrote_stays_text(hostile_report: Report) -> None:
    found = Seen(page(hostile_report))
    script = (Path(page_module.__file__).parent / "page.js").read_text()
    assert found.scripts == [script]
    assert not [attributes for _, attributes in found.tags if any(name.startswith("on") for name in attributes)]
    assert not [attributes for tag, attributes in found.tags if tag == "img" and attributes.get("src") == "x"]
    assert "\u202e" not in page(hostile_report)
    assert found.text.count("</script><script>alert(1)</script>\\u202e\"'&<img src=x onerror=alert(2)>") > 50


def test_axes_say_their_unit(digits_report: Report, kinds_report: Report) -> None:
    text = page(digits_report) + page(kinds_report)
    for words in (">loss", ">accuracy<", ">seconds", ">rate per step<", ">epoch<", ">target<", ">answer<"):
        assert words in text
    assert text.count(">repaired/psnr, dB<") == 3  # in the table, over the chart, and at its axis


def test_size_is_bounded(digits_report: Report, kinds_report: Report) -> None:
    assert len(page(digits_report).encode()) < LARGEST_SMALL
    assert len(page(kinds_report).encode()) < LARGEST_SMALL


@pytest.mark.parametrize(("classes", "pictured"), [(2, False), (16, False), (17, True), (100, True), (1000, True)])
def test_the_confusion_of_many_classes_is_a_picture_with_its_worst_pairs(
    digits_report: Report, classes: int, pictured: bool
) -> None:
    counts = np.eye(classes, dtype=int) * 9
    counts[0, 1] = 7
    names = tuple(f"class {number}" for number in range(classes))
    head = ClassHead("main", names, tuple(map(tuple, counts.tolist())), "probability", ())
    assert digits_report.answers is not None
    text = page(replace(digits_report, answers=replace(digits_report.answers, heads=(head,))))
    assert ("Most frequent confusions" in text) is pictured
    assert ("7 of 16" in text) is pictured
    assert (">recall<" in text) is not pictured
    assert len(text.encode()) < LARGEST_SMALL


def test_the_readout_shows_the_last_values_without_a_script(digits_report: Report) -> None:
    text = page(digits_report)
    loss = digits_report.figures[0].validation
    assert re.search(rf"validation <b>{loss:.4f}</b>", text)


def test_what_was_transferred_is_listed(digits_report: Report) -> None:
    init = {"file": "old.safetensors", "taken": {"conv.weight": "first.weight"}, "kept": {"dense.weight": "it is new"}}
    text = page(replace(digits_report, manifest={**digits_report.manifest, "init": {**init, "unused": ["head.bias"]}}))
    for words in (
        "1 of 2 weights start from old.safetensors",
        "from first.weight",
        "as drawn: it is new",
        "head.bias of",
    ):
        assert words in text
