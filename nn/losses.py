"""Losses: one Value from outputs and targets, the mean over them where there are several.

Outputs are a Value or a list of Values, as a model gives them; targets are numbers in the same shape. A target that a
loss cannot take is an error. In a compiled function whose arguments hold the targets, one program serves all of them,
without a guard, and cannot raise: there, such a target makes the loss and its gradients nan.

    >>> one_of_two = autodiff.compile(lambda logits, target: cross_entropy(logits, target))
    >>> one_of_two([1000.0, 0.0], 0), one_of_two([1000.0, 0.0], 1), one_of_two([1000.0, 0.0], 2)
    (0.0, 1000.0, nan)
"""

from collections.abc import Callable, Iterable, Mapping, Sized
from collections.abc import Set as AbstractSet
from decimal import Decimal
from functools import reduce
from math import inf, nan
from numbers import Real
from operator import and_
from typing import Any

import autodiff
from autodiff import Value


def mse(outputs: Any, targets: Any) -> Any:
    """Return the mean squared error, the mean of (output - target)².

    Raises ValueError if outputs and targets differ in number, TypeError for lists of lists.

    >>> mse([Value(1.0), Value(3.0)], [0.0, 1.0]).data
    2.5
    """
    return autodiff.mean([autodiff.square(y - t) for y, t in _pairs("mse", outputs, targets)])


def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    """Return the mean of t softplus(-z) + (1 - t) softplus(z): the cross-entropy of sigmoid(z), z a logit, with t.

    The targets t are probabilities, mostly 0 and 1. It is written on logits, because log(sigmoid(z)) loses its digits
    where the sigmoid saturates.

    Raises ValueError if logits and targets differ in number, or for a target outside [0, 1]; TypeError for lists of
    lists.

    >>> round(binary_cross_entropy(Value(0.0), 1).data, 12)
    0.69314718056
    """
    pairs = _pairs("binary_cross_entropy", logits, targets)
    valid = _all_valid(
        [t for _, t in pairs],
        lambda t: (t >= 0) & (t <= 1),
        "binary_cross_entropy takes targets from 0 to 1, got {!r}; for -1 and 1, use hinge",
    )
    return _nan_unless(valid, autodiff.mean([_surprise(z, t) for z, t in pairs]))


def _surprise(logit: Any, probability: Any) -> Any:
    """Return the cross-entropy of one logit; of a certain target, the one term that counts."""
    if isinstance(probability, Value):
        certain, opposite = autodiff.softplus(-logit), autodiff.softplus(logit)
        return _weighted(probability, certain) + _weighted(1.0 - probability, opposite)
    if probability == 0:
        return autodiff.softplus(logit)
    if probability == 1:
        return autodiff.softplus(-logit)
    return probability * autodiff.softplus(-logit) + (1 - probability) * autodiff.softplus(logit)


def cross_entropy(logits: Iterable[Any], target: Any) -> Any:
    """Return -log softmax(logits)[target], for a class index; for a list of probabilities (one-hot), their mean of it.

    Raises ValueError for no logits, for an index that is no class, or probabilities that are too few, too many,
    negative, or do not sum to 1; TypeError for the logits of several rows.

    >>> cross_entropy([Value(1000.0), Value(0.0)], 1).data, cross_entropy([Value(1000.0), Value(0.0)], [0, 1]).data
    (1000.0, 1000.0)
    """
    logits = _flat("cross_entropy", logits)
    if not logits:
        raise ValueError("cross_entropy takes at least one logit, got none")
    target = _unboxed(target)
    if isinstance(target, Iterable) and not isinstance(target, str):
        return _against_probabilities(logits, _listed("cross_entropy", target))
    valid = _is_class(target, len(logits))
    if valid is False:
        raise ValueError(f"cross_entropy takes a class from 0 to {len(logits) - 1}, got {target!r}")
    return _nan_unless(valid, autodiff.logsumexp(logits) - _chosen(logits, target))


def _is_class(target: Any, classes: int) -> Any:
    if isinstance(target, Value):
        return (target >= 0.0) & (target < float(classes)) & (target == autodiff.floor(target))
    return _is_number(target) and target in range(classes)


def _chosen(logits: list[Any], index: Any) -> Any:
    """Return logits[index]; where compile traces the index, each run selects."""
    if isinstance(index, Value):
        return autodiff.sum([autodiff.where(index == float(i), z, 0.0) for i, z in enumerate(logits)])
    return logits[int(index)]


def _against_probabilities(logits: list[Any], weights: list[Any]) -> Any:
    has_values = any(issubclass(kind, Value) for kind in set(map(type, weights)))
    valid = len(weights) == len(logits) and _are_probabilities(weights, has_values)
    if valid is False:
        total = f" with sum {sum(weights)}" if all(map(_is_number, weights)) else ""
        raise ValueError(
            f"cross_entropy takes {len(logits)} target probabilities that sum to 1, one for each logit, "
            f"got {len(weights)}{total}: {weights}"
        )
    return _nan_unless(valid, autodiff.logsumexp(logits) - _expected(logits, weights, has_values))


