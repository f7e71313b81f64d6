"""The rules by which expressions are simplified, lightly: those that anyone applies on paper without a word.

Each makes an expression no longer:

    x + 0, 1 * x, x / 1, x^1 are x;  x^0 is 1;  --x is x;  x + -y is x - y;  x * -y is -(x * y)
    x + x is 2 * x, 2 * x + x is 3 * x;  2 * (3 * x) is 6 * x;  x * 2 is 2 * x
    x * x is x^2, x * x^2 is x^3;  x^-2 is 1 / x^2
    x * (y / z) is x * y / z;  x / y / z is x / (y * z)
    (x / sqrt(y))^2 is x^2 / y; (x / hypot(y, z))^2 is x^2 / (y^2 + z^2)
    (1 / cosh(x))^2 is 1 - tanh(x)^2, (0.5 / cosh(x))^2 is sigmoid(2 * x) * sigmoid(-(2 * x)): how derivatives read,
    not how they are computed, lest digits be lost

They change nothing but the rounding of floats, where nothing overflows on the way.

    >>> from autodiff import primitives
    >>> terms = Terms(RULES)
    >>> x = terms.variable("x")
    >>> terms.make(primitives.add, x, x).operands == (terms.number(2.0), x)
    True
"""

from collections.abc import Mapping
from math import isfinite
from sys import float_info

from autodiff.primitives import Primitive, add, cosh, div, hypot, mul, neg, pow, sigmoid, sqrt, sub, tanh
from autodiff.show.formulas.terms import Rule, Term, Terms

_LARGEST_POWER = 64.0

# Each rule returns None where it has nothing to say.


def _add(terms: Terms, a: Term, b: Term) -> Term | None:
    if a.number is not None and b.number is not None:
        return terms.number(a.number + b.number)
    if a.number == 0.0 or b.number == 0.0:
        return b if a.number == 0.0 else a
    for x, y in ((a, b), (b, a)):
        opposite = _without_sign(terms, y)
        if opposite is not None:
            return terms.make(sub, x, opposite)
    return _like_terms(terms, a, b, 1.0)


def _sub(terms: Terms, a: Term, b: Term) -> Term | None:
    if a.number is not None and b.number is not None:
        return terms.number(a.number - b.number)
    if b.number == 0.0:
        return a
    if a.number == 0.0:
        return terms.make(neg, b)
    opposite = _without_sign(terms, b)
    if opposite is not None:
        return terms.make(add, a, opposite)
    return _like_terms(terms, a, b, -1.0)


def _without_sign(terms: Terms, x: Term) -> Term | None:
    """The term -x if x is written with a minus in front, else None."""
    if x.op is neg:
        return x.operands[0]
    return terms.number(-x.number) if x.number is not None and x.number < 0.0 else None


def _factored(x: Term) -> tuple[float, Term]:
    """A number and a term whose product is x. In a term, a minus stands before the product."""
    sign, product = (-1.0, x.operands[0]) if x.op is neg else (1.0, x)
    if product.op is mul and product.operands[0].number is not None:
        return sign * product.operands[0].number, product.operands[1]
    return sign, product


def _like_terms(terms: Terms, a: Term, b: Term, sign: float) -> Term | None:
    (m, x), (n, y) = _factored(a), _factored(b)
    total = m + sign * n
    return terms.make(mul, total, x) if x is y and total and isfinite(total) else None


def _neg(terms: Terms, x: Term) -> Term | None:
    if x.number is not None:
        return terms.number(-x.number)
    if x.op is neg:
        return x.operands[0]
    return terms.make(sub, x.operands[1], x.operands[0]) if x.op is sub else None


def _mul(terms: Terms, a: Term, b: Term) -> Term | None:
    if b.number is not None:
        if a.number is not None:
            return terms.number(a.number * b.number)
        return terms.make(mul, b, a)
    if a.number is not None:
        return _times_number(terms, a.number, b)
    if a is b and a.op is div:
        squared = _square_of_quotient(terms, *a.operands)
        if squared is not None:
            return squared
    return _factors_in_front(terms, a, b) or _fractions(terms, a, b) or _powers(terms, a, b)


def _times_number(terms: Terms, number: float, x: Term) -> Term | None:
    if number == 1.0:
        return x
    if number < 0.0:
        return terms.make(neg, terms.make(mul, -number, x))
    factor, rest = _factored(x)
    if factor != 1.0 and _is_normal(number * factor):
        return terms.make(mul, number * factor, rest)
    return _fractions(terms, terms.number(number), x)


