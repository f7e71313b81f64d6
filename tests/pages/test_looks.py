"""The documentation as a reader sees it: built once, and opened from the disk, wide and narrow, light and dark."""

from pathlib import Path
from typing import get_args

import pytest

from tests.show import browser as browsers
from tests.show.browser import Browser, Scheme

pytestmark = pytest.mark.xdist_group("pages")  # built once

WIDTHS = (1300, 800, 390)  # a screen, half of one, a telephone
OF_EACH_KIND = """
    index start 01_backpropagation gallery/README how_to/write_a_module coming_from/pytorch reference/nn
    reference/primitives questions
""".split()

each_page = pytest.mark.parametrize("name", OF_EACH_KIND)
every_scheme = pytest.mark.parametrize("scheme", get_args(Scheme))


@pytest.fixture
def browser(pages: Path, browser: Browser) -> Browser:
    browser.driver.get_log("browser")  # empties it
    return browser


def complaints(browser: Browser) -> list[str]:
    """Errors of scripts that nothing caught, and files that are not there."""
    return [entry["message"] for entry in browser.driver.get_log("browser") if entry["source"] != "console-api"]


def shown(name: str, pages: Path) -> Path:
    page = pages / f"{name}.html"
    assert page.exists(), f"{name} was not built"
    return page


@each_page
@every_scheme
def test_a_page_fits_every_width_and_is_accessible(browser: Browser, pages: Path, name: str, scheme: Scheme) -> None:
    for width in WIDTHS:
        browser.open(shown(name, pages), width, scheme)
        assert browser.width_beyond() == 0, f"{width} px"
    if browsers.axe() is not None:
        assert browser.violations() == []
    assert complaints(browser) == []


def assert_whole(browser: Browser, page: Path) -> None:
    browser.open(page, WIDTHS[-1])
    assert browser.width_beyond() == 0, page.name
    loaded = browser.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [address for address in loaded if not address.startswith(("file:", "data:", "blob:"))] == [], page.name
    broken = "return [...document.images].filter(e => e.complete && !e.naturalWidth).map(e => e.src.slice(0, 99))"
    assert browser.run(broken) == [], page.name


def test_all_pages_fit_a_telephone_and_load_nothing_from_elsewhere(browser: Browser, pages: Path) -> None:
    built = [page for page in pages.rglob("*.html") if "_static" not in page.parts]
    assert len(built) > 40
    for page in built:
        assert_whole(browser, page)
    assert complaints(browser) == []


@each_page
def test_a_page_is_whole_without_scripts(browser: Browser, pages: Path, name: str) -> None:
    browser.scripts(False)
    try:
        assert_whole(browser, shown(name, pages))
        stored = "return [...document.querySelectorAll('main .cell_output')].filter(e => e.querySelector('img, svg'))"
        seen = browser.run(f"{stored}.map(e => [...e.querySelectorAll('img, svg')].some(p => p.clientWidth > 50))")
        assert all(seen)
        assert seen or not name.startswith("0")
    finally:
        browser.scripts(True)


@each_page
def test_the_theme_switch_turns_pictures_with_the_page(browser: Browser, pages: Path, name: str) -> None:
    """A reader whose system is light may choose dark: then no picture stays light."""
    browser.open(shown(name, pages), WIDTHS[0], "light")
    paper = """
        return [...document.querySelectorAll("main svg g.graph > polygon:first-of-type")]
            .map(e => getComputedStyle(e).fill.match(/[0-9.]+/g).map(Number))
            .filter(c => c.length === 3 || c[3] > 0)
            .map(c => c[0] + c[1] + c[2]);
    """
    browser.run("document.documentElement.dataset.theme = 'light'")
    assert all(brightness > 3 * 200 for brightness in browser.run(paper))
    browser.run("document.documentElement.dataset.theme = 'dark'")
    assert all(brightness < 3 * 60 for brightness in browser.run(paper))
