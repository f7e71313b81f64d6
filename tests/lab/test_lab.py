"""The notebooks as a reader of JupyterLab sees them: opened, trusted or not, and run."""

from collections.abc import Iterator
from typing import Any

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
