"""Masks of conditions: arrays that hold comparisons of traced Values."""

import operator
from typing import Any

import numpy as np

from autodiff.arrays.elements import is_condition, is_value


def is_mask(index: Any) -> bool:
    """Whether an index is an array of conditions."""
    return isinstance(index, np.ndarray) and index.dtype == object and all(map(is_condition, index.ravel().tolist()))


def decided(index: Any) -> Any:
    """The index with each condition in it decided, which makes it a guard.

    Raises TracingError where it holds a number of the program.
    """
    if type(index) is int:
        return index
    if isinstance(index, tuple):
        return tuple([decided(part) for part in index])
    if isinstance(index, list) and any(map(is_value, index)):
        index = np.array(index, dtype=object)
    if is_mask(index):
        return index.view(np.ndarray).astype(bool)
    for x in index.ravel().tolist() if isinstance(index, np.ndarray) else [index]:
        if is_value(x):
            operator.index(x)  # which says why not
    return index
