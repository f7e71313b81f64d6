"""One row, one oracle: a primitive of the table is a function, a method and a line of the documentation by itself.

Each message says what is missing where.
"""

import difflib
from pathlib import Path

import pytest

import autodiff
from autodiff import Value, functions
from autodiff.primitives import KNOWN, TABLE
from autodiff.primitives.public import FUNCTIONS, METHODS
from autodiff.testing.mathematics import MATHEMATICS
from tests.table import KINKS, ROOT, WRITTEN, at_kink


@pytest.mark.parametrize("name", sorted({*KNOWN, *MATHEMATICS}))
def test_each_row_has_an_oracle_and_each_oracle_a_row(name: str) -> None:
    assert name in MATHEMATICS, (
        f"{name} has no oracle: add its mathematics to MATHEMATICS in autodiff/testing/mathematics.py, "
        f'"{name}": lambda mp, x: ..., written with the functions of mpmath and not copied from its row'
    )
    assert name in KNOWN, (
        f'{name} has an oracle and no row: add {name} = Primitive("{name}", ...) to a room of autodiff/primitives'
    )


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_what_is_written_from_the_table_is_up_to_date(path: Path) -> None:
    there, wanted = path.read_text(encoding="utf-8"), WRITTEN[path]()
    changes = [line for line in difflib.ndiff(there.splitlines(), wanted.splitlines()) if line[0] in "+-"]
    assert not changes, "\n".join(
        [f"{path.relative_to(ROOT)}: run `python -m tests.table --write`, which makes", *changes]
    )


@pytest.mark.parametrize("name", TABLE)
def test_each_row_is_a_function_of_the_library(name: str) -> None:
    if name == "round":  # Python's own calls it
        assert name not in dir(autodiff)
        return
    assert name in dir(autodiff), "run `python -m tests.table --write`"
    assert (name in FUNCTIONS) != hasattr(functions, name), f"{name}: a function of its own in functions.py, or none"
    assert f"`{name}`" in str(autodiff.__doc__), (
        f"add `{name}` to the functions in the docstring of autodiff/__init__.py"
    )


@pytest.mark.parametrize("name", METHODS)
def test_each_row_of_one_number_is_a_method(name: str) -> None:
    method = getattr(Value, name)
    assert method.__qualname__ == f"Value.{name}"
    assert method(Value(0.5)).op is TABLE[name]


def test_what_a_function_has_of_defaults_is_what_its_row_says() -> None:
    for name, entry in TABLE.items():
        if entry.facts.defaults and name != "round":
            assert getattr(functions, name).__defaults__ == entry.facts.defaults, name


@pytest.mark.parametrize("name", KNOWN)
def test_the_words_for_where_it_is_not_smooth_are_true_there(name: str) -> None:
    domain = KNOWN[name].domain
    assert bool(domain.words) == (domain.kinks is not None), f"{name}: kinks and words come together"
    assert not domain.words or domain.words in KINKS, f"add {domain.words!r} to KINKS in tests/table.py, with a point"
    point = at_kink(KNOWN[name])
    if point is not None:
        assert domain.kinks is not None
        assert domain.kinks(*point) == 0.0
        elsewhere = [x + 0.3 + 0.4 * i for i, x in enumerate(point)]
        assert domain.kinks(*elsewhere) != 0.0
