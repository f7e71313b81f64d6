"""Derivatives of functions: against closed forms, against each other, nested, on every structure of arguments."""

import copy
import inspect
import math
import pickle
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value, backprop, chain, primitives
from autodiff.graph import topological_order

Function = Callable[..., Any]


def wave(x: Any) -> Any:
    return ad.exp(x) * ad.sin(x)


def surface(v: Any) -> Any:
    x, y, z = v
    return ad.sin(x * y) + ad.exp(-z * z) * x + ad.log(1.0 + y * y) * z / (2.0 + ad.cos(x))


COORDINATES = st.floats(-2.0, 2.0)
VECTORS = st.lists(COORDINATES, min_size=3, max_size=3)


# --- orders ---


@pytest.mark.parametrize("order", range(1, 11))
def test_derivatives_of_a_wave_of_any_order_are_right_to_12_digits(order: int) -> None:
    f: Function = wave
    for _ in range(order):
        f = ad.grad(f)
    for x in (-1.0, 0.3, 2.0):
        with mpmath.workdps(50):
            phase = mpmath.mpf(x) + order * mpmath.pi / 4
            true = float(2 ** (mpmath.mpf(order) / 2) * mpmath.exp(x) * mpmath.sin(phase))
        assert abs(f(x) - true) <= 1e-12 * 2 ** (order / 2) * math.exp(x)


def test_the_tenth_derivative_is_right_to_12_digits_of_itself() -> None:
    f: Function = wave
    for _ in range(10):
        f = ad.grad(f)
    assert math.isclose(f(0.5), 32.0 * math.exp(0.5) * math.cos(0.5), rel_tol=1e-12)


@pytest.mark.parametrize("x", [0.0, -0.0, 1.0, -3.0, 1e-200, 1e150])
def test_the_third_derivative_of_a_square_is_zero_and_never_nan(x: float) -> None:
    for power in (lambda x: x**2, lambda x: x**2.0, lambda x: x * x, ad.square):
        f: Function = power
        orders = [(f := ad.grad(f))(x) for _ in range(4)]
        assert orders == [2.0 * x, 2.0, 0.0, 0.0]


@given(v=VECTORS)
def test_the_hessian_is_the_jacobian_of_the_gradient_and_symmetric_to_the_last_bit(v: list[float]) -> None:
    hessian = np.array(ad.hessian(surface)(v))
    assert (hessian == hessian.T).all()
    np.testing.assert_allclose(hessian, ad.jacobian(ad.grad(surface))(v), rtol=1e-12, atol=1e-13)


@given(v=VECTORS)
def test_the_hessian_of_several_numbers_is_that_of_each_in_its_place(v: list[float]) -> None:
    def f(v: Any) -> Any:
        return {"two": [surface(v), v[0] * v[1] ** 2], "one": ad.exp(v[1]), "constant": 2.0}

    found = ad.hessian(f)(v)
    assert found["two"] == [ad.hessian(lambda v, i=i: f(v)["two"][i])(v) for i in (0, 1)]
    assert found["one"] == ad.hessian(lambda v: f(v)["one"])(v)
    assert found["constant"] == [[0.0] * 3] * 3
    for mine, theirs in zip(found["two"], ad.jacobian(ad.jacobian(f))(v)["two"], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-13)


def test_the_hessian_of_an_array_in_an_array_has_all_their_axes() -> None:
    def f(a: Any) -> Any:
        return np.array([[a[0] @ a[1], a[0, 0] ** 3]] * 2)

    a = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
    found = ad.hessian(f)(a)
    assert (found.shape, found.dtype) == ((2, 2, 2, 3, 2, 3), np.dtype(float))
    assert (found[0, 0, 0, 1, 1, 1], found[1, 0, 1, 1, 0, 1], found[1, 1, 0, 0, 0, 0]) == (1.0, 1.0, 3.0)
    np.testing.assert_array_equal(found, ad.jacobian(ad.jacobian(f))(a))


def test_the_hessian_of_several_numbers_in_several_arguments() -> None:
    a = np.array([0.5, -1.0])
    first, second = ad.hessian(lambda a, x: [x * a[0] * a[1], x**2 * a[0]], (0, 1))(a, 3.0)
    np.testing.assert_array_equal(first[0][0], [[0.0, 3.0], [3.0, 0.0]])
    np.testing.assert_array_equal(second[0][1], [6.0, 0.0])
    assert (first[1][1], second[1][1]) == (0.0, 1.0)
    assert ad.hessian(lambda x: ([x**2, x**3], "aux"), has_aux=True)(2.0) == ([2.0, 12.0], "aux")
    assert ad.hessian(lambda x: [])(1.0) == []
    assert ad.compile(ad.hessian(lambda x: [x**2, x**3]), backend="python")(2.0) == [2.0, 12.0]


@given(v=VECTORS, direction=VECTORS)
def test_hvp_is_the_hessian_times_the_vector(v: list[float], direction: list[float]) -> None:
    product = np.array(ad.hessian(surface)(v)) @ direction
    np.testing.assert_allclose(ad.hvp(surface)(v, direction), product, rtol=1e-12, atol=1e-12)


def test_third_derivatives_are_the_jacobian_of_the_hessian() -> None:
    third = ad.jacobian(ad.hessian(lambda v: v[0] ** 3 * v[1] ** 2))([2.0, 5.0])
    assert third == [[[150.0, 120.0], [120.0, 24.0]], [[120.0, 24.0], [24.0, 0.0]]]


# --- forward and reverse ---


