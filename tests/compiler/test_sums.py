"""Sums of compiled code: in the order that was written, with the parentheses that were written, to the last bit.

But for what makes loops fast: the native backend adds a product that is used once without having rounded it, and takes
terms that lie side by side in eight parts.
"""

import math
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import compile, native, value_and_grad
from autodiff.floats import fused
from tests.needs import need_core

COMPENSATED = sys.version_info >= (3, 12)  # Python's own sum of floats, which eager code calls


def bits(numbers: Any) -> list[str]:
    return [repr(float(x)) for x in numbers]


def of_rows(f: Callable[..., Any], rows: Sequence[Sequence[float]], backend: str) -> list[list[float]]:
    """The numbers that f gives for each row: f takes a list, and gives one."""
    return list(compile(f, rows=0, backend=backend)([list(row) for row in rows]))


# --- compensated arithmetic ---


def two_sum(xs: Sequence[Any]) -> list[Any]:
    """The rounded sum of two numbers, and its rounding error. Source: Knuth, TAOCP 2, 4.2.2."""
    a, b = xs[0], xs[1]
    total = a + b
    of_b = total - a
    return [total, (a - (total - of_b)) + (b - of_b)]


def two_product(xs: Sequence[Any]) -> list[Any]:
    """The rounded product of two numbers, and its rounding error. Source: Dekker, 1971; splitting: Veltkamp."""

    def split(x: Any) -> tuple[Any, Any]:
        scaled = 134217729.0 * x  # 2^27 + 1
        high = scaled - (scaled - x)
        return high, x - high

    (a, low_a), (b, low_b) = split(xs[0]), split(xs[1])
    product = xs[0] * xs[1]
    return [product, ((a * b - product) + a * low_b + low_a * b) + low_a * low_b]


def kahan(xs: Sequence[Any]) -> list[Any]:
    """A compensated sum, and what it still lacks. Source: Kahan, 1965."""
    total, lost = xs[0], 0.0
    for x in xs[1:]:
        y = x - lost
        new = total + y
        lost = (new - total) - y
        total = new
    return [total, lost]


def neumaier(xs: Sequence[Any]) -> list[Any]:
    """A compensated sum whose terms may be larger than what they are added to. Source: Neumaier, 1974."""
    total, error = xs[0], 0.0
    for x in xs[1:]:
        new = total + x
        error += ad.where(abs(total) >= abs(x), (total - new) + x, (x - new) + total)
        total = new
    return [total + error, error]


def discriminant(xs: Sequence[Any]) -> list[Any]:
    """x y - y x, which rounding makes 0, and a fused multiply-add the error of the product."""
    return [xs[0] * xs[1] - xs[1] * xs[0], ad.sqrt(xs[0] * xs[0] - xs[1] * xs[1])]


COMPENSATING = [two_sum, two_product, kahan, neumaier, discriminant]
POINTS = [
    [1.0, 1e-20, -1.0, 3.0],
    [1e17, 1.0, -1e17, 0.1],
    [0.1, 0.1, 0.2, -0.3],
    [1e16, 3.14159, 2.71828, -1e16],
    [-0.0, 0.0, -0.0, 5e-324],
    [1.0 + 2**-30, 1.0 - 2**-30, 1e-9, 1e9],
]


@pytest.mark.parametrize("f", COMPENSATING)
def test_compensated_arithmetic_keeps_its_error_terms(f: Callable[[Any], list[Any]], backend: str) -> None:
    compiled = compile(f, backend=backend)
    expected = [[x if isinstance(x, float) else x.data for x in f([ad.Value(x) for x in xs])] for xs in POINTS]
    assert [bits(compiled(xs)) for xs in POINTS] == [bits(xs) for xs in expected]
    assert [bits(xs) for xs in of_rows(f, POINTS, backend)] == [bits(xs) for xs in expected]


