"""The hottest operations, written out: methods of Value and parts of the backward pass, several times as fast.

Each does what the plain one does that it stands for (`value.py`, `number.py`, `backprop.py`), to the last bit, where
everything is ordinary: exact Values and floats, and nothing ambient. For all else it steps aside, to the table.

`bind` puts them in the place of the plain ones, `unbind` takes them away again; without them everything is the same,
and slower. `import autodiff` binds them.

    >>> x = Value(3.0)
    >>> (x * 2.0).local_gradients == operate(primitives.mul, x, 2.0).local_gradients
    True
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from operator import mul
from typing import Any

from autodiff import backprop, floats, modes, primitives, value
from autodiff.backprop import mend_grads, one_pass_at_a_time
from autodiff.chain import NOTHING, reached, recorded
from autodiff.graph import FORGOTTEN, leaves, topological_order
from autodiff.number import compared, with_numbers
from autodiff.primitives.on_floats import local_gradients_at
from autodiff.value import Value, operate

_new = object.__new__
_PLAIN_NUMBERS = frozenset((float, int, bool))  # isinstance(x, Value) takes twice as long for these, below Python 3.12


# --- nodes ---


def _made(data: float, op: Any, operands: tuple[Any, ...], local_gradients: Any) -> Value:
    """A node, without its source; trusts its arguments."""
    node = _new(Value)
    node.data = data
    node.grad = 0.0
    node.op = op
    node.operands = operands
    node.local_gradients = local_gradients
    node._label = ""
    return node


_plain_leaf = value.result_leaf


def _leaf(data: float) -> Value:
    """A leaf that holds a result, in a third of the time that `Value(data)` takes."""
    leaf = _made(data, None, FORGOTTEN, ())
    modes.new_leaves.put((leaf,))
    return leaf


def result_leaf(data: float) -> Value:
    mode = modes.now()
    if mode is not None and mode.sourcing:
        return _plain_leaf(data)
    return _leaf(data)


def leaves_of(numbers: Iterable[float]) -> list[Value]:
    """A leaf for each float, as `Value(number)` makes it."""
    if modes.current() is not None and modes.now() is not None:
        return [Value(x) for x in numbers]
    made = [_made(x, None, (), ()) for x in numbers]
    modes.new_leaves.put(made)
    return made


# --- methods of Value ---

_plain_apply = Value.__apply__
_ALL_FLOATS = {float}


def apply(cls: type[Value], primitive: Any, operands: tuple[Any, ...]) -> Value:
    """A node, recorded through the table, or inside `no_grad()` a leaf."""
    mode = modes.current()
    if mode is not None and mode.reading is None:
        mode = modes.now()
    if mode is None or not (mode.recording or mode.checking or mode.sourcing or mode.reading):
        numbers = [x.data if type(x) is Value else x for x in operands]
        if set(map(type, numbers)) != _ALL_FLOATS:
            operands, numbers = with_numbers(operands)
        data = primitive.evaluate(*numbers)
        if mode is not None:
            return _leaf(data)
        return _made(data, primitive, operands, local_gradients_at(primitive, data, operands, numbers, Value))
    return _plain_apply(primitive, operands)


_ORDINARY = frozenset((Value, float))


def _operate(primitive: Any, left: Any, right: Any) -> Any:
    """The result of an operator where a mode is ambient, or an operand is not an ordinary one."""
    if type(left) in _ORDINARY and type(right) in _ORDINARY:
        return Value.__apply__(primitive, (left, right))
    return operate(primitive, left, right)


_plain_init = Value.__init__


def _zero(zero: float, operand: Any) -> float:
    """A local gradient of 0.0 or -0.0 that was made of an operand: NOTHING where that is a constant."""
    return zero if isinstance(operand, Value) else NOTHING


class Methods:
    """The hottest methods of Value: ten times as fast as through the table, for two plain floats."""

    data: Any
    __apply__: Any

    def __init__(self: Any, data: Any, label: str = "") -> None:
        if type(data) is not float:
            if isinstance(data, Value):
                _plain_init(self, data, label)  # refuses it
            data = floats.as_float(data)
        self.data = data
        self.grad = 0.0
        self.op = None
        self.operands = self.local_gradients = ()
        if type(self) is Value and type(label) is str:
            self._label = label
        else:
            self.label = label
        modes.new_leaves.put((self,))

    def __add__(self, other: Any) -> Any:
        if type(other) is int:
            other = float(other)
        x, y = self.data, other.data if type(other) is Value else other
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x + y, primitives.add, (self, other), (1.0, 1.0))
        return _operate(primitives.add, self, other)

    def __sub__(self, other: Any) -> Any:
        if type(other) is int:
            other = float(other)
        x, y = self.data, other.data if type(other) is Value else other
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x - y, primitives.sub, (self, other), (1.0, -1.0))
        return _operate(primitives.sub, self, other)

    def __mul__(self, other: Any) -> Any:
        if type(other) is int:
            other = float(other)
        x, y = self.data, other.data if type(other) is Value else other
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x * y, primitives.mul, (self, other), (y or _zero(y, other), x))
        return _operate(primitives.mul, self, other)

    def __truediv__(self, other: Any) -> Any:
        if type(other) is int:
            other = float(other)
        x, y = self.data, other.data if type(other) is Value else other
        if type(x) is float and type(y) is float and y and modes.current() is None:
            data = x / y
            return _made(data, primitives.div, (self, other), (1.0 / y or _zero(1.0 / y, other), -data / y))
        return _operate(primitives.div, self, other)

    def __pow__(self, other: Any) -> Any:
        if type(other) is int:
            other = float(other)
        x, y = self.data, other.data if type(other) is Value else other
        if type(x) is float and type(y) is float and x and y and modes.current() is None:
            data = floats.power(x, y)
            slope = y * floats.power(x, y - 1.0)
            return _made(data, primitives.pow, (self, other), (slope, data * floats.log(x)))
        return _operate(primitives.pow, self, other)

    def __neg__(self) -> Any:
        x = self.data
        if type(x) is float and modes.current() is None:
            return _made(-x, primitives.neg, (self,), (-1.0,))
        return self.__apply__(primitives.neg, (self,))

    def __radd__(self, other: Any) -> Any:
        if type(other) is int:
            other = float(other)
        x, y = other, self.data
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x + y, primitives.add, (other, self), (1.0, 1.0))
        return _operate(primitives.add, other, self)

    def __rsub__(self, other: Any) -> Any:
        if type(other) is int:
            other = float(other)
        x, y = other, self.data
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x - y, primitives.sub, (other, self), (1.0, -1.0))
        return _operate(primitives.sub, other, self)

    def __rmul__(self, other: Any) -> Any:
        if type(other) is int:
            other = float(other)
        x, y = other, self.data
        if type(x) is float and type(y) is float and modes.current() is None:
            return _made(x * y, primitives.mul, (other, self), (y, x or NOTHING))
        return _operate(primitives.mul, other, self)

    def __rtruediv__(self, other: Any) -> Any:
        if type(other) is int:
            other = float(other)
        x, y = other, self.data
        if type(x) is float and type(y) is float and y and modes.current() is None:
            data = x / y
            return _made(data, primitives.div, (other, self), (1.0 / y, -data / y if x else NOTHING))
        return _operate(primitives.div, other, self)

    def __eq__(self, other: object) -> Any:
        if modes.current() is None or modes.reading() is None:
            x, y = self.data, other.data if type(other) is Value else other
            if type(x) is float and type(y) in _PLAIN_NUMBERS:
                return x == y
        return compared("==", self, other)

    def __ne__(self, other: object) -> Any:
        if modes.current() is None or modes.reading() is None:
            x, y = self.data, other.data if type(other) is Value else other
            if type(x) is float and type(y) in _PLAIN_NUMBERS:
                return x != y
        return compared("!=", self, other)

    def __lt__(self, other: Any) -> Any:
        if modes.current() is None or modes.reading() is None:
            x, y = self.data, other.data if type(other) is Value else other
            if type(x) is float and type(y) in _PLAIN_NUMBERS:
                return x < y
        return compared("<", self, other)

    def __le__(self, other: Any) -> Any:
        if modes.current() is None or modes.reading() is None:
            x, y = self.data, other.data if type(other) is Value else other
            if type(x) is float and type(y) in _PLAIN_NUMBERS:
                return x <= y
        return compared("<=", self, other)

    def __gt__(self, other: Any) -> Any:
        if modes.current() is None or modes.reading() is None:
            x, y = self.data, other.data if type(other) is Value else other
            if type(x) is float and type(y) in _PLAIN_NUMBERS:
                return x > y
        return compared(">", self, other)

    def __ge__(self, other: Any) -> Any:
        if modes.current() is None or modes.reading() is None:
            x, y = self.data, other.data if type(other) is Value else other
            if type(x) is float and type(y) in _PLAIN_NUMBERS:
                return x >= y
        return compared(">=", self, other)


# --- a function of lists ---


def dot_of_lists(w: list[Any], x: list[Any]) -> Value | None:
    """The node of dot(w, x), or None for what is not plain: the hottest function, in half the time of the table's way.

    Lists of Values alone or floats alone, of one length, are plain. One pair is left to the table, for the backward
    pass takes the local gradients of two operands as they stand.
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


