"""The oracles against each other, closed forms and numbers known to many digits: none of them is trusted alone."""

import cmath
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

import autodiff as ad
from autodiff import Primitive, Value, testing
from autodiff.primitives import KNOWN, TABLE
from autodiff.testing import Program, complex_step, error_in_ulps, mpmath_gradient, mpmath_value, points, programs
from autodiff.testing.complexes import COMPLEX
from autodiff.testing.mathematics import derivative, formulas, value
from tests.examples import swish
from tests.laws.oracles import GRADIENT_TERMS, planted

WITHOUT_COMPLEX = {"erf", "erfc", "gelu"}
EACH = pytest.mark.parametrize("primitive", KNOWN.values(), ids=KNOWN)
EACH_COMPLEX = pytest.mark.parametrize("name", COMPLEX)
FEWER = settings(max_examples=max(1, settings().max_examples // 5))  # a graph of mpmath numbers costs milliseconds


def near(got: Any, expected: Any, digits: int) -> bool:
    with mp.workdps(2 * digits + 20):
        return bool(abs(mpf(got) - expected) <= abs(expected) * mpf(10) ** -digits)


def as_promised(got: Any, true: Any, digits: int) -> bool:
    """Return whether so many digits are right; below 1e-320, which no float tells from 0, as many of 1e-320."""
    with mp.workdps(450):
        return bool(abs(mpf(got) - true) <= mpf(10) ** -digits * max(abs(true), mpf(10) ** -320))


# --- mpmath ---

# Known to 50 digits and more, from tables of constants: they do not come from mpmath.
E = "2.71828182845904523536028747135266249775724709369995957496696762772"
PI = "3.14159265358979323846264338327950288419716939937510582097494459231"
LN_2 = "0.693147180559945309417232121458176568075500134360255254120680009493"
ROOT_2 = "1.41421356237309504880168872420969807856967187537694807317667973799"


@pytest.mark.parametrize(
    ("make", "at", "value", "slope"),
    [
        (ad.exp, 1.0, E, E),
        (lambda x: 4.0 * ad.arctan(x), 1.0, PI, "2"),
        (ad.log, 2.0, LN_2, "0.5"),
        (ad.exp2, 0.0, "1", LN_2),
        (ad.sqrt, 2.0, ROOT_2, "0.353553390593273762200422181052424519642417968844237018294169934497"),
        (lambda x: x * x * x, 0.5, "0.125", "0.75"),
        (lambda x: ad.square(x - 1e-300), 1e-300, "0", "0"),
    ],
)
def test_constants_come_out_to_50_digits(make: Callable[[Value], Value], at: float, value: str, slope: str) -> None:
    x = Value(at)
    y = make(x)
    with mp.workdps(70):
        true_value, true_slope = mpf(value), mpf(slope)
    assert near(mpmath_value(y), true_value, 50)
    assert near(mpmath_gradient(y, [x])[0], true_slope, 50)


@pytest.mark.parametrize("digits", [5, 15, 50, 200])
def test_any_number_of_digits_can_be_asked_for(digits: int) -> None:
    """The derivative of e^x is itself: mpmath's e, at twice the digits, is the closed form."""
    x = Value(1.0)
    y = ad.exp(x)
    with mp.workdps(2 * digits + 20):
        e = mp.exp(1)
    assert near(mpmath_value(y, digits), e, digits)
    assert near(mpmath_gradient(y, [x], digits)[0], e, digits)


@given(
    leaves=st.lists(st.integers(-9, 9), min_size=1, max_size=4), coefficients=st.lists(st.integers(-9, 9), min_size=4)
)
def test_the_gradient_of_a_polynomial_is_exact(leaves: list[int], coefficients: list[int]) -> None:
    """Of the sum of c_k (x_0 + 2 x_1 + 3 x_2 + ...)^k, by the power rule in whole numbers."""
    xs = [Value(x) for x in leaves]
    inner = ad.sum([(i + 1.0) * x for i, x in enumerate(xs)])
    outer = ad.sum([c * inner**k for k, c in enumerate(coefficients) if k])
    whole = sum((i + 1) * x for i, x in enumerate(leaves))
    slope = sum(c * k * whole ** (k - 1) for k, c in enumerate(coefficients) if k)
    got = mpmath_gradient(outer, [inner, *xs], 30)
    assert all(near(g, factor * slope, 30) for g, factor in zip(got, [1, *range(1, len(xs) + 1)], strict=True))


@EACH
@FEWER
@given(data=st.data())
def test_one_node_has_the_value_and_slopes_of_its_primitive(primitive: Primitive, data: st.DataObject) -> None:
    operands = data.draw(points(primitive, max_operands=3))
    leaves = [Value(x) for x in operands]
    node = primitive(*leaves)
    assert as_promised(mpmath_value(node, 25), value(primitive.name, operands), 25)
    for i, got in enumerate(mpmath_gradient(node, leaves, 25)):
        assert as_promised(got, derivative(primitive.name, operands, i), 25)


ONE_OPERAND = [primitive for primitive in KNOWN.values() if primitive.arity == 1]


@pytest.mark.parametrize("primitive", ONE_OPERAND, ids=lambda primitive: primitive.name)
@pytest.mark.parametrize("x", [1e-9, 1e-100, 5.5158941391848325e-222, 1e-300, 5e-324])
def test_one_node_is_right_however_near_to_zero(primitive: Primitive, x: float) -> None:
    ((low, high),), kinks, _ = primitive.domain
    for number in (x, -x):
        if low <= number <= high and (kinks is None or abs(kinks(number)) >= 1e-9):
            leaf = Value(number)
            node = primitive(leaf)
            assert as_promised(mpmath_value(node, 25), value(primitive.name, [number]), 25)
            (slope,) = mpmath_gradient(node, [leaf], 25)
            assert as_promised(slope, derivative(primitive.name, [number], 0), 25)


@FEWER
@given(program=programs(max_steps=12))
def test_the_gradient_of_a_program_is_that_of_the_chain_rule(program: Program) -> None:
    """The chain rule at 60 digits, walked forward here, with mpmath's own numerical derivatives of each step."""
    leaves = [Value(x) for x in program.leaves]
    numbers = program.run(leaves)
    got = mpmath_gradient(numbers[-1], leaves, 20)
    with mp.workdps(400):
        exact = program.run([mpf(x) for x in program.leaves], {name: _mp(name) for name in TABLE})
        for i in range(len(leaves)):
            slopes: list[Any] = [mpf(k == i) for k in range(len(leaves))]
            sizes = list(slopes)
            for step in program.steps:
                operands = step.resolved(exact)
                local = [derivative(step.name, operands, k) for k in range(len(operands))]
                used = [(d, x) for d, x in zip(local, step.operands, strict=True) if isinstance(x, int)]
                slopes.append(mpf(sum(d * slopes[x] for d, x in used)))
                sizes.append(mpf(sum(abs(d) * sizes[x] for d, x in used)))
            assert abs(got[i] - slopes[-1]) <= mpf(10) ** -20 * sizes[-1] + mpf(10) ** -320


def _mp(name: str) -> Callable[..., Any]:
    return formulas(mp)[name]


def test_an_interior_node_can_be_what_varies() -> None:
    x = Value(3.0)
    y = x * x
    z = y * x + y
    assert [int(g) for g in mpmath_gradient(z, [x, y, z], 20)] == [33, 4, 1]
    assert complex_step(z, [x, y, z]) == [33.0, 4.0, 1.0]


def test_an_input_that_is_not_in_the_graph_has_the_derivative_zero() -> None:
    x, other = Value(3.0), Value(3.0)
    assert mpmath_gradient(x * x, [other]) == [0]
    assert complex_step(x * x, [other]) == [0.0]
    assert mpmath_gradient(x, [x, other]) == [1, 0]
    assert complex_step(x, [x, other]) == [1.0, 0.0]


def test_data_is_read_as_it_is_now() -> None:
    x = Value(3.0)
    y = x * x
    x.data = 5.0
    assert (mpmath_value(y), mpmath_gradient(y, [x]), complex_step(y, [x])) == (25, [10], [10.0])


def test_cancellation_costs_no_digits() -> None:
    """1 - cos x is 2 sin²(x/2); of 1 + 1e-300 - 1 every digit is beyond the first 300."""
    x = Value(1e-120)
    y = 1.0 - ad.cos(x)
    with mp.workdps(500):
        true, slope = 2 * mp.sin(mpf(1e-120) / 2) ** 2, mp.sin(mpf(1e-120))
    assert near(mpmath_value(y), true, 50)
    assert near(mpmath_gradient(y, [x])[0], slope, 50)
    assert near(mpmath_value(Value(1.0) + 1e-300 - 1.0), mpf(1e-300), 50)


def test_what_is_zero_by_cancellation_is_zero() -> None:
    x = Value(0.7)
    y = ad.sin(x) ** 2 + ad.cos(x) ** 2
    assert near(mpmath_value(y), mpf(1), 50)
    assert mpmath_gradient(y, [x]) == [0]


def test_numbers_beyond_floats_are_no_obstacle() -> None:
    x = Value(10.0)
    y = ad.log(ad.exp(ad.exp(x)))
    assert y.data == math.inf
    with mp.workdps(80):
        assert near(mpmath_value(y), mp.exp(10), 50)
        assert near(mpmath_gradient(y, [x])[0], mp.exp(10), 50)


def test_the_ambient_precision_stays_as_it_was() -> None:
    before = mp.dps
    mpmath_gradient(ad.exp(ad.exp(Value(5.0))), [], 30)
    x = Value(0.0)
    with pytest.raises(ValueError, match="kink"):
        mpmath_gradient(ad.relu(x), [x])
    assert mp.dps == before


# --- kinks, and where there is no number ---

KINKS: list[tuple[str, list[float]]] = [
    ("abs", [0.0]),
    ("relu", [0.0]),
    ("leaky_relu", [0.0, 0.1]),
    ("elu", [0.0, 2.0]),
    ("maximum", [2.0, 2.0]),
    ("minimum", [2.0, 2.0]),
    ("clip", [1.0, 1.0, 2.0]),
    ("max", [1.0, 3.0, 3.0]),
    ("min", [1.0, 3.0, 1.0]),
    ("sign", [0.0]),
    ("floor", [2.0]),
    ("ceil", [2.0]),
    ("round", [2.5, 0.0]),
    ("mod", [6.0, 3.0]),
    ("floordiv", [6.0, 3.0]),
    ("cbrt", [0.0]),
    ("sqrt", [0.0]),
    ("arcsin", [1.0]),
    ("arccos", [-1.0]),
    ("arccosh", [1.0]),
    ("hypot", [0.0, 0.0]),
    ("norm", [0.0, 0.0]),
]


@pytest.mark.parametrize(("name", "operands"), KINKS, ids=[name for name, _ in KINKS])
@pytest.mark.parametrize("oracle", [mpmath_gradient, complex_step], ids=lambda f: f.__name__)
def test_at_a_kink_there_is_no_answer(name: str, operands: Sequence[float], oracle: Callable[..., Any]) -> None:
    leaves = [Value(x) for x in operands]
    node = TABLE[name](*leaves)
    with pytest.raises(ValueError, match="kink"):
        oracle(node, leaves)


def test_operands_that_move_alike_make_no_kink() -> None:
    x = Value(2.0)
    assert complex_step(ad.maximum(x, x), [x]) == [1.0]
    assert mpmath_gradient(ad.maximum(x, x), [x]) == [1]


def test_a_kink_that_does_not_move_is_none() -> None:
    x, dead = Value(2.0), Value(0.0)
    y = x * x + ad.relu(dead)
    assert complex_step(y, [x]) == [4.0]
    assert mpmath_gradient(y, [x]) == [4]


def test_a_choice_has_no_derivative_in_what_chooses() -> None:
    condition, x = Value(1.0), Value(3.0)
    y = ad.where(condition, x * x, 0.0)
    assert complex_step(y, [condition, x]) == [0.0, 6.0]
    assert mpmath_gradient(y, [condition, x]) == [0, 6]


@pytest.mark.parametrize("make", [ad.log, ad.sqrt, ad.arccosh, ad.arctanh, lambda x: x**0.5], ids=range(5))
@pytest.mark.parametrize("oracle", [mpmath_gradient, complex_step], ids=lambda f: f.__name__)
def test_what_leaves_the_real_line_is_refused(make: Callable[[Value], Value], oracle: Callable[..., Any]) -> None:
    x = Value(-2.0)
    with pytest.raises(ValueError, match=r"real line|cannot be computed"):
        oracle(make(x), [x])


def test_a_division_by_zero_names_the_primitive_and_its_operands() -> None:
    x = Value(0.0)
    for oracle in (mpmath_gradient, complex_step):
        with pytest.raises(ValueError, match=r"div\(1.0, 0.0\) cannot be computed"):
            oracle(1.0 / x, [x])


@pytest.mark.parametrize(
    ("make", "at", "value"),
    [(lambda x: 2.0 * x, math.inf, math.inf), (ad.log, 0.0, -math.inf), (lambda x: x - x, math.inf, math.nan)],
)
def test_values_that_are_not_finite_have_no_derivative(make: Any, at: float, value: float) -> None:
    x = Value(at)
    y = make(x)
    assert repr(float(mpmath_value(y))) == repr(value)
    for oracle in (mpmath_gradient, complex_step):
        with pytest.raises(ValueError, match=r"no derivative|cannot be computed|real line"):
            oracle(y, [x])


# --- complex steps ---


def test_every_primitive_but_the_error_functions_has_a_complex_function() -> None:
    missing = set(KNOWN) - set(COMPLEX) - WITHOUT_COMPLEX
    assert not missing, f"add {missing} to COMPLEX in autodiff/testing/complexes.py, or here if cmath cannot compute it"
    assert set(COMPLEX) | WITHOUT_COMPLEX == set(KNOWN)
    assert not set(COMPLEX) & WITHOUT_COMPLEX


@EACH_COMPLEX
@given(data=st.data())
def test_complex_steps_are_mpmaths_derivatives(name: str, data: st.DataObject) -> None:
    """Within four times the bound of the entry, and what underflows: the smallest float over the step."""
    primitive, step = KNOWN[name], 1e-200
    operands = data.draw(points(primitive, max_operands=4))
    leaves = [Value(x) for x in operands]
    slopes = complex_step(primitive(*leaves), leaves, step)
    slopes_of_mpmath = [derivative(name, operands, i) for i in range(len(operands))]
    largest = max(map(abs, slopes_of_mpmath))
    for i, (got, true) in enumerate(zip(slopes, slopes_of_mpmath, strict=True)):
        terms = GRADIENT_TERMS.get(name, lambda *xs: 0)(*map(mpf, operands))
        error = error_in_ulps(got, true, terms)
        assert error <= 4 * primitive.ulps or abs(got - true) <= 1e-100 * max(1, largest), (
            f"operand {i} of {name} at {operands}: {got}, not {float(true)}: {error} ulps; "
            "COMPLEX has to keep all digits of a tiny imaginary part"
        )


@FEWER
@given(program=programs([name for name in TABLE if name not in WITHOUT_COMPLEX]))
def test_complex_steps_through_programs_are_mpmaths_gradient(program: Program) -> None:
    leaves = [Value(x) for x in program.leaves]
    output = program(*leaves)
    output.backward()
    size = max(1.0, *(abs(leaf.grad) for leaf in leaves))
    steps, true = complex_step(output, leaves), mpmath_gradient(output, leaves, 20)
    # Else the rounding of values on the way is magnified, in floats and complex numbers alike.
    assume(all(abs(leaf.grad - t) <= 1e-10 * size for leaf, t in zip(leaves, true, strict=True)))
    assert all(abs(s - t) <= 1e-8 * size for s, t in zip(steps, true, strict=True))


@pytest.mark.parametrize("step", [1e-100, 1e-200, 1e-250])
def test_the_step_can_be_chosen(step: float) -> None:
    x = Value(0.3)
    assert complex_step(ad.exp(ad.sin(x)), [x], step)[0] == pytest.approx(
        math.cos(0.3) * math.exp(math.sin(0.3)), 1e-15
    )


@pytest.mark.parametrize("step", [0.0, -1e-200, math.nan, math.inf])
def test_a_step_is_a_positive_number(step: float) -> None:
    x = Value(0.3)
    with pytest.raises(ValueError, match="step is a small positive number"):
        complex_step(x * x, [x], step)


@pytest.mark.parametrize("name", sorted(WITHOUT_COMPLEX))
def test_without_a_complex_function_the_error_names_the_way_out(name: str) -> None:
    x = Value(0.3)
    with pytest.raises(TypeError, match=rf"{name} has no complex function here; use mpmath_gradient"):
        complex_step(KNOWN[name](x), [x])


def test_an_oracle_of_ones_own_fills_the_gap() -> None:
    """erf from its power series, which converges quickly near 0."""

    def erf(z: complex) -> complex:
        terms = [(-1) ** n * z ** (2 * n + 1) / math.factorial(n) / (2 * n + 1) for n in range(20)]
        return 2.0 / math.sqrt(math.pi) * sum(terms)

    x = Value(0.3)
    y = ad.erf(x)
    assert complex_step(y, [x], oracles={"erf": erf})[0] == pytest.approx(y.local_gradients[0], rel=1e-14)


# --- primitives of one's own ---


@given(x=st.floats(-5.0, 5.0), beta=st.floats(0.1, 3.0))
def test_a_primitive_of_ones_own_takes_an_oracle(x: float, beta: float) -> None:
    leaves = [Value(x), Value(beta)]
    y = swish(*leaves)
    y.backward()
    exact = mpmath_gradient(y, leaves, 20, oracles={"swish": lambda x, beta: x / (1 + mpmath.exp(-beta * x))})
    stepped = complex_step(y, leaves, oracles={"swish": lambda x, beta: x / (1 + cmath.exp(-beta * x))})
    for leaf, true, step in zip(leaves, exact, stepped, strict=True):
        assert abs(leaf.grad - true) <= 1e-14 * max(1.0, x * x)
        assert abs(step - true) <= 1e-14 * max(1.0, x * x)


@pytest.mark.parametrize("oracle", [mpmath_gradient, complex_step], ids=lambda f: f.__name__)
def test_without_an_oracle_the_error_names_the_primitive_and_the_parameter(oracle: Callable[..., Any]) -> None:
    x = Value(1.0)
    with pytest.raises(TypeError, match=r"swish is a primitive of your own.*oracles=\{'swish': lambda x"):
        oracle(swish(x, 2.0), [x])


@pytest.mark.parametrize("oracle", [mpmath_gradient, complex_step], ids=lambda f: f.__name__)
def test_a_namesake_of_the_table_is_still_ones_own(oracle: Callable[..., Any]) -> None:
    """It need not mean the same, so it is not judged by the table's mathematics."""
    sine = ad.primitive("sin", evaluate=lambda x: 2.0 * x, partials=[lambda out, x: 2.0])
    x = Value(1.0)
    with pytest.raises(TypeError, match="sin"):
        oracle(sine(x), [x])
    assert float(oracle(sine(x), [x], oracles={"sin": lambda x: 2 * x})[0]) == 2.0


@pytest.mark.parametrize("name", ["sin", "mul", "logsumexp"])
def test_a_planted_mistake_does_not_reach_the_oracles(name: str) -> None:
    """They read no local gradient."""
    mistaken = planted(TABLE[name], 0, lambda local: 2.0 * local[0])
    x, y = Value(0.3), Value(0.6)
    leaves = [x, y][: TABLE[name].arity or 2]
    out = mistaken(*leaves)
    out.backward()
    exact = mpmath_gradient(out, leaves, oracles={name: _mp(name)})
    stepped = complex_step(out, leaves, oracles={name: COMPLEX[name]})
    assert x.grad == pytest.approx(2.0 * float(exact[0]), rel=1e-14)
    assert x.grad == pytest.approx(2.0 * stepped[0], rel=1e-14)


# --- what is handed in ---


@pytest.mark.parametrize("oracle", [mpmath_gradient, complex_step], ids=lambda f: f.__name__)
def test_what_is_no_value_is_refused(oracle: Callable[..., Any]) -> None:
    x = Value(1.0)
    with pytest.raises(TypeError, match=r"output is a Value.*got float"):
        oracle(2.0, [x])
    with pytest.raises(TypeError, match=r"got one Value; write \[x\]"):
        oracle(x * x, x)
    with pytest.raises(TypeError, match="got float at index 1"):
        oracle(x * x, [x, 2.0])


def test_errors_are_counted_in_ulps() -> None:
    assert error_in_ulps(1.0, 1.0) == 0.0
    assert error_in_ulps(math.nextafter(1.0, 2.0), 1) == 1.0
    assert error_in_ulps(1.0, mpf(1) / 3, largest_term=2**52) == pytest.approx(2 / 3)
    assert error_in_ulps(5e-324, 0) == 1.0
    assert error_in_ulps(math.nan, 1.0) == math.inf
    assert error_in_ulps(-math.inf, mpf(10) ** 400) == math.inf


def test_deep_graphs_are_replayed_without_recursion() -> None:
    x = Value(1.0)
    y = x
    for _ in range(20_000):
        y = y + 1.0
    assert complex_step(y, [x]) == [1.0]
    assert mpmath_value(y, 10) == 20_001


@pytest.mark.parametrize("package", ["mpmath", "hypothesis"])
def test_what_needs_a_missing_package_says_so_and_the_rest_works(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import autodiff.testing as kit\n"
        "from autodiff import Value\n"
        "x = Value(3.0)\n"
        "print(kit.complex_step(x * x, [x]), kit.__all__ == dir(kit))\n"
        "try: kit.mpmath_value, kit.values\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.startswith("[6.0] True\n")
    assert f"needs {package}; install it with: pip install" in printed


def test_the_package_loads_nothing_before_its_first_use() -> None:
    code = (
        "import sys, autodiff.testing\n"
        "print({'hypothesis', 'mpmath', 'numpy'} & set(sys.modules))\n"
        "[getattr(autodiff.testing, name) for name in autodiff.testing.__all__]\n"
        "print({'hypothesis', 'mpmath', 'numpy'} - set(sys.modules))\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n{'numpy'}\n"


def test_public_names_are_sorted_documented_and_there() -> None:
    assert testing.__all__ == sorted(testing.__all__)
    assert set(testing.__all__) == set(testing._LAZY)
    assert all(getattr(testing, name).__doc__ for name in testing.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        testing.nonsense  # noqa: B018
