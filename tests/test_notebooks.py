"""The stored notebooks: the same cells as their scripts, run in order, without an error. CI runs them afresh."""

import ast
import re
from pathlib import Path

import jupytext
import pytest

from tests import notebooks

TUTORIALS = [script for script in notebooks.pairs() if script.parent == notebooks.DIRECTORY]


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
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert kinds & {"image/svg+xml", "image/png"}


@pytest.mark.parametrize("script", notebooks.pairs(), ids=lambda p: p.name)
def test_stored_notebook_names_no_path_of_a_machine(script: Path) -> None:
    text = script.with_suffix(".ipynb").read_text()
    assert not re.findall(r"/(?:home|root|work|tmp|Users)/[^\s\"']*", text)


@pytest.mark.parametrize("script", TUTORIALS, ids=lambda p: p.name)
def test_a_tutorial_ends_with_exercises_not_yet_answered_and_a_link_onward(script: Path) -> None:
    stored = notebooks.stored(script)
    exercises = [cell for cell in stored.cells if "exercise" in cell.metadata.get("tags", [])]
    assert len(exercises) >= 3
    assert len(notebooks.solved(stored)) == len(exercises)  # `python -m tests.notebooks` runs them
    for cell in exercises:
        assert cell.outputs[-1]["data"]["text/plain"].startswith("Your turn")
    following = [*TUTORIALS, notebooks.INDEX][TUTORIALS.index(script) + 1].relative_to(script.parent)
    assert f"]({following.with_suffix('.md' if following.suffix == '.md' else '.ipynb')})" in stored.cells[-1].source


def test_the_index_of_the_gallery_has_the_title_the_sentence_and_the_picture_of_each_notebook() -> None:
    assert notebooks.INDEX.read_text() == notebooks.index(), "run: python -m tests.notebooks --write"


@pytest.mark.parametrize("script", notebooks.gallery(), ids=lambda p: p.name)
def test_a_notebook_of_the_gallery_asserts_its_result_and_its_picture_is_the_one_in_the_index(script: Path) -> None:
    stored = notebooks.stored(script)
    code = "\n".join(source for kind, source in notebooks.cells(stored) if kind == "code")
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(code)))
    suffix, data = notebooks.picture(stored)
    assert (notebooks.GALLERY / "pictures" / script.stem).with_suffix(suffix).read_bytes() == data
    title, sentence = notebooks.row(script)
    assert title
    assert sentence.endswith(".")
    assert len(sentence) <= 200


@pytest.mark.parametrize("script", notebooks.gallery(), ids=lambda p: p.name)
def test_a_notebook_of_the_gallery_ends_with_a_link_onward_and_its_plots_follow_the_theme(script: Path) -> None:
    stored = notebooks.stored(script)
    following = [*[each.with_suffix(".ipynb").name for each in notebooks.gallery()], "../how_to/index.md"]
    assert f"]({following[notebooks.gallery().index(script) + 1]})" in stored.cells[-1].source
    figures = [
        output.data
        for cell in stored.cells
        for output in cell.get("outputs", [])
        if output.get("data", {}).get("text/plain", "").startswith("<Figure size")
    ]
    assert figures
    assert all("text/html" in data for data in figures), "over 200,000 characters: give thousands of points rasterized"
    assert script.with_suffix(".ipynb").stat().st_size < 900_000
