"""Laws over the table of primitives, at random points of their domains, and at every special number of IEEE 754.

Each check below takes a Primitive, so that the same code judges the table and the mistakes planted in it at the end.
"""

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Primitive, Value, floats, primitives
from autodiff.chain import NOTHING, Nothing
from autodiff.graph import topological_order
from autodiff.primitives import KNOWN, TABLE
from autodiff.primitives.rules import choose
from autodiff.testing.extrapolation import richardson
from autodiff.testing.mathematics import ORACLES, derivative, error_in_ulps
from autodiff.testing.strategies import points
from tests.laws.oracles import (
    GRADIENT_TERMS,
    VALUE_TERMS,
    clear_step,
    local_gradient_error,
    path_magnitudes,
    planted,
    value_error,
)

EACH = pytest.mark.parametrize("primitive", KNOWN.values(), ids=KNOWN)


def node_of(primitive: Primitive, operands: Sequence[float]) -> Value:
    """The node that the primitive makes of new leaves."""
    node = primitive(*map(Value, operands))
    assert isinstance(node, Value)
    return node


def same(x: Any, y: Any) -> bool:
    """Whether two floats, or two lists of them, are the same to the last bit; every nan is the same."""
    return repr(x) == repr(y)


def some(operands: Sequence[Any]) -> list[int]:
    """The indices of all operands, or of six of them: the oracle of one costs as much as all local gradients."""
    last = len(operands) - 1
    return sorted({round(k * last / 5) for k in range(6)})


# --- the checks ---


def check_value(primitive: Primitive, operands: Sequence[float]) -> None:
    error = value_error(primitive, operands)
    assert error <= primitive.ulps, f"{primitive.name}{operands} is off by {error:.1f} ulps"


def check_local_gradients(primitive: Primitive, operands: Sequence[float]) -> None:
    """Hold the local gradients against mpmath."""
    local_gradients = node_of(primitive, operands).local_gradients
    for index in some(operands):
        error = local_gradient_error(primitive, operands, index, local_gradients[index])
        assert error <= primitive.ulps, (
            f"the local gradient {index} of {primitive.name}{operands} is {local_gradients[index]}, "
            f"not {float(derivative(primitive.name, operands, index))}: off by {error:.1f} ulps"
        )


def difference(primitive: Primitive, operands: Sequence[float], index: int) -> tuple[float, float]:
    """A partial derivative from the primitive's own values in floats, and how far it may be off."""
    largest_term = float(VALUE_TERMS.get(primitive.name, lambda *xs: 0.0)(*operands))
    ((slope, error, *_),) = richardson(
        lambda x: [primitive(*operands[:index], x, *operands[index + 1 :])],
        operands[index],
        step=clear_step(primitive, operands, index),
        rounding=[primitive.ulps * math.ulp(largest_term)],
        ulps=primitive.ulps,
    )
    assert math.isfinite(error), f"no difference of {primitive.name} can be taken at {operands}"
    return slope, 4.0 * error  # an estimate, so with a margin: half of one is the worst seen


def check_differences(primitive: Primitive, operands: Sequence[float]) -> None:
    """Hold the local gradients against differences of values."""
    local_gradients = node_of(primitive, operands).local_gradients
    for index in some(operands):
        if index not in primitive.facts.choosing:
            slope, tolerance = difference(primitive, operands, index)
            assert abs(local_gradients[index] - slope) <= tolerance, (
                f"the local gradient {index} of {primitive.name}{operands} is {local_gradients[index]}, "
                f"differences give {slope} +- {tolerance}"
            )


def second_derivatives(primitive: Primitive, operands: Sequence[float], index: int) -> list[tuple[float, float]]:
    """The gradient of one local gradient, read with Values, and the largest that each could be."""
    leaves = [Value(x) for x in operands]
    local = primitive.local_gradients(primitive(*leaves), *leaves)[index]
    if not isinstance(local, Value):
        return [(0.0, 0.0)] * len(leaves)
    local.backward()
    magnitudes = path_magnitudes(local)
    return [(leaf.grad, magnitudes.get(leaf, 0.0)) for leaf in leaves]


