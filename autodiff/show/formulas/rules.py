"""The rules by which expressions are simplified: what a person does on paper before handing a derivative in.

    sums        like terms are gathered, x + x + 3 is 2 * x + 3; constants come last; x - (y - z) is x - y + z;
                what all terms have in common stands in front, and denominators are made one, where that is shorter:
                cos(x) / x - sin(x) / x^2 is (x * cos(x) - sin(x)) / x^2
    products    x * x is x^2, x^2 / x is x; numbers come first, then names; x / y / z is x / (y * z); x^-2 is 1 / x^2
    functions   those that `autodiff.show.formulas.functions` knows, and softmax

They change nothing but the rounding of floats, where nothing overflows on the way and no fraction is reduced by what is
0. Where one is, x / x at 0, the Value is nan, and the formula what it is beside that point. What terms were reduced by
is kept.

    >>> from autodiff import primitives
    >>> terms = Terms(RULES)
    >>> x = terms.variable("x")
    >>> terms.make(primitives.add, x, x).operands == (terms.number(2.0), x)
    True
"""

from collections.abc import Iterable, Mapping
from math import isfinite

from autodiff.primitives import (
    Primitive,
    abs,
    add,
    cosine,
    div,
    hypot,
    logsumexp,
    mul,
    neg,
    pow,
    sech,
    softmax,
    sqrt,
    sub,
)
from autodiff.show.formulas.functions import COSH, SPECIAL, softmax_item, sum_of_squares
from autodiff.show.formulas.products import LARGEST_POWER, Factors, is_sum, product_of, whole_exponent
from autodiff.show.formulas.sums import opposite_of, opposites, sum_of
from autodiff.show.formulas.terms import Rule, Term, Terms

_SPECIAL = (*SPECIAL, opposites)

# Each rule returns None where it has nothing to say, or raises CoefficientError.


def _product(terms: Terms, parts: Iterable[tuple[Term, int]]) -> Term:
    factors = Factors(terms)
    for x, n in parts:
        factors.multiply(x, n)
    return product_of(terms, factors, _SPECIAL)


def _numbers(*xs: Term) -> list[float] | None:
    """The operands as numbers, None if one is none."""
    numbers = [x.number for x in xs if x.number is not None]
    return numbers if len(numbers) == len(xs) else None


def _add(terms: Terms, *xs: Term) -> Term:
    numbers = _numbers(*xs)
    return terms.number(sum(numbers)) if numbers else sum_of(terms, [(1.0, x) for x in xs])


def _sub(terms: Terms, x: Term, y: Term) -> Term:
    numbers = _numbers(x, y)
    return terms.number(numbers[0] - numbers[1]) if numbers else sum_of(terms, [(1.0, x), (-1.0, y)])


def _mul(terms: Terms, *xs: Term) -> Term:
    return _product(terms, [(x, 1) for x in xs])


def _neg(terms: Terms, x: Term) -> Term | None:
    if x.number is not None:
        return terms.number(-x.number)
    if x.op is neg:
        return x.operands[0]
    if is_sum(x):
        opposite = opposite_of(terms, x)
        return None if _begins_with_minus(opposite) else opposite
    return _product(terms, [(terms.number(-1.0), 1), (x, 1)])


def _begins_with_minus(x: Term) -> bool:
    while x.op in (add, sub, mul, div):
        x = x.operands[0]
    return x.op is neg or (x.number is not None and x.number < 0.0)


def _div(terms: Terms, x: Term, y: Term) -> Term | None:
    return _product(terms, [(x, 1), (y, -1)])


def _pow(terms: Terms, x: Term, y: Term) -> Term | None:
    n = y.number
    if n is None:
        return None
    if x.number is not None:
        power = _number_power(x.number, n)
        return None if power is None else terms.number(power)
    if n in (0.0, 1.0):
        return x if n else terms.number(1.0)
    if n.is_integer() and -LARGEST_POWER <= n <= LARGEST_POWER and _is_seen_through(x):
        return _product(terms, [(x, int(n))])
    if n < 0.0 and isfinite(n) and not n.is_integer():
        return terms.make(div, 1.0, terms.make(pow, x, -n))
    return None


def _is_seen_through(x: Term) -> bool:
    """Whether a whole power of x is written without x; that of a product is left as it is."""
    return x.op not in (mul, div) or whole_exponent(x) != 0


def _number_power(x: float, n: float) -> float | None:
    try:
        power = float(x**n) if x > 0.0 or n.is_integer() else None
    except (OverflowError, ZeroDivisionError):
        return None
    return power if power is None or isfinite(power) else None


def _sech(terms: Terms, x: Term) -> Term | None:
    return terms.make(div, 1.0, terms.written(COSH, x))


def _hypot(terms: Terms, x: Term, y: Term) -> Term | None:
    """hypot(y, x) is hypot(x, y), if that stands somewhere else."""
    return terms.known(hypot, y, x)


def _cosine(terms: Terms, x: Term, y: Term) -> Term | None:
    length = terms.make(hypot, x, y)
    if x.number is not None:  # 1 / sqrt(x^2 + 1)
        length = terms.make(sqrt, sum_of_squares(terms, x, y))
    return terms.make(div, x, length)


def _softmax(terms: Terms, x: Term, total: Term) -> Term | None:
    return softmax_item(terms, total.operands, x) if total.op is logsumexp and x in total.operands else None


def _abs(terms: Terms, x: Term) -> Term | None:
    return terms.make(abs, x.operands[0]) if x.op is neg else None


RULES: Mapping[Primitive, Rule] = {
    add: _add,
    sub: _sub,
    mul: _mul,
    div: _div,
    neg: _neg,
    pow: _pow,
    abs: _abs,
    sech: _sech,
    hypot: _hypot,
    cosine: _cosine,
    softmax: _softmax,
}
"""The rules, by the primitive that they simplify."""
