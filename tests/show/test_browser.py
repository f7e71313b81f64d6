"""Drawings as a person sees them: in a browser, wide and narrow, light and dark, with hostile words in them."""

import re
from itertools import combinations, product
from pathlib import Path
from typing import Any, get_args

import pytest

from autodiff import Value, animate, backward_steps, draw, forward_steps
from tests import notebooks
from tests.examples import neuron
from tests.show import browser as browsers
from tests.show.browser import DRAWINGS, Browser, Scheme, shown
from tests.show.pictures import needs_svg

pytestmark = needs_svg

SCHEMES = get_args(Scheme)
WIDTHS = (1100, 600)
SMALLEST_LETTERS = {1100: 7.5, 600: 5.0}  # pixels, in a picture that is whole; whoever wants them larger zooms
LEAST_CONTRAST = 4.5  # of text, for WCAG AA

every_look = pytest.mark.parametrize(
    ("width", "scheme"), list(product(WIDTHS, SCHEMES)), ids=lambda x: x if isinstance(x, str) else f"{x}px"
)
every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
every_drawing = pytest.mark.parametrize("name", DRAWINGS)


@pytest.fixture
def axe() -> None:
    if browsers.axe() is None:
        pytest.skip("needs axe-core: pip install 'scalar-autodiff[browser]'")


def assert_readable(words: list[dict[str, Any]], width: int = 1100) -> None:
    """Every text is in the picture and in its box, can be scrolled to, and stands out; no two lie on each other."""
    assert words
    for word in words:
        text = word["text"]
        assert word["box"] <= 1.5, f"{text!r} sticks out of its box by {word['box']} px"
        assert word["picture"] <= 1.0, f"{text!r} is cut off by {word['picture']} px"
        assert not word["hidden"], f"{text!r} is {word['hidden']}"
        assert word["contrast"] >= LEAST_CONTRAST, f"{text!r} has too little contrast: {word['contrast']}"
        assert word["size"] >= SMALLEST_LETTERS[width], f"{text!r} is too small: {word['size']} px"
    for one, other in combinations(words, 2):
        across, down = (
            min(one["rect"][i + 2], other["rect"][i + 2]) - max(one["rect"][i], other["rect"][i]) for i in (0, 1)
        )
        assert across <= 1.0 or down <= 2.0 or one["svg"] != other["svg"], f"{one['text']!r} lies on {other['text']!r}"


# --- what is seen ---


@every_drawing
@every_look
def test_page_shows_every_word_within_the_picture_at_every_width_light_and_dark(
    browser: Browser, tmp_path: Path, name: str, width: int, scheme: Scheme
) -> None:
    browser.open(DRAWINGS[name]().save(tmp_path / "x.html"), width, scheme)
    assert_readable(browser.words(), width)
    assert browser.width_beyond() == 0


@every_drawing
@every_look
def test_svg_alone_shows_every_word_within_the_picture_at_every_width_light_and_dark(
    browser: Browser, tmp_path: Path, name: str, width: int, scheme: Scheme
) -> None:
    browser.open(DRAWINGS[name]().save(tmp_path / "x.svg"), width, scheme)
    assert_readable(browser.words(), width)


@every_scheme
def test_dark_is_dark_and_light_is_light(browser: Browser, tmp_path: Path, scheme: Scheme) -> None:
    paper = "return getComputedStyle(document.querySelector('svg polygon')).fill"
    browser.open(draw(neuron()).save(tmp_path / "x.html"), 1100, scheme)
    brightness = sum(map(int, re.findall(r"\d+", browser.run(paper))))
    assert (brightness > 3 * 200) == (scheme == "light")
    assert (brightness < 3 * 50) == (scheme == "dark")


def test_neuron_shows_its_numbers(browser: Browser, tmp_path: Path) -> None:
    y = neuron()
    y.backward()
    browser.open(draw(y).save(tmp_path / "x.html"))
    words = [word["text"].strip() for word in browser.words()]
    assert {"w", "x", "b", "y", "data", "grad", "tanh", "0.604368", "1.26948"} <= set(words)
    assert browser.driver.title == "Computation graph of y"


