"""Notebooks: `python -m tests.notebooks` runs each from top to bottom; with --write, stores what came out.

A notebook is a pair: the percent script `NAME.py`, which people edit, and the executed `NAME.ipynb`, which people read.
Their cells must be the same, and no cell may raise.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

DIRECTORY = Path(__file__).parent.parent / "notebooks"


def pairs() -> list[Path]:
    """Return the scripts, in order."""
    return sorted(DIRECTORY.glob("*.py"))


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
    client = NotebookClient(
        notebook, coalesce_streams=True, timeout=120, kernel_name="python3", resources={"metadata": {"path": DIRECTORY}}
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the hour of the run
    notebook.metadata.pop("language_info", None)
    _name_drawings(notebook, script.stem)
    return notebook


def _name_drawings(notebook: Any, stem: str) -> None:
    """Give each drawing ids that are the same at every run, and no other drawing's, in place of random ones."""
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    drawings = [data for data in shown if "image/svg+xml" in data]
    for number, data in enumerate(drawings, 1):
        svg = data["image/svg+xml"]
        prefix = re.search(r'<svg[^>]* id="(\w+)"', svg)
        if prefix:
            data["image/svg+xml"] = svg.replace(prefix[1], f"ad-{stem}-{number}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.notebooks", description=__doc__)
    parser.add_argument("--write", action="store_true", help="store the outputs in the .ipynb files")
    write = parser.parse_args().write
    for script in pairs():
        notebook = executed(script)
        if write:
            nbformat.write(notebook, script.with_suffix(".ipynb"))
        elif cells(notebook) != cells(stored(script)):
            sys.exit(f"{script.name} and its .ipynb differ; run: python -m tests.notebooks --write")
        print(f"{script.name}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} code cells ran")


if __name__ == "__main__":
    main()
