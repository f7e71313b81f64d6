"""Value: a number in a computation graph, and `backward`, which differentiates it.

Arithmetic on Values records the graph. Each result remembers the primitive that made it, its operands, and the local
gradient with respect to each operand, taken then and there. `backward` walks that record in reverse topological order
and multiplies each node's upstream gradient by its local gradients:

    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> z = x * y + x.sin()
    >>> z.backward()
    >>> x.grad, y.grad  # y + cos x, x
    (1.0100075033995546, 3.0)

The rules of differentiation stand in the table, `primitives/`; how they combine, in `chain.py`. `fast.py` has the
hottest of the methods below once more, written out for speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sized
from contextvars import copy_context
from typing import Any, Never, Self, cast

from autodiff import backprop, copying, floats, modes, primitives
from autodiff.graph import FORGOTTEN
from autodiff.hints import ELSEWHERE_ON_VALUES, Listed, answer_for, unexpected
from autodiff.native import Node
from autodiff.number import Number, data_of, with_numbers
from autodiff.primitives import TABLE, Primitive
from autodiff.primitives.on_floats import local_gradients_at
from autodiff.sources import Source, user_source, user_source_and_model


class Value(Number, Node, metaclass=Listed):
    """A number that remembers how it was made; `Value(data, label="")` is a leaf of the graph.

    Attributes:
        data: the number, a float. Assigning changes no gradient that was already recorded.
        grad: d(root)/d(self) from `backward`, a float, 0.0 at first. It accumulates in leaves, over calls; an interior
            node has the gradient of the last call. `x.grad = 0.0` clears, and so does None.
        label: a name for drawings and repr.
        op: the Primitive that made it, None for a leaf.
        operands: what it was made from, in order: Values, and constants as floats.
        local_gradients: d(self)/d(operand), floats, in the same order.
        is_result: whether an operation made it, even if as a leaf.
        source: where it was made, inside `record_source()`; else None.

    Comparisons (== != < <= > >=) compare data, with numbers or Values, and give a bool; `bool(x)` is `x.data != 0`. The
    hash is identity, as with tensors, so that Values can be keys of dicts and members of sets. They take no weak
    references, which would cost every node 8 bytes: Python's TypeError says so. Instances of a subclass do.

    Any number is an operand: int, float, bool, Fraction, Decimal, numpy scalars. A constant operand is not a node.

    There is room for no other attribute: keep an optimiser's state beside, in a dict by Value. An operation of your own
    is a `primitive`.

    Raises TypeError for data that is not a real number, or a label that is not a string. Assign numbers alone to data
    and grad: anything else is a TypeError, which names the label: with the native core at once, without it when it is
    used next, and before anything changes. With the core `x.operands` is a new tuple, equal to the last, each time.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> c = a * b + 1
    >>> c
    Value(-5.0, grad=0.0, op=add)
    >>> c.backward()
    >>> a.grad, b.grad
    (-3.0, 2.0)
    """

    __slots__ = ()

    data: float
    grad: float
    op: Primitive | None
    operands: tuple[Value | float, ...]
    local_gradients: tuple[float, ...]
    source: Source | None = None  # SourcedValue has slots for these; here they cost nothing
    _model: Any = None

    def __new__(cls, data: Any = None, label: Any = "", *others: Any, **named: Any) -> Self:
        if (others or named) and cls is Value:
            raise unexpected("Value(...)", "a number and a label", named, 2 + len(others))
        mode = modes.current() and modes.now()
        if mode is None or not mode.sourcing or cls is not Value:
            return Node.__new__(cls)
        node = Node.__new__(SourcedValue)
        node.source, model = user_source_and_model(mode.sourcing)
        node._model = model if data is None else None  # a parameter would hold the model that holds it
        return cast(Self, node)

    def __init__(self, data: Any, label: str = "") -> None:
        if isinstance(data, Value):
            raise TypeError(f"Value(...) takes a number, got {data!r}; use it as it is, or .detach() without gradient")
        Node.__init__(self, data if type(data) is float else floats.as_float(data))
        self.label = label
        modes.new_leaves.put((self,))

    __new__.__wrapped__ = __init__  # type: ignore[attr-defined]  # whose signature help() shows

    @property
    def is_result(self) -> bool:
        """Whether an operation made it, even if as a leaf: by `detach()`, or inside `no_grad()`."""
        return self.op is not None or self.operands is FORGOTTEN

    # --- arithmetic: each operator is an entry of the table ---
    # fmt: off
    def __add__(self, other: Any) -> Value: return operate(primitives.add, self, other)
    def __sub__(self, other: Any) -> Value: return operate(primitives.sub, self, other)
    def __mul__(self, other: Any) -> Value: return operate(primitives.mul, self, other)
    def __truediv__(self, other: Any) -> Value: return operate(primitives.div, self, other)
    def __floordiv__(self, other: Any) -> Value: return operate(primitives.floordiv, self, other)
    def __mod__(self, other: Any) -> Value: return operate(primitives.mod, self, other)
    def __pow__(self, other: Any) -> Value: return operate(primitives.pow, self, other)
    def __radd__(self, other: Any) -> Value: return operate(primitives.add, other, self)
    def __rsub__(self, other: Any) -> Value: return operate(primitives.sub, other, self)
    def __rmul__(self, other: Any) -> Value: return operate(primitives.mul, other, self)
    def __rtruediv__(self, other: Any) -> Value: return operate(primitives.div, other, self)
    def __rfloordiv__(self, other: Any) -> Value: return operate(primitives.floordiv, other, self)
    def __rmod__(self, other: Any) -> Value: return operate(primitives.mod, other, self)
    def __rpow__(self, other: Any) -> Value: return operate(primitives.pow, other, self)
    def __divmod__(self, other: Any) -> tuple[Value, Value]: return self // other, self % other
    def __rdivmod__(self, other: Any) -> tuple[Value, Value]: return other // self, other % self
    def __neg__(self) -> Value: return cast(Value, primitives.neg(self))
    def __pos__(self) -> Value: return self
    # fmt: on

    # --- recording ---

    @classmethod
    def __apply__(cls, primitive: Primitive, operands: tuple[Any, ...]) -> Value:
        """The node that `primitive` makes of `operands`: the hook through which primitives record."""
        mode = modes.current() and modes.now()
        if mode is not None and mode.reading is not None:
            return cast(Value, mode.reading.apply(primitive, operands))
        numbers = [x.data if type(x) is Value else x for x in operands]
        if set(map(type, numbers)) != {float}:  # other kinds of numbers, Values of a subclass, or a mistake
            operands, numbers = with_numbers(operands)
        data = primitive.evaluate(*numbers)
        if mode is not None and mode.checking and data - data != 0.0:
            raise FloatingPointError(f"{modes.described(primitive, data, operands)}\n  at {user_source()}")
        if mode is not None and not mode.recording:
            return result_leaf(data)
        return node_of(data, primitive, operands, local_gradients_at(primitive, data, operands, numbers, Value))

    # --- the backward pass ---

    def backward(self, gradient: float = 1.0, **others: Never) -> None:
        """Add d(self)/d(leaf) * gradient to the grad of every leaf that self was made from.

        The chain rule, from the last node to the first: a node z hands each operand x its share of the gradient,

            x.grad += z.grad * ∂z/∂x        upstream times local gradient

        When its turn comes, everything made from z has handed it a share, so that z.grad is complete. Interior nodes
        start afresh at every call; leaves accumulate. What was not taken contributes nothing, whatever its derivative,
        inf or nan: the branch that `where`, relu or max did not choose, a factor that is the constant 0, the zero slope
        of a step. A gradient that was computed, and happens to be 0, is a number as any other: 0 * inf is nan.

        Cost: linear in the size of the graph, at most a few times the cost of recording it. Passes of several threads
        take turns, so that leaves they share lose nothing.

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
        reading = modes.current() and modes.reading()
        if reading is not None:
            reading.refuse_change(self, "backward")
        backprop.pass_from(self, gradient if type(gradient) is float else floats.as_float(gradient))

    def detach(self) -> Value:
        """A leaf with the same data: no gradient flows through it, and no model trains it.

        >>> x = Value(3.0)
        >>> (x * x.detach()).backward()
        >>> x.grad, x.is_result, (x * x).detach().is_result
        (3.0, False, True)
        """
        reading = modes.reading()
        return result_leaf(data_of(self)) if reading is None else cast(Value, reading.detach(self))

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


