"""Figures of matplotlib as drawings: the same picture, in light and in dark, that everybody sees."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from autodiff.show import follow_theme, themed
from tests.show import browser as browsers
from tests.show.browser import Browser
from tests.show.pictures import SVG, texts

figures = pytest.importorskip("matplotlib.figure", reason="needs matplotlib")


def waves() -> Any:
    figure = figures.Figure(figsize=(5, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([0.0, 1.0, 2.0], [0.0, 1.0, 0.0], label="up & <down>")
    left.plot([0.0, 1.0, 2.0], [1.0, 0.0, 1.0], "k:", label="black")
    left.legend()
    left.set(title="Waves", xlabel="time", ylabel="height")
    right.imshow([[0.0, 1.0], [1.0, 0.5]])
    return figure


def test_a_figure_keeps_its_words_and_says_what_it_is() -> None:
    drawing = themed(waves())
    assert {"Waves", "time", "height", "up & <down>", "black"} <= set(texts(drawing.svg()))
    assert drawing.text().splitlines() == [
        "Waves: 2 lines (up & <down>, black); x: time; y: height",
        "an image",
    ]
    root = ElementTree.fromstring(drawing.svg("p"))
    assert root[0].text == "Figure: Waves"
    assert themed(waves().axes[0]).text() == drawing.text()
    with pytest.raises(TypeError, match=r"^themed takes a figure of matplotlib, or axes, got int$"):
        themed(3)
    with pytest.raises(ValueError, match=r"^theme is 'auto', 'light' or 'dark', got 'blue'$"):
        themed(waves(), "blue")  # type: ignore[arg-type]


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_no_black_or_white_is_left_and_ids_are_the_drawing_s_own(theme: Any) -> None:
    picture = themed(waves(), theme).svg("p")
    colours = re.findall(r'(?:fill|stroke)(?:="|: )(#[0-9a-f]{6})', re.sub("<style>.*?</style>", "", picture))
    assert not {"#000000", "#ffffff" if theme == "dark" else "#000000"} & set(colours)
    assert ("#18181b" if theme == "dark" else "#ffffff") in colours
    assert "#1f77b4" in colours
    root = ElementTree.fromstring(picture)
    ids = {element.attrib["id"] for element in root.iter() if "id" in element.attrib}
    assert all(name == "p" or name.startswith("p-") for name in ids)
    assert set(re.findall(r"url\(#([^)]+)\)", picture)) <= ids
    assert not list(root.iter(f"{SVG}use"))
    assert not re.findall(r"https?://(?!www\.w3\.org/)[^\"]*", picture)


def test_a_figure_is_as_it_was_when_it_was_given() -> None:
    figure = waves()
    drawing = themed(figure)
    figure.axes[0].set_title("Later")
    assert "Later" not in drawing.svg()
    assert figure.axes[0].get_title() == "Later"


def test_a_notebook_s_figures_follow_the_theme_when_told_so() -> None:
    shells = pytest.importorskip("IPython.core.interactiveshell")
    with pytest.raises(RuntimeError, match=r"^follow_theme is for notebooks, and this is not IPython"):
        follow_theme()
    shell = shells.InteractiveShell.instance()
    try:
        before, _ = shell.display_formatter.format(waves())
        follow_theme()
        after, _ = shell.display_formatter.format(waves())
    finally:
        shells.InteractiveShell.clear_instance()
    assert "text/html" not in before
    assert after["text/html"].startswith('<div id="ad')
    assert "light-dark(" in after["text/html"]


def test_figures_follow_the_theme_though_the_backend_is_loaded_with_the_first_of_them() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    codes = [
        "import matplotlib.pyplot as plt\nfrom autodiff.show import follow_theme\nfollow_theme()",
        "plt.plot([1, 2])\nplt.show()",
        "plt.plot([2, 1])\nplt.show()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes])
    nbclient.NotebookClient(notebook, kernel_name="python3").execute()
    for cell in notebook.cells[1:]:
        (shown,) = cell.outputs
        assert set(shown.data) == {"text/html", "image/png", "text/plain"}


def test_matplotlib_is_not_imported_for_the_rest_of_show() -> None:
    code = "import sys, autodiff.show; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


# --- as it is seen ---


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_figure_can_be_read_in_both_themes(browser: Browser, tmp_path: Path, scheme: browsers.Scheme) -> None:
    browser.open(themed(waves()).save(tmp_path / "x.html"), 800, scheme)
    words = browser.words()
    assert {"Waves", "time", "up & <down>"} <= {word["text"] for word in words}
    assert min(word["contrast"] for word in words) >= 4.5
    assert not [word for word in words if word["hidden"] or word["picture"] > 1.0]
    assert browser.width_beyond() == 0
    if browsers.axe() is not None:
        assert browser.violations() == []


def test_a_figure_s_still_image_is_seen_and_as_large(browser: Browser, tmp_path: Path) -> None:
    html = re.sub(r"<(script|style)>.*?</\1>", "", themed(waves()).html(), flags=re.DOTALL)
    page = tmp_path / "x.html"
    page.write_text(f"<!DOCTYPE html><html lang='en'><title>x</title><body>{html}</body></html>", encoding="utf-8")
    browser.open(page, 800)
    size = browser.until("const [i] = document.images; return i.complete && [i.naturalWidth, i.naturalHeight]")
    assert size == [480, 288]