def test_picture_fetches_nothing(browser: Browser, tmp_path: Path) -> None:
    browser.open(draw(neuron()).save(tmp_path / "x.html"))
    assert browser.run("return performance.getEntriesByType('resource').map(e => e.name)") == []
    assert browser.run("return document.querySelectorAll('img, iframe, link, foreignObject').length") == 0
    assert browser.run("return document.querySelectorAll('script').length") == 1  # that of the viewer


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("text.style.fill = 'gray'", "contrast"),
        ("text.parentElement.querySelector('path').style.fill = '#333'", "contrast"),
        ("text.style.visibility = 'hidden'", "not painted"),
        ("svg.style.opacity = 0.5", "not painted"),
        ("text.setAttribute('font-size', 4)", "too small"),
        ("text.setAttribute('font-size', 40)", "'x' sticks out"),
        ("text.setAttribute('x', -20)", "'x' sticks out"),
        ("svg.setAttribute('viewBox', '50 0 300 100')", "cut off"),
        (
            "svg.style.maxWidth = 'none'; svg.parentElement.style = 'overflow: hidden; width: 100px'",
            "cut off by FIGURE",
        ),
        ("document.body.append(cover)", "behind DIV"),
        ("for (const name of 'xy') text.setAttribute(name, data.getAttribute(name))", "'x' lies on 'data'"),
    ],
)
def test_what_cannot_be_read_is_noticed(browser: Browser, tmp_path: Path, fault: str, message: str) -> None:
    browser.open(draw(Value(1.0, "x") * 2.0).save(tmp_path / "x.html"))
    assert_readable(browser.words())
    browser.run(f"""
        const cover = document.createElement("div");
        cover.style = "position: fixed; inset: 0; background: white";
        const svg = document.querySelector("svg");
        const [text, data] = document.querySelectorAll(".leaf text");
        {fault};
    """)
    with pytest.raises(AssertionError, match=message):
        assert_readable(browser.words())


# --- hostile words ---

HOSTILE = {
    "script": "<script>window.hacked=1</script>",
    "end of CDATA": "]]><script>window.hacked=1</script>",
    "image": "<img src=x onerror=window.hacked=1>",
    "end of title": "</title></svg><img src=x onerror='window.hacked=1'>",
    "attribute": '" onload="window.hacked=1" \'',
    "entity": "&lt;b&gt; &amp; &#60;script&#62;",
    "emoji": "\N{ROCKET} \N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET} \N{SNOWMAN}",
    "right to left": "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED}\N{HEBREW LETTER VAV}\N{HEBREW LETTER FINAL MEM}",
    "override": "a\N{RIGHT-TO-LEFT OVERRIDE}bcd",
    "10,000 characters": "long " * 2_000,
    "1,000 lines": "line\n" * 1_000,
}
hostile = pytest.mark.parametrize("label", HOSTILE.values(), ids=HOSTILE)


def assert_harmless(browser: Browser, label: str) -> None:
    assert browser.run("return typeof window.hacked") == "undefined"
    assert browser.run("return document.querySelectorAll('script:not([data-drawing] > script), img, b').length") == 0
    first = label.split("\n")[0][:39].strip()
    assert sum(word["text"].startswith(first) for word in browser.words()) >= 1


@hostile
def test_hostile_label_is_text_in_the_page(browser: Browser, tmp_path: Path, label: str) -> None:
    y = Value(1.0, label) * 2.0
    y.label = label
    browser.open(draw(y).save(tmp_path / "x.html"))
    assert_harmless(browser, label)
    assert browser.driver.title.startswith("Computation graph of")
    assert browser.run("return document.querySelectorAll('main svg .leaf').length") == 1  # the markup is whole
    assert browser.width_beyond() == 0


@hostile
def test_hostile_label_is_text_in_the_svg_and_where_a_notebook_puts_it(
    browser: Browser, tmp_path: Path, label: str
) -> None:
    y = Value(1.0, label) * 2.0
    y.label = label
    browser.open(draw(y).save(tmp_path / "x.svg"))
    assert_harmless(browser, label)
    browser.open(page_of(tmp_path, "<div></div>"))
    browser.run("document.querySelector('div').innerHTML = arguments[0]", draw(y).svg())
    assert_harmless(browser, label)


# --- several drawings ---


def page_of(directory: Path, body: str) -> Path:
    path = directory / "page.html"
    path.write_text(f"<!DOCTYPE html><html lang='en'><title>x</title><body>{body}</body></html>", encoding="utf-8")
    return path


