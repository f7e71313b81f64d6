"""SGD: gradient descent on a list of parameters."""

from collections.abc import Iterable

from autodiff import Value


class SGD:
    """Stochastic gradient descent, with momentum if asked for.

    v = momentum * v + grad;  data = data - lr * v

    Args:
        parameters: the Values to change, such as `model.parameters()`.
        lr: the learning rate; assign `.lr` to follow a schedule.
        momentum: from 0, none, to below 1.

    Raises TypeError for a parameter that is no leaf Value, ValueError for a rate or momentum out of range.

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
        self.parameters = list(parameters)
        for parameter in self.parameters:
            if not isinstance(parameter, Value) or parameter.op is not None:
                raise TypeError(f"SGD takes leaf Values, got {parameter!r}; pass model.parameters()")
        if not lr > 0:
            raise ValueError(f"the learning rate is above 0, got {lr!r}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is at least 0 and below 1, got {momentum!r}")
        self.lr = lr
        self.momentum = momentum
        self._velocities = [0.0] * len(self.parameters)

    def zero_grad(self) -> None:
        """Set the grad of every parameter to 0.0."""
        for parameter in self.parameters:
            parameter.grad = 0.0

    def step(self) -> None:
        """Change every parameter's data by one step against its grad."""
        lr, momentum = self.lr, self.momentum
        if not momentum:
            for parameter in self.parameters:
                parameter.data -= lr * parameter.grad
            return
        self._velocities = [
            momentum * velocity + parameter.grad
            for velocity, parameter in zip(self._velocities, self.parameters, strict=True)
        ]
        for velocity, parameter in zip(self._velocities, self.parameters, strict=True):
            parameter.data -= lr * velocity
