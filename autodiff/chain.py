"""The chain rule: the shares of a node, and the two sweeps over a graph that follow from it.

A node z that was made from x and y knows its local gradients, ∂z/∂x and ∂z/∂y. In reverse mode, on the way back from an
output L, it hands to each operand a share of its own gradient, upstream times local gradient; in forward mode, on the
way from an input t, it gets a share of each operand's tangent:

    reverse  dL/dx += dL/dz * ∂z/∂x,  dL/dy += dL/dz * ∂z/∂y
    forward  dz/dt = dx/dt * ∂z/∂x + dy/dt * ∂z/∂y

That is all of backpropagation: a reverse sweep is the first line, for every node from the last to the first.

    >>> from autodiff import Value
    >>> from autodiff.graph import topological_order
    >>> x, y = Value(3.0), Value(2.0)
    >>> z = x * y + x
    >>> adjoints = reverse(topological_order(z), {z: 1.0})
    >>> adjoints[x], adjoints[y]  # y + 1, x
    (3.0, 3.0)

Whatever differentiates in this library reads these sweeps: `backward()`, the transforms, segments, the explanations,
the checks. They differ in two things alone. The local gradients may be the recorded floats, or the rules of the table
read again, with Values; and products and sums may be those of numbers and Values, or what a trace of the compiler notes
in their place (`Arithmetic`). A node is known by its attributes, as in `graph.py`: `operands`, `local_gradients`, `op`.

An operand that was not taken has the local gradient NOTHING, a structural zero: the branch that `where` did not choose,
a factor that is the constant 0, the slope of a step. It passes nothing on, whatever the upstream gradient, infinite or
nan, and whatever lies behind the operand. A local gradient that happens to be 0 is another thing: 0 times infinity is
nan in IEEE 754, and silence would be a wrong number.

    >>> from autodiff import cbrt, relu, sqrt
    >>> x = Value(0.0)
    >>> relu(sqrt(x) - 1.0).backward()  # off: d/dx is 0, although sqrt has an infinite slope at 0
    >>> x.grad
    0.0
    >>> (cbrt(x) ** 3).backward()  # d/dx is 1, but 0 * inf on the way
    >>> x.grad
    nan

Source: Griewank and Walther, Evaluating Derivatives, 2008, chapter 3.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Self

from autodiff import floats
from autodiff.graph import descendants

# --- structural zeros ---


class Nothing(float):
    """0.0 that stays nothing whatever it is multiplied with, and changes no sum it is added to.

    Code that multiplies and adds need not ask for it.

    >>> float("inf") * NOTHING, 2.0 + NOTHING, NOTHING == 0.0
    (0.0, 2.0, True)
    """

    __slots__ = ()

    def __mul__(self, other: Any) -> Self:
        return self

    __rmul__ = __truediv__ = __mul__

    def __neg__(self) -> Self:
        return self

    def __add__(self, other: Any) -> Any:
        return other

    __radd__ = __add__

    def __reduce__(self) -> str:
        return "NOTHING"  # there is only one, which pickles and copies refer to


NOTHING = Nothing()
"""The only Nothing: told from a zero that was computed by `is`."""


# --- what a sweep is given ---

# The local gradients of a node, given the nodes whose adjoints matter (None: all); those in others may be anything.
LocalGradients = Callable[[Any, AbstractSet[Any] | None], Sequence[Any]]


def recorded(node: Any, among: AbstractSet[Any] | None = None) -> Sequence[float]:
    """The local gradients that were recorded with a node.

    They are `node.local_gradients`, but for a dot: which of its zeros are constants is told only when it is asked for,
    since nothing is recorded as often.

    >>> from autodiff import Value, dot
    >>> node = dot([Value(2.0), Value(3.0)], [0.0, 1.0])
    >>> recorded(node)[0] is NOTHING
    True
    """
    gradients: Sequence[float] = node.local_gradients
    op = node.op  # None, of a node that someone has put together
    if op is None or op.evaluate is not floats.dot or all(gradients):  # an operation of a user may have its name
        return gradients
    half = len(gradients) // 2
    factors = (*node.operands[half:], *node.operands[:half])
    return [x if x or type(factor) is not float else NOTHING for x, factor in zip(gradients, factors, strict=True)]


class Arithmetic:
    """Products and sums of adjoints, which are upstream gradients or tangents: those of plain numbers.

    Derivatives that are Values, and those that a trace notes, have an arithmetic of their own.
    """

    product: Callable[[Any, Any], Any] = staticmethod(operator.mul)
    """An adjoint times a local gradient, or NOTHING."""

    sum: Callable[[Any, Any], Any] = staticmethod(operator.add)
    """The sum of two adjoints of one node."""

    def settled(self, adjoint: Any) -> Any:
        """An adjoint as the result of a sweep: 0.0 for NOTHING, and never -0.0, as in a grad that began at 0.0."""
        return adjoint + 0.0

    def reverse(
        self, order: Sequence[Any], seeds: Mapping[Any, Any], inputs: Sequence[Any], local_gradients: "LocalGradients"
    ) -> Mapping[Any, Any]:
        """The adjoints of a reverse sweep, at the inputs at least."""
        return reverse(order, seeds, inputs, local_gradients, self)

    def results(self, adjoints: Mapping[Any, Any], nodes: Iterable[Any]) -> list[Any]:
        """The results of a sweep at some of the nodes."""
        return [self.settled(adjoints.get(x, NOTHING)) for x in nodes]


FLOATS = Arithmetic()


# --- the rule, and the two sweeps ---


def passed_on(node: Any) -> list[tuple[Any, float]]:
    """The operands that a node gives a share of its gradient, each with the local gradient; one that stands there
    twice gets two.

    >>> from autodiff import Value
    >>> x = Value(3.0)
    >>> passed_on(x * x) == [(x, 3.0), (x, 3.0)], passed_on(2.0 * x) == [(x, 2.0)]
    (True, True)
    """
    edges = zip(node.operands, recorded(node), strict=True)
    return [(x, local) for x, local in edges if type(x) is not float and local is not NOTHING]


def reverse(
    order: Sequence[Any],
    seeds: Mapping[Any, Any],
    inputs: Iterable[Any] | None = None,
    local_gradients: LocalGradients = recorded,
    arithmetic: Arithmetic = FLOATS,
    seen: Callable[[Any, Any, Any, dict[Any, Any]], None] | None = None,
) -> dict[Any, Any]:
    """The upstream gradient of each node that something is passed on to: the sum of seed * d(root)/d(node).

    When a node's turn comes, everything made from it has passed on its share, so that its gradient is complete.

    Args:
        order: a topological order of the roots.
        seeds: the upstream gradients that the sweep starts from, by root.
        inputs: the nodes whose gradients matter; without them, all nodes do. Nothing is passed on but towards them.
        seen: called after each share with the node, its operand, the local gradient and the gradients so far.
    """
    adjoints = dict(seeds)
    among = None if inputs is None else descendants(order, inputs)
    product, add, nothing = arithmetic.product, arithmetic.sum, NOTHING
    for node in reversed(order):
        upstream = adjoints.get(node, nothing)
        if upstream is nothing:
            continue
        for operand, local in zip(node.operands, local_gradients(node, among), strict=True):
            if type(operand) is not float and local is not nothing and (among is None or operand in among):
                share = product(upstream, local)
                if share is not nothing:
                    adjoints[operand] = add(adjoints[operand], share) if operand in adjoints else share
                    if seen is not None:
                        seen(node, operand, local, adjoints)
    return adjoints


def forward(
    order: Sequence[Any],
    tangents: Mapping[Any, Any],
    local_gradients: LocalGradients = recorded,
    arithmetic: Arithmetic = FLOATS,
) -> dict[Any, Any]:
    """The tangent of each node that moves: the sum of d(node)/d(input) * tangent over the inputs that have one.

    `order` is a topological order. A node made from moving ones by what was not taken does not move.
    """
    moving = dict(tangents)
    product, add, nothing = arithmetic.product, arithmetic.sum, NOTHING
    for node in order:
        if node in tangents:
            continue
        total: Any = nothing
        for operand, local in zip(node.operands, local_gradients(node, moving.keys()), strict=True):
            if type(operand) is not float and local is not nothing and operand in moving:
                share = product(moving[operand], local)
                if share is not nothing:
                    total = share if total is nothing else add(total, share)
        if total is not nothing:
            moving[node] = total
    return moving


# --- sweeps of floats ---


def adjoints_at(order: Sequence[Any], seeds: Mapping[Any, float], nodes: Sequence[Any]) -> list[float]:
    """The upstream gradient of each of the nodes asked for; NOTHING where nothing is passed on.

    >>> from autodiff import Value, relu
    >>> from autodiff.graph import topological_order
    >>> x, y = Value(3.0), Value(2.0)
    >>> z = x * 2.0 + relu(-y)
    >>> slopes = adjoints_at(topological_order(z), {z: 1.0}, [x, y])
    >>> slopes, slopes[1] is NOTHING
    ([2.0, 0.0], True)
    """
    adjoints = reverse(order, seeds, nodes)
    return [FLOATS.settled(adjoints[x]) if x in adjoints else NOTHING for x in nodes]


def tangents_at(order: Sequence[Any], tangents: Mapping[Any, float], nodes: Sequence[Any]) -> list[float]:
    """The tangent of each of the nodes asked for; NOTHING for one that does not move."""
    moving = forward(order, tangents)
    return [FLOATS.settled(moving[x]) if x in moving else NOTHING for x in nodes]


# --- edges alone ---


class _Reached(Arithmetic):
    """Whether anything at all is passed on, whatever the numbers."""

    def product(self, adjoint: Any, local: Any) -> Any:
        return True

    def sum(self, total: Any, share: Any) -> Any:
        return True


def reached(order: Sequence[Any], roots: Iterable[Any]) -> set[Any]:
    """The roots, and the nodes that something is passed on to from one of them, by the edges alone."""
    return set(reverse(order, dict.fromkeys(roots, True), arithmetic=_Reached()))
