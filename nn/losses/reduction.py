"""Reductions: several losses as one number, or as they are, in torch's words.

>>> reduced([1.0, [2.0, 6.0]], "mean"), reduced([1.0, 2.0], "none")
(3.0, [1.0, 2.0])
"""

from typing import Any, Literal

import autodiff
from nn.lists import flat

Reduction = Literal["mean", "sum", "none"]


def reduced(losses: Any, reduction: str) -> Any:
    """The losses, a number or nested lists, as one number, or as they are."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    if reduction == "none" or not isinstance(losses, list):
        return losses
    return (autodiff.mean if reduction == "mean" else autodiff.sum)(flat(losses))