def test_an_array_stands_for_lists_of_numbers_of_its_shape_in_directions() -> None:
    def f(x: Any) -> Any:
        return {"table": [[2 * a, a * a] for a in x], "pair": (x[0], [x[1]])}

    x = np.array([1.0, 3.0, -2.0])
    _, pullback = ad.vjp(f, x)
    table = np.arange(6.0).reshape(3, 2)
    (expected,) = pullback({"table": table.tolist(), "pair": (5.0, [7.0])})
    assert pullback({"table": table, "pair": (5.0, np.array([7.0]))})[0].tolist() == expected.tolist()
    assert pullback({"table": list(table), "pair": (5.0, [7.0])})[0].tolist() == expected.tolist()
    for wrong in (table.T, table.ravel(), table[:2], table[:, :1], table[..., None]):
        with pytest.raises(TypeError, match="expected the cotangent in the form of f's result"):
            pullback({"table": wrong, "pair": (5.0, [7.0])})
    with pytest.raises(TypeError, match="in the form of f's result, a number; got an array of shape"):
        ad.vjp(lambda x: x[0], x)[1](np.ones(1))
    with pytest.raises(TypeError, match=r"an array of shape \(3,\); got an array of shape \(2,\)"):
        ad.vjp(lambda x: x * 2, x)[1](np.ones(2))
    assert ad.vjp(lambda x: ([], x[0]), x)[1]((np.zeros(0), 1.0))[0].tolist() == [1.0, 0.0, 0.0]
    assert ad.hvp(lambda x: x[0] * x[1])([1.0, 2.0], np.array([3.0, 5.0])) == [5.0, 3.0]
    assert ad.jvp(lambda x: x[0] * x[1], ([1.0, 2.0],), (np.array([3.0, 5.0]),)) == (2.0, 11.0)


@given(v=VECTORS, tangent=VECTORS, cotangent=st.lists(COORDINATES, min_size=2, max_size=2))
def test_forward_and_reverse_mode_are_transposes(v: list[float], tangent: list[float], cotangent: list[float]) -> None:
    def f(v: Any) -> Any:
        return [surface(v), v[0] * v[2] - ad.tanh(v[1])]

    out, along = ad.jvp(f, (v,), (tangent,))
    again, pullback = ad.vjp(f, v)
    assert out == again == [x.data for x in f([Value(x) for x in v])]
    left = math.fsum(c * a for c, a in zip(cotangent, along, strict=True))
    right = math.fsum(p * t for p, t in zip(pullback(cotangent)[0], tangent, strict=True))
    assert abs(left - right) <= 1e-12 * (1.0 + sum(map(abs, tangent)) * sum(map(abs, cotangent)))


@given(v=VECTORS)
def test_gradient_gives_what_backward_gives_to_the_last_bit(v: list[float]) -> None:
    nodes = [Value(x) for x in v]
    out = surface(nodes)
    again = ad.gradient(out, nodes)
    out.backward()
    assert [x.grad for x in nodes] == [g.data for g in again] == ad.grad(surface)(v)


SINGULAR: list[tuple[Function, list[float]]] = [
    (ad.relu, [0.0]),
    (abs, [0.0]),
    (ad.maximum, [1.0, 1.0]),
    (lambda x: ad.maximum(x, x), [2.0]),
    (lambda *v: ad.max(v), [1.0, 3.0, 3.0]),
    (lambda *v: ad.prod(v), [0.0, 5.0, 0.0]),
    (lambda *v: ad.prod(v), [0.0, 5.0, 2.0]),
    (ad.clip, [0.0, 0.0, 1.0]),
    (ad.clip, [2.0, 0.0, 1.0]),
    (ad.sqrt, [0.0]),
    (ad.log, [0.0]),
    (lambda x: x**0, [0.0]),
    (lambda x: x**1, [0.0]),
    (lambda x: x**-2, [0.0]),
    (lambda x: x / 0.0, [1.0]),
    (lambda x: 1.0 / x, [0.0]),
    (lambda x: x % 2.0, [-5.5]),
    (lambda x, y: x**y, [0.0, 0.0]),
    (lambda x, y: x**y, [0.0, 2.0]),
    (lambda x, y: x**y, [0.0, 0.5]),
    (lambda x, y: x**y, [-2.0, 3.0]),
    (lambda x: x**3, [-2.0]),
    (lambda x: x**0.5, [-2.0]),
    (lambda x: (-2.0) ** x, [0.5]),
    (ad.arctan2, [0.0, 0.0]),
    (ad.hypot, [0.0, 0.0]),
    (lambda *v: ad.norm(v), [0.0, 0.0]),
    (lambda x: ad.where(x > 0, x.log(), 0.0), [0.0]),
    (lambda x: ad.where(x > 0, ad.sqrt(x), x * x), [0.0]),
    (lambda x: 0 * ad.sqrt(x), [0.0]),
    (lambda x: ad.sqrt(0.0 * x), [0.0]),
    (lambda x: ad.sqrt(ad.floor(x)), [0.5]),
    (lambda x: ad.log(ad.floor(x) * x), [0.5]),
    (lambda x: x * ad.sqrt(x), [0.0]),
    (lambda x: ad.sqrt(x * x), [0.0]),
    (lambda x: ad.relu(ad.sqrt(x) - 1.0), [0.0]),
    (lambda x: ad.minimum(1.0 / x, 1.0), [0.0]),
    (lambda x: ad.log(ad.relu(x)), [0.0]),
    (ad.exp, [1000.0]),
    (ad.sigmoid, [-1000.0]),
    (lambda *v: ad.logsumexp(v), [-math.inf, -math.inf]),
    (lambda *v: ad.logsumexp(v), [1000.0, 1000.0]),
    (lambda *v: ad.softmax(v)[0], [1000.0, 0.0]),
    (lambda x, y: x * y, [math.inf, 0.0]),
    (lambda x: x - x, [math.inf]),
]


@pytest.mark.parametrize(("f", "numbers"), SINGULAR)
def test_conventions_at_singular_points_are_the_same_in_every_mode(f: Function, numbers: list[float]) -> None:
    nodes = [Value(x) for x in numbers]
    out = f(*nodes)
    out.backward()
    expected = repr([x.grad + 0.0 for x in nodes])
    every = list(range(len(numbers)))
    assert repr([g.data + 0.0 for g in ad.gradient(out, nodes)]) == expected
    assert repr([g + 0.0 for g in ad.grad(f, every)(*numbers)]) == expected
    w = Value(1.0)
    through_a_value = ad.grad(lambda *v: f(*v) * w, every)(*numbers)
    assert repr([getattr(g, "data", g) + 0.0 for g in through_a_value]) == expected
    unit = [[float(i == j) for i in every] for j in every]
    assert repr([ad.jvp(f, numbers, row)[1] + 0.0 for row in unit]) == expected


