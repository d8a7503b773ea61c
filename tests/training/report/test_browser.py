"""The page in a real browser: at the width of a desk and of a phone, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from browser import find_browser

from netspec.training.report.content import Report
from netspec.training.report.page import page

pytestmark = pytest.mark.browser

VARIANTS = [(width, scheme) for width in (1280, 375) for scheme in ("light", "dark")]
REPORTS = ("digits_report", "kinds_report", "hostile_report")

CONTRAST = """() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const channel = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const over = (top, under) => [0, 1, 2].map((k) => top[k] * top[3] + under[k] * (1 - top[3])).concat(1);
  const behind = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      layers.unshift(parse(getComputedStyle(each).backgroundColor));
    }
    return layers.reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element), ground = behind(element);
    const ink = parse(element.ownerSVGElement ? style.fill : style.color);
    if (ink[3] === 0) continue;
    const [a, b] = [light(over(ink, ground)), light(ground)].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) found.push([walker.currentNode.data.slice(0, 40), element.className, contrast]);
  }
  return found;
}"""

CLIPPED = """() => {
  const found = [];
  for (const element of document.querySelectorAll("main *, header *, footer *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own && element.tagName !== "IMG" || element.closest(".scroll, .drawing, pre")) continue;
    const box = element.getBoundingClientRect();
    if (!box.width) continue;
    if (box.left < -0.5 || box.right > document.documentElement.clientWidth + 0.5) {
      found.push([element.tagName, element.className.baseVal ?? element.className, element.textContent.slice(0, 40)]);
    }
  }
  return found;
}"""


class Opened(NamedTuple):
    """A page in the browser, and what it did."""

    page: Any
    said: list[str]
    asked: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # In a container there are neither the rights for the browser's own sandbox nor a graphics card.
        started = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name in REPORTS:
        report: Report = request.getfixturevalue(name)
        found[name] = folder / f"{name}.html"
        found[name].write_text(page(report))
    return found


@pytest.fixture(params=VARIANTS, ids=lambda variant: f"{variant[0]}-{variant[1]}")
def context(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    width, scheme = request.param
    made = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    yield made
    made.close()


def opened(context: Any, file: Path) -> Opened:
    shown = Opened(context.new_page(), [], [])
    shown.page.on("console", lambda message: shown.said.append(message.text))
    shown.page.on("pageerror", lambda error: shown.said.append(str(error)))
    shown.page.on("dialog", lambda dialog: (shown.said.append(dialog.message), dialog.dismiss()))
    shown.page.on("request", lambda asked: shown.asked.append(asked.url))
    shown.page.goto(file.as_uri(), wait_until="load")
    return shown


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_whole_quiet_and_fits(context: Any, files: dict[str, Path], name: str) -> None:
    shown = opened(context, files[name])
    assert shown.said == []
    assert [url for url in shown.asked if not url.startswith("data:image/")] == [files[name].as_uri()]
    assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sections = shown.page.locator("section")
    assert sections.count() == 7
    assert all(sections.nth(number).bounding_box()["height"] > 40 for number in range(7))
    assert shown.page.evaluate(CLIPPED) == []
    loaded = "[...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    assert shown.page.evaluate(loaded)
    assert shown.page.evaluate("document.getElementsByTagName('script').length") == 1


@pytest.mark.parametrize("name", REPORTS)
def test_all_text_can_be_read(context: Any, files: dict[str, Path], name: str) -> None:
    assert opened(context, files[name]).page.evaluate(CONTRAST) == []


def test_the_readout_follows_pointer_and_keys(browser: Any, files: dict[str, Path]) -> None:
    shown = browser.new_page(viewport={"width": 1280, "height": 900})
    shown.goto(files["digits_report"].as_uri())
    chart = shown.locator("figure.chart").first
    epoch, rule = chart.locator(".readout b").first, chart.locator(".rule")
    assert (epoch.inner_text(), rule.get_attribute("visibility")) == ("3", "hidden")
    chart.locator("svg").hover(position={"x": 60, "y": 60})
    assert (epoch.inner_text(), rule.get_attribute("visibility")) == ("1", "visible")
    shown.mouse.move(0, 0)
    assert (epoch.inner_text(), rule.get_attribute("visibility")) == ("3", "hidden")
    chart.locator("svg").focus()
    shown.keyboard.press("ArrowLeft")
    assert epoch.inner_text() == "2"
    shown.close()


def test_without_scripts_the_page_says_the_same(browser: Any, files: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    shown = context.new_page()
    shown.goto(files["digits_report"].as_uri())
    assert shown.locator("figure.chart .readout b").first.inner_text() == "3"
    assert shown.locator("section").count() == 7
    context.close()


def test_a_script_that_was_smuggled_in_would_not_run(browser: Any, files: dict[str, Path], tmp_path: Path) -> None:
    """The second lock: were escaping to fail, the page's own policy would still stop a script and any request."""
    text = files["digits_report"].read_text()
    foreign = "<script>document.title = 'stolen'</script><img src='https://example.org/x.png'></header>"
    (tmp_path / "page.html").write_text(text.replace("</header>", foreign))
    shown = browser.new_page()
    asked: list[str] = []
    shown.on("requestfinished", lambda request: asked.append(request.url))
    shown.goto((tmp_path / "page.html").as_uri())
    assert shown.title() == "digits · netspec"
    assert not [url for url in asked if url.startswith("http")]
    shown.close()
