"""Clipping: gradients that are too large are made smaller before a step.

>>> from autodiff import Value
>>> x, y = Value(0.0), Value(0.0)
>>> x.grad, y.grad = 3.0, -4.0
>>> clip_by_value(3.5)([x, y]), x.grad, y.grad  # it gives the norm before
(5.0, 3.0, -3.5)
"""

from collections.abc import Iterable
from math import hypot, isfinite, sqrt
from typing import Any, NamedTuple

from autodiff import Value
from autodiff.backprop import get_grads, set_grads
from nn.optim.optimizer import Optimizer
from nn.optim.options import above_0


class Clip(NamedTuple):
    """A way to clip; made by `clip_by_norm` and `clip_by_value`.

    It is called with an optimiser or a list of parameters, between `backward()` and `step()`, changes the grads, and
    returns their norm before.

    >>> x = Value(0.0)
    >>> x.grad = 3.0
    >>> clip = clip_by_value(1.0)
    >>> clip([x]), x.grad
    (3.0, 1.0)
    """

    limit: float
    by_norm: bool

    def __call__(self, parameters: Optimizer | Iterable[Value]) -> float:
        """Clip the grads of parameters; return their norm before.

        Raises TypeError, before anything has changed, for a grad that was assigned no number.
        """
        values = list(parameters.parameters if isinstance(parameters, Optimizer) else parameters)
        grads = get_grads(values)
        norm = hypot(*grads)
        factor, limit = self._factor(norm), self.limit
        if not self.by_norm:
            grads = [max(-limit, min(limit, grad)) if grad == grad else grad for grad in grads]
        elif factor < 1.0:
            grads = [factor * grad for grad in grads]
        set_grads(values, grads)
        return norm

    def on_array(self, slopes: Any) -> float:
        """Clip an array of gradients in place; return their norm before.

        >>> import numpy as np
        >>> slopes = np.array([3.0, -4.0])
        >>> clip_by_value(3.5).on_array(slopes), slopes
        (5.0, array([ 3. , -3.5]))
        """
        import numpy

        with numpy.errstate(all="ignore"):
            norm = sqrt(slopes.dot(slopes))
        if not isfinite(norm):  # the squares may have overflowed
            norm = hypot(*slopes.tolist())
        if not self.by_norm:
            slopes.clip(-self.limit, self.limit, out=slopes)
        elif (factor := self._factor(norm)) < 1.0:
            slopes *= factor
        return norm

    def _factor(self, norm: float) -> float:
        """The factor for gradients of this norm; 1 is added to the sixth digit, as in torch, for the norm 0."""
        return min(1.0, self.limit / (norm + 1e-6)) if isfinite(norm) else 1.0


def clip_by_norm(max_norm: float) -> Clip:
    """Clipping by the global norm: all gradients by one factor, so that their direction stays.

    g = g min(1, max_norm / (norm + 1e-6)), with the norm of all gradients together. Gradients whose norm is inf or nan
    are left as they are: the step shows which were.

    Args:
        max_norm: above 0.

    Raises TypeError for no number, ValueError out of range.

    Source: Pascanu et al., On the difficulty of training recurrent neural networks, 2013, algorithm 1.

    >>> x, y = Value(0.0), Value(0.0)
    >>> x.grad, y.grad = 30.0, 40.0
    >>> clip_by_norm(5.0)([x, y]), round(x.grad, 6), round(y.grad, 6)
    (50.0, 3.0, 4.0)
    """
    return Clip(above_0("max_norm", max_norm), by_norm=True)


def clip_by_value(limit: float) -> Clip:
    """Clipping by value: each gradient for itself, to at least -limit and at most limit; nan stays nan.

    Args:
        limit: above 0.

    Raises TypeError for no number, ValueError out of range.

    >>> x = Value(0.0)
    >>> x.grad = -3.0
    >>> clip_by_value(0.5)([x]), x.grad
    (3.0, -0.5)
    """
    return Clip(above_0("limit", limit), by_norm=False)