def _is_normal(number: float) -> bool:
    """Whether nothing was lost in a product: it neither overflows nor underflows."""
    return isfinite(number) and abs(number) >= float_info.min


def _square_of_quotient(terms: Terms, x: Term, y: Term) -> Term | None:
    """The term (x / y)^2 where it has a name of its own, or the root in y falls away."""

    def square(x: Term) -> Term:
        return terms.make(pow, x, 2.0)

    if y.op is sqrt:
        return terms.make(div, square(x), y.operands[0])
    if y.op is hypot:
        return terms.make(div, square(x), terms.make(add, *map(square, y.operands)))
    if y.op is cosh and x.number == 1.0:
        return terms.make(sub, 1.0, square(terms.make(tanh, y.operands[0])))
    if y.op is cosh and x.number == 0.5:
        twice = terms.make(mul, 2.0, y.operands[0])
        return terms.make(mul, terms.make(sigmoid, twice), terms.make(sigmoid, terms.make(neg, twice)))
    return None


def _factors_in_front(terms: Terms, a: Term, b: Term) -> Term | None:
    (m, x), (n, y) = _factored(a), _factored(b)
    if (m, n) == (1.0, 1.0) or not _is_normal(m * n):
        return None
    return terms.make(mul, m * n, terms.make(mul, x, y))


def _fractions(terms: Terms, a: Term, b: Term) -> Term | None:
    if b.op is div:
        return terms.make(div, terms.make(mul, a, b.operands[0]), b.operands[1])
    if a.op is div:
        return terms.make(div, terms.make(mul, a.operands[0], b), a.operands[1])
    return None


def _powers(terms: Terms, a: Term, b: Term) -> Term | None:
    """The product a * b where they are powers of the same: b and the last factor of a, or a and the first of b."""
    merged = _power(terms, a, b)
    if merged is None and a.op is mul:
        merged = _power(terms, a.operands[1], b)
        return None if merged is None else terms.make(mul, a.operands[0], merged)
    if merged is None and b.op is mul:
        merged = _power(terms, a, b.operands[0])
        return None if merged is None else terms.make(mul, merged, b.operands[1])
    return merged


def _power(terms: Terms, a: Term, b: Term) -> Term | None:
    (x, m), (y, n) = _as_power(a), _as_power(b)
    return terms.make(pow, x, m + n) if x is y and m + n <= _LARGEST_POWER else None


def _as_power(x: Term) -> tuple[Term, float]:
    """A term and a whole number: the base and the exponent of x."""
    if x.op is pow:
        exponent = x.operands[1].number
        if exponent is not None and 0.0 < exponent <= _LARGEST_POWER and exponent.is_integer():
            return x.operands[0], exponent
    return x, 1.0


def _div(terms: Terms, a: Term, b: Term) -> Term | None:
    if b.number == 1.0:
        return a
    if b.number is not None and b.number < 0.0:
        return terms.make(neg, terms.make(div, a, -b.number))
    if a.number is not None and a.number < 0.0:
        return terms.make(neg, terms.make(div, -a.number, b))
    if a.op is neg or b.op is neg:
        signs = (a.op is neg) + (b.op is neg)
        positive = terms.make(div, *[x.operands[0] if x.op is neg else x for x in (a, b)])
        return positive if signs == 2 else terms.make(neg, positive)
    if a.op is div:
        return terms.make(div, a.operands[0], terms.make(mul, a.operands[1], b))
    return None


def _pow(terms: Terms, x: Term, y: Term) -> Term | None:
    n = y.number
    if n is None or x.number is not None or not n.is_integer():
        return None
    if n in (0.0, 1.0):
        return x if n else terms.number(1.0)
    if n < 0.0:
        return terms.make(div, 1.0, terms.make(pow, x, -n))
    if x.op is neg:
        positive = terms.make(pow, x.operands[0], n)
        return terms.make(neg, positive) if n % 2.0 else positive
    base, m = _as_power(x)
    return terms.make(pow, base, m * n) if m != 1.0 and m * n <= _LARGEST_POWER else None


RULES: Mapping[Primitive, Rule] = {
    add: _add,
    sub: _sub,
    mul: _mul,
    div: _div,
    neg: _neg,
    pow: _pow,
}
"""The rules, by the primitive that they simplify."""
