"""Penalties: terms of a loss that keep parameters small.

>>> from autodiff import Value
>>> w = Value(3.0)
>>> loss = (w - 5.0) ** 2 + l2([w], 0.5)
>>> loss.data
8.5
"""

from collections.abc import Sequence
from typing import Any

import autodiff


def l1(parameters: Sequence[Any], strength: float) -> Any:
    """The L1 penalty, strength Σ |x|, which makes parameters 0 that do not earn their keep.

    Source: Tibshirani, Regression shrinkage and selection via the lasso, 1996.

    >>> l1([autodiff.Value(3.0), autodiff.Value(-1.0)], 0.5).data
    2.0
    """
    return strength * autodiff.sum([autodiff.abs(x) for x in parameters])


def l2(parameters: Sequence[Any], strength: float) -> Any:
    """The L2 penalty, strength Σ x². An optimiser's weight_decay has the strength weight_decay / 2, except AdamW's.

    Source: Hoerl and Kennard, Ridge regression, 1970.

    >>> l2([autodiff.Value(3.0), autodiff.Value(-1.0)], 0.5).data
    5.0
    """
    parameters = list(parameters)
    return strength * autodiff.dot(parameters, parameters)
