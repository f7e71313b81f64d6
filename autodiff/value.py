"""Value: a number in a computation graph, and `backward`, which differentiates it.

Arithmetic on Values records the graph. Each result remembers the primitive that made it, its operands, and the local
gradient with respect to each operand, taken then and there. `backward` walks that record in reverse topological order
and multiplies each node's upstream gradient by its local gradients:

    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> z = x * y + x.sin()
    >>> z.backward()
    >>> x.grad, y.grad  # y + cos x, x
    (1.0100075033995546, 3.0)
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence, Sized
from functools import cache
from operator import mul
from typing import Any, Never, NoReturn, Self, cast

from autodiff import copying, floats, modes, primitives
from autodiff.assigned import data_of
from autodiff.backward import accumulate, order_on_sound_leaves
from autodiff.chain import NOTHING, Nothing
from autodiff.graph import FORGOTTEN
from autodiff.hints import (
    ELSEWHERE_ON_VALUES,
    OWN_OPERATION,
    PRIVATE_ELSEWHERE_ON_VALUES,
    Elsewhere,
    missing,
    unexpected,
)
from autodiff.primitives import TABLE, Primitive
from autodiff.sources import Source, user_source, user_source_and_model

_new = object.__new__
_PLAIN = frozenset((float, int, bool))  # isinstance(x, Value) takes twice as long for these, below Python 3.12


def _method(primitive: Primitive) -> Callable[[Value], Value]:
    """Return the method of Value that applies a primitive of one operand."""

    def method(self: Value) -> Value:
        return self.__apply__(primitive, (self,))

    name = primitive.name
    method.__name__ = name
    method.__qualname__ = f"Value.{name}"
    (x,) = primitive.example()
    example = f"abs(Value({x}))" if name == "abs" else f"Value({x}).{name}()"
    summary = str(primitive.__doc__).partition("\n\n>>>")[0]
    method.__doc__ = f"{summary}\n\n>>> {example}\nValue({primitive(x)!r}, grad=0.0, op={name})"
    return method


if sys.version_info >= (3, 12):
    _Listed = type
else:

    class _Listed(type):
        """A class whose dir(), which help() and completion read, leaves out the names of other libraries."""

        def __dir__(cls) -> list[str]:
            return [name for name in type.__dir__(cls) if _is_ours(cls, name)]


class Value(metaclass=_Listed):
    """A number that remembers how it was made; `Value(data, label="")` is a leaf of the graph.

    Attributes:
        data: the number, a float. Assigning changes no gradient that was already recorded.
        grad: d(root)/d(self) from `backward`, a float, 0.0 at first. It accumulates in leaves, over calls; an interior
            node has that of the last call. `x.grad = 0.0` clears, and so does None.
        label: a name for drawings and repr.
        op: the Primitive that made it, None for a leaf.
        operands: what it was made from, in order: Values, and constants as floats.
        local_gradients: d(self)/d(operand), floats, in the same order.
        is_result: whether an operation gave it, even if as a leaf.
        source: where it was made, inside `record_source()`; else None.

    Comparisons (== != < <= > >=) compare data, with numbers or Values, and give a bool; `bool(x)` is `x.data != 0`. The
    hash is identity, as with tensors, so that Values can be keys of dicts and members of sets. They take no weak
    references, which would cost every node 8 bytes: Python's TypeError says so. Instances of a subclass do.

    Any number is an operand: int, float, bool, Fraction, Decimal, numpy scalars. A constant operand is no node.

    There is room for no other attribute: keep an optimiser's state beside, in a dict by Value. An operation of your own
    is a `primitive`.

    Raises TypeError for data that is no real number, or a label that is no string. Assign numbers alone to data and
    grad: anything else is a TypeError, which names the label, when it is used next, and before anything has changed.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> c = a * b + 1
    >>> c
    Value(-5.0, grad=0.0, op=add)
    >>> c.backward()
    >>> a.grad, b.grad
    (-3.0, 2.0)
    """

    __slots__ = {  # with what help() says about each
        "_label": "What `label` returns.",
        "data": "The number, a float.",
        "grad": "d(root)/d(self) from `backward`, a float; accumulates in leaves.",
        "local_gradients": "d(self)/d(operand), floats, in the order of the operands.",
        "op": "The Primitive that made it, None for a leaf.",
        "operands": "What it was made from, in order: Values, and constants as floats.",
    }

    data: float
    grad: float
    op: Primitive | None
    operands: tuple[Value | float, ...]
    local_gradients: tuple[float, ...]
    _label: str
    source: Source | None = None  # SourcedValue has slots for these; here they cost nothing
    _model: Any = None

    def __new__(cls, data: Any = None, label: Any = "", *others: Any, **named: Any) -> Self:
        if (others or named) and cls is Value:
            raise unexpected("Value(...)", "a number and a label", named, 2 + len(others))
        mode = modes.current() and modes.now()
        if mode is None or not mode.sourcing or cls is not Value:
            return _new(cls)
        node = _new(SourcedValue)
        node.source, model = user_source_and_model()
        node._model = model if data is None else None  # a parameter would hold the model that holds it
        return cast(Self, node)

    def __init__(self, data: Any, label: str = "") -> None:
        if isinstance(data, Value):
            raise TypeError(f"Value(...) takes a number, got {data!r}; use it as it is, or .detach() without gradient")
        self.data = floats.as_float(data)
        self.grad = 0.0
        self.op = None
        self.operands = self.local_gradients = ()
        self.label = label
        modes.log_leaves((self,))

    __new__.__wrapped__ = __init__  # type: ignore[attr-defined]  # whose signature help() shows

    @property
    def label(self) -> str:
        """The name shown in drawings and repr."""
        return self._label

    @label.setter
    def label(self, label: str) -> None:
        if not isinstance(label, str):
            kind = type(label).__name__
            if kind in ("tuple", "list", "set"):  # what other engines take there: the operands
                raise TypeError(f"a label is a string, got {kind}; {OWN_OPERATION}")
            raise TypeError(f"a label is a string, got {kind} {label!r}; write label={str(label)!r}")
        self._label = label

    @property
    def is_result(self) -> bool:
        """Whether an operation gave it, even if as a leaf: by `detach()`, or inside `no_grad()`.

        >>> x = Value(3.0)
        >>> x.is_result, (x * x).is_result, (x * x).detach().is_result, Value((x * x).data).is_result
        (False, True, True, False)
        """
        return self.op is not None or self.operands is FORGOTTEN

    def detach(self) -> Value:
        """Return a leaf with the same data: no gradient flows through it, and no model trains it.

        >>> x = Value(3.0)
        >>> y = x * x.detach()
        >>> y.backward()
        >>> x.grad
        3.0
        """
        reading = modes.reading()
        return result_leaf(data_of(self)) if reading is None else cast(Value, reading.detach(self))

    # --- the backward pass ---

    def backward(self, gradient: float = 1.0, **others: Never) -> None:
        """Add d(self)/d(leaf) * gradient to the grad of every leaf that self was made from.

        The chain rule, in reverse topological order: when a node's turn comes, everything made from it has passed on
        its share, so the node's grad is complete, and each operand gets that times the local gradient. Interior nodes
        start afresh at every call; leaves accumulate. What was not taken contributes nothing, whatever its derivative,
        inf or nan: the branch that `where`, relu or max did not choose, a factor that is the constant 0, the zero slope
        of a step. A gradient that was computed, and happens to be 0, is a number as any other: 0 * inf is nan.

        Cost: linear in the size of the graph, at most a few times that of recording it. Passes of several threads take
        turns, so that leaves they share lose nothing.

        Raises FloatingPointError inside `detect_anomaly()` at the first gradient that is not finite, before any
        gradient has changed.

        >>> x = Value(4.0)
        >>> y = x * x
        >>> y.backward(); y.backward()
        >>> x.grad
        16.0
        """
        if others:
            raise unexpected("backward()", "a gradient to start from", others)
        reading = modes.reading()
        if reading is not None:
            reading.refuse_change(self, "backward")
        accumulate(order_on_sound_leaves(self), {self: floats.as_float(gradient)})

    # --- recording ---

    @classmethod
    def __apply__(cls, primitive: Primitive, operands: tuple[Any, ...]) -> Value:
        """Return the node that `primitive` makes of `operands`: the hook through which primitives record."""
        mode = modes.current() and modes.now()
        if mode is not None and mode.reading is not None:
            return cast(Value, mode.reading.apply(primitive, operands))
        numbers = [x.data if type(x) is Value else x for x in operands]
        if set(map(type, numbers)) != {float}:  # other kinds of numbers, Values of a subclass, or a mistake
            operands = tuple([x if isinstance(x, Value) else floats.as_float(x) for x in map(floats.unboxed, operands)])
            numbers = [data_of(x) if isinstance(x, Value) else x for x in operands]
        data = primitive.evaluate(*numbers)
        if mode is None:
            return _made(data, primitive, operands, local_gradients_at(primitive, data, operands, numbers))
        if mode.checking and data - data != 0.0:
            raise FloatingPointError(f"{modes.made_from(primitive, data, operands)}\n  at {user_source()}")
        if not mode.recording:
            return result_leaf(data, mode)
        return node_of(data, primitive, operands, local_gradients_at(primitive, data, operands, numbers))

    # --- arithmetic ---
    # The hottest operations stand here in full, ten times as fast as through the table, and leave to it whatever is not
    # two plain floats and nothing ambient. Tests tie each to its entry.

    def __add__(self, other: Any) -> Value:
        if type(other) is int:
            other = float(other)
        x, y = self.data, other.data if type(other) is Value else other
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x + y, primitives.add, (self, other), (1.0, 1.0))
        return _operator(primitives.add, self, other, other)

    def __sub__(self, other: Any) -> Value:
        if type(other) is int:
            other = float(other)
        x, y = self.data, other.data if type(other) is Value else other
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x - y, primitives.sub, (self, other), (1.0, -1.0))
        return _operator(primitives.sub, self, other, other)

    def __mul__(self, other: Any) -> Value:
        if type(other) is int:
            other = float(other)
        x, y = self.data, other.data if type(other) is Value else other
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x * y, primitives.mul, (self, other), (y or _zero(y, other), x))
        return _operator(primitives.mul, self, other, other)

    def __truediv__(self, other: Any) -> Value:
        if type(other) is int:
            other = float(other)
        x, y = self.data, other.data if type(other) is Value else other
        if type(x) is float and type(y) is float and y and modes.current() is None:
            data = x / y
            return _made(data, primitives.div, (self, other), (1.0 / y or _zero(1.0 / y, other), -data / y))
        return _operator(primitives.div, self, other, other)

    def __neg__(self) -> Value:
        x = self.data
        if type(x) is float and modes.current() is None:
            return _made(-x, primitives.neg, (self,), (-1.0,))
        return self.__apply__(primitives.neg, (self,))

    def __radd__(self, other: Any) -> Value:
        if type(other) is int:
            other = float(other)
        x, y = other, self.data
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x + y, primitives.add, (other, self), (1.0, 1.0))
        return _operator(primitives.add, other, self, other)

    def __rsub__(self, other: Any) -> Value:
        if type(other) is int:
            other = float(other)
        x, y = other, self.data
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x - y, primitives.sub, (other, self), (1.0, -1.0))
        return _operator(primitives.sub, other, self, other)

    def __rmul__(self, other: Any) -> Value:
        if type(other) is int:
            other = float(other)
        x, y = other, self.data
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x * y, primitives.mul, (other, self), (y, x or NOTHING))
        return _operator(primitives.mul, other, self, other)

    def __rtruediv__(self, other: Any) -> Value:
        if type(other) is int:
            other = float(other)
        x, y = other, self.data
        if type(x) is float and type(y) is float and y and modes.current() is None:
            data = x / y
            return _made(data, primitives.div, (other, self), (1.0 / y, -data / y if x else NOTHING))
        return _operator(primitives.div, other, self, other)

    def __pow__(self, other: Any) -> Value:
        if type(other) is int:
            other = float(other)
        x, y = self.data, other.data if type(other) is Value else other
        if type(x) is float and type(y) is float and x and y and modes.current() is None:
            data = floats.power(x, y)
            slope = y * floats.power(x, y - 1.0)
            return _made(data, primitives.pow, (self, other), (slope, data * floats.log(x)))
        return _operator(primitives.pow, self, other, other)

    def __rpow__(self, other: Any) -> Value:
        return _operator(primitives.pow, other, self, other)

    def __mod__(self, other: Any) -> Value:
        return _operator(primitives.mod, self, other, other)

    def __rmod__(self, other: Any) -> Value:
        return _operator(primitives.mod, other, self, other)

    def __floordiv__(self, other: Any) -> Value:
        return _operator(primitives.floordiv, self, other, other)

    def __rfloordiv__(self, other: Any) -> Value:
        return _operator(primitives.floordiv, other, self, other)

    def __divmod__(self, other: Any) -> tuple[Value, Value]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Value, Value]:
        return other // self, other % self

    def __pos__(self) -> Value:
        return self

    __abs__ = _method(primitives.abs)
    __floor__ = _method(primitives.floor)
    __ceil__ = _method(primitives.ceil)

    def __trunc__(self) -> Value:
        return cast(Value, primitives.where(self < 0.0, self.ceil(), self.floor()))

    def __round__(self, digits: int | None = None) -> Value:
        return self.__apply__(primitives.round, (self, digits or 0))

    # --- the table's functions, under numpy's names, so that np.exp(array_of_values) calls them ---

    exp, exp2, expm1 = _method(primitives.exp), _method(primitives.exp2), _method(primitives.expm1)
    log, log2, log10 = _method(primitives.log), _method(primitives.log2), _method(primitives.log10)
    log1p, sqrt, cbrt = _method(primitives.log1p), _method(primitives.sqrt), _method(primitives.cbrt)
    sin, cos, tan = _method(primitives.sin), _method(primitives.cos), _method(primitives.tan)
    arcsin, arccos, arctan = _method(primitives.arcsin), _method(primitives.arccos), _method(primitives.arctan)
    sinh, cosh, tanh = _method(primitives.sinh), _method(primitives.cosh), _method(primitives.tanh)
    arcsinh, arccosh, arctanh = _method(primitives.arcsinh), _method(primitives.arccosh), _method(primitives.arctanh)
    sign, floor, ceil = _method(primitives.sign), _method(primitives.floor), _method(primitives.ceil)
    square, reciprocal = _method(primitives.square), _method(primitives.reciprocal)
    erf, erfc, sigmoid = _method(primitives.erf), _method(primitives.erfc), _method(primitives.sigmoid)
    softplus, relu = _method(primitives.softplus), _method(primitives.relu)
    silu, gelu = _method(primitives.silu), _method(primitives.gelu)

    def rint(self) -> Value:
        """Return the nearest whole number, halves to even.

        >>> Value(2.5).rint()
        Value(2.0, grad=0.0, op=round)
        """
        return round(self)

    def conjugate(self) -> Value:
        """Return self, a real number; np.var and np.std ask for it.

        >>> Value(2.5).conjugate()
        Value(2.5, grad=0.0)
        """
        return self

    def fabs(self) -> Value:
        """Return the absolute value; np.fabs asks for it.

        >>> Value(-2.5).fabs()
        Value(2.5, grad=0.0, op=abs)
        """
        return abs(self)

    def radians(self) -> Value:
        """Return the angle in radians, self in degrees; np.radians and np.deg2rad ask for it.

        >>> Value(180.0).radians()
        Value(3.141592653589793, grad=0.0, op=mul)
        """
        return self * (math.pi / 180.0)

    def degrees(self) -> Value:
        """Return the angle in degrees, self in radians; np.degrees and np.rad2deg ask for it.

        >>> Value(math.pi).degrees()
        Value(180.0, grad=0.0, op=mul)
        """
        return self * (180.0 / math.pi)

    deg2rad, rad2deg = radians, degrees

    def arctan2(self, x: Any) -> Value:
        """Return the angle of the point (x, self), from -pi to pi.

        >>> Value(1.0).arctan2(-1.0)
        Value(2.356194490192345, grad=0.0, op=arctan2)
        """
        return self.__apply__(primitives.arctan2, (self, x))

    def hypot(self, other: Any) -> Value:
        """Return the length of the vector (self, other).

        >>> Value(3.0).hypot(4.0)
        Value(5.0, grad=0.0, op=hypot)
        """
        return self.__apply__(primitives.hypot, (self, other))

    # --- comparisons: of data ---

    def __eq__(self, other: object) -> Any:
        if modes.current() is not None and (reading := modes.reading()) is not None:
            return reading.compare("==", self, other)
        x, y = self.data, other.data if type(other) is Value else other
        return x == y if type(x) is float and type(y) in _PLAIN else data_of(self) == _number(other)

    def __ne__(self, other: object) -> Any:
        if modes.current() is not None and (reading := modes.reading()) is not None:
            return reading.compare("!=", self, other)
        x, y = self.data, other.data if type(other) is Value else other
        return x != y if type(x) is float and type(y) in _PLAIN else data_of(self) != _number(other)

    def __lt__(self, other: Any) -> Any:
        if modes.current() is not None and (reading := modes.reading()) is not None:
            return reading.compare("<", self, other)
        x, y = self.data, other.data if type(other) is Value else other
        return x < y if type(x) is float and type(y) in _PLAIN else data_of(self) < _number(other)

    def __le__(self, other: Any) -> Any:
        if modes.current() is not None and (reading := modes.reading()) is not None:
            return reading.compare("<=", self, other)
        x, y = self.data, other.data if type(other) is Value else other
        return x <= y if type(x) is float and type(y) in _PLAIN else data_of(self) <= _number(other)

    def __gt__(self, other: Any) -> Any:
        if modes.current() is not None and (reading := modes.reading()) is not None:
            return reading.compare(">", self, other)
        x, y = self.data, other.data if type(other) is Value else other
        return x > y if type(x) is float and type(y) in _PLAIN else data_of(self) > _number(other)

    def __ge__(self, other: Any) -> Any:
        if modes.current() is not None and (reading := modes.reading()) is not None:
            return reading.compare(">=", self, other)
        x, y = self.data, other.data if type(other) is Value else other
        return x >= y if type(x) is float and type(y) in _PLAIN else data_of(self) >= _number(other)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return bool(self != 0.0)

    # --- text ---

    def __repr__(self) -> str:
        parts = [f"{self.data!r}, grad={self.grad!r}"]
        if self.op is not None:
            parts.append(f"op={self.op.name}")
        if self._label:
            parts.append(f"label={self._label!r}")
        return f"Value({', '.join(parts)})"

    def __format__(self, spec: str) -> str:
        return format(data_of(self), spec) if spec else repr(self)

    def __dir__(self) -> list[str]:
        return [name for name in sorted(object.__dir__(self)) if name[0] != "_" and _is_ours(type(self), name)]

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

    # --- copies, without recursion ---

    def __copy__(self) -> Value:
        reading = modes.reading()
        return cast(Value, copying.clone(self, self.operands) if reading is None else reading.copy(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        reading = modes.reading()
        return cast(Value, copying.deep_copy(self, memo) if reading is None else reading.detach(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return copying.reduced(self)


class SourcedValue(Value):
    """A Value made inside `record_source()`: it has room for its source, and for the model whose call made it."""

    __slots__ = ("_model", "source")

    source: Source | None
    _model: Any


@cache
def _arrays() -> Any:
    """Return the module that knows numpy, which is loaded by then: numpy has called."""
    from autodiff import arrays

    return arrays


def _number(x: Any) -> Any:
    """Return the data of a Value, and anything else as it is."""
    return data_of(x) if isinstance(x, Value) else x


def _is_ours(kind: type, name: str) -> bool:
    return not isinstance(getattr(kind, name, None), Elsewhere)


# The functions that are no methods are what other libraries have as methods.
_ELSEWHERE = {**{name: f"it is a function: autodiff.{name}" for name in TABLE}, **ELSEWHERE_ON_VALUES}
_NAMES = tuple([name for name in sorted(vars(Value)) if name[0] != "_"])


def _missing(self: Value, name: str) -> NoReturn:
    """Raise the AttributeError for a name that a Value does not have."""
    if name[:2] == "__" or name in _NAMES:  # what Python and numpy look for; a slot that is not filled yet
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
    raise missing(f"{type(self).__name__!r} object", name, _NAMES, _ELSEWHERE)


# A __getattr__ makes Python 3.11 look up every attribute of a Value four times as slowly, and record and differentiate
# a chain a third more slowly; later ones are as fast with it. So there the names of other libraries stand on the class,
# which hides them, and misspellings are left to Python's own suggestions. Standing there they are met by assignments,
# too: a __setattr__ would slow those of data and grad on any Python. A metaclass that hides them makes isinstance of a
# float take three times as long from Python 3.12 on, so that there the class has those alone that are hidden anyway.
if sys.version_info >= (3, 12):
    Value.__getattr__ = _missing  # type: ignore[attr-defined]
for _name in PRIVATE_ELSEWHERE_ON_VALUES if sys.version_info >= (3, 12) else _ELSEWHERE.keys() - set(_NAMES):
    setattr(Value, _name, Elsewhere(_missing, _name))


def _made(data: float, op: Primitive, operands: tuple[Any, ...], local_gradients: tuple[float, ...]) -> Value:
    """Return an interior node; trusts its arguments."""
    node = _new(Value)
    node.data = data
    node.grad = 0.0
    node.op = op
    node.operands = operands
    node.local_gradients = local_gradients
    node._label = ""
    return node


def node_of(data: float, op: Primitive, operands: tuple[Any, ...], local_gradients: Sequence[float]) -> Value:
    """Return an interior node, with its source inside `record_source()`; trusts its arguments."""
    node = Value.__new__(Value)
    node.data, node.grad, node._label = data, 0.0, ""
    node.op, node.operands = op, operands
    node.local_gradients = cast(tuple[float, ...], local_gradients)
    return node


def result_leaf(data: float, mode: modes.Mode | None = None) -> Value:
    """Return a leaf that holds the result of an operation, which is not recorded, in the mode where that is known."""
    if mode is None or mode.sourcing:
        leaf = Value(data)
    else:  # in a third of the time
        leaf = _new(Value)
        leaf.data, leaf.grad, leaf._label = data, 0.0, ""
        leaf.op, leaf.local_gradients = None, ()
        modes.log_leaves((leaf,))
    leaf.operands = FORGOTTEN
    return leaf


def leaves_of(numbers: Iterable[float]) -> list[Value]:
    """Return a leaf for each float, as `Value(number)` would make it, several times as fast."""
    mode = modes.current() and modes.now()
    if mode is not None:
        return [Value(x) for x in numbers]
    made = []
    for x in numbers:
        leaf = _new(Value)
        leaf.data, leaf.grad, leaf._label = x, 0.0, ""
        leaf.op, leaf.operands, leaf.local_gradients = None, (), ()
        made.append(leaf)
    modes.log_leaves(made)
    return made


def dot_of_lists(w: list[Any], x: list[Any]) -> Value | None:
    """Return the node of dot(w, x), or None for what is not plain: the hottest function, written out for speed.

    Lists of Values alone or floats alone, of one length, are plain. It takes half the time of the table's way. One pair
    is left to that, for the backward pass takes the local gradients of two operands as they stand.
    """
    w_data, x_data = _data_of_list(w), _data_of_list(x)
    if w_data is None or x_data is None or (w_data is w and x_data is x) or len(w) == 1 or modes.current() is not None:
        return None
    data = sum(map(mul, w_data, x_data), -0.0)
    return _made(data, primitives.dot, (*w, *x), (*x_data, *w_data))


def _data_of_list(numbers: list[Any]) -> list[float] | None:
    kinds = set(map(type, numbers))
    if kinds == {Value}:
        numbers = [x.data for x in numbers]
        kinds = set(map(type, numbers))
    return numbers if kinds == {float} else None


def _operator(primitive: Primitive, left: Any, right: Any, other: Any) -> Value:
    """Return primitive(left, right), where `other` is the one of them that the operator was called with.

    Arrays get NotImplemented, so that numpy and pandas broadcast over Values; so does what is no number, but may know
    how to combine itself with a Value.
    """
    kind = type(other)
    is_array = hasattr(kind, "__array__") and issubclass(kind, Sized)
    if is_array or not (hasattr(kind, "__float__") or issubclass(kind, floats.NEVER_NUMBERS)):
        return cast(Value, NotImplemented)
    return cast(Value, primitive(left, right))


def _zero(zero: float, operand: Any) -> float:
    """Return a local gradient of 0.0 or -0.0 that was made of an operand: NOTHING where that is a constant."""
    return zero if isinstance(operand, Value) else NOTHING


def local_gradients_at(
    primitive: Primitive, data: float, operands: Sequence[Any], numbers: Sequence[float]
) -> tuple[float, ...]:
    """Return the local gradients as floats, with IEEE 754 answers, of operands that hold these numbers.

    One that is a plain 0 when the rule is read with Values, in the place of the operands that are Values, is NOTHING.
    """
    gradients = read(primitive.name, primitive.local_gradients, [data, *numbers])
    if not primitive.scales or not (0.0 in gradients or 0.0 in numbers):
        return gradients
    try:
        with modes.on_numbers_alone():
            values = [Value(y) if isinstance(x, Value) else x for x, y in zip(operands, numbers, strict=True)]
            again = primitive.local_gradients(Value(data), *values)
    except (ArithmeticError, TypeError, ValueError):
        return gradients
    return tuple([y if isinstance(z, Value) or z else NOTHING for y, z in zip(gradients, again, strict=True)])


_FLOATS = {float, Nothing}


def read(name: str, rule: Callable[..., tuple[Any, ...]], numbers: list[float]) -> tuple[float, ...]:
    """Return rule(*numbers) as floats.

    Ordinary arithmetic on floats raises where IEEE 754 has an answer (1 / 0), or leaves the real line ((-2) ** 0.5).
    Arithmetic on Values does neither, so a rule that did is read again with Values.

    Raises TypeError, naming the primitive, for a rule that cannot be read with Values or gives something else than
    numbers, or a Value of its own, whose gradient would be lost.
    """
    try:
        results = rule(*numbers)
        kinds = set(map(type, results))
        if kinds <= _FLOATS:
            return results
        if complex in kinds:
            raise ArithmeticError(f"{name} left the real line")
        if any(issubclass(kind, Value) for kind in kinds):
            raise TypeError(
                f"{name} gave a Value for plain numbers, so it closes over a Value, whose gradient would be lost; "
                "make that one an operand"
            )
    except (ArithmeticError, ValueError) as error:
        results = _read_with_values(name, rule, numbers, error)
    try:
        return tuple([x if x is NOTHING else floats.as_float(x) for x in results])
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from error


def _read_with_values(
    name: str, rule: Callable[..., tuple[Any, ...]], numbers: list[float], cause: Exception
) -> tuple[Any, ...]:
    try:
        with modes.on_numbers_alone():
            results = rule(*map(Value, numbers))
    except (ArithmeticError, ValueError):  # the rule's own word on these numbers
        raise
    except Exception as error:  # what code that is made for floats alone makes of a Value
        raise TypeError(
            f"{name} raised {cause!r} on the numbers {numbers}, and cannot be read with Values instead ({error}); "
            "write it in arithmetic and the functions of autodiff: autodiff.exp for math.exp"
        ) from cause
    return tuple([x.data if isinstance(x, Value) else x for x in results])
