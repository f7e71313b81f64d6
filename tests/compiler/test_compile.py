"""compile(f): the same numbers as f, to the last bit where nothing is reordered, and errors for what would be stale."""

import copy
import functools
import gc
import math
import operator
import pickle
import subprocess
import sys
import threading
import time
import warnings
import weakref
from array import array
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff
import nn
from autodiff import Value, compile, exp, grad, hessian, hvp, jacobian, jvp, log, no_grad, value_and_grad, vjp, where
from autodiff.compiler import TracingError
from autodiff.compiler.calls import objects
from autodiff.compiler.program import opcodes, saved
from autodiff.compiler.program.program import Program
from autodiff.testing import programs

ROOT = Path(__file__).parent.parent.parent
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324]


def points(program: Any) -> st.SearchStrategy[list[float]]:
    n = len(program.leaves)
    return st.one_of(st.just(list(program.leaves)), st.lists(st.sampled_from(SPECIAL), min_size=n, max_size=n))


def lowered(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


# --- laws ---


@given(programs(max_steps=12), st.data())
def test_the_python_backend_gives_the_bits_of_values(program: Any, data: st.DataObject) -> None:
    def f(xs: list[Any]) -> Any:
        return program(*xs)

    for h in (f, value_and_grad(f)):
        compiled = compile(h, backend="python")
        for xs in (data.draw(points(program)), data.draw(points(program))):
            assert repr(compiled(xs)) == repr(lowered(h(xs)))


CHOOSING: dict[str, Any] = {
    "softmax": lambda a, b, c, d: autodiff.softmax([a, b, c]),
    "dot": lambda a, b, c, d: [autodiff.dot([a, b], [c, d])],
    "where": lambda a, b, c, d: [where(a > b, c, d)],
    "where of expressions": lambda a, b, c, d: [where(a * b > c, a * c, b * d)],
    "logsumexp": lambda a, b, c, d: [autodiff.logsumexp([a, b, c, d])],
    "max": lambda a, b, c, d: [autodiff.max([a, b, c])],
    "norm": lambda a, b, c, d: [autodiff.norm([a, b])],
    "relu": lambda a, b, c, d: [autodiff.relu(a)],
    "add": lambda a, b, c, d: [a + b],
    "mul": lambda a, b, c, d: [a * b],
    "div": lambda a, b, c, d: [a / (b * b + 1.5)],
    "tanh": lambda a, b, c, d: [autodiff.tanh(a)],
}


@given(st.lists(st.tuples(st.sampled_from([*CHOOSING]), *[st.integers(0, 40)] * 4), min_size=3, max_size=12))
def test_first_derivatives_have_the_bits_of_values_whatever_is_chosen(steps: list[Any]) -> None:
    def f(xs: list[Any]) -> Any:
        numbers = list(xs)
        for kind, *places in steps:
            numbers += CHOOSING[kind](*[numbers[place % len(numbers)] for place in places])
        return numbers[-1] * numbers[-2] + numbers[-3]

    for xs in ([0.5, -1.25, 2.0], [-0.3, 0.7, 0.7]):
        assert repr(compile(grad(f), backend="python")(xs)) == repr(grad(f)(xs))


@given(programs(max_steps=8))
def test_second_derivatives_have_the_bits_of_values_but_for_the_order_of_shares_at_choices(program: Any) -> None:
    def f(xs: list[Any]) -> Any:
        return program(*xs)

    xs = list(program.leaves)
    v = [0.5 + i for i in range(len(xs))]
    for h, args in ((hessian(f), (xs,)), (hvp(f), (xs, v))):
        compiled = compile(h, backend="python")
        got, expected = compiled(*args), h(*args)
        if "where" in compiled.listing(None):  # a choice is a node of its own: shares may be added in another order
            ((version,),) = compiled._dispatcher.versions.values()
            numbers = version.program.evaluate_slots([x for arg in args for x in arg])
            largest = max([1e-300, *[abs(x) for x in numbers if math.isfinite(x)]])
            assert np.allclose(_flat(got), _flat(expected), rtol=1e-11, atol=1e-12 * largest, equal_nan=True)
        else:
            assert repr(got) == repr(expected)


@given(programs(max_steps=12), st.data())
def test_rows_give_what_f_gives_for_each(program: Any, data: st.DataObject) -> None:
    def f(xs: list[Any]) -> Any:
        return program(*xs)

    rows = [data.draw(points(program)) for _ in range(3)]
    stacked = compile(value_and_grad(f), rows=0, backend="python")(rows)
    values, slopes = stacked
    for i, row in enumerate(rows):
        assert repr((values[i], slopes[i])) == repr(value_and_grad(f)(row))


# What numba rounds otherwise than Python: it multiplies powers out, and Python has a hypot of its own; from 3.12 on its
# sums are compensated. Where one comes first, sin and cos keep no digits of numbers that are too large.
OTHERWISE = {"pow", "hypot", "norm", *(["sum", "mean", "dot", "logsumexp"] if sys.version_info >= (3, 12) else [])}
MODERATE = [x for x in SPECIAL if abs(x) != 1e308]


def _columns(x: Any) -> list[Any]:
    return [y for child in x for y in _columns(child)] if isinstance(x, (list, tuple)) else [x]


def _row(stacked: Any, one: Any, i: int) -> Any:
    """Return row i of stacked results; `one` has the form of a row."""
    if not isinstance(one, tuple):
        return stacked[i]
    return [_row(column, child, i) for column, child in zip(stacked, one, strict=True)]


@given(programs(max_steps=10), st.data())
def test_the_numba_backend_gives_the_numbers_of_values(program: Any, data: st.DataObject) -> None:
    """To the last bit, but for what it rounds otherwise."""
    pytest.importorskip("numba")

    def f(xs: list[Any]) -> Any:
        return program(*xs)

    def second(xs: list[Any]) -> Any:
        return grad(lambda ys: autodiff.sum([g * (i + 1.5) for i, g in enumerate(grad(f)(ys))]))(xs)

    n = len(program.leaves)
    for h in (f, value_and_grad(f), second):
        in_python, in_numba = compile(h, backend="python"), compile(h, backend="numba")
        in_python(list(program.leaves))
        ((version,),) = in_python._dispatcher.versions.values()
        exact = OTHERWISE.isdisjoint(version.program.primitive(code).name for code in version.program.codes)
        numbers = st.lists(st.sampled_from(SPECIAL if exact else MODERATE), min_size=n, max_size=n)
        rows = [list(program.leaves), *data.draw(st.lists(numbers))]
        stacked = compile(h, rows=0, backend="numba")(rows)
        for i, xs in enumerate(rows):
            expected = _columns(in_python(xs))
            largest = max([1e-300, *[abs(x) for x in version.program.evaluate_slots(xs) if math.isfinite(x)]])
            for got in (in_numba(xs), _row(stacked, in_python(xs), i)):
                for x, y in zip(_columns(got), expected, strict=True):
                    assert repr(x) == repr(y) or (not exact and abs(x - y) <= 1e-10 * largest)


# --- every transform, and where the numbers stand ---


def polynomial(x: Any) -> Any:
    return x[0] ** 2 * x[1] + exp(x[1])


TRANSFORMS: dict[str, Callable[..., Any]] = {
    "grad": grad(polynomial),
    "value_and_grad": value_and_grad(polynomial),
    "jacobian": jacobian(lambda x: [x[0] * x[1], x[0] + x[1]]),
    "hessian": hessian(polynomial),
    "third": lambda x: grad(lambda y: grad(lambda z: grad(polynomial)(z)[0])(y)[1])(x),
    "jvp": lambda x: jvp(polynomial, (x,), ([1.0, 2.0],)),
    "vjp": lambda x: vjp(polynomial, x)[1](2.0),
    "hvp": lambda x: hvp(polynomial)(x, [1.0, 0.5]),
    "checkpoint": lambda x: grad(autodiff.checkpoint(polynomial))(x),
    "preaccumulate": lambda x: grad(autodiff.preaccumulate(polynomial))(x),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_compiles(name: str, backend: str) -> None:
    compiled = compile(TRANSFORMS[name], backend=backend)
    for x in ([3.0, 0.5], [-2.0, 1.5]):
        got, expected = compiled(x), TRANSFORMS[name](x)
        assert np.allclose(np.array(_flat(got)), np.array(_flat(expected)), rtol=1e-14, atol=0)


def _flat(x: Any) -> list[float]:
    return [y for child in x for y in _flat(child)] if isinstance(x, (list, tuple)) else [lowered(x)]


def test_structures_come_back_as_they_went_in(backend: str) -> None:
    class Pair(NamedTuple):
        left: Any
        right: Any

    def f(tree: Any, scale: Any) -> Any:
        return {"pair": Pair(tree["a"][0] * scale, [tree["b"][1, 0]]), "all": tree["b"] * scale, "name": "same"}

    compiled = compile(f, backend=backend)
    got = compiled({"a": (2.0, 1), "b": np.array([[1.0, 2.0], [3.0, 4.0]])}, scale=10)
    assert got["pair"] == Pair(20.0, [3.0])
    assert type(got["pair"]) is Pair
    assert got["name"] == "same"
    assert got["all"].dtype == np.float64
    assert got["all"].tolist() == [[10.0, 20.0], [30.0, 40.0]]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.append(x, 1),
        lambda x: np.concatenate([[1], x]),
        lambda x: np.pad(x, 1),
        lambda x: np.triu(np.outer(x, x)),
        lambda x: autodiff.array([[x[0], 0], [np.int8(0), x[1]]]),
        lambda x: np.array([x[0], np.float32(0.5), 10**20]),
    ],
)
def test_whole_numbers_beside_values_in_an_array_are_floats_as_they_are(f: Any, backend: str) -> None:
    x = np.array([2.0, 3.0])
    compiled = compile(f, backend=backend)
    expected = f(x)
    with autodiff.detect_anomaly():
        in_eager_code = compiled(x)
    prepared = compiled.prepare(x)
    prepared()
    for got in (compiled(x), in_eager_code, prepared.results):
        assert type(got) is np.ndarray
        assert got.dtype == np.float64
        assert got.tolist() == expected.tolist()


