"""Derivatives as a person writes them, such as a course prints; and that what is printed is what was computed."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value, formula, gradient
from autodiff.expression import parse
from autodiff.graph import topological_order
from autodiff.primitives import TABLE
from autodiff.show.formulas.formula import Formula
from autodiff.testing import Program, Step, programs

x, y, z = Value(0.5, "x"), Value(2.0, "y"), Value(-1.0, "z")
w, b, t = Value(1.5, "w"), Value(0.25, "b"), Value(1.0, "t")


def _slope(value: Value) -> Value:
    return gradient(value, x)


DERIVATIVES: list[tuple[str, Callable[[], Any], Value]] = [
    ("2 * x + 3", lambda: x * x + 3 * x + 1, x),
    ("12 * x**3 - 4 * x + 1", lambda: 3 * x**4 - 2 * x**2 + x - 7, x),
    ("2 * x - 1", lambda: (x + 1) * (x - 2), x),
    ("6 * x * (x**2 + 1)**2", lambda: (x**2 + 1) ** 3, x),
    ("4 * (2 * x - 1)", lambda: (2 * x - 1) ** 2, x),
    ("3 * x**2 * y**2", lambda: x**2 * y**3, y),
    ("x**2 * cos(x) + 2 * x * sin(x)", lambda: x**2 * ad.sin(x), x),
    ("(x + 1) * exp(x)", lambda: x * ad.exp(x), x),
    ("log(x) + 1", lambda: x * ad.log(x), x),
    ("log(x)", lambda: x * ad.log(x) - x, x),
    ("(2 * x - x**2) * exp(-x)", lambda: x**2 * ad.exp(-x), x),
    ("-x * exp(-x**2 / 2)", lambda: ad.exp(-(x**2) / 2), x),
    ("-x / y**2", lambda: x / y, y),
    ("1 / (x + 1)**2", lambda: x / (1 + x), x),
    ("-2 * x / (x**2 + 1)**2", lambda: 1 / (1 + x**2), x),
    ("2 / (x + 1)**2", lambda: (x - 1) / (x + 1), x),
    ("(1 - x**2) / (x**2 + 1)**2", lambda: x / (x**2 + 1), x),
    ("(x * cos(x) - sin(x)) / x**2", lambda: ad.sin(x) / x, x),
    ("tanh(x) + x * (1 - tanh(x)**2)", lambda: x * ad.tanh(x), x),
    ("2 * tanh(x) * (1 - tanh(x)**2)", lambda: ad.tanh(x) ** 2, x),
    ("x * (1 - tanh(w * x + b)**2)", lambda: ad.tanh(w * x + b), w),
    ("x * sigmoid(w * x + b) * (1 - sigmoid(w * x + b))", lambda: ad.sigmoid(w * x + b), w),
    ("1 - sigmoid(x)", lambda: ad.log(ad.sigmoid(x)), x),
    ("-y * exp(-y * x) / (1 + exp(-y * x))", lambda: ad.log(1 + ad.exp(-y * x)), x),
    ("-y * sigmoid(-y * x)", lambda: ad.softplus(-y * x), x),
    ("sigmoid(x) - t", lambda: -(t * ad.log(ad.sigmoid(x)) + (1 - t) * ad.log(1 - ad.sigmoid(x))), x),
    ("2 * x * (w * x + b - y)", lambda: (w * x + b - y) ** 2, w),
    ("z * (w * z + b - t) + x * (w * x + b - y)", lambda: ad.mean([(w * x + b - y) ** 2, (w * z + b - t) ** 2]), w),
    ("softmax([x, y, z])[0] * (1 - softmax([x, y, z])[0])", lambda: ad.softmax([x, y, z])[0], x),
    ("-softmax([x, y, z])[0] * softmax([x, y, z])[1]", lambda: ad.softmax([x, y, z])[0], y),
    ("softmax([x, y, z])[0]", lambda: ad.logsumexp([x, y, z]), x),
    ("softmax([x, y, z])[1] - 1", lambda: -ad.log_softmax([x, y, z])[1], y),
    ("softmax([x, y, z])[0]", lambda: -ad.log(ad.softmax([x, y, z])[1]), x),
    ("x / norm([x, y, z])", lambda: ad.norm([x, y, z]), x),
    ("x / hypot(x, y)", lambda: ad.hypot(x, y), x),
    ("x / sqrt(x**2 + y**2)", lambda: ad.sqrt(x**2 + y**2), x),
    ("x", lambda: ad.relu(w * x + b), w),
    ("2 * x", lambda: ad.where(x, x**2, -y), x),
    ("3 * x**2 * sign(x)", lambda: abs(x) ** 3, x),
    ("1", lambda: ad.maximum(x, y), y),
    ("y * x**(y - 1)", lambda: x**y, x),
    ("x**y * log(x)", lambda: x**y, y),
    ("x**x * (1 + log(x))", lambda: x**x, x),
    ("log(2) * 2**x", lambda: 2**x, x),
    ("-x / sqrt(1 - x**2)", lambda: ad.sqrt(1 - x**2), x),
    ("1.5 * x**0.5", lambda: x**1.5, x),
    ("-2 / x**3", lambda: x**-2, x),
    ("1 / (3 * cbrt(x)**2)", lambda: ad.cbrt(x), x),
    ("2 * sin(x) * cos(x)", lambda: ad.sin(x) ** 2, x),
    ("cos(x)**2 - sin(x)**2", lambda: ad.sin(x) * ad.cos(x), x),
    ("1 + tan(x)**2", lambda: ad.tan(x), x),
    ("2 * x * cos(exp(x**2)) * exp(x**2)", lambda: ad.sin(ad.exp(x**2)), x),
    ("1 / (x * log(x))", lambda: ad.log(ad.log(x)), x),
    ("1 / (x**2 + 1)", lambda: ad.arctan(x), x),
    ("1 / sqrt(1 - x**2)", lambda: ad.arcsin(x), x),
    ("x / (x**2 + y**2)", lambda: ad.arctan2(y, x), y),
    ("-y / (y**2 + x**2)", lambda: ad.arctan2(y, x), x),
    ("1 / sqrt(x**2 + 1)", lambda: ad.arcsinh(x), x),
    ("1 / (sqrt(y - 1) * sqrt(y + 1))", lambda: ad.arccosh(y), y),
    ("1 / (1 - x**2)", lambda: ad.arctanh(x), x),
    ("1 / (log(2) * x)", lambda: ad.log2(x), x),
    ("1 / (log(10) * x)", lambda: ad.log10(x), x),
    ("1 / (x + 1)", lambda: ad.log1p(x), x),
    ("sigmoid(x) * (1 + x * (1 - sigmoid(x)))", lambda: ad.silu(x), x),
    ("0.5 * erfc(-x / sqrt(2)) + x * exp(-0.5 * x**2) / sqrt(2 * pi)", lambda: ad.gelu(x), x),
    ("1 / 3", lambda: ad.mean([x, y, z]), x),
    ("-2 * tanh(x) * (1 - tanh(x)**2)", lambda: _slope(ad.tanh(x)), x),
    ("sigmoid(x) * (1 - sigmoid(x)) * (1 - 2 * sigmoid(x))", lambda: _slope(ad.sigmoid(x)), x),
    ("(4 * x**2 - 2) * exp(-x**2)", lambda: _slope(ad.exp(-(x**2))), x),
    ("2 / x**3", lambda: _slope(1 / x), x),
    ("2 * (x - 1) + 400 * x * (x**2 - y)", lambda: 100 * (y - x**2) ** 2 + (1 - x) ** 2, x),
    ("1200 * x**2 - 400 * y + 2", lambda: _slope(100 * (y - x**2) ** 2 + (1 - x) ** 2), x),
    ("w * x * (1 - tanh(w * tanh(b * x))**2) * (1 - tanh(b * x)**2)", lambda: ad.tanh(w * ad.tanh(b * x)), b),
    ("(x - y) * exp(-(x - y)**2 / (2 * z**2)) / z**2", lambda: ad.exp(-((x - y) ** 2) / (2 * z**2)), y),
    ("1 / (1 - x) + 1 / (x + 1)", lambda: ad.log((1 + x) / (1 - x)), x),
    ("sign(x - y)", lambda: ad.where(abs(x - y) <= 1, 0.5 * (x - y) ** 2, abs(x - y) - 0.5), x),
    ("log(x / y) + 1", lambda: x * ad.log(x / y), x),
    ("1 / (3 * x**(2 / 3))", lambda: x ** (1 / 3), x),
    ("-2 / (9 * x**(5 / 3))", lambda: _slope(x ** (1 / 3)), x),
    ("1 / (x + 1)**2 - 1 / (1 - x)**2", lambda: _slope(ad.log((1 - x) / (1 + x))), x),
    ("sigmoid(x) * (1 - sigmoid(x)) * (x * (1 - 2 * sigmoid(x)) + 2)", lambda: _slope(ad.silu(x)), x),
    ("(12 * x**2 + 4) / (x**2 - 1)**3", lambda: _slope((x**2 + 1) / (x**2 - 1)), x),
    ("(x + 1) * (x - 1)**2 * (5 * x + 1)", lambda: (x + 1) ** 2 * (x - 1) ** 3, x),
    ("log(1 - x) - log(x)", lambda: -(x * ad.log(x) + (1 - x) * ad.log(1 - x)), x),
]


@pytest.mark.parametrize(("derivative", "of", "by"), DERIVATIVES, ids=[text for text, _, _ in DERIVATIVES])
def test_a_derivative_reads_as_a_person_writes_it(derivative: str, of: Callable[[], Any], by: Value) -> None:
    slope = gradient(of(), by)
    assert str(formula(slope)) == derivative
    assert evaluated(formula(slope)) == pytest.approx(slope.data, rel=1e-14)


# --- the value is the graph's ---


def evaluated(f: Formula) -> float:
    """The value of the text, as IEEE 754 has it: 1 / 0 is inf."""
    known: dict[str, Any] = dict(f.names)
    with ad.no_grad():
        for name, text in [*f.definitions, ("", f.expression)]:
            expression = parse(text)
            names = [*expression.names, *[name for name in expression.constants if name in known]]
            known[name] = expression(**{name: known[name] for name in names})
    result = known[""]
    return float(result.data if isinstance(result, Value) else result)


def largest(y: Value) -> float:
    """The largest number on the way to y, inf where one is infinite or nan."""
    numbers = [float(x) if isinstance(x, float) else x.data for node in topological_order(y) for x in node.operands]
    return max([abs(number) if math.isfinite(number) else math.inf for number in [1.0, y.data, *numbers]])


def assert_says_the_value(y: Value) -> None:
    """The formula gives y's number, to rounding of the largest on the way; what is promised where all are finite."""
    scale = largest(y)
    if scale < 1e100:
        assert evaluated(formula(y, limit=None)) == pytest.approx(y.data, rel=1e-9, abs=1e-9 * scale), formula(y)


