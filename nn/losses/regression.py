"""Losses of numbers: the distance of outputs from targets.

>>> mse([1.0, 3.0], [0.0, 1.0]), mae([1.0, 3.0], [0.0, 1.0])
(2.5, 1.5)
"""

from math import inf
from typing import Any

import autodiff
from nn.lists import each
from nn.losses.reduction import Reduction, reduced
from nn.losses.targets import alike


def mse(outputs: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The mean squared error, the mean of (output - target)², without a factor 1/2.

    Args:
        outputs, targets: numbers or (nested) lists of numbers, of one shape.
        reduction: "mean" over all of them, "sum", or "none", a list in their shape.

    Raises ValueError if the shapes differ.

    >>> mse([1.0, 3.0], [0.0, 1.0])
    2.5
    """
    return reduced(each(lambda y, t: autodiff.square(y - t), *alike("mse", outputs, targets)), reduction)


def mae(outputs: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The mean absolute error, the mean of |output - target|; its slope where they are equal is 0.

    Arguments and errors are those of mse.

    >>> mae([1.0, 3.0], [0.0, 1.0])
    1.5
    """
    return reduced(each(lambda y, t: autodiff.abs(y - t), *alike("mae", outputs, targets)), reduction)


def huber(outputs: Any, targets: Any, *, delta: float = 1.0, reduction: Reduction = "mean") -> Any:
    """The mean of e²/2 where |e| <= delta, and of delta (|e| - delta/2) beyond, for e = output - target.

    Outliers pull with the force delta, not with their distance. Divided by delta, it is torch's smooth_l1_loss.

    Args:
        outputs, targets, reduction: as in mse.
        delta: where the parabola becomes a line, above 0 and finite.

    Raises ValueError if shapes differ, or for another delta.
    Source: Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35, 1964.

    >>> huber([0.5, 3.0], [0.0, 0.0], reduction="none")[1]
    2.5
    """
    if not 0 < delta < inf:
        raise ValueError(f"delta is above 0 and finite, got {delta!r}")

    def of_pair(y: Any, t: Any) -> Any:
        size = autodiff.abs(y - t)
        return autodiff.where(size <= delta, 0.5 * autodiff.square(y - t), delta * (size - 0.5 * delta))

    return reduced(each(of_pair, *alike("huber", outputs, targets)), reduction)
