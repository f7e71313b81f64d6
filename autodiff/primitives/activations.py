"""Activations of neurons, and error functions."""

import math
from typing import Any

from autodiff import floats
from autodiff.chain import NOTHING
from autodiff.primitives import choices, exponentials, hyperbolic
from autodiff.primitives.notation import Notation, command
from autodiff.primitives.primitive import REAL, Facts, Primitive, on
from autodiff.primitives.rules import choose, is_constant_zero, nan_or_nothing, scaled

_TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)


# The derivatives of a Gaussian are polynomials times itself. Where it is 0, these would be inf * 0 for a huge x: there
# x is a constant to them, and they are 0; not so to the first derivative, which underflows: a number as any other.


def _bell(x: Any) -> Any:
    """e^(-x²).

    Far out the choice is a node even where it is decided: e^-900 of a constant would not be a number that was computed.
    """
    is_far = x * x > 900.0
    if is_far is not False:
        x = choices.where(is_far, 30.0, x)
    return exponentials.exp(-x * x)


# The rounding of x² is multiplied by x² in exp(-x²): 36 half-ulps at x = 6.
erf = Primitive(
    "erf", "erf x", floats.erf, [lambda out, x: _TWO_OVER_ROOT_PI * _bell(x)], domain=on((-6.0, 6.0)), ulps=40
)
erfc: Primitive = Primitive(
    "erfc",
    "1 - erf x",
    floats.erfc,
    [lambda out, x: -_TWO_OVER_ROOT_PI * _bell(x)],
    domain=on((-6.0, 6.0)),
    ulps=40,
)
sigmoid: Primitive = Primitive(
    "sigmoid",
    "1 / (1 + e⁻ˣ)",
    floats.sigmoid,
    [lambda out, x: _sigmoid_slope(x)],
    symbol="σ",
    domain=on((-700.0, 700.0)),
    notation=Notation(latex=command(r"\sigma")),
)


def _sigmoid_slope(x: Any) -> Any:
    """sigmoid(x) sigmoid(-x) as sech²(x / 2) / 4: the derivative of the product would cancel near 0."""
    root = 0.5 * hyperbolic.sech(0.5 * x)
    return root * root


softplus = Primitive("softplus", "ln(1 + eˣ)", floats.softplus, [lambda out, x: sigmoid(x)], domain=on((-700.0, 700.0)))


def _relu_slope(x: Any) -> Any:
    """1 where x is positive; NOTHING elsewhere, and at the kink; nan at nan."""
    is_on = x > 0.0
    return 1.0 if is_on is True else choose(is_on, 1.0, nan_or_nothing(x))


relu = Primitive(
    "relu",
    "max(x, 0)",
    lambda x: floats.maximum(x, 0.0),
    [lambda out, x: _relu_slope(x)],
    domain=on(REAL, kinks=lambda x: x, words="x = 0"),
    ulps=4,
    facts=Facts(vectorises=True),
)
leaky_relu = Primitive(
    "leaky_relu",
    "x if x > 0 else slope * x",
    lambda x, slope: x if x > 0.0 else slope * x,
    [
        # the left derivative at the kink
        lambda out, x, slope: choose(x > 0.0, 1.0, NOTHING if is_constant_zero(slope, x) else slope),
        lambda out, x, slope: choose(x > 0.0, NOTHING, x),
    ],
    domain=on(REAL, (0.0, 1.0), kinks=lambda x, slope: x, words="x = 0"),
    ulps=4,
    scales=True,
    facts=Facts(vectorises=True, defaults=(0.01,)),
)
elu = Primitive(
    "elu",
    "x if x > 0 else alpha * (eˣ - 1)",
    lambda x, alpha: x if x > 0.0 else alpha * floats.expm1(x),
    [
        # the left derivative at the kink
        lambda out, x, alpha: choose(x > 0.0, 1.0, scaled(alpha, alpha * exponentials.exp(x))),
        lambda out, x, alpha: choose(x > 0.0, NOTHING, exponentials.expm1(x)),
    ],
    domain=on((-700.0, 700.0), (0.1, 10.0), kinks=lambda x, alpha: x, words="x = 0"),
    scales=True,
    facts=Facts(defaults=(1.0,)),
)
silu = Primitive(
    "silu",
    "x / (1 + e⁻ˣ)",
    lambda x: x * floats.sigmoid(x),
    [lambda out, x: sigmoid(x) + x * _sigmoid_slope(x)],
    domain=on((-700.0, 700.0)),
)


def _gelu_slope(x: Any) -> Any:
    """Phi(x) + x phi(x), with the distribution function and the density of the normal distribution."""
    y = choose(x * x > 1600.0, 40.0, x)
    return 0.5 * erfc(-x * math.sqrt(0.5)) + y * exponentials.exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi)


# The rounding of x²/2 and of x/√2 is multiplied by x² in the tails.
gelu = Primitive(
    "gelu",
    "x Φ(x)",
    floats.gelu,
    [lambda out, x: _gelu_slope(x)],
    domain=on((-6.0, 6.0)),
    ulps=64,
)
