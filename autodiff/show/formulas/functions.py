"""What is known of functions: their powers, and the derivatives that have a name.

    sqrt(x)^2 is x, hypot(x, y)^2 is x^2 + y^2, abs(x)^2 is x^2, sign(x) * abs(x) is x
    1 / cosh(x)^2 is 1 - tanh(x)^2, where a derivative of tanh has it; of sigmoid: sigmoid(x) * (1 - sigmoid(x))
    exp(x - max) / (exp(x - max) + exp(y - max)) is softmax([x, y])[0]

The first of the derivatives are how they read, not how they are computed, lest digits be lost.
"""

from collections.abc import Callable, Mapping
from operator import getitem

from autodiff.primitives import (
    Primitive,
    abs,
    add,
    cbrt,
    cosh,
    div,
    exp,
    hypot,
    max,
    mul,
    neg,
    norm,
    pow,
    sigmoid,
    sign,
    softmax,
    sqrt,
    sub,
    tanh,
)
from autodiff.primitives.notation import ANY, ATOM, Form, Notation, of_list
from autodiff.show.formulas.products import Factors, Special
from autodiff.show.formulas.terms import Term, Terms

# --- operations that formulas alone have ---

COSH = Primitive("cosh", "cosh x", cosh.evaluate, cosh.partials, notation=cosh.notation)
"""cosh, as it stands in derivatives."""

SOFTMAX = Primitive("softmax", "softmax", softmax.evaluate, lambda out, *xs: [], notation=Notation(of_list("softmax")))
"""The list of all that softmax gives."""

ITEM = Primitive(
    "item",
    "xs[i]",
    getitem,
    [lambda out, xs, i: 1.0, lambda out, xs, i: 0.0],
    notation=Notation(Form("{}[{}]", ATOM, (ATOM, ANY)), Form("{}_{{}}", ATOM, (ATOM, ANY))),
)
"""One of a list."""


def softmax_item(terms: Terms, xs: tuple[Term, ...], x: Term) -> Term:
    """softmax(xs) at x, which is one of them."""
    return terms.written(ITEM, terms.written(SOFTMAX, *xs), terms.number(float(xs.index(x))))


# --- powers ---


def sum_of_squares(terms: Terms, *xs: Term) -> Term:
    """x^2 + ... + z^2."""
    return terms.make(add, *[terms.make(pow, x, 2.0) for x in xs])


# By the operation: which power of it is something else, and what.
_POWERS: Mapping[Primitive, tuple[int, Callable[..., Term]]] = {
    sqrt: (2, lambda terms, x: x),
    cbrt: (3, lambda terms, x: x),
    abs: (2, lambda terms, x: terms.make(pow, x, 2.0)),
    hypot: (2, sum_of_squares),
    norm: (2, sum_of_squares),
    COSH: (-2, lambda terms, x: terms.make(sub, 1.0, terms.make(pow, terms.make(tanh, x), 2.0))),
}


def _powers(terms: Terms, factors: Factors) -> bool:
    changed = False
    for x, n in list(factors.powers.items()):
        if x.op is None or x.op not in _POWERS:
            continue
        step, meaning = _POWERS[x.op]
        if n % step or (step < 0 and n > 0):
            continue
        del factors.powers[x]
        factors.multiply(meaning(terms, *x.operands), int(n / step))
        changed = True
    return changed


def _signs(terms: Terms, factors: Factors) -> bool:
    for x, n in list(factors.powers.items()):
        if x.op is sign and n == 1:
            length = terms.written(abs, x.operands[0])
            if factors.powers.get(length) == 1:
                del factors.powers[x], factors.powers[length]
                factors.multiply(x.operands[0])
                return True
    return False


# --- derivatives that have a name ---


def _sigmoids(terms: Terms, factors: Factors) -> bool:
    """0.25 * (1 - tanh(x / 2)^2) is sigmoid(x) * (1 - sigmoid(x)), and tanh(x / 2) beside it 2 * sigmoid(x) - 1."""
    p, q = factors.coefficient
    for x, n in list(factors.powers.items()):
        half = _tanh_of_half(x)
        if half is None or (n, p * p, q) != (1, 0.0625, 1.0):
            continue
        s = terms.make(sigmoid, terms.make(mul, 2.0, half.operands[0]))
        del factors.powers[x]
        factors.scale((4.0, 1.0))
        factors.multiply(s)
        factors.multiply(terms.make(sub, 1.0, s))
        m = int(factors.powers.pop(half, 0))
        factors.multiply(terms.make(sub, 1.0, terms.make(mul, 2.0, s)), m)
        factors.scale((-1.0 if m % 2 else 1.0, 1.0))
        return True
    return False


def _tanh_of_half(x: Term) -> Term | None:
    """tanh(y / 2), if x is 1 - tanh(y / 2)^2."""
    if x.op is not sub or x.operands[0].number != 1.0 or x.operands[1].op is not pow:
        return None
    half, exponent = x.operands[1].operands
    if half.op is not tanh or exponent.number != 2.0:
        return None
    inner = half.operands[0].operands[0] if half.operands[0].op is neg else half.operands[0]
    is_half = (inner.op is mul and inner.operands[0].number == 0.5) or (
        inner.op is div and inner.operands[1].number == 2.0
    )
    return half if is_half else None


def _softmaxes(terms: Terms, factors: Factors) -> bool:
    for total, n in list(factors.powers.items()):
        if n > -1 or total.op is not add:
            continue
        if total not in terms.items:
            terms.items[total] = _items(terms, total)
        for x, m in list(factors.powers.items()):
            if x in terms.items[total] and m >= 1:
                factors.shift(x, -1)
                factors.shift(total, 1)
                factors.multiply(terms.items[total][x])
                return True
    return False


def _items(terms: Terms, total: Term) -> dict[Term, Term]:
    """The items of softmax, by what they are before they are divided by their total; none if it is no such total."""
    largest = _largest(total)
    if largest is None:
        return {}
    xs = largest.operands
    parts = [terms.make(exp, terms.make(sub, x, largest)) for x in xs]
    if terms.make(add, *parts) is not total:
        return {}
    return {part: softmax_item(terms, xs, x) for part, x in zip(reversed(parts), reversed(xs), strict=True)}


def _largest(total: Term) -> Term | None:
    """The max in the last term of exp(x - max) + ... + exp(z - max), None if it is not of that form."""
    last = total.operands[1]
    if last.op is not exp:
        return None
    stack = [last.operands[0]]
    while stack:
        x = stack.pop()
        if x.op is max:
            return x
        if x.op in (add, sub) or (x.op is not None and x.op.arity == 1):
            stack += x.operands
    return None


SPECIAL: tuple[Special, ...] = (_powers, _signs, _sigmoids, _softmaxes)
"""What is known of functions, as rules for products."""
