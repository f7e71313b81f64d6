"""Arrays of Values: numpy's functions on them are autodiff's, element by element.

numpy broadcasts over arrays of objects, but its treatment of each object is fixed in C: `np.maximum`, `np.clip` and
`np.sign` compare, which chooses one of two equal numbers, and which `compile` can only note as a guard for each
element; `np.isnan` and `np.logaddexp` refuse objects. A `ValueArray` is a numpy array of objects that has numpy hand
such functions over (`__array_ufunc__`, `__array_function__`), so that they have the derivatives of `autodiff.maximum`,
`autodiff.where` and the other primitives, and compile to selects:

    >>> import numpy as np
    >>> from autodiff import compile, grad
    >>> f = lambda x: np.sum(np.maximum(np.array([[1.0, -1.0], [0.0, 2.0]]) @ x, 0.0) + np.where(x > 1.0, x * x, 0.0))
    >>> grad(f)(np.array([3.0, 0.5]))
    array([7., 1.])
    >>> compile(grad(f))(np.array([3.0, 0.5]))
    array([7., 1.])

The arrays that transforms and `compile` give to f are ValueArrays, and so are the results of numpy on them and on
single Values; only `np.array` and `np.asarray` make one of numpy's own, with numpy's own rules; `autodiff.array` makes
it one of ours again. While f is traced, comparisons give arrays of conditions: they select in `np.where`, are combined
by & | ~, and become guards where they select elements, as in `x[x > 0]`.

Elements are known here by their attributes alone: this stands below Value, whose numpy protocol leads here.
"""

from autodiff.arrays import functions as functions  # which says what np.where and the like do
from autodiff.arrays.value_array import ValueArray, array, boxed, filled, of_function, of_objects, of_ufunc

__all__ = ["ValueArray", "array", "boxed", "filled", "of_function", "of_objects", "of_ufunc"]
