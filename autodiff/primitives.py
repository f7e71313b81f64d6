"""The table of primitives: every operation the engine can differentiate, each written once.

An entry is data: a name, a formula, how to evaluate it on floats, its local gradients as ordinary arithmetic over
`(out, *operands)`, and the domain on which it is smooth. The local gradients are read in more than one way, chosen by
what they are given: floats give the numbers stored on the edges of a graph, Values give local gradients that can be
differentiated again. That is why a rule calls other primitives (`cos` in the rule of `sin`) instead of the math module,
and chooses with `where` instead of `if`.

A primitive knows nothing of Value. It is callable, and hands itself over to the hook `__apply__` of its operands' type:

    >>> sin(0.0), sin.local_gradients(sin(0.0), 0.0)
    (0.0, (1.0,))

Conventions at kinks and singular points stand at the rule that keeps them. A rule may divide by zero or overflow; what
reads it supplies the IEEE 754 answer. A rule is written so that its own derivatives neither cancel nor meet 0 * inf;
where plain functions would, it calls a primitive made for it (`SLOPES`). NOTHING is the local gradient of what was not
taken: a structural zero.
"""

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

from autodiff import floats
from autodiff.nothing import NOTHING

Rule = Callable[..., Any]


class Domain(NamedTuple):
    """Where a primitive is smooth: an interval for each operand, and where the kinks inside are.

    The last interval stands for all further operands. `kinks(*operands)` is zero exactly at a kink or pole. Within the
    intervals, away from the kinks, the error bound of the entry holds.

    >>> print(hypot.domain), hypot.domain.kinks(0.0, 0.0)
    [-1e+06, 1e+06] x [-1e+06, 1e+06]
    (None, 0.0)
    """

    intervals: tuple[tuple[float, float], ...] = ((-1e6, 1e6),)
    kinks: Callable[..., float] | None = None

    def __str__(self) -> str:
        return " x ".join(f"[{low:g}, {high:g}]" for low, high in self.intervals)


_LISTS = frozenset((list, tuple))


class Primitive:
    """An operation with its value and its local gradients; call it on numbers or Values.

    `primitive(x, y)` gives a float when every operand is a plain number. When one is a Value, or anything whose
    type has an `__apply__(primitive, operands)`, the type of the first such operand decides.

    Attributes:
        name: what it is called, in `Value.op`, drawings and error messages.
        formula: the mathematics, one line of text.
        evaluate: the value, from floats.
        partials: one rule `(out, *operands)` per operand, or a single rule that gives all local gradients at once, in
            linear time, when the number of operands varies.
        arity: how many operands, or None when it varies.
        symbol: what drawings show.
        domain: where it is smooth and its error bound holds.
        ulps: the bound on the error of value and local gradients in the domain, in units in the last place of the
            result, or of the largest term where terms cancel. Of the functions of one and two numbers the second and
            third derivatives keep it too, wherever they are smooth, beside what an ulp of the operands makes of them.
        scales: whether an operand that is the constant 0 can make a local gradient the constant 0, as in 0 * x: a
            structural zero, NOTHING.

    `autodiff.primitive` makes one of your own.

    >>> mul, mul.formula, mul.arity, mul(2.0, 3.0)
    (<primitive mul>, 'x * y', 2, 6.0)
    """

    def __init__(
        self,
        name: str,
        formula: str,
        evaluate: Callable[..., float],
        partials: Rule | Sequence[Rule],
        *,
        symbol: str | None = None,
        domain: Domain | None = None,
        ulps: int = 16,
        scales: bool = False,
    ) -> None:
        self.name = self.__name__ = name
        self.formula = formula
        self.evaluate = evaluate
        self.partials = partials if callable(partials) else tuple(partials)
        self.arity = None if callable(self.partials) else len(self.partials)
        self.symbol = symbol or name
        self.domain = domain or Domain()
        self.ulps = ulps
        self.scales = scales
        self.__module__ = __name__
        self.__doc__ = f"Return {formula}.\n\nSmooth on {self.domain}, where the error is at most {ulps} ulps."

    def __call__(self, *operands: Any) -> Any:
        if self.arity is not None and len(operands) != self.arity:
            raise TypeError(f"{self.name} takes {self.arity} operand{'s' * (self.arity != 1)}, got {len(operands)}")
        are_floats = True  # which is nearly all that rules give
        for operand in operands:
            kind = type(operand)
            if kind is not float:
                are_floats = False
                apply = getattr(kind, "__apply__", None)
                if apply is not None:
                    return apply(self, operands)
                if hasattr(kind, "dtype") and floats.unboxed(operand) is not operand:
                    return self(*map(floats.unboxed, operands))
        return self.evaluate(*(operands if are_floats else map(floats.as_float, operands)))

    def example(self) -> tuple[float, ...]:
        """Return operands from the domain, round numbers: what the example in the documentation is made of.

        >>> arccosh.example(), pow.example()
        ((3.0,), (0.5, 3.0))
        """
        operands = []
        for i in range(self.arity or 2):
            ((low, high),) = self.domain.intervals[i : i + 1] or self.domain.intervals[-1:]
            fitting = [x for x in (0.5, 3.0, 2.0, -1.0) if low < x < high] or [0.0]
            operands.append(fitting[i % len(fitting)])
        return tuple(operands)

    def local_gradients(self, out: Any, *operands: Any) -> tuple[Any, ...]:
        """Return d(out)/d(operand) for each operand, in the kind of number the operands are.

        >>> mul.local_gradients(6.0, 2.0, 3.0)
        (3.0, 2.0)
        """
        if callable(self.partials):
            given = self.partials(out, *operands)
            if type(given) not in _LISTS and (isinstance(given, (dict, set)) or not hasattr(type(given), "__iter__")):
                raise TypeError(
                    f"the partials of {self.name}, one function, gave {given!r}; give a list with one local gradient "
                    "for each operand, or partials as a list of functions, [lambda out, x: ...]"
                )
            gradients = tuple(given)
            if len(gradients) != len(operands):
                raise TypeError(
                    f"the partials of {self.name} gave {len(gradients)} local gradients for {len(operands)} operands; "
                    "give one for each, in order"
                )
            return gradients
        return tuple([partial(out, *operands) for partial in self.partials])

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> str:
        return self.name  # by reference: the name of the module-level variable that holds it


