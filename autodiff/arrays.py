"""Arrays of Values: numpy's functions on them are autodiff's, element by element.

numpy broadcasts over arrays of objects, but what it does to each object is fixed in C: `np.maximum`, `np.clip` and
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

The arrays that transforms and `compile` give to f are such, and so is what numpy makes of them and of single Values:
only `np.array` and `np.asarray` make one of numpy's own, with numpy's own rules; `autodiff.array` makes it one of ours
again. While f is traced, what a comparison gives holds conditions: they select in `np.where`, are combined by & | ~,
and become guards where they select elements, as in `x[x > 0]`.

Elements are known here by their attributes alone: this stands below Value, whose numpy protocol leads here.
"""

import math
import operator
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from autodiff import floats, modes, primitives


class ValueArray(np.ndarray[Any, Any]):
    """An array of objects that are Values and numbers; made by `autodiff.array`."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return of_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return of_function(function, args, kwargs)

    def round(self, decimals: Any = 0, out: Any = None) -> Any:
        """Return the elements rounded as numpy does it, whose own loop asks numbers for a method that floats lack."""
        if out is not None or not decimals:
            return super().round(decimals, out)
        scale = 10.0 ** abs(decimals)
        return np.rint(self * scale) / scale if decimals > 0 else np.rint(self / scale) * scale


class TracedArray(ValueArray):
    """An array of numbers of a program that is being traced."""

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(_decided(index))

    def __setitem__(self, index: Any, new: Any) -> None:
        """Set elements; those of a mask of conditions are selected at every run."""
        if _is_mask(index) and index.shape == self.shape and np.ndim(new) == 0:
            index, new = ..., where(index, new, self)
        super().__setitem__(_decided(index), new)


def array(values: Any) -> Any:
    """Return an array of objects, Values and numbers, on which numpy's functions are autodiff's.

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
    return of_objects(np.array(values, dtype=object))


