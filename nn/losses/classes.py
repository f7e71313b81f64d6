"""Losses of several classes: one number for each row, from an output for each class.

>>> cross_entropy([1000.0, 0.0], 1), nll(autodiff.log_softmax([1000.0, 0.0]), 1)
(1000.0, 1000.0)
"""

from sys import float_info
from typing import Any

import autodiff
from nn.losses.reduction import Reduction, reduced
from nn.losses.targets import are_probabilities, chosen, each_row, is_index, nan_unless, weighted


def cross_entropy(logits: Any, targets: Any, *, label_smoothing: float = 0.0, reduction: Reduction = "mean") -> Any:
    """-log softmax(logits)[target] for a class; its mean by the target's probabilities, for a list of them (one-hot).

    Args:
        logits: a list of numbers, one for each class, or a list of such rows. One of -inf is masked: it counts only
            where it is the target.
        targets: a class from 0, or one probability for each class; for many rows, a list of either.
        label_smoothing: from 0 to 1, this share of each target is spread evenly over all classes.
        reduction: "mean" over rows, "sum", or "none", a list of one loss for each row.

    Raises ValueError for no logits, for an index that is not a class, probabilities that are too few, too many,
    negative, or do not sum to 1, more or fewer targets than rows, or another label_smoothing.
    Source of label smoothing: Szegedy et al., Rethinking the Inception architecture for computer vision, CVPR 2016.

    >>> cross_entropy([1000.0, 0.0], 1), cross_entropy([1000.0, 0.0], [0, 1])
    (1000.0, 1000.0)
    >>> cross_entropy([[3.0, 3.0], [0.0, 1000.0]], [0, 1], reduction="none")
    [0.693147180559945..., 0.0]
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing is from 0 to 1, got {label_smoothing!r}")

    def of_row(logits: list[Any], target: Any) -> Any:
        if isinstance(target, list):
            valid = are_probabilities("cross_entropy", target, len(logits))
            expected = autodiff.sum([weighted(p, z) for p, z in zip(target, logits, strict=True)])
        else:
            valid = is_index("cross_entropy", "a class", target, len(logits))
            expected = chosen(logits, target)
        total = autodiff.logsumexp(logits)
        loss = total - expected
        if label_smoothing:
            loss = (1.0 - label_smoothing) * loss + label_smoothing * (total - autodiff.mean(logits))
        return nan_unless(valid, loss)

    return reduced(each_row("cross_entropy", of_row, logits, targets), reduction)


def nll(log_probabilities: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The negative log-likelihood, -log_probabilities[target], as of `autodiff.log_softmax(logits)`.

    Args:
        log_probabilities: a list of logarithms, one for each class, or a list of such rows.
        targets: a class from 0; for many rows, a list of classes.
        reduction: as in cross_entropy, which takes the logits themselves.

    Raises ValueError for no outputs, for an index that is not a class, or more or fewer targets than rows.

    >>> nll(autodiff.log_softmax([1000.0, 0.0]), 1)
    1000.0
    """

    def of_row(row: list[Any], target: Any) -> Any:
        return nan_unless(is_index("nll", "a class", target, len(row)), -chosen(row, target))

    return reduced(each_row("nll", of_row, log_probabilities, targets), reduction)


def multiclass_hinge(outputs: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The sum over the other classes i of max(0, 1 + y[i] - y[target]), divided by the number of classes.

    It is torch's multi_margin_loss with its defaults: a class that is wrong shall score 1 less than the right one.

    Args:
        outputs: a list of scores, one for each class, or a list of such rows.
        targets: a class from 0; for many rows, a list of classes.
        reduction: as in cross_entropy.

    Raises ValueError for no outputs, for an index that is not a class, or more or fewer targets than rows.
    Source: Weston and Watkins, Support vector machines for multi-class pattern recognition, ESANN 1999.

    >>> multiclass_hinge([2.0, 1.5, 0.0], 0)
    0.16666666666666666
    """

    def of_row(scores: list[Any], target: Any) -> Any:
        valid = is_index("multiclass_hinge", "a class", target, len(scores))
        right = chosen(scores, target)
        margins = [
            autodiff.where(target == i, 0.0, autodiff.relu(1.0 + (score - right))) for i, score in enumerate(scores)
        ]
        return nan_unless(valid, autodiff.mean(margins))

    return reduced(each_row("multiclass_hinge", of_row, outputs, targets), reduction)


def kl_divergence(log_probabilities: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """The divergence of targets p from outputs q, the sum of p (log p - log q), where outputs are log q.

    The outputs are logarithms, as in torch's kl_div: those of `autodiff.log_softmax`. The mean is over rows, torch's
    reduction="batchmean"; its "mean" divides by the number of classes, too, and is not the divergence of anything.

    Args:
        log_probabilities: a list of logarithms, or a list of such rows.
        targets: as many probabilities, which sum to 1, or a list of such rows. One of 0 counts for nothing.
        reduction: as in cross_entropy; "none" is one divergence for each row.

    Raises ValueError for no outputs, for targets that are not probabilities, or more or fewer targets than rows.
    Source: Kullback and Leibler, On information and sufficiency, Annals of Mathematical Statistics 22, 1951.

    >>> log_q = autodiff.log_softmax([0.0, 0.0])
    >>> kl_divergence(log_q, [0.5, 0.5]), kl_divergence(log_q, [1.0, 0.0])
    (0.0, 0.693147180559945...)
    """

    def of_row(row: list[Any], target: Any) -> Any:
        valid = are_probabilities("kl_divergence", target, len(row))
        logs = [autodiff.log(autodiff.maximum(p, float_info.min)) for p in target]  # 0 log 0 is 0
        terms = [weighted(p, log_p - log_q) for p, log_p, log_q in zip(target, logs, row, strict=True)]
        return nan_unless(valid, autodiff.sum(terms))

    return reduced(each_row("kl_divergence", of_row, log_probabilities, targets), reduction)
