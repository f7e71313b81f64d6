"""What numpy's functions do to an element, a Value or a number, in terms of primitives.

A comparison of a Value that is traced is a condition: a Value that &, | and ^ combine, and that `where` selects by.

>>> OF_TWO["fmax"](math.nan, 2.0), OF_ONE["trunc"](-2.5), OF_TWO["copysign"](3.0, -0.0)
(2.0, -2.0, -3.0)
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import primitives


def is_value(x: Any) -> bool:
    return hasattr(type(x), "__apply__")


def truth(x: Any) -> Any:
    """Whether x is not 0: a bool, or while x is traced a condition, which is a Value that & combines."""
    if not is_value(x):
        return bool(x)
    return x if hasattr(type(x), "__and__") else x != 0.0


def _not(x: Any) -> Any:
    return truth(x) ^ True


def is_condition(x: Any) -> bool:
    return isinstance(x, (bool, np.bool_)) or (is_value(x) and hasattr(type(x), "__and__"))


def _inverted(x: Any) -> Any:
    return _not(x) if is_condition(x) else ~x


def chosen(condition: Any, x: Any, y: Any) -> Any:
    """x or y; where the condition is decided, without a node."""
    holds = truth(condition)
    return (x if holds else y) if isinstance(holds, bool) else primitives.where(holds, x, y)


def _is_nan(x: Any) -> Any:
    return x != x


def _is_finite(x: Any) -> Any:
    return abs(x) < math.inf


def _is_infinite(x: Any) -> Any:
    return abs(x) == math.inf


def _is_negative(x: Any) -> Any:
    """Whether the sign bit is set, as in -0.0; a Value that is nan is taken as positive."""
    if not is_value(x):
        return math.copysign(1.0, x) < 0.0
    return (x < 0.0) | ((x == 0.0) & (primitives.reciprocal(x) < 0.0))


def _with_sign(x: Any, y: Any) -> Any:
    size = primitives.abs(x)
    return chosen(_is_negative(y), -size, size)


def _truncated(x: Any) -> Any:
    return chosen(x < 0.0, primitives.ceil(x), primitives.floor(x))


def _remainder(x: Any, y: Any) -> Any:
    """x - y * trunc(x / y), exactly, as C's fmod does: it has the sign of x."""
    size = primitives.mod(primitives.abs(x), primitives.abs(y))
    return chosen(x < 0.0, -size, size)


def _step(x: Any, at_zero: Any) -> Any:
    """0 for a negative x, 1 for a positive one, `at_zero` in between; nan for nan."""
    return chosen(x < 0.0, 0.0, chosen(x > 0.0, 1.0, chosen(x == 0.0, at_zero, math.nan)))


def _larger(x: Any, y: Any) -> Any:
    return chosen(_is_nan(x), y, chosen(_is_nan(y), x, primitives.maximum(x, y)))


def _smaller(x: Any, y: Any) -> Any:
    return chosen(_is_nan(x), y, chosen(_is_nan(y), x, primitives.minimum(x, y)))


def _log_of_sum(x: Any, y: Any) -> Any:
    return primitives.logsumexp(x, y)


def _log2_of_sum(x: Any, y: Any) -> Any:
    return primitives.logsumexp(x * math.log(2.0), y * math.log(2.0)) / math.log(2.0)


def _rounded(x: Any) -> Any:
    return primitives.round(x, 0.0)


def _radians(x: Any) -> Any:
    return x * (math.pi / 180.0)


def _degrees(x: Any) -> Any:
    return x * (180.0 / math.pi)


OF_ONE: dict[str, Callable[[Any], Any]] = {
    **{name: entry for name, entry in primitives.TABLE.items() if entry.arity == 1},
    "absolute": primitives.abs,
    "fabs": primitives.abs,
    "negative": operator.neg,
    "positive": operator.pos,
    "conjugate": operator.pos,
    "rint": _rounded,
    "trunc": _truncated,
    "radians": _radians,
    "deg2rad": _radians,
    "degrees": _degrees,
    "rad2deg": _degrees,
    "isnan": _is_nan,
    "isfinite": _is_finite,
    "isinf": _is_infinite,
    "signbit": _is_negative,
    "logical_not": _not,
    "invert": _inverted,
}


OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": operator.pow,
    "float_power": operator.pow,
    "remainder": operator.mod,
    "floor_divide": operator.floordiv,
    "fmod": _remainder,
    "arctan2": primitives.arctan2,
    "hypot": primitives.hypot,
    "logaddexp": _log_of_sum,
    "logaddexp2": _log2_of_sum,
    "maximum": primitives.maximum,
    "minimum": primitives.minimum,
    "fmax": _larger,
    "fmin": _smaller,
    "copysign": _with_sign,
    "heaviside": _step,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "logical_and": lambda x, y: truth(x) & truth(y),
    "logical_or": lambda x, y: truth(x) | truth(y),
    "logical_xor": lambda x, y: truth(x) ^ truth(y),
}