def check_second_order(primitive: Primitive, operands: Sequence[float]) -> None:
    """Hold the derivatives of the local gradients, through `out` and directly, against mpmath.

    A rule calls a few primitives, the roughest of them good to 128 ulps, 3e-14: 1e-12 of the largest term. Below 1e-200
    a product of the numbers on the way may underflow.
    """
    for index in some(operands):
        found = second_derivatives(primitive, operands, index)
        for other in some(operands):
            got, magnitude = found[other]
            true = float(derivative(primitive.name, operands, index, other))
            assert abs(got - true) <= 1e-12 * max(abs(true), magnitude) + 1e-200, (
                f"the second derivative {index}, {other} of {primitive.name}{operands} is {got}, not {true}"
            )


# --- over the table ---


def test_every_primitive_has_an_oracle() -> None:
    assert set(ORACLES) == set(KNOWN)


def test_a_bound_above_16_ulps_is_the_exception() -> None:
    """Each of these carries its reason in the table."""
    rough = {"pow", "erf", "erfc", "gelu", "sum", "mean", "prod", "dot", "logsumexp", "softmax"}
    assert {name for name, primitive in TABLE.items() if primitive.ulps > 16} == rough
    assert {primitive.ulps for name, primitive in TABLE.items() if name not in rough} == {4, 16}


@EACH
@given(data=st.data())
def test_values_are_within_the_bound_of_their_entry(primitive: Primitive, data: st.DataObject) -> None:
    check_value(primitive, data.draw(points(primitive)))


@EACH
@given(data=st.data())
def test_local_gradients_are_within_the_bound_of_their_entry(primitive: Primitive, data: st.DataObject) -> None:
    check_local_gradients(primitive, data.draw(points(primitive)))


@EACH
@given(data=st.data())
def test_local_gradients_agree_with_differences_of_values(primitive: Primitive, data: st.DataObject) -> None:
    check_differences(primitive, data.draw(points(primitive, margin=1e-3)))


@EACH
@given(data=st.data())
def test_rules_read_with_values_give_second_derivatives(primitive: Primitive, data: st.DataObject) -> None:
    check_second_order(primitive, data.draw(points(primitive, max_operands=6)))


@EACH
@given(data=st.data())
def test_mixed_second_derivatives_are_symmetric(primitive: Primitive, data: st.DataObject) -> None:
    operands = data.draw(points(primitive, max_operands=6))
    rows = [second_derivatives(primitive, operands, i) for i in range(len(operands))]
    for i, j in product(range(len(operands)), repeat=2):
        (one, magnitude), (other, other_magnitude) = rows[i][j], rows[j][i]
        assert abs(one - other) <= 1e-12 * (magnitude + other_magnitude) + 1e-200


@EACH
@given(data=st.data())
def test_rules_read_with_values_give_the_floats_that_eager_recorded(primitive: Primitive, data: st.DataObject) -> None:
    leaves = [Value(x) for x in data.draw(points(primitive))]
    node = primitive(*leaves)
    read = primitive.local_gradients(node, *leaves)
    assert same([x.data if isinstance(x, Value) else x for x in read], list(node.local_gradients))


def differentiated(root: Any, leaf: Value) -> Any:
    """d(root)/d(leaf) as a graph, or a float: backward, with the rules read with Values."""
    if not isinstance(root, Value):
        return 0.0
    gradients: dict[Any, Any] = {root: 1.0}
    for node in reversed(topological_order(root)):
        locals_ = node.op.local_gradients(node, *node.operands)
        for operand, local in zip(node.operands, locals_, strict=True):
            if node in gradients and isinstance(operand, Value) and not same(local, 0.0):
                gradients[operand] = gradients.get(operand, 0.0) + gradients[node] * local
    return gradients.get(leaf, 0.0)


@pytest.mark.parametrize("number", [0.0, -0.0, 1.0, -3.0, 0.7, 1e-200, 1e200])
def test_the_third_derivative_of_a_square_is_zero(number: float) -> None:
    for power in (lambda x: x**2, lambda x: x**2.0, lambda x: x * x, ad.square):
        x = Value(number)
        first = differentiated(power(x), x)
        second = differentiated(first, x)
        third = differentiated(second, x)
        data = [d.data if isinstance(d, Value) else d for d in (first, second, third)]
        assert data == [2.0 * number, 2.0, 0.0]


@pytest.mark.parametrize("name", ["sqrt", "cbrt", "log", "log2", "log10", "arcsin", "arctanh"])
def test_the_derivative_at_the_end_of_a_domain_is_infinite(name: str) -> None:
    end = 1.0 if name.startswith("arc") else 0.0
    assert node_of(TABLE[name], [end]).local_gradients == (math.inf,)


