"""Lists: any number of operands, and all their local gradients at once, in linear time."""

import math
import operator
from itertools import accumulate
from math import inf
from typing import Any

from autodiff import floats
from autodiff.chain import NOTHING
from autodiff.primitives import arithmetic, exponentials
from autodiff.primitives.notation import Notation, command, of_list
from autodiff.primitives.primitive import REAL, Facts, Primitive, on
from autodiff.primitives.rules import choose, gap, guarded, is_constant_zero, nan_or_nothing


def _prod_partials(out: Any, *xs: Any) -> list[Any]:
    """The product of the others for each factor, exact where factors are 0: prefix times suffix."""
    zeros = [] if type(out) is float else [i for i, x in enumerate(xs) if is_constant_zero(x, out)]
    prefixes = accumulate(xs[:-1], operator.mul, initial=1.0)
    suffixes = [*accumulate(xs[:0:-1], operator.mul, initial=1.0)][::-1]
    around = enumerate(zip(prefixes, suffixes, strict=True))
    return [NOTHING if zeros and zeros != [i] else prefix * suffix for i, (prefix, suffix) in around]


def _logsumexp_partials(out: Any, *xs: Any) -> list[Any]:
    """softmax(xs), from differences to the largest, so that equal terms get equal shares exactly.

    When every term is -inf, e^-inf = 0 of each leaves nothing to share: all derivatives are 0.
    """
    largest = max(*xs)
    is_empty = largest == -inf
    largest = choose(is_empty, 0.0, largest)
    terms = [exponentials.exp(x - largest) for x in xs]
    total = guarded(sum(*terms))
    return [choose(is_empty, NOTHING, term / total) for term in terms]


def _norm_partials(out: Any, *xs: Any) -> list[Any]:
    """x / norm for each x; 0, in every order of derivative, at the zero vector."""
    is_zero = out == 0.0
    length = choose(is_zero, 1.0, out)
    return [choose(is_zero, NOTHING, x / length) for x in xs]


def _extreme_partials(out: Any, *xs: Any) -> list[Any]:
    """1/k for each of the k operands that equal the extreme; nan for each that is nan."""
    chosen = [x == out for x in xs]
    share = 1.0 / guarded(sum(*[choose(is_chosen, 1.0, 0.0) for is_chosen in chosen]))
    return [choose(is_chosen, share, nan_or_nothing(x)) for is_chosen, x in zip(chosen, xs, strict=True)]


def _written_dot(make: Any, *wx: Any) -> Any:
    half = len(wx) // 2
    pairs = zip(wx[:half], wx[half:], strict=True)
    return make(arithmetic.add, *[make(arithmetic.mul, w, x) for w, x in pairs])


# A sum of n terms rounds n - 1 times, by half an ulp of the largest sum on the way; 32 covers the 64 operands the tests
# give. Of a product each rounding can be a whole ulp of the result.
sum: Primitive = Primitive(
    "sum",
    "x₁ + ... + xₙ",
    floats.sum,
    lambda out, *xs: (1.0,) * len(xs),
    symbol="Σ",
    ulps=32,
    facts=Facts(of_list=True),
    notation=Notation(expansion=lambda make, *xs: make(arithmetic.add, *xs)),
)
mean = Primitive(
    "mean",
    "(x₁ + ... + xₙ) / n",
    floats.mean,
    lambda out, *xs: (1.0 / len(xs),) * len(xs),
    ulps=32,
    facts=Facts(of_list=True),
    notation=Notation(expansion=lambda make, *xs: make(arithmetic.div, make(arithmetic.add, *xs), float(len(xs)))),
)
prod = Primitive(
    "prod",
    "x₁ · ... · xₙ",
    floats.prod,
    _prod_partials,
    symbol="Π",
    domain=on((-10.0, 10.0)),
    ulps=64,
    scales=True,
    facts=Facts(of_list=True),
    notation=Notation(expansion=lambda make, *xs: make(arithmetic.mul, *xs)),
)
dot = Primitive(
    "dot",
    "w₁ x₁ + ... + wₙ xₙ",
    floats.dot,
    lambda out, *wx: wx[len(wx) // 2 :] + wx[: len(wx) // 2],
    symbol="Σ w·x",
    ulps=32,
    scales=True,
    facts=Facts(parity=0, of_list=True),
    notation=Notation(expansion=_written_dot),
)
norm = Primitive(
    "norm",
    "√(x₁² + ... + xₙ²)",
    floats.hypot,
    _norm_partials,
    symbol="‖x‖",
    domain=on(REAL, kinks=math.hypot, words="all of them 0"),
    facts=Facts(of_list=True),
    notation=Notation(text=of_list("norm")),
)
# The rounding of a difference, up to 100 in the domain, comes back as a relative error of its exponential: 64 ulps.
logsumexp = Primitive(
    "logsumexp",
    "ln(eˣ¹ + ... + eˣⁿ)",
    floats.logsumexp,
    _logsumexp_partials,
    domain=on((-50.0, 50.0)),
    ulps=128,
    facts=Facts(of_list=True),
    notation=Notation(text=of_list("logsumexp")),
)
# The n results of softmax share one logsumexp, their second operand: n + 1 nodes, not n².
softmax = Primitive(
    "softmax",
    "e^(x - logsumexp)",
    lambda x, total: floats.exp(x - total),
    [lambda out, x, total: out, lambda out, x, total: -out],
    domain=on((-50.0, 50.0), (0.0, 50.0)),
    ulps=128,  # as of logsumexp
    facts=Facts(of_list=True),
    notation=Notation(expansion=lambda make, x, total: make(exponentials.exp, make(arithmetic.sub, x, total))),
)
log_softmax = Primitive(
    "log_softmax",
    "x - logsumexp",
    operator.sub,
    [lambda out, x, total: 1.0, lambda out, x, total: -1.0],
    domain=on((-700.0, 700.0)),
    ulps=4,
    facts=Facts(vectorises=True, of_list=True),
    notation=Notation(expansion=lambda make, x, total: make(arithmetic.sub, x, total)),
)
max: Primitive = Primitive(
    "max",
    "the largest",
    floats.max,
    _extreme_partials,
    domain=on(REAL, kinks=gap, words="two of them equal"),
    ulps=4,
    facts=Facts(of_list=True),
    notation=Notation(text=of_list("max"), latex=command(r"\max")),
)
min = Primitive(
    "min",
    "the smallest",
    floats.min,
    _extreme_partials,
    domain=on(REAL, kinks=gap, words="two of them equal"),
    ulps=4,
    facts=Facts(of_list=True),
    notation=Notation(text=of_list("min"), latex=command(r"\min")),
)
