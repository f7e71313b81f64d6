"""numpy's functions on Values and arrays of them: the values of numpy, the derivatives of autodiff, no guards."""

import math
import pickle
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value, compile, grad, value_and_grad
from autodiff.arrays import ValueArray
from autodiff.compiler.trace.refusals import TracingError
from tests.needs import need_backend

ROOT = Path(__file__).parents[2]
W = np.array([[1.0, -1.0], [0.5, 2.0], [-1.0, -3.0]])
INDEFINITE = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, math.inf, -math.inf, math.nan]

OF_ONE: dict[str, Callable[[Any], Any]] = {
    name: getattr(np, name)
    for name in (
        *("absolute", "fabs", "sign", "floor", "ceil", "rint", "trunc", "square", "negative", "positive"),
        *("radians", "degrees", "deg2rad", "rad2deg", "exp", "log", "tanh", "arctan", "cbrt"),
        *("isnan", "isfinite", "isinf", "signbit", "nan_to_num"),
    )
}
OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(np, name)
    for name in (
        *("arctan2", "hypot", "logaddexp", "logaddexp2", "maximum", "minimum", "fmax", "fmin", "copysign", "heaviside"),
        *("add", "subtract", "multiply", "less", "less_equal", "greater", "greater_equal", "equal", "not_equal"),
        *("logical_and", "logical_or", "logical_xor", "fmod"),
    )
}


def plain(x: Any) -> Any:
    """Return the numbers of a result."""
    flat = [y.data if isinstance(y, Value) else y for y in np.asarray(x).ravel().tolist()]
    return np.array(flat).reshape(np.shape(x))


def same(got: Any, expected: Any) -> bool:
    return bool(np.allclose(plain(got), expected, rtol=1e-15, atol=0, equal_nan=True))


@pytest.mark.parametrize("name", OF_ONE)
@given(st.lists(st.sampled_from(INDEFINITE), min_size=1, max_size=4))
def test_functions_of_one_number_have_numpys_values(name: str, numbers: list[float]) -> None:
    f = OF_ONE[name]
    with np.errstate(all="ignore"):
        expected = f(np.array(numbers))
    assert same(f(ad.array([Value(x) for x in numbers])), expected)
    assert same([f(Value(x)) for x in numbers], expected)
    assert same(f(ad.array(numbers)), expected)


@pytest.mark.parametrize("name", OF_TWO)
@given(st.sampled_from(INDEFINITE), st.lists(st.sampled_from(INDEFINITE), min_size=1, max_size=4))
def test_functions_of_two_numbers_have_numpys_values(name: str, x: float, numbers: list[float]) -> None:
    f = OF_TWO[name]
    if name == "logaddexp2" and not np.isfinite([x, *numbers]).all():
        return  # numpy warns, and so do we not
    values = ad.array([Value(y) for y in numbers])
    with np.errstate(all="ignore"):
        right, left = f(x, np.array(numbers)), f(np.array(numbers), x)
    for one in (x, Value(x), np.float64(x), np.array(x)):
        assert same(f(one, values), right)
        assert same(f(values, one), left)
    if not name.startswith("logical"):
        assert same([f(x, Value(y)) for y in numbers], right)
        assert same([f(Value(y), x) for y in numbers], left)


