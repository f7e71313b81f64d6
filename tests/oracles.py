"""Independent answers for every primitive of the table: mpmath at high precision, and differences of plain floats.

Nothing here reads a local gradient of the table. An oracle is the mathematics of a primitive, written naively with
numbers of so many digits that cancellation and overflow do not matter; its derivatives are differences of it. `points`
draws operands from the domain that an entry states, `error_in_ulps` counts what its bound is stated in.

    >>> float(derivative("sin", [0.0], 0)), float(derivative("mul", [2.0, 3.0], 0, 1))
    (1.0, 1.0)
"""

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from hypothesis import strategies as st
from mpmath import MPContext

from autodiff.graph import topological_order
from autodiff.primitives import Primitive

# A difference over STEP keeps 50 digits of a derivative 300 orders of magnitude below the value, such as tanh'(350);
# a second one, over two STEPs, needs 45 more.
exact = MPContext()
exact.dps = 450
STEP = exact.mpf(10) ** -45

# --- values ---


def _mean(*xs: Any) -> Any:
    return exact.fsum(xs) / len(xs)


def _dot(*wx: Any) -> Any:
    half = len(wx) // 2
    return exact.fdot(wx[:half], wx[half:])


ORACLES: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "pow": lambda x, y: x**y,
    "mod": lambda x, y: x - y * exact.floor(x / y),
    "floordiv": lambda x, y: exact.floor(x / y),
    "abs": lambda x: abs(x),
    "sign": lambda x: exact.sign(x),
    "floor": lambda x: exact.floor(x),
    "ceil": lambda x: exact.ceil(x),
    "round": lambda x, digits: exact.nint(x * 10**digits) / 10**digits,
    "square": lambda x: x**2,
    "reciprocal": lambda x: 1 / x,
    "exp": lambda x: exact.exp(x),
    "exp2": lambda x: exact.mpf(2) ** x,
    "expm1": lambda x: exact.expm1(x),
    "log": lambda x: exact.log(x),
    "log2": lambda x: exact.log(x) / exact.ln2,
    "log10": lambda x: exact.log(x) / exact.ln10,
    "log1p": lambda x: exact.log1p(x),
    "sqrt": lambda x: exact.sqrt(x),
    "cbrt": lambda x: exact.sign(x) * exact.cbrt(abs(x)),
    "sin": lambda x: exact.sin(x),
    "cos": lambda x: exact.cos(x),
    "tan": lambda x: exact.tan(x),
    "arcsin": lambda x: exact.asin(x),
    "arccos": lambda x: exact.acos(x),
    "arctan": lambda x: exact.atan(x),
    "arctan2": lambda y, x: exact.atan2(y, x),
    "sinh": lambda x: exact.sinh(x),
    "cosh": lambda x: exact.cosh(x),
    "tanh": lambda x: exact.tanh(x),
    "arcsinh": lambda x: exact.asinh(x),
    "arccosh": lambda x: exact.acosh(x),
    "arctanh": lambda x: exact.atanh(x),
    "hypot": lambda x, y: exact.sqrt(x**2 + y**2),
    "erf": lambda x: exact.erf(x),
    "erfc": lambda x: exact.erfc(x),
    "sigmoid": lambda x: 1 / (1 + exact.exp(-x)),
    "softplus": lambda x: exact.log1p(exact.exp(x)),
    "relu": lambda x: x if x > 0 else exact.zero,
    "leaky_relu": lambda x, slope: x if x > 0 else slope * x,
    "elu": lambda x, alpha: x if x > 0 else alpha * exact.expm1(x),
    "silu": lambda x: x / (1 + exact.exp(-x)),
    "gelu": lambda x: x * exact.erfc(-x / exact.sqrt(2)) / 2,
    "maximum": lambda x, y: max(x, y),
    "minimum": lambda x, y: min(x, y),
    "clip": lambda x, low, high: min(max(x, low), high),
    "where": lambda condition, x, y: x if condition else y,
    "sum": lambda *xs: exact.fsum(xs),
    "mean": _mean,
    "prod": lambda *xs: exact.fprod(xs),
    "dot": _dot,
    "norm": lambda *xs: exact.sqrt(exact.fsum(x**2 for x in xs)),
    "logsumexp": lambda *xs: exact.log(exact.fsum(exact.exp(x) for x in xs)),
    "softmax": lambda x, total: exact.exp(x - total),
    "log_softmax": lambda x, total: x - total,
    "max": lambda *xs: max(xs),
    "min": lambda *xs: min(xs),
}

# The operands that choose: they have no derivative, by convention 0.
CHOOSING = {("where", 0), ("round", 1)}


