"""Derivatives of orders 1 to 3, over all floats at which a function is smooth, and close to where it is not.

What is held against mpmath is `gradient` of `gradient` of `gradient`, so that a rule whose own derivative cancels,
overflows or underflows on the way is found. The bound is that of the entry in the table, in ulps of the result, and of
what an ulp of each operand makes of it: next to a zero of a derivative no float operand gives more digits.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations_with_replacement, product
from typing import Any

import pytest
from mpmath import mp, mpf

import autodiff as ad
from autodiff import Primitive, Value
from autodiff.primitives import KNOWN
from autodiff.testing.mathematics import formulas

# Where a function of one number is not smooth, or ends.
SINGULAR: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(["log", "log2", "log10", "sqrt", "cbrt", "reciprocal"], (0.0,)),
    **dict.fromkeys(["arcsin", "arccos", "arctanh", "arcsin_slope"], (-1.0, 1.0)),
    "log1p": (-1.0,),
    "arccosh": (1.0,),
}
SMOOTH_FROM_TO = {
    **dict.fromkeys(["log", "log2", "log10", "sqrt"], (0.0, math.inf)),
    **dict.fromkeys(["arcsin", "arccos", "arctanh", "arcsin_slope"], (-1.0, 1.0)),
    "log1p": (-1.0, math.inf),
    "arccosh": (1.0, math.inf),
    **dict.fromkeys(["exp", "exp2", "expm1", "sinh", "cosh", "tanh", "sech"], (-1e4, 1e4)),  # beyond: 0, 1 or inf
    **dict.fromkeys(["sigmoid", "softplus", "silu"], (-1e4, 1e4)),
    **dict.fromkeys(["erf", "erfc", "gelu"], (-1e3, 1e3)),
}
# Flat or straight between their kinks: of these only the first order says something.
STEPS = {"abs", "sign", "floor", "ceil", "relu"}
ONE = [primitive for name, primitive in KNOWN.items() if primitive.arity == 1 and name not in STEPS]
SIZES = [1e-300, 2.7e-160, 1e-103, 1e-20, 2.7e-16, 1e-12, 1e-8, 1e-5, 1e-3, 0.1, 0.27]
LARGE = [0.66, 1.0, 1.6, 2.5, 5.0, 10.0, 26.0, 38.0, 90.0, 240.0, 350.0, 372.0, 600.0, 709.0, 740.0, 1e3, 1e4]
HUGE = [1e20, 1e80, 1e103, 1e155, 1e200, 1e300, 1e308]


def around(name: str) -> Iterator[float]:
    """Yield numbers of all magnitudes, and at all distances from the singular points, where the function is smooth."""
    singular = SINGULAR.get(name, ())
    low, high = SMOOTH_FROM_TO.get(name, (-math.inf, math.inf))
    distances = [sign * size for size in SIZES for sign in (1.0, -1.0)]
    numbers = {x for size in LARGE + HUGE for x in (size, -size)} | {0.0}
    numbers |= {point + distance for point in {0.0, *singular} for distance in distances}
    yield from sorted(x for x in numbers - set(singular) if low <= x <= high)


def slopes(name: str, x: float) -> list[Any]:
    """The value and the true derivatives of orders 1 to 4, by central differences."""
    room = min([1.0, 1.0 / max(1.0, abs(x)), *[abs(x - point) for point in SINGULAR.get(name, ())]])
    places = 25 - math.floor(math.log10(room))
    with mp.workdps(4 * places + 400 + 2 * int(math.log10(max(1.0, abs(x))))):
        step = mpf(10) ** -places
        row = [formulas(mp)[name](mpf(x) + k * step) for k in range(-4, 5)]
        found = [row[4]]
        while len(row) > 2:
            row = [(right - left) / (2 * step) for left, right in zip(row, row[2:], strict=False)]
            found.append(row[len(row) // 2])
        return found


def error(got: float, true: Any, moved: Any) -> float:
    """The error of `got` in ulps of the truth, and of how far an ulp of the operands moves it."""
    if abs(true) > mpf(math.nextafter(math.inf, 0.0)):
        return 0.0 if got == math.copysign(math.inf, true) else math.inf
    if not math.isfinite(got):
        return math.inf
    return float(abs(mpf(got) - true) / (math.ulp(float(true)) + moved))


@pytest.mark.parametrize("primitive", ONE, ids=lambda primitive: primitive.name)
def test_orders_1_to_3_keep_the_bound_of_the_entry_over_all_floats(primitive: Primitive) -> None:
    for number in around(primitive.name):
        x = Value(number)
        true = slopes(primitive.name, number)
        y = primitive(x)
        for order in (1, 2, 3):
            y = ad.gradient(y, x)
            underflowing = math.ulp(0.0) * min(abs(number), 1e3) ** order  # a tail, times a polynomial
            off = error(y.data, true[order], abs(true[order + 1]) * math.ulp(number) + underflowing)
            assert off <= primitive.ulps, (
                f"order {order} at {number!r}: {y.data}, not {float(true[order])}: {off} ulps; the rule cancels "
                f"or meets 0 * inf there, or, where {primitive.name} is not smooth, the point is missing in SINGULAR"
            )


@pytest.mark.parametrize("name", ["erf", "erfc", "gelu", "sigmoid", "softplus", "silu", "tanh", "arctan"])
@pytest.mark.parametrize("number", [1e155, -1e155, 1e200, 1.7e308, -1.7e308])
def test_far_out_derivatives_from_the_second_on_are_zero_and_never_nan(name: str, number: float) -> None:
    x = Value(number)
    y = ad.gradient(KNOWN[name](x), x)
    for _ in range(4):
        y = ad.gradient(y, x)
        assert y.data == 0.0


@pytest.mark.parametrize(
    ("f", "number", "expected"),
    [
        (ad.arcsin, 1.0, math.inf),
        (ad.arcsin, -1.0, -math.inf),
        (ad.arccos, 1.0, -math.inf),
        (ad.arccos, -1.0, math.inf),
        (ad.arctanh, 1.0, math.inf),
        (ad.arccosh, 1.0, -math.inf),
        (ad.sqrt, 0.0, -math.inf),
        (ad.log, 0.0, -math.inf),
        (ad.cbrt, 0.0, -math.inf),  # from the right
        (ad.cbrt, -0.0, math.inf),  # from the left
    ],
)
def test_the_second_derivative_at_the_end_of_a_domain_is_infinite(
    f: Callable[[Any], Any], number: float, expected: float
) -> None:
    x = Value(number)
    assert ad.gradient(ad.gradient(f(x), x), x).data == expected
    assert ad.compile(ad.grad(ad.grad(f)), backend="python")(number) == expected


def test_the_square_of_a_length_is_smooth_at_the_zero_vector_as_a_dot_only() -> None:
    """The length has the derivative 0 there, by convention; no second derivative of it makes its square's right."""
    zero = [0.0, 0.0]
    assert ad.hessian(lambda v: ad.dot(v, v))(zero) == [[2.0, 0.0], [0.0, 2.0]]
    assert ad.hessian(lambda v: ad.norm(v) ** 2)(zero) == [[0.0, 0.0], [0.0, 0.0]]
    for f in (lambda v: ad.dot(v, v), lambda v: ad.norm(v) ** 2):
        assert ad.compile(ad.hessian(f), backend="python")(zero) == ad.hessian(f)(zero)


