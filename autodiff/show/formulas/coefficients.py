"""Coefficients: the number before a product, as a quotient of two, so that thirds stay thirds.

    >>> times(ratio(2.0), ratio(1 / 3)), plus(ratio(0.1), ratio(0.2))
    ((2.0, 3.0), (0.3, 1.0))

Whole numbers are reduced as fractions are. Rounding that arithmetic itself made is taken away: 0.1 + 0.2 is 0.3.
"""

from fractions import Fraction
from math import e, gcd, isfinite, log, log2, log10, sqrt, ulp
from sys import float_info

Ratio = tuple[float, float]
"""A numerator, which has the sign, and a denominator; neither is 0, infinite or nan."""

ONE: Ratio = (1.0, 1.0)
ZERO: Ratio = (0.0, 1.0)  # of a sum; no product has it

_WHOLE = 2.0**53
_LARGEST_DENOMINATOR = 99
_ROUNDED = 2  # ulps by which arithmetic alone can have moved a fraction
_INVERSES = {log2(e): log(2.0), log10(e): log(10.0), sqrt(0.5): sqrt(2.0)}  # which rules of the table have


class CoefficientError(ArithmeticError):
    """A number that is no coefficient: 0, an infinity or nan, or one that overflows or underflows."""


def ratio(number: float) -> Ratio:
    """A number as a quotient. Raises CoefficientError for 0, infinities and nan.

    >>> ratio(2 / 3), ratio(0.25), ratio(-3.0)
    ((2.0, 3.0), (0.25, 1.0), (-3.0, 1.0))
    """
    if not number or not isfinite(number):
        raise CoefficientError(number)
    inverse = _INVERSES.get(abs(number))
    if inverse is not None:
        return (1.0 if number > 0.0 else -1.0), inverse
    return fraction(number, _ROUNDED)


def fraction(number: float, ulps: int = 0) -> Ratio:
    """A number as a fraction of small whole numbers, if it is one to so many last bits and no short decimal.

    >>> fraction(-1 / 3), fraction(0.5), fraction(0.3), fraction(2 / 3 - 1, ulps=2)
    ((-1.0, 3.0), (0.5, 1.0), (0.3, 1.0), (-1.0, 3.0))
    """
    if len(repr(number)) > 15 and 1e-3 < abs(number) < 1e3:
        near = Fraction(number).limit_denominator(_LARGEST_DENOMINATOR)
        if near and abs(near.numerator / near.denominator - number) <= ulps * ulp(number):
            return float(near.numerator), float(near.denominator)
    return number, 1.0


def times(a: Ratio, b: Ratio) -> Ratio:
    """Their product. Raises CoefficientError where digits would be lost."""
    (p, q), (r, s) = a, b
    if abs(p) == s:
        p, s = (1.0 if p > 0.0 else -1.0), 1.0
    if abs(r) == q:
        r, q = (1.0 if r > 0.0 else -1.0), 1.0
    return (p * r, 1.0) if abs(p) == q == abs(r) == s == 1.0 else _reduced(p * r, q * s)


def to_the(a: Ratio, exponent: int) -> Ratio:
    """A whole power, negative ones too. Raises CoefficientError where digits would be lost."""
    if a == ONE or exponent == 1:
        return a
    if a == (-1.0, 1.0):
        return a if exponent % 2 else ONE
    p, q = a if exponent > 0 else (a[1] if a[0] > 0.0 else -a[1], abs(a[0]))
    try:
        return _reduced(p ** abs(exponent), q ** abs(exponent))
    except OverflowError:
        raise CoefficientError(a, exponent) from None


def plus(a: Ratio, b: Ratio) -> Ratio:
    """Their sum, which may be ZERO. Raises CoefficientError where it overflows."""
    if a[0] * b[1] == -b[0] * a[1]:
        return ZERO
    if all(map(_is_whole, (*a, *b))):
        return _reduced(a[0] * b[1] + b[0] * a[1], a[1] * b[1])
    return _checked(cleaned(a[0] / a[1] + b[0] / b[1])), 1.0


def _is_whole(number: float) -> bool:
    return number.is_integer() and abs(number) < _WHOLE


def _reduced(p: float, q: float) -> Ratio:
    _checked(p), _checked(q)
    if _is_whole(p) and _is_whole(q):
        common = gcd(int(p), int(q))
        return p / common, q / common
    if q == 1.0:
        return cleaned(p), 1.0
    if _is_whole(q):  # 0.5 / 2 is 0.25, but x / 2 stays what it is
        quotient = cleaned(p / q)
        if len(repr(quotient)) <= max(len(repr(p)), 8):
            return _checked(quotient), 1.0
    return p, q


def _checked(number: float) -> float:
    """The number, unless it was lost in a product: it neither overflows nor underflows."""
    if not isfinite(number) or abs(number) < float_info.min:
        raise CoefficientError(number)
    return number


def cleaned(number: float) -> float:
    """The decimal or fraction beside a number, where rounding alone can have taken it from there.

    >>> cleaned(0.1 + 0.2), cleaned(1 / 3 - 1) == -2 / 3
    (0.3, True)
    """
    short = float(f"{number:.15g}")
    if len(repr(short)) + 2 < len(repr(number)):
        return short
    p, q = fraction(number, _ROUNDED)
    return p / q
