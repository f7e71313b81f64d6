"""Rows: f is written for one; results are stacked or reduced, and each row goes its own way."""

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff
from autodiff import Value, compile, grad, hessian, jacobian, value_and_grad
from autodiff.testing import programs
from tests.compiler.cases import linear, lowered, one, points, two


@given(programs(max_steps=12), st.data())
def test_rows_give_what_f_gives_for_each(program: Any, data: st.DataObject) -> None:
    def f(xs: list[Any]) -> Any:
        return program(*xs)

    rows = [data.draw(points(program)) for _ in range(3)]
    stacked = compile(value_and_grad(f), rows=0, backend="python")(rows)
    values, slopes = stacked
    for i, row in enumerate(rows):
        assert repr((values[i], slopes[i])) == repr(value_and_grad(f)(row))


def test_rows_are_partitioned_by_path(backend: str) -> None:
    def f(x: Any) -> Any:
        return x * 2 if x > 0 else -x

    rows = np.array([1.0, -2.0, 3.0, -4.0, 0.0])
    expected = [f(x) for x in rows]
    assert compile(f, rows=0, backend=backend)(rows).tolist() == expected
    assert compile(f, rows=0, backend=backend)(rows.tolist()) == expected
    assert compile(f, rows=0, reduce="sum", backend=backend)(rows) == sum(expected)
    value, slope = compile(value_and_grad(f), rows=0, reduce="mean", backend=backend)(rows)
    assert np.allclose((value, slope), (sum(expected) / 5, (2 - 1 + 2 - 1 - 1) / 5), rtol=1e-15)


def test_rows_are_given_by_position() -> None:
    f = compile(lambda w, x: w * x, rows=1, backend="python")
    with pytest.raises(TypeError, match="expected argument 1, which has rows, by position"):
        f(1.0, x=[1.0, 2.0])


def test_constant_gradients_are_reduced_and_stacked_like_others(backend: str) -> None:
    p, x = {"w": np.ones(2), "b": np.ones(1)}, np.ones((5, 2))
    total = compile(grad(linear), rows=1, reduce="sum", backend=backend)(p, x)
    assert (total["w"].tolist(), total["b"].tolist()) == ([5.0, 5.0], [5.0])
    mean = compile(grad(linear), rows=1, reduce="mean", backend=backend)(p, x)
    assert mean["b"].tolist() == [1.0]
    assert compile(grad(linear), rows=1, backend=backend)(p, x)["b"].shape == (5, 1)
    assert compile(hessian(lambda x: x @ x * 0.5), rows=0, backend=backend)(np.ones((3, 2))).shape == (3, 2, 2)


ROW_BY_ROW: dict[str, Callable[[Any], Any]] = {
    "a number": lambda x: x[0] * x[1],
    "a gradient": grad(lambda x: x[0] * x[1] ** 2),
    "a value and a gradient": value_and_grad(lambda x: x[0] * x[1] ** 2),
    "a Hessian": hessian(lambda x: x[0] * x[1] ** 2),
    "a Jacobian": jacobian(lambda x: [x[0] * x[1], x[0], x[1]]),
    "a list": lambda x: [x[0] + x[1], x[0], 1.0],
    "a list of lists": lambda x: [[x[0], x[1]], [x[1], 0.0]],
    "a ragged list": lambda x: [x[0], [x[1]]],
    "a list in a tuple in a dict": lambda x: {"a": (x[0], [x[1], x[0]]), "b": x[1]},
    "conditions": lambda x: [x[0] > 2, x[1] > 3],
    "softmax": lambda x: autodiff.softmax([x[0], x[1], 0.0]),
    "arrays without numbers": lambda x: (np.empty((2, 0)), [np.empty(0), np.empty(0)], x[0]),
    "arrays without numbers, and conditions": lambda x: {"a": np.empty((0, 2)), "b": x[0] > 2},
}


