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

from typing import Any, Self


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
