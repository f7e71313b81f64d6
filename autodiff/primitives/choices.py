"""Choices: which operand is taken."""

from typing import Any

from autodiff import floats
from autodiff.chain import NOTHING
from autodiff.primitives.notation import Notation, command
from autodiff.primitives.primitive import REAL, Facts, Primitive, on
from autodiff.primitives.rules import choose, gap, nan_or_nothing

# What was not chosen has the local gradient NOTHING. A nan is always chosen, and the derivative in it is nan.


def _taken(is_beyond: Any, is_tied: Any, x: Any) -> Any:
    """The local gradient of x, one of two operands."""
    return choose(is_beyond, 1.0, choose(is_tied, 0.5, nan_or_nothing(x)))


maximum: Primitive = Primitive(
    "maximum",
    "the larger of x and y",
    floats.maximum,
    [lambda out, x, y: _taken(x > y, x == y, x), lambda out, x, y: _taken(y > x, x == y, y)],
    domain=on(REAL, REAL, kinks=lambda x, y: x - y, words="x = y"),
    ulps=4,
    facts=Facts(vectorises=True),
    notation=Notation(latex=command(r"\max")),
)
minimum = Primitive(
    "minimum",
    "the smaller of x and y",
    floats.minimum,
    [lambda out, x, y: _taken(x < y, x == y, x), lambda out, x, y: _taken(y < x, x == y, y)],
    domain=on(REAL, REAL, kinks=lambda x, y: x - y, words="x = y"),
    ulps=4,
    facts=Facts(vectorises=True),
    notation=Notation(latex=command(r"\min")),
)
clip = Primitive(
    "clip",
    "x, at least low and at most high",
    lambda x, low, high: floats.minimum(floats.maximum(x, low), high),
    [
        lambda out, x, low, high: choose((x >= low) & (x <= high), 1.0, nan_or_nothing(x)),  # 1 at the bounds
        lambda out, x, low, high: choose((x < low) & (low <= high), 1.0, nan_or_nothing(low)),
        lambda out, x, low, high: choose((x > high) | (low > high), 1.0, nan_or_nothing(high)),
    ],
    domain=on(REAL, (-1e6, 0.0), (0.0, 1e6), kinks=gap, words="two of them equal"),
    ulps=4,
)
where: Primitive = Primitive(
    "where",
    "x if condition else y",
    lambda condition, x, y: x if condition else y,
    [
        lambda out, condition, x, y: NOTHING,
        lambda out, condition, x, y: choose(condition != 0.0, 1.0, NOTHING),
        lambda out, condition, x, y: choose(condition != 0.0, NOTHING, 1.0),
    ],
    domain=on((0.0, 1.0), REAL, REAL, kinks=lambda condition, x, y: condition, words="condition = 0"),
    ulps=4,
    facts=Facts(choosing=(0,), vectorises=True, python="{1} if {0} else {2}"),
)
