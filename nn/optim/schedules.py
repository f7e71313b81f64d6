"""Schedules: learning rates that follow time. Each is a function of t, from 0, in any unit; `fit` counts epochs.

    >>> schedule = warm_up(cosine(0.1, duration=10), duration=2)
    >>> [round(schedule(t), 4) for t in (0, 1, 2, 7, 12)]
    [0.0, 0.05, 0.1, 0.05, 0.0]

In a loop of one's own: `optimizer.lr = schedule(t)` before each step. Times between whole ones are meant to be used.
"""

from collections.abc import Callable
from math import cos, inf, pi
from typing import Any

from nn.hints import missing
from nn.optim.options import above_0, at_least_0

Schedule = Callable[[float], float]


def constant(lr: float) -> Schedule:
    """A learning rate that stays.

    >>> constant(0.1)(7.5)
    0.1
    """
    return _schedule(lambda t: lr, lr=lr)


def step(lr: float, every: float, gamma: float = 0.1) -> Schedule:
    """A learning rate that falls in steps: lr gamma^⌊t / every⌋.

    >>> schedule = step(1.0, every=10, gamma=0.5)
    >>> schedule(9.9), schedule(10), schedule(20)
    (1.0, 0.5, 0.25)
    """
    return _schedule(lambda t: lr * gamma ** (t // every), lr=lr, every=every, gamma=gamma)


def exponential(lr: float, gamma: float) -> Schedule:
    """A learning rate that falls by the same factor in each unit of time: lr gammaᵗ.

    >>> exponential(1.0, 0.5)(2)
    0.25
    """
    return _schedule(lambda t: lr * gamma**t, lr=lr, gamma=gamma)


def inverse_time(lr: float, decay: float = 1.0) -> Schedule:
    """A learning rate that falls as 1 / t: lr / (1 + decay t).

    Its sum over time is infinite, the sum of its squares finite, which Robbins and Monro, A stochastic approximation
    method, 1951, ask of one that leads to the minimum through any noise.

    >>> inverse_time(1.0, decay=0.5)(2)
    0.5
    """
    return _schedule(lambda t: lr / (1.0 + decay * t), lr=lr, decay=decay)


def linear(lr: float, duration: float, *, floor: float = 0.0) -> Schedule:
    """A learning rate on a straight line from lr to floor, where it stays.

    >>> schedule = linear(1.0, duration=4)
    >>> schedule(1), schedule(9)
    (0.75, 0.0)
    """
    return _schedule(lambda t: floor + (lr - floor) * _left(t, duration), lr=lr, duration=duration, floor=floor)


def cosine(lr: float, duration: float, *, floor: float = 0.0) -> Schedule:
    """A learning rate on half a wave from lr to floor, where it stays.

    floor + (lr - floor) (1 + cos(π t / duration)) / 2

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017, eq. 5, without restarts.

    >>> schedule = cosine(1.0, duration=4, floor=0.5)
    >>> round(schedule(2), 12), schedule(9)
    (0.75, 0.5)
    """
    return _schedule(
        lambda t: floor + (lr - floor) * (1.0 - cos(pi * _left(t, duration))) / 2.0,
        lr=lr, duration=duration, floor=floor,
    )  # fmt: skip


def warm_up(schedule: Schedule, duration: float, start: float = 0.0) -> Schedule:
    """A schedule that begins after a time in which the learning rate rises, on a straight line, to its first value.

    Args:
        schedule: the schedule that follows; its time begins when the rate has risen. Around a ReduceOnPlateau, the
            result has its `observe`, too.
        duration: how long the rate rises.
        start: the share of the rate at the beginning, from 0.

    Source: Goyal et al., Accurate, large minibatch SGD, 2017, section 2.2.

    >>> schedule = warm_up(constant(0.5), duration=2)
    >>> schedule(0), schedule(1), schedule(2)
    (0.0, 0.25, 0.5)
    """

    if not callable(schedule):
        raise TypeError(f"schedule is a function, got {schedule!r}; write nn.schedules.constant(0.1)")

    def risen(t: float) -> float:
        if t >= duration:
            return schedule(t - duration)
        return schedule(0.0) * (1.0 - (1.0 - start) * _left(t, duration))

    warmed = _schedule(risen, duration=duration, start=start)
    if isinstance(schedule, ReduceOnPlateau):  # which goes on looking at figures
        vars(warmed).update(observe=schedule.observe, monitor=schedule.monitor)
    return warmed


class ReduceOnPlateau:
    """A learning rate that is reduced when a figure has stopped improving; it looks at figures, not at time.

    It remembers the figures it has seen; another training takes another one.

    Args:
        lr: the rate at first.
        mode: "min" for figures that are better when smaller, such as a loss, "max" for an accuracy.
        factor: the factor of a reduction, above 0 and below 1.
        patience: how many figures in a row may be no better; one more, and the rate is reduced.
        threshold: the share of the best figure by which another has to be better.
        cooldown: how many figures are not counted after a reduction.
        min_lr: the least rate.
        monitor: the name of the figure that `nn.fit` tells it after each epoch, such as "val_accuracy" with mode="max";
            unless given, "val_loss" where rows are held out, else "loss".

    Its memory is in its attributes: `saved = dict(vars(schedule))` keeps it, `vars(schedule).update(saved)` puts it
    back.

    Raises TypeError for anything that is not a number, ValueError out of range.

    >>> schedule = ReduceOnPlateau(1.0, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.observe(loss)
    >>> schedule(4)
    0.5
    """

    def __init__(
        self, lr: float, mode: str = "min", factor: float = 0.1, patience: int = 10, threshold: float = 1e-4,
        cooldown: int = 0, min_lr: float = 0.0, *, monitor: str | None = None,
    ) -> None:  # fmt: skip
        if mode not in ("min", "max"):
            raise ValueError(f"mode is 'min' or 'max', got {mode!r}")
        _check(lr=lr, patience=patience, threshold=threshold, cooldown=cooldown, min_lr=min_lr)
        if not 0.0 < factor < 1.0:
            raise ValueError(f"factor is above 0 and below 1, got {factor!r}")
        self.lr, self.mode, self.factor, self.min_lr = lr, mode, factor, min_lr
        self.patience, self.threshold, self.cooldown, self.monitor = patience, threshold, cooldown, monitor
        self.best = inf if mode == "min" else -inf
        self.bad = 0  # figures in a row that were no better
        self.cooling = 0  # figures that are not counted yet

    def __call__(self, t: float) -> float:
        """The learning rate now, whatever the time.

        >>> ReduceOnPlateau(0.1)(3.5)
        0.1
        """
        return self.lr

    def observe(self, value: float) -> None:
        """Take note of a figure, once an epoch; nan is no better than any.

        >>> schedule = ReduceOnPlateau(1.0, patience=0)
        >>> schedule.observe(1.0), schedule.observe(2.0), schedule(2)
        (None, None, 0.1)
        """
        if self._is_better(value):
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.cooling:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            self.lr = max(self.lr * self.factor, self.min_lr)
            self.cooling, self.bad = self.cooldown, 0

    def _is_better(self, value: float) -> bool:
        if self.mode == "min":
            return value < self.best * (1.0 - self.threshold)
        return value > self.best * (1.0 + self.threshold)


def _left(t: float, duration: float) -> float:
    """The share of a time that is left, at least 0."""
    return max(0.0, 1.0 - t / duration)


def _schedule(at: Schedule, **settings: float) -> Schedule:
    """The function, with its settings and each time checked."""
    _check(**settings)

    def schedule(t: float) -> float:
        if not 0.0 <= t < inf:
            raise ValueError(f"a schedule takes a time from 0, got {t!r}")
        return float(at(t))

    return schedule


def _check(**settings: float) -> None:
    for name, x in settings.items():
        (above_0 if name in ("every", "duration") else at_least_0)(name, x)


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
