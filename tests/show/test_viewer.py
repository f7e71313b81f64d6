"""The viewer: a still image for everyone, and a picture that can be zoomed and moved where scripts run."""

import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import nn
from autodiff import Value, draw
from autodiff.show.drawings.drawing import Drawing
from tests.examples import neuron
from tests.show import browser as browsers
from tests.show.browser import Browser
from tests.show.pictures import HOSTILE, circuit, needs_svg, without_prefix

pytestmark = needs_svg

SIZE = "const r = document.querySelector('[data-drawing] svg').getBoundingClientRect(); return [r.left, r.top, r.width]"


def page_of(directory: Path, *outputs: str, attributes: str = "") -> Path:
    """A page with outputs as a notebook shows them."""
    path = directory / "page.html"
    body = "\n".join([f"<div>{output}</div>" for output in outputs])
    head = f'<!DOCTYPE html><html lang="en" {attributes}><meta charset="utf-8"><title>x</title>'
    path.write_text(f"{head}<body><main>{body}</main></body></html>", encoding="utf-8")
    return path


def html_of(drawing: Drawing) -> str:
    return drawing._repr_mimebundle_()["text/html"]


class Cleaned(HTMLParser):
    """What is left of HTML where a notebook is not trusted, as JupyterLab cleans it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self._dropped = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._dropped += tag in ("script", "style")
        if tag == "img":
            self.images.append(dict(attributes))

    def handle_endtag(self, tag: str) -> None:
        self._dropped -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        self.words += [data.strip()] * (not self._dropped and bool(data.strip()))


# --- where scripts are off ---


@pytest.mark.parametrize("make", [lambda: draw(circuit()), lambda: draw(nn.MLP(2, [3, 1], seed=0))])
def test_cleaned_of_scripts_and_styles_one_image_is_left_and_no_words_beside_it(make: Any) -> None:
    drawing = make()
    bundle = drawing._repr_mimebundle_()
    cleaned = Cleaned(bundle["text/html"])
    assert cleaned.words == []
    (image,) = cleaned.images
    kind, _, source = (image["src"] or "").partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert without_prefix(b64decode(source).decode()) == without_prefix(bundle["image/svg+xml"])
    assert (image["alt"] or "").startswith(drawing._alt().title)
    assert "max-width: 100%" in (image["style"] or "")
    assert "<svg" not in bundle["text/html"]  # some viewers replace these letters wherever they stand


def test_the_still_image_is_seen_without_scripts(browser: Browser, tmp_path: Path) -> None:
    html = re.sub(r"<(script|style)>.*?</\1>", "", html_of(draw(neuron())), flags=re.DOTALL)
    browser.open(page_of(tmp_path, html), 500)
    width, height, natural = browser.until(
        "const [i] = document.images; return i.complete && [i.width, i.height, i.naturalWidth]"
    )
    assert natural > 700
    assert 400 < width < 500  # shrunk to its column
    assert height > 80
    assert browser.width_beyond() == 0


@pytest.mark.parametrize("label", HOSTILE, ids=lambda label: ascii(label[:20]))
def test_a_hostile_label_stays_inside_its_attribute(label: str) -> None:
    y = Value(1.0, label) * 2.0
    y.label = label
    cleaned = Cleaned(html_of(draw(y)))
    assert cleaned.words == []
    assert len(cleaned.images) == 1


def test_the_html_fetches_nothing_and_stays_small() -> None:
    bundle = draw(neuron())._repr_mimebundle_()
    assert not re.search(r"https?:", bundle["text/html"])
    assert len(bundle["text/html"]) < 1.4 * len(bundle["image/svg+xml"]) + 9_000
    assert sum(map(len, bundle.values())) < 60_000


# --- where they are on ---


def test_the_script_puts_the_picture_itself_in_place_with_the_titles_of_its_parts(
    browser: Browser, tmp_path: Path
) -> None:
    graph = draw(neuron())
    browser.open(page_of(tmp_path, html_of(graph), html_of(graph)))
    assert browser.run("return document.images.length") == 0
    assert browser.run("return document.querySelectorAll('[data-ready] svg').length") == 2
    titles = browser.run("return [...document.querySelectorAll('svg g > title')].map(e => e.textContent)")
    assert "leaf w: data 0.5, grad not yet" in titles
    ids = browser.run("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(set(ids)) == len(ids)
    assert browser.driver.get_log("browser") == []


def test_a_picture_wider_than_its_column_is_whole_at_first(browser: Browser, tmp_path: Path) -> None:
    y = neuron()
    for _ in range(12):
        y = y * 1.5
    browser.open(page_of(tmp_path, html_of(draw(y, collapse="never"))), 818)
    frame = browser.run("const f = document.querySelector('figure'); return [f.scrollWidth, f.clientWidth]")
    assert frame[0] == frame[1] < 818
    assert browser.run(SIZE)[2] == pytest.approx(frame[1], abs=1)
    assert browser.width_beyond() == 0


def test_buttons_keys_and_the_wheel_zoom_and_what_is_whole_again_is_as_it_was(browser: Browser, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    browser.open(page_of(tmp_path, html_of(draw(neuron()))), 700)
    start = browser.run(SIZE)
    out, whole, actual, into = browser.driver.find_elements("css selector", ".zoom button")
    assert [button.get_attribute("aria-label") for button in (out, whole, actual, into)] == [
        "Zoom out",
        "Whole picture",
        "Actual size",
        "Zoom in",
    ]
    ActionChains(browser.driver).move_to_element(into).click().perform()
    assert browser.run(SIZE)[2] == pytest.approx(1.25 * start[2], rel=0.01)
    out.click()
    assert browser.run(SIZE) == pytest.approx(start)
    out.click()
    assert browser.run(SIZE) == pytest.approx(start)  # never smaller than whole
    browser.run("document.querySelector('figure').focus()")
    ActionChains(browser.driver).send_keys("+=").perform()
    assert browser.run(SIZE)[2] == pytest.approx(1.25**2 * start[2], rel=0.01)
    ActionChains(browser.driver).send_keys("-").perform()
    assert browser.run(SIZE)[2] == pytest.approx(1.25 * start[2], rel=0.01)
    ActionChains(browser.driver).send_keys("0").perform()
    assert browser.run(SIZE) == pytest.approx(start)
    figure = browser.driver.find_element("tag name", "figure")
    wheel = "arguments[0].dispatchEvent(new WheelEvent('wheel', {deltaY: -300, clientX: 300, clientY: 60, ctrlKey: %s,"
    wheel += " cancelable: true}))"
    assert browser.run(f"return {wheel % 'false'}", figure)  # the page's own
    assert browser.run(SIZE) == pytest.approx(start)
    assert not browser.run(f"return {wheel % 'true'}", figure)
    assert browser.run(SIZE)[2] == pytest.approx(2 * start[2], rel=0.01)
    for _ in range(12):
        ActionChains(browser.driver).key_down(Keys.SHIFT).send_keys("+").key_up(Keys.SHIFT).perform()
    assert browser.run("return document.querySelector('[data-drawing]').dataset.zoom") == "4.00"


def test_the_point_under_the_pointer_stays_there(browser: Browser, tmp_path: Path) -> None:
    browser.open(page_of(tmp_path, html_of(draw(neuron()))), 700)
    at = "const [x, y] = [350, 70]; const r = document.querySelector('svg').getBoundingClientRect();"
    place = f"{at} return [(x - r.left) / r.width, (y - r.top) / r.height]"
    before = browser.run(place)
    wheel = "new WheelEvent('wheel', {deltaY: -250, clientX: 350, clientY: 70, ctrlKey: true, cancelable: true})"
    browser.run(f"document.querySelector('figure').dispatchEvent({wheel})")
    assert browser.run(place)[0] == pytest.approx(before[0], abs=0.005)


def test_a_drag_moves_a_zoomed_picture_and_a_double_click_zooms(browser: Browser, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains

    browser.open(page_of(tmp_path, html_of(draw(neuron()))), 700)
    figure = browser.driver.find_element("tag name", "figure")
    scrolled = "return document.querySelector('figure').scrollLeft"
    ActionChains(browser.driver).drag_and_drop_by_offset(figure, -80, 0).perform()
    assert browser.run(scrolled) == 0  # there is nothing to move to
    ActionChains(browser.driver).double_click(figure).perform()
    before = browser.run(scrolled)
    assert before > 0
    ActionChains(browser.driver).drag_and_drop_by_offset(figure, -80, 0).perform()
    assert browser.run(scrolled) == pytest.approx(before + 80, abs=1)
    ActionChains(browser.driver).double_click(figure).perform()
    assert browser.run("return document.querySelector('[data-drawing]').dataset.zoom") == "whole"


@pytest.mark.parametrize("attribute", ["data-theme", "data-jp-theme-light"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_is_dark_where_its_page_is(
    browser: Browser, tmp_path: Path, attribute: str, scheme: browsers.Scheme
) -> None:
    names = {"data-theme": ("light", "dark"), "data-jp-theme-light": ("true", "false")}[attribute]
    papers = "return [...document.querySelectorAll('g.graph > polygon')].map(e => getComputedStyle(e).fill)"
    y = neuron()
    outputs = [html_of(draw(y, theme=theme)) for theme in ("auto", "light", "dark")]  # type: ignore[call-overload]
    for name, dark in zip(names, (False, True), strict=True):
        browser.open(page_of(tmp_path, *outputs, attributes=f'{attribute}="{name}"'), 1100, scheme)
        auto, light, always_dark = browser.run(papers)
        assert (light, always_dark) == ("rgb(255, 255, 255)", "rgb(24, 24, 27)")
        assert auto == (always_dark if dark else light)


def test_keys_of_the_viewer_are_not_the_notebook_s() -> None:
    assert 'data-lm-suppress-shortcuts="true"' in html_of(draw(neuron()))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_viewer_is_accessible_whole_and_zoomed(browser: Browser, tmp_path: Path, scheme: browsers.Scheme) -> None:
    if browsers.axe() is None:
        pytest.skip("needs axe-core: pip install 'scalar-autodiff[browser]'")
    browser.open(draw(neuron()).save(tmp_path / "x.html"), 600, scheme)
    browser.run("document.querySelector('figure').focus()")
    assert browser.violations() == []
    browser.run("document.querySelector('.zoom button:last-child').click()")
    assert browser.violations() == []


def test_two_displays_of_one_drawing_differ_in_their_ids_alone() -> None:
    graph = draw(neuron())
    one, other = graph._repr_mimebundle_(), graph._repr_mimebundle_()
    assert one["text/html"] != other["text/html"]
    assert without_prefix(one["image/svg+xml"]) == without_prefix(other["image/svg+xml"])