# --- operators, methods and functions are the table's entries ---

BINARY = [
    (operator.add, primitives.add),
    (operator.sub, primitives.sub),
    (operator.mul, primitives.mul),
    (operator.truediv, primitives.div),
    (operator.pow, primitives.pow),
    (operator.mod, primitives.mod),
    (operator.floordiv, primitives.floordiv),
]
EACH_BINARY = pytest.mark.parametrize(("operate", "primitive"), BINARY, ids=[p.name for _, p in BINARY])
ANY_FLOAT = st.floats() | st.integers(-5, 5).map(float)


def recorded(node: Value) -> tuple[Any, ...]:
    """All that a node records: its operands by identity, or, as all floats, as text to the last bit."""
    operands = [id(x) if isinstance(x, Value) else repr(x) for x in node.operands]
    return type(node), node.op, operands, repr((node.data, node.grad, node.local_gradients)), node.label


def assert_recorded_alike(node: Value, other: Value) -> None:
    assert recorded(node) == recorded(other)


def test_a_rule_chooses_without_a_node_where_the_condition_is_decided() -> None:
    x, y = Value(2.0), Value(3.0)
    assert choose(True, x, y) is x
    assert choose(False, x, y) is y
    for condition, chosen in ((Value(1.0), 2.0), (Value(0.0), 3.0), (1.0, 2.0)):
        node = choose(condition, x, y)
        assert (node.op, node.operands, node.data) == (primitives.where, (condition, x, y), chosen)


@EACH_BINARY
@given(left=ANY_FLOAT, right=ANY_FLOAT)
def test_an_operator_records_what_its_entry_records(
    operate: Callable[[Any, Any], Any], primitive: Primitive, left: float, right: float
) -> None:
    x, y = Value(left), Value(right)
    for operands in ((x, y), (x, right), (left, y), (x, x)):
        node = operate(*operands)
        assert_recorded_alike(node, primitive(*operands))
        assert_recorded_alike(node, Value.__apply__(primitive, operands))


@given(number=ANY_FLOAT)
def test_negation_records_what_its_entry_records(number: float) -> None:
    x = Value(number)
    assert_recorded_alike(-x, primitives.neg(x))
    assert_recorded_alike(-x, Value.__apply__(primitives.neg, (x,)))


@EACH_BINARY
@given(left=ANY_FLOAT, right=ANY_FLOAT)
def test_a_reflected_operator_is_the_direct_one_with_its_operands_in_order(
    operate: Callable[[Any, Any], Any], primitive: Primitive, left: float, right: float
) -> None:
    x, y = Value(left), Value(right)
    both, reflected, direct = operate(x, y), operate(left, y), operate(x, right)
    assert same([reflected.data, direct.data], [both.data, both.data])
    for node in (reflected, direct):
        for local, of_both in zip(node.local_gradients, both.local_gradients, strict=True):
            assert local is NOTHING or same(local, of_both)  # a constant 0, told from a Value that is 0
    assert same([reflected.operands[0], direct.operands[1]], [left, right])
    assert reflected.operands[1] is y
    assert direct.operands[0] is x


@given(left=ANY_FLOAT, right=ANY_FLOAT)
def test_divmod_is_floor_division_and_remainder(left: float, right: float) -> None:
    x, y = Value(left), Value(right)
    for a, b in ((x, y), (x, right), (left, y)):
        quotient, remainder = divmod(a, b)
        assert_recorded_alike(quotient, a // b)
        assert_recorded_alike(remainder, a % b)


@given(operands=points(primitives.mod))
def test_the_derivative_of_a_remainder_is_minus_the_whole_quotient_exactly(operands: tuple[float, float]) -> None:
    assert node_of(primitives.mod, operands).local_gradients == (1.0, -primitives.floordiv(*operands))


@given(numbers=st.lists(st.floats(allow_nan=False), min_size=3, max_size=3, unique=True))
def test_clip_is_the_smaller_of_high_and_the_larger_of_x_and_low(numbers: list[float]) -> None:
    def run(f: Callable[..., Value]) -> tuple[float, list[float]]:
        leaves = [Value(x) for x in numbers]
        out = f(*leaves)
        out.backward()
        return out.data, [leaf.grad for leaf in leaves]

    assert same(run(ad.clip), run(lambda x, low, high: ad.minimum(ad.maximum(x, low), high)))


NUMBERS = [
    True,
    3,
    -2,
    Fraction(1, 3),
    Decimal("0.1"),
    np.float64(1.7),
    np.float32(0.1),
    np.float16(0.1),
    np.int64(5),
    np.uint8(200),
    np.bool_(True),
]


@EACH_BINARY
@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: f"{type(n).__name__} {n}")
def test_any_number_is_an_operand_as_its_float_is(
    operate: Callable[[Any, Any], Any], primitive: Primitive, number: Any
) -> None:
    x = Value(2.5)
    assert_recorded_alike(operate(x, number), operate(x, float(number)))
    assert_recorded_alike(operate(number, x), operate(float(number), x))
    assert_recorded_alike(primitive(number, x), operate(float(number), x))
    assert type(operate(number, x).operands[0]) is float