def test_what_is_no_number_keeps_its_kind_in_an_array(backend: str) -> None:
    compiled = compile(lambda x: np.array([x[0], True, None, "text", 1]), backend=backend)
    assert list(map(repr, compiled([2.0]))) == ["2.0", "True", "None", "'text'", "1.0"]
    assert compile(lambda x: np.array([1, 2], dtype=object), backend=backend)([2.0]).tolist() == [1, 2]


def test_gradients_have_the_form_of_the_parameters(backend: str) -> None:
    def loss(p: Any) -> Any:
        return (p["w"] @ p["x"]).sum() + p["b"] * p["b"]

    p = {"w": np.array([[1.0, 2.0]]), "x": np.array([3.0, 4.0]), "b": 5.0}
    value, slopes = compile(value_and_grad(loss), backend=backend)(p)
    assert (value, slopes["b"], slopes["w"].tolist(), slopes["x"].tolist()) == (36.0, 10.0, [[3.0, 4.0]], [1.0, 2.0])


def test_a_decorator_with_and_without_options() -> None:
    @compile
    def double(x: Any) -> Any:
        "Return it doubled."
        return x + x

    @compile(rows=0, reduce="sum", backend="python")
    def squares(x: Any) -> Any:
        return x * x

    assert (double(2.0), squares([1.0, 2.0]), double.__doc__, double.__name__) == (
        4.0,
        5.0,
        "Return it doubled.",
        "double",
    )


def test_a_method_can_be_compiled(backend: str) -> None:
    class Line:
        def __init__(self, slope: float) -> None:
            self.slope = Value(slope)

        @compile(backend=backend)
        def at(self, x: Any) -> Any:
            return self.slope * x

    line = Line(3.0)
    assert line.at(2.0) == 6.0
    line.slope.data = 4.0
    assert (line.at(2.0), Line(5.0).at(2.0)) == (8.0, 10.0)


def test_functions_of_a_compiled_function_differentiate_f_itself() -> None:
    square = compile(lambda x: x * x, backend="python")
    assert grad(square)(3.0) == 6.0
    assert compile(lambda x: square(x) + x, backend="python")(3.0) == 12.0
    x = Value(3.0)
    square(x).backward()
    assert x.grad == 6.0


# --- leaves that f closes over ---


def test_closed_over_leaves_are_read_at_every_run(backend: str) -> None:
    w, b = Value(3.0, "w"), Value(1.0)
    line = compile(lambda x: w * x + b, backend=backend)
    assert line(2.0) == 7.0
    w.data, b.data = 5.0, -1.0
    assert line(2.0) == 9.0
    assert "x1 is w" in line.listing()


def test_a_closed_over_interior_node_goes_back_to_its_leaves(backend: str) -> None:
    w = Value(3.0)
    squared = w * w
    f = compile(lambda x: squared + x if squared > 4.0 else x, backend=backend)
    assert f(1.0) == 10.0
    w.data = 1.0
    assert f(1.0) == 1.0
    w.data = 4.0
    assert f(1.0) == 17.0


def test_a_closed_over_interior_node_whose_data_was_assigned_gives_what_eager_gives(backend: str) -> None:
    def f(x: Any) -> Any:
        return squared * x + after + linear + (x if squared > 6.0 else -x)

    w = Value(3.0)
    squared, linear = w * w, w + 1.0
    squared.data, linear.data = 5.0, 9.0
    after = squared.exp()
    compiled = compile(f, backend=backend)
    for data in (5.0, 7.0, -1.0):
        squared.data = data
        after.data = math.exp(data)
        for leaf in (3.0, 4.0):
            w.data = leaf
            assert math.isclose(compiled(2.0), f(2.0).data, rel_tol=1e-14)
    squared.data, after.data, w.data, w.grad = 5.0, math.exp(5.0), 3.0, 0.0
    compiled.backward(2.0)
    slope, w.grad = w.grad, 0.0
    f(2.0).backward()
    assert math.isclose(slope, w.grad, rel_tol=1e-14)


def test_backward_adds_what_eager_backward_adds(backend: str) -> None:
    model = nn.MLP(2, [4, 1], seed=0)
    loss = compile(lambda x: model(x) ** 2, backend=backend)
    value = loss.backward([0.5, -1.0])
    got = [p.grad for p in model.parameters()]
    for p in model.parameters():
        p.grad = 0.0
    eager = model([0.5, -1.0]) ** 2
    eager.backward()
    assert math.isclose(value, eager.data, rel_tol=1e-15)
    assert np.allclose(got, [p.grad for p in model.parameters()], rtol=1e-14, atol=0)
    loss.backward([0.5, -1.0])
    assert np.allclose([p.grad for p in model.parameters()], [2 * g for g in got], rtol=1e-14, atol=0)


def test_backward_over_rows_adds_their_mean(backend: str) -> None:
    w = Value(2.0)
    loss = compile(lambda x, y: (w * x - y) ** 2, rows=(0, 1), reduce="mean", backend=backend)
    assert loss.backward([1.0, 2.0], [1.0, 1.0]) == (1.0 + 9.0) / 2
    assert w.grad == (2 * 1.0 * 1 + 2 * 3.0 * 2) / 2


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_backward_over_rows_that_use_other_leaves_adds_to_each(reduce: str, backend: str) -> None:
    u, v, w = Value(2.0), Value(3.0), Value(5.0)

    def f(x: Any) -> Any:
        return (u * x if x > 0 else v * w * x) if x < 9 else x

    compiled = compile(f, rows=0, reduce=reduce, backend=backend)
    count = 4 if reduce == "mean" else 1
    assert compiled.backward([1.0, -2.0, 4.0, 9.0]) == (2.0 - 30.0 + 8.0 + 9.0) / count
    assert [x.grad for x in (u, v, w)] == [5.0 / count, -10.0 / count, -6.0 / count]


def test_backward_gives_the_bits_of_a_zero(backend: str) -> None:
    w = Value(-0.0)
    assert math.copysign(1.0, compile(lambda x: w * x, backend=backend).backward(1.0)) == -1.0
    assert math.copysign(1.0, compile(lambda x: w * x, rows=0, reduce="sum", backend=backend).backward([1.0])) == -1.0


def test_a_constant_term_of_one_sum_among_others_counts(backend: str) -> None:
    halves = compile(lambda v: [autodiff.sum(v[:8]), autodiff.sum(v[8:16]) + 1.0], backend=backend)
    assert halves([1.0] * 16) == [8.0, 9.0]
    windows = compile(lambda v: [v[0] + v[1] + v[2], v[1] + v[2] + v[3] + 1.0], rows=0, backend=backend)
    assert windows(np.array([[0.0, 1.0, 2.0, 3.0]])).tolist() == [[3.0, 7.0]]


def test_a_constant_term_of_one_total_among_others_counts(backend: str) -> None:
    def h(w: Any, x: Any) -> Any:
        return x * w[0] ** 2 + x * w[1] ** 2 + 2 * x * w[0] + 3 * x * w[1] - w[1]

    totals = compile(grad(h), rows=1, reduce="sum", backend=backend)([0.81, 0.18], np.array([0.42]))
    assert totals == pytest.approx([1.5204, 0.4112], rel=1e-14)
    w = [Value(0.81), Value(0.18)]
    compile(lambda x: h(w, x), rows=0, reduce="sum", backend=backend).backward([0.42])
    assert [x.grad for x in w] == pytest.approx([1.5204, 0.4112], rel=1e-14)


def test_backward_of_anything_but_one_number_is_refused() -> None:
    w = Value(2.0)
    with pytest.raises(TypeError, match="backward expected f to return one Value"):
        compile(lambda x: [w * x], backend="python").backward(1.0)
    with pytest.raises(ValueError, match="reduce='mean' or 'sum'"):
        compile(lambda x: w * x, rows=0, backend="python").backward([1.0])