FORMULAS: dict[str, Callable[[Any], Any]] = {
    "a layer of relu": lambda x: np.sum(np.maximum(W @ x, 0)),
    "its transpose": lambda x: np.sum(np.minimum(x @ W.T, 0.5)),
    "clip": lambda x: np.sum(np.clip(W @ x, -0.5, 0.5)),
    "clip above": lambda x: (W @ x).clip(max=0.5).sum(),
    "where": lambda x: np.sum(np.where(W @ x > 0, x[0], (W @ x) ** 2)),
    "where of one": lambda x: np.where(x[0] > 0, x[0], x[1]) * np.maximum(x[1], 0.0),
    "select": lambda x: np.sum(np.select([x > 1, x < -1], [x, x * x], 0.5)),
    "a mask": lambda x: np.where((x > 0) & ~(x > 1) | (x < -1), x, -x).sum(),
    "a mask of all": lambda x: np.where(np.all(x > 0), x, -x).sum(),
    "a count": lambda x: (x > 0).sum() * x[0],
    "heaviside": lambda x: np.sum(np.heaviside(x, 0.5) * x),
    "sign": lambda x: np.sum(np.sign(x) * x * x),
    "fabs": lambda x: np.fabs(x).sum(),
    "trunc": lambda x: (np.trunc(3 * x) * x).sum(),
    "isnan": lambda x: np.where(np.isnan(x), 0.0, x).sum(),
    "isfinite": lambda x: np.where(np.isfinite(1 / x), 1 / x, 0.0).sum(),
    "nan_to_num": lambda x: np.nan_to_num(np.log(x)).sum(),
    "max": lambda x: np.max(W @ x) - (W @ x).min(),
    "max along an axis": lambda x: np.max(np.outer(x, x), axis=0, keepdims=True).sum(),
    "logaddexp": lambda x: np.logaddexp(x[0], x).sum() + np.logaddexp.reduce(x),
    "fmod": lambda x: np.fmod(x, 0.7).sum() * np.copysign(x[0], -1.0),
    "hypot": lambda x: np.hypot(1.0, x).sum() + np.arctan2(1.0, x).sum() + np.radians(x).sum(),
    "joined": lambda x: np.maximum(np.concatenate([x, 2 * x]), 0).sum() + np.fmax(np.stack([x, x * x]), 0.1).sum(),
    "an array of its own": lambda x: np.maximum(ad.array([x[0], 0.5, x[1]]), 0.0).sum(),
    "statistics": lambda x: np.var(x) + np.std(x) + np.linalg.norm(x) + np.ptp(x) + np.einsum("i,i->", x, x),
}


@pytest.mark.parametrize("backend", ["python", "native"])
@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_of_arrays_compile_to_one_program_that_gives_the_eager_numbers(name: str, backend: str) -> None:
    need_backend(backend)
    f = value_and_grad(FORMULAS[name])
    compiled = compile(f, backend=backend)
    for x in np.random.default_rng(0).normal(size=(12, 2)):
        (value, slope), (expected, direction) = compiled(x), f(x)
        assert math.isclose(value, expected, rel_tol=1e-12, abs_tol=1e-12)
        assert np.allclose(slope, direction, rtol=1e-12, atol=1e-12)
    assert compiled.stats().paths == 1


@pytest.mark.parametrize("name", FORMULAS)
def test_gradients_of_formulas_are_their_differences(name: str) -> None:
    f = FORMULAS[name]
    for x in np.random.default_rng(1).normal(size=(5, 2)):
        h = 1e-6 * np.eye(2)
        differences = [(plain(f(ad.array(x + d))) - plain(f(ad.array(x - d)))) / 2e-6 for d in h]
        assert np.allclose(grad(f)(x), differences, rtol=1e-5, atol=1e-5)


def test_clip_takes_and_refuses_what_numpys_takes_and_refuses() -> None:
    x, out = ad.array([Value(-1.0), Value(2.0), Value(3.0)]), np.full(3, 9.0, dtype=object)
    np.clip(x, 0.0, 1.0, out=out, where=[True, False, True])
    assert [y.data if isinstance(y, Value) else y for y in out] == [0.0, 9.0, 1.0]
    assert [y.data for y in np.clip(x, min=0.0, max=2.5)] == [0.0, 2.0, 2.5]
    with pytest.raises(TypeError, match="nonsense"):
        np.clip(x, 0.0, 1.0, nonsense=1)


def test_ties_share_the_derivative_as_autodiffs_own_functions_do() -> None:
    assert grad(lambda x: np.maximum(x, 0.0).sum())(np.array([0.0, 1.0])).tolist() == [0.5, 1.0]
    assert grad(lambda x: np.max(x))(np.array([1.0, 1.0, 1.0, 0.0])).tolist() == [1 / 3, 1 / 3, 1 / 3, 0.0]
    assert grad(lambda x: np.clip(x, 0.0, 1.0).sum())(np.array([0.0, 1.0, 2.0])).tolist() == [1.0, 1.0, 0.0]