# --- nesting, and whose Value is whose ---


def test_perturbations_are_not_confused() -> None:
    assert ad.grad(lambda x: x * ad.grad(lambda y: x * y)(1.0))(3.0) == 6.0
    assert ad.grad(lambda x: x * ad.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert ad.jvp(lambda x: x * ad.jvp(lambda y: x * y, (1.0,), (1.0,))[1], (3.0,), (1.0,)) == (9.0, 6.0)
    assert ad.grad(lambda x: x * ad.jvp(lambda y: x * y, (1.0,), (1.0,))[1])(3.0) == 6.0
    assert ad.jvp(lambda x: x * ad.grad(lambda y: x * y)(1.0), (3.0,), (1.0,)) == (9.0, 6.0)
    assert ad.grad(lambda x: ad.grad(lambda y: x * y * y)(x))(3.0) == 12.0  # d/dx (2 x x), with x given as y, too
    assert ad.grad(lambda x: ad.hvp(lambda y: x * y**3)(x, x))(2.0) == 6.0 * 3 * 4.0
    assert ad.grad(lambda x: ad.vjp(lambda y: x * y, x)[1](x)[0])(3.0) == 6.0
    assert ad.grad(lambda x: ad.hessian(lambda y: x**2 * y**2)(x))(3.0) == 12.0
    assert ad.grad(lambda x: ad.sum(ad.jacobian(lambda y: [x * y, y])(x)))(3.0) == 1.0


def test_an_inner_function_may_forget_or_return_the_outer_variable() -> None:
    assert ad.grad(lambda x: ad.grad(lambda y: 3.0 * y)(x))(2.0) == 0.0
    assert ad.grad(lambda x: ad.grad(lambda y: x)(1.0))(2.0) == 0.0
    assert ad.grad(lambda x: ad.value_and_grad(lambda y: x)(1.0)[0] * x)(2.0) == 4.0
    assert ad.value_and_grad(lambda x: x)(2.0) == (2.0, 1.0)


def test_a_result_is_a_float_unless_it_depends_on_a_value_from_elsewhere() -> None:
    w, x = Value(2.0), Value(3.0)
    assert type(ad.grad(lambda x: x * x)(3)) is float
    assert type(ad.grad(lambda x: x * Value(2.0))(3.0)) is float  # made inside
    assert type(ad.grad(lambda x: x * x.detach())(3.0)) is float
    assert type(ad.grad(lambda x: 3.0 * x)(x)) is float  # the gradient of it is constant
    assert type(ad.grad(lambda x: x * x + w)(3.0)) is float
    assert isinstance(ad.grad(lambda x: x * x)(x), Value)
    assert isinstance(ad.grad(lambda x: w * x)(3.0), Value)
    value, slope = ad.value_and_grad(lambda x: x * x + w)(3.0)
    assert isinstance(value, Value)
    assert slope == 6.0
    assert ad.grad(lambda x, y: x * x * y, argnums=(0, 1))(x, 2.0)[1].data == 9.0
    out, along = ad.jvp(lambda x: [x, 2.0 * x, x * x], (3.0,), (w,))
    assert out == [3.0, 6.0, 9.0]
    assert [t.data for t in along] == [2.0, 4.0, 12.0]
    _, pullback = ad.vjp(lambda x: x * x, 3.0)
    assert pullback(1.0) == (6.0,)
    assert pullback(w)[0].data == 12.0


def test_a_gradient_can_be_trained_through() -> None:
    """The value of a gradient step, differentiated in its learning rate and in a weight it closes over."""
    rate, w = Value(0.1), Value(2.0)

    def loss(x: Any) -> Any:
        return (w * x - 1.0) ** 2

    x = 3.0
    after = loss(x - rate * ad.grad(loss)(x))
    after.backward()
    slope, moved = 2 * 2 * (6 - 1.0), 3 - 0.1 * 2 * 2 * (6 - 1.0)
    assert math.isclose(rate.grad, 2 * (2 * moved - 1) * 2 * -slope)
    in_w = 2 * (2 * moved - 1) * (moved + 2 * -0.1 * (2 * (2 * 2 * 3 - 1)))
    assert math.isclose(w.grad, in_w)


def test_no_grad_of_a_users_value_is_touched() -> None:
    x, w = Value(3.0), Value(2.0)
    inside = w * w
    x.grad = w.grad = inside.grad = 7.0

    def f(x: Any) -> Any:
        return inside * x * x * w

    ad.grad(f)(x), ad.grad(f)(1.0), ad.hessian(f)(x), ad.hvp(f)(x, 1.0), ad.jacobian(f)(x)
    ad.jvp(f, (x,), (1.0,)), ad.vjp(f, x)[1](1.0), ad.gradient(f(x), [x, w, inside]), ad.value_and_grad(f)(x)
    ad.grad(lambda x: x)(x), ad.grad(lambda y: x)(1.0), ad.vjp(lambda y: [x, inside], 1.0)[1]([1.0, 1.0])
    assert (x.grad, w.grad, inside.grad) == (7.0, 7.0, 7.0)


def test_nodes_that_f_makes_and_keeps_keep_their_grad() -> None:
    kept: list[Value] = []

    def f(x: Any) -> Any:
        w = Value(2.0)
        inside = w * x
        w.grad = inside.grad = 7.0
        kept.extend([w, inside])
        return inside * inside

    for derivative in (ad.grad(f), ad.jacobian(f), ad.jacobian(lambda x: [f(x)] * 3), ad.hessian(f)):
        derivative(3.0)
    ad.jvp(f, (3.0,), (1.0,)), ad.vjp(f, 3.0)[1](1.0), ad.hvp(f)(3.0, 1.0), ad.preaccumulate(f)(Value(3.0))
    with ad.detect_anomaly():
        assert ad.grad(f)(3.0) == 24.0
    assert [x.grad for x in kept] == [7.0] * len(kept)


def test_leaves_that_f_makes_and_keeps_keep_their_grad() -> None:
    class Lazy:
        w: Any = None

        def __call__(self, x: Any) -> Any:
            self.w = self.w or Value(2.0)
            return self.w * x * x

    lazy = Lazy()
    assert ad.grad(lazy)(3.0) == 12.0
    assert lazy.w.grad == 0.0
    lazy = Lazy()
    _, pullback = ad.vjp(lazy, 3.0)
    lazy.w.grad = 7.0
    assert pullback(1.0) == (12.0,)
    assert lazy.w.grad == 7.0


def test_leaves_that_f_copies_are_its_own() -> None:
    c = Value(2.0)
    for make in (copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))):
        assert repr(ad.grad(lambda x, make=make: x * make(c))(3.0)) == "2.0"

    assert repr(ad.grad(lambda x: x * copy.deepcopy(c * c))(3.0)) == "4.0"
    assert ad.grad(lambda x: x * copy.copy(c * c))(3.0).operands == (c, c)  # which is a node on the same operands


