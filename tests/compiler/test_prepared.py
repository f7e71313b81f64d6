"""Prepared calls: repeated on the same arrays, with results in arrays that stay."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff
from autodiff import compile, value_and_grad
from tests.compiler.cases import Settings


def test_a_prepared_call_reads_its_objects_again(backend: str) -> None:
    settings, x = Settings(2.0), np.array([1.0])
    call = compile(lambda x, s: x[0] * s.rate, backend=backend).prepare(x, settings)
    settings.rate = 5.0
    call()
    assert float(call.results) == 5.0


def test_a_prepared_call_reads_and_fills_arrays(backend: str) -> None:
    x, scale = np.array([1.0, 2.0]), np.array(3.0)
    call = compile(value_and_grad(lambda x, s: (x * x).sum() * s), backend=backend).prepare(x, scale)
    value, slope = call.results
    assert (float(value), slope.tolist()) == (15.0, [6.0, 12.0])
    x[:], scale[...] = [3.0, 4.0], 1.0
    assert call() is None
    assert (float(value), slope.tolist()) == (25.0, [6.0, 8.0])


def test_a_prepared_call_runs_f_itself_inside_detect_anomaly(backend: str) -> None:
    x = np.array([1.0, 4.0])
    call = compile(lambda x: autodiff.sqrt(x[0]) * autodiff.sqrt(x[1]), backend=backend).prepare(x)
    with autodiff.detect_anomaly():
        other = compile(lambda x: x[0] * 2.0, backend=backend).prepare(x)
        call()
        other()
        assert (float(call.results), float(other.results)) == (2.0, 2.0)
        x[0] = -1.0
        with pytest.raises(FloatingPointError, match="sqrt made nan"):
            call()
    x[0] = 9.0
    call()
    other()
    assert (float(call.results), float(other.results)) == (6.0, 18.0)


def test_a_prepared_call_sees_what_lists_and_dicts_hold_by_then(backend: str) -> None:
    p, numbers = {"w": np.array([1.0, 2.0])}, [1.0, 2.0]
    rows = np.array([[1.0, 1.0], [2.0, 0.0]])
    call = compile(lambda p, x: p["w"] @ x, rows=1, reduce="sum", backend=backend).prepare(p, rows)
    assert float(call.results) == 5.0
    p["w"][0] = 2.0
    rows[1] = 0.0
    call()
    assert float(call.results) == 4.0
    p["w"] = np.array([5.0, 5.0])
    call()
    assert float(call.results) == 10.0
    total = compile(lambda x: x[0] + x[1], backend=backend).prepare(numbers)
    numbers[0] = 5.0
    total()
    assert float(total.results) == 7.0


def test_a_prepared_call_sees_whatever_else_changes_in_lists_and_dicts(backend: str) -> None:
    """What is no number decides what f does, as do keys and their order: each change gives what f gives then."""

    def f(p: Any) -> Any:
        twice = 2.0 if p["mode"] == "twice" else 1.0
        slopes = sum(x[0] * 10.0**i for i, x in enumerate(p["list"][:-1])) + (p["list"][-1] == "more")
        return twice * p["a"][0] + 100.0 * p["b"][0] + slopes + len(p)

    a, b, c = np.array([1.0]), np.array([2.0]), np.array([3.0])
    p: Any = {"a": a, "b": b, "mode": "once", "list": [c, "less"]}
    g = compile(f, backend=backend)
    call = g.prepare(p)
    for change in (
        lambda: p.update(mode="twice"),
        lambda: p.update(extra=None),
        lambda: p.pop("extra"),
        lambda: p.update({"a": b, "b": a}),
        lambda: p.update({"list": p.pop("list"), "a": p.pop("b"), "b": p.pop("a")}),
        lambda: p["list"].insert(0, a),
        lambda: p["list"].pop(0),
        lambda: p["list"].__setitem__(1, "more"),
        lambda: p.update(list=[b, "less"]),
    ):
        change()
        call()
        assert float(call.results) == float(g(p)) == float(f(p))


def test_a_prepared_call_tells_keys_apart_that_are_equal(backend: str) -> None:
    p: Any = {1: np.array([2.0])}
    g = compile(lambda p: sum(x[0] * (10.0 if type(key) is bool else 1.0) for key, x in p.items()), backend=backend)
    call = g.prepare(p)
    p[True] = p.pop(1)
    call()
    assert float(call.results) == float(g(p)) == 20.0


FORMS: list[Callable[[np.ndarray], None]] = [
    lambda x: x.resize((2, 3), refcheck=False),
    lambda x: x.resize((6, 1), refcheck=False),
    lambda x: setattr(x, "dtype", np.int64),
    lambda x: setattr(x, "dtype", np.float64),
    lambda x: setattr(x, "dtype", x.dtype.newbyteorder()),
    lambda x: x.resize((5,), refcheck=False),
    lambda x: x.resize((8,), refcheck=False),
    lambda x: x.resize((1000,), refcheck=False),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # newer numpys would rather have views
@pytest.mark.parametrize("change", FORMS)
def test_a_prepared_call_sees_what_is_set_in_an_array_in_place(change: Callable[[Any], None], backend: str) -> None:
    """Its shape, strides and dtype; resized, it has another memory."""

    def f(x: Any) -> Any:
        return len(x.shape) * 100.0 + 1.0 * x.shape[0] + np.reshape(x, -1)[0]

    for holder in (lambda x: x, lambda x: [x]):
        x = np.arange(1.0, 7.0)
        g = compile(lambda given: f(given[0] if isinstance(given, list) else given), backend=backend)
        call = g.prepare(holder(x))
        change(x)
        call()
        assert float(call.results) == float(f(x))
        x.reshape(-1)[0] = 5
        call()
        assert float(call.results) == float(f(x))


def test_a_prepared_call_sees_rows_of_another_form(backend: str) -> None:
    x = np.arange(1.0, 7.0).reshape(3, 2).copy()
    call = compile(lambda x: x[0] + 10.0 * len(x), rows=(0,), reduce="sum", backend=backend).prepare(x)
    for shape in ((2, 3), (6, 1), (3, 2)):
        x.resize(shape, refcheck=False)
        call()
        assert float(call.results) == x[:, 0].sum() + 10.0 * x.size


def test_results_of_another_shape_are_refused_before_anything_changes(backend: str) -> None:
    p = {"x": np.array([1.0, 2.0, 3.0])}
    call = compile(lambda p: (2.0 * p["x"][0], p["x"] + 1.0), backend=backend).prepare(p)
    p["x"] = np.array([5.0])  # numpy would put its one number in all three places
    with pytest.raises(
        TypeError, match=r"gave an array of shape \(1,\) where it gave an array of shape \(3,\) at first"
    ):
        call()
    assert [x.tolist() for x in call.results] == [2.0, [2.0, 3.0, 4.0]]


class Scaled(list[Any]):
    """A list with an attribute, which one made anew of what it holds has as well, until it is another."""

    scale = 1.0


def test_a_prepared_call_sees_attributes_of_a_container(backend: str) -> None:
    p = Scaled([np.array([2.0])])
    call = compile(lambda p: p[0][0] * p.scale, backend=backend).prepare(p)
    call()
    assert float(call.results) == 2.0
    p.scale = 3.0
    with pytest.raises(TypeError, match="a Scaled made anew of what it holds has not this one's attributes: scale"):
        call()


def test_a_prepared_call_reads_the_factory_of_a_defaultdict_again(backend: str) -> None:
    p = defaultdict(lambda: 2.0, x=np.array([1.0]))
    call = compile(lambda p: p["x"][0] * p.default_factory(), backend=backend).prepare(p)
    p.default_factory = lambda: 3.0
    call()
    assert float(call.results) == 3.0


def test_a_prepared_call_takes_the_other_path_when_it_must(backend: str) -> None:
    x = np.array([1.0])
    call = compile(lambda x: x[0] * 2.0 if x[0] > 0 else x[0], backend=backend).prepare(x)
    x[0] = -3.0
    call()
    assert float(call.results) == -3.0
    rows = np.array([1.0, 2.0])
    total = compile(lambda x: x * x, rows=0, reduce="sum", backend=backend).prepare(rows)
    rows[:] = 3.0
    total()
    assert float(total.results) == 18.0


def test_a_prepared_call_of_rows_takes_the_other_path_when_it_must(backend: str) -> None:
    """The rows that it was prepared with all went one way: its guards are looked at all the same."""
    for reduce, expected in ((None, [1.0, 2.0]), ("sum", 3.0)):
        x = np.array([3.0, 4.0])
        call = compile(lambda x: x if x > 0.0 else -x, rows=0, reduce=reduce, backend=backend).prepare(x)
        x[:] = -1.0, 2.0
        call()
        np.testing.assert_array_equal(call.results, expected)


def test_a_prepared_call_reads_rows_that_are_lists_of_arrays(backend: str) -> None:
    rows = [{"x": np.array([1.0, 2.0])}, {"x": np.array([3.0, 4.0])}]
    for reduce, expected in ((None, [12.0, 7.0]), ("sum", 19.0)):
        rows[0]["x"][0] = 1.0
        call = compile(lambda row: row["x"].sum(), rows=0, reduce=reduce, backend=backend).prepare(rows)
        rows[0]["x"][0] = 10.0
        call()
        np.testing.assert_array_equal(call.results, expected)
    empty = compile(lambda row, w: [*row, w], rows=0, backend=backend).prepare([[], []], 2.0)
    assert empty.results == [[2.0], [2.0]]


def test_a_prepared_call_takes_no_arguments_and_gives_none(backend: str) -> None:
    call = compile(lambda x: x[0] * 2.0, backend=backend).prepare(np.array([1.0]))
    assert call() is None
    for refused in (lambda: call(1.0), lambda: call(x=1.0)):
        with pytest.raises(TypeError, match="argument"):
            refused()
    with autodiff.no_grad():
        assert call() is None


def test_what_a_prepared_call_runs_may_fail(backend: str) -> None:
    call = compile(lambda x: x[0] * 2.0, backend=backend).prepare([np.array(1.0)])

    def fail() -> bool:
        raise KeyboardInterrupt

    call._run = fail
    call.serve_by(fail)
    with pytest.raises(KeyboardInterrupt):
        call()
    call._run = lambda: False
    call.serve_by(call._run)
    assert call() is None
    assert float(call.results) == 2.0