def test_gradients_in_closed_over_leaves_compile(backend: str) -> None:
    w = Value(3.0)
    f = compile(lambda x: autodiff.gradient(w * w * x, [w]), backend=backend)
    assert f(2.0) == [12.0]
    w.data = 4.0
    assert f(2.0) == [16.0]


def test_leaves_made_inside_are_constants_and_no_grad_detaches(backend: str) -> None:
    w = Value(3.0)

    def f(x: Any) -> Any:
        half = Value(0.5)
        with no_grad():
            frozen = w * x
        assert grad(lambda y: y * y)(1.0) == 2.0  # plain numbers inside stay plain
        return frozen * x * half + w.detach() * 0.0

    value, slope = compile(value_and_grad(f), backend=backend)(2.0)
    assert (value, slope) == (6.0, 3.0)
    w.data = 5.0
    assert compile(f, backend=backend)(2.0) == 10.0


# --- choices ---


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


# --- what cannot be compiled says so ---


def _assigns(x: Any, w: Value) -> Any:
    w.data = 5.0
    return w * x


def _clears(x: Any, w: Value) -> Any:
    w.grad = 0.0
    return w * x


REFUSED: dict[str, tuple[Callable[[Any, Value], Any], str]] = {
    "data": (lambda x, w: x.data * 2, "x.data leaves the graph"),
    "grad": (lambda x, w: x.grad * 2, "x.grad leaves the graph"),
    "float": (lambda x, w: math.sin(x), r"float\(x\) leaves the graph"),
    "int": (lambda x, w: int(x), r"int\(x\) leaves the graph"),
    "index": (lambda x, w: [1, 2, 3][x], "index or a length"),
    "range": (lambda x, w: sum(x for _ in range(x)), "index or a length"),
    "format": (lambda x, w: f"{x:.2f}", "leaves the graph"),
    "backward": (lambda x, w: (x * w).backward(), r"backward\(\) inside a compiled function"),
    "backward of a leaf": (lambda x, w: w.backward(), r"backward\(\) inside a compiled function"),
    "assigned data": (_assigns, "x.data was assigned"),
    "assigned grad": (_clears, "x.grad was assigned"),
    "assigned tracer": (lambda x, w: setattr(x, "data", 1.0), "x.data was assigned"),
    "pickle": (lambda x, w: pickle.dumps(x), "leaves the graph"),
    "tilde": (lambda x, w: where(~(x > 0), x, w), "opposite comparison"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_stale_is_refused_with_its_line(name: str) -> None:
    f, message = REFUSED[name]
    w = Value(3.0)
    with pytest.raises(TracingError, match=message) as error:
        compile(lambda x: f(x, w), backend="python")(1.0)
    assert f"{Path(__file__).name}:" in str(error.value)
    assert (w.data, w.grad) == (3.0, 0.0)
    w.data = 4.0  # outside, Values are as ever
    assert w.data == 4.0


def _doubled_in_place(xs: Any) -> Any:
    xs[0] = xs[0] * 2
    return xs[0]


@pytest.mark.parametrize("f", [_doubled_in_place, lambda xs: xs.append(1.0), lambda xs: xs.sort(key=lambda x: -x)])
def test_changing_an_argument_is_refused(f: Any) -> None:
    with pytest.raises(TracingError, match="changed a list, dict, array or object that it was given"):
        compile(f, backend="python")([1.0, 2.0])
    assert compile(lambda xs: _doubled_in_place(list(xs)), backend="python")([1.0, 2.0]) == 2.0


class _Box:
    def __init__(self, x: Any) -> None:
        self.x = x


class _Slotted:
    __slots__ = ("h",)


class _Recurrent:
    count: Any = 0.0

    def __init__(self) -> None:
        self.h: Any = 0.0
        self.log: list[Any] = []
        self.cell = _Slotted()

    def step(self, x: Any) -> Any:
        y = self.h * 0.5 + x
        self.h = y  # assigned h
        return y

    def logs(self, x: Any) -> Any:
        self.log.append({"h": x * 2})  # used log
        return x

    def counts(self, x: Any) -> Any:
        _Recurrent.count = x * 2  # assigned count
        return x

    def deeper(self, x: Any) -> Any:
        self.cell.h = x * 2  # assigned h of the cell
        return x


_state: dict[str, Any] = {}
_last: Any = 0.0


def _remembers(x: Any) -> Any:
    _state["sum"] = _state.get("sum", 0.0) + x  # used _state
    return _state["sum"] * 1.0


def _replaces(x: Any) -> Any:
    global _last
    _last = x * 2  # assigned _last
    return x


@functools.cache  # the cache
def _cached(x: Any) -> Any:
    return x * 2


def _running() -> Callable[[Any], Any]:
    total: Any = 0.0

    def f(x: Any) -> Any:
        nonlocal total
        total = total + x  # assigned total
        return total * 1.0

    return f


KEPT: dict[str, tuple[Callable[[], Callable[[Any], Any]], str, str]] = {
    "an attribute": (lambda: _Recurrent().step, "the attribute 'h' of a _Recurrent, assigned", "assigned h"),
    "a list in one": (lambda: _Recurrent().logs, "the attribute 'log' of a _Recurrent, used", "used log"),
    "a class's": (lambda: _Recurrent().counts, "'count' of the class _Recurrent, assigned", "assigned count"),
    "a slot": (lambda: _Recurrent().deeper, "the attribute 'h' of a _Slotted", ""),
    "a transform": (lambda: grad(_Recurrent().step), "the attribute 'h' of a _Recurrent, assigned", "assigned h"),
    "a global dict": (lambda: _remembers, "the global '_state' of ", "used _state"),
    "a global": (lambda: _replaces, "the global '_last' of ", "assigned _last"),
    "a cache": (lambda: lambda x: _cached(x), "functools.cache of _cached", "the cache"),
    "a variable": (_running, "the variable 'total' around the function, assigned", "assigned total"),
    "a generator": (lambda: lambda x: (x * i for i in range(3)), "its result, in a generator", ""),
    "a set": (lambda: lambda x: {x * 2}, "its result, in a set", ""),
    "an object": (lambda: lambda x: _Box(x * 2), "its result, in a _Box", ""),
    "a pullback": (lambda: lambda x: vjp(lambda y: y * y, x)[1], "its result, in a function", ""),
}


@pytest.mark.parametrize("name", KEPT)
def test_numbers_of_the_program_that_stay_outside_are_refused_with_their_place(name: str) -> None:
    make, place, comment = KEPT[name]
    f = make()
    _state.clear()
    _cached.cache_clear()
    with pytest.raises(TracingError, match=f"keeps a number of its program in .*{place}") as error:
        compile(f, backend="python")(1.0)
    _Recurrent.count = 0.0
    if comment:
        line = int(str(error.value).partition(f"{Path(__file__).name}:")[2].partition(";")[0])
        assert comment in Path(__file__).read_text().splitlines()[line - 1]


def test_numbers_in_cycles_of_garbage_are_not_kept() -> None:
    def f(x: Any) -> Any:
        box = _Box(x * 2)
        box.me = box  # type: ignore[attr-defined]
        return x * 3

    assert compile(f, backend="python")(1.0) == 3.0


def test_rows_are_given_by_position() -> None:
    f = compile(lambda w, x: w * x, rows=1, backend="python")
    with pytest.raises(TypeError, match="expected argument 1, which has rows, by position"):
        f(1.0, x=[1.0, 2.0])


def test_a_number_kept_outside_is_of_no_use_after_the_trace() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(x * 2)
        raise KeyError

    with pytest.raises(KeyError):
        compile(f, backend="python")(1.0)
    uses = [lambda x: x + 1.0, lambda x: Value(1.0) * x, lambda x: x.exp(), lambda x: x.data, lambda x: x > 0, bool]
    for use in uses:
        with pytest.raises(TracingError, match="after its trace"):
            use(kept[0])
    for use in (lambda x: x + kept[0], lambda x: kept[0].exp(), lambda x: kept[0] > x, lambda x: kept[0]):
        with pytest.raises(TracingError, match="at another call"):
            compile(use, backend="python")(1.0)


def test_an_error_in_f_leaves_everything_as_it_was() -> None:
    def f(x: Any) -> Any:
        raise KeyError("mine")

    compiled = compile(f, backend="python")
    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            compiled(1.0)
    x = Value(2.0)
    (x * x).backward()
    assert (x.grad, "__setattr__" in vars(Value)) == (4.0, False)


# --- what was wrong once ---


def linear(p: Any, x: Any) -> Any:
    return (p["w"] * x).sum() + p["b"].sum()


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
    """Return the same with lists in the place of arrays, and numbers in the place of Values."""
    if isinstance(x, dict):
        return {key: _with_lists(part) for key, part in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(map(_with_lists, x))
    return x.tolist() if isinstance(x, np.ndarray) else lowered(x)


@pytest.mark.parametrize("name", ROW_BY_ROW)
def test_rows_in_lists_and_in_arrays_give_one_arrangement(name: str, backend: str) -> None:
    rows = np.arange(1.0, 7.0).reshape(3, 2)
    compiled = compile(ROW_BY_ROW[name], rows=0, backend=backend)
    in_lists = _with_lists(compiled(rows.tolist()))
    assert _with_lists(compiled(rows)) == in_lists
    assert _with_lists(compiled([[Value(x), y] for x, y in rows])) == in_lists
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


def test_results_are_new_at_every_call(backend: str) -> None:
    f = compile(grad(lambda p: (p["a"] ** 2).sum()), backend=backend)
    p = {"a": np.ones(2), "b": np.ones(2)}
    first = f(p)
    first["a"] += 7.0
    first["b"] += 7.0
    assert (f(p)["a"].tolist(), f(p)["b"].tolist()) == ([2.0, 2.0], [0.0, 0.0])
    counts = compile(lambda x: (x, np.array([1, 2])), backend=backend)
    counts(1.0)[1][:] = 9
    assert counts(1.0)[1].tolist() == [1, 2]


def test_masked_arrays_are_refused_at_every_call(backend: str) -> None:
    f = compile(lambda x: x.sum(), backend=backend)
    assert f(np.ones(3)) == 3.0
    for mask in ([0, 0, 0], [0, 1, 0]):
        with pytest.raises(TypeError, match="masked array"):
            f(np.ma.array([1.0, 2.0, 3.0], mask=mask))


def test_copies_are_leaves_of_their_own(backend: str) -> None:
    w = Value(2.0)
    for copied in (copy.copy, copy.deepcopy):

        def f(x: Any, copied: Any = copied) -> Any:
            return copied(x) * x + copied(w) * 0.5

        w.data = 2.0
        compiled = compile(value_and_grad(lambda x: f(x)), backend=backend)
        assert compiled(3.0) == value_and_grad(f)(3.0)
        w.data = 4.0
        assert compiled(3.0) == value_and_grad(f)(3.0)


def test_comparisons_with_what_is_no_float_are_refused() -> None:
    for other in (Fraction(1, 10), Decimal("0.1"), 2**53 + 1, 10**400):
        with pytest.raises(TracingError, match="no float"):
            compile(lambda x: where(x < other, 1.0, x), backend="python")(0.1)
    assert compile(lambda x: where(x == Fraction(1, 2), 1.0, x), backend="python")(0.5) == 1.0
    array = np.array([1.0, 3.0])
    assert compile(lambda x: np.where(x > array, x, 0.0), backend="python")(2.0).tolist() == [2.0, 0.0]


def test_equal_objects_are_told_apart(backend: str) -> None:
    class Named:
        def __init__(self, w: float) -> None:
            self.w = Value(w)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Named)

        def __hash__(self) -> int:
            return 1

    f = compile(lambda m, x: m.w * x, backend=backend)
    assert (f(Named(1.0), 1.0), f(Named(2.0), 1.0)) == (1.0, 2.0)
    keys = compile(lambda d: d, backend=backend)
    assert [list(map(type, keys({key: 1.0}))) for key in (1, True, 1.0)] == [[int], [bool], [float]]


def test_dicts_of_rows_are_told_apart_as_other_dicts_are(backend: str) -> None:
    scaled = compile(
        lambda d: [x * (2.0 if type(key) is bool else 1.0) for key, x in d.items()], rows=0, backend=backend
    )
    assert (scaled({1: [3.0]}), scaled({True: [3.0]})) == ([[3.0]], [[6.0]])
    filled = compile(lambda d: d["x"] * d.default_factory(), rows=0, backend=backend)
    assert [filled(defaultdict(make, x=[3.0])) for make in (float, _one, _two)] == [[0.0], [3.0], [6.0]]


def test_numbers_of_different_kinds_are_one_form(backend: str) -> None:
    f = compile(lambda r: r[0] + r[1], rows=0, backend=backend)
    assert f([[0, 1], [0.5, 3.0], [np.float64(1.0), 1]]) == [1.0, 3.5, 2.0]
    one = compile(lambda r: r[0] + r[1], backend=backend)
    assert (one([1, 2]), one([1.0, 2.0]), one.stats().paths) == (3.0, 3.0, 1)


def test_a_compiled_function_on_plain_numbers_inside_a_trace(backend: str) -> None:
    inner = compile(lambda y: y.exp(), backend=backend)
    assert compile(lambda x: x * inner(0.0), backend=backend)(2.0) == 2.0
    assert compile(lambda w, x: w * x[0].exp(), backend=backend)(Value(1.0), np.array([0.0, 2.0])) == 1.0


def test_sums_in_guards_have_the_bits_of_values(backend: str) -> None:
    rng = np.random.default_rng(0)

    def f(x: Any) -> Any:
        return 1.0 * x[0] if x[0] * x[1] + x[2] * x[3] - x[4] > 0 else -x[0]

    x = rng.normal(size=(40, 5))
    x[:, 4] = x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3]
    compiled = compile(f, backend=backend)
    assert [compiled(row) for row in x] == (-x[:, 0]).tolist()
    assert compile(f, rows=0, backend=backend)(x).tolist() == (-x[:, 0]).tolist()
    assert compiled.stats().paths == 1


# What numba may round otherwise than Values do; the sum from Python 3.12 on.
ROUNDED: dict[str, Callable[[Any], Any]] = {
    "norm": lambda x: autodiff.norm(x[:3]),
    "hypot": lambda x: autodiff.hypot(x[0], x[1]),
    "square": lambda x: x[0] ** 2 - x[1] ** 2,
    "reciprocal": lambda x: x[0] ** -1 + x[1] ** -1,
    "sum": lambda x: autodiff.sum([x[0], x[1], x[2], -x[0]]),
}


def _ties(name: str) -> list[list[float]]:
    """Return points whose last number lies between what Values and what numba give, or is what both give."""
    f, points = ROUNDED[name], np.random.default_rng(0).normal(size=(2000, 4))
    in_numba = compile(f, rows=0, backend="numba")(points[:, :3])
    of_values = np.array([f([Value(x) for x in point]).data for point in points[:, :3].tolist()])
    points[:, 3] = np.maximum(in_numba, of_values)
    return [*points[in_numba != of_values][:8].tolist(), *points[:4].tolist()]


@pytest.mark.parametrize("name", ROUNDED)
def test_a_choice_at_a_tie_is_the_same_at_every_call(name: str) -> None:
    """Whatever was called before: with the program of the other way not there, and there; alone, and in rows."""
    pytest.importorskip("numba")
    ties = _ties(name)

    def f(x: Any) -> Any:
        return x[3] * x[3] if ROUNDED[name](x) >= x[3] else -x[3]

    def both_known(**options: Any) -> Any:
        compiled = compile(f, backend="numba", **options)
        for last in (-1e9, 1e9):
            x = [1.0, 2.0, 3.0, last]
            compiled(x if not options else np.array([x]))
        return compiled

    first = [compile(f, backend="numba")(x) for x in ties]
    for compiled in (compile(f, backend="numba"), both_known()):
        assert [compiled(x) for x in ties] == [compiled(x) for x in ties] == first
        assert compiled.stats().paths <= 2
    for compiled in (compile(f, rows=0, backend="numba"), both_known(rows=0)):
        assert compiled(np.array(ties)).tolist() == compiled(np.array(ties)).tolist() == first
        assert compiled(np.array(ties[::-1])).tolist() == first[::-1]


def test_many_choices_at_ties_are_decided_one_after_the_other() -> None:
    pytest.importorskip("numba")
    ties = _ties("norm")

    def f(xs: Any) -> list[Any]:
        return [1.0 * x[3] if autodiff.norm(x[:3]) >= x[3] else -x[3] for x in xs]

    compiled = compile(f, backend="numba")
    assert compiled(ties) == compiled(ties) == [compile(lambda x: f([x])[0], backend="numba")(x) for x in ties]


def test_backward_decides_at_a_tie_as_a_call_does() -> None:
    pytest.importorskip("numba")
    for x in _ties("norm"):
        w = Value(1.0)
        compiled = compile(lambda x: w * 2.0 if autodiff.norm(x[:3]) >= x[3] else w * 3.0, backend="numba")
        assert compiled(x) == compiled.backward(x) == w.grad


def test_an_interrupt_anywhere_leaves_nothing_behind() -> None:
    """Raises in every line that a trace goes through, one after the other."""
    source = (ROOT / "autodiff").as_posix()

    def interrupted(at: int) -> bool:
        count = 0

        def tracer(frame: Any, event: str, arg: Any) -> Any:
            nonlocal count
            if not frame.f_code.co_filename.startswith(source):
                return None
            if event == "line":
                count += 1
                if count == at:
                    raise KeyboardInterrupt
            return tracer

        f = compile(lambda x: x * 2.0 if x > 0 else x, backend="python")
        sys.settrace(tracer)
        try:
            f(1.0)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    at = 1
    while interrupted(at):
        at += 7
        x = Value(2.0)
        y = x * 3.0
        assert type(y) is Value
        y.backward()
        assert x.grad == 3.0
    assert at > 300
    gc.collect()  # what was interrupted may be in cycles
    assert compile(lambda x: x * 2.0, backend="python")(1.0) == 2.0
    assert "__setattr__" not in vars(Value)


def test_a_node_of_a_checkpoint_outside_is_refused(backend: str) -> None:
    w = Value(2.0)
    for segment in (autodiff.preaccumulate, autodiff.checkpoint):
        node = segment(lambda v: v * v)(w)
        with pytest.raises(TracingError, match="call it inside the compiled function"):
            compile(lambda x: node * x, backend=backend)(1.0)


def test_copies_of_compiled_functions_still_trace(backend: str) -> None:
    f = compile(lambda x: x * 2.0, backend=backend)
    assert copy.deepcopy({"f": f})["f"](3.0) == 6.0
    assert copy.copy(f)([3.0][0]) == 6.0
    with pytest.raises(TypeError, match="no program to pickle yet"):
        pickle.dumps(compile(lambda x: x))


def test_a_bad_leaf_is_named(backend: str) -> None:
    w = Value(2.0, label="w")
    f = compile(lambda x: w * x, backend=backend)
    f(1.0)
    w.data = "two"  # type: ignore[assignment]
    with pytest.raises(TypeError, match="labelled 'w' holds a str"):
        f(1.0)


# --- bad input ---


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


def test_arrays_of_integers_and_objects_are_numbers_and_others_are_refused(backend: str) -> None:
    double = compile(lambda x: x * 2.0, backend=backend)
    assert double(np.array([1, 2])).tolist() == [2.0, 4.0]
    assert double(np.array([1.5, 2], dtype=object)).tolist() == [3.0, 4.0]
    assert double(np.array([1.5], dtype=np.float32)).tolist() == [3.0]
    assert double(np.arange(6.0).reshape(2, 3).T).tolist() == (2 * np.arange(6.0).reshape(2, 3).T).tolist()
    assert double(np.array([])).shape == (0,)
    for bad in (np.array([True]), np.array(["a"]), np.array([1j])):
        with pytest.raises(TypeError, match="expected numbers, got an array"):
            double(bad)
    for holding, message in (
        (np.array([2.0, True], object), "the bool True at args"),
        (np.array(["a"], object), "str"),
    ):
        with pytest.raises(TypeError, match=f"expected a number, got {message}"):
            double(holding)


def test_members_of_enums_and_arrays_without_an_axis_are_numbers(backend: str) -> None:
    class Level(IntEnum):
        LOW = 1
        HIGH = 2

    f = compile(lambda x, y: x * autodiff.exp(y), backend=backend)
    assert [f(2.0, level) for level in Level] == [2.0 * math.exp(1.0), 2.0 * math.exp(2.0)]
    assert f(2.0, np.array(1.0)) == f(np.array(2), np.array(1, object)) == 2.0 * math.exp(1.0)


def test_another_structure_has_a_program_of_its_own(backend: str) -> None:
    total = compile(lambda x: autodiff.sum(x), backend=backend)
    assert (total([1.0, 2.0]), total([1.0, 2.0, 3.0]), total((1.0, 2.0))) == (3.0, 6.0, 3.0)
    assert total.stats().paths == 3


def test_what_is_no_number_is_handed_over_and_told_apart(backend: str) -> None:
    f = compile(lambda x, squared, power=None: x * x if squared else x, backend=backend)
    assert (f(3.0, True), f(3.0, False), f(3.0, True, power="2")) == (9.0, 3.0, 9.0)
    with pytest.raises(TypeError, match="must be hashable"):
        f(3.0, {1, 2})


# --- objects and other things among the arguments ---


class _Settings:
    def __init__(self, rate: float, steps: int = 2) -> None:
        self.rate, self.steps = rate, steps

    def scaled(self, x: Any) -> Any:
        return x * self.rate**self.steps


class _Slots:
    __slots__ = ("inner", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.inner = SimpleNamespace(shift=1.0, widths=[2, 2], table=np.array([0.5, 2.0]), index=np.array([1]))


@dataclass
class _Line2:
    scale: Any


@dataclass
class _Sizes:
    count: int
    scale: float = 1.0


def test_real_numbers_on_an_object_are_read_at_every_call(backend: str) -> None:
    f = compile(lambda x, s: s.scaled(x), backend=backend)
    settings = _Settings(0.5)
    for rate in (0.5, 2.0, -1.0, np.float64(3.0)):
        settings.rate = rate
        assert f(4.0, settings) == f(4.0, _Settings(float(rate))) == settings.scaled(4.0)
    assert f.stats().paths == 1
    settings.steps = 3
    assert f(4.0, settings) == settings.scaled(4.0)
    assert f.stats().paths == 2


def test_numbers_in_what_an_object_holds_are_read_at_every_call(backend: str) -> None:
    def f(x: Any, s: Any) -> Any:
        return (x * s.rate + s.inner.shift) * s.inner.table[s.inner.index][0] + sum(range(s.inner.widths[0]))

    compiled, s = compile(f, backend=backend), _Slots(2.0)
    assert compiled(3.0, s) == f(3.0, s)
    s.rate, s.inner.shift, s.inner.table[1] = 5.0, -1.0, 7.0
    assert compiled(3.0, s) == f(3.0, s)
    assert compiled.stats().paths == 1
    s.inner.widths[0], s.inner.index[0] = 4, 0
    assert compiled(3.0, s) == f(3.0, s)


def test_an_object_may_go_after_the_module_that_watches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    s = SimpleNamespace(w=Value(3.0))
    assert compile(lambda x, s: x * s.w, backend="python")(2.0, s) == 6.0
    errors: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", errors.append)
    monkeypatch.setattr(objects, "_states", None)  # as Python empties modules when it exits
    del s
    gc.collect()
    assert not errors


NUMBERS = st.floats(-9.0, 9.0)
THINGS = st.recursive(
    NUMBERS | st.integers(0, 3) | st.sampled_from(["a", None, True]) | st.lists(NUMBERS, max_size=2).map(np.array),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(lambda d: SimpleNamespace(**d))
        | st.builds(_Line2, inner)
    ),
    max_leaves=6,
)


def _numbers_in(x: Any) -> list[Any]:
    if isinstance(x, (SimpleNamespace, _Line2)):
        x = vars(x)
    if isinstance(x, (list, tuple, dict, np.ndarray)):
        return [y for part in (x.values() if isinstance(x, dict) else x) for y in _numbers_in(part)]
    return [x] if isinstance(x, (float, int, Value)) and not isinstance(x, bool) else []


@given(st.dictionaries(st.sampled_from("abcd"), THINGS, max_size=4), st.data())
def test_numbers_of_any_object_arrive_in_their_places(attributes: dict[str, Any], data: st.DataObject) -> None:
    compiled = compile(lambda x, s: [x * y for y in _numbers_in(s)], backend="python")
    settings = SimpleNamespace(**attributes)
    for _ in range(2):
        assert compiled(2.0, settings) == [2.0 * y for y in _numbers_in(settings)]
        settings.d = data.draw(THINGS)
        if isinstance(attributes.get("a"), np.ndarray):
            attributes["a"] += 1.0


def test_a_dataclass_of_numbers_is_one_argument_whole_numbers_shape_the_code(backend: str) -> None:
    f = compile(lambda x, s: sum([x] * s.count, 0.0) * s.scale, backend=backend)
    assert (f(2.0, _Sizes(2)), f(2.0, _Sizes(2, 3.0)), f(2.0, _Sizes(3))) == (4.0, 12.0, 6.0)
    assert f.stats().paths == 2
    slope = compile(grad(lambda s, x: s.scale**2 * x), backend=backend)
    with pytest.raises(TypeError, match="expected a number"):
        grad(lambda s: s.scale)(_Sizes("two"))  # type: ignore[arg-type]
    assert slope(_Line2(3.0), 1.0) == _Line2(6.0)
    rows = compile(lambda s: s.scale * 2.0, rows=0, backend=backend)
    assert rows(_Line2(np.array([1.0, 2.0]))).tolist() == [2.0, 4.0]


def test_a_number_on_an_object_that_cannot_be_read_again_is_refused_with_its_line() -> None:
    with pytest.raises(TracingError, match=rf"float\(x\) leaves the graph(.|\n)*{Path(__file__).name}:\d+"):
        compile(lambda x, s: x * math.sqrt(s.rate), backend="python")(1.0, _Settings(2.0))

    def assigns(x: Any, s: Any) -> Any:
        s.rate = x
        return x

    with pytest.raises(TracingError, match="changed a list, dict, array or object that it was given"):
        compile(assigns, backend="python")(1.0, _Settings(2.0))


class _Model:
    def __init__(self) -> None:
        self.w, self.scale, self.calls = [Value(2.0)], 3.0, 0
        self.settings = _Settings(1.0)
        self.offsets = np.array([0.0])

    @compile(backend="python")
    def at(self, x: Any) -> Any:
        self.calls += 1
        return self.w[0] * x * self.scale + self.settings.rate + self.offsets[0]


def test_numbers_on_a_model_make_another_program_when_they_change() -> None:
    model = _Model()
    changes: list[Callable[[], Any]] = [
        lambda: None,
        lambda: setattr(model, "scale", 5.0),
        lambda: setattr(model.settings, "rate", 7.0),
        lambda: model.offsets.__setitem__(0, 0.5),
        lambda: model.w.__setitem__(0, Value(2.0)),
        lambda: setattr(model.w[0], "data", 4.0),
    ]
    for change in changes:
        change()
        expected = model.w[0].data * 2.0 * model.scale + model.settings.rate + model.offsets[0]
        assert model.at(2.0) == model.at(2.0) == expected
    assert model.calls == 5  # not at all calls: f is run while it is traced; other leaves are read
    model.at.backward(2.0)
    assert model.w[0].grad == 10.0


class _Slotted:
    __slots__ = ("__dict__", "rate")


class _Other:
    rate = 11.0


def _one() -> float:
    return 1.0


def _two() -> float:
    return 2.0


# What a model has as `part` at first and then, and what f makes of it; the numbers in both are the same.
FORMS: dict[str, tuple[Any, Any, Callable[[Any], Any]]] = {
    "where one list ends": ([[1.0], [2.0, 3.0]], [[1.0, 2.0], [3.0]], lambda part: sum(part[0])),
    "keys": ({"p": 2.0, "q": 5.0}, {"q": 2.0, "p": 5.0}, lambda part: part["p"]),
    "the kind of a key": ({1: 2.0}, {True: 2.0}, lambda part: 3.0 if bool in map(type, part) else 5.0),
    "names": (SimpleNamespace(a=3.0), SimpleNamespace(b=3.0), lambda part: getattr(part, "a", 7.0)),
    "the kind of a container": ([1.0], (1.0,), lambda part: 2.0 if isinstance(part, list) else 3.0),
    "the class of an object": (_Slotted(), _Other(), lambda part: getattr(part, "rate", 7.0)),
    "a function": (_one, _two, lambda part: part()),
    "a partial": (functools.partial(abs, -1.0), functools.partial(abs, -2.0), lambda part: part()),
    "a class": (_Slotted, _Other, lambda part: 2.0 if part is _Other else 3.0),
    "a set": ({1.0, 2.0}, {1.0, 4.0}, sum),
    "a range": (range(2), range(3), len),
    "the shape of an array": (np.ones((2, 3)), np.ones((3, 2)), lambda part: part.shape[0]),
    "the dtype of an array": (np.zeros(2), np.zeros(2, dtype=int), lambda part: 2.0 if part.dtype == float else 3.0),
    "the objects in an array": (np.array([1.0, "a"], object), np.array([2.0, "a"], object), lambda part: part[0]),
    "the sign of a zero": (0.0, -0.0, lambda part: part),
    "the order of objects": (
        (lambda one, two: [one, two, one])(SimpleNamespace(a=1.0), SimpleNamespace(a=1.0)),
        (lambda one, two: [one, two, two])(SimpleNamespace(a=1.0), SimpleNamespace(a=1.0)),
        lambda part: 2.0 if part[2] is part[0] else 3.0,
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_model_in_another_form_has_another_program(name: str) -> None:
    first, then, what = FORMS[name]
    model = SimpleNamespace(w=Value(1.0), part=first)
    f = compile(lambda model, x: model.w * x * what(model.part), backend="python")
    for part in (first, then, first):
        model.part = part
        assert repr(f(model, 1.0)) == repr(f(model, 1.0)) == repr(float(what(part)))
    assert f.stats().paths == 2


class _Bound:
    def __init__(self, bind: Callable[["_Bound"], Any]) -> None:
        self.rate, self.scaled = 2.0, bind(self)

    def times(self, x: Any) -> Any:
        return x * self.rate


@pytest.mark.parametrize(
    "bind",
    [
        lambda one: one.times,
        lambda one: functools.partial(_Bound.times, one),
        lambda one: lambda x: one.times(x),
        lambda one: lambda x, one=one: one.times(x),
    ],
    ids=["a method", "a partial", "a variable", "a default"],
)
def test_an_object_that_a_function_on_it_leads_back_to_is_read_at_every_call(bind: Any) -> None:
    settings = _Bound(bind)
    f = compile(lambda x, settings: settings.scaled(x) + settings.rate, backend="python")
    assert f(3.0, settings) == 8.0
    settings.rate = 5.0
    assert f(3.0, settings) == 20.0


def test_settings_with_functions_of_their_own_are_one_program() -> None:
    def countdown(n: int) -> float:
        return countdown(n - 1) if n else 3.0

    settings = SimpleNamespace(rate=0.5, squash=autodiff.tanh, size=abs, countdown=countdown, loss=nn.mse)
    f = compile(lambda x, s: s.size(s.squash(x)) * s.rate * s.countdown(2), backend="python")
    for settings.rate in (0.5, 2.0, -1.0):
        assert f(-1.0, settings) == math.tanh(1.0) * settings.rate * 3.0
    assert f.stats().paths == 1


@pytest.mark.parametrize("kind", [set, deque, lambda xs: array("d", xs), lambda xs: bytearray(map(int, xs))])
@pytest.mark.parametrize("held", [1.0, Value(1.0)], ids=["settings", "a model"])
def test_collections_on_an_object_are_read_at_every_call(kind: Any, held: Any) -> None:
    settings = SimpleNamespace(rate=held, numbers=kind([1.0, 2.0]))
    f = compile(lambda x, settings: x * settings.rate * sum(settings.numbers), backend="python")
    assert f(1.0, settings) == 3.0
    (settings.numbers.add if kind is set else settings.numbers.append)(5)
    assert f(1.0, settings) == 8.0


def test_a_model_is_looked_at_where_it_changes_in_place() -> None:
    model = SimpleNamespace(w=Value(1.0), table={"p": 2.0, "q": 5.0}, numbers={1.0}, slotted=_Slotted())
    model.slotted.rate, model.slotted.other = 1.0, 1.0
    f = compile(
        lambda m, x: m.w * x * m.table["p"] * sum(m.numbers) * m.slotted.rate * m.slotted.other, backend="python"
    )
    assert f(model, 1.0) == 2.0
    p, q = model.table.values()
    model.table.clear()
    model.table.update(q=p, p=q)
    assert f(model, 1.0) == 5.0
    model.numbers.add(2.0)
    assert f(model, 1.0) == 15.0
    model.slotted.rate = 2.0
    assert f(model, 1.0) == 30.0
    model.slotted.other = 2.0
    assert f(model, 1.0) == 60.0


def test_a_model_that_was_an_argument_goes_with_its_function() -> None:
    model = _Model()
    f = compile(lambda m, x: m.w[0] * x * m.scale, backend="python")
    assert f(model, 1.0) == 6.0
    alive = weakref.ref(model)
    other, twin = pickle.loads(pickle.dumps((f, model)))
    twin.w[0].data = 5.0
    assert other(twin, 1.0) == 15.0
    del f, model
    gc.collect()
    assert alive() is None


def test_a_prepared_call_reads_its_objects_again(backend: str) -> None:
    settings, x = _Settings(2.0), np.array([1.0])
    call = compile(lambda x, s: x[0] * s.rate, backend=backend).prepare(x, settings)
    settings.rate = 5.0
    call()
    assert float(call.results) == 5.0


@pytest.mark.parametrize(
    ("make", "use"),
    [
        (lambda: range(3), lambda x, r: x * len([None for _ in r])),
        (lambda: range(0, 6, 2), lambda x, r: x * len(r)),
        (lambda: frozenset({1, "a"}), lambda x, s: x * len(s)),
        (lambda: Path("a") / "b", lambda x, p: x * len(p.name)),
        (lambda: "".join(["a", "b"]), lambda x, t: x * len(t)),
        (lambda: OrderedDict(a=1.0), lambda x, d: x * d["a"]),
    ],
    ids=["range", "range with steps", "frozenset", "Path", "text", "OrderedDict"],
)
def test_equal_arguments_made_anew_share_a_program(make: Any, use: Any) -> None:
    f = compile(use, backend="python")
    assert len({f(2.0, make()) for _ in range(5)}) == 1
    assert f.stats().paths == 1


def test_arguments_that_look_alike_are_told_apart() -> None:
    first = compile(lambda x, r: x * (next(iter(r), 7.0) if r else r.start), backend="python")
    assert (first(1.0, range(0)), first(1.0, range(2, 2)), first(1.0, range(3, 5))) == (0.0, 2.0, 3.0)
    kind = compile(lambda x, s: x if type(next(iter(s))) is bool else -x, backend="python")
    assert (kind(1.0, frozenset({1})), kind(1.0, frozenset({True}))) == (-1.0, 1.0)
    signed = compile(lambda x, s: x * math.copysign(1.0, next(iter(s))), backend="python")
    assert (signed(1.0, frozenset({0.0})), signed(1.0, frozenset({-0.0}))) == (1.0, -1.0)
    part = compile(lambda x, z: x * math.copysign(1.0, z.imag), backend="python")
    assert (part(1.0, complex(0.0, 0.0)), part(1.0, complex(0.0, -0.0))) == (1.0, -1.0)


def test_programs_that_were_not_used_for_longest_are_let_go() -> None:
    f = compile(lambda x, g: g(x), backend="python")

    def kept(x: Any) -> Any:
        return -x

    for i in range(300):
        assert f(2.0, lambda x, i=i: x * float(i)) == 2.0 * i
        assert f(2.0, kept) == -2.0
    assert f.stats().paths == 256
    traced_again: list[int] = []
    assert f(2.0, lambda x: traced_again.append(1) or x) == 2.0
    assert (f(2.0, kept), traced_again) == (-2.0, [1])


def test_containers_reach_a_compiled_function_as_what_they_are(backend: str) -> None:
    f = compile(lambda d: (type(d), d), backend=backend)
    for whole in (OrderedDict(b=1.0, a=2.0), defaultdict(float, a=1.0), _Line2(1.0)):
        kind, result = f(whole)
        assert (kind, type(result), result) == (type(whole), type(whole), whole)
    missing = compile(lambda d: d["a"] + len(d), backend=backend)
    assert missing(defaultdict(float, a=1.0)) == 2.0
    with pytest.raises(TracingError, match="changed a list, dict, array or object"):
        compile(lambda d: d["b"], backend=backend)(defaultdict(float, a=1.0))


def test_traced_numbers_are_values_to_isinstance() -> None:
    f = compile(lambda x: x * 2.0 if isinstance(x, Value) else 0.0, backend="python")
    assert f(3.0) == 6.0
    assert "isinstance(x, Value)" in str(compile.__doc__)


def test_nan_and_infinity_are_numbers(backend: str) -> None:
    f = compile(value_and_grad(lambda x: x.exp() * x), backend=backend)
    for x in (math.nan, math.inf, -math.inf):
        assert repr(f(x)) == repr(value_and_grad(lambda x: x.exp() * x)(x))


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"rows": "1"}, "positions"),
    ({"rows": (1.0,)}, "positions"),
    ({"rows": (0, 0)}, "twice"),
    ({"rows": -1}, "counted from 0"),
    ({"rows": 0, "reduce": "max"}, "'mean', 'sum' or None"),
    ({"reduce": "mean"}, "say which arguments"),
    ({"backend": "jax"}, "backend is"),
    ({"threads": 0}, "threads is"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=range(len(BAD_OPTIONS)))
def test_bad_options_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        compile(lambda x: x, **options)
    with pytest.raises(TypeError, match="compile takes a function"):
        compile(3.0)  # type: ignore[call-overload, unused-ignore]


# --- what there is to know, and to keep ---


def test_listing_and_stats_tell_what_was_made(backend: str) -> None:
    f = compile(lambda x: (x + 0.0) * (2.0 * 3.0) * 1.0 + (x + 0.0), backend=backend)
    for ask in (f.listing, f.stats):
        with pytest.raises(RuntimeError, match="first call"):
            ask()
    f(2.0)
    stats = f.stats()
    assert (stats.nodes, stats.passes["drop dead code"], stats.backend, stats.paths) == (5, 3, backend, 1)
    assert min(stats.tracing, stats.optimising, stats.first_run, stats.bytes, stats.slots) > 0
    assert "instructions" in str(stats)
    assert f.listing().splitlines()[0] == "inputs  x0"
    assert "more" in f.listing(limit=1)


def test_a_pickled_function_runs_its_programs_and_traces_no_more(backend: str) -> None:
    w = Value(3.0, "w")
    f = compile(lambda x: w * x if x > 0 else x, backend=backend)
    f(2.0)
    other, leaf = pickle.loads(pickle.dumps((f, w)))
    assert (other(4.0), other.__name__) == (12.0, f.__name__)
    leaf.data = 5.0
    assert (other(4.0), f(4.0)) == (20.0, 12.0)
    for args in ((-1.0,), (1.0, 2.0)):
        with pytest.raises(RuntimeError, match="was pickled"):
            other(*args)
    assert copy.copy(other)(1.0) == 5.0


def test_a_pickle_names_its_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another primitive in the table moves opcodes; what a pickle means stays."""
    program = Program.of(2, [0.5], [("mul", (0, 1)), ("maximum", (3, 2)), ("less", (4, 0))], [4, 5])
    text = pickle.dumps(program)
    moved = (*opcodes.OPCODES[1:], opcodes.OPCODES[0])
    for name in ("saved.OPCODES", "program.OPCODES"):
        monkeypatch.setattr(f"autodiff.compiler.program.{name}", moved)
    monkeypatch.setattr(saved, "CODE", {primitive.name: code for code, primitive in enumerate(moved)})
    loaded = pickle.loads(text)
    assert [moved[code].name for code in loaded.codes] == ["mul", "maximum", "less"]
    assert loaded.operands == program.operands


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kept": 0}, "has a program of format 0, expected 1"),
        ({"names": ("mul", "exq")}, "has a program with 'exq', which this autodiff has not"),
        ({"names": ("mul",)}, "an operation that has no name"),
        ({"names": ("mul", "hypot")}, "whose slot 3 is hypot of 1 numbers"),
        ({"operands": array("i", [0, 3, 2])}, "whose slot 2 is made from later ones"),
        ({"operands": array("i", [0, -1, 2])}, "whose slot 2 is made from later ones"),
        ({"outputs": array("i", [4])}, "gives a slot that it has not: it has 4"),
        ({"guards": array("i", [-1]), "expected": b"\1"}, "gives a slot that it has not"),
        ({"starts": array("q", [0, 2, 4])}, "do not share out the operands"),
        ({"starts": array("q", [0, 4, 3])}, "whose slot 2 is mul of"),
        ({"varying": b""}, "with 2 inputs"),
    ],
)
def test_a_program_that_cannot_run_is_refused_when_it_is_loaded(change: dict[str, Any], message: str) -> None:
    program = Program.of(2, [], [("mul", (0, 1)), ("exp", (2,))], [3])
    _, (kept, _, names, *fields) = saved.reduced(program)
    fields = Program(*fields)._replace(**{name: x for name, x in change.items() if name not in ("kept", "names")})
    names = change.get("names", names)
    with pytest.raises(pickle.UnpicklingError, match=f"{message}.*: call compile again"):
        saved.restored(change.get("kept", kept), saved._digest(names, fields), names, *fields)


def test_every_flipped_bit_of_a_program_in_a_pickle_is_noticed() -> None:
    program = Program.of(2, [0.5], [("mul", (0, 1)), ("add", (3, 2)), ("exp", (4,))], [3, 5], [4], b"\1")
    text = pickle.dumps(program)
    begin = text.index(b"restored") + len(b"restored")
    for at in range(begin, len(text)):
        for bit in (1, 16):
            damaged = bytearray(text)
            damaged[at] ^= bit
            try:
                loaded = pickle.loads(bytes(damaged))
            except Exception:
                continue
            assert loaded == program


def test_a_compiled_function_of_another_format_is_refused(backend: str) -> None:
    f = compile(lambda x: x * x, rows=0, reduce="sum", backend=backend)
    f([1.0, 2.0])
    state = f.__getstate__()
    for damaged, message in (
        ({"options": f.options._replace(reduce="mean")}, "is damaged"),
        ({"seal": (0, b"")}, "of format 0, expected 1"),
        ({"seal": None}, "of format None"),
        ({"versions": None}, "is damaged"),
    ):
        with pytest.raises(pickle.UnpicklingError, match=f"{message}.*: call compile again on the function"):
            object.__new__(type(f)).__setstate__({**state, **damaged})


TWICE = autodiff.primitive("TWICE", evaluate=lambda x: 2.0 * x, partials=[lambda out, x: 2.0])


def test_a_users_own_primitive_runs_in_python() -> None:
    f = compile(value_and_grad(lambda x: TWICE(x) * x), backend="auto")
    assert f(3.0) == (18.0, 12.0)
    assert f.stats().backend == "python"
    assert pickle.loads(pickle.dumps(f))(3.0) == (18.0, 12.0)


def test_a_prepared_call_reads_and_fills_arrays(backend: str) -> None:
    x, scale = np.array([1.0, 2.0]), np.array(3.0)
    call = compile(value_and_grad(lambda x, s: (x * x).sum() * s), backend=backend).prepare(x, scale)
    value, slope = call.results
    assert (float(value), slope.tolist()) == (15.0, [6.0, 12.0])
    x[:], scale[...] = [3.0, 4.0], 1.0
    assert call() is None
    assert (float(value), slope.tolist()) == (25.0, [6.0, 8.0])


def test_what_keeps_a_number_is_named_while_weak_proxies_of_the_dead_are_about() -> None:
    class Cell:
        def step(self, x: Any) -> Any:
            self.state = x * 2.0
            return self.state

    proxy = weakref.proxy(Cell())
    gc.collect()
    with pytest.raises(TracingError, match="the attribute 'state' of a Cell"):
        compile(Cell().step)(1.0)
    with pytest.raises(ReferenceError):
        proxy.step(1.0)


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


def test_several_threads_may_call_at_once(backend: str) -> None:
    def loss(x: Any) -> Any:
        return autodiff.sum([xi * xi.sin() for xi in x]) if x[0] > 0 else x[1]

    f = compile(value_and_grad(loss), backend=backend)
    wrong: list[Any] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(30):
            x = rng.normal(size=20)
            value, _ = f(x)
            expected = (x * np.sin(x)).sum() if x[0] > 0 else x[1]
            if not math.isclose(value, expected, rel_tol=1e-12):
                wrong.append((value, expected))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert f.stats().paths == 2


def test_inside_detect_anomaly_f_itself_is_run() -> None:
    f = compile(lambda x: x.log() * 2.0, backend="python")
    f(1.0)
    with autodiff.detect_anomaly():
        assert f(1.0) == 0.0
        with pytest.raises(FloatingPointError, match="log made -inf"):
            f(0.0)


def test_without_numba_compile_says_once_what_to_install() -> None:
    code = (
        "import sys; sys.modules['numba'] = None; import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'numba' else real(name, *rest)\n"
        "import autodiff\n"
        "f = autodiff.compile(lambda x: x * x); print(f(3.0)); print(autodiff.compile(lambda x: x + x)(3.0))\n"
        "print('numpy' in sys.modules)\n"
        "try: autodiff.compile(lambda x: x, backend='numba')\n"
        "except ImportError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:3] == ["9.0", "6.0", "False"]
    assert "pip install" in run.stdout
    assert run.stderr.count("\n") == 1
    assert 'pip install "scalar-autodiff[compile]"' in run.stderr


def test_a_trace_is_let_go() -> None:
    f = compile(lambda x: functools.reduce(operator.add, [x * float(i) for i in range(2000)]), backend="python")
    f(1.0)
    gc.collect()
    assert sum(type(x).__name__ == "Tracer" for x in gc.get_objects()) < 10


def test_compiling_warns_of_nothing(backend: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile(value_and_grad(lambda x: (x / 0.0) * 0.0), backend=backend)(1.0)


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


# --- methods, and copies of objects that have some ---


class _Line:
    def __init__(self, slope: float, compiling: Callable[..., Any]) -> None:
        self.slope = Value(slope)
        self.run = compiling(self)

    def at(self, x: Any) -> Any:
        return self.slope * x


def _recursive(line: _Line) -> Any:
    def at(x: Any, times: int = 2) -> Any:
        return at(x, times - 1) if times else line.at(x)

    return compile(at, backend="python")


COMPILED_IN_OBJECTS: dict[str, Callable[[_Line], Any]] = {
    "a method": lambda line: compile(line.at, backend="python"),
    "a partial": lambda line: compile(functools.partial(_Line.at, line), backend="python"),
    "a lambda": lambda line: compile(lambda x: line.at(x), backend="python"),
    "a recursion": lambda line: _recursive(line),
    "a default": lambda line: compile(lambda x, line=line: line.at(x), backend="python"),
    "a keyword": lambda line: compile(functools.partial(lambda x, *, line: line.at(x), line=line), backend="python"),
    "a wrapped method": lambda line: compile(lambda x, f=line.at: f(x), backend="python"),
    "compiled twice": lambda line: compile(compile(line.at, backend="python"), backend="python"),
}


@pytest.mark.parametrize("name", COMPILED_IN_OBJECTS)
def test_a_deep_copy_of_an_object_runs_and_trains_itself(name: str) -> None:
    line = _Line(3.0, COMPILED_IN_OBJECTS[name])
    assert line.run(2.0) == 6.0
    twin = copy.deepcopy(line)
    twin.slope.data = 10.0
    assert (twin.run(2.0), line.run(2.0)) == (20.0, 6.0)
    twin.run.backward(5.0)
    assert (twin.slope.grad, line.slope.grad) == (5.0, 0.0)


def test_a_deep_copy_of_a_model_rebinds_the_transforms_of_its_methods() -> None:
    line = _Line(3.0, lambda line: compile(value_and_grad(line.at), backend="python"))
    twin = copy.deepcopy({"run": line.run, "line": line})
    twin["line"].slope.data = 10.0
    assert (twin["run"](2.0), line.run(2.0)) == ((20.0, 10.0), (6.0, 3.0))


def test_a_function_that_closes_over_nothing_that_is_copied_stays_itself() -> None:
    w = Value(3.0)
    f = compile(lambda x: w * x, backend="python")
    assert copy.deepcopy([f])[0] is f
    leaf, rebound = copy.deepcopy((w, f))
    leaf.data = 5.0
    assert (rebound(2.0), f(2.0)) == (10.0, 6.0)


def test_what_a_compiled_function_has_its_methods_have(backend: str) -> None:
    class Line:
        def __init__(self, slope: float) -> None:
            self.slope = Value(slope)

        @compile(backend=backend)
        def at(self, x: Any) -> Any:
            "Return the height at x."
            return self.slope * x[0]

    line, x = Line(3.0), np.array([2.0])
    assert (line.at.backward(x), line.slope.grad) == (6.0, 2.0)
    call = line.at.prepare(x)
    x[0] = 5.0
    call()
    assert float(call.results) == 15.0
    assert "mul x1 x0" in line.at.listing()
    assert line.at.stats().paths == 2  # with that of backward
    assert (line.at.__name__, line.at.__doc__) == ("at", "Return the height at x.")
    assert line.at == line.at != Line(3.0).at
    assert len({line.at, line.at}) == 1
    assert copy.deepcopy(line).at(x) == 15.0
    assert copy.deepcopy(line.at).__self__ is not line
    assert copy.copy(line.at) == line.at


def test_a_derivative_of_a_compiled_function_is_that_of_the_function_to_any_order(backend: str) -> None:
    def f(x: Any) -> Any:
        return exp(x) * log(x) if x > 1.0 else x**3

    compiled = compile(f, backend=backend)
    compiled(2.0)
    for x in (2.0, 0.5):
        assert grad(compiled)(x) == grad(f)(x)
        assert grad(grad(grad(compiled)))(x) == grad(grad(grad(f)))(x)
        assert hessian(compiled)(x) == hessian(f)(x)
    assert compile(grad(compiled), backend=backend)(2.0) == pytest.approx(grad(f)(2.0), rel=1e-15)
    y = compiled(Value(2.0))
    assert y.op.name == "mul"


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


def test_arrays_that_may_not_be_written_to_are_read(backend: str) -> None:
    x = np.array([3.0, 4.0])
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    for fixed in (x, rows):
        fixed.flags.writeable = False
    assert compile(lambda x: x @ x, backend=backend)(x) == 25.0
    over_rows = compile(lambda x, y: x @ y, rows=1, backend=backend)
    np.testing.assert_array_equal(over_rows(x, rows), [11.0, 25.0])
    np.testing.assert_array_equal(over_rows(np.array([3.0, 4.0]), rows), [11.0, 25.0])


def test_a_function_is_traced_once_for_threads_that_call_it_at_once() -> None:
    entered, released, calls = threading.Event(), threading.Event(), list[str]()

    def f(x: Any) -> Any:
        calls.append("once more")
        entered.set()
        assert released.wait(30.0)
        return x * x

    compiled = compile(f, backend="python")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(compiled, 3.0)
        assert entered.wait(30.0)
        second = pool.submit(compiled, 4.0)
        time.sleep(0.2)  # it has found no program, and waits
        released.set()
        assert (first.result(), second.result()) == (9.0, 16.0)
    assert calls == ["once more"]


@pytest.mark.parametrize("rows", [None, 0])
def test_a_leaf_that_changes_between_the_trace_and_the_run_is_seen(
    rows: int | None, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = Value(1.0)
    options = {} if rows is None else {"rows": rows}
    compiled = compile(lambda x: x * w if w > 0.0 else x - w, backend=backend, **options)
    trace = compiled._dispatcher._trace

    def traced_then_changed(*args: Any) -> Any:
        path = trace(*args)
        w.data = -2.0
        return path

    monkeypatch.setattr(compiled._dispatcher, "_trace", traced_then_changed)
    assert compiled(3.0 if rows is None else [3.0]) == (5.0 if rows is None else [5.0])


def test_rows_with_results_of_other_lengths_are_refused(backend: str) -> None:
    for results in (lambda x: [x, x] if x > 0.0 else [x], lambda x: {"a": x} if x > 0.0 else {"b": x}):
        with pytest.raises(TypeError, match="gives another form of result for row 1 than for row 0"):
            compile(results, rows=0, backend=backend)(np.array([1.0, -1.0]))
    f = compile(lambda x: (x, x > 1.0, "p" if x > 0.0 else None), rows=0, backend=backend)
    with pytest.raises(TypeError, match=r"\(a number, a bool, None\) and a tuple of 3 \(a number, a bool, 'p'\)"):
        f([1.0, -1.0])