def test_error_terms_are_the_true_ones(backend: str) -> None:
    assert compile(two_sum, backend=backend)([1.0, 1e-20]) == [1.0, 1e-20]
    assert compile(two_product, backend=backend)([1.0 + 2**-30, 1.0 - 2**-30]) == [1.0, -(2.0**-60)]
    assert compile(neumaier, backend=backend)([1.0, 1e100, 1.0, -1e100]) == [2.0, 2.0]


# --- what overflows, and what does not ---


def test_a_product_that_overflows_is_infinite(backend: str) -> None:
    compiled = compile(lambda w, x: [ad.dot(w, x), sum(map(operator.mul, w, x))], backend=backend)
    is_fused = backend == "native"
    assert bits(compiled([1e200, -1e200], [1e200, 1e200])) == (["inf"] * 2 if is_fused else ["nan"] * 2)
    not_by_much = compiled([-1.7e308, 1.35e154], [1.0, 1.35e154])
    assert bits(not_by_much) == bits([fused(1.35e154, 1.35e154, -1.7e308) if is_fused else math.inf] * 2)
    apart = compile(lambda w, x: [w * x, w * x + w], backend=backend)  # used twice, a product is rounded
    assert bits(apart(1e200, 1e200)) == ["inf", "inf"]


@pytest.mark.parametrize("terms", [1, 3, 16, 40, 1000])
def test_a_sum_overflows_where_one_from_left_to_right_does(terms: int, backend: str) -> None:
    f = compile(lambda w, xs: [ad.sum(xs), sum(xs), ad.dot(w, xs), ad.mean(xs)], backend=backend)
    ones, up_and_down = [1.0] * (2 * terms + 2), [1e308, -1e308] * terms
    for last in (-1e308, 1e308):
        xs = [*up_and_down, 1e308, last]
        totals = {repr(from_left(*xs)), *([repr(in_parts(xs))] if backend == "native" else [])}
        assert {*bits(f(ones, xs))} <= totals
    assert compile(lambda x, y: ad.sum([x, y, x]), backend=backend)(1e308, -1e308) == 1e308


@given(terms=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=64), backend=st.sampled_from(["python", "native"]))
def test_terms_side_by_side_are_added_from_left_to_right_or_in_eight_parts(terms: list[float], backend: str) -> None:
    need_core()
    total, product = compile(lambda xs: [sum(xs[1:], xs[0]), ad.dot(xs, xs)], backend=backend)(terms)
    if backend == "python":
        assert total == from_left(*terms)
    else:
        assert total in (from_left(*terms), terms[0] + in_parts(terms[1:]), in_parts(terms))
        assert product in (dot_in_order(terms, terms), in_parts(terms, terms))


def test_parentheses_of_a_user_stay(backend: str) -> None:
    x, y, z = 1e17, -1e17, 1.0
    assert compile(lambda x, y, z: [x + y + z, x + (y + z), (x - z) + y, ad.sum([x, y + z])], backend=backend)(
        x, y, z
    ) == [1.0, 0.0, 0.0, 0.0]
    assert compile(lambda x, y: (x - y) + 1.0, backend=backend)(1e17, 1e17) == 1.0
    assert compile(lambda x: ad.mean([x[0], -x[0], x[1] + x[2]]), backend=backend)([1e17, 3.0, -1e-3]) == 2.999 / 3


# --- the law ---


class Step(NamedTuple):
    """An operation on numbers that were there before, known by their positions."""

    name: str
    operands: tuple[int, ...]


def from_left(*terms: float) -> float:
    return reduce(operator.add, terms, -0.0)


def in_parts(xs: Sequence[float], ws: Sequence[float] | None = None) -> float:
    """The sum of the terms, or of products, as nests take those that lie side by side: in eight parts."""
    p = [-0.0] * 8
    for k, x in enumerate(xs):
        p[k % 8] = fused(x, 1.0 if ws is None else ws[k], p[k % 8])
    return ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]))


def dot_in_order(ws: Sequence[float], xs: Sequence[float]) -> float:
    """The sum of the products from left to right, each added without having been rounded."""
    return reduce(lambda total, pair: fused(*pair, total), zip(ws, xs, strict=True), -0.0)