def filled(values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Return an array of objects of that shape that holds these, whatever they are."""
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return of_objects(made.reshape(shape))


def of_objects(made: Any) -> Any:
    """Return the same array of objects as one of ours."""
    return made.view(ValueArray if modes.reading() is None else TracedArray)


def boxed(x: Any, dtype: Any = None) -> Any:
    """Return the array without an axis that numpy makes of a Value; raise TypeError for one of anything but objects."""
    if dtype is not None and dtype != _OBJECTS:
        float(x)  # which says why not
    return of_objects(_box(x))


_OBJECTS = np.dtype(object)


def _box(x: Any) -> Any:
    box = np.empty((), _OBJECTS)
    box[()] = x
    return box


# --- what functions do to elements ---


def _is_value(x: Any) -> bool:
    return hasattr(type(x), "__apply__")


def _truth(x: Any) -> Any:
    """Return whether x is not 0: a bool, or while x is traced a condition, which is a Value that & combines."""
    if not _is_value(x):
        return bool(x)
    return x if hasattr(type(x), "__and__") else x != 0.0


def _not(x: Any) -> Any:
    return _truth(x) ^ True


def _is_condition(x: Any) -> bool:
    return isinstance(x, (bool, np.bool_)) or (_is_value(x) and hasattr(type(x), "__and__"))


def _inverted(x: Any) -> Any:
    return _not(x) if _is_condition(x) else ~x


def _chosen(condition: Any, x: Any, y: Any) -> Any:
    """Return x or y; where the condition is decided, without a node."""
    truth = _truth(condition)
    return (x if truth else y) if isinstance(truth, bool) else primitives.where(truth, x, y)


def _is_nan(x: Any) -> Any:
    return x != x


def _is_finite(x: Any) -> Any:
    return abs(x) < math.inf


def _is_infinite(x: Any) -> Any:
    return abs(x) == math.inf


def _is_negative(x: Any) -> Any:
    """Return whether the sign bit is set, which that of -0.0 is; a Value that is nan is taken as positive."""
    if not _is_value(x):
        return math.copysign(1.0, x) < 0.0
    return (x < 0.0) | ((x == 0.0) & (primitives.reciprocal(x) < 0.0))


def _with_sign(x: Any, y: Any) -> Any:
    size = primitives.abs(x)
    return _chosen(_is_negative(y), -size, size)


def _truncated(x: Any) -> Any:
    return _chosen(x < 0.0, primitives.ceil(x), primitives.floor(x))


def _remainder(x: Any, y: Any) -> Any:
    """Return x - y * trunc(x / y), exactly, as C's fmod does: it has the sign of x."""
    size = primitives.mod(primitives.abs(x), primitives.abs(y))
    return _chosen(x < 0.0, -size, size)


def _step(x: Any, at_zero: Any) -> Any:
    """Return 0 for a negative x, 1 for a positive one, `at_zero` in between; nan for nan."""
    return _chosen(x < 0.0, 0.0, _chosen(x > 0.0, 1.0, _chosen(x == 0.0, at_zero, math.nan)))


def _larger(x: Any, y: Any) -> Any:
    return _chosen(_is_nan(x), y, _chosen(_is_nan(y), x, primitives.maximum(x, y)))


def _smaller(x: Any, y: Any) -> Any:
    return _chosen(_is_nan(x), y, _chosen(_is_nan(y), x, primitives.minimum(x, y)))


def _log_of_sum(x: Any, y: Any) -> Any:
    return primitives.logsumexp(x, y)


def _log2_of_sum(x: Any, y: Any) -> Any:
    return primitives.logsumexp(x * math.log(2.0), y * math.log(2.0)) / math.log(2.0)


def _rounded(x: Any) -> Any:
    return primitives.round(x, 0.0)


def _radians(x: Any) -> Any:
    return x * (math.pi / 180.0)


def _degrees(x: Any) -> Any:
    return x * (180.0 / math.pi)


_OF_ONE: dict[str, Callable[[Any], Any]] = {
    **{name: entry for name, entry in primitives.TABLE.items() if entry.arity == 1},
    "absolute": primitives.abs,
    "fabs": primitives.abs,
    "negative": operator.neg,
    "positive": operator.pos,
    "conjugate": operator.pos,
    "rint": _rounded,
    "trunc": _truncated,
    "radians": _radians,
    "deg2rad": _radians,
    "degrees": _degrees,
    "rad2deg": _degrees,
    "isnan": _is_nan,
    "isfinite": _is_finite,
    "isinf": _is_infinite,
    "signbit": _is_negative,
    "logical_not": _not,
    "invert": _inverted,
}
_OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": operator.pow,
    "float_power": operator.pow,
    "remainder": operator.mod,
    "floor_divide": operator.floordiv,
    "fmod": _remainder,
    "arctan2": primitives.arctan2,
    "hypot": primitives.hypot,
    "logaddexp": _log_of_sum,
    "logaddexp2": _log2_of_sum,
    "maximum": primitives.maximum,
    "minimum": primitives.minimum,
    "fmax": _larger,
    "fmin": _smaller,
    "copysign": _with_sign,
    "heaviside": _step,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "logical_and": lambda x, y: _truth(x) & _truth(y),
    "logical_or": lambda x, y: _truth(x) | _truth(y),
    "logical_xor": lambda x, y: _truth(x) ^ _truth(y),
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {**_OF_ONE, **_OF_TWO, "clip": primitives.clip}
# numpy's own loops do the same to objects, faster: they call the operators.
_BY_NUMPY = {"add", "subtract", "multiply", "divide", "power", "remainder", "floor_divide", "negative", "positive"}
_ELEMENTWISE: dict[str, np.ufunc] = {
    name: np.frompyfunc(f, 3 if name == "clip" else 2 if name in _OF_TWO else 1, 1)
    for name, f in _FUNCTIONS.items()
    if name not in _BY_NUMPY
}
_OF_A_LIST = {"maximum": primitives.max, "minimum": primitives.min, "logaddexp": primitives.logsumexp}
_where = np.frompyfunc(_chosen, 3, 1)

# --- the protocol ---


def of_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return what a universal function makes of Values and arrays of them: `ufunc(*inputs)`, or one of its methods."""
    name = _name(ufunc)
    if method == "__call__" and not kwargs and name in _FUNCTIONS and (scalars := _scalars(inputs)) is not None:
        return _FUNCTIONS[name](*scalars)
    bare = [_bare(x) for x in inputs]
    if kwargs.get("where", True) is not True:
        bare[0] = _selected(ufunc, method, bare[0], kwargs)
    out = kwargs.get("out")
    if out is not None:
        kwargs["out"] = tuple([_bare(x) for x in out])
    if (
        method == "reduce"
        and name in _OF_A_LIST
        and kwargs.get("initial") is None
        and kwargs.get("where", True) is True
    ):
        result = _reduced(_OF_A_LIST[name], bare[0], kwargs)
    elif name in _ELEMENTWISE:
        kwargs.pop("dtype", None)
        if name.startswith("logical_") and method == "reduce":
            bare[0] = np.frompyfunc(_truth, 1, 1)(bare[0])
        result = _call(_ELEMENTWISE[name], method, bare, kwargs)
    else:
        result = _call(ufunc, method, bare, kwargs)
    return _ours(result) if out is None else out[0] if len(out) == 1 else out


def _selected(ufunc: Any, method: str, x: Any, kwargs: dict[str, Any]) -> Any:
    """Return x with numbers that make no difference where a reduction's `where` does not hold, and take that away."""
    if method == "reduce":
        neutral = kwargs.get("initial") if ufunc.identity is None else ufunc.identity
        if neutral is not None:
            return _where(_bare(kwargs.pop("where")), x, neutral)
    if _is_mask(kwargs["where"]):
        raise TypeError(f"np.{_name(ufunc)}: where= holds conditions; select with np.where(conditions, x, y) instead")
    return x


def of_function(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return what another function of numpy makes of Values and arrays of them."""
    for x in args:
        if isinstance(x, np.ndarray):
            floats.check_kind_of_array(x)
    ours = _OTHERS.get(function)
    return _by_numpy(function, *args, **kwargs) if ours is None else ours(*args, **kwargs)


def _by_numpy(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what numpy's own implementation makes of them, which calls the functions that are ours on the way."""
    return _ours(np.ndarray.__array_function__(_NOTHING, function, (), args, kwargs))


def _call(ufunc: Any, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    with np.errstate(all="ignore"):  # a comparison of nan is no reason to warn
        return getattr(ufunc, method)(*inputs, **kwargs)


def _scalars(inputs: Sequence[Any]) -> list[Any] | None:
    """Return the inputs where none has an axis: the short way for single Values, in a third of the time."""
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
    """Return the name of a ufunc of numpy's or scipy's; "" for one of a user's own, whatever it is called."""
    name = str(ufunc.__name__)
    homes = (np, sys.modules.get("scipy.special"))
    return name if name == "clip" or any(getattr(home, name, None) is ufunc for home in homes) else ""


_NOTHING = np.empty(0)


def _bare(x: Any) -> Any:
    """Return x as numpy's own functions take it: our arrays as its own, a Value as an array without an axis."""
    if isinstance(x, np.ndarray):
        floats.check_kind_of_array(x)
        return x.view(np.ndarray)
    return _box(x) if _is_value(x) else x


def _ours(result: Any) -> Any:
    """Return results with our arrays in the place of numpy's own ones of objects, but for those of bools."""
    if isinstance(result, (list, tuple)):
        parts = [_ours(x) for x in result]
        kind: Any = type(result)
        return kind._make(parts) if hasattr(kind, "_make") else kind(parts)
    if not isinstance(result, np.ndarray) or result.dtype != object:
        return result
    if set(map(type, result.ravel().tolist())) == {bool}:
        return result.astype(bool)
    return of_objects(result)


def _reduced(primitive: Callable[..., Any], given: Any, kwargs: dict[str, Any]) -> Any:
    """Return the primitive of all numbers along axes: k equal extremes have a share of 1/k each."""
    axis, keepdims = kwargs.get("axis", 0), kwargs.get("keepdims", False)
    array = np.asarray(given, dtype=object)
    axes = normalize_axis_tuple(range(array.ndim) if axis is None else axis, array.ndim)
    kept = [i for i in range(array.ndim) if i not in axes]
    shape = tuple([array.shape[i] for i in kept])
    rows = array.transpose([*kept, *axes]).reshape(math.prod(shape), -1)
    if not rows.shape[1]:
        raise ValueError(f"{primitive} of no numbers has no value; give it at least one along each axis")
    made = np.empty(len(rows), dtype=object)
    made[:] = [primitive(*row) for row in rows.tolist()]
    if keepdims:
        shape = tuple([1 if i in axes else array.shape[i] for i in range(array.ndim)])
    result = made.reshape(shape)
    if kwargs.get("out") is not None:
        kwargs["out"][0][...] = result
    return result[()] if not shape else result


# --- functions that are no ufuncs ---


def where(condition: Any, *branches: Any) -> Any:
    """Return np.where: x where the condition holds, y elsewhere; the indices where it holds, if it is alone."""
    if not branches:
        return np.nonzero(np.asarray(condition).astype(bool))
    return _ours(_where(_bare(condition), *[_bare(x) for x in branches]))


def select(conditions: Sequence[Any], choices: Sequence[Any], default: Any = 0.0) -> Any:
    """Return np.select: the choice that goes with the first condition that holds."""
    if len(conditions) != len(choices) or not len(conditions):
        raise ValueError(f"select takes a choice for each condition, got {len(choices)} for {len(conditions)}")
    result = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        result = where(condition, choice, result)
    return result


def clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None, **others: Any
) -> Any:
    """Return np.clip; a bound that is None is none."""
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


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return np.linalg.norm; the Euclidean one is one operation, whose derivative at zero is 0."""
    of_vectors = isinstance(axis, int) or (axis is None and np.ndim(x) == 1)
    if np.size(x) and (ord is None or (ord == 2 and of_vectors) or (ord == "fro" and not of_vectors)):
        return _ours(_reduced(primitives.norm, _bare(x), {"axis": axis, "keepdims": keepdims}))
    return _by_numpy(np.linalg.norm, x, ord, axis, keepdims)


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Return np.nan_to_num: nan and the infinities replaced by numbers."""
    high = np.finfo(float).max if posinf is None else posinf
    low = -np.finfo(float).max if neginf is None else neginf
    finite = select([np.isnan(x), np.equal(x, math.inf), np.equal(x, -math.inf)], [nan, float(high), float(low)], x)
    if copy:
        return finite
    x[...] = finite
    return x


def copy_to(dst: Any, src: Any, **kwargs: Any) -> None:
    """Do what np.copyto does; it is how np.nansum and the like leave elements out."""
    if _is_mask(kwargs.get("where")):
        src = where(kwargs.pop("where"), src, dst)
    _by_numpy(np.copyto, dst, src, **kwargs)


_OTHERS: dict[Any, Callable[..., Any]] = {
    np.where: where,
    np.select: select,
    np.clip: clip,
    np.nan_to_num: nan_to_num,
    np.copyto: copy_to,
    np.linalg.norm: norm,
}


# --- masks of conditions ---


def _is_mask(index: Any) -> bool:
    """Return whether an index is an array of conditions."""
    return isinstance(index, np.ndarray) and index.dtype == object and all(map(_is_condition, index.ravel().tolist()))


def _decided(index: Any) -> Any:
    """Return the index with each condition in it decided, which makes it a guard.

    Raises TracingError where it holds a number of the program.
    """
    if isinstance(index, tuple):
        return tuple([_decided(part) for part in index])
    if isinstance(index, list) and any(map(_is_value, index)):
        index = np.array(index, dtype=object)
    if _is_mask(index):
        return index.view(np.ndarray).astype(bool)
    for x in index.ravel().tolist() if isinstance(index, np.ndarray) else [index]:
        if _is_value(x):
            operator.index(x)  # which says why not
    return index
