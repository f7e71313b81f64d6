"""Products: a coefficient, and powers of what is multiplied and divided by.

    >>> from autodiff import primitives
    >>> from autodiff.show.formulas.rules import RULES
    >>> from autodiff.show.formulas.terms import Terms
    >>> terms = Terms(RULES)
    >>> x = terms.variable("x")
    >>> terms.make(primitives.mul, x, x, terms.make(primitives.div, 3.0, x)) is terms.make(primitives.mul, 3.0, x)
    True

The same factor is gathered into one power, and a fraction is reduced. Numbers come first, then names, functions, and
sums in parentheses.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from autodiff.primitives import add, div, mul, neg, pow, sub
from autodiff.show.formulas.coefficients import ONE, Ratio, cleaned, ratio, times, to_the
from autodiff.show.formulas.terms import Term, Terms

MOST_FACTORS = 64  # of a product that is taken apart again and again
LARGEST_POWER = 64.0

Powers = dict[Term, float]


class Product(NamedTuple):
    """A coefficient, and the exponent of each factor, none of which is 0."""

    coefficient: Ratio
    powers: Powers

    def times(self, coefficient: Ratio) -> "Product":
        """The product with another coefficient before it."""
        return Product(times(self.coefficient, coefficient), self.powers)


def is_sum(term: Term) -> bool:
    """Whether a term is a sum or a difference."""
    return term.op is add or term.op is sub


def is_name(term: Term) -> bool:
    """Whether a term is a variable."""
    return term.op is None and term.number is None


class Factors:
    """A product that is gathered, factor by factor."""

    def __init__(self, terms: Terms, product: Product | None = None) -> None:
        self._terms = terms
        self.coefficient, self.powers = ONE, Powers()
        if product is not None:
            self.coefficient, self.powers = product.coefficient, dict(product.powers)

    def multiply(self, term: Term, exponent: int = 1) -> None:
        """Take in a power of a term, which is taken apart. Raises CoefficientError for 0, infinities and nan."""
        stack, room = [(term, exponent)], MOST_FACTORS
        while stack:
            x, n = stack.pop()
            room -= 1
            if x.number is not None:
                self.scale(to_the(ratio(x.number), n))
            elif x in self._terms.whole:
                self.take(x, n)
            elif x.op is neg:
                self.scale((-1.0 if n % 2 else 1.0, 1.0))
                stack.append((x.operands[0], n))
            elif x.op is mul and room > 0:
                stack += [(x.operands[1], n), (x.operands[0], n)]
            elif x.op is div and room > 0:
                stack += [(x.operands[1], -n), (x.operands[0], n)]
            elif (whole := whole_exponent(x)) and abs(n * whole) <= LARGEST_POWER:
                stack.append((x.operands[0], n * whole))
            elif broken := _broken_exponent(x):
                self.take(x.operands[0], n * broken)
            else:
                self.take(x, n)

    def scale(self, coefficient: Ratio) -> None:
        """Take in a coefficient."""
        self.coefficient = times(self.coefficient, coefficient)

    def take(self, x: Term, n: float) -> None:
        """Take in a power of a term as a whole."""
        if self.powers.get(x, 0) * n < 0:
            self._terms.reduced[x] = None
        self.shift(x, n)

    def shift(self, x: Term, n: float) -> None:
        """Add to the exponent of a factor, where nothing is reduced by that."""
        exponent = cleaned(self.powers.get(x, 0) + n)
        if exponent:
            self.powers[x] = exponent
        else:
            self.powers.pop(x, None)

    def product(self) -> Product:
        """What was gathered."""
        return Product(self.coefficient, self.powers)


def whole_exponent(x: Term) -> int:
    """The exponent of a power that is a whole number and not a large one, else 0."""
    exponent = x.operands[1].number if x.op is pow else None
    return int(exponent) if exponent and exponent.is_integer() and abs(exponent) <= LARGEST_POWER else 0


def _broken_exponent(x: Term) -> float:
    """The exponent of a power that is no whole number, else 0."""
    exponent = x.operands[1].number if x.op is pow else None
    return exponent if exponent and not exponent.is_integer() and isfinite(exponent) else 0.0


def product_in(terms: Terms, term: Term) -> Product:
    """A term as a product."""
    factors = Factors(terms)
    factors.multiply(term)
    return factors.product()


Special = Callable[[Terms, Factors], bool]
"""Given factors: whether it has changed them, by what it knows of some function."""


def product_of(terms: Terms, factors: Factors, special: Sequence[Special]) -> Term:
    """The term of a product, simplified by what special rules there are."""
    while any(rule(terms, factors) for rule in [_whole_powers, *special]):
        pass
    _merge_exponents(terms, factors)
    return written(terms, factors.product())


def _whole_powers(terms: Terms, factors: Factors) -> bool:
    """(x * y)^0.5, squared, is x * y."""
    for x, n in list(factors.powers.items()):
        if x not in terms.whole and n == int(n) and (x.op in (mul, div, neg) or whole_exponent(x)):
            del factors.powers[x]
            factors.multiply(x, int(n))
            return True
    return False


def _merge_exponents(terms: Terms, factors: Factors) -> None:
    """x * x^(y - 1) is x^y, where the sum of the exponents is shorter than they are."""
    for x, n in list(factors.powers.items()):
        if x.op is not pow or abs(n) != 1 or x.operands[1].number is not None:
            continue
        base, exponent = x.operands
        m = factors.powers.get(base)
        if m is None:
            continue
        merged = terms.make(add, exponent, float(m * n))
        if merged.size < exponent.size:
            del factors.powers[x], factors.powers[base]
            terms.reduced[base] = None
            factors.multiply(terms.make(pow, base, merged), int(n))


def written(terms: Terms, product: Product) -> Term:
    """A product as it is written: the factors in order, over those that it is divided by."""
    (p, q), powers = product
    if p < 0.0:
        turned = _turned(terms, powers)
        if turned is None:
            positive = written(terms, Product((-p, q), powers))
            return terms.number(p) if positive.number is not None else terms.written(neg, positive)
        p, powers = -p, turned
    above = [(x, n) for x, n in powers.items() if n > 0]
    below = [(x, -n) for x, n in powers.items() if n < 0]
    whole = _joined(terms, p, above)
    return terms.written(div, whole, _joined(terms, q, below)) if below or q != 1.0 else whole


def _turned(terms: Terms, powers: Powers) -> Powers | None:
    """The factors of -(x - y) * z, with x - y turned to y - x, if there is one of names alone."""
    for x, n in powers.items():
        if x.op is sub and n == 1 and all(map(_is_short, x.operands)):
            y = terms.written(sub, x.operands[1], x.operands[0])
            return {(y if z is x else z): k for z, k in powers.items()}
    return None


def _is_short(x: Term) -> bool:
    """Whether a term is a name, a number or a whole power of a name."""
    return x.op is None or (whole_exponent(x) > 0 and is_name(x.operands[0]))


def _joined(terms: Terms, number: float, powers: list[tuple[Term, float]]) -> Term:
    """The factors, all of them above or below, as one product."""
    if not (number == 1.0 and len(powers) == 2 and _reads_as_it_is(powers[0])):
        powers = sorted(powers, key=_rank)
    factors = [x if n == 1 else terms.written(pow, x, terms.number(float(n))) for x, n in powers]
    if not factors:
        return terms.number(number)
    product = terms.written(mul, *factors) if len(factors) > 1 else factors[0]
    return product if number == 1.0 else terms.written(mul, terms.number(number), product)


def _reads_as_it_is(factor: tuple[Term, float]) -> bool:
    """Whether a factor is a sum of names, as in (x + y) * z."""
    x, _ = factor
    return is_sum(x) and all(y.op is None for y in x.operands)


def _rank(factor: tuple[Term, float]) -> int:
    """Names first, sums of names, functions, and last sums of functions."""
    x, _ = factor
    if is_sum(x):
        return 1 if _is_of_names(x) else 3
    return 0 if _is_power_of_name(x) else 2


def _is_power_of_name(x: Term) -> bool:
    return is_name(x) or (x.op is pow and is_name(x.operands[0]) and x.operands[1].number is not None)


def _is_of_names(x: Term) -> bool:
    """Whether there are no functions in a term."""
    stack = [x]
    for _ in range(MOST_FACTORS):
        if not stack:
            break
        y = stack.pop()
        if y.op in (add, sub, mul, div, neg):
            stack += y.operands
        elif y.op is not None and not _is_power_of_name(y):
            return False
    return True


def key_of(powers: Mapping[Term, float]) -> frozenset[tuple[Term, float]]:
    """The same for the same factors, in whatever order."""
    return frozenset(powers.items())
