"""A browser to look at drawings with: headless Chromium, a page's words and colours as they are shown, screenshots.

    python -m tests.show.browser --write

renews the screenshots in `tests/show/screenshots`, in which a bar stands for each text, so that they are the same
whatever fonts there are. Before they are committed the drawings are to be looked at: `--look DIRECTORY` stores them
there as they are. Nothing is fetched from a network: the browser resolves no name. It needs
`pip install -e ".[browser]"`, chromium and chromedriver.
"""

import argparse
import base64
import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

import autodiff as ad
import nn
from autodiff import Value, draw
from autodiff.show.drawings.drawing import Drawing
from tests.examples import neuron

Scheme = Literal["light", "dark"]

STORED = Path(__file__).parent / "screenshots"
FLAGS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-dev-shm-usage --force-color-profile=srgb
""".split()
NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
WAIT = 30  # seconds until what does not happen is a failure


# --- the browser ---


def missing() -> str | None:
    """The missing requirement, None if a browser can be started."""
    if find_spec("selenium") is None:
        return "needs selenium: pip install 'scalar-autodiff[browser]'"
    for program, found in (("chromium", _chromium()), ("chromedriver", shutil.which("chromedriver"))):
        if found is None:
            return f"needs {program}: apt-get install chromium chromium-driver"
    return None


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


@contextmanager
def started() -> Iterator["Browser"]:
    """Start a browser with a profile of its own, and end both afterwards."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = _chromium() or ""
        for flag in (*FLAGS, NO_NETWORK, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            driver.set_page_load_timeout(WAIT)
            yield Browser(driver)
        finally:
            driver.quit()


class Browser:
    """A window: `driver` is selenium's."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def window(self, width: int, height: int) -> None:
        """Give the window so many pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, path: Path, width: int = 1100, scheme: Scheme = "light", still: bool = False) -> None:
        """Show a file in a window of so many pixels, for a reader who prefers light or dark, or that nothing moves."""
        self.window(width, 800)
        preferences = {"color-scheme": scheme, "reduced-motion": "reduce" if still else "no-preference"}
        features = [{"name": f"prefers-{name}", "value": value} for name, value in preferences.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get(path.resolve().as_uri())

    def scripts(self, on: bool) -> None:
        """Let the scripts of pages run, or not; those of `run` do in any case."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})

    def run(self, script: str, *arguments: Any) -> Any:
        """The result of a script."""
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str, *arguments: Any) -> Any:
        """The result of a script as soon as that is true; raises TimeoutException if it never is."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, WAIT, poll_frequency=0.02).until(lambda _: self.run(script, *arguments))

    def words(self) -> list[dict[str, Any]]:
        """Each text of each picture as it is shown.

        `text` what is written; `contrast` the least against what is behind it; `hidden` why it is not seen, if so;
        `picture`, `box`: by how many pixels it sticks out of them; `size` of its letters; `rect` left, top, right,
        bottom in the page; `svg` the number of its picture.
        """
        found: list[dict[str, Any]] = self.run(_WORDS)
        return found

    def width_beyond(self) -> int:
        """By how many pixels the page is wider than its window: it would scroll sideways."""
        beyond: int = self.run("const e = document.documentElement; return e.scrollWidth - e.clientWidth")
        return beyond

    def violations(self) -> list[str]:
        """The findings of axe-core: barriers for readers who cannot see the page, point or tell colours."""
        self.run(axe() or "")
        script = "const done = arguments[0]; axe.run(document).then(r => done(r.violations), e => done(String(e)))"
        found = self.driver.execute_async_script(script)
        assert isinstance(found, list), found
        return [f"{rule['id']}: {rule['help']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]

    def bars(self) -> None:
        """Put a bar in the place of each text of each picture: as wide as its letters are in no particular font."""
        self.run(_BARS)

    def screenshot(self) -> bytes:
        """The first picture of the page as PNG, all of it."""
        box = "const r = document.querySelector('svg').getBoundingClientRect();"
        clip = self.run(f"{box} return {{x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height}}")
        options = {"format": "png", "captureBeyondViewport": True, "clip": clip | {"scale": 1}}
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"])


@cache
def axe() -> str | None:
    """axe-core's script, from whichever package has it, the newest first; None where there is none."""
    for package in ("axe_playwright_python", "axe_core_python"):
        if find_spec(package) is not None:
            return files(package).joinpath("axe.min.js").read_text(encoding="utf-8")
    return None


# Shapes are painted in the order of the document: what is behind a point of a text is all shapes before it that cover
# the point, one upon the other, upon the page.
_WORDS = """
const probe = document.createElementNS("http://www.w3.org/1999/xhtml", "div");
probe.style.background = "Canvas";
document.documentElement.append(probe);
const canvas = channels(getComputedStyle(probe).backgroundColor);
probe.remove();

function channels(colour) {
    const [r, g, b, a = 1] = colour.match(/[0-9.]+/g).map(Number);
    return [r, g, b, a];
}
function over(top, opacity, bottom) {
    const a = top[3] * opacity;
    return [0, 1, 2].map(i => a * top[i] + (1 - a) * bottom[i]).concat(1);
}
function luminance(colour) {
    const c = colour.slice(0, 3).map(x => x / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
}
function contrast(one, other) {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
}
function page(element) {
    let colour = canvas, around = [];
    for (let e = element; e; e = e.parentElement) around.unshift(e);
    for (const e of around) colour = over(channels(getComputedStyle(e).backgroundColor), 1, colour);
    return colour;
}
function opacity(element) {
    let product = 1;
    for (let e = element; e; e = e.parentElement) product *= Number(getComputedStyle(e).opacity);
    return product;
}
function behind(text, shapes, x, y, bottom) {
    for (const {shape, fill, alpha, inverse} of shapes) {
        if (!(shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING)) break;
        if (shape.isPointInFill(new DOMPoint(x, y).matrixTransform(inverse))) bottom = over(fill, alpha, bottom);
    }
    return bottom;
}
function outside(inner, outer) {
    const across = Math.max(outer.left - inner.left, inner.right - outer.right);
    return Math.max(0, across, outer.top - inner.top, inner.bottom - outer.bottom);
}
function hidden(text) {
    const style = getComputedStyle(text);
    if (style.visibility !== "visible" || style.display === "none" || opacity(text) < 0.99) return "not painted";
    for (let e = text.ownerSVGElement.parentElement; e && e !== document.documentElement; e = e.parentElement) {
        const cut = ["hidden", "clip"].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth;
        if (cut) return "cut off by " + e.tagName;
    }
    text.scrollIntoView({block: "nearest", inline: "nearest", behavior: "instant"});
    const r = text.getBoundingClientRect();
    if (r.width === 0 || r.height === 0) return "no size";
    const top = document.elementFromPoint(Math.min((r.left + r.right) / 2, innerWidth - 1), (r.top + r.bottom) / 2);
    return top && text.ownerSVGElement.contains(top) ? "" : "behind " + (top ? top.tagName : "the window");
}

return [...document.querySelectorAll("svg")].flatMap((svg, number) => {
    const bottom = page(svg);
    const shapes = [...svg.querySelectorAll("path, polygon, ellipse, circle, rect")]
        .map(shape => ({shape, style: getComputedStyle(shape)}))
        .filter(({style}) => style.fill.startsWith("rgb") && style.visibility === "visible")
        .map(({shape, style}) => ({
            shape, fill: channels(style.fill), alpha: Number(style.fillOpacity) * opacity(shape),
            inverse: shape.getScreenCTM().inverse(),
        }));
    const texts = [...svg.querySelectorAll("text")]
        .filter(text => text.textContent.trim() && !text.closest(".opened:not([display=inline])"));  // in a fold
    const read = texts.map(text => {
        const r = text.getBoundingClientRect();
        const ink = channels(getComputedStyle(text).fill);
        const box = [...text.parentElement.children].find(e => e.matches("path, polygon, ellipse, rect, circle"));
        const inBox = text.closest("g.node, g.cluster") && box;
        const xs = [0.05, 0.5, 0.95].map(t => r.left + t * r.width), ys = [0.25, 0.75].map(t => r.top + t * r.height);
        return {
            text: text.textContent.replaceAll("\\u00a0", " "),
            contrast: Math.min(...xs.flatMap(x => ys.map(y => contrast(ink, behind(text, shapes, x, y, bottom))))),
            picture: outside(r, svg.getBoundingClientRect()),
            box: inBox ? outside(r, box.getBoundingClientRect()) : 0,
            size: parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a,
            svg: number,
            rect: [r.left + scrollX, r.top + scrollY, r.right + scrollX, r.bottom + scrollY],
        };
    });
    texts.forEach((text, i) => read[i].hidden = hidden(text));
    return read;
});
"""

# A bar is as high as a letter and as wide as the number of letters says. It has the ink of the text, at half strength.
_BARS = """
for (const text of document.querySelectorAll("svg text")) {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    text.style.fontSize = "";  // as the drawing has it
    const size = parseFloat(getComputedStyle(text).fontSize);
    const number = name => parseFloat(text.getAttribute(name)) || 0;
    const width = 0.5 * size * text.textContent.trim().length;
    const start = {start: 0, middle: 0.5, end: 1}[getComputedStyle(text).textAnchor] * width;
    const place = {x: number("x") - start, y: number("y") - 0.6 * size, width, height: 0.6 * size};
    for (const [name, value] of Object.entries(place)) bar.setAttribute(name, value);
    bar.style = `fill: ${getComputedStyle(text).fill}; stroke: none; opacity: 0.5`;
    text.before(bar);
    text.style.display = "none";
}
"""


# --- screenshots ---


def _after(y: Value) -> Value:
    y.backward()
    return y


def _folded() -> Drawing:
    model = nn.MLP(2, [4, 1], activation="tanh", seed=0)
    with ad.record_source():
        loss = nn.mse([model([0.0, 1.0]), model([1.0, 1.0])], [1.0, -1.0])
    loss.backward()
    return draw(loss, collapse="always")


def _unusual() -> Drawing:
    dead = ad.relu(Value(-1.0, "d")) * 2.0
    return draw(_after(Value(float("nan"), "a") + dead + Value(float("inf"), "i") - Value(3.0, "b")))


DRAWINGS: dict[str, Callable[[], Drawing]] = {
    "neuron-before": lambda: draw(neuron()),
    "neuron-after": lambda: draw(_after(neuron())),
    "folded": _folded,
    "unusual": _unusual,
    "model": lambda: draw(nn.MLP(2, [16, 16, 1], seed=0)),
}


# Measured: the stored pictures, half as large and in few colours, differ by 4 at most from those they were made of; a
# box that is missing, moved by 10 pixels or of another colour of the palette makes 11 or more.
TOLERATED = 7.0
SCALE = 16  # pixels of a drawing to one of those compared: a wide drawing has some 64 of them


def difference(shown: bytes, stored: bytes) -> float:
    """How much two screenshots differ at a glance: in layout and colours, not the shape of letters.

    Both are scaled to the same small size and blurred, so that each pixel is the mean of a region as large as two or
    three words. The result is the mean absolute difference in the region where it is largest, from 0 to 255.
    """
    from PIL import Image, ImageChops, ImageFilter

    pictures = [Image.open(io.BytesIO(png)).convert("RGB") for png in (shown, stored)]
    size = (max(8, pictures[0].width // SCALE), max(8, pictures[0].height // SCALE))
    small = [p.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(1.0)) for p in pictures]
    apart = ImageChops.difference(*small).tobytes()
    return max(sum(apart[i : i + 3]) / 3 for i in range(0, len(apart), 3))


def shown(browser: Browser, drawing: Drawing, scheme: Scheme, directory: Path) -> bytes:
    """A drawing's page as a screenshot, with bars for texts."""
    browser.open(drawing.save(directory / "drawing.html"), 1100, scheme)
    browser.bars()
    return browser.screenshot()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.show.browser", description=__doc__)
    parser.add_argument("--write", action="store_true", help="store the screenshots as they are now")
    parser.add_argument("--look", type=Path, metavar="DIRECTORY", help="store them there as they are, with their texts")
    given = parser.parse_args()
    if reason := missing():
        raise SystemExit(reason)
    with started() as browser, TemporaryDirectory() as directory:
        for (name, make), scheme in product(DRAWINGS.items(), get_args(Scheme)):
            if given.look:
                given.look.mkdir(parents=True, exist_ok=True)
                browser.open(make().save(Path(directory) / "drawing.html"), 1100, scheme)
                (given.look / f"{name}-{scheme}.png").write_bytes(browser.screenshot())
            if given.write:
                _store(shown(browser, make(), scheme, Path(directory)), f"{name}-{scheme}.png")


def _store(png: bytes, name: str) -> None:
    """Half as large, in few colours: a file of some kilobytes."""
    from PIL import Image

    STORED.mkdir(exist_ok=True)
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
    picture.quantize(64).save(STORED / name, optimize=True)
    print(f"{name}: {picture.width} x {picture.height}")


if __name__ == "__main__":
    main()
