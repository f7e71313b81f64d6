"""compile(f): the same numbers as f, to the last bit where nothing is reordered, and errors for what would be stale."""

import math
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff
from autodiff import Value, compile, exp, grad, hessian, hvp, jacobian, jvp, log, value_and_grad, vjp, where
from autodiff.testing import programs
from tests.compiler.cases import SPECIAL, lowered, points
from tests.needs import need_core

ROOT = Path(__file__).parent.parent.parent


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


# What the core rounds otherwise than Python: elementary functions that it has for vectors; it multiplies powers out;
# Python has a hypot of its own, and from 3.12 on its sums are compensated. Where one comes first, sin and cos keep no
# digits of numbers that are too large. And it does not round a product that is used once, in a sum.
VECTORS = "exp expm1 log log1p sin cos cosine tanh sech sigmoid softplus silu softmax log_softmax logsumexp".split()
OTHERWISE = {*VECTORS, "pow", "hypot", "norm", "dot", *(["sum", "mean"] if sys.version_info >= (3, 12) else [])}
SUMS = {"add", "sub", "sum", "mean", "dot", "products", "strong_products"}


def _is_exact(names: set[str]) -> bool:
    """Whether the core rounds all of these as Python does."""
    return not names & OTHERWISE and not (names & SUMS and names & {"mul", "strong_mul", "square"})


MODERATE = [x for x in SPECIAL if abs(x) != 1e308]


def _columns(x: Any) -> list[Any]:
    return [y for child in x for y in _columns(child)] if isinstance(x, (list, tuple)) else [x]


def _row(stacked: Any, one: Any, i: int) -> Any:
    """Row i of stacked results; `one` has the form of a row."""
    if not isinstance(one, tuple):
        return stacked[i]
    return [_row(column, child, i) for column, child in zip(stacked, one, strict=True)]


@given(programs(max_steps=10), st.data())
def test_the_native_backend_gives_the_numbers_of_values(program: Any, data: st.DataObject) -> None:
    """To the last bit, but for what it rounds otherwise."""
    need_core()

    def f(xs: list[Any]) -> Any:
        return program(*xs)

    def second(xs: list[Any]) -> Any:
        return grad(lambda ys: autodiff.sum([g * (i + 1.5) for i, g in enumerate(grad(f)(ys))]))(xs)

    n = len(program.leaves)
    for h in (f, value_and_grad(f), second):
        in_python, in_core = compile(h, backend="python"), compile(h, backend="native")
        in_python(list(program.leaves))
        ((version,),) = in_python._dispatcher.versions.values()
        exact = _is_exact({version.program.primitive(code).name for code in version.program.codes})
        numbers = st.lists(st.sampled_from(SPECIAL if exact else MODERATE), min_size=n, max_size=n)
        rows = [list(program.leaves), *data.draw(st.lists(numbers))]
        stacked = compile(h, rows=0, backend="native")(rows)
        for i, xs in enumerate(rows):
            expected = _columns(in_python(xs))
            largest = max([1e-300, *[abs(x) for x in version.program.evaluate_slots(xs) if math.isfinite(x)]])
            for got in (in_core(xs), _row(stacked, in_python(xs), i)):
                for x, y in zip(_columns(got), expected, strict=True):
                    assert repr(x) == repr(y) or (not exact and abs(x - y) <= 1e-10 * largest)


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


def test_what_is_not_a_number_keeps_its_kind_in_an_array(backend: str) -> None:
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


def test_functions_of_a_compiled_function_differentiate_f_itself() -> None:
    square = compile(lambda x: x * x, backend="python")
    assert grad(square)(3.0) == 6.0
    assert compile(lambda x: square(x) + x, backend="python")(3.0) == 12.0
    x = Value(3.0)
    square(x).backward()
    assert x.grad == 6.0


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


def test_a_compiled_function_on_plain_numbers_inside_a_trace(backend: str) -> None:
    inner = compile(lambda y: y.exp(), backend=backend)
    assert compile(lambda x: x * inner(0.0), backend=backend)(2.0) == 2.0
    assert compile(lambda w, x: w * x[0].exp(), backend=backend)(Value(1.0), np.array([0.0, 2.0])) == 1.0


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"rows": "1"}, "positions"),
    ({"rows": (1.0,)}, "positions"),
    ({"rows": (0, 0)}, "twice"),
    ({"rows": -1}, "counted from 0"),
    ({"rows": 0, "reduce": "max"}, "'mean', 'sum' or None"),
    ({"reduce": "mean"}, "say which arguments"),
    ({"backend": "jax"}, "backend is"),
    ({"backend": "numba"}, 'is gone: what it did "native" does'),
    ({"threads": 0}, "threads is"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=range(len(BAD_OPTIONS)))
def test_bad_options_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        compile(lambda x: x, **options)
    with pytest.raises(TypeError, match="compile takes a function"):
        compile(3.0)  # type: ignore[call-overload, unused-ignore]


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


TWICE = autodiff.primitive("TWICE", evaluate=lambda x: 2.0 * x, partials=[lambda out, x: 2.0])


def test_a_users_own_primitive_runs_in_python() -> None:
    f = compile(value_and_grad(lambda x: TWICE(x) * x), backend="auto")
    assert f(3.0) == (18.0, 12.0)
    assert f.stats().backend == "python"
    assert pickle.loads(pickle.dumps(f))(3.0) == (18.0, 12.0)


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


def test_without_the_core_compile_says_once_what_is_missing() -> None:
    code = (
        "import sys, autodiff\n"
        "f = autodiff.compile(lambda x: x * x); print(f(3.0)); print(autodiff.compile(lambda x: x + x)(3.0))\n"
        "print('numpy' in sys.modules)\n"
        "try: autodiff.compile(lambda x: x, backend='native')\n"
        "except ImportError as error: print(error)\n"
    )
    pure = {**os.environ, "AUTODIFF_PURE": "1"}
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=pure, capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:3] == ["9.0", "6.0", "False"]
    assert "AUTODIFF_PURE is set" in run.stdout
    assert run.stderr.count("\n") == 1
    assert "AUTODIFF_PURE is set" in run.stderr


def test_without_numpy_prepare_says_that_it_needs_it() -> None:
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "import autodiff\n"
        "f = autodiff.compile(lambda x: [x[0] * x[1], x[0]]); print(f([3.0, 2.0]))\n"
        "try: f.prepare([3.0, 2.0])\n"
        "except ImportError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("[6.0, 3.0]\nprepare gives its results in arrays, which need numpy")


def test_compiling_warns_of_nothing(backend: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile(value_and_grad(lambda x: (x / 0.0) * 0.0), backend=backend)(1.0)


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
