"""Losses: one Value from outputs and targets, the mean over them where there are several.

Outputs are a Value or a list of Values, as a model gives them; targets are numbers in the same shape.
"""

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import autodiff


def mse(outputs: Any, targets: Any) -> Any:
    """Return the mean squared error, the mean of (output - target)².

    Raises ValueError if outputs and targets differ in number.

    >>> from autodiff import Value
    >>> mse([Value(1.0), Value(3.0)], [0.0, 1.0]).data
    2.5
    """
    return autodiff.mean([autodiff.square(y - t) for y, t in _pairs("mse", outputs, targets)])


def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    """Return the mean of t softplus(-z) + (1 - t) softplus(z): the cross-entropy of sigmoid(z), z a logit, with t.

    The targets t are probabilities, mostly 0 and 1. It is written on logits, because log(sigmoid(z)) loses its digits
    where the sigmoid saturates.

    Raises ValueError if logits and targets differ in number, or for a target outside [0, 1].

    >>> from autodiff import Value
    >>> round(binary_cross_entropy(Value(0.0), 1).data, 12)
    0.69314718056
    """
    pairs = _pairs("binary_cross_entropy", logits, targets)
    for _, t in pairs:
        if not (_is_number(t) and 0 <= t <= 1):
            raise ValueError(f"binary_cross_entropy takes targets from 0 to 1, got {t!r}; for -1 and 1, use hinge")
    return autodiff.mean([_surprise(z, t) for z, t in pairs])


def _surprise(logit: Any, probability: Any) -> Any:
    """Return the cross-entropy of one logit; of a certain target, the one term that counts."""
    if probability == 0:
        return autodiff.softplus(logit)
    if probability == 1:
        return autodiff.softplus(-logit)
    return probability * autodiff.softplus(-logit) + (1 - probability) * autodiff.softplus(logit)


def cross_entropy(logits: Sequence[Any], target: Any) -> Any:
    """Return -log softmax(logits)[target], for a class index; for a list of probabilities (one-hot), their mean of it.

    Raises ValueError for an index that is no class, or probabilities that are too few, too many, negative, or do not
    sum to 1.

    >>> from autodiff import Value
    >>> cross_entropy([Value(1000.0), Value(0.0)], 1).data, cross_entropy([Value(1000.0), Value(0.0)], [0, 1]).data
    (1000.0, 1000.0)
    """
    logits = _listed(logits)
    if isinstance(target, Iterable) and not isinstance(target, str):
        weights = list(target)
        if len(weights) != len(logits) or min(weights) < 0 or not 1 - 1e-6 <= sum(weights) <= 1 + 1e-6:
            raise ValueError(
                f"cross_entropy takes {len(logits)} target probabilities that sum to 1, one for each logit, "
                f"got {len(weights)} with sum {sum(weights)}: {weights}"
            )
        taken = [(w, z) for w, z in zip(weights, logits, strict=True) if w]  # 0 * -inf, a masked logit, would be nan
        return autodiff.logsumexp(logits) - autodiff.dot([w for w, _ in taken], [z for _, z in taken])
    if not _is_number(target) or target not in range(len(logits)):
        raise ValueError(f"cross_entropy takes a class from 0 to {len(logits) - 1}, got {target!r}")
    return autodiff.logsumexp(logits) - logits[int(target)]


def hinge(outputs: Any, targets: Any) -> Any:
    """Return the mean of max(0, 1 - t y), for targets t of -1 and 1.

    Raises ValueError if outputs and targets differ in number, or for another target.

    >>> from autodiff import Value
    >>> hinge([Value(2.0), Value(0.5)], [1, -1]).data
    0.75
    """
    pairs = _pairs("hinge", outputs, targets)
    for _, t in pairs:
        if t not in (-1, 1):
            raise ValueError(f"hinge takes targets -1 and 1, got {t!r}; for 0 and 1, use binary_cross_entropy")
    return autodiff.mean([autodiff.relu(1.0 - t * y) for y, t in pairs])


def _pairs(name: str, outputs: Any, targets: Any) -> list[tuple[Any, Any]]:
    """Return (output, target) pairs of two lists, or of two numbers."""
    outputs, targets = _listed(outputs), _listed(targets)
    if len(outputs) != len(targets) or not outputs:
        raise ValueError(
            f"{name} takes one target for each output, at least one; got {len(outputs)} outputs and "
            f"{len(targets)} targets"
        )
    return list(zip(outputs, targets, strict=True))


def _listed(numbers: Any) -> list[Any]:
    return list(numbers) if isinstance(numbers, Iterable) else [numbers]


def _is_number(x: Any) -> bool:
    return isinstance(x, Real) or hasattr(type(x), "item")  # numpy's bool is no Real