# --- the backward pass ---

_UNTOUCHED = float("0")  # the grad of a node that has no share yet: this object, which no arithmetic gives


def add_gradients(order: Sequence[Any], seeds: Mapping[Any, float]) -> None:
    """Give each operand its share of the gradient of each node, from the last node to the first.

    What was not taken has the local gradient NOTHING, which leaves a grad the object that it was. The constant zeros of
    a dot count as numbers, which give the same sums, until 0 * inf or 0 * nan comes up.
    """
    untouched, nothing = _UNTOUCHED, NOTHING
    for node in order:
        node.grad = untouched
    for root, seed in seeds.items():
        root.grad += seed or nothing
    taken: set[Any] | None = None
    for node in reversed(order):
        upstream = node.grad
        if not upstream:
            if upstream is untouched:  # nothing was passed on to it: not the same as a sum of 0
                continue
            if taken is None and not all(map(isfinite, node.local_gradients)):
                taken = reached(order, [root for root, seed in seeds.items() if seed])
            if taken is not None and node not in taken:
                continue
        operands = node.operands
        if len(operands) == 2:  # nearly every node; half the time of the loop below
            left, right = operands
            left_local, right_local = node.local_gradients
            if type(left) is not float:
                left.grad += upstream * left_local
            if type(right) is not float:
                right.grad += upstream * right_local
        else:
            locals = node.local_gradients if upstream - upstream == 0.0 else recorded(node)
            for operand, local in zip(operands, locals, strict=True):
                if type(operand) is not float and local is not nothing:
                    operand.grad += upstream * local


