"""Notebooks: `python -m tests.notebooks` runs each from top to bottom; with --write, stores what came out.

A notebook is a pair: the percent script `NAME.py`, which people edit, and the executed `NAME.ipynb`, which people read.
Their cells must be the same, and no cell may raise. A cell tagged `exercise` asks for an answer in its first statement;
the next cell has the solution, which must be right. `python -m tests.notebooks xor words` runs those whose names have
one of these words in them.

Those of the gallery begin with a title and a sentence. With the picture that the cell tagged `picture` draws, these are
their row of its index, `notebooks/gallery/README.md`, which --write writes.
"""

import argparse
import ast
import base64
import os
import re
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import pairwise
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

DIRECTORY = Path(__file__).parent.parent / "notebooks"
GALLERY = DIRECTORY / "gallery"
INDEX = GALLERY / "README.md"
_PICTURES = {"image/svg+xml": ".svg", "image/png": ".png"}
_SECONDS = 120  # for a cell


def pairs() -> list[Path]:
    """Return the scripts, in order."""
    return sorted(path for path in DIRECTORY.glob("*.py") if path.name != "conf.py") + gallery()


def gallery() -> list[Path]:
    """Return the scripts of the gallery, in order."""
    return sorted(GALLERY.glob("*.py"))


def cells(notebook: Any) -> list[tuple[str, str]]:
    """Return kind and source of each cell."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def stored(script: Path) -> Any:
    """Return the executed notebook that belongs to a script."""
    return nbformat.read(script.with_suffix(".ipynb"), as_version=4)


def executed(script: Path) -> Any:
    """Return the notebook after a run in a fresh kernel; raises at the first cell that does."""
    notebook = jupytext.read(script)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # the same at every run
    exercises = solved(notebook)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in exercises]
    place = {"metadata": {"path": script.parent}}
    client = NotebookClient(notebook, coalesce_streams=True, timeout=_SECONDS, kernel_name="python3", resources=place)
    client.execute()
    for cell in notebook.cells[len(notebook.cells) - len(exercises) :]:
        said = cell.outputs[-1]["data"]["text/plain"]
        assert said.startswith("Right"), f"{script.name}: a solution is called wrong: {said}\n{cell.source}"
    notebook.cells = notebook.cells[: len(notebook.cells) - len(exercises)]
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the hour of the run
    notebook.metadata.pop("language_info", None)
    _name_drawings(notebook, script.stem)
    return notebook


def solved(notebook: Any) -> list[str]:
    """Return the source of each exercise with its solution in place of the first statement."""
    sources = []
    for cell, after in pairwise(notebook.cells):
        if "exercise" in cell.metadata.get("tags", []):
            (solution,) = re.findall(r"```python\n(.*?)\n```", after.source, re.DOTALL)
            unanswered = ast.parse(cell.source).body[0]
            lines = cell.source.splitlines()
            sources.append("\n".join([solution, *lines[unanswered.end_lineno :]]))
    return sources


def _name_drawings(notebook: Any, stem: str) -> None:
    """Give each drawing ids that are the same at every run, and no other drawing's, in place of random ones."""
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    drawings = [data for data in shown if "image/svg+xml" in data]
    for number, data in enumerate(drawings, 1):
        svg = data["image/svg+xml"]
        prefix = re.search(r'<svg[^>]* id="(\w+)"', svg)
        if prefix:
            data["image/svg+xml"] = svg.replace(prefix[1], f"ad-{stem}-{number}")


# --- the gallery's index ---


def row(script: Path) -> tuple[str, str]:
    """Return title and sentence of a notebook of the gallery: the first two paragraphs of its first cell."""
    title, sentence, *_ = jupytext.read(script).cells[0].source.split("\n\n")
    return title.removeprefix("# "), " ".join(sentence.split())


def picture(notebook: Any) -> tuple[str, bytes]:
    """Return kind and bytes of the last picture that the cell tagged so shows; raises ValueError without one."""
    (cell,) = [cell for cell in notebook.cells if "picture" in cell.metadata.get("tags", [])]
    for output in reversed(cell.outputs):
        for kind, suffix in _PICTURES.items():
            if kind in output.get("data", {}):
                data = output["data"][kind]
                return suffix, data.encode() if suffix == ".svg" else base64.b64decode(data)
    raise ValueError("the cell tagged `picture` shows none")


def index() -> str:
    """Return the text of the gallery's index, from its scripts and stored notebooks."""
    begins = INDEX.read_text().partition("\n| ")[0]
    lines = [begins, "| | |", "|---|---|"]
    for script in gallery():
        title, sentence = row(script)
        suffix, _ = picture(stored(script))
        shown = f'<img src="pictures/{script.stem}{suffix}" alt="{title}" width="280">'
        lines.append(f"| {shown} | [**{title}**]({script.stem}.ipynb). {sentence} |")
    return "\n".join(lines) + "\n"


def _write_index() -> None:
    (GALLERY / "pictures").mkdir(exist_ok=True)
    for script in gallery():
        suffix, data = picture(stored(script))
        (GALLERY / "pictures" / script.stem).with_suffix(suffix).write_bytes(data)
    INDEX.write_text(index())


# --- the command ---


def _run(script: Path, write: bool) -> str:
    """Run a notebook, store it if asked, and return what there is to say; raises SystemExit where the pair differs."""
    began = time.perf_counter()
    notebook = executed(script)
    if write:
        nbformat.write(notebook, script.with_suffix(".ipynb"))
    elif cells(notebook) != cells(stored(script)):
        raise SystemExit(f"{script.name} and its .ipynb differ; run: python -m tests.notebooks --write")
    number = sum(cell.cell_type == "code" for cell in notebook.cells)
    return f"{script.relative_to(DIRECTORY)}: {number} code cells ran in {time.perf_counter() - began:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.notebooks", description=__doc__)
    parser.add_argument("words", nargs="*", help="those with one of these words in their names; all unless given")
    parser.add_argument("--write", action="store_true", help="store the outputs in the .ipynb files, and the index")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many run at once")
    given = parser.parse_args()
    scripts = [script for script in pairs() if not given.words or any(word in script.stem for word in given.words)]
    if not scripts:
        parser.error(
            f"no notebook has {' or '.join(given.words)} in its name; there are {', '.join(p.stem for p in pairs())}"
        )
    with ProcessPoolExecutor(given.jobs) as pool:
        for done in as_completed([pool.submit(_run, script, given.write) for script in scripts]):
            print(done.result(), flush=True)
    if given.write:
        _write_index()


if __name__ == "__main__":
    main()
