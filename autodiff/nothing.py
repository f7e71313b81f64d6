"""NOTHING: the local gradient of an operand that was not taken; a structural zero.

The branch that `where` did not choose, a factor that is the constant 0, the slope of a step: they pass nothing on,
whatever the upstream gradient, infinite or nan, and whatever lies behind the operand. A local gradient that happens to
be 0 is another thing: 0 times infinity is nan in IEEE 754, and silence would be a wrong number.

    >>> from autodiff import Value, cbrt, relu, sqrt
    >>> x = Value(0.0)
    >>> relu(sqrt(x) - 1.0).backward()  # off: d/dx is 0, although sqrt has an infinite slope at 0
    >>> x.grad
    0.0
    >>> (cbrt(x) ** 3).backward()  # d/dx is 1, but 0 * inf on the way
    >>> x.grad
    nan

As a number NOTHING is 0.0. In the chain rule it absorbs every factor and leaves every sum as it is, so that code which
multiplies and adds need not ask for it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Self

from autodiff import floats


class Nothing(float):
    """0.0 that stays nothing whatever it is multiplied with, and changes no sum it is added to.

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


def local_gradients(node: Any) -> Sequence[float]:
    """Return the local gradients of a node as the chain rule takes them.

    They are `node.local_gradients`, but for a dot: which of its zeros are constants is told only when it is asked for,
    since nothing is recorded as often.

    >>> from autodiff import Value, dot
    >>> node = dot([Value(2.0), Value(3.0)], [0.0, 1.0])
    >>> local_gradients(node)[0] is NOTHING
    True
    """
    gradients: Sequence[float] = node.local_gradients
    if node.op.evaluate is not floats.dot or all(gradients):  # not by its name, which an operation of a user may have
        return gradients
    half = len(gradients) // 2
    factors = (*node.operands[half:], *node.operands[:half])
    return [x if x or type(factor) is not float else NOTHING for x, factor in zip(gradients, factors, strict=True)]


def passed_on_to(order: Sequence[Any], roots: Iterable[Any]) -> set[Any]:
    """Return the roots, and the operands of the nodes of the order to which something is passed on from a root.

    `order` is a topological order of the roots.
    """
    passed = set(roots)
    for node in reversed(order):
        if node in passed:
            for operand, local in zip(node.operands, local_gradients(node), strict=True):
                if type(operand) is not float and local is not NOTHING:
                    passed.add(operand)
    return passed