def sound_order(root: Any) -> list[Any]:
    """The topological order of the root, on leaves whose grads are floats.

    Adding them up on the way tells whether each is a number that can be added to, in the time of an addition: 2 % of a
    pass, where a walk of its own takes 30 %.
    """
    order: list[Any] = []
    entered: set[Any] = set()
    total: Any = 0.0 if root.operands else root.grad
    stack: list[Any] = [root] if root.operands else []
    place, enter, push, pop = order.append, entered.add, stack.append, stack.pop
    try:
        while stack:
            node = pop()
            if node is None:
                place(pop())
            elif node not in entered:
                enter(node)
                push(node)
                push(None)
                for operand in node.operands[::-1]:
                    if type(operand) is float:
                        continue
                    if operand.op is not None:
                        push(operand)
                    else:
                        total += operand.grad
    except Exception:  # an array, say, may raise anything
        total = None
    if type(total) is float:
        return order
    with one_pass_at_a_time:
        mend_grads(leaves(root))
    return topological_order(root)


# --- the door ---

_FAST_ONES: list[tuple[Any, str, Any]] = [
    *[(Value, name, method) for name, method in vars(Methods).items() if callable(method) and name != "__hash__"],
    (Value, "__apply__", classmethod(apply)),
    (value, "result_leaf", result_leaf),
    (backprop, "add_gradients", add_gradients),
    (backprop, "sound_order", sound_order),
]
_PLAIN_ONES = [(owner, name, vars(owner).get(name)) for owner, name, _ in _FAST_ONES]  # None for one that is inherited


def bind() -> None:
    """Put the fast ones in the place of the plain ones."""
    for owner, name, fast in _FAST_ONES:
        setattr(owner, name, fast)
        if owner is Value:
            getattr(fast, "__func__", fast).__qualname__ = f"Value.{name}"  # what Python's own errors call it


def unbind() -> None:
    """Put the plain ones back."""
    for owner, name, plain in _PLAIN_ONES:
        if plain is not None:
            setattr(owner, name, plain)
        elif name in vars(owner):
            delattr(owner, name)