def _on(*intervals: tuple[float, float], kinks: Callable[..., float] | None = None) -> Domain:
    return Domain(intervals, kinks)


def _choose(condition: Any, x: Any, y: Any) -> Any:
    """Return where(condition, x, y), without a node where the condition is decided: what numbers and Values give is."""
    if condition is True:
        return x
    return y if condition is False else where(condition, x, y)


def _is_constant_zero(factor: Any, other: Any) -> bool:
    """Return whether a factor is the constant 0: a plain number where another one is a Value.

    Of plain numbers nobody knows which are constants: what records a node reads the rule of a zero again, with Values.
    """
    return type(factor) is float and type(other) is not float and factor == 0.0


def _scaled(factor: Any, slope: Any) -> Any:
    """Return a slope with that factor: NOTHING where it is the constant 0."""
    return NOTHING if _is_constant_zero(factor, slope) else slope


def _guarded(x: Any) -> Any:
    """Return x, and 1 where x is 0: a denominator that turns the 0 / 0 of a zero vector into 0."""
    return _choose(x == 0.0, 1.0, x)


def _power_slope(x: Any, y: Any) -> Any:
    """Return y x^(y - 1), the derivative of x ** y in x; 0 where that is 0 * inf, or nan, at y = 0.

    x ** 0 is the constant 1 at any x, so every derivative of x ** 2 from the third on is 0. Elsewhere y = 0 needs the
    product: its derivative in y is 1 / x.
    """
    slope = y * x ** (y - 1.0)
    return _scaled(y, _choose(y == 0.0, _choose(slope == slope, slope, NOTHING), slope))


def _to_integer(x: float) -> float:
    """Return the distance to the nearest integer; zero at the kinks of the step functions."""
    return x - floats.round(x)


def _gap(*xs: float) -> float:
    """Return the smallest distance between two of the numbers; zero at a tie."""
    ordered = sorted(xs)
    return floats.min(1.0, *(b - a for a, b in pairwise(ordered)))


REAL = (-1e6, 1e6)
POSITIVE = (1e-6, 1e6)
NEVER = (0.0, 0.0)  # for an operand that chooses and has no gradient

# --- arithmetic ---