def test_what_was_not_taken_contributes_nothing() -> None:
    assert grad(lambda x: np.where(x > 0, np.log(x), 0.0).sum())(np.array([0.0, 2.0])).tolist() == [0.0, 0.5]
    compiled = compile(grad(lambda x: np.where(x > 0, np.log(x), 0.0).sum()), backend="python")
    assert compiled(np.array([0.0, 2.0])).tolist() == [0.0, 0.5]


def test_the_norm_of_zero_has_no_direction() -> None:
    zero = np.zeros(2)
    for f in (np.linalg.norm, lambda x: np.linalg.norm(x, 2), lambda x: np.linalg.norm(x.reshape(1, 2), "fro")):
        assert grad(f)(zero).tolist() == [0.0, 0.0]
        assert np.allclose(compile(grad(f), backend="python")(np.array([3.0, 4.0])), [0.6, 0.8], rtol=1e-15)
    assert math.isclose(np.linalg.norm(ad.array([Value(3.0), -4.0]), 1).data, 7.0)
    rows = ad.array([[Value(3.0), 4.0], [0.0, 2.0]])
    assert same(np.linalg.norm(rows, axis=1), [5.0, 2.0])


def test_functions_of_scipys_and_of_users_own_are_what_they_are() -> None:
    special = pytest.importorskip("scipy.special")
    x = Value(0.5)
    assert special.erf(x).op.name == "erf"
    assert same(special.erfc(ad.array([x])), [math.erfc(0.5)])

    def sign(x: Any) -> Any:
        return x * 10.0

    assert same(np.frompyfunc(sign, 1, 1)(ad.array([x])), [5.0])
    assert same(np.vectorize(sign, otypes=[object])(ad.array([x])), [5.0])


def test_a_mask_selects_elements_by_guards_and_sets_them_by_selects() -> None:
    def rectified(x: Any) -> Any:
        y = x * 1.0
        y[y < 0] = 0.0
        return y.sum() ** 2

    chosen = compile(lambda x: x[x > 0].sum(), backend="python")
    for f in (compile(rectified, backend="python"), chosen):
        for x in ([1.0, -1.0], [-1.0, 2.0], [3.0, 2.0]):
            assert f(np.array(x)) == np.maximum(x, 0).sum() ** (1 if f is chosen else 2)
    assert chosen.stats().paths == 3
    assert compile(rectified, backend="python")(np.array([1.0, -1.0])) == 1.0
    assert rectified(ad.array([Value(1.0), Value(-1.0)])).data == 1.0


def _of_all_and_a_constant(x: Any) -> Any:
    both = np.hstack([x, 1.0])
    return both[both > 0.0]


def _positive_set_to_zero(x: Any) -> Any:
    both = np.hstack([x, 1.0])
    both[both > 0.0] = 0.0
    return both


@pytest.mark.parametrize(
    "f", [_of_all_and_a_constant, _positive_set_to_zero, lambda x: x[[y > 0.0 for y in x]], lambda x: x[[True, False]]]
)
def test_a_mask_may_hold_bools_that_are_decided_and_be_a_list(f: Callable[[Any], Any]) -> None:
    for x in (np.array([1.0, -2.0]), np.array([-1.0, 2.0])):
        assert same(compile(f, backend="python")(x), f(x))


@pytest.mark.parametrize("i", [2, [1, 0, 2], np.array([1, 0, 2]), np.array([1.0, 0.0, 1.0]), np.array([[0, 1]])])
def test_numbers_of_a_program_are_no_index_and_no_mask(i: Any) -> None:
    def set_at(x: Any, i: Any) -> Any:
        x[i] = 0.0
        return x

    x = np.array([10.0, 20.0, 30.0])
    for f in (lambda x, i: x[i], lambda x, i: x[None][0, i], set_at):
        with pytest.raises(TracingError, match=r"used as an index .* x\[m != 0\]\n  at .*test_arrays.py"):
            compile(f, backend="python")(x, i)
    assert same(compile(lambda x, m: x[m != 0], backend="python")(x, np.array([1.0, 0.0, 1.0])), [10.0, 30.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x, where=x > 0.0),
        lambda x: x.sum(where=np.hstack([x[:2] > 0.0, True]), initial=2.0),
        lambda x: np.prod(x, where=x > 0.0),
        lambda x: np.max(x, where=x < 1.5, initial=-7.0),
        lambda x: np.sum(np.outer(x, x), axis=0, where=x > 0.0)[0],
    ],
)
def test_a_reduction_where_conditions_hold_selects(f: Callable[[Any], Any]) -> None:
    g = compile(value_and_grad(f), backend="python")
    for x in (np.array([1.0, -2.0, 3.0]), np.array([-1.0, 2.0, 0.5])):
        for got, expected in zip(g(x), value_and_grad(f)(x), strict=True):
            assert same(got, expected)
        assert same(f(ad.array(x)), f(x))
    assert g.stats().paths == 1


