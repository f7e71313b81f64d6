"""The stored notebooks: the same cells as their scripts, run in order, without an error. CI runs them afresh."""

import re
from pathlib import Path

import jupytext
import pytest

from tests import notebooks


def test_there_is_a_notebook() -> None:
    assert notebooks.pairs()


@pytest.mark.parametrize("script", notebooks.pairs(), ids=lambda p: p.name)
def test_stored_notebook_has_the_cells_of_its_script_and_ran_in_order(script: Path) -> None:
    stored = notebooks.stored(script)
    assert notebooks.cells(stored) == notebooks.cells(jupytext.read(script))
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("script", notebooks.pairs(), ids=lambda p: p.name)
def test_stored_notebook_names_no_path_of_a_machine(script: Path) -> None:
    text = script.with_suffix(".ipynb").read_text()
    assert not re.findall(r"/(?:home|root|work|tmp|Users)/[^\s\"']*", text)
