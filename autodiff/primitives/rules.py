"""What rules are written with: choices, and the zeros that are structural.

>>> choose(True, 1.0, 2.0), scaled(0.0, 3.0)
(1.0, 3.0)
"""

from itertools import pairwise
from typing import Any

from autodiff import floats, primitives
from autodiff.chain import NOTHING


def choose(condition: Any, x: Any, y: Any) -> Any:
    """where(condition, x, y), without a node where the condition is decided: what numbers and Values give is."""
    if condition is True:
        return x
    # `where` is looked up when a rule runs, for it stands in a room above this one
    return y if condition is False else primitives.where(condition, x, y)


def is_constant_zero(factor: Any, other: Any) -> bool:
    """Whether a factor is the constant 0: a plain number where another one is a Value.

    Of plain numbers nobody knows which are constants: what records a node reads the rule of a zero again, with Values.
    """
    return type(factor) is float and type(other) is not float and factor == 0.0


def scaled(factor: Any, slope: Any) -> Any:
    """A slope with that factor: NOTHING where it is the constant 0."""
    return NOTHING if is_constant_zero(factor, slope) else slope


def guarded(x: Any) -> Any:
    """x, and 1 where x is 0: a denominator that turns the 0 / 0 of a zero vector into 0."""
    return choose(x == 0.0, 1.0, x)


def nan_or_nothing(x: Any) -> Any:
    """The local gradient of an operand that no comparison takes: nan if it is nan, else NOTHING."""
    return choose(x != x, x, NOTHING)


def over(x: Any, length: Any) -> Any:
    """x / length; 0, in every order of derivative, where the length is 0."""
    return choose(length == 0.0, NOTHING, x / guarded(length))


def squared(x: Any) -> Any:
    """x², from whatever is multiplied: `x ** 2` would be a node of another kind."""
    return x * x


def to_integer(x: float) -> float:
    """The distance to the nearest integer; zero at the kinks of the step functions."""
    return x - floats.round(x)


def gap(*xs: float) -> float:
    """The smallest distance between two of the numbers; zero at a tie."""
    ordered = sorted(xs)
    return floats.min(1.0, *(b - a for a, b in pairwise(ordered)))
