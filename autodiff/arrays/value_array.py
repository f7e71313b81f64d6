"""ValueArray: an array of Values, and numpy's protocols (NEP 13 and 18), by which its functions become ours.

>>> np.maximum(array([3.0, -1.0]), 0.0)
ValueArray([3.0, 0.0], dtype=object)
"""

import math
import sys
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from autodiff import floats, modes, primitives
from autodiff.arrays.elements import OF_ONE, OF_TWO, chosen, is_value, truth
from autodiff.arrays.masks import decided, is_mask


class ValueArray(np.ndarray[Any, Any]):
    """An array of objects that are Values and numbers; made by `autodiff.array`."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return of_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return of_function(function, args, kwargs)

    def round(self, decimals: Any = 0, out: Any = None) -> Any:
        """The elements rounded as numpy does it, whose own loop asks numbers for a method that floats lack."""
        if out is not None or not decimals:
            return super().round(decimals, out)
        scale = 10.0 ** abs(decimals)
        return np.rint(self * scale) / scale if decimals > 0 else np.rint(self / scale) * scale


class TracedArray(ValueArray):
    """An array of numbers of a program that is being traced."""

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(decided(index))

    def __setitem__(self, index: Any, new: Any) -> None:
        """Set elements; those of a mask of conditions are selected at every run."""
        if is_mask(index) and index.shape == self.shape and np.ndim(new) == 0:
            index, new = ..., np.where(index, new, self)
        super().__setitem__(decided(index), new)


def array(values: Any) -> Any:
    """An array of objects, Values and numbers, on which numpy's functions are autodiff's.

    `np.array([x, y])` is an array of Values, too, and one can compute with it; but on that one numpy's own maximum,
    minimum, clip and sign choose by comparison, isnan, isfinite, heaviside and logaddexp fail, and arctan2 and hypot
    need a Value in the first place.

    Args:
        values: a list, nested or not, or an array.

    Raises TypeError for a masked array, which lacks numbers, and for a numpy.matrix.

    >>> import numpy as np
    >>> from autodiff import Value
    >>> x = Value(-3.0)
    >>> y = np.sum(np.maximum(array([x, 2.0]), 0.0) + np.hypot(1.0, x))
    >>> y.backward()
    >>> y.data, x.grad
    (8.32455532033676, -1.8973665961010275)
    """
    floats.check_kind_of_array(values)
    return of_objects(_of_lists(values))


def filled(values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """An array of objects of that shape that holds these, whatever they are."""
    return of_objects(row_of_objects(values).reshape(shape))


def row_of_objects(values: Sequence[Any]) -> Any:
    """A numpy array with one axis that holds these, whatever they are.

    Assigned to an array they would be asked, each Value, for an array of its own: 1.9 ms for 1,000, not 9 microseconds.
    """
    given = values.tolist() if isinstance(values, np.ndarray) else values
    return np.fromiter(given, dtype=object, count=len(given))


def _of_lists(values: Any) -> Any:
    """What numpy makes an array of objects of; lists of numbers without asking each Value for its own array."""
    if type(values) not in _LISTS:
        return np.array(values, dtype=object)
    shape: tuple[int, ...] = (len(values),)
    row, kinds = values, set(map(type, values))
    while kinds and kinds <= _LISTS and len(set(map(len, row))) == 1 and len(shape) < _DEEPEST:
        shape += (len(row[0]),)
        row = list(chain.from_iterable(row))
        kinds = set(map(type, row))
    if all(kind in _NUMBERS or hasattr(kind, "__apply__") for kind in kinds):
        return row_of_objects(row).reshape(shape)
    return np.array(values, dtype=object)


def of_objects(made: Any) -> Any:
    """The same array of objects as one of ours."""
    return made.view(ValueArray if modes.reading() is None else TracedArray)


def boxed(x: Any, dtype: Any = None) -> Any:
    """The array without an axis that numpy makes of a Value; raise TypeError for one of anything but objects."""
    if dtype is not None and dtype != _OBJECTS:
        float(x)  # which says why not
    return of_objects(_box(x))


_OBJECTS = np.dtype(object)
_NUMBERS = frozenset({float, int, bool})
_LISTS = frozenset({list, tuple})
_DEEPEST = 32  # numpy stops at 64 axes, and keeps the lists below as they are


def _box(x: Any) -> Any:
    box = np.empty((), _OBJECTS)
    box[()] = x
    return box


_FUNCTIONS: dict[str, Callable[..., Any]] = {**OF_ONE, **OF_TWO, "clip": primitives.clip}
# numpy's own loops do the same to objects, faster: they call the operators.
_BY_NUMPY = {"add", "subtract", "multiply", "divide", "power", "remainder", "floor_divide", "negative", "positive"}
_ELEMENTWISE: dict[str, np.ufunc] = {
    name: np.frompyfunc(f, 3 if name == "clip" else 2 if name in OF_TWO else 1, 1)
    for name, f in _FUNCTIONS.items()
    if name not in _BY_NUMPY
}
_OF_A_LIST = {"maximum": primitives.max, "minimum": primitives.min, "logaddexp": primitives.logsumexp}
select_elements = np.frompyfunc(chosen, 3, 1)


def of_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call a universal function, or one of its methods, on Values and arrays of them."""
    name = _name(ufunc)
    if method == "__call__" and not kwargs and name in _FUNCTIONS and (scalars := _scalars(inputs)) is not None:
        return _FUNCTIONS[name](*scalars)
    operands = [bare(x) for x in inputs]
    if kwargs.get("where", True) is not True:
        operands[0] = _selected(ufunc, method, operands[0], kwargs)
    out = kwargs.get("out")
    if out is not None:
        kwargs["out"] = tuple([bare(x) for x in out])
    if (
        method == "reduce"
        and name in _OF_A_LIST
        and kwargs.get("initial") is None
        and kwargs.get("where", True) is True
    ):
        result = reduced(_OF_A_LIST[name], operands[0], kwargs)
    elif name in _ELEMENTWISE:
        kwargs.pop("dtype", None)
        if name.startswith("logical_") and method == "reduce":
            operands[0] = np.frompyfunc(truth, 1, 1)(operands[0])
        result = _call(_ELEMENTWISE[name], method, operands, kwargs)
    else:
        result = _call(ufunc, method, operands, kwargs)
    return ours(result) if out is None else out[0] if len(out) == 1 else out


