"""Metrics: how good the outputs of one row are; `fit(metrics=["accuracy"])` takes their mean over rows.

A metric is a function of the outputs of one row and its target that gives a number, as a loss does, and compiles as one
does, with `where` in place of `if`; a function of your own is as good as a name in METRICS. A figure that
is not a mean over rows, such as R² or an area under a curve, is not a metric: scikit-learn's `sklearn.metrics` has
them, for all predictions at once.
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import autodiff
from nn.lists import flat
from nn.losses import mae, mse
from nn.losses.targets import plain, shape


def accuracy(outputs: Any, target: Any, *, threshold: float = 0.0) -> Any:
    """1.0 if the outputs of one row say what the target says, else 0.0.

    Several outputs say the class of the largest, the first of equal ones; the target is a class from 0, or one-hot (or
    probabilities), which says its own largest. A single output, a logit or a score, says yes above the threshold; its
    target does so above 0, as 1 does and 0 and -1 do not. Outputs of nan say nothing.

    Args:
        outputs: a number or a list of numbers, of one row.
        target: a number, or a list of as many numbers as there are outputs.
        threshold: of a single output; 0.5 where it is a probability.

    Raises ValueError for a list as target that has another length, and for the outputs of many rows.

    >>> accuracy([0.5, 2.0, 1.0], 1), accuracy([0.5, 2.0, 1.0], [1, 0, 0]), accuracy(-0.3, 0)
    (1.0, 0.0, 1.0)
    """
    outputs, target = plain(outputs), plain(target)
    lengths = shape("accuracy", outputs), shape("accuracy", target)
    if len(lengths[0]) > 1 or 0 in lengths[0] or lengths[1] not in ((), lengths[0] or (1,)):
        raise ValueError(
            "accuracy takes the outputs of one row, and a class or a list of as many probabilities; "
            f"got outputs of shape {lengths[0]} and a target of shape {lengths[1]}"
        )
    if lengths[0] in ((), (1,)):
        return _two_classes(flat(outputs)[0], flat(target)[0], threshold)
    said = _largest(target) if lengths[1] else target
    return autodiff.where(_largest(outputs) == said, 1.0, 0.0)


def _two_classes(output: Any, target: Any, threshold: float) -> Any:
    yes = autodiff.where(target > 0, 1.0, 0.0)
    return autodiff.where(output > threshold, yes, autodiff.where(output <= threshold, 1.0 - yes, 0.0))


def _largest(numbers: list[Any]) -> Any:
    """The first index of the largest, inf where one is nan."""
    largest = autodiff.max(numbers)
    return autodiff.min([autodiff.where(x == largest, float(i), inf) for i, x in enumerate(numbers)])


METRICS: Mapping[str, Callable[[Any, Any], Any]] = {"accuracy": accuracy, "mae": mae, "mse": mse}