def copied(x: Any) -> Any:
    y = x * x
    np.copyto(y, x[0], where=np.isnan(x))
    return y.sum()


@pytest.mark.parametrize("f", [np.nansum, np.nanprod, lambda x: np.nancumsum(x) @ x[:1].repeat(3), copied])
def test_elements_that_are_nan_are_left_out_by_selects(f: Callable[[Any], Any]) -> None:
    g = compile(value_and_grad(f), backend="python")
    for x in (np.array([1.5, math.nan, 3.0]), np.array([2.0, 4.0, -1.0])):
        for got, expected in zip(g(x), value_and_grad(f)(x), strict=True):
            assert same(got, expected)
    assert g.stats().paths == 1


def test_where_with_conditions_is_refused_where_nothing_is_reduced() -> None:
    for f in (lambda x: np.add(x, x, where=x > 0.0), lambda x: np.max(x, where=x > 0.0)):
        with pytest.raises(TypeError, match=r"where= holds conditions; select with np.where"):
            compile(f, backend="python")(np.array([1.0, -2.0]))


def test_comparisons_of_arrays_come_back_as_bools() -> None:
    f = compile(lambda x: (x > 0, ~(x > 0), np.isnan(x)), backend="python")
    got = f(np.array([1.0, -1.0, math.nan]))
    assert [(y.dtype, y.tolist()) for y in got] == [
        (np.bool_, [True, False, False]),
        (np.bool_, [False, True, True]),
        (np.bool_, [False, False, True]),
    ]
    assert (ad.array([Value(1.0), -1.0]) > 0).dtype == bool


def test_arrays_that_numpy_made_broadcast_as_ever() -> None:
    x, y = Value(2.0), Value(-3.0)
    v, a = np.array([x, y]), np.array([[1.0, 2.0], [3.0, 4.0]])
    results = {
        "@": a @ v,
        "*": a * x,
        "r*": x * a,
        "-": v - a,
        "**": v**2,
        ">": v > 0,
        "==": v == 2.0,
        "sum": np.sum(v),
    }
    expected = {"@": [-4.0, -6.0], "*": 2 * a, "r*": 2 * a, "-": [[1.0, -5.0], [-1.0, -7.0]], "**": [4.0, 9.0]}
    for name, result in results.items():
        assert same(result, expected.get(name, {">": [True, False], "==": [True, False], "sum": -1.0}.get(name)))
    assert type(a @ v) is np.ndarray
    objects = a.astype(object)
    objects += x
    assert same(objects, a + 2)
    assert same(np.add(a, x, out=objects), a + 2)
    with pytest.raises(TypeError):
        a += x
    assert same(
        [np.fabs(v), np.trunc(v), np.radians(v), np.rad2deg(v)],
        [f([2.0, -3.0]) for f in (np.fabs, np.trunc, np.radians, np.rad2deg)],
    )


def test_numpys_scalars_on_the_left_are_as_numbers() -> None:
    x = Value(3.0)
    for kind in (np.float64, np.float32, np.int64, np.bool_, np.longdouble):
        two = kind(2)
        assert (two * x).data == float(two) * 3.0
        assert (two > x) is (float(two) > 3.0)
        assert np.maximum(two, x).data == 3.0


def test_assertions_of_numpys_compare_values() -> None:
    x = Value(2.0)
    np.testing.assert_allclose(x, 2.0)
    np.testing.assert_allclose(ad.array([x, math.nan, math.inf]), [2.0, math.nan, math.inf])
    np.testing.assert_array_equal(ad.array([x, x * 2]), [2.0, 4.0])
    for wrong in (3.0, math.nan):
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(ad.array([x]), [wrong])
    with pytest.raises(TypeError, match="would lose its gradient"):
        np.asarray(x, dtype=float)


