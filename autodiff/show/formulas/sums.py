"""Sums: like terms gathered, over a common denominator and with what all have in common in front, if that is shorter.

    >>> from autodiff import primitives
    >>> from autodiff.show.formulas.rules import RULES
    >>> from autodiff.show.formulas.terms import Terms
    >>> terms = Terms(RULES)
    >>> x = terms.variable("x")
    >>> terms.make(primitives.add, 3.0, x, x) is terms.make(primitives.add, terms.make(primitives.mul, 2.0, x), 3.0)
    True

A polynomial of one name begins with its highest power; constants come last, and a minus at the beginning is avoided.
"""

from collections.abc import Iterable, Iterator

from autodiff.primitives import add, neg, sub
from autodiff.show.formulas.coefficients import ONE, ZERO, Ratio, plus, times, to_the
from autodiff.show.formulas.products import Factors, Product, is_name, is_sum, key_of, product_in
from autodiff.show.formulas.products import written as product_written
from autodiff.show.formulas.terms import Term, Terms

MOST_TERMS = 64  # of a sum that is taken apart again and again
_MOST_TO_REARRANGE = 12
_MOST_EXPANDED = 32
_LARGEST_TO_REARRANGE = 400

Sum = list[Product]


def sum_of(terms: Terms, parts: Iterable[tuple[float, Term]]) -> Term:
    """The term of a sum of terms, each with its sign."""
    plain = gathered(terms, ((product, sign) for sign, part in parts for product in _products(terms, part)))
    return _shortest(terms, plain)


def opposite_of(terms: Terms, x: Term) -> Term:
    """The term of -x, for a sum x: the same products, with other signs."""
    return written(terms, [Product((-p, q), powers) for (p, q), powers in _products(terms, x)])


def opposites(terms: Terms, factors: Factors) -> bool:
    """A rule for products: (x - 1) / (1 - x) is -1."""
    sums = [x for x, n in factors.powers.items() if is_sum(x) and n == int(n)]
    for i, x in enumerate(sums[:_MOST_TO_REARRANGE]):
        opposite = opposite_of(terms, x) if i < len(sums) - 1 else x
        if opposite in sums[i + 1 :]:
            n = factors.powers.pop(opposite)
            factors.take(x, n)
            factors.scale((-1.0 if n % 2 else 1.0, 1.0))
            return True
    return False


def _products(terms: Terms, part: Term) -> Iterator[Product]:
    """The products that a term is the sum of: itself, if it is none."""
    stack: list[tuple[Term, float]] = [(part, 1.0)]
    room = MOST_TERMS
    while stack:
        x, sign = stack.pop()
        room -= 1
        if x in terms.whole:
            yield product_in(terms, x).times((sign, 1.0))
        elif x.op is add and room > 0:
            stack += [(x.operands[1], sign), (x.operands[0], sign)]
        elif x.op is sub and room > 0:
            stack += [(x.operands[1], -sign), (x.operands[0], sign)]
        elif x.op is neg:
            stack.append((x.operands[0], -sign))
        elif x.number == 0.0:
            continue
        elif is_sum(x):
            yield Product((sign, 1.0), {x: 1})
        else:
            yield product_in(terms, x).times((sign, 1.0))


def gathered(terms: Terms, products: Iterable[tuple[Product, float]]) -> Sum:
    """Like terms gathered, in order of appearance."""
    found: dict[object, Product] = {}
    for product, sign in products:
        (p, q), powers = product
        coefficient: Ratio = (p * sign, q)
        key = key_of(powers)
        before = found.pop(key, None) if not powers else found.get(key)
        total = coefficient if before is None else plus(before.coefficient, coefficient)
        if total == ZERO:
            found.pop(key, None)
        else:
            found[key] = Product(total, powers if before is None else before.powers)
    return list(found.values())


# --- the shortest of some ways to write a sum ---


def _shortest(terms: Terms, plain: Sum) -> Term:
    best = written(terms, plain)
    if not 1 < len(plain) <= _MOST_TO_REARRANGE or best.size > _LARGEST_TO_REARRANGE:
        return best
    expanded = _expanded(terms, plain)
    if expanded is not None:
        other = written(terms, expanded)
        if other.size < best.size:
            return _shortest(terms, expanded)
    for candidate in [plain, *_regrouped(terms, plain)]:
        common = _common(candidate)
        if common is not None:
            other = _factored(terms, candidate, common)
            if other.size <= best.size:
                best = other
    return best