METHODS = [p for p in TABLE.values() if p.arity == 1 and p.name not in ("neg", "abs", "round")]


@pytest.mark.parametrize("primitive", METHODS, ids=lambda p: p.name)
@given(number=ANY_FLOAT)
def test_a_method_is_the_function_of_its_name(primitive: Primitive, number: float) -> None:
    x = Value(number)
    node = getattr(x, primitive.name)()
    assert_recorded_alike(node, primitive(x))
    assert_recorded_alike(node, getattr(ad, primitive.name)(x))


@given(left=ANY_FLOAT, right=ANY_FLOAT)
def test_methods_of_two_numbers_are_the_functions_of_their_names(left: float, right: float) -> None:
    x, y = Value(left), Value(right)
    for other in (y, right):
        assert_recorded_alike(x.arctan2(other), ad.arctan2(x, other))
        assert_recorded_alike(x.hypot(other), ad.hypot(x, other))


@given(number=ANY_FLOAT)
def test_builtins_of_one_number_are_its_entries(number: float) -> None:
    x = Value(number)
    assert_recorded_alike(abs(x), primitives.abs(x))
    assert_recorded_alike(math.floor(x), primitives.floor(x))
    assert_recorded_alike(math.ceil(x), primitives.ceil(x))
    assert_recorded_alike(round(x), primitives.round(x, 0.0))
    assert_recorded_alike(round(x, 2), primitives.round(x, 2.0))


def operands_of(primitive: Primitive) -> st.SearchStrategy[list[float]]:
    """A strategy of any floats at all, as many as the primitive takes."""
    if primitive.arity is not None:
        return st.lists(ANY_FLOAT, min_size=primitive.arity, max_size=primitive.arity)
    return st.lists(ANY_FLOAT, min_size=2, max_size=9).map(lambda xs: xs[len(xs) % 2 :])  # even, for dot


@EACH
@given(data=st.data())
def test_floats_and_values_give_the_same_bits(primitive: Primitive, data: st.DataObject) -> None:
    operands = data.draw(operands_of(primitive))
    one_value = data.draw(st.integers(0, len(operands) - 1))
    mixed = [Value(x) if i == one_value else x for i, x in enumerate(operands)]
    alone = primitive(*operands)
    assert type(alone) is float
    assert same([primitive(*map(Value, operands)).data, primitive(*mixed).data], [alone, alone])


def test_functions_of_lists_are_their_entries() -> None:
    numbers = [0.3, -1.0, 2.0, 0.5]
    leaves = [Value(x) for x in numbers]
    for name in ("sum", "mean", "prod", "norm", "logsumexp", "max", "min"):
        assert_recorded_alike(getattr(ad, name)(leaves), TABLE[name](*leaves))
        assert same(getattr(ad, name)(numbers), TABLE[name](*numbers))
    assert_recorded_alike(ad.dot(leaves[:2], leaves[2:]), primitives.dot(*leaves))
    assert same(ad.dot(numbers[:2], numbers[2:]), primitives.dot(*numbers))


# --- the numbers of IEEE 754 ---

SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, -5e-324]


def special_operands(primitive: Primitive) -> Iterable[tuple[float, ...]]:
    """Every combination of special numbers; of lists, those of two."""
    return product(SPECIAL, repeat=primitive.arity or 2)