def operate(primitive: Primitive, left: Any, right: Any) -> Value:
    """The node of an operator. NotImplemented for an array, so that it broadcasts, and for what is not a number."""
    kind = type(right if isinstance(left, Value) else left)
    is_array = hasattr(kind, "__array__") and issubclass(kind, Sized)
    if is_array or not (hasattr(kind, "__float__") or issubclass(kind, floats.NEVER_NUMBERS)):
        return cast(Value, NotImplemented)
    return cast(Value, primitive(left, right))


def node_of(data: float, op: Primitive, operands: tuple[Any, ...], local_gradients: Any) -> Value:
    """An interior node, with its source inside `record_source()`; trusts its arguments."""
    node = Value.__new__(Value)
    Node.__init__(node, data, op, operands, local_gradients)
    return node


def result_leaf(data: float) -> Value:
    """A leaf that holds the result of an operation, which is not recorded."""
    leaf = Value.__new__(Value, data)
    Node.__init__(leaf, floats.as_float(data), operands=FORGOTTEN)
    modes.new_leaves.put((leaf,))
    return leaf


def leaves_of(numbers: Iterable[float]) -> list[Value]:
    """A leaf for each float. The logs are told of all at once: one by one takes them five times as long."""
    made = copy_context().run(_unlogged, numbers)
    modes.new_leaves.put(made)
    return made


def _unlogged(numbers: Iterable[float]) -> list[Value]:
    modes.new_leaves.variable.set(())
    return [Value(x) for x in numbers]


# The functions that are not methods are what other libraries have as methods.
answer_for(Value, {**{name: f"it is a function: autodiff.{name}" for name in TABLE}, **ELSEWHERE_ON_VALUES})