def value(name: str, operands: Sequence[float]) -> Any:
    """Return the true value of the primitive at floats, taken as exact."""
    return ORACLES[name](*map(exact.mpf, operands))


def derivative(name: str, operands: Sequence[Any], *indices: int) -> Any:
    """Return the true partial derivative, once in each operand that `indices` name, by central differences."""
    operands = [exact.mpf(x) for x in operands]
    if not indices:
        return ORACLES[name](*operands)
    i, *others = indices
    if (name, i) in CHOOSING:
        return exact.zero

    def moved(step: Any) -> Any:
        return derivative(name, [*operands[:i], operands[i] + step, *operands[i + 1 :]], *others)

    return (moved(STEP) - moved(-STEP)) / (2 * STEP)


# --- errors ---


def _largest_partial_sum(*xs: Any) -> Any:
    return max(abs(partial) for partial in accumulate(xs))


def _largest_partial_dot(*wx: Any) -> Any:
    half = len(wx) // 2
    return _largest_partial_sum(*[w * x for w, x in zip(wx[:half], wx[half:], strict=True)])


# Where terms of opposite signs are added, their rounding errors stay while they themselves cancel: there the error is
# counted in ulps of the largest of them. For the lists that is the largest sum on the way.
VALUE_TERMS: dict[str, Callable[..., Any]] = {
    "sum": _largest_partial_sum,
    "mean": lambda *xs: _largest_partial_sum(*xs) / len(xs),
    "dot": _largest_partial_dot,
    "logsumexp": lambda *xs: max(xs),  # the largest operand, plus the logarithm of a sum: log(2) - log(2) = 0
}
GRADIENT_TERMS: dict[str, Callable[..., Any]] = {
    # silu' = sigmoid(x) + x sigmoid(x) sigmoid(-x) is 0 near -1.28, gelu' = Phi(x) + x phi(x) near -0.75.
    "silu": lambda x: value("sigmoid", [x]),
    "gelu": lambda x: exact.ncdf(x),
}


def error_in_ulps(got: float, true: Any, largest_term: Any = 0) -> float:
    """Return |got - true| in units in the last place of the true number, or of the largest term that made it.

    The unit of what underflows is that of the subnormal numbers; what overflows shall be infinite.
    """
    if abs(true) > exact.mpf(math.nextafter(math.inf, 0)):
        return 0.0 if got == math.copysign(math.inf, true) else math.inf
    if not math.isfinite(got):
        return math.inf
    return float(abs(exact.mpf(got) - true) / math.ulp(float(max(abs(true), abs(largest_term)))))


def value_error(primitive: Primitive, operands: Sequence[float]) -> float:
    """Return the error of the primitive's value, in ulps."""
    terms = VALUE_TERMS.get(primitive.name, lambda *xs: 0)(*map(exact.mpf, operands))
    return error_in_ulps(primitive(*operands), value(primitive.name, operands), terms)


def local_gradient_error(primitive: Primitive, operands: Sequence[float], index: int, got: float) -> float:
    """Return the error of `got`, the local gradient in the operand with that index, in ulps."""
    terms = GRADIENT_TERMS.get(primitive.name, lambda *xs: 0)(*map(exact.mpf, operands))
    return error_in_ulps(got, derivative(primitive.name, operands, index), terms)


def richardson(
    f: Callable[[float], float], x: float, step: float, ulps: int = 4, largest_term: float = 0.0
) -> tuple[float, float]:
    """Return f'(x) from values of f in floats alone, and an estimate of its error.

    Central differences at shrinking steps, extrapolated to step 0; of the whole tableau, the entry that differs least
    from its three neighbours (of two alone, one in 100,000 agrees by chance). The estimate adds the rounding of f's
    values, so many ulps of them or of the largest term that made them, which smaller steps magnify, and that of the two
    points. The steps do not halve: half a multiple of a period can be a multiple, too.

    Source: Ridders, Accurate computation of F'(x) and F'(x) F''(x), 1982; Numerical Recipes, section 5.7.

    >>> slope, error = richardson(math.sin, 1.0, 0.5)
    >>> abs(slope - math.cos(1.0)) < error < 1e-11
    True
    """
    middle = f(x)
    best, smallest_error = math.nan, math.inf
    above: list[float] = []
    steps = [math.inf]
    for _ in range(50):
        step = (4.0 * x + step) - 4.0 * x  # so that x + step and x - step are exact, but near a power of 2
        if not 0.0 < step < steps[-1]:
            break
        steps.append(step)
        right, left = f(x + step), f(x - step)
        ahead, behind = (x + step) - x, x - (x - step)
        rounding = ulps * math.ulp(max(abs(right), abs(left), largest_term)) / step
        rounding += abs(ahead - behind) * abs(right - 2.0 * middle + left) / step**2  # the second derivative, roughly
        row = [(right - left) / (ahead + behind)]
        for coarser, before, larger in zip(above[:8], [*above[1:], math.inf], steps[-2:0:-1], strict=False):
            row.append(row[-1] + (row[-1] - coarser) / ((larger / step) ** 2 - 1.0))
            error = max(abs(row[-1] - neighbour) for neighbour in (row[-2], coarser, before)) + rounding
            if error < smallest_error:  # false of nan: a step may leave the domain
                best, smallest_error = row[-1], error
        above = row
        step /= 1.5
    return best, smallest_error