@EACH
def test_special_numbers_never_raise_and_give_floats(primitive: Primitive) -> None:
    for operands in special_operands(primitive):
        data = primitive(*operands)
        node = node_of(primitive, operands)
        assert type(data) is float
        assert same(node.data, data)
        assert len(node.local_gradients) == len(operands)
        assert {type(x) for x in node.local_gradients} <= {float, Nothing}


@EACH
def test_special_numbers_run_backward_without_an_exception(primitive: Primitive) -> None:
    for operands in special_operands(primitive):
        leaves = [Value(x) for x in operands]
        primitive(*leaves).backward()
        assert {type(leaf.grad) for leaf in leaves} == {float}


def test_rounding_to_any_number_of_digits_never_raises() -> None:
    numbers, digits = [*SPECIAL, 2.5, 1.7e308, -1.7e308], [*SPECIAL, 2.0, -2.0, 308.0, -308.0, 400.0]
    assert all(type(primitives.round(x, n)) is float for x, n in product(numbers, digits))
    assert [primitives.round(x, -308.0) for x in (1.7e308, -1.7e308)] == [math.inf, -math.inf]
    assert same([primitives.round(x, 0.0) for x in numbers], np.rint(numbers).tolist())


OF_TWO = {"sum": np.add, "prod": np.multiply, "dot": np.multiply, "norm": np.hypot, "logsumexp": np.logaddexp}
OF_TWO |= {"max": np.maximum, "min": np.minimum, "mean": lambda x, y: np.add(x, y) / np.float64(2.0)}
NUMPY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "pow": np.power,
    "mod": np.mod,
    "floordiv": np.floor_divide,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "where": lambda condition, x, y: np.where(bool(condition), x, y),
    **OF_TWO,
    **{name: getattr(np, name) for name, p in TABLE.items() if p.arity and name != "round" and hasattr(np, name)},
}
# numpy has none of these, or, of round, takes whole numbers of digits alone.
NOT_IN_NUMPY = set("erf erfc sigmoid relu leaky_relu elu silu gelu softmax log_softmax round".split())


def test_every_primitive_is_held_against_numpy_or_named() -> None:
    missing = set(TABLE) - set(NUMPY) - NOT_IN_NUMPY
    assert not missing, f"add {missing} to NUMPY here, with the function of numpy, or to NOT_IN_NUMPY if there is none"
    assert set(NUMPY) | NOT_IN_NUMPY == set(TABLE)
    assert not set(NUMPY) & NOT_IN_NUMPY


def is_choice_of_zeros(name: str, operands: tuple[float, ...]) -> bool:
    """Whether the larger or smaller of 0.0 and -0.0 is asked for.

    The one deliberate deviation: here it is the first of them; in numpy it depends on the processor.
    """
    return name in ("max", "min", "maximum", "minimum") and operands in ((0.0, -0.0), (-0.0, 0.0))


@pytest.mark.parametrize("name", NUMPY)
def test_special_numbers_give_what_numpy_gives(name: str) -> None:
    for operands in special_operands(TABLE[name]):
        got = TABLE[name](*operands)
        with np.errstate(all="ignore"):
            expected = float(NUMPY[name](*map(np.float64, operands)))
        if got == 0.0 and is_choice_of_zeros(name, operands):
            continue
        if math.isfinite(expected) and expected != 0.0:  # both libraries are a few ulps off
            assert abs(got - expected) <= 4 * math.ulp(expected), (name, operands)
        else:
            assert same(got, expected), (name, operands)


# --- laws of differentiation, on random smooth expressions ---

SMOOTH = ["sin", "cos", "tanh", "arctan", "arcsinh", "sigmoid", "softplus", "erf", "silu", "gelu"]


class Expression(str):
    """Text in x and y, which can be called; a failing one prints as Python."""

    def __call__(self, x: Any, y: Any) -> Any:
        return eval(self, {name: getattr(ad, name) for name in SMOOTH}, {"x": x, "y": y})