add = Primitive("add", "x + y", operator.add, [lambda out, x, y: 1.0, lambda out, x, y: 1.0], symbol="+", ulps=4)
sub = Primitive("sub", "x - y", operator.sub, [lambda out, x, y: 1.0, lambda out, x, y: -1.0], symbol="−", ulps=4)
mul = Primitive(
    "mul", "x * y", operator.mul, [lambda out, x, y: y, lambda out, x, y: x], symbol="×", ulps=4, scales=True
)
div = Primitive(
    "div",
    "x / y",
    floats.divide,
    [lambda out, x, y: 1.0 / y, lambda out, x, y: _scaled(x, -out / y)],
    symbol="÷",
    domain=_on(REAL, REAL, kinks=lambda x, y: y),
    ulps=4,
    scales=True,
)
neg = Primitive("neg", "-x", operator.neg, [lambda out, x: -1.0], symbol="−", ulps=4)
pow: Primitive = Primitive(
    "pow",
    "x ** y",
    floats.power,
    # 0 ** y is the constant 0 for y > 0: in y its derivative is 0 there, not 0 * log(0). For y < 0 it is inf, and the
    # derivative in y the limit of x^y ln x from the right, -inf, as the value inf is that of x^y.
    [
        lambda out, x, y: _power_slope(x, y),
        lambda out, x, y: _choose(x == 0.0, _choose(y < 0.0, out * log(x), NOTHING), out * log(x)),
    ],
    symbol="xʸ",
    domain=_on((1e-3, 1e3), (-20.0, 20.0)),
    scales=True,
    ulps=128,  # y - 1 may round, by half an ulp of 20; ln x, up to 7, times that is a relative error of 110 ulps
)
mod = Primitive(
    "mod",
    "x % y",
    floats.modulo,
    [lambda out, x, y: 1.0, lambda out, x, y: round((out - x) / y, 0.0)],
    symbol="mod",
    domain=_on((-1e3, 1e3), (0.1, 1e3), kinks=lambda x, y: _to_integer(x / y)),
    ulps=4,
)
floordiv = Primitive(
    "floordiv",
    "x // y",
    floats.floor_divide,
    [lambda out, x, y: NOTHING, lambda out, x, y: NOTHING],
    symbol="//",
    domain=_on((-1e3, 1e3), (0.1, 1e3), kinks=lambda x, y: _to_integer(x / y)),
    ulps=4,
)
abs = Primitive(
    "abs",
    "|x|",
    operator.abs,
    [lambda out, x: _choose(x == 0.0, NOTHING, sign(x))],
    domain=_on(REAL, kinks=lambda x: x),
    ulps=4,
)
sign: Primitive = Primitive(
    "sign", "sign of x", floats.sign, [lambda out, x: NOTHING], domain=_on(REAL, kinks=lambda x: x), ulps=4
)
floor = Primitive("floor", "⌊x⌋", floats.floor, [lambda out, x: NOTHING], domain=_on(REAL, kinks=_to_integer), ulps=4)
ceil = Primitive("ceil", "⌈x⌉", floats.ceil, [lambda out, x: NOTHING], domain=_on(REAL, kinks=_to_integer), ulps=4)
round: Primitive = Primitive(
    "round",
    "x rounded to that many digits",
    floats.round,
    [lambda out, x, digits: NOTHING, lambda out, x, digits: NOTHING],
    domain=_on(REAL, NEVER, kinks=lambda x, digits: _to_integer(x - 0.5)),
    ulps=4,
)
square: Primitive = Primitive("square", "x²", lambda x: x * x, [lambda out, x: 2.0 * x], symbol="x²", ulps=4)
reciprocal = Primitive(
    "reciprocal",
    "1 / x",
    lambda x: floats.divide(1.0, x),
    [lambda out, x: -out * out],
    symbol="1/x",
    domain=_on(REAL, kinks=lambda x: x),
    ulps=4,
)

# --- exponentials and logarithms ---

