"""What Python and numpy ask of a number: comparisons, text, conversions, and functions under numpy's names.

`Value` is one, with a graph behind it. A Number is known here by its `data`, `op`, `grad` and `label`, and by the hook
`__apply__` through which primitives record. Leaving the graph is always explicit: conversions are refused, and say how.

    >>> from autodiff import Value
    >>> x = Value(0.5)
    >>> x < 1, f"{x:.2f}", x.arctan2(2.0).op
    (True, '0.50', <primitive arctan2>)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, cast

from autodiff import floats, modes, primitives
from autodiff.hints import listed
from autodiff.primitives.public import UnaryMethods, method

if TYPE_CHECKING:
    from autodiff.value import Value


def data_of(x: Any) -> float:
    """`x.data` as a float. Raises TypeError, naming x, if what was assigned to it is not a number."""
    data = x.data
    return data if type(data) is float else as_given(x, "data", data)


_ADVICE = {"data": "assign a number: x.data = other.data", "grad": "clear it with x.grad = 0.0"}


def as_given(x: Any, name: str, number: Any) -> float:
    """What was assigned to the data or grad of a Value, as a float. Raises TypeError, naming x, if it is not a number.

    Without the native core it is asked when the number is used: a check at the assignment itself would cost what it
    takes to assign ten times over.
    """
    try:
        return floats.as_float(number)
    except TypeError as error:
        which = f"the Value labelled {x.label!r}" if x.label else "a Value"
        kind = type(number).__name__
        raise TypeError(f"{which} was given a {kind} as .{name}, expected a float; {_ADVICE[name]}") from error


def assigned(x: Any, name: modes.Change, number: Any) -> float:
    """The float to store where a number is assigned to the data or grad of a Value: asked by the native core.

    None clears a grad. Raises TypeError, naming x, for what is not a number, and what a reading under way refuses.
    """
    reading = modes.reading()
    if reading is not None:
        reading.refuse_change(x, name)
    return 0.0 if number is None and name == "grad" else as_given(x, name, number)


def with_numbers(operands: Sequence[Any]) -> tuple[tuple[Any, ...], list[float]]:
    """The operands of any kind of number, as Values and floats, and the floats that they hold."""
    given = tuple([x if isinstance(x, Number) else floats.as_float(x) for x in map(floats.unboxed, operands)])
    return given, [data_of(x) if isinstance(x, Number) else x for x in given]


class Number(UnaryMethods):
    """A number to Python and numpy; the base class of Value."""

    __slots__ = ()

    __apply__: Any

    # --- comparisons: of data ---
    # fmt: off
    def __eq__(self, other: object) -> Any: return compared("==", self, other)
    def __ne__(self, other: object) -> Any: return compared("!=", self, other)
    def __lt__(self, other: Any) -> Any: return compared("<", self, other)
    def __le__(self, other: Any) -> Any: return compared("<=", self, other)
    def __gt__(self, other: Any) -> Any: return compared(">", self, other)
    def __ge__(self, other: Any) -> Any: return compared(">=", self, other)
    # fmt: on

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return bool(self != 0.0)

    # --- text ---

    def __repr__(self: Any) -> str:
        parts = [f"{self.data!r}, grad={self.grad!r}"]
        if self.op is not None:
            parts.append(f"op={self.op.name}")
        if self.label:
            parts.append(f"label={self.label!r}")
        return f"Value({', '.join(parts)})"

    def __dir__(self) -> list[str]:
        return listed(self)

    def __format__(self, spec: str) -> str:
        return format(data_of(self), spec) if spec else repr(self)

    # --- leaving the graph is always explicit ---

    def __float__(self) -> NoReturn:
        raise TypeError(
            "float() of a Value would lose its gradient: take x.data to leave the graph on purpose, or stay in it, "
            "with autodiff.exp(x) for math.exp(x), and an array of dtype object in numpy"
        )

    def __int__(self) -> NoReturn:
        raise TypeError(
            "int() of a Value would lose its gradient: take int(x.data) to leave the graph on purpose, or stay in it, "
            "with math.floor(x), round(x) or autodiff.floor(x)"
        )

    def as_integer_ratio(self) -> NoReturn:
        """Raise TypeError: the ratio would leave the graph. statistics.mean and Fraction ask for it.

        >>> from autodiff import Value
        >>> Value(0.5).as_integer_ratio()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        TypeError: the exact ratio of a Value, which statistics.mean and Fraction ask for, would lose its gradient: ...
        """
        raise TypeError(
            "the exact ratio of a Value, which statistics.mean and Fraction ask for, would lose its gradient: take "
            "x.data to leave the graph on purpose, or stay in it, with autodiff.mean(values)"
        )

    # --- numpy's protocol: single Values among its functions' arguments ---

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return _arrays().boxed(self, dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return _arrays().of_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _arrays().of_function(function, args, kwargs)

    # --- functions under numpy's names, beside those of the table, so that np.fabs(array_of_values) calls them ---

    __abs__ = method(primitives.abs)
    __floor__ = method(primitives.floor)
    __ceil__ = method(primitives.ceil)

    def __trunc__(self) -> Value:
        return cast("Value", primitives.where(self < 0.0, self.ceil(), self.floor()))

    def __round__(self, digits: int | None = None) -> Value:
        return cast("Value", primitives.round(self, digits or 0))

    def rint(self) -> Value:
        """The nearest whole number, halves to even.

        >>> from autodiff import Value
        >>> Value(2.5).rint()
        Value(2.0, grad=0.0, op=round)
        """
        return round(self)

    def conjugate(self: Any) -> Value:
        """The number itself, as it is real; np.var and np.std ask for it.

        >>> from autodiff import Value
        >>> Value(2.5).conjugate()
        Value(2.5, grad=0.0)
        """
        return cast("Value", self)

    def fabs(self) -> Value:
        """The absolute value; np.fabs asks for it.

        >>> from autodiff import Value
        >>> Value(-2.5).fabs()
        Value(2.5, grad=0.0, op=abs)
        """
        return abs(self)

    def radians(self: Any) -> Value:
        """The angle in radians of one in degrees; np.radians and np.deg2rad ask for it.

        >>> from autodiff import Value
        >>> Value(180.0).radians()
        Value(3.141592653589793, grad=0.0, op=mul)
        """
        return cast("Value", self * (math.pi / 180.0))

    def degrees(self: Any) -> Value:
        """The angle in degrees of one in radians; np.degrees and np.rad2deg ask for it.

        >>> from autodiff import Value
        >>> Value(math.pi).degrees()
        Value(180.0, grad=0.0, op=mul)
        """
        return cast("Value", self * (180.0 / math.pi))

    deg2rad, rad2deg = radians, degrees

    def arctan2(self, x: Any) -> Value:
        """The angle of the point (x, self), from -pi to pi.

        >>> from autodiff import Value
        >>> Value(1.0).arctan2(-1.0)
        Value(2.356194490192345, grad=0.0, op=arctan2)
        """
        return cast("Value", primitives.arctan2(self, x))

    def hypot(self, other: Any) -> Value:
        """The length of the vector (self, other).

        >>> from autodiff import Value
        >>> Value(3.0).hypot(4.0)
        Value(5.0, grad=0.0, op=hypot)
        """
        return cast("Value", primitives.hypot(self, other))


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compared(symbol: str, left: Any, right: Any) -> Any:
    """The comparison of the data of a Number with a number or another Number: a bool, or of an array an array."""
    reading = modes.current() and modes.reading()
    if reading is not None:
        return reading.compare(symbol, left, right)
    result = _COMPARISONS[symbol](data_of(left), data_of(right) if isinstance(right, Number) else right)
    return bool(result) if getattr(result, "shape", None) == () else result  # numpy's scalars give one of numpy's


@cache
def _arrays() -> Any:
    """The module that knows numpy, which is loaded by then: numpy has called."""
    from autodiff import arrays

    return arrays