def test_two_drawings_in_one_page_share_no_id(browser: Browser, tmp_path: Path) -> None:
    y = neuron()
    browser.open(page_of(tmp_path, draw(y).svg() + draw(y).svg()))
    ids = browser.run("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) > 40
    assert len(set(ids)) == len(ids)
    assert_readable(browser.words())


def test_a_light_drawing_stays_light_beside_one_that_follows_the_reader(browser: Browser, tmp_path: Path) -> None:
    y = neuron()
    browser.open(page_of(tmp_path, draw(y).svg() + draw(y, theme="light").svg()), 1100, "dark")
    papers = "return [...document.querySelectorAll('svg g.graph > polygon')].map(e => getComputedStyle(e).fill)"
    following, light = browser.run(papers)
    assert light == "rgb(255, 255, 255)"
    assert following != light
    assert_readable(browser.words())


# --- for those who do not see it ---


@pytest.mark.usefixtures("axe")
@every_drawing
@every_scheme
def test_page_is_accessible(browser: Browser, tmp_path: Path, name: str, scheme: Scheme) -> None:
    browser.open(DRAWINGS[name]().save(tmp_path / "x.html"), 600, scheme)
    assert browser.violations() == []


@pytest.mark.usefixtures("axe")
def test_axe_notices_what_is_not_accessible(browser: Browser, tmp_path: Path) -> None:
    path = draw(neuron()).save(tmp_path / "x.html")
    html = path.read_text(encoding="utf-8")
    path.write_text(html.replace(' lang="en"', "").replace("<main>", "").replace("</main>", ""), encoding="utf-8")
    browser.open(path)
    assert {violation.partition(":")[0] for violation in browser.violations()} >= {"html-has-lang", "landmark-one-main"}


def test_a_wide_picture_is_scrolled_with_the_keyboard(browser: Browser, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    browser.open(draw(neuron()).save(tmp_path / "x.html"), 400)
    assert browser.run("const f = document.querySelector('figure'); return f.scrollWidth <= f.clientWidth")  # whole
    ActionChains(browser.driver).send_keys(Keys.TAB).perform()
    assert browser.run("return document.activeElement.tagName") == "FIGURE"
    ActionChains(browser.driver).send_keys("+++").perform()
    before = browser.run("return document.querySelector('figure').scrollLeft")
    ActionChains(browser.driver).send_keys(Keys.ARROW_RIGHT).perform()
    assert browser.until("return document.querySelector('figure').scrollLeft > arguments[0]", before)


# --- screenshots ---


@every_drawing
@every_scheme
def test_drawing_looks_as_it_did(browser: Browser, tmp_path: Path, name: str, scheme: Scheme) -> None:
    pytest.importorskip("PIL", reason="needs pillow: pip install 'scalar-autodiff[browser]'")
    stored = (browsers.STORED / f"{name}-{scheme}.png").read_bytes()
    change = browsers.difference(shown(browser, DRAWINGS[name](), scheme, tmp_path), stored)
    assert change <= browsers.TOLERATED, (
        f"{name} has changed, by {change:.1f}; look at it, and renew: python -m tests.show.browser --write"
    )


@pytest.mark.parametrize("font", ["DejaVu Serif", "DejaVu Sans Mono", "Liberation Sans", "serif", "monospace"])
@pytest.mark.parametrize("size", [0.9, 1.1])
def test_another_font_is_no_change(browser: Browser, tmp_path: Path, font: str, size: float) -> None:
    pytest.importorskip("PIL", reason="needs pillow: pip install 'scalar-autodiff[browser]'")
    for name, make in DRAWINGS.items():
        before = shown(browser, make(), "light", tmp_path)
        browser.open(tmp_path / "drawing.html")
        browser.run(
            """
            for (const text of document.querySelectorAll("text")) {
                text.style.fontFamily = arguments[0];
                text.style.fontSize = parseFloat(getComputedStyle(text).fontSize) * arguments[1] + "px";
            }
            """,
            font,
            size,
        )
        browser.bars()
        assert browsers.difference(browser.screenshot(), before) < 2.0, name  # of sub-pixels


@pytest.mark.parametrize("name", ["neuron-before", "neuron-after", "folded", "unusual"])
@pytest.mark.parametrize(
    "change",
    [
        "box.style.display = 'none'",
        "box.querySelector('path, polygon').style.fill = '#fb923c'",
        "box.querySelector('path, polygon').style.fill = '#1d4fc4'",
        "box.setAttribute('transform', 'translate(30)')",
    ],
    ids=["missing", "orange", "dark blue", "moved"],
)
def test_a_box_that_is_missing_or_moved_or_has_another_colour_is_a_change(
    browser: Browser, tmp_path: Path, name: str, change: str
) -> None:
    pytest.importorskip("PIL", reason="needs pillow: pip install 'scalar-autodiff[browser]'")
    stored = (browsers.STORED / f"{name}-light.png").read_bytes()
    boxes = "[...document.querySelectorAll('.leaf, .interior, .fold')].filter(e => !e.closest('.opened'))"
    assert browsers.difference(shown(browser, DRAWINGS[name](), "light", tmp_path), stored) <= browsers.TOLERATED
    number = browser.run(f"window.whole = document.querySelector('svg').cloneNode(true); return {boxes}.length")
    assert number >= 2
    for i in range(number):
        browser.run("document.querySelector('svg').replaceWith(window.whole.cloneNode(true))")
        browser.run(f"const box = {boxes}[arguments[0]]; {change}", i)
        assert browsers.difference(browser.screenshot(), stored) > browsers.TOLERATED, i


# --- notebooks ---


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each stored notebook as a page of HTML that fetches nothing."""
    nbconvert = pytest.importorskip("nbconvert", reason="needs nbconvert: pip install 'scalar-autodiff[browser]'")
    exporter = nbconvert.HTMLExporter(require_js_url="", mathjax_url="", mermaid_js_url="", jquery_url="")
    pages = {}
    for script in notebooks.pairs():
        page, _ = exporter.from_filename(str(script.with_suffix(".ipynb")))
        pages[script.stem] = tmp_path_factory.mktemp("exported") / f"{script.stem}.html"
        pages[script.stem].write_text(page, encoding="utf-8")
    return pages


@pytest.mark.parametrize("notebook", [script.stem for script in notebooks.pairs()])
@every_look
def test_exported_notebook_fits_the_window_and_shows_its_drawings(
    browser: Browser, exported: dict[str, Path], notebook: str, width: int, scheme: Scheme
) -> None:
    browser.open(exported[notebook], width, scheme)
    assert browser.width_beyond() == 0
    outputs = "[data-mime-type='application/vnd.jupyter.{}']"
    for kind in ("error", "stderr"):
        assert browser.run("return document.querySelectorAll(arguments[0]).length", outputs.format(kind)) == 0
    assert browser.run("return document.querySelectorAll('.jp-Cell').length") > 5
    pictures = "return [...document.querySelectorAll('.jp-OutputArea-output img, .jp-OutputArea-output svg')]"
    sizes = browser.run(f"{pictures}.map(e => e.getBoundingClientRect().width)")
    assert sizes
    assert min(sizes) > 50


# --- animations ---


def film_of(y: Value, directory: Path, **options: Any) -> tuple[Path, list[str]]:
    """The page of an animation, and its caption at each step."""
    animation = animate(y, **options)
    return animation.save(directory / "x.html"), animation.captions


def now(browser: Browser) -> tuple[int, str]:
    """The step that is shown, and its caption."""
    step, caption = browser.run(
        """
        const [root] = document.querySelectorAll("[data-animation]");
        return [Number(root.dataset.step), root.querySelector("[data-part=caption]").textContent];
        """
    )
    return step, caption


def painted(browser: Browser) -> list[dict[str, Any]]:
    """The words that are shown at this step; those of the others are in the picture, too, but not painted."""
    return [word for word in browser.words() if word["hidden"] != "not painted"]


def part(browser: Browser, name: str) -> Any:
    return browser.driver.find_element("css selector", f"[data-part={name}]")


SLIDE = """
const slider = document.querySelector("[data-part=slider]");
slider.value = arguments[0];
slider.dispatchEvent(new Event("input", {bubbles: true}));
"""


WHERE = """
const [x] = document.querySelectorAll(arguments[0]);
const {left, top, right, bottom} = x.getBoundingClientRect();
return [left, top, right, bottom];
"""


def long_chain() -> Value:
    y = Value(0.5, "x")
    for _ in range(7):
        y = y.sin()
    return y


@pytest.mark.parametrize("width", [1100, 390])
@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_an_animation_opens_whole_and_at_its_actual_size_follows_the_steps(
    browser: Browser, tmp_path: Path, width: int, direction: str
) -> None:
    path, captions = film_of(long_chain(), tmp_path, direction=direction)
    browser.open(path, width)
    left, top, right, bottom = browser.run(WHERE, "figure > svg")
    frame = browser.run(WHERE, "figure")
    assert frame[0] <= left < right <= frame[2] + 0.5
    assert frame[1] <= top < bottom <= frame[3] + 0.5
    assert bottom - top <= 800 - 200  # the controls are seen with it
    assert browser.width_beyond() == 0
    browser.run("document.querySelector('.zoom button:nth-child(3)').click()")
    natural = browser.run("return document.querySelector('figure > svg').viewBox.baseVal.width * 4 / 3")
    left, _, right, _ = browser.run(WHERE, "figure > svg")
    assert right - left == pytest.approx(natural, abs=1)
    for step in range(1, len(captions) - 1):
        browser.run(SLIDE, step)
        inside, frame = [browser.run(WHERE, name) for name in (ACTIVE, "figure")]
        for low, high in ((0, 2), (1, 3)):
            room = 2 if width > 600 else inside[high] - inside[low]  # what is wider than the window is in its middle
            assert frame[low] - room <= inside[low] < inside[high] <= frame[high] + room


ACTIVE = 'figure polygon[data-highlight][visibility="visible"]'


def test_plain_words_are_said_when_the_reader_asks_and_the_drawing_stays_where_it_is(
    browser: Browser, tmp_path: Path
) -> None:
    path, captions = film_of(neuron(), tmp_path)
    browser.open(path, 500)
    asked = [step.words for step in (*forward_steps(neuron()), *backward_steps(neuron()))]
    shown = "const e = document.querySelector('[data-part=words]'); return e.hidden ? null : e.textContent"
    for is_asked in (False, True):
        if is_asked:
            part(browser, "speaking").click()
        tops, said = set(), []
        for step in range(len(captions)):
            browser.run(SLIDE, step)
            said.append(browser.run(shown))
            tops.add(round(browser.run(WHERE, "figure")[1]))
        assert len(tops) == 1
        assert [text for text in said if text] == (asked if is_asked else [])


@every_look
def test_two_animations_in_a_notebook_are_shown_by_their_scripts_and_are_each_its_own(
    browser: Browser, tmp_path: Path, width: int, scheme: Scheme
) -> None:
    page = tmp_path / "notebook.html"
    pieces = [animate(neuron(), words=words)._repr_html_() for words in (False, True)]
    page.write_text(f"<!DOCTYPE html><html lang=en><title>x</title>{''.join(pieces)}", encoding="utf-8")
    browser.open(page, width, scheme)
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert browser.run("return document.querySelectorAll('[data-animation][data-ready=true]').length") == 2
    browser.run(SLIDE, 3)  # of the first
    steps = "return [...document.querySelectorAll('[data-animation]')].map(x => x.dataset.step)"
    assert browser.run(steps) == ["3", "0"]
    assert_readable(painted(browser), width)
    assert browser.width_beyond() == 0


@every_look
def test_every_step_of_an_animation_can_be_read_and_says_what_it_does(
    browser: Browser, tmp_path: Path, width: int, scheme: Scheme
) -> None:
    path, captions = film_of(neuron(), tmp_path)
    browser.open(path, width, scheme)
    assert now(browser) == (0, captions[0])
    unknown = []
    for step, caption in enumerate(captions):
        browser.run(SLIDE, step)
        assert now(browser) == (step, caption)
        words = painted(browser)
        assert_readable(words, width)
        unknown.append(sum(word["text"] == "not yet" for word in words))
    assert browser.width_beyond() == 0
    assert unknown[0] == 3 + 6  # the data of what is computed, and all gradients
    assert unknown[-1] == 0
    assert unknown == sorted(unknown, reverse=True)


def test_an_animation_ends_with_the_gradients_of_backward(browser: Browser, tmp_path: Path) -> None:
    y = neuron()
    path, captions = film_of(y, tmp_path)
    browser.open(path)
    browser.run(SLIDE, len(captions) - 1)
    assert {"1.26948", "0.31737", "0.63474"} <= {word["text"].strip() for word in painted(browser)}
    browser.run(SLIDE, 0)
    assert not {"1.26948", "0.31737"} & {word["text"].strip() for word in painted(browser)}


def test_keys_move_an_animation(browser: Browser, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    path, captions = film_of(neuron(), tmp_path)
    last = len(captions) - 1
    for focused in (None, "slider", "next"):
        browser.open(path)
        if focused:
            browser.run("arguments[0].focus()", part(browser, focused))
        for key, step in [
            (Keys.ARROW_RIGHT, 1),
            (Keys.ARROW_RIGHT, 2),
            (Keys.ARROW_LEFT, 1),
            (Keys.END, last),
            (Keys.ARROW_RIGHT, last),
            (Keys.HOME, 0),
            (Keys.ARROW_LEFT, 0),
        ]:
            ActionChains(browser.driver).send_keys(key).perform()
            assert now(browser) == (step, captions[step]), (focused, key)


def test_buttons_and_the_pointer_on_the_slider_move_an_animation(browser: Browser, tmp_path: Path) -> None:
    path, captions = film_of(neuron(), tmp_path)
    browser.open(path)
    part(browser, "next").click()
    part(browser, "next").click()
    assert now(browser) == (2, captions[2])
    part(browser, "previous").click()
    assert now(browser) == (1, captions[1])
    part(browser, "slider").click()  # in the middle
    assert 1 < now(browser)[0] < len(captions) - 1
    assert part(browser, "slider").get_attribute("value") == str(now(browser)[0])


@pytest.mark.parametrize("by_key", [False, True], ids=["button", "space"])
def test_an_animation_plays_to_its_end_and_pauses(browser: Browser, tmp_path: Path, by_key: bool) -> None:
    from selenium.webdriver import ActionChains

    def press() -> None:
        if by_key:
            ActionChains(browser.driver).send_keys(" ").perform()
        else:
            part(browser, "play").click()

    path, captions = film_of(neuron(), tmp_path, seconds=0.3)
    browser.open(path)
    root = "const root = document.querySelector('[data-animation]');"
    assert part(browser, "play").text == "Play"
    press()
    assert part(browser, "play").text == "Pause"
    assert browser.until(f"{root} return Number(root.dataset.step) >= 1")
    press()
    assert part(browser, "play").text == "Play"
    step, _ = now(browser)
    assert step < len(captions) - 1
    browser.driver.execute_async_script("setTimeout(arguments[0], 900)")  # in which three steps would have passed
    assert now(browser) == (step, captions[step])
    press()
    assert browser.until(f"{root} return root.dataset.playing === 'false'")
    assert now(browser) == (len(captions) - 1, captions[-1])
    assert part(browser, "play").text == "Play"


def test_the_address_of_an_animation_names_a_step(browser: Browser, tmp_path: Path) -> None:
    path, captions = film_of(neuron(), tmp_path)
    browser.open(path)
    browser.run("location.hash = 'step=2'")
    assert browser.until("return document.querySelector('[data-animation]').dataset.step === '2'")
    assert now(browser) == (2, captions[2])


def test_the_wrong_order_moves_together_with_the_right_one(browser: Browser, tmp_path: Path) -> None:
    a = Value(3.0, "a")
    b = a + a
    path, _ = film_of(b + b, tmp_path, order="depth-first")
    browser.open(path)
    captions = "return [...document.querySelectorAll('[data-part=caption]')].map(e => e.textContent)"
    seen = []
    for step in range(int(part(browser, "slider").get_attribute("max")) + 1):
        browser.run(SLIDE, step)
        seen.append(tuple(browser.run(captions)))
        assert_readable(painted(browser))
    assert {len(both) for both in seen} == {2}
    assert len(set(seen)) == len(seen)


@hostile
def test_hostile_label_is_text_in_an_animation(browser: Browser, tmp_path: Path, label: str) -> None:
    y = Value(1.0, f"{label}</script><script>window.hacked=1</script>") * Value(2.0, label)
    y.label = label
    path, captions = film_of(y, tmp_path)
    browser.open(path)
    for step, caption in enumerate(captions):
        browser.run(SLIDE, step)
        assert now(browser) == (step, caption)
    assert browser.run("return typeof window.hacked") == "undefined"
    assert browser.run("return document.querySelectorAll('script').length") == 1  # that of the animation
    assert browser.run("return document.querySelectorAll('img, b, iframe').length") == 0
    assert browser.width_beyond() == 0


@pytest.mark.usefixtures("axe")
@every_look
def test_an_animation_is_accessible_at_every_step(browser: Browser, tmp_path: Path, width: int, scheme: Scheme) -> None:
    path, captions = film_of(neuron(), tmp_path)
    browser.open(path, width, scheme)
    for step in (0, 2, len(captions) - 1):
        browser.run(SLIDE, step)
        assert browser.violations() == []
    browser.run("document.querySelector('[data-part=table]').open = true")
    assert browser.violations() == []


@every_look
def test_an_animated_svg_shows_its_end_to_who_prefers_no_motion(
    browser: Browser, tmp_path: Path, width: int, scheme: Scheme
) -> None:
    browser.open(animate(neuron()).save(tmp_path / "x.svg"), width, scheme, still=True)
    words = painted(browser)
    assert_readable(words, width)
    texts = {word["text"].strip() for word in words}
    assert {"1.26948", "0.31737", "0.63474"} <= texts
    assert "not yet" not in texts