def _with_lists(x: Any) -> Any:
    """The same with lists in the place of arrays, and numbers in the place of Values."""
    if isinstance(x, dict):
        return {key: _with_lists(part) for key, part in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(map(_with_lists, x))
    return x.tolist() if isinstance(x, np.ndarray) else lowered(x)


def rounded(x: Any) -> Any:
    """The same with numbers to 14 digits."""
    if isinstance(x, dict):
        return {key: rounded(part) for key, part in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(map(rounded, x))
    return float(f"{x:.14g}")


@pytest.mark.parametrize("name", ROW_BY_ROW)
def test_rows_in_lists_and_in_arrays_give_one_arrangement(name: str, backend: str) -> None:
    rows = np.arange(1.0, 7.0).reshape(3, 2)
    compiled = compile(ROW_BY_ROW[name], rows=0, backend=backend)
    in_lists = _with_lists(compiled(rows.tolist()))
    assert _with_lists(compiled(rows)) == in_lists
    of_values = _with_lists(compiled([[Value(x), y] for x, y in rows]))
    assert of_values == in_lists or name == "softmax"
    assert str(rounded(of_values)) == str(rounded(in_lists))  # exp has other last bits in a program
    assert _with_lists(compiled.prepare(rows).results) == in_lists
    if name == "a gradient":
        assert in_lists == [compile(ROW_BY_ROW[name], backend=backend)(row) for row in rows.tolist()]


def test_constants_of_several_paths_count_once_a_row(backend: str) -> None:
    def f(x: Any) -> Any:
        return (x[0] if x[0] > 0 else -x[0]) + x[1]

    x = np.array([[1.0, 1.0], [2.0, 1.0], [-1.0, 1.0]])
    assert compile(grad(f), rows=0, reduce="sum", backend=backend)(x).tolist() == [1.0, 3.0]
    assert np.allclose(compile(grad(f), rows=0, reduce="mean", backend=backend)(x), [1 / 3, 1.0], rtol=1e-15)
    assert compile(grad(f), rows=0, backend=backend)(x).tolist() == [[1.0, 1.0], [1.0, 1.0], [-1.0, 1.0]]
    relu = compile(lambda x: x if x > 0 else 0, rows=0, backend=backend)
    assert relu(np.array([1.0, -1.0])).tolist() == [1.0, 0.0]
    assert compile(lambda x: (x, 1), rows=0, reduce="sum", backend=backend)([2.0, 3.0]) == (5.0, 2.0)
    with pytest.raises(TypeError, match="rows need results of one form"):
        compile(lambda x: ("up", x) if x > 0 else ("down", x), rows=0, backend=backend)([1.0, -1.0])


def test_dicts_of_rows_are_told_apart_as_other_dicts_are(backend: str) -> None:
    scaled = compile(
        lambda d: [x * (2.0 if type(key) is bool else 1.0) for key, x in d.items()], rows=0, backend=backend
    )
    assert (scaled({1: [3.0]}), scaled({True: [3.0]})) == ([[3.0]], [[6.0]])
    filled = compile(lambda d: d["x"] * d.default_factory(), rows=0, backend=backend)
    assert [filled(defaultdict(make, x=[3.0])) for make in (float, one, two)] == [[0.0], [3.0], [6.0]]


BAD_ROWS: list[tuple[Any, str]] = [
    ([[1.0, 2.0], [3.0]], r"args\[0\]\[1\] is of another form or length than args\[0\]\[0\]"),
    ([], "has no rows"),
    (np.zeros((0, 2)), "has no rows"),
    (np.float64(3.0), "expected args"),
    (np.array(3.0), "without an axis"),
    (3.0, "expected args"),
    ((np.zeros(2), np.zeros(3)), r"args\[0\]\[1\] has 3 rows, args\[0\]\[0\] has 2"),
]


@pytest.mark.parametrize(("rows", "message"), BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_bad_rows_say_what_is_wrong(rows: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        compile(lambda x: autodiff.sum(x), rows=0, backend="python")(rows)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("f", [lambda x: x, lambda x: x if x > 0.0 else 3.0 * x, lambda x: [x, 1e308 + 0.0 * x, 2.0]])
@pytest.mark.parametrize("ends", [(math.inf, -math.inf), (1e308, 1e308), (math.nan, 5e-324)])
def test_rows_are_added_up_in_silence_whatever_comes_of_it(
    ends: tuple[float, float], f: Any, reduce: str, backend: str
) -> None:
    x = np.array([ends[0], *[0.0] * 100, ends[1]])  # so many that they are added up in several blocks
    compiled = compile(f, rows=0, reduce=reduce, backend=backend)
    with np.errstate(all="raise"):
        got = compiled(x)
        compiled.prepare(x)()
    total = np.array([f(float(y)) for y in x]).T.tolist()
    expected = [sum(row) / (len(x) if reduce == "mean" else 1) for row in (total if isinstance(got, list) else [total])]
    np.testing.assert_array_equal(np.ravel(got), expected)


def test_rows_with_results_of_other_lengths_are_refused(backend: str) -> None:
    for results in (lambda x: [x, x] if x > 0.0 else [x], lambda x: {"a": x} if x > 0.0 else {"b": x}):
        with pytest.raises(TypeError, match="gives another form of result for row 1 than for row 0"):
            compile(results, rows=0, backend=backend)(np.array([1.0, -1.0]))
    f = compile(lambda x: (x, x > 1.0, "p" if x > 0.0 else None), rows=0, backend=backend)
    with pytest.raises(TypeError, match=r"\(a number, a bool, None\) and a tuple of 3 \(a number, a bool, 'p'\)"):
        f([1.0, -1.0])
