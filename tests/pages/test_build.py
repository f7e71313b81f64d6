"""The pages as they are built: without a warning, nothing in them from elsewhere, no link that leads nowhere.

    python -m sphinx -W -q notebooks build/pages

It needs `pip install -e ".[docs]"`.
"""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.pages.reading import DIRECTORY

pytestmark = pytest.mark.xdist_group("pages")  # built once


class Page(HTMLParser):
    """What a page loads, where it links to, and what can be linked to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.ids.add(given.get("id", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("index", "search", "next", "prev", "canonical"):
            self.loaded.append(given.get("href", ""))
        elif "src" in given:
            self.loaded.append(given["src"])


@cache
def parsed(path: Path) -> Page:
    return Page(path)


def leads_somewhere(path: Path, link: str) -> bool:
    """Whether a link of a page leads to a page, and a place, that is there."""
    name, _, anchor = link.partition("#")
    target = (path.parent / unquote(name)).resolve() if name else path
    if not target.is_file():
        return False
    return not anchor or target.suffix != ".html" or unquote(anchor) in parsed(target).ids


def test_the_pages_link_to_what_is_there_and_load_nothing_from_elsewhere(pages: Path) -> None:
    found = sorted(path for path in pages.rglob("*.html") if "_static" not in path.parts)
    assert len(found) >= 50
    for path in found:
        page = parsed(path)
        for source in page.loaded:
            is_here = source.startswith("data:") or (path.parent / unquote(source.partition("?")[0])).is_file()
            assert is_here, f"{path.name} loads {source}"
        for link in page.links:
            if not re.match(r"https?://|mailto:", link):
                assert leads_somewhere(path, link), f"{path.name} links to {link}"


def test_styles_load_nothing_from_elsewhere(pages: Path) -> None:
    for path in pages.rglob("*.css"):
        assert not re.findall(r"(?:@import\s+|url\()[\"']?(?:https?:)?//", path.read_text(encoding="utf-8")), path.name


def test_each_notebook_is_there_with_its_pictures(pages: Path) -> None:
    for notebook in DIRECTORY.rglob("*.ipynb"):
        if ".ipynb_checkpoints" not in notebook.parts:
            html = (pages / notebook.relative_to(DIRECTORY)).with_suffix(".html").read_text(encoding="utf-8")
            assert re.search(r"<svg|<img[^>]*(?:_images|data:image)", html), notebook.name


def test_formulas_are_mathml(pages: Path) -> None:
    html = (pages / "gallery/03_one_neuron.html").read_text(encoding="utf-8")
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"' in html
    assert not [source for source in parsed(pages / "gallery/03_one_neuron.html").loaded if "mathjax" in source.lower()]
