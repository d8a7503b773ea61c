"""What a notebook shows of a spec and of a history: whole HTML, in which what a person wrote is text."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import netspec
from netspec.training.history import History

VOID = {"br", "progress", "polyline", "path", "rect", "line"}


class Checker(HTMLParser):
    """Holds that every element ends, in order, and notes what there was."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def test_a_spec_shows_its_layers_and_its_picture() -> None:
    found = checked(netspec.load("zoo:lenet5")._repr_html_())
    assert found.seen.count("table") == 1
    assert found.seen.count("tr") == 1 + len(netspec.load("zoo:lenet5").graph.nodes)
    assert "svg" in found.seen
    assert "61,706 parameters" in found.text


def test_what_a_person_wrote_is_text() -> None:
    doc = "<script>alert(1)</script> \\u202e & more"
    spec = netspec.load(f'netspec: 1\nname: net\ndoc: "{doc}"\ninput: [4]\nlayers: [{{dense: 2}}]\n')
    html = spec._repr_html_()
    assert "<script" not in html
    assert "\u202e" not in html
    assert "<script>alert(1)</script>" in checked(html).text


def test_a_history_is_data_and_a_table_with_a_curve() -> None:
    entries = [
        {"epoch": n, "loss": 1 / n, "metrics": {"accuracy": 0.5}, "validation": {"loss": 2 / n, "metrics": {}}}
        for n in (1, 2, 3)
    ]
    history = History(entries)
    assert history == entries
    assert history[-1]["loss"] == 1 / 3
    assert history[1:] == entries[1:]
    found = checked(history._repr_html_())
    assert found.seen.count("polyline") == 2
    assert found.seen.count("tr") == 4
    assert "validation loss" in found.text
    assert "no epochs" in checked(History()._repr_html_()).text
    flat = History([{"epoch": 1, "loss": float("nan"), "metrics": {}}])
    assert "nan" in checked(flat._repr_html_()).text