exp: Primitive = Primitive("exp", "eˣ", floats.exp, [lambda out, x: out], domain=_on((-700.0, 700.0)))
exp2 = Primitive("exp2", "2ˣ", floats.exp2, [lambda out, x: out * math.log(2.0)], domain=_on((-1000.0, 1000.0)))
expm1: Primitive = Primitive("expm1", "eˣ - 1", floats.expm1, [lambda out, x: exp(x)], domain=_on((-700.0, 700.0)))
log: Primitive = Primitive("log", "ln x", floats.log, [lambda out, x: 1.0 / x], domain=_on(POSITIVE))
log2 = Primitive("log2", "log₂ x", floats.log2, [lambda out, x: math.log2(math.e) / x], domain=_on(POSITIVE))
log10 = Primitive("log10", "log₁₀ x", floats.log10, [lambda out, x: math.log10(math.e) / x], domain=_on(POSITIVE))
log1p = Primitive("log1p", "ln(1 + x)", floats.log1p, [lambda out, x: 1.0 / (1.0 + x)], domain=_on((-0.999, 1e6)))
sqrt: Primitive = Primitive("sqrt", "√x", floats.sqrt, [lambda out, x: 0.5 / out], symbol="√", domain=_on(POSITIVE))
# The second derivative at 0 is infinite, with the sign it has beside 0 on the side of the signed zero.
cbrt = Primitive(
    "cbrt",
    "∛x",
    floats.cbrt,
    [lambda out, x: _squared(1.0 / out) / 3.0],
    symbol="∛",
    domain=_on(REAL, kinks=lambda x: x),
)


def _squared(x: Any) -> Any:
    return x * x


# --- trigonometric and hyperbolic functions ---

sin: Primitive = Primitive("sin", "sin x", floats.sin, [lambda out, x: cos(x)])
cos: Primitive = Primitive("cos", "cos x", floats.cos, [lambda out, x: -sin(x)])
tan = Primitive("tan", "tan x", floats.tan, [lambda out, x: 1.0 + out * out], domain=_on(REAL, kinks=math.cos))
arcsin = Primitive("arcsin", "arcsin x", floats.arcsin, [lambda out, x: arcsin_slope(x)], domain=_on((-0.999, 0.999)))
arccos = Primitive("arccos", "arccos x", floats.arccos, [lambda out, x: -arcsin_slope(x)], domain=_on((-0.999, 0.999)))
arctan = Primitive("arctan", "arctan x", floats.arctan, [lambda out, x: _squared(cosine(1.0, x))])
arctan2 = Primitive(
    "arctan2",
    "the angle of the point (x, y), given as y, x",
    floats.arctan2,
    [lambda out, y, x: _over(cosine(x, y), hypot(x, y)), lambda out, y, x: _over(-cosine(y, x), hypot(x, y))],
    domain=_on(REAL, REAL, kinks=lambda y, x: y if x <= 0.0 else math.hypot(x, y)),
)
sinh: Primitive = Primitive("sinh", "sinh x", floats.sinh, [lambda out, x: cosh(x)], domain=_on((-700.0, 700.0)))
cosh: Primitive = Primitive("cosh", "cosh x", floats.cosh, [lambda out, x: sinh(x)], domain=_on((-700.0, 700.0)))
# sech², where 1 - tanh² would lose every digit from x = 20 on.
tanh: Primitive = Primitive(
    "tanh", "tanh x", floats.tanh, [lambda out, x: _squared(sech(x))], domain=_on((-350.0, 350.0))
)
arcsinh = Primitive("arcsinh", "arsinh x", floats.arcsinh, [lambda out, x: cosine(1.0, x)])
# Two quotients, not one by a product: at 1, where the first is infinite, no zero meets it in the second derivative.
arccosh = Primitive(
    "arccosh",
    "arcosh x",
    floats.arccosh,
    [lambda out, x: 1.0 / sqrt(x - 1.0) / sqrt(x + 1.0)],
    domain=_on((1.001, 1e6)),
)
arctanh = Primitive(
    "arctanh", "artanh x", floats.arctanh, [lambda out, x: _squared(arcsin_slope(x))], domain=_on((-0.999, 0.999))
)
# The zero vector has no direction: its derivative is 0, of every order, in hypot, norm and arctan2 alike. So is then
# the second derivative of norm(x) ** 2, by the chain rule 2 (n'² + n n''), although that of the square itself is 2: no
# finite n'' makes it 2 while n is 0. The square of a length is dot(x, x), smooth everywhere.
hypot: Primitive = Primitive(
    "hypot",
    "√(x² + y²)",
    floats.hypot,
    [
        lambda out, x, y: _choose(out == 0.0, NOTHING, cosine(x, y)),
        lambda out, x, y: _choose(out == 0.0, NOTHING, cosine(y, x)),
    ],
    domain=_on(REAL, REAL, kinks=math.hypot),
)


def _over(x: Any, length: Any) -> Any:
    """Return x / length; 0, in every order of derivative, where the length is 0."""
    return _choose(length == 0.0, NOTHING, x / _guarded(length))


