"""The pages that are made of the rules' docstrings."""

from __future__ import annotations

from netspec.lint.manual import FAMILIES, index, markdown, pages


def test_a_page_has_its_examples_as_code() -> None:
    (page,) = [page for page in pages(plugins=False) if page.code == "NS401"]
    text = markdown(page)
    assert text.startswith("# NS401: parameters over the budget\n\nwarning · cost\n\nMore parameters than")
    assert text.count("```toml\n[tool.netspec.lint]\n") == 1
    assert text.count("```yaml\nnetspec: 1\n") == 2
    assert "# netspec: ignore[NS401]" in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_the_index_has_every_code_and_links_to_pages_alone() -> None:
    found = [page for page in pages(plugins=False) if page.code.startswith("NS")]  # other tests bring their own
    text = index(found)
    for page in found:
        assert page.code in text
        assert (f"[{page.code}]({page.code}.md)" in text) == bool(page.page)
    assert {page.code[:3] for page in found} <= set(FAMILIES)