ALGEBRA = [
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "pow",
    "square",
    "reciprocal",
    "sqrt",
    "abs",
    "sum",
    "dot",
    "prod",
    "mean",
]
FUNCTIONS = ["exp", "log", "tanh", "sigmoid", "sin", "cosh", "hypot", "norm", "logsumexp", "arctan", "softplus", "silu"]
EDGES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 3.0]) | st.floats(-3.0, 3.0)


@given(programs(ALGEBRA, max_steps=10) | programs([*ALGEBRA, *FUNCTIONS], max_steps=8), st.data())
@example(Program((0.5,), (Step(TABLE["log"], (0,)), Step(TABLE["pow"], (0, 0)), Step(TABLE["div"], (1, 2)))), None)
@example(Program((2.0,), (Step(TABLE["sub"], (0, 1.0)), Step(TABLE["mul"], (1, 0)), Step(TABLE["mul"], (2, 1)))), None)
def test_formulas_of_values_and_of_their_derivatives_say_their_numbers(program: Program, data: Any) -> None:
    numbers = program.leaves if data is None else [data.draw(EDGES) for _ in program.leaves]  # not smooth there
    leaves = [Value(number, f"x{i}") for i, number in enumerate(numbers)]
    result = program(*leaves)
    for value in [result, *gradient(result, leaves)]:
        assert_says_the_value(value)