# --- error functions and activations ---

_TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)


# The derivatives of a Gaussian are polynomials times itself. Where it is 0, these would be inf * 0 for a huge x: there
# x is a constant to them, and they are 0; not so to the first derivative, which underflows: a number as any other.


def _bell(x: Any) -> Any:
    """Return e^(-x²).

    Far out the choice is a node even where it is decided: e^-900 of a constant would not be a number that was computed.
    """
    is_far = x * x > 900.0
    if is_far is not False:
        x = where(is_far, 30.0, x)
    return exp(-x * x)


# The rounding of x² is multiplied by x² in exp(-x²): 36 half-ulps at x = 6.
erf = Primitive(
    "erf", "erf x", floats.erf, [lambda out, x: _TWO_OVER_ROOT_PI * _bell(x)], domain=_on((-6.0, 6.0)), ulps=40
)
erfc: Primitive = Primitive(
    "erfc",
    "1 - erf x",
    floats.erfc,
    [lambda out, x: -_TWO_OVER_ROOT_PI * _bell(x)],
    domain=_on((-6.0, 6.0)),
    ulps=40,
)
sigmoid: Primitive = Primitive(
    "sigmoid",
    "1 / (1 + e⁻ˣ)",
    floats.sigmoid,
    [lambda out, x: _sigmoid_slope(x)],
    symbol="σ",
    domain=_on((-700.0, 700.0)),
)


def _sigmoid_slope(x: Any) -> Any:
    """Return sigmoid(x) sigmoid(-x) as sech²(x / 2) / 4: the derivative of the product would cancel near 0."""
    root = 0.5 * sech(0.5 * x)
    return root * root


softplus = Primitive(
    "softplus", "ln(1 + eˣ)", floats.softplus, [lambda out, x: sigmoid(x)], domain=_on((-700.0, 700.0))
)


def _relu_slope(x: Any) -> Any:
    """Return 1 where x is positive; NOTHING elsewhere, and at the kink; nan at nan."""
    is_on = x > 0.0
    return 1.0 if is_on is True else _choose(is_on, 1.0, _nan_or_nothing(x))


relu = Primitive(
    "relu",
    "max(x, 0)",
    lambda x: floats.maximum(x, 0.0),
    [lambda out, x: _relu_slope(x)],
    domain=_on(REAL, kinks=lambda x: x),
    ulps=4,
)
leaky_relu = Primitive(
    "leaky_relu",
    "x if x > 0 else slope * x",
    lambda x, slope: x if x > 0.0 else slope * x,
    [
        lambda out, x, slope: _choose(x > 0.0, 1.0, NOTHING if _is_constant_zero(slope, x) else slope),
        lambda out, x, slope: _choose(x > 0.0, NOTHING, x),
    ],  # left at the kink
    domain=_on(REAL, (0.0, 1.0), kinks=lambda x, slope: x),
    ulps=4,
    scales=True,
)
elu = Primitive(
    "elu",
    "x if x > 0 else alpha * (eˣ - 1)",
    lambda x, alpha: x if x > 0.0 else alpha * floats.expm1(x),
    [
        lambda out, x, alpha: _choose(x > 0.0, 1.0, _scaled(alpha, alpha * exp(x))),  # the left derivative at the kink
        lambda out, x, alpha: _choose(x > 0.0, NOTHING, expm1(x)),
    ],
    domain=_on((-700.0, 700.0), (0.1, 10.0), kinks=lambda x, alpha: x),
    scales=True,
)
silu = Primitive(
    "silu",
    "x / (1 + e⁻ˣ)",
    lambda x: x * floats.sigmoid(x),
    [lambda out, x: sigmoid(x) + x * _sigmoid_slope(x)],
    domain=_on((-700.0, 700.0)),
)


def _gelu_slope(x: Any) -> Any:
    """Return Phi(x) + x phi(x), with the distribution function and the density of the normal distribution."""
    y = _choose(x * x > 1600.0, 40.0, x)
    return 0.5 * erfc(-x * math.sqrt(0.5)) + y * exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi)


# The rounding of x²/2 and of x/√2 is multiplied by x² in the tails.
gelu = Primitive(
    "gelu",
    "x Φ(x)",
    floats.gelu,
    [lambda out, x: _gelu_slope(x)],
    domain=_on((-6.0, 6.0)),
    ulps=64,
)

