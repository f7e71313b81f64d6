"""Verdicts: whether one derivative is right, by everything that is known of it.

Differences come first: they know no rule, and f itself. Where they say too little, or something else than the chain
rule, the graph that f recorded is replayed by mpmath, if that is installed, knows its primitives, and gives what f
gives nearby: a graph that is all of f. Then its exact derivative decides. Else differences may still accuse, but only
where they can resolve f: between a kink and an oscillation too fast for them, nobody knows.

    >>> x = Value(1e14)
    >>> y = x.sin()
    >>> given = Derivative("x", "y", x, y, *[math.cos(1e14)] * 3, Estimate(0.0, 1e-13, 0.0, False), 0.1, math.sin)
    >>> judged(given, rtol=1e-8, atol=0.0).outcome
    <Outcome.RIGHT: 'right'>
"""

import math
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any, NamedTuple

from autodiff.graph import leaves, topological_order
from autodiff.primitives import where
from autodiff.testing.differences import adjoints, data_of, rounding_error
from autodiff.testing.extrapolation import Estimate, at_a_step
from autodiff.value import Value

# The error of differences is an estimate. In thousands of trials the true one was at most half of it, but a primitive
# of the user's own may hide its rounding.
_MARGIN = 8.0
# Decided means that a derivative wrong by so much of the largest it could be would have been seen.
_RESOLUTION = 1e-3
# What underflows loses digits that no bound relative to a result accounts for.
UNDERFLOW = 1e-300
_LAST_STEP = 2.0**-46  # of differences, relative to x
_NEARBY = math.pi * 2.0**-28  # the same, of the first comparison of f with its graph; no multiple of a period


class Derivative(NamedTuple):
    """Everything that is known of the derivative of one output in one input."""

    input: str
    output: str
    leaf: Value
    node: Any  # the output: a Value, or a float that depends on nothing
    analytic: float  # reverse mode, the rules read with Values
    stored: float  # reverse mode, the floats in the graph
    forward: float
    numerical: Estimate
    rounding: float  # of the analytic one
    moved: Callable[[float], float]  # f itself: the output's number, were the leaf's another


class Outcome(Enum):
    """The kinds of verdict on a derivative."""

    RIGHT = "right"
    WRONG = "wrong"
    NO_VALUE = "no value"  # f is not finite there, or there is no such number
    NO_DERIVATIVE = "no derivative"  # it is not finite
    UNDECIDED = "undecided"


class Verdict(NamedTuple):
    """The verdict on a derivative.

    Attributes:
        derivative: which.
        outcome: right, wrong, ...
        remark: the reason, in a few words; "" where differences show that it is right.
        exact: the derivative that mpmath gives, where it was asked and could tell.
        severity: how many times the tolerance it is off; the worst stand first in a table.
    """

    derivative: Derivative
    outcome: Outcome
    remark: str = ""
    exact: float | None = None
    severity: float = math.inf


def judged(d: Derivative, rtol: float, atol: float) -> Verdict:
    """The verdict on a derivative; `autodiff.testing.check_grads` says by what rules."""
    slope, error, _, is_resolved = d.numerical
    if not math.isfinite(d.leaf.data):
        return Verdict(d, Outcome.NO_VALUE, f"there are no differences at {d.leaf.data}")
    if not math.isfinite(data_of([d.node])[0]):
        return Verdict(d, Outcome.NO_VALUE, first_not_finite(d.node))
    if not math.isfinite(d.analytic):
        return Verdict(d, Outcome.NO_DERIVATIVE, f"{d.analytic!r} is no derivative")
    measured = rtol * abs(slope) + _MARGIN * error + d.rounding
    tolerance = atol + measured
    off = abs(d.analytic - slope)
    if off > tolerance:
        return _by_mpmath(d, atol) or _accused(d, off, tolerance, is_resolved)
    for name, other in (("the local gradients stored in the graph give", d.stored), ("forward mode gives", d.forward)):
        if not abs(d.analytic - other) <= atol + d.rounding:
            return Verdict(d, Outcome.WRONG, f"{name} {other!r}")
    # What it may be off: by no more than from the numerical one, and that one from the true one.
    unseen = min(measured, off + _MARGIN * error)
    if unseen <= atol or _is_small(d, unseen):
        return Verdict(d, Outcome.RIGHT)
    return _by_mpmath(d, atol) or _undecided(d, f"off by {unseen:.2g} would go unseen" if unseen < math.inf else _FAST)


