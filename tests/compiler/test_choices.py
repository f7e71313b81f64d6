"""Choices: `where` selects at every run, and an `if` on a Value is a guard, with a version for each way."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff
from autodiff import Value, compile, log, value_and_grad, where
from autodiff.compiler import TracingError
from tests.compiler.cases import lowered
from tests.needs import need_core


def test_where_selects_at_every_run(backend: str) -> None:
    f = compile(value_and_grad(lambda x: where(x > 0, log(x), 0.0)), backend=backend)
    assert f(1.0) == (0.0, 1.0)
    assert f(0.0) == (0.0, 0.0)
    assert f(-1.0) == (0.0, 0.0)
    assert f.stats().paths == 1


def test_if_is_a_guard_with_a_path_for_each_way(backend: str) -> None:
    def f(x: Any) -> Any:
        return x * 2 if x > 0 else -x if x < -1 else x * 0.5

    compiled = compile(value_and_grad(f), backend=backend)
    for x in (3.0, -3.0, -0.5, 4.0, -4.0, 0.0):
        assert compiled(x) == value_and_grad(f)(x)
    assert compiled.stats().paths == 3


def test_more_than_64_paths_name_the_line() -> None:
    def halvings(x: Any) -> Any:
        while x > 1.0:  # the line
            x = x * 0.5
        return x

    compiled = compile(halvings, backend="python")
    with pytest.raises(RuntimeError, match=rf"more than 64 ways .*{Path(__file__).name}:\d+.*where\(") as error:
        for i in range(66):
            compiled(2.0**i)
    line = int(str(error.value).partition(f"{Path(__file__).name}:")[2].partition(":")[0])
    assert "the line" in Path(__file__).read_text().splitlines()[line - 1]


def test_conditions_combine_as_bools_do(backend: str) -> None:
    def f(x: Any, y: Any) -> Any:
        return [
            where((x > 0) & (y > 0), 1.0, 2.0),
            where((x > 0) | (y > 0), 1.0, 2.0),
            where((x > 0) ^ (y > 0), 1.0, 2.0),
            where(True & (x > 0), x, y),
            x == y,
            x != y,
            x >= y,
            not x > y,
        ]

    compiled = compile(f, backend=backend)
    for x in (1.0, -1.0, 0.0):
        for y in (1.0, -1.0):
            assert compiled(x, y) == [lowered(z) for z in f(Value(x), Value(y))]


def test_sorting_and_pythons_own_max_are_guards(backend: str) -> None:
    compiled = compile(lambda xs: [*sorted(xs), max(xs)], backend=backend)
    for xs in ([3.0, 1.0, 2.0], [1.0, 2.0, 3.0], [3.0, 1.0, 2.5]):
        assert compiled(xs) == [*sorted(xs), max(xs)]


def test_comparisons_with_what_is_no_float_are_refused() -> None:
    for other in (Fraction(1, 10), Decimal("0.1"), 2**53 + 1, 10**400):
        with pytest.raises(TracingError, match="no float"):
            compile(lambda x: where(x < other, 1.0, x), backend="python")(0.1)
    assert compile(lambda x: where(x == Fraction(1, 2), 1.0, x), backend="python")(0.5) == 1.0
    array = np.array([1.0, 3.0])
    assert compile(lambda x: np.where(x > array, x, 0.0), backend="python")(2.0).tolist() == [2.0, 0.0]


def test_sums_in_guards_have_the_bits_of_values() -> None:
    """In plain Python: the core's products are fused, and so ties are decided as `ROUNDED` says."""
    rng = np.random.default_rng(0)

    def f(x: Any) -> Any:
        return 1.0 * x[0] if x[0] * x[1] + x[2] * x[3] - x[4] > 0 else -x[0]

    x = rng.normal(size=(40, 5))
    x[:, 4] = x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3]
    compiled = compile(f, backend="python")
    assert [compiled(row) for row in x] == (-x[:, 0]).tolist()
    assert compile(f, rows=0, backend="python")(x).tolist() == (-x[:, 0]).tolist()
    assert compiled.stats().paths == 1


# What the core may round otherwise than Values do; the sum from Python 3.12 on.
ROUNDED: dict[str, Callable[[Any], Any]] = {
    "products": lambda x: x[0] * x[1] + x[1] * x[2] - x[2] * x[0],
    "norm": lambda x: autodiff.norm(x[:3]),
    "hypot": lambda x: autodiff.hypot(x[0], x[1]),
    "square": lambda x: x[0] ** 2 - x[1] ** 2,
    "reciprocal": lambda x: x[0] ** -1 + x[1] ** -1,
    "sum": lambda x: autodiff.sum([x[0], x[1], x[2], -x[0]]),
}


def _ties(name: str) -> list[list[float]]:
    """Points whose last number lies between what Values and what the core give, or is what both give."""
    f, points = ROUNDED[name], np.random.default_rng(0).normal(size=(2000, 4))
    in_core = compile(f, rows=0, backend="native")(points[:, :3])
    of_values = np.array([f([Value(x) for x in point]).data for point in points[:, :3].tolist()])
    points[:, 3] = np.maximum(in_core, of_values)
    return [*points[in_core != of_values][:8].tolist(), *points[:4].tolist()]


@pytest.mark.parametrize("name", ROUNDED)
def test_a_choice_at_a_tie_is_the_same_at_every_call(name: str) -> None:
    """Whatever was called before: with the program of the other way not there, and there; alone, and in rows."""
    need_core()
    ties = _ties(name)

    def f(x: Any) -> Any:
        return x[3] * x[3] if ROUNDED[name](x) >= x[3] else -x[3]

    def both_known(**options: Any) -> Any:
        compiled = compile(f, backend="native", **options)
        for last in (-1e9, 1e9):
            x = [1.0, 2.0, 3.0, last]
            compiled(x if not options else np.array([x]))
        return compiled

    first = [compile(f, backend="native")(x) for x in ties]
    for compiled in (compile(f, backend="native"), both_known()):
        assert [compiled(x) for x in ties] == [compiled(x) for x in ties] == first
        assert compiled.stats().paths <= 2
    for compiled in (compile(f, rows=0, backend="native"), both_known(rows=0)):
        assert compiled(np.array(ties)).tolist() == compiled(np.array(ties)).tolist() == first
        assert compiled(np.array(ties[::-1])).tolist() == first[::-1]


def test_many_choices_at_ties_are_decided_one_after_the_other() -> None:
    need_core()
    ties = _ties("norm")

    def f(xs: Any) -> list[Any]:
        return [1.0 * x[3] if autodiff.norm(x[:3]) >= x[3] else -x[3] for x in xs]

    compiled = compile(f, backend="native")
    assert compiled(ties) == compiled(ties) == [compile(lambda x: f([x])[0], backend="native")(x) for x in ties]


def test_backward_decides_at_a_tie_as_a_call_does() -> None:
    need_core()
    for x in _ties("norm"):
        w = Value(1.0)
        compiled = compile(lambda x: w * 2.0 if autodiff.norm(x[:3]) >= x[3] else w * 3.0, backend="native")
        assert compiled(x) == compiled.backward(x) == w.grad