def test_a_sum_that_is_there_twice_is_multiplied_out_twice() -> None:
    c = y / 2 * (0.5 - x**-2)
    for slope in gradient(c * (c + y * x), [x, y]):
        assert_says_the_value(slope)


def test_the_same_sum_with_the_other_sign_is_the_same() -> None:
    assert str(formula((x - y) / (y - x) ** 2)) == "1 / (x - y)"
    assert str(formula((1 - x) * ad.exp(y) / (x - 1))) == "-exp(y)"


def test_what_a_fraction_was_reduced_by_is_said() -> None:
    zero = Value(0.0, "x")
    slope = gradient(zero * ad.sin(zero) / zero, zero)
    assert math.isnan(slope.data)
    f = formula(slope)
    assert f.reduced_by == ("x",)
    assert (f.expression, evaluated(f)) == ("cos(x)", 1.0)
    assert formula(x / (y - 1) + x**2).reduced_by == ()
    assert formula((x + y) * z / (x + y)).reduced_by == ("x + y",)


def test_derivatives_of_a_network_share_what_they_share() -> None:
    loss = ad.logsumexp([t * ad.tanh(w * leaf + b) for leaf in (x, y, z)])
    f = formula(gradient(loss, b))
    assert [name for name, _ in f.definitions] == ["v1", "v2", "v3"]
    assert (
        f.expression
        == "t * ("
        + " + ".join(
            [
                f"softmax([v1, v2, v3])[{i}] * (1 - tanh(w * {name} + b)**2)"
                for i, name in ((2, "z"), (1, "y"), (0, "x"))
            ]
        )
        + ")"
    )
    assert evaluated(f) == pytest.approx(gradient(loss, b).data)