def _selected(ufunc: Any, method: str, x: Any, kwargs: dict[str, Any]) -> Any:
    """x with neutral numbers where a reduction's `where` does not hold, which is taken out of the arguments."""
    if method == "reduce":
        neutral = kwargs.get("initial") if ufunc.identity is None else ufunc.identity
        if neutral is not None:
            return select_elements(bare(kwargs.pop("where")), x, neutral)
    if is_mask(kwargs["where"]):
        raise TypeError(f"np.{_name(ufunc)}: where= holds conditions; select with np.where(conditions, x, y) instead")
    return x


_OVERRIDES: dict[Any, Callable[..., Any]] = {}
_F = TypeVar("_F", bound=Callable[..., Any])


def implements(function: Any) -> Callable[[_F], _F]:
    """A decorator: f in the place of a function of numpy, other than a universal one, on arrays of Values."""

    def register(override: _F) -> _F:
        _OVERRIDES[function] = override
        return override

    return register


def of_function(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call another function of numpy on Values and arrays of them."""
    for x in args:
        if isinstance(x, np.ndarray):
            floats.check_kind_of_array(x)
    override = _OVERRIDES.get(function)
    return by_numpy(function, *args, **kwargs) if override is None else override(*args, **kwargs)


def by_numpy(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call numpy's own implementation, which calls the functions that are ours on the way.

    Raises TypeError for one that takes floats alone, such as those of np.linalg that are written in C.
    """
    try:
        return ours(np.ndarray.__array_function__(_NOTHING, function, (), args, kwargs))
    except (TypeError, AttributeError) as error:
        if not _is_about_objects(error):
            raise
        name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
        raise TypeError(
            f"{name} takes floats alone, got Values, to which it would give no derivative; write it out in functions "
            "that have one, such as np.sum, np.where and @, or give it one as an autodiff.primitive"
        ) from error


def _is_about_objects(error: TypeError | AttributeError) -> bool:
    """Whether numpy failed because the elements of an array are objects, or a result is one."""
    if isinstance(error, AttributeError):
        return error.name in ("dtype", "ndim", "shape")
    return "dtype('O')" in str(error) or "not supported for the input types" in str(error)


def _call(ufunc: Any, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    with np.errstate(all="ignore"):  # a comparison of nan is not a reason to warn
        return getattr(ufunc, method)(*inputs, **kwargs)


def _scalars(inputs: Sequence[Any]) -> list[Any] | None:
    """The inputs where none has an axis: the short way for single Values, in a third of the time."""
    scalars = []
    for x in inputs:
        kind = type(x)
        if isinstance(x, np.generic) or (kind is np.ndarray and not x.ndim):
            x = x.item()
            if isinstance(x, np.longdouble):  # whose item is itself, and whose operators come back here
                x = float(x)
        elif kind is list or kind is tuple or isinstance(x, np.ndarray):
            return None
        scalars.append(x)
    return scalars


@cache  # asked of numpy, a name takes as long as a product of Values
def _name(ufunc: Any) -> str:
    """The name of a ufunc of numpy's or scipy's; "" for one of a user's own, whatever it is called."""
    name = str(ufunc.__name__)
    homes = (np, sys.modules.get("scipy.special"))
    return name if name == "clip" or any(getattr(home, name, None) is ufunc for home in homes) else ""


_NOTHING = np.empty(0)


def bare(x: Any) -> Any:
    """x as numpy's own functions take it: our arrays as its own, a Value as an array without an axis."""
    if isinstance(x, np.ndarray):
        floats.check_kind_of_array(x)
        return x.view(np.ndarray)
    return _box(x) if is_value(x) else x


def ours(result: Any) -> Any:
    """Results with our arrays in the place of numpy's own ones of objects, but for those of bools."""
    if isinstance(result, (list, tuple)):
        parts = [ours(x) for x in result]
        kind: Any = type(result)
        return kind._make(parts) if hasattr(kind, "_make") else kind(parts)
    if not isinstance(result, np.ndarray) or result.dtype != object:
        return result
    if set(map(type, result.ravel().tolist())) == {bool}:
        return result.astype(bool)
    return of_objects(result)


def reduced(primitive: Callable[..., Any], given: Any, kwargs: dict[str, Any]) -> Any:
    """The primitive of all numbers along axes: k equal extremes have a share of 1/k each."""
    axis, keepdims = kwargs.get("axis", 0), kwargs.get("keepdims", False)
    array = np.asarray(given, dtype=object)
    axes = normalize_axis_tuple(range(array.ndim) if axis is None else axis, array.ndim)
    kept = [i for i in range(array.ndim) if i not in axes]
    shape = tuple([array.shape[i] for i in kept])
    rows = array.transpose([*kept, *axes]).reshape(math.prod(shape), -1)
    if not rows.shape[1]:
        raise ValueError(f"{primitive} of no numbers has no value; give it at least one along each axis")
    made = row_of_objects([primitive(*row) for row in rows.tolist()])
    if keepdims:
        shape = tuple([1 if i in axes else array.shape[i] for i in range(array.ndim)])
    result = made.reshape(shape)
    if kwargs.get("out") is not None:
        kwargs["out"][0][...] = result
    return result[()] if not shape else result
