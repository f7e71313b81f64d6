"""The gradient checker checked: it finds planted mistakes in every primitive, and passes right but difficult functions.

Its kit of mistakes is larger than that of the laws, and known by value alone: whether one changes a derivative at a
point is read off the mistaken node, and if so, it has to be found.
"""

import math
import re
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Primitive, Value
from autodiff.primitives import TABLE
from autodiff.structures.structure import flatten
from autodiff.testing import (
    Undecided,
    assert_gradients_close,
    check_grads,
    checks,
    finite_differences,
    points,
    richardson,
)
from autodiff.testing.checks import verdicts
from autodiff.testing.differences import rounding_error
from autodiff.testing.oracles import mpmath_value
from autodiff.testing.verdicts import Outcome

EACH = pytest.mark.parametrize("primitive", TABLE.values(), ids=TABLE)

# --- planted mistakes ---

# Given the primitive, out, the operands, all local gradients and an index: what to put in the place of that one.
Mistake = Callable[[Primitive, Any, Sequence[Any], Sequence[Any], int], Any]


def data(x: Any) -> Any:
    return getattr(x, "data", x)


MISTAKES: dict[str, Mistake] = {
    "a wrong sign": lambda p, out, xs, local, i: -local[i],
    "twice as much": lambda p, out, xs, local, i: 2.0 * local[i],
    "one part in ten thousand too much": lambda p, out, xs, local, i: local[i] * (1.0 + 1e-4),
    "dropped": lambda p, out, xs, local, i: 0.0,
    "one too much": lambda p, out, xs, local, i: local[i] + 1.0,
    "a term missing": lambda p, out, xs, local, i: local[i] - 0.01 * xs[i],
    "the reciprocal": lambda p, out, xs, local, i: ad.reciprocal(local[i]),
    "the square": lambda p, out, xs, local, i: local[i] * local[i],
    "the value itself": lambda p, out, xs, local, i: out,
    "that of the operand before": lambda p, out, xs, local, i: local[i - 1],
    "with operands swapped": lambda p, out, xs, local, i: p.local_gradients(out, *reversed(xs))[i],
    "of a stale value": lambda p, out, xs, local, i: p.local_gradients(0.9 * out, *xs)[i],
    "of stale operands": lambda p, out, xs, local, i: p.local_gradients(out, *[0.9 * x for x in xs])[i],
}
# Right in value: only a derivative of the rule tells.
BLIND: dict[str, Mistake] = {
    "a constant": lambda p, out, xs, local, i: data(local[i]),
    "of a detached value": lambda p, out, xs, local, i: p.local_gradients(data(out), *xs)[i],
    "of detached operands": lambda p, out, xs, local, i: p.local_gradients(out, *map(data, xs))[i],
    "half of it a constant": lambda p, out, xs, local, i: 0.5 * local[i] + 0.5 * data(local[i]),
}


def mistaken(primitive: Primitive, mistake: Mistake, index: int) -> Primitive:
    """Return a copy of the primitive with the mistake in its local gradient with that index."""

    def partials(out: Any, *operands: Any) -> list[Any]:
        local = list(primitive.local_gradients(out, *operands))
        local[index] = mistake(primitive, out, operands, local, index)
        return local

    scales, facts = primitive.scales, primitive.facts
    return Primitive(primitive.name, primitive.formula, primitive.evaluate, partials, scales=scales, facts=facts)


# In every domain and away from kinks by 0.1, and no two of them alike in any rule.
CANDIDATES: dict[int, list[tuple[float, ...]]] = {
    1: [(0.3,), (-0.6,), (1.7,), (-2.3,), (14.2,)],
    2: [(1.7, 0.6), (-2.3, 0.7), (0.4, 1.9), (3.1, -1.2)],
    3: [(0.4, -1.3, 2.2), (-3.1, -1.3, 2.2), (5.1, -0.7, 2.2), (0.0, 0.7, 1.9), (1.0, 0.7, 1.9)],
}
LISTS = [(0.3, -1.2, 2.1, 0.8), (1.1, 0.6)]


def chosen_points(primitive: Primitive) -> list[tuple[float, ...]]:
    """Return operands in the primitive's domain."""
    intervals, kinks = primitive.domain.intervals, primitive.domain.kinks
    if primitive.name == "where":
        return CANDIDATES[3][-2:]
    if primitive.name == "round":
        return [(x, 0.0) for x in (0.3, -1.8)]

    def is_inside(operands: tuple[float, ...]) -> bool:
        bounds = [intervals[min(i, len(intervals) - 1)] for i in range(len(operands))]
        inside = all(low <= x <= high for x, (low, high) in zip(operands, bounds, strict=True))
        return inside and (kinks is None or abs(kinks(*operands)) >= 0.1)

    return [x for x in (CANDIDATES[primitive.arity] if primitive.arity else LISTS) if is_inside(x)]


