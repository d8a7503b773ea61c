"""The report as one HTML page that needs nothing else: no network, no fonts, no library."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from netspec import __version__
from netspec.training.report.content import Figure, Report, listed, mapping_in
from netspec.training.report.interior import filters, layer_times, network, spreads, times_text
from netspec.training.report.markup import Content, Element, Trusted, element, render
from netspec.training.report.outcome import answers, answers_text, curves, metric_title
from netspec.training.report.scales import written

HERE = Path(__file__).parent


class _Section(NamedTuple):
    """A part of the page: its address, its title, what it shows, and what there is."""

    place: str
    title: str
    aside: str
    body: Content


def page(report: Report) -> str:
    """The page. Everything in it that a person wrote is escaped."""
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    sections = list(_sections(report))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{report.name} · netspec"),
        element("style", Trusted(style)),
    )
    body = element(
        "body",
        element("header", _header(report), _contents(sections)),
        element("main", map(_section, sections)),
        element("footer", f"Written by netspec {__version__}. The page is complete in itself and loads nothing."),
        element("script", Trusted(script)),
    )
    return "<!DOCTYPE html>\n" + render(element("html", head, body, lang="en")) + "\n"


def _policy(script: str) -> str:
    """What a browser may do: show what is in the page, and run the one script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _header(report: Report) -> Iterator[Content]:
    yield element("p", "netspec · report of a run", class_="kicker")
    yield element("h1", report.name)
    if report.doc:
        yield element("p", report.doc, class_="doc")
    for event in report.events:
        yield element("p", [[line, element("br")] for line in event.splitlines()], class_="alert")
    facts = [element("div", element("dt", name), element("dd", text)) for name, text in _facts(report) if text]
    yield element("dl", facts, class_="facts")
    if report.figures:
        yield _figures(report)
    yield element("h3", "To run it again")
    yield element("code", shlex.join(report.command) or "The command was not noted.", class_="code")
    words = "The same bits come out with the same data, versions and type of processor: see the record below."
    yield element("p", words, class_="quiet")


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    manifest, done = report.manifest, len(report.history.epochs)
    yield "status", report.status
    yield "started", str(manifest.get("started", "")).replace("T", " ")[:16]
    yield "epochs", f"{done} of {report.epochs}" if done != report.epochs else str(done)
    seconds = [value for value in report.history.seconds if value is not None]
    yield "training steps took", _duration(sum(seconds)) if seconds else ""
    data = mapping_in(manifest, "data")
    samples = [f"{count:,} {part}" for part, count in mapping_in(data, "samples").items() if count]
    yield "data", str(data.get("name", ""))
    yield "samples", ", ".join(samples)
    yield "batch", str(manifest.get("batch", ""))
    yield "seed", str(manifest.get("seed", ""))
    threads = manifest.get("threads")
    yield "ran on", f"{manifest.get('backend', '')}, {threads} thread{'' if threads == 1 else 's'}" if threads else ""


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _figures(report: Report) -> Element:
    """Losses and metrics: last epoch, the one with the lowest validation loss, and the test part."""
    columns = [
        ("training", [each.train for each in report.figures]),
        ("validation", [each.validation for each in report.figures]),
        (f"validation, best (epoch {report.best_epoch})", [each.best for each in report.figures]),
        ("test", [each.test for each in report.figures]),
    ]
    if report.best_epoch in (None, report.history.epochs[-1]):
        del columns[2]
    columns = [(name, values) for name, values in columns if any(value is not None for value in values)]
    head = element("tr", element("th"), [element("th", name, scope="col", class_="number") for name, _ in columns])
    rows = [_figure(each, [values[place] for _, values in columns]) for place, each in enumerate(report.figures)]
    table = element("table", element("thead", head), element("tbody", rows), class_="figures")
    return element("div", table, class_="scroll")


def _figure(figure: Figure, values: Iterable[float | None]) -> Element:
    cells = [element("td", written(value), class_="number") for value in values]
    return element("tr", element("th", metric_title(figure.name), scope="row"), cells)


