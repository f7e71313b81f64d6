"""Python's floats made IEEE 754: numbers in, and elementary functions that never raise for a value.

The `math` module raises where IEEE 754 has an answer: `math.log(0.0)` is a ValueError, `math.exp(1000.0)` an
OverflowError, `1.0 / 0.0` a ZeroDivisionError. A computation graph wants the number: -inf, inf, inf. The functions
below give it, and keep the sign of zero. They are what the table of `primitives` evaluates on floats; nothing
here knows of gradients.

    >>> log(0.0), exp(1000.0), divide(1.0, -0.0), power(-8.0, 1 / 3)
    (-inf, inf, -inf, nan)
"""

import builtins
import math
from collections.abc import Callable, Sized
from math import copysign, inf, nan
from operator import mul
from typing import Any

# --- numbers in ---

_ADVICE: dict[type, str] = {
    str: "convert text with float(...) first",
    bytes: "convert text with float(...) first",
    type(None): "is a `return` missing in the function that made it?",
    list: "use its numbers one by one: [f(v) for v in values]",
    tuple: "use its numbers one by one: [f(v) for v in values]",
    dict: "use its numbers one by one: {key: f(v) for key, v in ...}",
}

NEVER_NUMBERS = (*_ADVICE, complex)


def as_float(x: Any) -> float:
    """The number `x` as a Python float.

    A number is an int, float, bool, Fraction, Decimal, numpy scalar, array without an axis, or anything with a
    `__float__` that is not a sequence. Raises TypeError, naming the type and the way out, for everything else;
    OverflowError for an int too large for a float.

    >>> as_float(True), as_float(3)
    (1.0, 3.0)
    """
    kind = type(x)
    if kind is float or kind is int or kind is bool:  # nearly every number; the checks below cost ten times as much
        return float(x)
    import numbers  # takes a third of a millisecond, and only rare kinds of numbers need it

    if isinstance(x, numbers.Complex) and not isinstance(x, numbers.Real):
        raise TypeError(
            f"expected a real number, got {kind.__name__} {x!r}; use its real and imaginary parts as two numbers"
        )
    # Sized, not hasattr(kind, "__len__"): the class of an IntEnum has a length, its members have none.
    if not hasattr(kind, "__float__") or (issubclass(kind, Sized) and not _has_no_axis(x)):
        raise TypeError(f"expected a number, got {_described(x)}; {_advice(kind)}")
    return as_float(x.item()) if issubclass(kind, Sized) else float(x)


def _has_no_axis(x: Any) -> bool:
    """Whether x is an array without an axis; a masked one may hold nothing."""
    shape = getattr(x, "shape", None)
    return isinstance(shape, tuple) and not shape and not hasattr(x, "mask")


def check_kind_of_array(x: Any, place: str = "") -> None:
    """Raise TypeError for a masked array, which lacks numbers, and for a numpy.matrix, whose operators are its own."""
    if hasattr(x, "mask"):
        raise TypeError(f"expected numbers, got a masked array{place}; fill it with .filled(...), or leave them out")
    if any(base.__name__ == "matrix" for base in type(x).__mro__):
        raise TypeError(f"expected an array, got a numpy.matrix{place}, whose * is @; use np.asarray(...)")


def unboxed(x: Any) -> Any:
    """The object in an array of objects without an axis, as np.asarray(value) is; anything else as it is."""
    return x.item() if getattr(x, "shape", None) == () and getattr(x.dtype, "kind", None) == "O" else x


def _described(x: Any) -> str:
    text = repr(x)
    return f"{type(x).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


def _advice(kind: type) -> str:
    for known, advice in _ADVICE.items():
        if issubclass(kind, known):
            return advice
    if issubclass(kind, Sized):
        return (
            "use its numbers one by one; an array of Values is np.array([Value(v) for v in array.ravel()]), and is "
            "taken as a whole by numpy's functions, such as np.exp"
        )
    return "a number is an int, float, bool, Fraction, Decimal or numpy scalar"


# --- elementary functions that never raise ---


