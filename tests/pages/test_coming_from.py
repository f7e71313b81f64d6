"""The pages for those who come from other libraries: each row of their tables, ours always, theirs where it is there.

A page begins with a block of theirs, "python LIBRARY", and one of ours; then come tables. A cell is code, whose last
line is an expression, or words where a library has no such thing. Each row starts from the blocks anew, and both give
the same numbers. A block "python both" runs in either, and both end with the same `result`.
"""

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff.testing import assert_gradients_close
from tests.pages.reading import CODE, DIRECTORY, blocks, tables

PAGES = {"micrograd": "micrograd.md", "torch": "pytorch.md", "jax": "jax.md", "casadi": "casadi.md"}
LEAST_ROWS = 14


def page(library: str) -> Path:
    return DIRECTORY / "coming_from" / PAGES[library]


def rows(library: str) -> list[list[str]]:
    """What it does, their code, our code, where there is one; a cell of words is none."""
    found = [row for _, *body in tables(page(library)) for row in body]
    return [[row[0], *(code(cell) for cell in row[1:])] for row in found]


def code(cell: str) -> str:
    """The lines of code in a cell; none where words stand around them."""
    words = CODE.sub("", cell).replace("<br>", "").strip()
    return "" if words else "\n".join(found[1] for found in CODE.findall(cell))


def value(block: str, cell: str) -> Any:
    """The value of the last line of a cell, which runs after the block."""
    names: dict[str, Any] = {}
    exec(block, names)
    *before, last = ast.parse(cell).body
    assert isinstance(last, ast.Expr), f"{cell!r} ends with an expression"
    exec(compile(ast.Module(before, []), cell, "exec"), names)
    return plain(eval(compile(ast.Expression(last.value), cell, "eval"), names))


def plain(x: Any) -> Any:
    """Numbers in lists, whatever library's they were."""
    if isinstance(x, list | tuple):
        return [plain(item) for item in x]
    if isinstance(x, dict):
        return {name: plain(item) for name, item in x.items()}
    if isinstance(x, ad.Value) or type(x).__module__ == "micrograd.engine":
        return float(x.data)
    if hasattr(x, "full"):  # casadi's matrices, in which a vector is a column
        return plain(np.asarray(x.full()).squeeze())
    if hasattr(x, "detach"):
        return x.detach().tolist()
    if getattr(x, "dtype", "") == "object":
        return plain(x.tolist())
    return np.asarray(x).tolist()


def floats(x: Any) -> Any:
    """Bools and ints as floats: that both have the same kind of number is not asked."""
    if isinstance(x, list):
        return [floats(item) for item in x]
    return {name: floats(item) for name, item in x.items()} if isinstance(x, dict) else float(x)


CASES = [pytest.param(library, row, id=f"{library}: {row[0]}") for library in PAGES for row in rows(library)]


@pytest.mark.parametrize(("library", "row"), CASES)
def test_our_side_of_a_row_runs(library: str, row: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, _, ours = row
    (block,) = blocks(page(library), "python")
    if "scipy" in ours:
        pytest.importorskip("scipy")
    assert ours, "each row has code of ours: words are not tested"
    assert value(block, ours) is not None


@pytest.mark.torch
@pytest.mark.parametrize(("library", "row"), CASES)
@pytest.mark.filterwarnings("ignore")
def test_both_sides_of_a_row_give_the_same_numbers(
    library: str, row: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec(library) is None:
        pytest.skip(f"needs {library}")
    monkeypatch.chdir(tmp_path)
    _, theirs, ours = row
    if not theirs:
        pytest.skip(f"{library} has none")
    (their_block,), (our_block,) = blocks(page(library), f"python {library}"), blocks(page(library), "python")
    expected, found = floats(value(their_block, theirs)), floats(value(our_block, ours))
    assert_gradients_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("library", PAGES)
def test_a_page_has_rows_enough_and_says_what_differs(library: str) -> None:
    found = rows(library)
    assert len(found) >= LEAST_ROWS
    assert len({what for what, *_ in found}) == len(found)
    assert sum(bool(theirs) for _, theirs, _ in found) >= 0.6 * len(found)
    assert "## What differs" in page(library).read_text(encoding="utf-8")


@pytest.mark.parametrize("library", PAGES)
def test_a_whole_program_is_the_same_in_both(library: str) -> None:
    for program in blocks(page(library), "python both"):
        results = []
        for language in ("python", f"python {library}"):
            if language != "python" and find_spec(library) is None:
                continue
            (block,) = blocks(page(library), language)
            names: dict[str, Any] = {}
            exec(block + program, names)
            results.append(names["result"])
        assert all(np.isfinite(results[0]))
        assert_gradients_close(results[0], results[-1], rtol=1e-12)
