"""The notebooks as a reader of JupyterLab sees them: opened, trusted or not, and run."""

from collections.abc import Iterator
from typing import Any

import nbformat
import pytest

from tests import notebooks
from tests.lab import server
from tests.lab.server import Lab, Notebook
from tests.show import browser as browsers
from tests.show.browser import Browser

pytestmark = pytest.mark.xdist_group("lab")  # one server

CORE = sorted(notebooks.DIRECTORY.glob("*.py"))
PICTURES = {"image/svg+xml", "image/png"}

every_core_notebook = pytest.mark.parametrize(
    "name", [script.stem for script in CORE if script.with_suffix(".ipynb").exists()]
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    reason = server.missing()
    if reason:
        pytest.skip(reason)
    with server.started() as started:
        yield started


@pytest.fixture(scope="module")
def browser(lab: Lab) -> Iterator[Browser]:
    with browsers.started() as started:
        yield started


def opened(browser: Browser, lab: Lab, name: str, trusted: bool, **look: Any) -> Notebook:
    """A stored notebook, opened and not run."""
    file = f"{name}-{'trusted' if trusted else 'untrusted'}.ipynb"
    notebook = Notebook(browser, lab, lab.copy(notebooks.DIRECTORY / f"{name}.ipynb", file, trusted), **look)
    assert notebook.trusted() == trusted
    return notebook


def assert_seen(outputs: list[dict[str, Any]], with_pictures: set[int]) -> None:
    """Cells that drew something show it, within the column, and say in words what it is."""
    shown = {output["cell"] for output in outputs if output["pictures"]}
    assert shown >= with_pictures, f"cells {sorted(with_pictures - shown)} show no picture"
    for output in outputs:
        assert output["beyond"] <= 1, f"cell {output['cell']} is {output['beyond']} px wider than its column"
        for picture in output["pictures"]:
            assert picture["loaded"], f"cell {output['cell']}: a broken {picture['tag']}"
            assert picture["beyond"] <= 1, f"cell {output['cell']}: {picture['beyond']} px of a picture are cut off"


def drew(name: str) -> set[int]:
    """The cells of a stored notebook that have a picture among their outputs."""
    cells = notebooks.stored(notebooks.DIRECTORY / f"{name}.py").cells
    return {
        number
        for number, cell in enumerate(cells)
        if any(PICTURES & set(output.get("data", {})) for output in cell.get("outputs", []))
    }


@every_core_notebook
@pytest.mark.parametrize("trusted", [False, True], ids=["untrusted", "trusted"])
def test_a_notebook_that_is_opened_shows_its_pictures_without_being_run(
    browser: Browser, lab: Lab, name: str, trusted: bool
) -> None:
    with_pictures = drew(name)
    assert with_pictures
    assert_seen(opened(browser, lab, name, trusted).outputs(), with_pictures)


@every_core_notebook
def test_all_cells_run_and_show_what_they_draw(browser: Browser, lab: Lab, name: str) -> None:
    notebook = opened(browser, lab, name, trusted=False)
    notebook.run_all()
    outputs = notebook.outputs()
    assert not [output for output in outputs if output["kind"].endswith(("error", "stderr"))]
    assert notebook.trusted()  # what was run here
    assert_seen(outputs, drew(name))


# --- what moves ---


def cell_with(name: str, code: str) -> int:
    """The number of the first cell of a stored notebook that has this line in it."""
    cells = notebooks.stored(notebooks.DIRECTORY / f"{name}.py").cells
    return next(number for number, cell in enumerate(cells) if cell.cell_type == "code" and code in cell.source)


def texts(notebook: Notebook, cell: int) -> list[str]:
    """The words that are seen in the drawing that a cell shows."""
    svg = notebook.element(cell, "svg")
    found: list[str] = notebook.browser.run(
        """return [...arguments[0].querySelectorAll("text")]
            .filter(e => e.getBoundingClientRect().width > 0).map(e => e.textContent.trim())""",
        svg,
    )
    return found


@pytest.mark.parametrize("run", [False, True], ids=["opened", "run"])
def test_a_slider_moves_the_numbers_of_the_drawing_with_and_without_a_kernel(
    browser: Browser, lab: Lab, run: bool
) -> None:
    from selenium.webdriver import Keys

    name = "02_reading_graphs"
    notebook = opened(browser, lab, name, trusted=True)
    cell = cell_with(name, "ad.what_if(out, {w: (-2.0, 2.0), x: (-1.0, 3.0)})")
    if run:
        notebook.run_all()
    else:
        notebook.end_kernel()
    before = texts(notebook, cell)
    slider = notebook.element(cell, "input[type=range]")  # that of w
    slider.send_keys(Keys.END)
    after = texts(notebook, cell)
    assert "-0.6" in before
    assert "-0.6" not in after  # neither as w's data, nor as what stands on the edge of x
    assert after.count("2") > before.count("2")
    said = notebook.element(cell, "[data-part=result]").text
    assert said.startswith("out = 0.99995")  # tanh(2 * 2 + 1.3)
    assert "0.99995" in after


def test_a_fold_opens_where_it_is_and_closes_again(browser: Browser, lab: Lab) -> None:
    from selenium.webdriver import Keys

    name = "02_reading_graphs"
    notebook = opened(browser, lab, name, trusted=True)
    cell = cell_with(name, "ad.draw(mean_score, depth=1)")
    before = texts(notebook, cell)
    notebook.element(cell, "svg [aria-expanded=false]").send_keys(Keys.ENTER)
    within = texts(notebook, cell)
    assert len(within) > len(before)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)  # the bar of what was opened has the focus
    assert texts(notebook, cell) == before, "it does not close to what it was"


def test_a_film_plays_in_a_notebook(browser: Browser, lab: Lab) -> None:
    name = "01_backpropagation"
    notebook = opened(browser, lab, name, trusted=True)
    cell = cell_with(name, "ad.animate(z)")
    first = notebook.element(cell, "[data-part=caption]").text
    notebook.element(cell, "[data-part=next]").click()
    second = notebook.element(cell, "[data-part=caption]").text
    assert first
    assert second
    assert first != second


def test_the_source_of_a_node_is_the_cell_that_made_it(browser: Browser, lab: Lab) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "from autodiff import Value, explain, record_source\nx = Value(2.0)\nwith record_source():\n"
                "    y = x * 3.0\nprint(explain(y, x))"
            )
        ]
    )
    shown = Notebook(browser, lab, lab.put(notebook, "source.ipynb", trusted=False))
    shown.run_all()
    (output,) = shown.outputs()
    assert "In[1]:4" in output["text"]
    assert "y = x * 3.0" in output["text"]
