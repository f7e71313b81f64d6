"""Losses of two classes: one output, a logit, a probability or a score, for each target.

>>> binary_cross_entropy_with_logits(1000.0, 1), binary_cross_entropy_with_logits(1000.0, 0)
(0.0, 1000.0)
"""

from typing import Any

import autodiff
from nn.lists import each, flat
from nn.losses.reduction import Reduction, reduced
from nn.losses.targets import alike, all_valid, nan_unless, weighted


def binary_cross_entropy_with_logits(logits: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The mean of t softplus(-z) + (1 - t) softplus(z): the cross-entropy of sigmoid(z), z a logit, with t.

    The targets t are probabilities, mostly 0 and 1. It is written on logits, because log(sigmoid(z)) loses its digits
    where the sigmoid saturates; of a certain target, an infinite logit costs 0 or inf.

    Args:
        logits, targets, reduction: as in mse.

    Raises ValueError if shapes differ, or for a target outside [0, 1].

    >>> round(binary_cross_entropy_with_logits(0.0, 1), 12)
    0.69314718056
    """
    name = "binary_cross_entropy_with_logits"
    logits, targets = alike(name, logits, targets)
    valid = _are_from_0_to_1(name, "targets", targets, "for -1 and 1, use hinge")
    return nan_unless(valid, reduced(each(_surprise, logits, targets), reduction))


def binary_cross_entropy(probabilities: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The mean of -t log(p) - (1 - t) log(1 - p), for outputs p that are probabilities already.

    A logarithm is at least -100, as in torch: where p is 0 or 1 and the target is not, the loss is 100, and its slope
    0. To train, give logits to `binary_cross_entropy_with_logits`, which keeps its digits and its slope there.

    Args:
        probabilities, targets, reduction: as in mse.

    Raises ValueError if shapes differ, for a target outside [0, 1], or for an output outside of it, such as a logit.

    >>> round(binary_cross_entropy(0.5, 1), 12), binary_cross_entropy(0.0, 1)
    (0.69314718056, 100.0)
    """
    name = "binary_cross_entropy"
    probabilities, targets = alike(name, probabilities, targets)
    valid = _are_from_0_to_1(name, "targets", targets, "for -1 and 1, use hinge")
    possible = _are_from_0_to_1(
        name, "probabilities", probabilities, "for logits, use binary_cross_entropy_with_logits"
    )

    def of_pair(p: Any, t: Any) -> Any:
        yes, no = autodiff.maximum(autodiff.log(p), -100.0), autodiff.maximum(autodiff.log1p(-p), -100.0)
        return -(t * yes + (1.0 - t) * no)

    return nan_unless(valid & possible, reduced(each(of_pair, probabilities, targets), reduction))


def hinge(outputs: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The mean of max(0, 1 - t y), for targets t of -1 and 1: the loss of a support vector machine.

    Args:
        outputs, targets, reduction: as in mse.

    Raises ValueError if shapes differ, or for another target.
    Source: Cortes and Vapnik, Support-vector networks, Machine Learning 20, 1995.

    >>> hinge([2.0, 0.5], [1, -1])
    0.75
    """
    outputs, targets = alike("hinge", outputs, targets)
    valid = all_valid(
        flat(targets),
        lambda t: (t == -1) | (t == 1),
        "hinge takes targets -1 and 1, got {!r}; for 0 and 1, use binary_cross_entropy_with_logits",
    )
    return nan_unless(valid, reduced(each(lambda y, t: autodiff.relu(1.0 - t * y), outputs, targets), reduction))


def _are_from_0_to_1(name: str, what: str, numbers: Any, advice: str) -> Any:
    """Whether the numbers are; raise ValueError, with the advice, for one that is not."""
    message = f"{name} takes {what} from 0 to 1, got {{!r}}; {advice}"
    return all_valid(flat(numbers), lambda p: (p >= 0) & (p <= 1), message)


def _surprise(logit: Any, probability: Any) -> Any:
    """The cross-entropy of one logit."""
    certain, opposite = autodiff.softplus(-logit), autodiff.softplus(logit)
    return weighted(probability, certain) + weighted(1.0 - probability, opposite)