def _are_probabilities(weights: list[Any], has_values: bool) -> Any:
    if not has_values:
        return all(map(_is_number, weights)) and bool(min(weights) >= 0 and 1 - 1e-6 <= sum(weights) <= 1 + 1e-6)
    total = autodiff.sum(weights)
    return (autodiff.min(weights) >= 0.0) & (total >= 1 - 1e-6) & (total <= 1 + 1e-6)


def _expected(logits: list[Any], weights: list[Any], has_values: bool) -> Any:
    """Return the sum of weight * logit, where a weight of 0 rules out a logit of -inf, a masked one."""
    if has_values:
        return autodiff.sum([_weighted(w, z) for w, z in zip(weights, logits, strict=True)])
    taken = [(w, z) for w, z in zip(weights, logits, strict=True) if w]
    return autodiff.dot([w for w, _ in taken], [z for _, z in taken])


def hinge(outputs: Any, targets: Any) -> Any:
    """Return the mean of max(0, 1 - t y), for targets t of -1 and 1.

    Raises ValueError if outputs and targets differ in number, or for another target; TypeError for lists of lists.

    >>> hinge([Value(2.0), Value(0.5)], [1, -1]).data
    0.75
    """
    pairs = _pairs("hinge", outputs, targets)
    valid = _all_valid(
        [t for _, t in pairs],
        lambda t: (t == -1) | (t == 1),
        "hinge takes targets -1 and 1, got {!r}; for 0 and 1, use binary_cross_entropy",
    )
    return _nan_unless(valid, autodiff.mean([autodiff.relu(1.0 - t * y) for y, t in pairs]))


# --- targets ---


def _weighted(weight: Any, x: Any) -> Any:
    """Return weight * x, where a weight of 0 counts also against an infinite x: IEEE 754 has nan for that."""
    return autodiff.where((weight == 0.0) & (autodiff.abs(x) == inf), 0.0, weight * x)


def _all_valid(targets: list[Any], is_valid: Callable[[Any], Any], message: str) -> Any:
    """Return whether all targets are valid, True or a condition of compile; raise ValueError for one that is not."""
    conditions = []
    for target in targets:
        holds = _is_number(target) and is_valid(target)
        if not isinstance(holds, bool) and isinstance(target, Value):
            conditions.append(holds)
        elif not holds:
            raise ValueError(message.format(target))
    return reduce(and_, conditions) if conditions else True


def _nan_unless(valid: Any, loss: Any) -> Any:
    """Return the loss; where a condition of compile does not hold, nan in it and in its gradients."""
    return loss if valid is True else loss * autodiff.where(valid, 1.0, nan)


# --- lists ---


def _pairs(name: str, outputs: Any, targets: Any) -> list[tuple[Any, Any]]:
    """Return (output, target) pairs of two lists, or of two numbers."""
    outputs, targets = _flat(name, outputs), _flat(name, targets)
    if len(outputs) != len(targets) or not outputs:
        raise ValueError(
            f"{name} takes one target for each output, at least one; got {len(outputs)} outputs and "
            f"{len(targets)} targets"
        )
    return list(zip(outputs, targets, strict=True))


def _flat(name: str, numbers: Any) -> list[Any]:
    """Return a list of numbers, or a single one, as a list."""
    listed = _listed(name, _unboxed(numbers))
    for kind in set(map(type, listed)):
        if issubclass(kind, Sized) and kind is not str:
            raise TypeError(
                f"{name} takes a number or a list of numbers, one row, got a list of {kind.__name__}s; "
                f"take the mean over rows: autodiff.mean([nn.{name}(y, t) for y, t in zip(outputs, targets)])"
            )
    return listed


def _listed(name: str, numbers: Any) -> list[Any]:
    """Return the numbers in their order, and a single one, as a list, those of other libraries as Python's own.

    Arithmetic of numpy's small integers wraps around: 1 - 3 is 254 in uint8.
    """
    if isinstance(numbers, (AbstractSet, Mapping)):
        kind = type(numbers).__name__
        raise TypeError(f"{name} takes a number or a list of numbers, got a {kind}, which has no order; list them")
    return [_own(x) for x in (numbers if isinstance(numbers, Iterable) else [numbers])]


def _own(x: Any) -> Any:
    if isinstance(x, Decimal):
        return float(x)
    return x.item() if hasattr(type(x), "dtype") and not isinstance(x, Sized) else x


def _unboxed(x: Any) -> Any:
    """Return the number in an array without an axis, anything else as it is."""
    has_no_axis = isinstance(x, Iterable) and getattr(x, "shape", None) == ()
    return x.item() if has_no_axis else x


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, Real, Value)) or hasattr(type(x), "item")  # numpy's bool is no Real