def _total(
    function: Callable[[float], float],
    *,
    overflow: Callable[[float], float] = lambda x: inf,
    invalid: Callable[[float], float] = lambda x: nan,
) -> Callable[[float], float]:
    """`function` with IEEE 754 answers where the math module raises."""

    def total(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return overflow(x)
        except ValueError:
            return invalid(x)

    return total


def _pole(at: float, value: float) -> Callable[[float], float]:
    return lambda x: value if x == at else nan


exp = _total(math.exp)
exp2 = _total(math.exp2)
expm1 = _total(math.expm1)
log = _total(math.log, invalid=_pole(0.0, -inf))
log2 = _total(math.log2, invalid=_pole(0.0, -inf))
log10 = _total(math.log10, invalid=_pole(0.0, -inf))
log1p = _total(math.log1p, invalid=_pole(-1.0, -inf))
sqrt = _total(math.sqrt)
cbrt = math.cbrt
sin = _total(math.sin)
cos = _total(math.cos)
tan = _total(math.tan)
arcsin = _total(math.asin)
arccos = _total(math.acos)
arctan = math.atan
arctan2 = math.atan2
sinh = _total(math.sinh, overflow=lambda x: copysign(inf, x))
cosh = _total(math.cosh)
tanh = math.tanh
arcsinh = math.asinh
arccosh = _total(math.acosh)
arctanh = _total(math.atanh, invalid=lambda x: copysign(inf, x) if abs(x) == 1.0 else nan)
hypot = math.hypot
erf = math.erf
erfc = math.erfc


def divide(x: float, y: float) -> float:
    """x / y; a nonzero number over a zero is an infinity with the sign of both, 0 / 0 is nan."""
    try:
        return x / y
    except ZeroDivisionError:
        return nan if x == 0.0 or x != x else copysign(inf, x) * copysign(1.0, y)


_fma: Callable[[float, float, float], float] | None = getattr(math, "fma", None)  # from Python 3.13 on


def fused(x: float, y: float, z: float) -> float:
    """x * y + z, rounded once, as IEEE 754 has its fused product.

    >>> fused(0.1, 10.0, -1.0), 0.1 * 10.0 - 1.0
    (5.551115123125783e-17, 0.0)
    """
    if _fma is not None:
        try:
            return _fma(x, y, z)
        except (OverflowError, ValueError):  # which have their answers below
            pass
    if not (math.isfinite(x) and math.isfinite(y)):
        return x * y + z
    if not math.isfinite(z):
        return z
    (a, b), (c, d), (e, f) = x.as_integer_ratio(), y.as_integer_ratio(), z.as_integer_ratio()
    numerator, denominator = a * c * f + e * b * d, b * d * f
    if numerator == 0:  # then x * y is -z to the last bit, and the plain sum tells the sign of the zero
        return x * y + z
    try:
        return numerator / denominator  # of integers: rounded once
    except OverflowError:
        return inf if numerator > 0 else -inf


def power(x: float, y: float) -> float:
    """x ** y as C99's pow: never complex, never an exception."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return -inf if x < 0.0 and y % 2.0 == 1.0 else inf
    except ValueError:
        if x != 0.0:
            return nan  # a negative base with a fractional exponent
        return copysign(inf, x) if y % 2.0 == 1.0 else inf


def modulo(x: float, y: float) -> float:
    """x % y with the sign of y; nan for y = 0 and for infinite x."""
    try:
        return x % y
    except ZeroDivisionError:
        return nan


def floor_divide(x: float, y: float) -> float:
    """x // y, and x / y where y = 0."""
    try:
        return x // y
    except ZeroDivisionError:
        return divide(x, y)


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    def whole(x: float) -> float:
        if x - x != 0.0:  # nan and the infinities are no integers; they stay what they are
            return x
        return copysign(function(x), x)  # copysign: floor(-0.0) and ceil(-0.5) are -0.0

    return whole


floor = _whole(math.floor)
ceil = _whole(math.ceil)


def round(x: float, digits: float = 0.0) -> float:
    """x rounded to that many decimal digits, halves to even."""
    if x - x != 0.0:
        return x
    if digits - digits != 0.0:
        return nan  # there is no such number of digits
    try:
        return copysign(builtins.round(x, int(digits)), x)
    except OverflowError:  # 1.7e308, rounded up to 2e308
        return copysign(inf, x)


def sign(x: float) -> float:
    """-1.0, 0.0 or 1.0, and nan for nan."""
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0 if x == 0.0 else x


def maximum(x: float, y: float) -> float:
    """The larger of two; nan if either is nan."""
    return x if x >= y or x != x else y


def minimum(x: float, y: float) -> float:
    """The smaller of two; nan if either is nan."""
    return x if x <= y or x != x else y


# --- activations: written so that no argument overflows or cancels ---


def sigmoid(x: float) -> float:
    """1 / (1 + e^-x), with e^-|x| alone, which cannot overflow."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def softplus(x: float) -> float:
    """log(1 + e^x) as max(x, 0) + log1p(e^-|x|)."""
    return maximum(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sech(x: float) -> float:
    """1 / cosh x, with e^-|x| alone."""
    e = math.exp(-abs(x))
    return 2.0 * e / (1.0 + e * e)


def arcsin_slope(x: float) -> float:
    """1 / √(1 - x²), the derivative of arcsin: infinite at -1 and 1, nan beyond."""
    return divide(1.0, sqrt((1.0 - x) * (1.0 + x)))


def cosine(x: float, y: float) -> float:
    """x / √(x² + y²), the cosine of the angle between the point (x, y) and the axis of x; 0 at the origin."""
    length = hypot(x, y)
    return x / length if length != 0.0 else 0.0


def gelu(x: float) -> float:
    """x Phi(x), Phi by erfc, which keeps its digits in the left tail."""
    return x * (0.5 * math.erfc(-x * math.sqrt(0.5)))


# --- lists ---


def sum(*xs: float) -> float:
    """The sum, as Python's own sum takes it: from left to right, with compensation from Python 3.12 on.

    It starts from -0.0, the number that changes no other.
    """
    return builtins.sum(xs, -0.0)


def mean(*xs: float) -> float:
    """The arithmetic mean."""
    return builtins.sum(xs, -0.0) / len(xs)


def dot(*wx: float) -> float:
    """w1 x1 + w2 x2 + ... of the first half of the arguments with the second."""
    n = len(wx) // 2
    return builtins.sum(map(mul, wx[:n], wx[n:]), -0.0)


def prod(*xs: float) -> float:
    """The product."""
    return math.prod(xs)


def max(*xs: float) -> float:
    """The largest; nan if any is nan."""
    return next((x for x in xs if x != x), builtins.max(xs))


def min(*xs: float) -> float:
    """The smallest; nan if any is nan."""
    return next((x for x in xs if x != x), builtins.min(xs))


def logsumexp(*xs: float) -> float:
    """log(e^x1 + e^x2 + ...) as m + log1p(sum of e^(x - m) over all but one largest x, m)."""
    m = max(*xs)
    if m - m != 0.0:  # an infinite largest term, or nan, is the answer
        return m
    rest = list(xs)
    rest.remove(m)
    return m + math.log1p(builtins.sum([math.exp(x - m) for x in rest], 0.0))