def test_a_long_sum_is_gathered_and_quickly() -> None:
    total = ad.sum([x * 2.0 if i % 2 else y for i in range(20_000)])
    assert str(formula(total)) == "10000 * y + 20000 * x"
    loop = x * 1.0
    for _ in range(20_000):
        loop = loop + x
    assert str(formula(loop)) == "20001 * x"


def test_what_is_far_from_the_end_of_a_large_graph_is_not_read() -> None:
    chain = x
    for _ in range(10_000):
        chain = ad.sin(chain) + y
    f = formula(chain)
    assert f.left_out == 20_000 - 200
    assert f.expression.startswith("sin(sin(")
    assert "..." in f.expression
    assert formula(chain, limit=None).left_out == 0


def test_what_was_whole_for_a_while_is_reduced_in_the_end() -> None:
    for of, slope in [
        (ad.arcsin, "x / sqrt(1 - x**2)**3"),
        (ad.arctan, "-2 * x / (x**2 + 1)**2"),
        (ad.arctanh, "2 * x / (1 - x**2)**2"),
    ]:
        assert str(formula(_slope(_slope(of(x))))) == slope


def test_latex_is_set_as_in_print() -> None:
    assert formula(gradient(ad.sin(x) ** 2, x)).latex() == r"2 \, \sin\left(x\right) \, \cos\left(x\right)"
    assert formula(ad.sin(x) ** 2 / 3).latex() == r"\frac{\sin^{2}\left(x\right)}{3}"
    assert formula(2 * (x + y) * z).latex() == r"2 \, z \cdot \left(x + y\right)"
    assert formula(ad.mean([x, y, z]) * 1.0).latex() == r"\frac{x + y + z}{3}"
    assert formula(gradient(ad.logsumexp([x, y]), y)).latex() == r"\operatorname{softmax}\left(x, y\right)_{1}"
