"""What was assigned to `.data` and `.grad` of a Value: a float when it is used next, or an error that names it.

A check at the assignment itself would cost what it takes to assign ten times over. Values are known here by their
attributes alone.
"""

from collections.abc import Iterable
from typing import Any

from autodiff import floats


def data_of(x: Any) -> float:
    """Return `x.data` as a float. Raises TypeError, naming x, if what was assigned to it is no number."""
    return x.data if type(x.data) is float else _as_float(x, "data", x.data, "assign a number: x.data = other.data")


def grad_of(x: Any) -> float:
    """Return `x.grad` as a float, 0.0 for None. Raises TypeError, naming x, if what was assigned to it is no number."""
    if type(x.grad) is float:
        return x.grad
    return 0.0 if x.grad is None else _as_float(x, "grad", x.grad, "clear it with x.grad = 0.0")


def mend_grads(values: Iterable[Any]) -> None:
    """See to it that floats can be added to every grad: else make all of them floats or, with an error, none.

    Sound ones take no time to speak of. Raises TypeError, as `grad_of`.

    >>> from autodiff import Value
    >>> x, y = Value(1.0), Value(1.0)
    >>> x.grad, y.grad = None, 1
    >>> mend_grads([x, y])
    >>> x.grad, y.grad
    (0.0, 1.0)
    """
    values = list(values)
    try:
        total = sum([x.grad for x in values], 0.0)
    except Exception:  # it may be anything, and raise anything
        total = None
    if type(total) is not float:
        grads = [grad_of(x) for x in values]
        for x, grad in zip(values, grads, strict=True):
            x.grad = grad


def _as_float(x: Any, name: str, assigned: Any, advice: str) -> float:
    try:
        return floats.as_float(assigned)
    except TypeError as error:
        which = f"the Value labelled {x.label!r}" if x.label else "a Value"
        kind = type(assigned).__name__
        raise TypeError(f"{which} holds a {kind} in .{name}, expected a float; {advice}") from error