def halves(numbers: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    return numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]


ONE_BY_ONE: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "chain": lambda *xs: sum(xs[1:], xs[0]),
}
OF_VALUES: Mapping[str, Callable[..., Any]] = {
    **ONE_BY_ONE,
    "sum": lambda *xs: ad.sum(xs),
    "mean": lambda *xs: ad.mean(xs),
    "dot": lambda *xs: ad.dot(*halves(xs)),
}
IN_ORDER: Mapping[str, Callable[..., float]] = {
    **ONE_BY_ONE,
    "chain": lambda *xs: reduce(operator.add, xs),
    "sum": from_left,
    "mean": lambda *xs: from_left(*xs) / len(xs),
    "dot": lambda *xs: dot_in_order(*halves(xs)),
}
MAGNITUDES = [0.0, -0.0, 1.0, -1.0, 0.1, 3.0, 1e-20, -1e17, 1e17, 1e154, -1e200, 1e308, -1e308, 5e-324, math.inf]


def run(steps: Sequence[Step], leaves: Sequence[Any], table: Mapping[str, Callable[..., Any]]) -> list[Any]:
    """The results of all steps."""
    numbers = list(leaves)
    for step in steps:
        numbers.append(table[step.name](*[numbers[i] for i in step.operands]))
    return numbers[len(leaves) :]


@st.composite
def additions(draw: st.DrawFn, names: Sequence[str] = tuple(OF_VALUES), leaves: int = 4) -> list[Step]:
    """Draw statements that add, subtract and multiply what was there; most are used once, as in a formula."""
    steps: list[Step] = []
    for there in range(leaves, leaves + draw(st.integers(1, 12))):
        name = draw(st.sampled_from(names))
        count = {"neg": 1, "add": 2, "sub": 2, "mul": 2, "dot": 6}.get(name) or draw(st.integers(1, 5))
        recent = st.integers(max(0, there - 3), there - 1) if draw(st.booleans()) else st.integers(0, there - 1)
        steps.append(Step(name, tuple(draw(recent) for _ in range(count))))
    return steps


POINT = st.lists(st.sampled_from(MAGNITUDES), min_size=4, max_size=4)


@given(st.data(), st.lists(POINT, min_size=1, max_size=3), st.booleans())
def test_additions_are_done_one_by_one_as_written(data: st.DataObject, points: list[list[float]], whole: bool) -> None:
    """With all results as outputs nothing is gathered, and with the last alone all that may be is.

    Then a product that is used once is not rounded, so there are none.
    """
    need_core()
    steps = data.draw(additions() if whole else additions([name for name in OF_VALUES if name != "mul"]))

    def f(xs: list[Any]) -> list[Any]:
        return run(steps, xs, OF_VALUES)[0 if whole else -1 :]

    compiled = compile(f, backend="native")
    expected = [bits(run(steps, xs, IN_ORDER)[0 if whole else -1 :]) for xs in points]
    assert [bits(compiled(xs)) for xs in points] == expected
    assert [bits(row) for row in of_rows(f, points, "native")] == expected


@given(steps=additions(tuple(ONE_BY_ONE)), points=st.lists(POINT, min_size=1, max_size=3))
def test_eager_code_and_every_backend_add_alike(steps: list[Step], points: list[list[float]]) -> None:
    def f(xs: list[Any]) -> list[Any]:
        return run(steps, xs, OF_VALUES)

    expected = [bits(run(steps, xs, IN_ORDER)) for xs in points]
    assert [bits(x.data for x in f([ad.Value(x) for x in xs])) for xs in points] == expected
    for backend in ("python", "native") if native.core is not None else ("python",):
        compiled = compile(f, backend=backend)
        assert [bits(compiled(xs)) for xs in points] == expected


