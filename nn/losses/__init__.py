"""Losses: one number from outputs and targets, their mean where there are several.

Outputs are a Value or a list of Values, as a model gives them for one row, or a list of rows; targets are in the same
shape, where a number and a list of one number are the same row, or one class for each row. `reduction` says what
becomes of several losses, in torch's words: "mean" and "sum" make them one number, "none" leaves a list of them.

A target that a loss cannot take is an error. In a compiled function whose arguments hold the targets, one program
serves all of them, without a guard, and cannot raise: there, such a target makes the loss nan, and its slope in every
output that it counts.

    >>> from autodiff import compile
    >>> one_of_two = compile(lambda logits, target: cross_entropy(logits, target))
    >>> one_of_two([1000.0, 0.0], 0), one_of_two([1000.0, 0.0], 1), one_of_two([1000.0, 0.0], 2)
    (0.0, 1000.0, nan)
"""

from nn.losses.binary import binary_cross_entropy, binary_cross_entropy_with_logits, hinge
from nn.losses.classes import cross_entropy, kl_divergence, multiclass_hinge, nll
from nn.losses.regression import huber, mae, mse

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "hinge", "huber"]
__all__ += ["kl_divergence", "mae", "mse", "multiclass_hinge", "nll"]