def _accused(d: Derivative, off: float, tolerance: float, is_resolved: bool) -> Verdict:
    """The verdict on a derivative that differences contradict: wrong, where they can see what f does."""
    if not is_resolved:
        return _undecided(d, _FAST)
    if _has_kink_within(d.node, d.leaf, _LAST_STEP * abs(d.leaf.data)):
        return _undecided(d, "a kink or jump lies within the last digits of the input")
    return Verdict(d, Outcome.WRONG, f"off by {off:.4g}, {tolerance:.4g} tolerated", severity=off / tolerance)


_FAST = "f has no value nearby, or changes faster than differences can follow"


def _undecided(d: Derivative, reason: str) -> Verdict:
    return Verdict(d, Outcome.UNDECIDED, f"undecided: {reason}", severity=0.0)


def _is_small(d: Derivative, unseen: float) -> bool:
    """Whether a mistake would have been seen: whether it could be larger than what is tolerated."""
    enough = unseen / _RESOLUTION
    slope, _, steepness, _ = d.numerical
    if enough <= max(abs(slope), steepness, 2.0 * UNDERFLOW / _RESOLUTION):
        return True
    if enough <= _largest_path(d.node, d.leaf):
        return True
    if d.analytic != 0.0:
        return False
    if slope == 0.0 and not _depends(d.node, d.leaf):  # neither the graph nor the values know of this input
        return True
    # Nothing of the input arrives, as through floor(x): its value tells the scale.
    return enough * (abs(d.leaf.data) or 1.0) <= abs(data_of([d.node])[0])


# --- by the graph ---


def first_not_finite(root: Any) -> str:
    """The operation that made the first number that is not finite, and its operands, in a few words.

    >>> first_not_finite(Value(-1.0).log() + 1.0)
    'log(-1) is nan'
    """
    for node in topological_order(root) if isinstance(root, Value) else ():
        operands = data_of(node.operands)
        if not math.isfinite(node.data) and all(map(math.isfinite, operands)):
            shown = [f"{x:.6g}" for x in operands[:4]] + ["..."] * (len(operands) > 4)
            return f"{node.op.name}({', '.join(shown)}) is {node.data}"
    return f"f is {data_of([root])[0]} there"


def _depends(root: Any, leaf: Value) -> bool:
    return isinstance(root, Value) and any(x is leaf for x in leaves(root))


def _largest_path(root: Any, leaf: Value) -> float:
    """The largest |d(root)/d(node) * local gradient * d(operand)/d(leaf)|: where paths cancel, what cancels.

    A wrong rule changes the derivative by a part of that. It is taken of edges: those of x - x cancel within one node.
    """
    if not isinstance(root, Value):
        return 0.0
    upstreams, tangents, largest = adjoints(root), {leaf: 1.0}, 0.0
    for node in topological_order(root):
        upstream, tangent = upstreams.get(node, 0.0), 0.0
        for operand, local in zip(node.operands, node.local_gradients, strict=True):
            if local and not isinstance(operand, float):
                part = local * tangents.get(operand, 0.0)
                tangent += part
                if largest < abs(upstream * part) < math.inf:
                    largest = abs(upstream * part)
        tangents[node] = tangent
    return largest