def of_free_operands(primitive: Primitive, operands: Sequence[float]) -> tuple[Callable[..., Any], tuple[float, ...]]:
    """Return the primitive as a function of the operands that have a derivative, and these."""
    held = [i in primitive.facts.choosing for i in range(len(operands))]

    def f(*free: Any) -> Any:
        rest = iter(free)
        return primitive(*[x if h else next(rest) for x, h in zip(operands, held, strict=True)])

    return f, tuple([x for x, h in zip(operands, held, strict=True) if not h])


def local_gradient(primitive: Primitive, operands: Sequence[float], index: int) -> float:
    node = primitive(*map(Value, operands))
    assert isinstance(node, Value)
    return node.local_gradients[index]


def changes(primitive: Primitive, mistake: Mistake, operands: Sequence[float], index: int) -> bool:
    """Return whether a mistake changes the local gradient; it may be right by chance, as a square of 1 is."""
    right = local_gradient(primitive, operands, index)
    wrong = local_gradient(mistaken(primitive, mistake, index), operands, index)
    return not abs(wrong - right) <= 1e-5 * abs(right)


@EACH
def test_a_right_primitive_passes(primitive: Primitive) -> None:
    assert chosen_points(primitive)
    for operands in chosen_points(primitive):
        check_grads(*of_free_operands(primitive, operands))


@EACH
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_that_changes_a_derivative_is_found(primitive: Primitive, name: str) -> None:
    for operands in chosen_points(primitive)[:2]:
        for index in range(len(operands)):
            if index not in primitive.facts.choosing and changes(primitive, MISTAKES[name], operands, index):
                f, free = of_free_operands(mistaken(primitive, MISTAKES[name], index), operands)
                with pytest.raises(AssertionError, match=r"of order 1 of f (is|are) (wrong|not shown)") as failure:
                    check_grads(f, free, order=1)
                assert re.search("off by|is no derivative", str(failure.value).split("undecided")[0])


def second_derivative_changes(primitive: Primitive, mistake: Mistake, operands: Sequence[float], index: int) -> bool:
    """Return whether a mistake changes the gradient of a local gradient, by more than the rounding of either."""

    def slopes(p: Primitive) -> tuple[list[float], float]:
        leaves = [Value(x) for x in operands]
        local = p.local_gradients(p(*leaves), *leaves)[index]
        if not isinstance(local, Value):
            return [0.0] * len(leaves), 0.0
        local.backward()
        return [leaf.grad for leaf in leaves], rounding_error(local)

    (right, noise), (wrong, _) = slopes(primitive), slopes(mistaken(primitive, mistake, index))
    free = [i for i in range(len(operands)) if i not in primitive.facts.choosing]
    return any(abs(right[i] - wrong[i]) > 1e-5 * abs(right[i]) + 100.0 * noise for i in free)


@EACH
@pytest.mark.parametrize("name", BLIND)
def test_a_rule_that_is_right_in_value_alone_is_found_at_order_2(primitive: Primitive, name: str) -> None:
    for operands in chosen_points(primitive)[:2]:
        for index in range(len(operands)):
            if second_derivative_changes(primitive, BLIND[name], operands, index):
                f, free = of_free_operands(mistaken(primitive, BLIND[name], index), operands)
                check_grads(f, free, order=1)
                with pytest.raises(AssertionError, match=r"of order 2 of f (is|are) wrong"):
                    check_grads(f, free, order=2)


@pytest.mark.parametrize("name", [*MISTAKES, *BLIND])
def test_each_mistake_is_one_in_many_primitives(name: str) -> None:
    """A mistake that changes nothing tests nothing."""
    found = [
        primitive.name
        for primitive in TABLE.values()
        for operands in chosen_points(primitive)[:2]
        for index in range(len(operands))
        if (second_derivative_changes if name in BLIND else changes)(
            primitive, {**MISTAKES, **BLIND}[name], operands, index
        )
    ]
    assert len(set(found)) >= 8