def test_nan_and_infinity_raise_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = ad.array([Value(math.nan), Value(math.inf), Value(0.0)])
        for f in (*OF_ONE.values(), lambda x: x > 0, lambda x: 1 / x, lambda x: x @ x, np.max):
            f(x)


def test_a_matrix_is_refused_or_stays_one_and_a_masked_array_is_refused() -> None:
    matrix, masked = np.ones((1, 2)).view(np.matrix), np.ma.array([1.0, 2.0], mask=[0, 1])
    v = ad.array([Value(1.0), Value(2.0)])
    square = compile(lambda x: x * x, backend="python")
    products = (lambda m: m @ v, lambda m: Value(2.0) * m)
    for use in (square, grad(lambda x: x.sum()), *products, lambda m: np.maximum(m, v), ad.array):
        with pytest.raises(TypeError, match=r"got a numpy.matrix.*np.asarray"):
            use(matrix)
    assert type(np.dot(matrix, v)) is np.matrix
    assert (masked * Value(2.0)).mask.tolist() == [False, True]
    for use in (lambda m: v * m, lambda m: np.maximum(m, v), ad.array):
        with pytest.raises(TypeError, match="masked array"):
            use(masked)


def test_arrays_of_values_are_pickled_copied_and_sliced_as_what_they_are() -> None:
    v = ad.array([[Value(1.0), 2.0], [3.0, Value(4.0)]])
    for twin in (pickle.loads(pickle.dumps(v)), v.copy(), v.T, v[0], v.reshape(4)):
        assert type(twin) is ValueArray
    assert type(np.maximum(v, 0.0)) is ValueArray
    assert type(v.sum()) is Value


@pytest.mark.parametrize(
    ("name", "f"),
    {
        "np.linalg.solve": lambda x: np.linalg.solve(np.outer(x, x), x),
        "np.linalg.det": lambda x: np.linalg.det(np.outer(x, x)),
        "np.interp": lambda x: np.interp(0.5, [0.0, 1.0], x),
        "np.fft.fft": np.fft.fft,
        "np.quantile": lambda x: np.quantile(x, 0.5),
        "np.cov": lambda x: np.cov(x, x),
    }.items(),
)
def test_functions_of_numpys_for_floats_alone_say_what_to_do(name: str, f: Callable[[Any], Any]) -> None:
    for function in (ad.jacobian(f), ad.compile(f)):
        with pytest.raises(TypeError, match=f"{name} takes floats alone, got Values, .* write it out"):
            function(np.array([0.5, -0.3]))


def test_errors_of_functions_that_numpy_calls_stay_what_they_are() -> None:
    with pytest.raises(AttributeError, match="'Value' object has no attribute 'nothing'"):
        np.apply_along_axis(lambda row: row[0].nothing, 0, ad.array([Value(1.0)]))


def test_a_select_of_nothing_says_so() -> None:
    v = ad.array([Value(1.0)])
    with pytest.raises(ValueError, match="select takes a choice for each condition, got 1 for 2"):
        np.select([v > 0, v < 0], [v])
    with pytest.raises(ValueError, match="of no numbers has no value"):
        np.max(v[:0])


def test_truncation_and_statistics_of_single_values() -> None:
    assert [math.trunc(Value(x)).data for x in (2.7, -2.7)] == [2.0, -2.0]
    assert math.copysign(1.0, math.trunc(Value(-0.5)).data) == -1.0
    with pytest.raises(TypeError, match=r"statistics.mean.*autodiff.mean\(values\)"):
        statistics.mean([Value(1.0), Value(2.0)])
    assert ad.mean([Value(1.0), Value(2.0)]).data == 1.5


def test_python_s_max_is_a_guard_and_more_than_64_name_maximum_and_minimum() -> None:
    compiled = compile(lambda xs: max(xs), backend="python")
    with pytest.raises(RuntimeError, match=r"where\(\.\.\.\), maximum, minimum or clip"):
        for i in range(70):
            compiled([float(i == j) for j in range(70)])
    base = compile(lambda xs: np.maximum(np.array(xs), 0.0).sum(), backend="python")
    with pytest.raises(RuntimeError, match=r"autodiff.array\(\.\.\.\) selects"):
        for i in range(70):
            base([float(i > j) - 0.5 for j in range(70)])


