"""SGD: gradient descent on a list of parameters."""

import math
from collections.abc import Iterable
from copy import copy
from typing import Any

from autodiff import Value
from nn.elsewhere import missing


class SGD:
    """Stochastic gradient descent, with momentum if asked for.

    v = momentum * v + grad;  data = data - lr * v

    Args:
        parameters: the Values to change, such as `model.parameters()`.
        lr: the learning rate; assign `.lr` to follow a schedule.
        momentum: from 0, none, to below 1.

    Raises TypeError for a parameter that is no leaf Value, ValueError for no parameters, or a rate or momentum out of
    range. A parameter given twice counts once.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.

    >>> x = Value(3.0)
    >>> sgd = SGD([x], lr=0.1)
    >>> for _ in range(100):
    ...     sgd.zero_grad()
    ...     ((x - 1.0) ** 2).backward()
    ...     sgd.step()
    >>> round(x.data, 6)
    1.0
    """

    def __init__(self, parameters: Iterable[Value], lr: float = 0.01, momentum: float = 0.0) -> None:
        if not hasattr(type(parameters), "__iter__"):
            raise TypeError(f"SGD takes a list of Values, got {type(parameters).__name__}; pass model.parameters()")
        self.parameters = list(dict.fromkeys(parameters))
        for parameter in self.parameters:
            if not isinstance(parameter, Value) or parameter.op is not None:
                raise TypeError(f"SGD takes leaf Values, got {parameter!r}; pass model.parameters()")
        if not self.parameters:
            raise ValueError("SGD takes at least one parameter, got none")
        self.lr = Value(lr).data  # a Value here would record every step
        self.momentum = Value(momentum).data
        if not 0.0 < self.lr < math.inf:
            raise ValueError(f"the learning rate is above 0 and finite, got {lr!r}")
        if not 0.0 <= self.momentum < 1.0:
            raise ValueError(f"momentum is at least 0 and below 1, got {momentum!r}")
        self._velocities = [0.0] * len(self.parameters)

    def zero_grad(self) -> None:
        """Set the grad of every parameter to 0.0.

        >>> x = Value(3.0)
        >>> (x * x).backward()
        >>> SGD([x]).zero_grad()
        >>> x.grad
        0.0
        """
        for parameter in self.parameters:
            parameter.grad = 0.0

    def step(self) -> None:
        """Change every parameter's data by one step against its grad; None, assigned to a grad, is 0.0.

        Raises TypeError, before anything has changed, for a parameter whose data or grad was assigned no number.

        >>> x = Value(3.0)
        >>> (x * x).backward()
        >>> SGD([x], lr=0.5).step()
        >>> x.data
        0.0
        """
        try:
            numbers, velocities = self._stepped(self.parameters)
            total = sum(numbers, 0.0)
        except Exception:  # something else was assigned, which may raise anything
            total = None
        if type(total) is not float:
            numbers, velocities = self._stepped([copy(parameter) for parameter in self.parameters])  # or the TypeError
        self._velocities = velocities
        for parameter, number in zip(self.parameters, numbers, strict=True):
            parameter.data = number

    def _stepped(self, parameters: list[Value]) -> tuple[list[float], list[float]]:
        """Return the data and the velocities after a step."""
        lr, momentum, velocities = float(self.lr), self.momentum, self._velocities
        if not momentum:
            return [parameter.data - lr * parameter.grad for parameter in parameters], velocities
        velocities = [momentum * v + x.grad for v, x in zip(velocities, parameters, strict=True)]
        return [x.data - lr * v for x, v in zip(parameters, velocities, strict=True)], velocities


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
