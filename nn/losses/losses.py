"""Losses: one number from outputs and targets, their mean where there are several.

Outputs are a Value or a list of Values, as a model gives them for one row, or a list of rows; targets are in the same
shape, where a number and a list of one number are the same row, or one class for each row. `reduction` says what
becomes of several losses, in torch's words: "mean" and "sum" make them one number, "none" leaves a list of them.

A target that a loss cannot take is an error. In a compiled function whose arguments hold the targets, one program
serves all of them, without a guard, and cannot raise: there, such a target makes the loss nan, and its slope in every
output that it counts.

    >>> one_of_two = autodiff.compile(lambda logits, target: cross_entropy(logits, target))
    >>> one_of_two([1000.0, 0.0], 0), one_of_two([1000.0, 0.0], 1), one_of_two([1000.0, 0.0], 2)
    (0.0, 1000.0, nan)
"""

from math import inf
from sys import float_info
from typing import Any, Literal

import autodiff
from nn.lists import each, flat
from nn.losses.targets import alike, all_valid, are_probabilities, chosen, each_row, is_index, nan_unless, weighted

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "hinge", "huber"]
__all__ += ["kl_divergence", "mae", "mse", "multiclass_hinge", "nll"]

Reduction = Literal["mean", "sum", "none"]


def _reduced(losses: Any, reduction: str) -> Any:
    """Return the losses, a number or nested lists, as one number, or as they are."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    if reduction == "none" or not isinstance(losses, list):
        return losses
    return (autodiff.mean if reduction == "mean" else autodiff.sum)(flat(losses))


# --- of numbers ---


def mse(outputs: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Return the mean squared error, the mean of (output - target)², without a factor 1/2.

    Args:
        outputs, targets: numbers or (nested) lists of numbers, of one shape.
        reduction: "mean" over all of them, "sum", or "none", a list in their shape.

    Raises ValueError if the shapes differ.

    >>> mse([1.0, 3.0], [0.0, 1.0])
    2.5
    """
    return _reduced(each(lambda y, t: autodiff.square(y - t), *alike("mse", outputs, targets)), reduction)


def mae(outputs: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Return the mean absolute error, the mean of |output - target|; its slope where they are equal is 0.

    Arguments and errors are those of mse.

    >>> mae([1.0, 3.0], [0.0, 1.0])
    1.5
    """
    return _reduced(each(lambda y, t: autodiff.abs(y - t), *alike("mae", outputs, targets)), reduction)


def huber(outputs: Any, targets: Any, *, delta: float = 1.0, reduction: Reduction = "mean") -> Any:
    """Return the mean of e²/2 where |e| <= delta, and of delta (|e| - delta/2) beyond, for e = output - target.

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

    return _reduced(each(of_pair, *alike("huber", outputs, targets)), reduction)


# --- of two classes ---


def binary_cross_entropy_with_logits(logits: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Return the mean of t softplus(-z) + (1 - t) softplus(z): the cross-entropy of sigmoid(z), z a logit, with t.

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
    return nan_unless(valid, _reduced(each(_surprise, logits, targets), reduction))


def _are_from_0_to_1(name: str, what: str, numbers: Any, advice: str) -> Any:
    """Return whether the numbers are; raise ValueError, with the advice, for one that is not."""
    message = f"{name} takes {what} from 0 to 1, got {{!r}}; {advice}"
    return all_valid(flat(numbers), lambda p: (p >= 0) & (p <= 1), message)


def _surprise(logit: Any, probability: Any) -> Any:
    """Return the cross-entropy of one logit."""
    certain, opposite = autodiff.softplus(-logit), autodiff.softplus(logit)
    return weighted(probability, certain) + weighted(1.0 - probability, opposite)


def binary_cross_entropy(probabilities: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Return the mean of -t log(p) - (1 - t) log(1 - p), for outputs p that are probabilities already.

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

    return nan_unless(valid & possible, _reduced(each(of_pair, probabilities, targets), reduction))


def hinge(outputs: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Return the mean of max(0, 1 - t y), for targets t of -1 and 1: the loss of a support vector machine.

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
    return nan_unless(valid, _reduced(each(lambda y, t: autodiff.relu(1.0 - t * y), outputs, targets), reduction))


# --- of several classes: one number for each row ---


def cross_entropy(logits: Any, targets: Any, *, label_smoothing: float = 0.0, reduction: Reduction = "mean") -> Any:
    """Return -log softmax(logits)[target] for a class, or for a list of probabilities (one-hot), their mean of it.

    Args:
        logits: a list of numbers, one for each class, or a list of such rows. One of -inf is masked: it counts only
            where it is the target.
        targets: a class from 0, or one probability for each class; for many rows, a list of either.
        label_smoothing: from 0 to 1, this share of each target is spread evenly over all classes.
        reduction: "mean" over rows, "sum", or "none", a list of one loss for each row.

    Raises ValueError for no logits, for an index that is no class, probabilities that are too few, too many, negative,
    or do not sum to 1, more or fewer targets than rows, or another label_smoothing.
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

    return _reduced(each_row("cross_entropy", of_row, logits, targets), reduction)


def nll(log_probabilities: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Return the negative log-likelihood, -log_probabilities[target], as of `autodiff.log_softmax(logits)`.

    Args:
        log_probabilities: a list of logarithms, one for each class, or a list of such rows.
        targets: a class from 0; for many rows, a list of classes.
        reduction: as in cross_entropy, which takes the logits themselves.

    Raises ValueError for no outputs, for an index that is no class, or more or fewer targets than rows.

    >>> nll(autodiff.log_softmax([1000.0, 0.0]), 1)
    1000.0
    """

    def of_row(row: list[Any], target: Any) -> Any:
        return nan_unless(is_index("nll", "a class", target, len(row)), -chosen(row, target))

    return _reduced(each_row("nll", of_row, log_probabilities, targets), reduction)


def multiclass_hinge(outputs: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Return the sum over the other classes i of max(0, 1 + y[i] - y[target]), divided by the number of classes.

    It is torch's multi_margin_loss with its defaults: a class that is wrong shall score 1 less than the right one.

    Args:
        outputs: a list of scores, one for each class, or a list of such rows.
        targets: a class from 0; for many rows, a list of classes.
        reduction: as in cross_entropy.

    Raises ValueError for no outputs, for an index that is no class, or more or fewer targets than rows.
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

    return _reduced(each_row("multiclass_hinge", of_row, outputs, targets), reduction)


def kl_divergence(log_probabilities: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """Return the divergence of targets p from outputs q, the sum of p (log p - log q), where outputs are log q.

    The outputs are logarithms, as in torch's kl_div: those of `autodiff.log_softmax`. The mean is over rows, torch's
    reduction="batchmean"; its "mean" divides by the number of classes, too, and is not the divergence of anything.

    Args:
        log_probabilities: a list of logarithms, or a list of such rows.
        targets: as many probabilities, which sum to 1, or a list of such rows. One of 0 counts for nothing.
        reduction: as in cross_entropy; "none" is one divergence for each row.

    Raises ValueError for no outputs, for targets that are no probabilities, or more or fewer targets than rows.
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

    return _reduced(each_row("kl_divergence", of_row, log_probabilities, targets), reduction)