# --- choices ---
# What was not chosen has the local gradient NOTHING. A nan is always chosen, and the derivative in it is nan.


def _nan_or_nothing(x: Any) -> Any:
    """Return the local gradient of an operand that no comparison takes: nan if it is nan, else NOTHING."""
    return _choose(x != x, x, NOTHING)


def _taken(is_beyond: Any, is_tied: Any, x: Any) -> Any:
    """Return the local gradient of x, one of two operands."""
    return _choose(is_beyond, 1.0, _choose(is_tied, 0.5, _nan_or_nothing(x)))


maximum: Primitive = Primitive(
    "maximum",
    "the larger of x and y",
    floats.maximum,
    [lambda out, x, y: _taken(x > y, x == y, x), lambda out, x, y: _taken(y > x, x == y, y)],
    domain=_on(REAL, REAL, kinks=lambda x, y: x - y),
    ulps=4,
)
minimum = Primitive(
    "minimum",
    "the smaller of x and y",
    floats.minimum,
    [lambda out, x, y: _taken(x < y, x == y, x), lambda out, x, y: _taken(y < x, x == y, y)],
    domain=_on(REAL, REAL, kinks=lambda x, y: x - y),
    ulps=4,
)
clip = Primitive(
    "clip",
    "x, at least low and at most high",
    lambda x, low, high: floats.minimum(floats.maximum(x, low), high),
    [
        lambda out, x, low, high: _choose((x >= low) & (x <= high), 1.0, _nan_or_nothing(x)),  # 1 at the bounds
        lambda out, x, low, high: _choose((x < low) & (low <= high), 1.0, _nan_or_nothing(low)),
        lambda out, x, low, high: _choose((x > high) | (low > high), 1.0, _nan_or_nothing(high)),
    ],
    domain=_on(REAL, (-1e6, 0.0), (0.0, 1e6), kinks=_gap),
    ulps=4,
)
where: Primitive = Primitive(
    "where",
    "x if condition else y",
    lambda condition, x, y: x if condition else y,
    [
        lambda out, condition, x, y: NOTHING,
        lambda out, condition, x, y: _choose(condition != 0.0, 1.0, NOTHING),
        lambda out, condition, x, y: _choose(condition != 0.0, NOTHING, 1.0),
    ],
    domain=_on((0.0, 1.0), REAL, REAL, kinks=lambda condition, x, y: condition),
    ulps=4,
)

# --- lists: any number of operands, all local gradients at once, in linear time ---


def _prod_partials(out: Any, *xs: Any) -> Iterator[Any]:
    """Yield the product of the others for each factor, exact where factors are 0: prefix times suffix."""
    zeros = [i for i, x in enumerate(xs) if _is_constant_zero(x, out)]
    suffixes = [1.0]
    for x in reversed(xs[1:]):
        suffixes.append(suffixes[-1] * x)
    prefix: Any = 1.0
    for i, (x, suffix) in enumerate(zip(xs, reversed(suffixes), strict=True)):
        yield NOTHING if zeros not in ([], [i]) else prefix * suffix
        prefix = prefix * x


def _logsumexp_partials(out: Any, *xs: Any) -> list[Any]:
    """Return softmax(xs), from differences to the largest, so that equal terms get equal shares exactly.

    When every term is -inf, e^-inf = 0 of each leaves nothing to share: all derivatives are 0.
    """
    largest = max(*xs)
    is_empty = largest == -inf
    largest = _choose(is_empty, 0.0, largest)
    terms = [exp(x - largest) for x in xs]
    total = _guarded(sum(*terms))
    return [_choose(is_empty, NOTHING, term / total) for term in terms]


def _extreme_partials(out: Any, *xs: Any) -> list[Any]:
    """Return 1/k for each of the k operands that equal the extreme; nan for each that is nan."""
    chosen = [x == out for x in xs]
    share = 1.0 / _guarded(sum(*[_choose(is_chosen, 1.0, 0.0) for is_chosen in chosen]))
    return [_choose(is_chosen, share, _nan_or_nothing(x)) for is_chosen, x in zip(chosen, xs, strict=True)]