def _extended(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    calls = st.tuples(st.sampled_from(SMOOTH), smaller).map(lambda t: f"{t[0]}({t[1]})")
    sums = st.tuples(smaller, st.sampled_from("+-*"), smaller).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
    return calls | sums


LETTERS = st.sampled_from("xy")
CONSTANTS = st.integers(-4, 4).map(lambda n: f"({n / 2})")
EXPRESSIONS = st.recursive(LETTERS | CONSTANTS, _extended, max_leaves=8).map(lambda e: Expression(f"({e} + 0.0 * x)"))
COORDINATES = st.floats(-3.0, 3.0)


def gradient(f: Callable[[Value, Value], Value], x: float, y: float) -> tuple[list[float], float]:
    """f's gradient by backward, and the tolerance of a law: rounding errors relative to the largest terms.

    An expression has at most some thirty nodes, the roughest good to 64 ulps: 1e-12 is four times that.
    """
    leaves = Value(x), Value(y)
    out = f(*leaves)
    out.backward()
    magnitudes = path_magnitudes(out)
    return [leaf.grad for leaf in leaves], 1e-12 * max(magnitudes.get(leaf, 0.0) for leaf in leaves) + 1e-200


def combined(*terms: tuple[float, list[float]]) -> list[float]:
    """The sum of the gradients, each times its factor."""
    return [math.fsum(factor * slopes[i] for factor, slopes in terms) for i in range(2)]


def assert_close(got: list[float], expected: list[float], tolerance: float) -> None:
    assert all(abs(g - e) <= tolerance for g, e in zip(got, expected, strict=True)), (got, expected, tolerance)


@given(f=EXPRESSIONS, g=EXPRESSIONS, a=COORDINATES, b=COORDINATES, x=COORDINATES, y=COORDINATES)
def test_the_gradient_is_linear(f: Expression, g: Expression, a: float, b: float, x: float, y: float) -> None:
    both, tolerance = gradient(lambda x, y: a * f(x, y) + b * g(x, y), x, y)
    assert_close(both, combined((a, gradient(f, x, y)[0]), (b, gradient(g, x, y)[0])), tolerance)


@given(f=EXPRESSIONS, g=EXPRESSIONS, x=COORDINATES, y=COORDINATES)
def test_product_rule(f: Expression, g: Expression, x: float, y: float) -> None:
    both, tolerance = gradient(lambda x, y: f(x, y) * g(x, y), x, y)
    assert_close(both, combined((g(x, y), gradient(f, x, y)[0]), (f(x, y), gradient(g, x, y)[0])), tolerance)


@given(f=EXPRESSIONS, g=EXPRESSIONS, x=COORDINATES, y=COORDINATES)
def test_quotient_rule(f: Expression, g: Expression, x: float, y: float) -> None:
    divisor = Expression(f"(1.0 + {g} * {g})")
    both, tolerance = gradient(lambda x, y: f(x, y) / divisor(x, y), x, y)
    over, under = f(x, y), divisor(x, y)
    by_the_rule = combined((1.0 / under, gradient(f, x, y)[0]), (-over / under**2, gradient(divisor, x, y)[0]))
    assert_close(both, by_the_rule, tolerance)


@given(f=EXPRESSIONS, g=EXPRESSIONS, h=EXPRESSIONS, x=COORDINATES, y=COORDINATES)
def test_chain_rule(f: Expression, g: Expression, h: Expression, x: float, y: float) -> None:
    whole, tolerance = gradient(lambda x, y: h(f(x, y), g(x, y)), x, y)
    (by_f, by_g), _ = gradient(h, f(x, y), g(x, y))
    assert_close(whole, combined((by_f, gradient(f, x, y)[0]), (by_g, gradient(g, x, y)[0])), tolerance)


INVERSES = [
    (ad.exp, ad.log, -5.0, 5.0),
    (ad.log, ad.exp, 0.01, 100.0),
    (ad.exp2, ad.log2, -5.0, 5.0),
    (ad.expm1, ad.log1p, -3.0, 5.0),
    (ad.log1p, ad.expm1, -0.9, 100.0),
    (ad.sin, ad.arcsin, -1.4, 1.4),
    (ad.cos, ad.arccos, 0.2, 3.0),
    (ad.tan, ad.arctan, -1.4, 1.4),
    (ad.sinh, ad.arcsinh, -5.0, 5.0),
    (ad.cosh, ad.arccosh, 0.2, 5.0),
    (ad.tanh, ad.arctanh, -3.0, 3.0),
    (ad.square, ad.sqrt, 0.01, 100.0),
    (ad.sqrt, ad.square, 0.01, 100.0),
    (ad.cbrt, lambda x: x**3, 0.01, 100.0),
    (ad.neg, ad.neg, -100.0, 100.0),
    (ad.reciprocal, ad.reciprocal, 0.01, 100.0),
]


@pytest.mark.parametrize(("f", "inverse", "low", "high"), INVERSES, ids=[i[0].__name__ for i in INVERSES])
@given(data=st.data())
def test_derivatives_of_inverses_multiply_to_one(f: Any, inverse: Any, low: float, high: float, data: Any) -> None:
    """On these intervals the inverse magnifies the rounding of f's value 400 times at most: 1e-12 is ten times that."""
    x = Value(data.draw(st.floats(low, high)))
    there = f(x)
    back = inverse(there)
    back.backward()
    assert abs(back.data - x.data) <= 1e-12 * max(1.0, abs(x.data))
    assert abs(x.grad - 1.0) <= 1e-12
    assert abs(there.local_gradients[0] * back.local_gradients[0] - 1.0) <= 1e-12 or back.op is primitives.pow


# --- symmetry ---

SYMMETRIC = [p for p in TABLE.values() if p.arity is None and p.name != "dot"]
SYMMETRIC += [primitives.add, primitives.mul, primitives.hypot, primitives.maximum, primitives.minimum]


@pytest.mark.parametrize("primitive", SYMMETRIC, ids=lambda p: p.name)
@given(data=st.data())
def test_the_order_of_operands_does_not_matter(primitive: Primitive, data: st.DataObject) -> None:
    """Beyond the bound of the entry, that is, which rounding errors of either order may use up."""
    operands = data.draw(points(primitive, max_operands=12))
    order = data.draw(st.permutations(range(len(operands))))
    node, permuted = node_of(primitive, operands), node_of(primitive, [operands[i] for i in order])
    terms = VALUE_TERMS.get(primitive.name, lambda *xs: 0.0)
    largest = max(abs(terms(*node_operands)) for node_operands in (operands, [operands[i] for i in order]))
    assert error_in_ulps(permuted.data, node.data, largest) <= 2 * primitive.ulps
    for position, i in enumerate(order):
        assert error_in_ulps(permuted.local_gradients[position], node.local_gradients[i]) <= 2 * primitive.ulps


@given(number=st.floats(-700.0, 700.0))
def test_sigmoids_of_opposite_numbers_add_to_one(number: float) -> None:
    x = Value(number)
    y = ad.sigmoid(x) + ad.sigmoid(-x)
    y.backward()
    assert abs(y.data - 1.0) <= 2 * math.ulp(1.0)
    assert abs(x.grad) <= 4 * math.ulp(0.25)


LISTS = st.lists(st.floats(-50.0, 50.0), min_size=1, max_size=20)


@given(numbers=LISTS)
def test_softmax_adds_to_one_and_its_sum_has_no_derivative(numbers: list[float]) -> None:
    """Within the 128 ulps of each share."""
    leaves = [Value(x) for x in numbers]
    total = ad.sum(ad.softmax(leaves))
    total.backward()
    assert abs(total.data - 1.0) <= 128 * math.ulp(1.0)
    assert all(abs(leaf.grad) <= 256 * math.ulp(1.0) for leaf in leaves)


@given(numbers=LISTS, data=st.data())
def test_softmax_has_the_derivatives_of_the_textbook(numbers: list[float], data: st.DataObject) -> None:
    leaves = [Value(x) for x in numbers]
    i = data.draw(st.integers(0, len(leaves) - 1))
    shares = ad.softmax(leaves)
    shares[i].backward()
    for j, leaf in enumerate(leaves):
        expected = shares[i].data * ((i == j) - shares[j].data)
        assert abs(leaf.grad - expected) <= 1e-13 * shares[i].data


@given(numbers=LISTS)
def test_softmax_log_softmax_and_logsumexp_agree_to_the_last_bit(numbers: list[float]) -> None:
    leaves = [Value(x) for x in numbers]
    total = ad.logsumexp(leaves)
    logs = ad.log_softmax(leaves)
    assert [log.data for log in logs] == [x - total.data for x in numbers]
    assert [share.data for share in ad.softmax(leaves)] == [floats.exp(log.data) for log in logs]
    assert same(
        [ad.softmax(numbers), ad.log_softmax(numbers)], [[floats.exp(x.data) for x in logs], [x.data for x in logs]]
    )


@pytest.mark.parametrize("function", [ad.softmax, ad.log_softmax])
@pytest.mark.parametrize("n", [1, 2, 10, 300])
def test_softmax_makes_a_node_for_each_number_and_one_for_all(function: Any, n: int) -> None:
    leaves = [Value(float(i)) for i in range(n)]
    results = function(leaves)
    assert len(topological_order(*results)) == n + 1
    assert len({id(result.operands[1]) for result in results}) == 1


@given(pairs=st.lists(st.tuples(ANY_FLOAT, ANY_FLOAT), min_size=1, max_size=20))
def test_dot_is_the_sum_of_products_to_the_last_bit(pairs: list[tuple[float, float]]) -> None:
    def run(combine: Callable[[list[Value], list[Value]], Value]) -> tuple[float, list[float]]:
        w, x = [Value(w) for w, _ in pairs], [Value(x) for _, x in pairs]
        y = combine(w, x)
        y.backward()
        return y.data, [leaf.grad for leaf in (*w, *x)]

    assert same(run(ad.dot), run(lambda w, x: ad.sum(a * b for a, b in zip(w, x, strict=True))))


# --- planted mistakes ---


def mistakes_at(index: int) -> dict[str, Callable[[list[Any]], Any]]:
    return {
        "a wrong sign": lambda local: -local[index],
        "twice as much": lambda local: 2.0 * local[index],
        "dropped": lambda local: 0.0,
        "that of the operand before": lambda local: local[index - 1],
        "one too much": lambda local: local[index] + 1.0,
        "off in the tenth digit": lambda local: local[index] * (1.0 + 1e-10),
    }


def draw_mistake(data: st.DataObject, primitive: Primitive, operands: Sequence[float], finest: float) -> Any:
    """The name of a mistake, a copy of the primitive with it, and the index of the local gradient it changes.

    It changes it by more than `finest` of itself, or of the largest term in it; what underflows is not asked for.
    """
    right = list(node_of(primitive, operands).local_gradients)
    terms = float(GRADIENT_TERMS.get(primitive.name, lambda *xs: 0.0)(*operands))
    found = [
        (name, planted(primitive, index, mistake), index)
        for index in some(operands)
        for name, mistake in mistakes_at(index).items()
        if abs(mistake(right) - right[index]) > finest * max(abs(right[index]), terms) + 1e-290
    ]
    assume(found)
    return data.draw(st.sampled_from(found))


@EACH
@given(data=st.data())
def test_a_planted_mistake_is_caught_by_mpmath(primitive: Primitive, data: st.DataObject) -> None:
    """Wherever a mistake changes a local gradient by more than a few hundred ulps."""
    operands = data.draw(points(primitive, max_operands=4))
    _, mistaken, _ = draw_mistake(data, primitive, operands, finest=1e-12)
    with pytest.raises(AssertionError, match="local gradient"):
        check_local_gradients(mistaken, operands)


@EACH
@given(data=st.data())
def test_a_planted_mistake_is_caught_by_differences(primitive: Primitive, data: st.DataObject) -> None:
    """Wherever it is larger than what differences of floats can be trusted with."""
    operands = data.draw(points(primitive, margin=1e-3, max_operands=4))
    _, mistaken, index = draw_mistake(data, primitive, operands, finest=1e-3)
    assume(index not in primitive.facts.choosing)
    right, wrong = (node_of(p, operands).local_gradients[index] for p in (primitive, mistaken))
    assume(abs(wrong - right) > 3.0 * difference(primitive, operands, index)[1])
    with pytest.raises(AssertionError, match="differences give"):
        check_differences(mistaken, operands)


STRAIGHT = (
    "add sub neg mod floordiv abs sign floor ceil round relu maximum minimum clip where sum mean log_softmax max min"
)
CURVED = [p for p in TABLE.values() if p.name not in STRAIGHT.split()]


@pytest.mark.parametrize("primitive", CURVED, ids=lambda p: p.name)
@given(data=st.data())
def test_a_rule_that_is_right_only_in_value_is_caught_at_second_order(primitive: Primitive, data: Any) -> None:
    operands = data.draw(points(primitive, max_operands=4))
    rows = {index: second_derivatives(primitive, operands, index) for index in some(operands)}
    curved = [i for i, row in rows.items() if any(abs(slope) > max(1e-11 * size, 1e-190) for slope, size in row)]
    assume(curved)
    index = data.draw(st.sampled_from(curved))
    mistaken = planted(primitive, index, lambda local: getattr(local[index], "data", local[index]))
    with pytest.raises(AssertionError, match="second derivative"):
        check_second_order(mistaken, operands)
