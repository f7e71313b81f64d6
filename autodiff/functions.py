"""Functions of Values and numbers that are more than a primitive: those with defaults, those of lists, your own.

Given plain numbers alone, each returns a float; given a Value anywhere, a Value. The functions of one and two numbers
are primitives as they stand: `autodiff.primitives.public` has them.

    >>> from autodiff import Value
    >>> elu(0.0), dot([1.0, 2.0], [3.0, 4.0])
    (0.0, 11.0)
    >>> dot([Value(1.0), 2.0], [3.0, 4.0])
    Value(11.0, grad=0.0, op=dot)
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Never

from autodiff import floats, primitives
from autodiff.primitives import Domain, Primitive, Rule
from autodiff.primitives.on_floats import on_floats
from autodiff.value import Value

Number = Value | float


# --- functions with defaults ---


def leaky_relu(x: Number, slope: Number = 0.01) -> Any:
    """x where x > 0, slope * x elsewhere; the derivative at 0 is the slope.

    >>> leaky_relu(-2.0)
    -0.02
    """
    return primitives.leaky_relu(x, slope)


def elu(x: Number, alpha: Number = 1.0) -> Any:
    """x where x > 0, alpha * (e^x - 1) elsewhere; the derivative at 0 is alpha.

    Source: Clevert et al., Fast and accurate deep network learning by exponential linear units, 2015.

    >>> elu(-1.0)
    -0.6321205588285577
    """
    return primitives.elu(x, alpha)


def clip(x: Number, low: Number, high: Number) -> Any:
    """x, at least low and at most high (high wins if low is larger); the derivative is 1 at the bounds.

    >>> clip(7.0, 0.0, 5.0)
    5.0
    """
    return primitives.clip(x, low, high)


def where(condition: Any, x: Any, y: Any) -> Any:
    """x if condition is true, else y, as one node: the branch not taken contributes nothing to a gradient.

    The condition is a bool or a number, or a Value (true unless 0); it has no gradient.

    >>> x = Value(0.0)
    >>> y = where(x > 0, x.log(), 0.0)  # log x is -inf here, its derivative inf
    >>> y.backward()
    >>> y.data, x.grad
    (0.0, 0.0)
    """
    return primitives.where(condition, x, y)


# --- functions of lists ---


_OF_TWO = {"max": "maximum(x, y)", "min": "minimum(x, y)", "sum": "x + y", "prod": "x * y", "norm": "hypot(x, y)"}
_BY_PLACE = {"dot", "softmax", "log_softmax"}  # where it matters which number stands where


def _listed(name: str, values: Iterable[Any], *more: Any, at_least: int = 0) -> list[Any]:
    """The numbers as a list, to read. Raises for anything but one list of numbers that is long enough."""
    if type(values) is list and not more and len(values) >= at_least:  # a third of the time
        return values
    if more:
        or_else = f", or {_OF_TWO[name]}" if name in _OF_TWO and len(more) == 1 else ""
        raise TypeError(f"{name} takes a list of numbers, got {1 + len(more)} arguments; write {name}([x, y]){or_else}")
    if isinstance(values, (str, bytes, dict)) or not isinstance(values, Iterable):
        two = {"max": "; of two numbers, use maximum", "min": "; of two numbers, use minimum"}.get(name, "")
        kind = "Value" if isinstance(values, Value) else type(values).__name__  # in a compiled function, too
        raise TypeError(f"{name} takes a list of numbers, got {kind}{two}")
    if isinstance(values, (set, frozenset)) and name in _BY_PLACE:
        raise TypeError(f"{name} takes a list of numbers, got a {type(values).__name__}, which has no order; list them")
    numbers = list(values)
    if len(numbers) < at_least:
        raise ValueError(f"{name} of an empty list has no value; give it at least one number")
    return numbers


def sum(values: Iterable[Any], *more: Never) -> Any:
    """The sum of a list, as one node; 0.0 for an empty one.

    >>> sum([1.0, 2.0, 3.0])
    6.0
    """
    numbers = values if type(values) is list and not more else _listed("sum", values, *more)
    return primitives.sum(*numbers) if numbers else 0.0


def prod(values: Iterable[Any], *more: Never) -> Any:
    """The product of a list, as one node; 1.0 for an empty one. Exact gradients where factors are 0.

    >>> x, y = Value(0.0), Value(5.0)
    >>> prod([x, y, 2.0]).backward()
    >>> x.grad, y.grad
    (10.0, 0.0)
    """
    numbers = _listed("prod", values, *more)
    return primitives.prod(*numbers) if numbers else 1.0


def mean(values: Iterable[Any], *more: Never) -> Any:
    """The arithmetic mean of a list, as one node. Raises ValueError if it is empty.

    >>> mean([1.0, 2.0, 6.0])
    3.0
    """
    return primitives.mean(*_listed("mean", values, *more, at_least=1))


def dot(w: Iterable[Any], x: Iterable[Any]) -> Any:
    """w1 x1 + w2 x2 + ... as one node, whose operands are w's, then x's; 0.0 for empty lists.

    Raises ValueError if the lengths differ.

    >>> dot([1.0, 2.0], [3.0, 4.0])
    11.0
    """
    return dot_of_lists(w, x)


def dot_of_lists(w: Iterable[Any], x: Iterable[Any]) -> Any:
    """The same: what `dot` calls, so that a fast one can stand here."""
    w, x = _listed("dot", w), _listed("dot", x)
    if len(w) != len(x):
        raise ValueError(f"dot takes two lists of one length, got {len(w)} and {len(x)} numbers")
    return primitives.dot(*w, *x) if w else 0.0


def norm(values: Iterable[Any], *more: Never) -> Any:
    """The Euclidean length of a list, as one node, without overflow; 0.0 for an empty one.

    All derivatives at the zero vector are 0, which has no direction. Write dot(x, x) for the square of a length: it is
    smooth there, too, with the second derivative 2.

    >>> norm([3.0, 4.0])
    5.0
    """
    numbers = _listed("norm", values, *more)
    return primitives.norm(*numbers) if numbers else 0.0


def max(values: Iterable[Any], *more: Never) -> Any:
    """The largest of a list, as one node; k equal ones have derivative 1/k each. Raises ValueError if empty.

    >>> max([1.0, 3.0, 2.0])
    3.0
    """
    return primitives.max(*_listed("max", values, *more, at_least=1))


def min(values: Iterable[Any], *more: Never) -> Any:
    """The smallest of a list, as one node; k equal ones have derivative 1/k each. Raises ValueError if empty.

    >>> min([1.0, 3.0, 2.0])
    1.0
    """
    return primitives.min(*_listed("min", values, *more, at_least=1))


def logsumexp(values: Iterable[Any], *more: Never) -> Any:
    """log(e^x1 + e^x2 + ...) of a list, as one node, without overflow. Raises ValueError if empty.

    Source: Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax functions, 2021.

    >>> logsumexp([1000.0, 1000.0])
    1000.6931471805599
    """
    return primitives.logsumexp(*_listed("logsumexp", values, *more, at_least=1))


def softmax(values: Iterable[Any], *more: Never) -> list[Any]:
    """The list of e^xi / (e^x1 + e^x2 + ...): as many nodes, which share one logsumexp.

    The derivative of a result p in its own xi is p (1 - p), of which the difference rounds: where p is 1 to the last
    bit, it is 0. That of log(p), 1 - p, likewise.

    >>> softmax([1000.0, 0.0])
    [1.0, 0.0]
    """
    return _normalised(primitives.softmax, values, *more)


def log_softmax(values: Iterable[Any], *more: Never) -> list[Any]:
    """The list of xi - log(e^x1 + e^x2 + ...): as many nodes, which share one logsumexp.

    >>> log_softmax([1000.0, 0.0])
    [0.0, -1000.0]
    """
    return _normalised(primitives.log_softmax, values, *more)


def _normalised(primitive: Primitive, values: Iterable[Any], *more: Any) -> list[Any]:
    numbers = tuple(_listed(primitive.name, values, *more))
    if not numbers:
        return []
    total = primitives.logsumexp(*numbers)
    return [primitive(x, total) for x in numbers]


# --- the user's own ---


def primitive(
    name: str,
    *,
    evaluate: Callable[..., Any],
    partials: Rule | Sequence[Rule],
    symbol: str | None = None,
    domain: Domain | Sequence[tuple[float, float]] | None = None,
) -> Primitive:
    """A primitive of your own: a function of Values and numbers, recorded as one node.

    Args:
        name: an identifier; what drawings, repr and errors call it. To pickle graphs that hold it, keep it in a
            module-level variable of that name.
        evaluate: gives the value, `evaluate(*operands)`.
        partials: a list with one function `(out, *operands)` for each operand, d(out)/d(operand); or, when the number
            of operands varies, one function that gives all of them. Write them, and evaluate, in arithmetic and the
            functions of autodiff, and choose with `where`, so that floats and Values can be put in alike: that makes
            derivatives of any order.
        symbol: what drawings show; the name unless given.
        domain: where it is smooth: one (low, high) for each operand, or a Domain with its kinks; for tests.

    Raises TypeError for a name, rule or domain of the wrong kind, ValueError for a domain with an empty interval.

    >>> cube = primitive("cube", evaluate=lambda x: x * x * x, partials=[lambda out, x: 3 * x * x])
    >>> x = Value(2.0)
    >>> y = cube(x)
    >>> y.backward()
    >>> y, x.grad, cube(2.0)
    (Value(8.0, grad=1.0, op=cube), 12.0, 8.0)
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise TypeError(f"a primitive's name is an identifier, got {name!r}; write something like 'my_function'")
    if not callable(evaluate):
        raise TypeError(f"evaluate is a function of the operands, got {type(evaluate).__name__}")
    if not callable(partials):
        partials = list(partials) if hasattr(type(partials), "__iter__") else []
        if not partials or not all(map(callable, partials)):
            raise TypeError("partials is a list of functions (out, *operands), one for each operand, or one function")
    if symbol is not None and not isinstance(symbol, str):
        raise TypeError(f"a symbol is a string, got {type(symbol).__name__} {symbol!r}")
    made = Primitive(name, name, evaluate, partials, symbol=symbol, domain=_domain(domain), scales=True)

    @wraps(evaluate)
    def evaluated(*operands: Any) -> float:
        return on_floats(name, lambda *xs: (evaluate(*xs),), [floats.as_float(x) for x in operands], Value)[0]

    made.evaluate = evaluated
    made.__module__ = sys._getframe(1).f_globals.get("__name__", "__main__")
    return made


def _domain(domain: Domain | Sequence[tuple[float, float]] | None) -> Domain:
    if domain is None or isinstance(domain, Domain):
        return domain or Domain()
    try:
        intervals = tuple([(floats.as_float(low), floats.as_float(high)) for low, high in domain])
    except (TypeError, ValueError) as error:
        raise TypeError(f"a domain is a list of (low, high), one for each operand, got {domain!r}") from error
    if not intervals:
        raise ValueError("a domain has at least one interval; leave it out for all numbers")
    for low, high in intervals:
        if not low < high:
            raise ValueError(f"an interval of a domain is (low, high) with low < high, got ({low}, {high})")
    return Domain(intervals)