# A sum of n terms rounds n - 1 times, by half an ulp of the largest sum on the way; 32 covers the 64 operands the tests
# give. Of a product each rounding can be a whole ulp of the result.
sum: Primitive = Primitive("sum", "x₁ + ... + xₙ", floats.sum, lambda out, *xs: (1.0,) * len(xs), symbol="Σ", ulps=32)
mean = Primitive("mean", "(x₁ + ... + xₙ) / n", floats.mean, lambda out, *xs: (1.0 / len(xs),) * len(xs), ulps=32)
prod = Primitive(
    "prod", "x₁ · ... · xₙ", floats.prod, _prod_partials, symbol="Π", domain=_on((-10.0, 10.0)), ulps=64, scales=True
)
dot = Primitive(
    "dot",
    "w₁ x₁ + ... + wₙ xₙ",
    floats.dot,
    lambda out, *wx: wx[len(wx) // 2 :] + wx[: len(wx) // 2],
    symbol="·",
    ulps=32,
    scales=True,
)
norm = Primitive(
    "norm",
    "√(x₁² + ... + xₙ²)",
    floats.hypot,
    lambda out, *xs: [_over(x, out) for x in xs],
    symbol="‖x‖",
    domain=_on(REAL, kinks=math.hypot),
)
# The rounding of a difference, up to 100 in the domain, comes back as a relative error of its exponential: 64 ulps.
logsumexp = Primitive(
    "logsumexp", "ln(eˣ¹ + ... + eˣⁿ)", floats.logsumexp, _logsumexp_partials, domain=_on((-50.0, 50.0)), ulps=128
)
# The n results of softmax share one logsumexp, their second operand: n + 1 nodes, not n².
softmax = Primitive(
    "softmax",
    "e^(x - logsumexp)",
    lambda x, total: floats.exp(x - total),
    [lambda out, x, total: out, lambda out, x, total: -out],
    domain=_on((-50.0, 50.0), (0.0, 50.0)),
    ulps=128,  # as of logsumexp
)
log_softmax = Primitive(
    "log_softmax",
    "x - logsumexp",
    operator.sub,
    [lambda out, x, total: 1.0, lambda out, x, total: -1.0],
    domain=_on((-700.0, 700.0)),
    ulps=4,
)
max: Primitive = Primitive("max", "the largest", floats.max, _extreme_partials, domain=_on(REAL, kinks=_gap), ulps=4)
min = Primitive("min", "the smallest", floats.min, _extreme_partials, domain=_on(REAL, kinks=_gap), ulps=4)

TABLE: dict[str, Primitive] = {entry.name: entry for entry in list(globals().values()) if isinstance(entry, Primitive)}
"""Every primitive by its name, in the order above."""

# --- what only rules use: local gradients whose own derivatives, of what they are made of, would cancel ---

sech: Primitive = Primitive(
    "sech", "1 / cosh x", floats.sech, [lambda out, x: -out * tanh(x)], domain=_on((-700.0, 700.0))
)
# Infinite at -1 and 1, in every order: x times a power of out is never a difference.
arcsin_slope: Primitive = Primitive(
    "arcsin_slope",
    "1 / √(1 - x²)",
    floats.arcsin_slope,
    [lambda out, x: x * out * out * out],
    domain=_on((-0.999, 0.999)),
)
# Of the zero vector it is 0, as are its derivatives.
cosine: Primitive = Primitive(
    "cosine",
    "x / √(x² + y²)",
    floats.cosine,
    [
        lambda out, x, y: _over(_squared(cosine(y, x)), hypot(x, y)),
        lambda out, x, y: _over(-out * cosine(y, x), hypot(x, y)),
    ],
    domain=_on(REAL, REAL, kinks=math.hypot),
)

SLOPES: dict[str, Primitive] = {entry.name: entry for entry in (sech, arcsin_slope, cosine)}
"""Primitives that are no functions of the library: they stand in the rules above, and so in gradients, by name."""

KNOWN: dict[str, Primitive] = TABLE | SLOPES
"""Every primitive that graphs hold, but for the user's own, by name."""


def _documented(entry: Primitive) -> str:
    """Return the docstring of an entry with an example: its value, and the local gradients of a Value."""
    operands = entry.example()
    out = entry(*operands)
    numbers = ", ".join(map(repr, operands))
    recorded = ", ".join([f"Value({operands[0]!r})", *map(repr, operands[1:])])
    return (
        f"{entry.__doc__}\n\n>>> {entry.name}({numbers})\n{out!r}\n"
        f">>> {entry.name}({recorded}).local_gradients\n{entry.local_gradients(out, *operands)!r}"
    )


for _entry in KNOWN.values():
    _entry.__doc__ = _documented(_entry)