def _sections(report: Report) -> Iterator[_Section]:
    """All parts, in the order in which a person asks: how it went, what it says, what it is, what it took."""
    words = "After each epoch. Training scores are means over the epoch, while the weights still moved."
    yield _Section("curves", "Curves", words, curves(report.history))
    found = report.answers
    words = f"The last weights on {answers_text(found)}. Nothing was chosen by this page." if found else ""
    yield _Section("answers", "Answers", words, answers(found) if found else _missing(report, "answers", "data"))
    words = "Shapes are height, width, channels of one sample."
    drawn = network(report.network) if report.network else _missing(report, "network")
    yield _Section("network", "Network", words, drawn)
    shown = bool(report.filters or report.features)
    words = "Filters of the first layers; and the first sample of the same part, as layers pass it on." if shown else ""
    yield _Section("filters", "Filters and maps", words, filters(report) if shown else _missing(report, "features"))
    samples = f"the first {report.gradient_samples} samples of the training part"
    words = f"The middle 99 % of the numbers. Gradients are of the loss of {samples}, at the last weights."
    inside = spreads(report) if report.spreads else _missing(report, "spreads", "data")
    yield _Section("weights", "Weights and gradients", words if report.spreads else "", inside)
    times = report.times
    bars = layer_times(times) if times else _missing(report, "times", "data")
    yield _Section("time", "Time per layer", times_text(times) if times else "", bars)
    words = "What would have to be the same for the same bits to come out."
    yield _Section("record", "Record", words, _record(report))


def _missing(report: Report, *names: str) -> Element:
    """Why a part is not there; without a checkpoint nearly all is missing for that reason."""
    known = [report.missing[name] for name in ("checkpoint", *names) if name in report.missing]
    why = known[0] if known else "this network has nothing of the kind."
    return element("p", f"Not here: {why}", class_="missing")


def _record(report: Report) -> Iterator[Content]:
    """What was taken over, and the manifest as it stands in the run directory."""
    transfer = mapping_in(report.manifest, "init")
    if transfer:
        yield element("h3", "Weights to start from")
        taken, kept = mapping_in(transfer, "taken"), mapping_in(transfer, "kept")
        yield element("p", f"{len(taken)} of {len(taken) + len(kept)} weights start from {transfer.get('file', '')}.")
        rows = [_row(name, f"from {source}") for name, source in taken.items()]
        rows += [_row(name, f"as drawn: {why}") for name, why in kept.items()]
        rows += [_row("–", f"{name} of the file is not used") for name in listed(transfer, "unused")]
        yield element("details", element("summary", "Weight by weight"), _rows(rows))
    yield _rows([_row(name, text) for name, text in _circumstances(report.manifest) if text])
    lines = json.dumps(report.manifest, indent=2, ensure_ascii=False).splitlines()
    whole = element("pre", [(line, Trusted("\n")) for line in lines], tabindex="0")
    yield element("details", element("summary", "The whole manifest"), whole)


def _row(name: str, text: str) -> Element:
    return element("tr", element("th", name, scope="row"), element("td", text))


def _rows(rows: Iterable[Element]) -> Element:
    return element("div", element("table", element("tbody", rows)), class_="scroll")


def _circumstances(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    versions = mapping_in(manifest, "versions")
    yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    yield "machine", ", ".join(str(text) for text in mapping_in(manifest, "machine").values())
    yield "data sha256", str(mapping_in(manifest, "data").get("sha256", ""))
    yield "spec sha256", str(mapping_in(manifest, "spec").get("sha256", ""))
    yield "weights sha256", str(manifest.get("weights_sha256", ""))


def _contents(sections: Iterable[_Section]) -> Element:
    links = [element("li", element("a", each.title, href=f"#{each.place}")) for each in sections]
    return element("nav", element("ul", links), aria_label="on this page")


def _section(section: _Section) -> Element:
    aside = element("p", section.aside) if section.aside else None
    left = element("div", element("h2", section.title), element("div", aside, class_="aside"))
    return element("section", left, element("div", section.body, class_="body"), id=section.place)