def _regrouped(terms: Terms, plain: Sum) -> Iterator[Sum]:
    """The sum with terms taken together that are a sum elsewhere in it: x + y + z * (x + y) is (x + y) * (z + 1)."""
    known = {key_of(product.powers): product.coefficient for product in plain}
    for x in dict.fromkeys([x for product in plain for x, n in product.powers.items() if is_sum(x) and n >= 1]):
        parts = {key_of(powers): coefficient for coefficient, powers in _products(terms, x)}
        if parts.keys() <= known.keys():
            ratios = {times(known[key], to_the(coefficient, -1)) for key, coefficient in parts.items()}
            if len(ratios) == 1:
                rest = [product for product in plain if key_of(product.powers) not in parts]
                yield [Product(ratios.pop(), {x: 1}), *rest]


def _expanded(terms: Terms, plain: Sum) -> Sum | None:
    """The sum with products and squares of sums multiplied out; None if there are none, or it becomes too long."""
    products: Sum = []
    changed = False
    for product in plain:
        found = [product]
        for x, n in product.powers.items():
            for _ in range(int(n) if is_sum(x) and n in (1, 2) else 0):
                parts = list(_products(terms, x))
                if len(parts) * len(found) > _MOST_EXPANDED:
                    return None
                found = [_multiplied(terms, one, x, part) for one in found for part in parts]
                changed = True
        products += found
        if len(products) > _MOST_EXPANDED:
            return None
    return gathered(terms, [(product, 1.0) for product in products]) if changed else None


def _multiplied(terms: Terms, product: Product, instead_of: Term, part: Product) -> Product:
    """The product with one factor replaced by a product."""
    factors = Factors(terms, Product(times(product.coefficient, part.coefficient), product.powers))
    factors.shift(instead_of, -1)
    for x, n in part.powers.items():
        factors.take(x, n)
    return factors.product()


def _common(plain: Sum) -> Product | None:
    """What to put in front: what all terms have, but of two terms no name, denominators, and their number; or None."""
    first, *others = plain
    powers = {}
    with_names = len(others) > 1 and not _is_polynomial(plain)
    for x, n in first.powers.items():
        exponents = [n, *[other.powers.get(x, 0) for other in others]]
        least = min(exponents)
        if max(exponents) < 0 or (least > 0 and (with_names or not is_name(x))):
            powers[x] = least
    p, q = first.coefficient
    ratios = {(abs(p), q) for (p, q), _ in plain}
    number = ONE
    if not (_is_polynomial(plain) and len(_names(plain)) == 1) and all(product.powers for product in plain):
        number = (abs(p), q) if len(ratios) == 1 else ONE
    if number == ONE and q != 1.0 and all(r == q for _, r in ratios):
        number = (1.0, q)
    return Product(number, powers) if powers or number != ONE else None


def _names(plain: Sum) -> set[Term]:
    return {x for product in plain for x in product.powers}


def _is_polynomial(plain: Sum) -> bool:
    return all(is_name(x) and n > 0 for product in plain for x, n in product.powers.items())


def _factored(terms: Terms, plain: Sum, common: Product) -> Term:
    """The sum with a common factor in front."""
    p, q = common.coefficient
    rest: list[tuple[Product, float]] = []
    for coefficient, powers in plain:
        factors = Factors(terms, Product(times(coefficient, (q, p)), powers))
        for x, n in common.powers.items():
            factors.shift(x, -n)
        rest.append((factors.product(), 1.0))
    inner = _shortest(terms, gathered(terms, rest))
    factors = Factors(terms, common)
    if inner.number == 0.0:
        return inner
    factors.multiply(inner)
    return product_written(terms, factors.product())


# --- the order of terms ---


def written(terms: Terms, plain: Sum) -> Term:
    """A sum as it is written, term by term."""
    if not plain:
        return terms.number(0.0)
    ordered = _in_order(plain)
    result = product_written(terms, ordered[0])
    for (p, q), powers in ordered[1:]:
        part = product_written(terms, Product((abs(p), q), powers))
        result = terms.written(add if p > 0.0 else sub, result, part)
    return result


def _in_order(plain: Sum) -> Sum:
    if len(_names(plain)) == 1 and _is_polynomial(plain):
        ordered = sorted(plain, key=lambda product: -sum(product.powers.values()))
        if _is_negative(ordered[0]) and not _is_negative(ordered[-1]):
            ordered.reverse()
    else:
        is_polynomial = _is_polynomial(plain)
        first = plain[:1] if plain[0].coefficient == ONE and not is_polynomial else []
        ordered = sorted(plain, key=lambda product: not product.powers and product not in first)
    at = next((i for i, product in enumerate(ordered) if not _is_negative(product)), 0)
    return [ordered[at], *ordered[:at], *ordered[at + 1 :]]


def _is_negative(product: Product) -> bool:
    return product.coefficient[0] < 0.0