def test_draw_takes_arrays_of_values() -> None:
    x = Value(2.0, "x")
    assert repr(ad.draw(ad.array([[x * 2.0], [x + 1.0]]))) == repr(ad.draw([x * 2.0, x + 1.0]))
    assert repr(ad.draw(np.array([x * 2.0]))) == repr(ad.draw(x * 2.0))
    with pytest.raises(TypeError, match="a list or an array of Values"):
        ad.draw(np.array([1.0]))


def test_numpy_is_loaded_by_those_who_use_it() -> None:
    code = (
        "import sys, autodiff as ad\n"
        "x = ad.Value(2.0); (x * 2 + x.exp()).backward(); ad.grad(lambda v: v[0] * v[1])([1.0, 2.0])\n"
        "print('numpy' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize("decimals", [-1, 0, 1, 2])
def test_arrays_of_values_and_floats_round_to_any_number_of_decimals(decimals: int) -> None:
    numbers = [3.476, -12.25, 0.05, 25.0]
    mixed = ad.array([numbers[0], *map(Value, numbers[1:])])
    for rounded in (np.round(mixed, decimals), mixed.round(decimals), ad.array(numbers).round(decimals)):
        assert [getattr(x, "data", x) for x in rounded] == np.round(numbers, decimals).tolist()
    assert (
        ad.grad(lambda v: np.round(np.where(v > 1.0, v, 0.0), decimals).sum())(np.array(numbers)).tolist() == [0.0] * 4
    )


def nested(x: Any, depth: int) -> Any:
    return nested([x], depth - 1) if depth else x


def around_itself(*others: Any) -> Any:
    made = [*others]
    made.append(made)
    return made


LISTS: list[Callable[[Value, Value], Any]] = [
    lambda x, y: [x, y],
    lambda x, y: (x, 2, True, 0.5),
    lambda x, y: [[x, 1.0], (y, x)],
    lambda x, y: [[[x], [y]], [[x], [1]]],
    lambda x, y: [[], []],
    lambda x, y: [],
    lambda x, y: [[x, y], [x]],
    lambda x, y: [[x, y], x],
    lambda x, y: [[[], [x]], [np.array([[x], [y]]), [1.0]]],
    lambda x, y: [[[[]], [[]]]],
    lambda x, y: nested([x, y], 70),
    lambda x, y: around_itself(x),
    lambda x, y: around_itself(),
    lambda x, y: [x, "text", None],
    lambda x, y: [np.array([1.0, 2.0]), [x, y]],
    lambda x, y: x,
]


@pytest.mark.parametrize("lists", LISTS)
def test_array_is_what_numpy_makes_an_array_of_objects_of(lists: Callable[[Value, Value], Any]) -> None:
    given = lists(Value(1.0), Value(2.0))
    try:
        expected = np.array(given, dtype=object)
    except ValueError:
        with pytest.raises(ValueError, match="inhomogeneous"):
            ad.array(given)
        return
    made = ad.array(given)
    assert (type(made), made.shape) == (ValueArray, expected.shape)
    assert all(
        x is y or (type(x), x) == (type(y), y)
        for x, y in zip(made.ravel().tolist(), expected.ravel().tolist(), strict=True)
    )


def test_making_an_array_asks_no_value_for_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numpy would, of each, which takes 200 times as long as to make the array."""

    def refused(self: Value, dtype: Any = None, copy: Any = None) -> Any:
        raise AssertionError("asked for an array")

    monkeypatch.setattr(Value, "__array__", refused)
    x = [Value(1.0), Value(2.0)]
    assert ad.array([x, [*x]]).shape == (2, 2)
    slopes = grad(lambda w: ad.dot(w["a"][0], w["a"][1]) + w["b"][0])({"a": np.ones((2, 3)), "b": np.ones(1)})
    assert slopes["a"].tolist() == [[1.0] * 3] * 2
    assert compile(lambda a: ad.dot(a[0], a[1]))(np.ones((2, 3))) == 3.0