def _has_kink_within(root: Any, leaf: Value, reach: float) -> bool:
    """Whether a node on the way has a kink, by the domain of its primitive, where the leaf moves so little.

    That is where its `kinks` is 0 or changes sign. Five points beside x are looked at: the kinks of floor come back
    with a period, and a single step may go from one to the next.
    """
    if not isinstance(root, Value):
        return False
    order = topological_order(root)
    here = _distances(order, leaf, leaf.data)
    if 0.0 in here.values():
        return True
    for part in (-1.0, -0.382, 0.236, 0.618, 1.0):
        there = _distances(order, leaf, leaf.data + part * reach)
        if any(there[node] == 0.0 or (there[node] < 0.0) != (here[node] < 0.0) for node in here.keys() & there):
            return True
    return False


def _distances(order: list[Any], leaf: Value, x: float) -> dict[Any, float]:
    """The value of `kinks` at each node that was made from the leaf, if its number were x."""
    numbers, found = {leaf: x}, {}
    for node in order:
        if any(operand in numbers for operand in node.operands if not isinstance(operand, float)):
            operands = [y if isinstance(y, float) else numbers.get(y, y.data) for y in node.operands]
            with suppress(ArithmeticError, ValueError, TypeError, RuntimeError):  # of a function of the user's
                numbers[node] = node.op.evaluate(*operands)
                if node.op.domain.kinks is not None and node.op is not where:  # whose condition is a constant
                    found[node] = node.op.domain.kinks(*operands)
    return found


# --- by mpmath ---


def _by_mpmath(d: Derivative, atol: float) -> Verdict | None:
    """The verdict of the exact derivative of the recorded graph; None if mpmath is missing, or cannot tell."""
    try:
        exact = _exact(d)
    except (ImportError, TypeError, ValueError, ArithmeticError):
        return None
    if exact is None:
        return None
    off = abs(d.analytic - exact)
    if off > atol + d.rounding:
        return Verdict(d, Outcome.WRONG, f"off by {off:.4g}: it is {exact!r}, says mpmath", exact)
    scale = _RESOLUTION * max(abs(exact), _largest_path(d.node, d.leaf))
    if min(off, d.rounding) <= max(scale, 2.0 * UNDERFLOW, atol):
        return Verdict(d, Outcome.RIGHT, "says mpmath", exact)
    return None  # the analytic one has no digits to compare


def _exact(d: Derivative) -> float | None:
    """The derivative of the graph, right to the last digit; None unless the graph is all of f."""
    from autodiff.testing.oracles import mpmath_gradient, mpmath_value_where  # mpmath is an extra

    def replayed(x: float) -> float:
        return float(mpmath_value_where(d.node, d.leaf, x)) if isinstance(d.node, Value) else d.node

    if not _is_all_of_f(d, replayed):
        return None
    return float(mpmath_gradient(d.node, [d.leaf], digits=20)[0]) if isinstance(d.node, Value) else 0.0


def _is_all_of_f(d: Derivative, replayed: Callable[[float], float]) -> bool:
    """Whether the graph, replayed at other inputs, gives what f gives.

    It does not where f reads `.data`, or goes another way. The input moves further and further away, until an error of
    the derivative, or a thousandth of it, would show above rounding.
    """
    here = data_of([d.node])[0]
    tolerance = _MARGIN * rounding_error(d.node) + math.ulp(here)
    in_doubt = max(abs(d.analytic - d.numerical.slope), _RESOLUTION * abs(d.analytic))
    step = _NEARBY * (abs(d.leaf.data) or 1.0)
    compared = 0
    while step <= max(abs(d.leaf.data), 1.0):
        for x in (d.leaf.data - step, d.leaf.data + step):
            there = _moved(d, x)
            if math.isfinite(there):
                compared += 1
                if not abs(there - replayed(x)) <= tolerance * max(1.0, abs(there / (here or 1.0))):
                    return False
        if compared and in_doubt * step > 4.0 * tolerance:
            break
        step *= 16.0
    return compared > 0


def _moved(d: Derivative, x: float) -> float:
    """The output of f at that input; nan outside its domain."""
    there = at_a_step(d.moved, x)
    return math.nan if there is None else there
