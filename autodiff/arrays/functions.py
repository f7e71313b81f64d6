"""Functions of numpy that are not universal functions, on arrays of Values.

>>> import numpy as np
>>> from autodiff import array
>>> np.select([array([1.0, -1.0]) > 0], [array([1.0, -1.0])], 0.0)
ValueArray([1.0, 0.0], dtype=object)
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodiff import primitives
from autodiff.arrays.masks import is_mask
from autodiff.arrays.value_array import bare, by_numpy, implements, of_ufunc, ours, reduced, select_elements


@implements(np.where)
def where(condition: Any, *branches: Any) -> Any:
    """np.where: x where the condition holds, y elsewhere; the indices where it holds, if it is alone."""
    if not branches:
        return np.nonzero(np.asarray(condition).astype(bool))
    return ours(select_elements(bare(condition), *[bare(x) for x in branches]))


@implements(np.select)
def select(conditions: Sequence[Any], choices: Sequence[Any], default: Any = 0.0) -> Any:
    """np.select: the choice that goes with the first condition that holds."""
    if len(conditions) != len(choices) or not len(conditions):
        raise ValueError(f"select takes a choice for each condition, got {len(choices)} for {len(conditions)}")
    result = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        result = where(condition, choice, result)
    return result


@implements(np.clip)
def clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None, **others: Any
) -> Any:
    """np.clip; None is no bound."""
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    ufunc: Any
    operands: tuple[Any, ...]
    if low is None and high is None:
        ufunc, operands = np.positive, (a,)
    elif low is None or high is None:
        ufunc, operands = (np.maximum, (a, low)) if high is None else (np.minimum, (a, high))
    else:
        ufunc, operands = np.clip, (a, low, high)
    return of_ufunc(ufunc, "__call__", operands, others if out is None else {**others, "out": (out,)})


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """np.linalg.norm; the Euclidean one is one operation, whose derivative at zero is 0."""
    of_vectors = isinstance(axis, int) or (axis is None and np.ndim(x) == 1)
    if np.size(x) and (ord is None or (ord == 2 and of_vectors) or (ord == "fro" and not of_vectors)):
        return ours(reduced(primitives.norm, bare(x), {"axis": axis, "keepdims": keepdims}))
    return by_numpy(np.linalg.norm, x, ord, axis, keepdims)


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """np.nan_to_num: nan and the infinities replaced by numbers."""
    high = np.finfo(float).max if posinf is None else posinf
    low = -np.finfo(float).max if neginf is None else neginf
    finite = select([np.isnan(x), np.equal(x, math.inf), np.equal(x, -math.inf)], [nan, float(high), float(low)], x)
    if copy:
        return finite
    x[...] = finite
    return x


@implements(np.copyto)
def copy_to(dst: Any, src: Any, **kwargs: Any) -> None:
    """np.copyto; it is how np.nansum and the like leave elements out."""
    if is_mask(kwargs.get("where")):
        src = where(kwargs.pop("where"), src, dst)
    by_numpy(np.copyto, dst, src, **kwargs)