@pytest.mark.parametrize("power", [-0.5, -1.0, -2.0, -3.5])
def test_zero_to_a_negative_power_has_the_limit_of_its_derivatives_from_the_right(power: float) -> None:
    x, y = Value(0.0), Value(power)
    (x**y).backward()
    assert (x.grad, y.grad) == (-math.inf, -math.inf)
    assert ad.compile(ad.grad(lambda v: v[0] ** v[1]), backend="python")([0.0, power]) == [-math.inf, -math.inf]


# --- two operands ---

# Not smaller: the terms of a third derivative would be infinite.
PLANE = [sign * size for size in (1e-100, 1e-20, 1e-8, 0.3, 1.0, 2.7, 1e8, 1e100) for sign in (1.0, -1.0)]
POWERS = list(
    product([1e-100, 1e-8, 0.3, 1.0 - 2**-53, 1.0, 2.7, 1e8, 1e100], [1e-20, 0.3, 1.0, 1.0 + 1e-15, 2.0, 3.0, -2.5])
)
TWO: dict[str, tuple[list[tuple[float, float]], Callable[[float, float], tuple[float, float]]]] = {
    "hypot": (list(product(PLANE, PLANE)), lambda x, y: (math.hypot(x, y),) * 2),
    "cosine": (list(product(PLANE, PLANE)), lambda x, y: (math.hypot(x, y),) * 2),
    "arctan2": ([(y, x) for y, x in product(PLANE, PLANE) if x > 0.0], lambda y, x: (math.hypot(x, y),) * 2),
    "div": (list(product(PLANE, PLANE)), lambda x, y: (abs(x), abs(y))),
    "pow": (POWERS, lambda x, y: (x, 1.0 / max(1.0, abs(math.log(x))))),
}
"""Points, and how far from them the function changes, for each of two operands."""


def partial(name: str, point: Sequence[Any], steps: Sequence[Any], indices: Sequence[int]) -> Any:
    """The true partial derivative, once in each operand that `indices` name, by central differences."""
    if not indices:
        return formulas(mp)[name](*point)
    i, *others = indices
    sides = []
    for sign in (1, -1):
        moved = [x + sign * steps[k] if k == i else x for k, x in enumerate(point)]
        sides.append(partial(name, moved, steps, others))
    return (sides[0] - sides[1]) / (2 * steps[i])


@pytest.mark.parametrize("name", TWO)
def test_orders_1_to_3_of_two_operands_keep_the_bound_of_the_entry(name: str) -> None:
    points, scales = TWO[name]
    for numbers in points:
        with mp.workdps(700):
            point = [mpf(x) for x in numbers]
            steps = [mpf(scale) * mpf(10) ** -25 for scale in scales(*numbers)]
            for indices in (i for order in (1, 2, 3) for i in combinations_with_replacement((0, 1), order)):
                true = partial(name, point, steps, indices)
                moved = sum(
                    abs(partial(name, point, steps, (*indices, k))) * math.ulp(x) for k, x in enumerate(numbers)
                )
                leaves = [Value(x) for x in numbers]
                y = KNOWN[name](*leaves)
                for index in indices:
                    y = ad.gradient(y, leaves[index])
                off = error(y.data, true, moved)
                assert off <= KNOWN[name].ulps, f"{indices} at {numbers}: {y.data}, not {float(true)}: {off} ulps"