def clear_step(primitive: Primitive, operands: Sequence[float], index: int) -> float:
    """Return a large step for the operand with that index, below any period, and well away from the kinks."""
    x = operands[index]
    largest = min(max(abs(x), 0.01) / 4.0, 1.0)
    kinks = primitive.domain.kinks
    if kinks is None:
        return largest
    here = abs(kinks(*operands))

    def near(y: float) -> bool:
        return abs(abs(kinks(*operands[:index], y, *operands[index + 1 :])) - here) <= here / 2.0

    step = largest * 2.0**-40  # and up from there: kinks may come again periodically
    while step < largest and near(x + 2.0 * step) and near(x - 2.0 * step):
        step *= 2.0
    return step


def path_magnitudes(root: Any) -> dict[Any, float]:
    """Return, for each leaf of a graph, the sum of |product of local gradients| over all paths from root to it.

    It is the largest the gradient could be if nothing cancelled: the scale of backward's rounding errors.
    """
    magnitudes = {root: 1.0}
    for node in reversed(topological_order(root)):
        upstream = magnitudes.get(node, 0.0)
        for operand, local in zip(node.operands, node.local_gradients, strict=True):
            if upstream and not isinstance(operand, float):
                magnitudes[operand] = magnitudes.get(operand, 0.0) + upstream * abs(local)
    return magnitudes


# --- mistakes ---


def planted(primitive: Primitive, index: int, mistake: Callable[[list[Any]], Any]) -> Primitive:
    """Return a copy of the primitive whose local gradient with that index is what `mistake` makes of them all."""

    def partials(out: Any, *operands: Any) -> list[Any]:
        local = list(primitive.local_gradients(out, *operands))
        local[index] = mistake(local)
        return local

    return Primitive(
        primitive.name, primitive.formula, primitive.evaluate, partials, domain=primitive.domain, ulps=primitive.ulps
    )


# --- points ---


def numbers(low: float, high: float, smallest: float) -> st.SearchStrategy[float]:
    """Return a strategy of floats from low to high, of all magnitudes; except for 0 none is below `smallest`."""
    if low == high:
        return st.just(low)
    kinds = [st.floats(low, high), st.sampled_from([low, high])]
    if math.ceil(low) <= math.floor(high):
        kinds.append(st.integers(math.ceil(low), math.floor(high)).map(float))
    for sign, near, far in ((1.0, low, high), (-1.0, -high, -low)):
        if far > 0.0:
            exponents = st.floats(math.log10(max(near, smallest, 1e-20)), math.log10(far))
            kinds.append(exponents.map(lambda exponent, sign=sign: sign * 10.0**exponent))
    return st.one_of(kinds).map(lambda x: min(max(x, low), high) if abs(x) >= smallest else 0.0)


# Factors whose product does not underflow on the way, 64 of them: where it does, digits are lost for good.
_SMALLEST = {"prod": 1e-4}


def points(primitive: Primitive, margin: float = 1e-9, most: int = 64) -> st.SearchStrategy[tuple[float, ...]]:
    """Return a strategy of operands from the primitive's domain, away from its kinks by that margin.

    One that takes any number gets 1 to `most` operands.
    """
    name, kinks = primitive.name, primitive.domain.kinks
    smallest = 1e-300 if primitive.arity == 1 else _SMALLEST.get(name, 1e-100)
    each = [numbers(low, high, smallest) for low, high in primitive.domain.intervals]
    if primitive.arity is not None:
        each += each[-1:] * (primitive.arity - len(each))  # the last interval stands for all further operands
        if name == "where":
            return st.tuples(st.sampled_from([0.0, 1.0]), *each[1:])  # its condition chooses: no kink lies between
        drawn = st.tuples(*each)
    else:
        pairs = 2 if name == "dot" else 1
        sizes = st.integers(1, most // pairs).map(lambda n: n * pairs)
        unique = kinks is not None  # ties are kinks
        drawn = sizes.flatmap(lambda n: st.lists(each[0], min_size=n, max_size=n, unique=unique)).map(tuple)
    return drawn if kinks is None else drawn.filter(lambda operands: abs(kinks(*operands)) >= margin)