def test_a_pullback_goes_by_the_mode_it_is_called_in() -> None:
    w = Value(2.0)
    _, pullback = ad.vjp(lambda x: x * x * w, 3.0)
    with ad.no_grad():
        assert pullback(1.0)[0].op is None
    assert pullback(1.0)[0].op is not None
    with ad.no_grad():
        _, pullback = ad.vjp(lambda x: x * x * w, 3.0)
    assert pullback(1.0)[0].op is not None


def test_a_sweep_does_not_go_beyond_the_values_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or an unrolled optimiser would walk all steps before at each step."""
    from autodiff.transforms import runs

    sizes = []
    ordered = runs.topological_order
    monkeypatch.setattr(runs, "topological_order", lambda *a, **k: sizes.append(len(o := ordered(*a, **k))) or o)
    x, w = Value(0.5), Value(0.1)
    y = x
    for _ in range(50):
        y = y - w * ad.grad(lambda t: t * t * t * t + t * t)(y)
    assert max(sizes) < 20
    y.backward()
    z, dz = 0.5, 1.0
    for _ in range(50):
        z, dz = z - 0.1 * (4 * z**3 + 2 * z), dz * (1 - 0.1 * (12 * z * z + 2))
    assert (y.data, x.grad) == pytest.approx((z, dz))
    for transform in (ad.jacobian, ad.hessian, lambda f: lambda x: ad.jvp(f, (x,), (1.0,))[1]):
        sizes.clear()
        transform(lambda t: t * t * t)(y)
        assert max(sizes) < 40


def test_leaves_alone_are_remembered_inside_a_transform() -> None:
    """Not the nodes made inside detect_anomaly or record_source, which would keep a whole graph alive."""
    from autodiff import modes

    with modes.new_leaves as log, ad.record_source():
        x = Value(2.0)
        y = x * x + 1.0
        with ad.detect_anomaly():
            ad.exp(y)
    assert log == [x]
    with modes.new_leaves as log, ad.no_grad():
        y = x * x
    assert [leaf is y for leaf in log] == [True]


def test_keys_of_a_direction_may_stand_in_another_order() -> None:
    def f(p: Any) -> Any:
        return p["a"] ** 2 * p["b"][0]["c"]

    p, v = {"a": 3.0, "b": [{"c": 2.0, "d": 1.0}]}, {"b": [{"d": 0.0, "c": 1.0}], "a": 10.0}
    assert ad.hvp(f)(p, v) == {"a": 2 * 2 * 10.0 + 6.0, "b": [{"c": 60.0, "d": 0.0}]}
    assert ad.jvp(f, (p,), (v,))[1] == 12.0 * 10 + 9.0
    _, pullback = ad.vjp(lambda x: {"y": x, "z": 2.0 * x}, 1.0)
    assert pullback({"z": 10.0, "y": 1.0}) == (21.0,)


def test_gradient_reaches_nodes_inside_the_graph_and_what_does_not_matter() -> None:
    x, y = Value(3.0), Value(5.0)
    inside = x * x
    out = inside * inside * x
    assert [g.data for g in ad.gradient(out, [inside, x, y, out])] == [2 * 9 * 3.0, 5 * 81.0, 0.0, 1.0]
    assert ad.gradient(out, {"x": x})["x"].data == 405.0
    assert ad.gradient(out, x).data == 405.0
    assert (ad.gradient(ad.sum([out]), np.array([x, y], dtype=object))[0]).data == 405.0
    assert ad.gradient(ad.gradient(ad.gradient(out, x), x), x).data == 5 * 4 * 3 * 9.0


def test_gradient_reads_the_data_as_it_is_now() -> None:
    x = Value(3.0)
    y = x * x
    x.data = 5.0
    assert ad.gradient(y, x).data == 10.0
    y.backward()
    assert x.grad == 6.0


# --- structures ---


class Point(NamedTuple):
    x: Any
    y: Any


def test_the_gradient_has_the_form_of_its_argument() -> None:
    def f(p: Any) -> Any:
        return p["w"][0] * p["w"][1][1] + p["b"] * 3 + p["at"].x * p["at"].y

    p = {"w": [2.0, (7, 3.0)], "b": Fraction(1, 2), "at": Point(4.0, np.float32(5.0))}
    got = ad.grad(f)(p)
    assert got == {"w": [3.0, (0.0, 2.0)], "b": 3.0, "at": Point(5.0, 4.0)}
    assert type(got["at"]) is Point
    assert type(got["w"][1]) is tuple
    assert ad.grad(lambda v: 0.0)({"empty": [], "n": 1}) == {"empty": [], "n": 0.0}
    matrix = ad.hessian(f)(p)
    assert matrix["w"][0]["w"] == [0.0, (0.0, 1.0)]
    assert matrix["at"].x["at"] == Point(0.0, 1.0)


def test_arrays_reach_f_as_arrays_of_values_and_give_arrays_of_floats() -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.append((x.shape, x.dtype, type(x.flat[0]) if x.size else Value))
        return np.sum(x * x) if x.size else 0.0

    assert ad.grad(f)(np.empty((0, 2))).shape == (0, 2)
    for x in (np.arange(6).reshape(2, 3), np.array(3.0), np.full(4, 2.0)):
        got = ad.grad(f)(x)
        assert isinstance(got, np.ndarray)
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, 2.0 * x)
        assert seen[-1] == (x.shape, object, Value)
    x = np.arange(6.0).reshape(2, 3)
    assert ad.hessian(f)(x).shape == (2, 3, 2, 3)
    np.testing.assert_array_equal(ad.hvp(f)(x, x), 2.0 * x)
    np.testing.assert_array_equal(ad.hessian(f)(x).reshape(6, 6), 2.0 * np.eye(6))
    assert ad.grad(f)(np.array([Value(3.0), 2.0], dtype=object))[0].data == 6.0


def test_the_jacobian_has_the_form_of_the_result_and_in_it_that_of_the_argument() -> None:
    x = np.array([1.0, 2.0, 3.0])
    a = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(ad.jacobian(lambda x: a @ x)(x), a)
    assert [row.tolist() for row in ad.jacobian(lambda x: list(a @ x))(x)] == a.tolist()
    columns = ad.jacobian(lambda v: a @ np.array(v, dtype=object))([1.0, 2.0, 3.0])
    assert [column.tolist() for column in columns] == a.T.tolist()
    assert ad.jacobian(lambda x: np.outer(x, x))(x).shape == (3, 3, 3)
    assert ad.jacobian(lambda x, y: {"p": x * y, "s": (x, 1.0)}, (0, 1))(2.0, 3.0) == {
        "p": (3.0, 2.0),
        "s": ((1.0, 0.0), (0.0, 0.0)),
    }
    assert ad.jacobian(lambda x: x * x)(3.0) == 6.0
    assert ad.jacobian(lambda x: x * x)([3.0][0]) == ad.grad(lambda x: x * x)(3.0)
    np.testing.assert_array_equal(ad.jacobian(lambda v: v[0] * v[1])(np.array([2.0, 3.0])), [3.0, 2.0])


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 40), (2, 40), (40, 1), (7, 7)])
def test_the_jacobian_is_the_same_by_whichever_sweep_is_cheaper(inputs: int, outputs: int) -> None:
    """Of a trajectory each point was made from all before it: with few inputs the forward sweep is the cheaper."""

    def trajectory(v: Any) -> Any:
        x, points = ad.sin(ad.sum(v)), []
        for i in range(outputs):
            x = x + 0.1 * ad.tanh(x * v[i % inputs])
            points.append(x)
        return points

    v = [0.1 * (i + 1) for i in range(inputs)]
    rows = [ad.grad(lambda v, i=i: trajectory(v)[i])(v) for i in range(outputs)]
    np.testing.assert_allclose(ad.jacobian(trajectory)(v), rows, rtol=1e-12)
    w = Value(1.0)
    through = np.array(ad.jacobian(lambda v: [w * x for x in trajectory(v)])(v))
    np.testing.assert_allclose(np.vectorize(lambda x: x.data)(through), rows, rtol=1e-12)


def test_a_long_trajectory_does_not_cost_the_square_of_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    visited = []

    def counting(sweep: Function) -> Function:
        def counted(order: Any, *rest: Any) -> Any:
            visited.append(len(order))
            return sweep(order, *rest)

        return counted

    monkeypatch.setattr(chain, "tangents_at", counting(chain.tangents_at))
    monkeypatch.setattr(chain, "adjoints_at", counting(chain.adjoints_at))

    def trajectory(v: Any) -> Any:
        x, points = v[0], []
        for _ in range(500):
            x = x * v[1] + 0.1
            points.append(x)
        return points

    ad.jacobian(trajectory)([0.5, 0.9])
    assert sum(visited) < 5 * 2 * 1000


@pytest.mark.parametrize("backwards", [False, True])
def test_a_hessian_leaves_out_what_is_settled(monkeypatch: pytest.MonkeyPatch, backwards: bool) -> None:
    """Of a chain of steps a third of the nodes, in whichever order its parameters are given."""
    visited = []
    gradients_at = backprop.gradients_at

    def counted(order: Any, seeds: Any, inputs: Any) -> list[float]:
        visited.append(len(order))
        return gradients_at(order, seeds, inputs)

    monkeypatch.setattr(backprop, "gradients_at", counted)

    def chain(weights: Any) -> Any:
        x = 0.5
        for w in reversed(weights) if backwards else weights:
            x = ad.tanh(w * x)
        return x

    weights = [1.0 + 0.01 * i for i in range(30)]
    matrix = ad.hessian(chain)(weights)
    of_the_hessian = sum(visited)
    visited.clear()
    expected = ad.jacobian(ad.grad(chain))(weights)
    np.testing.assert_allclose(matrix, expected, rtol=1e-10, atol=1e-14)
    assert of_the_hessian < 0.7 * sum(visited)


def test_a_sparse_hessian_visits_little_more_than_its_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    visited = []

    def counted(order: Any, seeds: Any, inputs: Any) -> list[float]:
        visited.append(len(order))
        return [0.0] * len(inputs)

    monkeypatch.setattr(backprop, "gradients_at", counted)
    ad.hessian(lambda v: ad.sum([a * a * b for a, b in zip(v, v[1:] + v[:1], strict=True)]))([0.1] * 200)
    assert 0 < sum(visited) < 200 * 10


def test_an_input_that_f_does_not_use_has_rows_of_zeros() -> None:
    assert ad.hessian(lambda v: v[1] ** 2 * v[3])([1.0, 2.0, 3.0, 4.0, 5.0]) == [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 8.0, 0.0, 4.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 4.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0],
    ]
    assert ad.hessian(lambda v: 1.0)([1.0, 2.0]) == [[0.0, 0.0], [0.0, 0.0]]
    assert ad.hessian(lambda v: v[0])([1.0]) == [[0.0]]
    assert ad.hessian(lambda v: 1.0)([]) == []
    assert ad.hvp(lambda v: v[0] * 2.0)([1.0, 2.0], [3.0, 4.0]) == [0.0, 0.0]


def test_floats_are_swept_without_reading_a_rule_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from autodiff.transforms import sweeps

    def again(*_: Any) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(sweeps, "read_again", again)
    v = [0.1, 0.2, 0.3]
    slopes = ad.grad(surface)(v)
    assert ad.jacobian(surface)(v) == slopes
    assert ad.vjp(surface, v)[1](1.0) == (slopes,)
    assert ad.jvp(surface, (v,), ([1.0, 0.0, 0.0],))[1] == pytest.approx(slopes[0])
    with pytest.raises(AssertionError, match="read again"):
        ad.jvp(surface, (v,), ([Value(1.0), 0.0, 0.0],))
    with pytest.raises(AssertionError, match="read again"):
        ad.hvp(surface)(v, v)


def test_a_node_that_stands_in_several_places_counts_in_each() -> None:
    def f(x: Any) -> Any:
        y = x * x
        return [y, y, x, {"again": y}]

    out, pullback = ad.vjp(f, 3.0)
    assert out == [9.0, 9.0, 3.0, {"again": 9.0}]
    assert pullback([1.0, 10.0, 100.0, {"again": 1000.0}]) == (1011.0 * 6.0 + 100.0,)
    assert ad.jvp(f, (3.0,), (1.0,))[1] == [6.0, 6.0, 1.0, {"again": 6.0}]
    assert ad.jacobian(f)(3.0) == [6.0, 6.0, 1.0, {"again": 6.0}]
    assert ad.hvp(lambda v: v[0] * v[0] * v[1])([3.0, 2.0], [1.0, 1.0]) == [4.0 + 6.0, 6.0]
    assert ad.hvp(lambda v: ad.sum(v) ** 2)([3.0, 2.0], [1.0, 1.0]) == [4.0, 4.0]  # one slope, twice


def test_argnums_are_an_index_or_several_and_may_count_from_the_end() -> None:
    def f(x: Any, y: Any, *, z: Any = 1.0) -> Any:
        return x * x * y * z

    assert ad.grad(f)(3.0, 5.0) == 30.0
    assert ad.grad(f, 1)(3.0, 5.0) == ad.grad(f, -1)(3.0, 5.0) == 9.0
    assert ad.grad(f, [1, 0])(3.0, 5.0, z=2.0) == (18.0, 60.0)
    assert ad.grad(f, (0,))(3.0, 5.0) == (30.0,)
    assert ad.grad(f, np.int64(1))(3.0, 5.0) == 9.0
    assert ad.grad(f, np.array([1, 0]))(3.0, 5.0) == (9.0, 30.0)
    assert ad.hessian(f, (0, 1))(3.0, 5.0) == ((10.0, 6.0), (6.0, 0.0))
    assert ad.hvp(f, (0, 1))(3.0, 5.0, (1.0, 0.0)) == (10.0, 6.0)
    assert ad.hvp(f, 1)(3.0, 5.0, 1.0) == 0.0
    assert ad.grad(lambda name, x: x if name == "x" else 0.0, 1)("x", 2.0) == 1.0  # others may be anything


def test_aux_is_handed_through_as_numbers() -> None:
    w = Value(2.0)

    def f(x: Any) -> Any:
        return x * x, {"twice": 2 * x, "name": "f", "array": np.array([x, 1.0], dtype=object), "w": w, "n": None}

    for gradient, aux in (ad.grad(f, has_aux=True)(3.0), (6.0, ad.value_and_grad(f, has_aux=True)(3.0)[0][1])):
        assert gradient == 6.0
        assert repr(aux["twice"]) == "6.0"
        assert aux["name"] == "f"
        assert repr(aux["array"].tolist()) == "[3.0, 1.0]"
        assert aux["w"] is w
        assert aux["n"] is None
    assert ad.jacobian(f, has_aux=True)(3.0)[0] == 6.0
    assert ad.hessian(f, has_aux=True)(3.0)[0] == 2.0
    assert ad.jvp(f, (3.0,), (1.0,), has_aux=True)[:2] == (9.0, 6.0)
    assert repr(ad.jvp(f, (3.0,), (1.0,), has_aux=True)[2]["twice"]) == "6.0"
    out, pullback, aux = ad.vjp(f, 3.0, has_aux=True)
    assert (out, pullback(1.0), aux["twice"]) == (9.0, (6.0,), 6.0)
    inner = ad.grad(lambda x: ad.grad(f, has_aux=True)(x)[1]["twice"])
    assert inner(3.0) == 2.0


def test_integers_and_other_numbers_are_numbers() -> None:
    for three in (3, np.int64(3), np.float32(3.0), Fraction(3), 3.0):
        assert ad.grad(lambda x: x**2)(three) == 6.0
    assert ad.grad(lambda x: 5)(1.0) == 0.0
    assert ad.grad(lambda x: np.float64(2.0))(1.0) == 0.0
    assert ad.grad(lambda x: np.array(x * x))(3.0) == 6.0
    assert ad.grad(lambda p: p["x"] * 2)({"x": 3, "n": 2}) == {"x": 2.0, "n": 0.0}


def test_a_wrapped_function_says_whose_derivative_it_is() -> None:
    assert ad.grad(wave).__name__ == "grad(wave)"
    assert ad.grad(ad.grad(wave)).__name__ == "grad(grad(wave))"
    assert ad.hessian(ad.exp).__name__ == "hessian(exp)"
    assert list(inspect.signature(ad.grad(surface)).parameters) == ["v"]
    assert list(inspect.signature(ad.hvp(surface)).parameters) == ["args", "kwargs"]


# --- ambient modes, depth, threads ---


def test_transforms_differentiate_inside_no_grad_but_record_nothing_outside() -> None:
    x = Value(3.0)
    with ad.no_grad():
        assert ad.grad(wave)(0.5) == pytest.approx(2.2373281197977843)
        assert ad.grad(ad.grad(lambda x: x**3))(2.0) == 12.0
        slope = ad.grad(lambda y: y * y * x)(x)
        assert (slope.data, slope.op) == (18.0, None)
        assert ad.hessian(lambda y: y * y)(1.0) == 2.0
        assert (x * x).op is None
    assert (x * x).op is primitives.mul


def test_anomalies_are_found_in_transforms() -> None:
    with ad.detect_anomaly():
        assert ad.grad(wave)(0.5) == pytest.approx(2.2373281197977843)
        assert ad.hessian(lambda x: x**2)(-3.0) == 2.0  # the logarithm in the rule of the exponent is not read
        with pytest.raises(FloatingPointError, match="log made -inf"):
            ad.grad(ad.log)(0.0)
        with pytest.raises(FloatingPointError, match=r"the gradient of .* became inf"):
            ad.grad(ad.sqrt)(0.0)


def test_deep_graphs_differentiate_without_recursion() -> None:
    def chain(x: Any) -> Any:
        for _ in range(30_000):
            x = x * 0.9999 + 0.0001 * x * x
        return x

    value, slope = ad.value_and_grad(chain)(0.5)
    assert 0.0 < value < slope < 1.0
    assert ad.jvp(chain, (0.5,), (1.0,))[1] == pytest.approx(slope, rel=1e-9)
    assert math.isfinite(ad.hvp(chain)(0.5, 1.0))


def test_threads_do_not_disturb_each_other() -> None:
    _, pullback = ad.vjp(surface, [0.1, 0.2, 0.3])
    expected = pullback(1.0)
    with ThreadPoolExecutor(8) as pool:
        assert all(found == expected for found in pool.map(lambda _: pullback(1.0), range(200)))
        assert list(pool.map(ad.grad(wave), [0.5] * 100)) == [ad.grad(wave)(0.5)] * 100


def test_a_context_left_by_an_exception_leaves_nothing_behind() -> None:
    from autodiff import modes

    def raising(x: Any) -> Any:
        raise KeyError(x)

    with pytest.raises(KeyError), ad.no_grad():
        ad.grad(raising)(1.0)
    assert modes.current() is None
    assert modes.new_leaves.blocks() == []
    assert threading.active_count() >= 1


# --- sweeps ---


def test_what_contributes_nothing_adds_nothing_to_the_graph_of_a_gradient() -> None:
    x, y = Value(0.7), Value(2.0)
    for out in (ad.floor(x) * y, y * 3.0 + ad.sign(x), ad.where(x > 0, y, x * x) + 0.0 * x):
        assert [g.operands for g in ad.gradient(out, [x])] == [()]
    assert len(topological_order(ad.gradient(x * y, x))) == 0  # y itself
    assert len(topological_order(ad.gradient(ad.sin(x) + y, x))) == 1  # cos x
    assert len(topological_order(ad.gradient(x**2, x))) == 2  # x ** 1, times 2: the rule of the exponent is not read


def test_a_primitive_of_ones_own_has_derivatives_of_every_order() -> None:
    cube = ad.primitive("cube", evaluate=lambda x: x * x * x, partials=[lambda out, x: 3 * x * x])
    f: Function = cube
    assert [(f := ad.grad(f))(2.0) for _ in range(4)] == [12.0, 12.0, 6.0, 0.0]
    whole = ad.primitive("whole", evaluate=lambda x: x, partials=[lambda out, x: 1])
    assert ad.grad(ad.grad(lambda x: whole(x) * x))(2.0) == 2.0


def test_a_rule_that_leaves_the_graph_is_named() -> None:
    bad = ad.primitive("bad", evaluate=lambda x: ad.exp(x), partials=[lambda out, x: math.exp(x)])
    assert ad.grad(bad)(0.0) == 1.0
    with pytest.raises(TypeError, match=r"the partials of bad cannot be differentiated again .*autodiff\.exp"):
        ad.grad(ad.grad(bad))(0.0)


def test_a_rule_that_leaves_the_real_line_on_a_constant_gives_nan() -> None:
    rules = [lambda out, x, c: c**0.5, lambda out, x, c: x]  # a complex number of the float -4.0, nan of a Value
    scaled = ad.primitive("scaled", evaluate=lambda x, c: x * abs(c), partials=rules)
    x = Value(3.0)
    y = scaled(x, -4.0)
    assert math.isnan(y.local_gradients[0])
    assert math.isnan(ad.gradient(y, x).data)


# --- errors ---

ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: ad.grad(lambda x: [x, x, x])(1.0),
        TypeError,
        "grad expected f to return one number, got a list of 3; use jacobian, or return their sum",
    ),
    (lambda: ad.grad(lambda x: {"a": x})(1.0), TypeError, "one number, got a dict with 'a': a number; use jacobian"),
    (lambda: ad.grad(lambda x: np.array([x]))(1.0), TypeError, "one number, got an array of shape (1,); use jacobian"),
    (lambda: ad.value_and_grad(lambda x: (x, x))(1.0), TypeError, "value_and_grad expected f to return one number"),
    (lambda: ad.hvp(lambda x: [x])(1.0, 1.0), TypeError, "hvp expected f to return one number, got a list of 1"),
    (lambda: ad.grad(lambda x: None)(1.0), TypeError, "grad: expected a number, got NoneType None; is a `return`"),
    (lambda: ad.grad(lambda x: "s")(1.0), TypeError, "got str 's'; convert text with float(...) first (at f's result)"),
    (
        lambda: ad.grad(lambda x: x > 0)(1.0),
        TypeError,
        "got the bool True at f's result; a truth value has",
    ),
    (lambda: ad.grad(lambda x: 1j)(1.0), TypeError, "expected a real number, got complex 1j"),
    (lambda: ad.jacobian(lambda x: [x, None])(1.0), TypeError, "(at f's result[1])"),
    (
        lambda: ad.grad(wave, 1)(1.0),
        ValueError,
        "argnums=1 of grad is out of range: f was given 1 positional arg",
    ),
    (lambda: ad.grad(wave, -2)(1.0), ValueError, "argnums=-2 of grad is out of range"),
    (lambda: ad.grad(wave)(), ValueError, "f was given 0 positional arguments"),
    (lambda: ad.grad(wave, (0, 0))(1.0), ValueError, "names an argument twice"),
    (lambda: ad.grad(wave, "x")(1.0), TypeError, "is the index of an argument, or a list of them, got 'x'"),
    (lambda: ad.grad(wave, 0.0)(1.0), TypeError, "is the index of an argument, or a list of them, got 0.0"),
    (lambda: ad.grad(wave, [0.0])(1.0), TypeError, "holds indices of arguments, got 0.0"),
    (lambda: ad.grad(wave, True)(1.0, 2.0), TypeError, "is the index of an argument"),
    (lambda: ad.grad(wave)("1"), TypeError, "grad: expected a number, got str '1'; convert text with float(...) first"),
    (lambda: ad.grad(wave)(True), TypeError, "grad: expected a number, got the bool True at args[0]"),
    (lambda: ad.grad(wave)(np.bool_(True)), TypeError, "got the bool True at args[0]"),
    (lambda: ad.grad(wave)({"a": [1, "x"]}), TypeError, "(at args[0]['a'][1])"),
    (lambda: ad.grad(wave)({1.0}), TypeError, "(at args[0])"),
    (lambda: ad.grad(wave)(None), TypeError, "(at args[0])"),
    (lambda: ad.grad(wave)(np.array([True])), TypeError, "expected numbers, got an array of bool at args[0]"),
    (lambda: ad.grad(wave)(np.array([1j])), TypeError, "got an array of complex128 at args[0]; use its real and"),
    (
        lambda: ad.grad(wave)(np.array(["a"])),
        TypeError,
        "got an array of <U1 at args[0]; convert it with",
    ),
    (lambda: ad.grad(3.0), TypeError, "grad takes a function, got float 3.0; write grad(f), then call that"),
    (lambda: ad.jvp(3.0, (), ()), TypeError, "jvp takes a function"),
    (lambda: ad.vjp(None, 1.0), TypeError, "vjp takes a function"),
    (
        lambda: ad.jvp(wave, 1.0, (1.0,)),
        TypeError,
        "jvp expected primals to be a tuple, one for each argument, got",
    ),
    (lambda: ad.jvp(wave, (1.0,), 1.0), TypeError, "jvp expected tangents to be a tuple"),
    (lambda: ad.jvp(wave, (1.0,), ([1.0],)), TypeError, "the primals, a tuple of 1; got a tuple of (a list of 1)"),
    (lambda: ad.jvp(wave, (1.0,), (1.0, 2.0)), TypeError, "the primals, a tuple of 1; got a tuple of 2"),
    (lambda: ad.jvp(wave, (1.0,), ("x",)), TypeError, "(at tangents[0])"),
    (lambda: ad.jvp(wave, (1.0,), (True,)), TypeError, "got the bool True at tangents[0]"),
    (lambda: ad.vjp(wave, 1.0)[1]([1.0]), TypeError, "in the form of f's result, a number; got a list of 1"),
    (lambda: ad.hvp(wave)(1.0), TypeError, "hvp expected f's arguments and then v, got 1 in all; call hvp(f)(x, v)"),
    (lambda: ad.hvp(surface)([1.0, 2.0, 3.0], [1.0]), TypeError, "the argument, a list of 3; got a list of 1"),
    (
        lambda: ad.hvp(surface)(np.ones(3), np.ones((1, 3))),
        TypeError,
        "array of shape (3,); got an array of shape (1",
    ),
    (lambda: ad.grad(wave, has_aux=True)(1.0), TypeError, "expected f to return a pair (value, aux), got Value("),
    (lambda: ad.gradient(3.0, [Value(1.0)]), TypeError, "expected a Value as its output, got float 3.0; of a function"),
    (
        lambda: ad.gradient(Value(1.0), [3.0]),
        TypeError,
        "with respect to Values, got 3.0 at inputs[0]; make it",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[message[:60] for _, _, message in ERRORS])
def test_errors_say_what_was_given_and_what_to_do(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        call()


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("grad", lambda f, x: ad.grad(f)(x)),
        ("value_and_grad", lambda f, x: ad.value_and_grad(f)(x)),
        ("jacobian", lambda f, x: ad.jacobian(f)(x)),
        ("hessian", lambda f, x: ad.hessian(f)(x)),
        ("hvp", lambda f, x: ad.hvp(f)(x, 1.0)),
        ("jvp", lambda f, x: ad.jvp(f, (x,), (1.0,))),
        ("vjp", lambda f, x: ad.vjp(f, x)[1](1.0)),
    ],
)
def test_every_transform_speaks_in_its_own_name(name: str, call: Function) -> None:
    with pytest.raises(TypeError, match=f"^{name}: expected a number, got str 'x'; .* \\(at args\\[0\\]\\)$"):
        call(wave, "x")
    with pytest.raises(TypeError, match=f"^{name}: expected a number, got NoneType None; .* \\(at f's result\\)$"):
        call(lambda x: None, 1.0)
    with pytest.raises(TypeError, match=f"^{name} takes a function, got float 3.0; write {name}\\(f\\), then"):
        call(3.0, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ad.hvp(wave)(1.0, "v"),
            "hvp: expected a number, got str 'v'; convert text with float(...) first (at v)",
        ),
        (lambda: ad.hvp(wave)(1.0, [1.0]), "hvp: expected v in the form of the argument, a number; got a list of 1"),
        (
            lambda: ad.jvp(wave, (1.0,), ("t",)),
            "jvp: expected a number, got str 't'; convert text with float(...) first (at tangents[0])",
        ),
        (
            lambda: ad.jvp(wave, (1.0,), ()),
            "jvp: expected tangents in the form of the primals, a tuple of 1; got a tuple of 0",
        ),
        (
            lambda: ad.vjp(wave, 1.0)[1]("c"),
            "vjp: expected a number, got str 'c'; convert text with float(...) first (at the cotangent)",
        ),
        (
            lambda: ad.vjp(wave, 1.0)[1]({"a": 1.0}),
            "vjp: expected the cotangent in the form of f's result, a number; got a dict with 'a': a number",
        ),
    ],
)
def test_a_direction_is_refused_in_the_words_of_its_transform(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        call()


def test_what_f_raises_is_not_disguised() -> None:
    with pytest.raises(ZeroDivisionError):
        ad.grad(lambda x: 1 // 0)(1.0)
    with pytest.raises(TypeError, match=r"x\.data to leave the graph"):
        ad.grad(lambda x: math.exp(x))(1.0)