@given(steps=additions(tuple(ONE_BY_ONE)), points=st.lists(st.sampled_from([1.0, -0.3, 0.7, 1e9, 1e-9]), min_size=4))
def test_reverse_mode_accumulates_in_one_order(steps: list[Step], points: list[float]) -> None:
    h = value_and_grad(lambda xs: run(steps, xs, OF_VALUES)[-1])
    value, slopes = h(points[:4])
    compiled_value, compiled_slopes = compile(h, backend="python")(points[:4])
    assert bits([compiled_value, *compiled_slopes]) == bits([value, *slopes])


@given(steps=additions(("add", "sub", "neg", "chain")), points=st.lists(st.floats(-1e9, 1e9), min_size=4, max_size=4))
def test_reverse_mode_of_the_core_accumulates_in_that_order(steps: list[Step], points: list[float]) -> None:
    need_core()
    h = value_and_grad(lambda xs: run(steps, xs, OF_VALUES)[-1])
    (value, slopes), (compiled_value, compiled_slopes) = h(points), compile(h, backend="native")(points)
    assert bits([compiled_value, *compiled_slopes]) == bits([value, *slopes])


# --- Python's own sum ---


TERMS = st.lists(st.one_of(st.sampled_from([0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324]), st.floats(-1e9, 1e9)), min_size=1)


@given(terms=TERMS)
def test_a_compensated_sum_and_one_in_order_are_as_near_as_the_terms_allow(terms: list[float]) -> None:
    """From Python 3.12 on eager code compensates, and compiled code does not: each addition rounds by half an ulp."""
    magnitude = from_left(*map(abs, terms))
    for name in ("sum", "mean"):
        eager, in_order = OF_VALUES[name](*terms), IN_ORDER[name](*terms)
        assert abs(eager - in_order) <= len(terms) * math.ulp(magnitude)
        if not COMPENSATED or all(x == 0.0 for x in terms):
            assert repr(eager) == repr(in_order)


@given(terms=st.lists(st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0]), min_size=1))
def test_where_nothing_is_rounded_a_zero_has_the_sign_of_eager_code(terms: list[float]) -> None:
    need_core()
    compiled = compile(lambda xs: [ad.sum(xs), ad.mean(xs), ad.dot(xs, xs)], backend="native")
    assert bits(compiled(terms)) == bits([ad.sum(terms), ad.mean(terms), ad.dot(terms, terms)])


# --- over rows ---


def test_what_a_row_gives_is_one_term_of_the_total(backend: str) -> None:
    total = compile(lambda x, a, b: a * x + b, rows=0, reduce="sum", backend=backend)
    assert total(np.full(100, 2.0**600), 2.0**423, -(2.0**1023)) == 0.0
    mean = compile(value_and_grad(lambda w, x: w * x + w * w), rows=1, reduce="mean", backend=backend)
    assert mean(-(2.0**500), np.full(5, 2.0**500)) == (0.0, -(2.0**500))


@given(rows=st.lists(st.lists(st.sampled_from(MAGNITUDES), min_size=2, max_size=2), min_size=1, max_size=32))
def test_a_block_of_rows_is_added_up_in_eight_parts(rows: list[list[float]]) -> None:
    need_core()
    totals = compile(lambda x: [x[0], x[0] * x[1], x[0] * x[1] + x[1]], rows=0, reduce="sum", backend="native")
    each = [x * y + y for x, y in rows]  # a product that is used twice is rounded
    assert bits(totals(rows)) == bits(
        [in_parts([x for x, _ in rows]), in_parts([x * y for x, y in rows]), in_parts(each)]
    )


def test_a_total_of_derivatives_that_are_0_is_no_negative_zero(backend: str) -> None:
    for f in (lambda w, x, y: w * (x * y), lambda w, x, y: ad.where(w > 0, w * x, y) * y):
        slope = compile(ad.grad(f), rows=(1, 2), reduce="sum", backend=backend)
        assert bits([slope(1.0, np.array([-0.0, -0.0]), np.array([1.0, 1.0]))]) == ["0.0"]