@EACH
@settings(max_examples=max(5, settings().max_examples // 10))
@given(drawn=st.data())
def test_a_right_primitive_is_nowhere_called_wrong(primitive: Primitive, drawn: st.DataObject) -> None:
    """Undecided it may be: 1e-90 beside 1e5 is not to be seen, and the second derivative of tanh at 274 underflows."""
    operands = drawn.draw(points(primitive, margin=1e-3, max_operands=3))
    assert all("undecided" in row for row in rows_of_failure(*of_free_operands(primitive, operands)))


def rows_of_failure(f: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """Return the lines of the table with which a check fails; none if it passes."""
    try:
        check_grads(f, args)
    except AssertionError as failure:
        table, _, _ = re.split("\nUndecided: |\nTo run this again:", str(failure))[0].partition("\n... and ")
        return table.splitlines()[2:]
    return []


# --- right, but difficult ---


def composed(f: Callable[[Any], Any], times: int) -> Callable[[Any], Any]:
    def g(x: Any) -> Any:
        for _ in range(times):
            x = f(x)
        return x

    return g


def rosenbrock(x: list[Any]) -> Any:
    return sum(100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 for a, b in pairwise(x))


def cross_entropy(logits: list[Any], target: int) -> Any:
    return -ad.log_softmax(logits)[target]


def kepler(mean_anomaly: Any, eccentricity: Any) -> Any:
    """Return the eccentric anomaly, by Newton's method on Values."""
    e = mean_anomaly
    for _ in range(8):
        e = e - (e - eccentricity * e.sin() - mean_anomaly) / (1.0 - eccentricity * e.cos())
    return e


DIFFICULT: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "terms that nearly cancel": (lambda x: (1.0 - x.cos()) / x**2, (1e-3,)),
    "log of 1 + a small number": (lambda x: (1.0 + x).log(), (1e-10,)),
    "log1p of it": (ad.log1p, (1e-10,)),
    "a difference of square roots": (lambda x: (x + 1.0).sqrt() - x.sqrt(), (1e4,)),
    "terms that cancel entirely": (lambda x: x.sin() ** 2 + x.cos() ** 2 - 1.0, (0.7,)),
    "terms that cancel in one node": (lambda x: ad.leaky_relu(x, x - x), (-0.7,)),
    "a steep exponential": (lambda x: ad.exp(50.0 * x), (1.3,)),
    "a steep decay": (lambda x: ad.exp(-200.0 * x), (2.0,)),
    "a step": (lambda x: ad.tanh(1e4 * x), (1e-4,)),
    "a step far away": (lambda x: ad.tanh(1e4 * x), (0.3,)),
    "a narrow bump": (lambda x: ad.exp(-((1e4 * (x - 1.0)) ** 2)), (1.00007,)),
    "a kink nearby": (lambda x: abs(x - 0.1), (0.1001,)),
    "a kink very near, on a curve": (lambda x: abs(x - 0.1) + ad.exp(x), (0.10001,)),
    "many kinks nearby": (lambda x: ad.sum([ad.relu(x - k / 100.0) for k in range(100)]), (0.4951,)),
    "a tiny scale": (lambda x: 1e-30 * x.sin(), (0.7,)),
    "a huge scale": (lambda x: 1e30 * x.sin(), (0.7,)),
    "a tiny argument": (lambda x: (1e30 * x).sin(), (1e-30,)),
    "a huge argument": (lambda x: x.log(), (1e30,)),
    "a scale unknown at 0": (lambda x: (1e6 * x).sin(), (0.0,)),
    "scales apart": (lambda x: x[0] * 1e-20 + x[1] ** 2 * 1e20, ([1e20, 1e-20],)),
    "Rosenbrock's valley": (rosenbrock, ([-1.2, 1.0, 0.7, 0.3],)),
    "Rosenbrock's minimum": (rosenbrock, ([1.0, 1.0, 1.0],)),
    "logsumexp of numbers apart": (ad.logsumexp, ([1.0, 2.0, 3.0, -100.0],)),
    "a sine of a sine of a sine": (composed(lambda x: x.sin() + 0.1 * x, 50), (0.5,)),
    "chaos": (composed(lambda x: 3.9 * x * (1.0 - x), 15), (0.3,)),
    "a product of 50 factors": (lambda x: ad.prod([x + k / 50.0 for k in range(50)]), (0.7,)),
    "a product with a zero": (lambda x: ad.prod([x[0], x[1], x[2], 3.0]), ([0.0, 2.0, -1.0],)),
    "a multiple root": (lambda x: (x - 1.0) ** 5, (1.001,)),
    "a multiple root, multiplied out": (lambda x: x**3 - 3.0 * x**2 + 3.0 * x - 1.0, (1.01,)),
    "a power of a fraction": (lambda x: x**20.5, (1.3,)),
    "a power in both": (lambda x, y: x**y, (1e-3, 7.3)),
    "a pole nearby": (lambda x: 1.0 / x, (1e-8,)),
    "a logarithm near 0": (lambda x: x.log(), (1e-6,)),
    "an edge nearby": (lambda x: x.arcsin(), (1.0 - 1e-6,)),
    "softmax with cross-entropy": (lambda z: cross_entropy(z, 1), ([1.0, -2.0, 30.0],)),
    "a norm of numbers apart": (ad.norm, ([3e-5, 4e5, 1.0],)),
    "a norm near 0": (ad.norm, ([3e-12, 4e-12],)),
    "a fast oscillation": (lambda x: (1e3 * x).sin(), (1.0,)),
    "a faster one, at a small amplitude": (lambda x: x + 1e-3 * (1e6 * x).sin(), (1.0,)),
    "the tail of erfc": (ad.erfc, (5.9,)),
    "the tail of gelu": (ad.gelu, (-5.0,)),
    "a remainder": (lambda x, y: x % y, (7.3, 2.1)),
    "steps": (lambda x: ad.floor(3.0 * x) + x, (0.45,)),
    "a branch not taken": (lambda x: ad.where(x > 0.0, x.log(), x), (-1.0,)),
    "iterations to a solution": (kepler, (1.1, 0.6)),
    "no slope at all": (lambda x: x * x, (0.0,)),
    "a flat minimum": (lambda x: x**4, (1e-3,)),
    "a constant": (lambda x: 3.0, (1.0,)),
}


@pytest.mark.parametrize("name", DIFFICULT)
def test_a_right_but_difficult_function_passes(name: str) -> None:
    f, args = DIFFICULT[name]
    check_grads(f, args)


# Where the slope is 0, or all but its first digits are rounding, a hundredth of it is not to be seen.
FLAT = {
    "terms that nearly cancel",
    "terms that cancel entirely",
    "terms that cancel in one node",
    "a step far away",
    "Rosenbrock's minimum",
    "no slope at all",
    "a constant",
}


@pytest.mark.parametrize("name", [name for name in DIFFICULT if name not in FLAT])
def test_a_difficult_function_fails_if_a_hundredth_of_it_is_detached(name: str) -> None:
    """It passes because it is right, and not because anything would."""
    f, args = DIFFICULT[name]
    with pytest.raises(AssertionError, match=r"of order 1 .* wrong"):
        check_grads(lambda *xs: 1.01 * f(*xs) - 0.01 * data(f(*xs)), args)


# --- differences ---


def test_differences_are_within_four_of_their_errors() -> None:
    """At steps of all sizes, for oscillations from slow to fast: their largest steps are far above a period."""
    for k in range(200):
        w, x = 10.0 ** (6.0 * k / 200.0), 0.5 + k * 0.61803 % 1.5
        (estimate,) = richardson(lambda x, w=w: [math.sin(w * x)], x, rounding=[2.0**-52 * w * x])  # type: ignore[misc]
        assert abs(estimate.slope - w * math.cos(w * x)) <= 4.0 * estimate.error <= 1e-3 * w


def test_differences_see_an_oscillation_far_below_their_first_steps() -> None:
    """With steps in the ratio 3/2 one in six of these looked smooth."""
    for k in range(100):
        w = 10.0 ** (7.0 + 2.0 * k / 100.0)
        (estimate,) = richardson(lambda x, w=w: [x + 1e-8 * math.sin(w * x)], 1.0)  # type: ignore[misc]
        assert abs(estimate.slope - (1.0 + 1e-8 * w * math.cos(w))) <= 4.0 * estimate.error <= 1e-3


def test_differences_of_several_outputs_take_each_its_own_step() -> None:
    slow, fast = richardson(lambda x: [math.sin(x), math.sin(1e6 * x)], 0.7, rounding=[0.0, 1e-10])
    assert abs(slow.slope - math.cos(0.7)) <= 4.0 * slow.error <= 1e-11
    assert abs(fast.slope - 1e6 * math.cos(0.7e6)) <= 4.0 * fast.error <= 1.0


def test_differences_notice_a_kink_at_the_point_itself() -> None:
    for f in (abs, lambda x: max(x, 0.0), lambda x: abs(x) + x * x):
        assert richardson(lambda x, f=f: [f(x)], 0.0)[0].error > 0.1  # type: ignore[misc]


def test_differences_keep_within_the_domain_of_f() -> None:
    (estimate,) = richardson(lambda x: [math.log(x)], 1e-9)
    assert abs(estimate.slope - 1e9) <= 4.0 * estimate.error <= 1.0


def test_without_values_nearby_there_is_no_difference() -> None:
    (estimate,) = richardson(lambda x: [math.nan], 1.0)
    assert math.isnan(estimate.slope)
    assert estimate.error == math.inf


def test_differences_of_a_smooth_function_take_few_evaluations() -> None:
    calls = []

    def f(x: float) -> list[float]:
        calls.append(x)
        return [math.exp(x), math.sin(x), 1.0 / x]

    richardson(f, 1.3)
    assert len(calls) <= 60


def test_finite_differences_have_the_form_of_the_jacobian() -> None:
    def f(p: dict[str, Any], a: Any) -> Any:
        return {"sum": p["w"] * a.sum(), "rows": [a @ a, p["b"] * a[0]]}

    args = ({"w": 2.0, "b": -1.0}, np.array([0.5, 1.5, -0.25]))
    for argnums in (0, 1, (1, 0), [0]):
        slopes, errors = finite_differences(f, args, argnums)
        jacobian = ad.jacobian(f, argnums)(*args)
        assert_gradients_close(slopes, jacobian, atol=1e-10)
        assert_gradients_close(errors, jacobian, rtol=0.0, atol=10.0)  # the same form
    slopes, errors = finite_differences(lambda x: x**2, (3.0,))
    assert abs(slopes - 6.0) <= 4.0 * errors <= 1e-10


def test_finite_differences_refuse_what_is_no_tuple() -> None:
    with pytest.raises(TypeError, match=re.escape("args is the tuple of f's arguments, got float; write (x,)")):
        finite_differences(lambda x: x, 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in DIFFICULT if name not in ("chaos", "a constant")])
def test_the_rounding_of_a_value_is_bounded(name: str) -> None:
    """By four times the bound: elementary functions and powers are a few units off, and counted with one."""
    f, args = DIFFICULT[name]
    leaves, structure = flatten(args)
    y = f(*structure.build([Value(x) for x in leaves]))
    assert abs(mpmath_value(y) - y.data) <= 4.0 * rounding_error(y)


# --- what is reported ---


def wrong_in_y(x: Any, y: Any) -> Any:
    return x * y.data


def test_a_failure_shows_the_wrong_ones_alone_and_how_to_run_it_again() -> None:
    with pytest.raises(AssertionError) as failure:
        check_grads(wrong_in_y, (2.0, 3.0), rtol=1e-7)
    title, header, row, *rest = str(failure.value).splitlines()
    assert title == "1 of 2 derivatives of order 1 of wrong_in_y is wrong:"
    assert re.split(" {2,}", header) == ["input", "output", "analytic", "numerical", "error", "verdict"]
    assert re.split(" {2,}", row)[:4] == ["args[1]", "out", "0", "2"]
    assert rest[0] == "To run this again:"
    with pytest.raises(AssertionError) as again:
        exec("\n".join(rest[1:]), {})
    assert str(again.value) == str(failure.value)


def test_places_are_those_of_python() -> None:
    def f(p: dict[str, Any], a: Any) -> Any:
        return {"loss": [0.0, p["w"][1].data * p["w"][0] + a[1, 0].data]}

    with pytest.raises(AssertionError) as failure:
        check_grads(f, ({"w": [1.0, 2.0]}, np.array([[1.0], [2.0]])))
    rows = [re.split(" {2,}", line) for line in str(failure.value).splitlines()[2:4]]
    assert sorted(row[:2] for row in rows) == [
        ["args[0]['w'][1]", "out['loss'][1]"],
        ["args[1][1, 0]", "out['loss'][1]"],
    ]
    assert "np.array([[1.0], [2.0]])" in str(failure.value)
    assert "import numpy as np" in str(failure.value)


def test_the_worst_are_shown_first_and_twenty_at_most() -> None:
    def f(xs: list[Any]) -> Any:
        return ad.sum([x.data * (i + 1.0) for i, x in enumerate(xs)])

    with pytest.raises(AssertionError) as failure:
        check_grads(f, ([1.0 + i / 10.0 for i in range(30)],))
    lines = str(failure.value).splitlines()
    assert lines[0] == "30 of 30 derivatives of order 1 of f are wrong:"
    assert lines[22] == "... and 10 more"
    assert all(line.startswith("args[0]") for line in lines[2:22])


def test_a_function_that_cannot_be_imported_is_told_where_it_stands() -> None:
    with pytest.raises(
        AssertionError, match=r"f = \.\.\.  # <lambda>, of .*test_checks\.py:\d+\ncheck_grads\(f, \(1\.0,\), "
    ):
        check_grads(lambda x: x.data * 1.0, (1.0,))


def test_a_derivative_that_is_not_finite_fails() -> None:
    with pytest.raises(AssertionError, match="nan is no derivative"):
        check_grads(lambda x: ad.sqrt(x * x), (0.0,))
    with pytest.raises(AssertionError, match=re.escape("log(0) is -inf")):
        check_grads(ad.log, (0.0,))
    with pytest.raises(AssertionError, match=re.escape("add(1e+308, 1e+308) is inf")):
        check_grads(lambda x: x + x, (1e308,))


@pytest.mark.parametrize("f", [ad.relu, abs, lambda x: ad.maximum(x, 2.0 * x)])
def test_a_kink_has_no_derivative(f: Any) -> None:
    with pytest.raises(AssertionError, match="not shown to be right"):
        check_grads(f, (0.0,))


# --- what differences cannot see ---

# At each, floats are so far apart that a period, or a step of one, lies between neighbours that differences look at.
UNSEEN: dict[str, tuple[Callable[..., Any], tuple[float, ...]]] = {
    "a sine far out": (ad.sin, (1e14,)),
    "a sine very far out": (ad.sin, (1e300,)),
    "a sine that is inside": (lambda x: ad.exp(1e-3 * ad.cos(1e9 * x)), (1e7,)),
    "a slow function and a fast one": (lambda x: x + 1e3 * x.cos(), (1e15,)),
    "a whole number of steps": (lambda x: ad.floor(x), (1e15 + 0.5,)),
    "a remainder": (lambda x: x % 1.0, (1e15 + 0.5,)),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_right_derivatives_that_differences_cannot_see_are_shown_by_mpmath(name: str) -> None:
    f, args = UNSEEN[name]
    check_grads(f, args)


@pytest.mark.parametrize("name", UNSEEN)
def test_without_mpmath_they_are_undecided_and_not_wrong(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "autodiff.testing.oracles", None)
    f, args = UNSEEN[name]
    with pytest.raises(Undecided, match="undecided: "):
        check_grads(f, args)


def test_mpmath_decides_of_a_graph_only_if_it_is_all_of_the_function() -> None:
    """The derivative of the graph is the analytic one, but of this function a half is detached."""
    with pytest.raises(Undecided, match="f has no value nearby, or changes faster than differences can follow"):
        check_grads(lambda x: 2.0 * ad.sin(x) - math.sin(data(x)), (1e14,))


@pytest.mark.parametrize("f", [lambda x, y: x // y, lambda x, y: x % y])
def test_where_floats_are_whole_numbers_steps_are_undecided(f: Any) -> None:
    """Differences see the line x / y, mpmath a jump at each whole number."""
    with pytest.raises(Undecided, match="a kink or jump lies within the last digits of the input"):
        check_grads(f, (1e300, 1.0))


def test_a_mistake_that_differences_cannot_see_is_found_by_mpmath(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TABLE["sin"], "partials", (lambda out, x: 1.5 * ad.cos(x),))
    with pytest.raises(AssertionError, match=r"of sin is wrong[\s\S]* says mpmath"):
        check_grads(ad.sin, (1e14,))


WIDE = [s * 10.0**k for s in (1.0, -1.0) for k in (-290, -160, -20.3, -3.7, 0.4, 7.6, 15.2, 30.1, 160, 290)]


@pytest.mark.parametrize("with_mpmath", [True, False])
@EACH
def test_no_derivative_of_the_table_is_called_wrong_at_any_number(
    primitive: Primitive, with_mpmath: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far outside of the domain of its error bound it may be undecided, or not finite."""
    if not with_mpmath:
        monkeypatch.setitem(sys.modules, "autodiff.testing.oracles", None)
    for x in WIDE:
        f, free = of_free_operands(primitive, [x, 0.7, 1.9][: primitive.arity or 2])
        if primitive.name != "where":
            numbers, structure = flatten(free)
            (rows,) = verdicts(f, structure, numbers, order=1)
            assert [row for row in rows if row.outcome is Outcome.WRONG] == []


def test_few_digits_of_a_derivative_are_enough_if_they_are_right() -> None:
    """The bound on the rounding of tanh''(247) is a hundredth of it; what differences give is much closer."""
    check_grads(ad.tanh, (247.0,))


def call_price(spot: Any, volatility: Any) -> Any:
    """Return the price of Black and Scholes, strike 100, a month to go, without interest."""
    spread = volatility * math.sqrt(1.0 / 12.0)
    d = ad.log(spot / 100.0) / spread + spread / 2.0
    below = [(1.0 + ad.erf(x / math.sqrt(2.0))) / 2.0 for x in (d, d - spread)]
    return spot * below[0] - 100.0 * below[1]


def test_what_is_smaller_than_atol_need_not_be_told() -> None:
    """Deep out of the money the price and its derivatives are rounding alone; 1e-8 of a cent does not matter."""
    with pytest.raises(Undecided, match=r"off by .* would go unseen"):
        check_grads(call_price, (20.0, 0.3))
    check_grads(call_price, (20.0, 0.3), atol=1e-8)
    with pytest.raises(AssertionError, match=r"are wrong|is wrong"):
        check_grads(lambda x, y: call_price(x, y) + 1e-6 * data(x), (20.0, 0.3), atol=1e-8)


def test_one_wrong_derivative_among_undecided_ones_is_a_failure() -> None:
    with pytest.raises(Undecided):
        check_grads(lambda x, y: abs(x) + y * y, (0.0, 3.0))
    with pytest.raises(AssertionError, match=r"1 of 2 derivatives of order 1 of .* is wrong, 1 undecided:") as failure:
        check_grads(lambda x, y: abs(x) + y * data(y), (0.0, 3.0))
    assert not isinstance(failure.value, Undecided)


def test_hypothesis_can_reject_what_is_undecided() -> None:
    rejected = []

    @settings(max_examples=20, database=None)
    @given(st.sampled_from([0.0, 1.0, -2.0]))
    def test_of_a_user(x: float) -> None:
        try:
            check_grads(abs, (x,))
        except Undecided:
            rejected.append(x)
            reject()

    test_of_a_user()
    assert set(rejected) == {0.0}


@pytest.mark.parametrize(
    "check", [lambda: check_grads(data, (1.0,)), lambda: assert_gradients_close(1.0, 2.0)], ids=["check", "close"]
)
def test_a_failure_is_shown_at_the_users_line(check: Callable[[], None]) -> None:
    with pytest.raises(AssertionError) as failure:
        check()
    assert failure.traceback.filter(failure)[-1].path.name == "test_checks.py"


def lost_digits(x: Any) -> Any:
    return (x + 1e20) - 1e20


def test_what_differences_cannot_tell_is_told_by_mpmath() -> None:
    check_grads(lost_digits, (1.0,))


def test_what_nobody_can_tell_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "autodiff.testing.oracles", None)
    with pytest.raises(
        AssertionError, match=r"undecided: off by .* would go unseen[\s\S]*mpmath, where it is installed"
    ):
        check_grads(lost_digits, (1.0,))


def test_mpmath_finds_what_differences_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads no rule: a rule of the table that is wrong is wrong to it, too."""
    monkeypatch.setattr(TABLE["sub"], "partials", (lambda out, x, y: 0.5, TABLE["sub"].partials[1]))  # type: ignore[index]
    with pytest.raises(AssertionError, match=r"off by 0\.5: it is 1\.0, says mpmath"):
        check_grads(lambda x: ad.sub(x + 1e20, 1e20), (1.0,), order=1)


def test_forward_mode_and_stored_local_gradients_are_held_against_reverse_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = checks._along
    monkeypatch.setattr(checks, "_along", lambda *args: [1.001 * x for x in exact(*args)])
    with pytest.raises(AssertionError, match="forward mode gives"):
        check_grads(ad.sin, (1.0,))
    monkeypatch.undo()
    with pytest.raises(AssertionError, match="the local gradients stored in the graph give"):
        check_grads(Primitive("two_faced", "x", ad.sin, [two_faced]), (1.0,))


def two_faced(out: Any, x: Any) -> Any:
    """Return the cosine of a Value, and something else of a float."""
    return ad.cos(x) if isinstance(x, Value) else ad.cos(x) + 1e-3


# --- what it leaves alone, and what it refuses ---


def test_orders_above_the_second_are_checked() -> None:
    check_grads(lambda x: x.sin() * x, (0.7,), order=4)
    third = Primitive(
        "third", "x³", lambda x: x * x * x, [lambda out, x: 3.0 * x * x.data if isinstance(x, Value) else 3.0 * x * x]
    )
    with pytest.raises(AssertionError, match="of order 2 of third is wrong"):
        check_grads(third, (0.7,), order=4)


def test_leaves_that_f_closes_over_are_constants_and_stay_as_they_are() -> None:
    w = Value(2.0)
    w.grad = 5.0
    check_grads(lambda x: w * x * x, (3.0,))
    assert (w.data, w.grad) == (2.0, 5.0)


def test_values_among_the_arguments_stand_for_their_data() -> None:
    x = Value(3.0)
    check_grads(lambda x, y: x * y, (x, 2))
    assert x.grad == 0.0


def test_it_checks_inside_no_grad() -> None:
    with ad.no_grad():
        check_grads(ad.sin, (1.0,))
        with pytest.raises(AssertionError):
            check_grads(lambda x: x.data * 2.0, (1.0,))


def test_a_step_out_of_the_domain_may_raise() -> None:
    def root(x: Any) -> Any:
        if x < 0.0:
            raise ValueError("a negative number")
        return x.sqrt()

    check_grads(root, (1e-4,))
    with ad.detect_anomaly():
        check_grads(ad.log, (1e-3,))


def test_a_step_out_of_the_domain_of_a_rule_that_is_made_for_floats_may_raise() -> None:
    root = ad.primitive("root", evaluate=lambda x: math.sqrt(x), partials=[lambda out, x: 0.5 / out])
    check_grads(root, (1e-4,))
    with pytest.raises(TypeError, match="root raised ValueError"):
        check_grads(root, (-1.0,))


def test_a_function_of_more_than_its_arguments_is_refused() -> None:
    numbers = iter(range(100))
    with pytest.raises(ValueError, match=r"f gave 0\.0 and, called again at the same point, 1\.0"):
        check_grads(lambda x: x * next(numbers), (1.0,))


REFUSED: list[tuple[Any, Any, dict[str, Any], type[Exception], str]] = [
    (3.0, (1.0,), {}, TypeError, "expected a function, got float; hand over f itself, not f(x)"),
    (ad.sin, 1.0, {}, TypeError, "args is the tuple of f's arguments, got float; write (x,) for one"),
    (ad.sin, [1.0], {}, TypeError, "args is the tuple of f's arguments, got list"),
    (ad.sin, (1.0,), {"order": 0}, ValueError, "at least 1, got 0"),
    (ad.sin, (1.0,), {"order": True}, TypeError, "order is a whole number, got bool True"),
    (ad.sin, (1.0,), {"order": 1.5}, TypeError, "order is a whole number, got float 1.5"),
    (ad.sin, (1.0,), {"rtol": -1.0}, ValueError, "rtol is a tolerance, at least 0 and finite, got -1.0"),
    (ad.sin, (1.0,), {"atol": "1"}, TypeError, "atol: expected a number, got str '1'"),
    (ad.sin, (), {}, ValueError, "args holds no number"),
    (ad.sin, ([],), {}, ValueError, "args holds no number"),
    (ad.sin, (True,), {}, TypeError, "got the bool True at args[0]"),
    (lambda p: p["w"], ({"w": ["a"]},), {}, TypeError, "at args[0]['w'][0]"),
    (ad.sin, (math.inf,), {}, ValueError, "args[0] is inf"),
    (lambda x: None, (1.0,), {}, TypeError, "f's result"),
    (lambda x: x > 0.0, (1.0,), {}, TypeError, "got the bool True at f's result"),
    (lambda x: [], (1.0,), {}, ValueError, "f's result holds no number"),
]


@pytest.mark.parametrize(("f", "args", "options", "error", "message"), REFUSED)
def test_what_cannot_be_checked_is_refused(f: Any, args: Any, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        check_grads(f, args, **options)


def test_gradients_that_are_close_pass() -> None:
    assert_gradients_close({"a": [1.0, (2, Value(3.0))]}, {"a": [1.0 + 1e-9, (2.0, 3.0)]})
    assert_gradients_close(np.array([1.0, math.nan, math.inf]), np.array([1.0, math.nan, math.inf]))
    assert_gradients_close(1e-9, 0.0, atol=1e-8)


@pytest.mark.parametrize(
    ("actual", "expected", "message"),
    [
        (
            [1.0, 2.0],
            [1.0, 2.1],
            "1 of 2 numbers is off:\nplace  actual  expected  verdict\n[1]    2.0     2.1       off by -0.1",
        ),
        (1e-9, 0.0, "off by 1e-09, 0 tolerated"),
        (math.nan, 1.0, "off by nan"),
        (1.0, math.nan, "off by nan"),
        (math.inf, -math.inf, "off by inf, 0 tolerated"),
        (math.inf, 1e308, "off by inf"),
        ([1.0, 2.0], [1.0], "actual is a list of 2, but a list of 1 was expected"),
        ([1.0], (1.0,), "actual is a list of 1, but a tuple of 1 was expected"),
        ({"a": 1.0}, {"b": 1.0}, "actual is a dict with 'a': a number, but a dict with 'b'"),
    ],
)
def test_gradients_that_are_not_close_fail(actual: Any, expected: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(message)):
        assert_gradients_close(actual, expected)
