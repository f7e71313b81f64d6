"""The optimisers: SGD, RMSprop, Adam, AdamW and Rprop, each a rule of a few lines with its options.

A rule moves one number x, given its slope and its state, and returns both after the step; `numbers` are the settings,
the same for all parameters. The first of them, `down`, is -lr: `x + down * slope` is one operation when it is compiled,
`x - lr * slope` would be two. Names, defaults and order of arguments are torch's.

    >>> descent((-0.5,), 3.0, 2.0)
    (2.0,)
"""

from collections.abc import Mapping
from typing import Any

import autodiff
from autodiff import Value
from autodiff.backprop import descend
from nn.optim.optimizer import Optimizer, Parameters, Plan


def descent(numbers: Any, x: Any, slope: Any) -> tuple[Any, ...]:
    """Gradient descent: against the slope."""
    (down,) = numbers
    return (x + down * slope,)


def heavy_ball(numbers: Any, x: Any, slope: Any, velocity: Any) -> tuple[Any, ...]:
    """Gradient descent with momentum: along the running sum of the slopes."""
    down, momentum, share = numbers
    velocity = momentum * velocity + share * slope
    return x + down * velocity, velocity


def nesterov(numbers: Any, x: Any, slope: Any, velocity: Any) -> tuple[Any, ...]:
    """Gradient descent with Nesterov's momentum: the velocity a step ahead."""
    down, momentum, share = numbers
    velocity = momentum * velocity + share * slope
    return x + down * (slope + momentum * velocity), velocity


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for.

    g = grad + weight_decay x;  v = momentum v + (1 - dampening) g, and v = g at the first step
    x = x - lr v, or with nesterov x - lr (g + momentum v)

    Args:
        parameters: the Values to change, such as `model.parameters()`, or groups of them.
        lr: the learning rate, above 0; assign `.lr` to follow a schedule.
        momentum: from 0, none, to below 1.
        dampening: the share taken off the gradient before it is added to the velocity.
        weight_decay: at least 0; the strength of an L2 penalty, half the square of each parameter.
        nesterov: whether to look ahead; with momentum, and no dampening.
        maximize: whether to climb.

    Raises TypeError and ValueError as every Optimizer.

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

    def __init__(
        self, parameters: Parameters, lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0,
        weight_decay: float = 0.0, nesterov: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            parameters, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov,
            maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def _plan(options: Mapping[str, Any], step: int) -> Plan:
        """The rule and the numbers of a step. Raises ValueError for nesterov without momentum, or with dampening."""
        down, momentum, decay = -options["lr"], options["momentum"], options["weight_decay"]
        if options["nesterov"] and (not momentum or options["dampening"]):
            raise ValueError(
                f"nesterov goes with a momentum above 0 and no dampening, got momentum={momentum!r}, "
                f"dampening={options['dampening']!r}"
            )
        if not momentum:
            return Plan(descent, (down,), decay=decay)
        share = autodiff.where(step > 1, 1.0 - options["dampening"], 1.0)
        rule = nesterov if options["nesterov"] else heavy_ball
        return Plan(rule, (down, momentum, share), {"momentum_buffer": 0.0}, decay)

    def step(self) -> None:
        """Change every parameter's data by one step against its grad, as `Optimizer.step` says.

        >>> x = Value(3.0)
        >>> (x * x).backward()
        >>> SGD([x], lr=0.5).step()
        >>> x.data
        0.0
        """
        plans = self._plans()
        if any(plan.rule is not descent or plan.is_penalised for plan in plans):
            self._advance(plans)
            return
        values: list[Value] = []  # all at once: a call of the rule for each would take 20 times as long
        rates: list[float] = []
        for group, plan in zip(self.param_groups, plans, strict=True):
            values += group["params"]
            rates += [-plan.numbers[0]] * len(group["params"])
        descend(values, rates)
        for state in self._states:
            state["step"] += 1


def rmsprop(numbers: Any, x: Any, slope: Any, square: Any, *velocity: Any) -> tuple[Any, ...]:
    """RMSprop: along the slope, divided by the root of the mean of its square."""
    down, alpha, rest, eps, momentum = numbers
    square = alpha * square + rest * (slope * slope)
    x, *velocity_after = _along(slope / (autodiff.sqrt(square) + eps), down, momentum, x, velocity)
    return (x, square, *velocity_after)


def centered(numbers: Any, x: Any, slope: Any, square: Any, mean: Any, *velocity: Any) -> tuple[Any, ...]:
    """RMSprop, divided by the standard deviation."""
    down, alpha, rest, eps, momentum = numbers
    square = alpha * square + rest * (slope * slope)
    mean = alpha * mean + rest * slope
    variance = autodiff.maximum(square - mean * mean, 0.0)  # which rounding makes negative where slopes are all alike
    x, *velocity_after = _along(slope / (autodiff.sqrt(variance) + eps), down, momentum, x, velocity)
    return (x, square, mean, *velocity_after)


def _along(direction: Any, down: Any, momentum: Any, x: Any, velocity: tuple[Any, ...]) -> tuple[Any, ...]:
    """The number, moved along a direction, or along its running sum where a velocity is kept, and that sum."""
    sums = [momentum * v + direction for v in velocity]
    return (x + down * (sums[0] if sums else direction), *sums)


class RMSprop(Optimizer):
    """RMSprop: each slope divided by the root of the running mean of its square.

    g = grad + weight_decay x;  s = alpha s + (1 - alpha) g²;  x = x - lr g / (√s + eps)

    With centered, m = alpha m + (1 - alpha) g, and √(s - m²) in place of √s, at least 0. With momentum,
    v = momentum v + g / (√s + eps);  x = x - lr v.

    Args:
        parameters: the Values to change, such as `model.parameters()`, or groups of them.
        lr: the learning rate, above 0.
        alpha: at least 0 and below 1; how slowly the means forget.
        eps: above 0; keeps a small mean from making a large step.
        weight_decay: at least 0; the strength of an L2 penalty, half the square of each parameter.
        momentum: from 0, none, to below 1.
        centered: whether to divide by the standard deviation.
        maximize: whether to climb.

    Raises TypeError and ValueError as every Optimizer.

    Source: Hinton, Neural networks for machine learning, lecture 6e, 2012; centered: Graves, Generating sequences with
    recurrent neural networks, 2013, eq. 38-45.

    >>> x = Value(3.0)
    >>> x.grad = 2.0
    >>> RMSprop([x], lr=0.1).step()
    >>> round(x.data, 6)  # by lr / √(1 - alpha), whatever the slope
    2.0
    """

    def __init__(
        self, parameters: Parameters, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0.0, momentum: float = 0.0, centered: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            parameters, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered,
            maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def _plan(options: Mapping[str, Any], step: int) -> Plan:
        """The rule and the numbers of a step."""
        alpha, momentum = options["alpha"], options["momentum"]
        columns = {"square_avg": 0.0}
        if options["centered"]:
            columns["grad_avg"] = 0.0
        if momentum:
            columns["momentum_buffer"] = 0.0
        numbers = (-options["lr"], alpha, 1.0 - alpha, options["eps"], momentum)
        return Plan(centered if options["centered"] else rmsprop, numbers, columns, options["weight_decay"])


def adam(numbers: Any, x: Any, slope: Any, mean: Any, square: Any, *largest: Any) -> tuple[Any, ...]:
    """Adam, and AMSGrad where the largest mean square so far is kept: along the mean slope, divided by the root."""
    down, beta1, rest1, beta2, rest2, eps = numbers
    mean = beta1 * mean + rest1 * slope
    square = beta2 * square + rest2 * (slope * slope)
    kept = [autodiff.maximum(before, square) for before in largest]
    direction = mean / (autodiff.sqrt(kept[0] if kept else square) + eps)
    return (x + down * direction, mean, square, *kept)


def adamw(numbers: Any, x: Any, slope: Any, *state: Any) -> tuple[Any, ...]:
    """Adam, from a number that has decayed."""
    shrink, *others = numbers
    return adam(others, shrink * x, slope, *state)


class Adam(Optimizer):
    """Adam: along the running mean of the slopes, divided by the root of the mean of their squares.

    g = grad + weight_decay x;  m = beta1 m + (1 - beta1) g;  s = beta2 s + (1 - beta2) g²
    x = x - lr m' / (√s' + eps)  with  m' = m / (1 - beta1ᵗ),  s' = s / (1 - beta2ᵗ)  at step t, from 1

    With amsgrad the largest s so far takes the place of s.

    Args:
        parameters: the Values to change, such as `model.parameters()`, or groups of them.
        lr: the learning rate, above 0; about the size of the first steps.
        betas: each at least 0 and below 1; how slowly the means forget.
        eps: above 0; keeps a small mean from making a large step.
        weight_decay: at least 0; the strength of an L2 penalty, half the square of each parameter.
        amsgrad: whether steps may not grow again.
        maximize: whether to climb.

    Raises TypeError and ValueError as every Optimizer.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015, algorithm 1, in the order of computation
    that ends section 2; Reddi et al., On the convergence of Adam and beyond, 2018, algorithm 2.

    >>> x = Value(3.0)
    >>> x.grad = 2.0
    >>> Adam([x], lr=0.1).step()
    >>> round(x.data, 6)  # by lr, whatever the slope
    2.9
    """

    def __init__(
        self, parameters: Parameters, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize
        )

    @staticmethod
    def _plan(options: Mapping[str, Any], step: int) -> Plan:
        """The rule and the numbers of a step, the corrections of the means in `down` and eps."""
        beta1, beta2 = options["betas"]
        scale = autodiff.sqrt(1.0 - beta2**step)
        down = -options["lr"] * scale / (1.0 - beta1**step)
        columns = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        if options["amsgrad"]:
            columns["max_exp_avg_sq"] = 0.0
        numbers = (down, beta1, 1.0 - beta1, beta2, 1.0 - beta2, options["eps"] * scale)
        return Plan(adam, numbers, columns, options["weight_decay"])


class AdamW(Adam):
    """Adam with decoupled weight decay: x = (1 - lr weight_decay) x, then Adam's step on the gradient alone.

    Args:
        weight_decay: at least 0; the share of each parameter that a step takes off, as a multiple of lr.
        parameters, lr, betas, eps, amsgrad, maximize: as of Adam.

    Raises TypeError and ValueError as every Optimizer.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019, algorithm 2.

    >>> x = Value(3.0)
    >>> AdamW([x], lr=0.1, weight_decay=0.5).step()
    >>> round(x.data, 6)  # grad is 0.0
    2.85
    """

    def __init__(
        self, parameters: Parameters, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(parameters, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    @staticmethod
    def _plan(options: Mapping[str, Any], step: int) -> Plan:
        """The rule and the numbers of a step."""
        plan = Adam._plan(options, step)
        return plan._replace(
            rule=adamw, numbers=(1.0 - options["lr"] * options["weight_decay"], *plan.numbers), decay=0.0
        )


def rprop(numbers: Any, x: Any, slope: Any, before: Any, size: Any) -> tuple[Any, ...]:
    """Rprop: by a size that grows while the slope keeps its sign; where the sign changed, x stays for a step."""
    shrink, grow, least, most = numbers
    agreement = slope * before
    factor = autodiff.where(agreement < 0.0, shrink, autodiff.where(agreement == 0.0, 1.0, grow))
    size = autodiff.clip(size * factor, least, most)
    slope = autodiff.where(factor == shrink, 0.0, slope)
    return x - autodiff.sign(slope) * size, slope, size


class Rprop(Optimizer):
    """Resilient backpropagation: steps by the signs of the slopes, each parameter with a step size of its own.

    A size grows by etas[1] while its slope keeps its sign. Where the sign changes, it shrinks by etas[0], and the
    parameter stays where it is for one step. For gradients of all the data: the noise of batches changes signs.

    Args:
        parameters: the Values to change, such as `model.parameters()`, or groups of them.
        lr: the first step size, above 0.
        etas: the factors by which a step size shrinks, between 0 and 1, and grows, above 1.
        step_sizes: the least and the most.
        maximize: whether to climb.

    Raises TypeError and ValueError as every Optimizer.

    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation learning: the RPROP algorithm,
    1993; without backtracking, as Rprop- in Igel and Hüsken, Improving the Rprop learning algorithm, 2000, but that the
    slope counts as 0 after a change of sign.

    >>> x = Value(3.0)
    >>> rprop = Rprop([x], lr=0.1)
    >>> for x.grad in (2.0, 0.01, -5.0):
    ...     rprop.step()
    ...     print(round(x.data, 6))
    2.9
    2.78
    2.78
    """

    def __init__(
        self, parameters: Parameters, lr: float = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0), *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(parameters, lr=lr, etas=etas, step_sizes=step_sizes, maximize=maximize)

    @staticmethod
    def _plan(options: Mapping[str, Any], step: int) -> Plan:
        """The rule and the numbers of a step."""
        return Plan(rprop, (*options["etas"], *options["step_sizes"]), {"prev": 0.0, "step_size": options["lr"]})
