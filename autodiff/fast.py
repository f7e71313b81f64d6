"""The hottest operations once more, for speed: of the native core, or written out in Python.

Each does what the plain one does that it stands for (`value.py`, `number.py`, `functions.py`, `graph.py`,
`backprop.py`), to the last bit, where everything is ordinary: exact Values and floats, and nothing ambient. For all
else it steps aside, to the table or to the plain one.

`bind` puts them in the place of the plain ones, `unbind` takes them away again; without them everything is the same,
and slower. `import autodiff` binds them.

    >>> x = Value(3.0)
    >>> (x * 2.0).local_gradients == operate(primitives.mul, x, 2.0).local_gradients
    True
"""

import operator
from collections.abc import Callable, Iterable
from functools import cache
from operator import mul
from typing import Any

from autodiff import backprop, chain, floats, functions, graph, modes, native, primitives, value
from autodiff.backprop import one_pass_at_a_time, quick_add_gradients, quick_slopes_at, quick_sound_order
from autodiff.chain import NOTHING
from autodiff.graph import FORGOTTEN
from autodiff.hints import refused_label
from autodiff.native import Node
from autodiff.number import assigned, compared, with_numbers
from autodiff.primitives import KNOWN, Primitive
from autodiff.primitives.on_floats import local_gradients_at
from autodiff.value import SourcedValue, Value, operate, result_leaf

_new, _fill, _mode = Node.__new__, Node.__init__, modes.current


# --- operators ---

_Slopes = tuple[float, float] | tuple[()]
_Rule = Callable[[float, float], tuple[float, _Slopes]]


def _operators(primitive: Primitive, rule: _Rule) -> tuple[Any, Any]:
    """An operator and its reflection, on floats by a rule: the value and the slopes, or none where the table must tell.

    It must as well where the slope beside a constant is 0, which may be structural.
    """

    def direct(self: Any, other: Any) -> Any:
        if type(other) is int:
            other = float(other)
        x, y = self.data, other.data if type(other) is Value else other
        if type(self) is Value and type(x) is float and type(y) is float and _mode() is None:
            data, slopes = rule(x, y)
            if slopes and (slopes[0] or y is not other):
                node = _new(Value)
                _fill(node, data, primitive, (self, other), slopes)
                return node
        return _operate(primitive, self, other)

    def reflected(self: Any, other: Any) -> Any:
        x, y = float(other) if type(other) is int else other, self.data
        if type(self) is Value and type(x) is float and type(y) is float and _mode() is None:
            data, slopes = rule(x, y)
            if slopes and slopes[1]:
                node = _new(Value)
                _fill(node, data, primitive, (x, self), slopes)
                return node
        return _operate(primitive, other, self)

    return direct, reflected


def _operate(primitive: Primitive, left: Any, right: Any) -> Any:
    """The result of an operator where a mode is ambient, or something is not ordinary."""
    if type(left) in _ORDINARY and type(right) in _ORDINARY:
        return Value.__apply__(primitive, (left, right))
    return operate(primitive, left, right)


_ORDINARY = frozenset((Value, float))


def _quotient(x: float, y: float) -> tuple[float, _Slopes]:
    if not y or y != y:  # of the constant 0 by nan the slope is nan, and nothing for all that
        return x, ()
    data = x / y
    return data, (1.0 / y, -data / y)


def _power(x: float, y: float) -> tuple[float, _Slopes]:
    if not (x and y):
        return x, ()
    data = floats.power(x, y)
    return data, (y * floats.power(x, y - 1.0), data * floats.log(x))


def _negated(self: Any) -> Any:
    x = self.data
    if type(self) is Value and type(x) is float and _mode() is None:
        node = _new(Value)
        _fill(node, -x, primitives.neg, (self,), (-1.0,))
        return node
    return primitives.neg(self)


_OPERATORS: dict[str, tuple[Primitive, _Rule]] = {
    "add": (primitives.add, lambda x, y: (x + y, (1.0, 1.0))),
    "sub": (primitives.sub, lambda x, y: (x - y, (1.0, -1.0))),
    "mul": (primitives.mul, lambda x, y: (x * y, (y, x))),
    "truediv": (primitives.div, _quotient),
    "pow": (primitives.pow, _power),
}


def _comparison(symbol: str, compare: Callable[[Any, Any], Any]) -> Any:
    """A comparison of data."""

    def comparison(self: Any, other: Any) -> Any:
        if _mode() is None or modes.reading() is None:
            x, y = self.data, other.data if type(other) is Value else other
            if type(x) is float and type(y) in _PLAIN_NUMBERS:
                return compare(x, y)
        return compared(symbol, self, other)

    return comparison


_PLAIN_NUMBERS = frozenset((float, int, bool))  # isinstance(x, Value) takes twice as long for these, below Python 3.12
_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def _methods() -> dict[str, Any]:
    """The operators of Value, by name."""
    made = {"__neg__": _negated}
    for name, (primitive, rule) in _OPERATORS.items():
        made[f"__{name}__"], made[f"__r{name}__"] = _operators(primitive, rule)
    for name, symbol in _COMPARISONS.items():
        made[f"__{name}__"] = _comparison(symbol, getattr(operator, name))
    for name, method in made.items():
        method.__name__, method.__qualname__ = name, f"Value.{name}"  # what Python's own errors call it
    return made


# --- recording ---

_plain_apply = Value.__apply__
_ALL_FLOATS = {float}


def apply(cls: type[Value], primitive: Any, operands: tuple[Any, ...]) -> Value:
    """A node, recorded through the table, or inside `no_grad()` a leaf."""
    mode = _mode()
    if mode is not None and mode.reading is None:
        mode = modes.now()
    if mode is None or not (mode.recording or mode.checking or mode.sourcing or mode.reading):
        numbers = [x.data if type(x) is Value else x for x in operands]
        if set(map(type, numbers)) != _ALL_FLOATS:
            operands, numbers = with_numbers(operands)
        data = primitive.evaluate(*numbers)
        if mode is not None:
            return result_leaf(data)
        node = _new(Value)
        _fill(node, data, primitive, operands, local_gradients_at(primitive, data, operands, numbers, Value))
        return node
    return _plain_apply(primitive, operands)


apply.__name__, apply.__qualname__ = "__apply__", "Value.__apply__"


def leaves_of(numbers: Iterable[float]) -> list[Value]:
    """A leaf for each float, as `Value(number)` makes it."""
    if _mode() is not None and modes.now() is not None:
        return [Value(x) for x in numbers]
    made = []
    for number in numbers:
        leaf = _new(Value)
        _fill(leaf, number)
        made.append(leaf)
    modes.new_leaves.put(made)
    return made


_plain_dot = functions.dot_of_lists


def dot_of_lists(w: Any, x: Any) -> Any:
    """The node of dot(w, x): the hottest function, in half the time of the table's way.

    Lists of Values alone or floats alone are ordinary. One pair is left to the table, for the backward pass takes the
    local gradients of two operands as they stand.
    """
    if type(w) is not list or type(x) is not list or len(w) != len(x) or len(w) < 2 or _mode() is not None:
        return _plain_dot(w, x)
    w_data, x_data = _data_of_list(w), _data_of_list(x)
    if w_data is None or x_data is None or (w_data is w and x_data is x):
        return _plain_dot(w, x)
    node = _new(Value)
    _fill(node, sum(map(mul, w_data, x_data), -0.0), primitives.dot, (*w, *x), (*x_data, *w_data))
    return node


def _data_of_list(numbers: list[Any]) -> list[float] | None:
    kinds = set(map(type, numbers))
    if kinds == {Value}:
        numbers = [x.data for x in numbers]
        kinds = set(map(type, numbers))
    return numbers if kinds == {float} else None


# --- the door ---


class Twin:
    """What stands in the place of a plain function or method.

    Attributes:
        owner: the class or module that has the plain one.
        name: its name there.
        pure: the one that is written out here; None where there is none, and the plain one serves.
        core: where the native core has its own, such as "Node.__mul__"; "" for nowhere, where the pure one serves
            it, too, and None where the plain one does.
        plain: the plain one, None where it is inherited.
    """

    def __init__(self, owner: Any, name: str, pure: Any = None, core: str | None = "") -> None:
        self.owner, self.name, self.pure, self.core = owner, name, pure, core
        self.plain = vars(owner).get(name)

    def bound(self) -> Any:
        """The one to bind: None for the plain one."""
        if native.core is None or self.core == "":
            return self.pure
        return None if self.core is None else operator.attrgetter(self.core)(native.core)


TWINS = [
    *[Twin(Value, name, method, f"Node.{name}") for name, method in _methods().items()],
    Twin(Value, "__apply__", classmethod(apply)),
    Twin(Primitive, "__call__", core=None),  # Python need not ask for it: see `_answer_directly`
    Twin(value, "leaves_of", leaves_of, core=None),
    Twin(functions, "dot_of_lists", dot_of_lists, "dot_of_lists"),
    Twin(graph, "ordered", core="ordered"),
    Twin(graph, "leaves_below", core="leaves_below"),
    Twin(backprop, "add_gradients", quick_add_gradients),
    Twin(backprop, "pass_from", core="pass_from"),
    Twin(backprop, "numbers_of", core="numbers_of"),
    Twin(backprop, "assign_numbers", core="assign_numbers"),
    Twin(backprop, "descend_by", core="descend_by"),
    Twin(backprop, "sound_order", quick_sound_order, core=None),
    Twin(backprop, "slopes_at", quick_slopes_at, core=None),
    Twin(chain, "adjoints_at", core="adjoints_at"),
    Twin(chain, "tangents_at", core="tangents_at"),
]
missing = vars(Value).get("__getattr__")  # from Python 3.12 on: see hints.answer_for


def bind() -> None:
    """Put the fast ones in the place of the plain ones. Raises ImportError for a core of other sources."""
    try:
        if native.core is not None:
            _hand_in()
        bound = [(twin, fast) for twin in TWINS if (fast := twin.bound()) is not None]
    except (AttributeError, TypeError) as error:
        raise native.of_other_sources() from error
    for twin, fast in bound:
        setattr(twin.owner, twin.name, fast)
    if native.core is not None:
        _answer_directly(True)


def unbind() -> None:
    """Put the plain ones back."""
    if native.core is not None:
        _answer_directly(False)
    for twin in TWINS:
        if twin.plain is not None:
            setattr(twin.owner, twin.name, twin.plain)
        elif twin.name in vars(twin.owner):
            delattr(twin.owner, twin.name)


@cache
def _hand_in() -> None:
    """Tell the core of the package: its classes, the modes, and the plain functions to call where it steps aside."""

    def refuse_label(label: Any) -> None:
        raise refused_label(label)

    def kind_of_mode() -> int:  # as `core.h` numbers them
        mode = modes.now()
        if mode is not None and (mode.checking or mode.sourcing or mode.reading is not None):
            return 2
        return 0 if mode is None or mode.recording else 1

    def local_gradients(primitive: Primitive, given: tuple[float, ...], operands: tuple[Any, ...]) -> tuple[float, ...]:
        return local_gradients_at(primitive, given[0], operands, given[1:], Value)

    plain = {twin.core: twin.plain for twin in TWINS if twin.core}
    native.core.bind(
        value=Value,
        sourced=SourcedValue,
        mode=modes.variable,
        logs=modes.new_leaves.variable,
        nothing=NOTHING,
        forgotten=FORGOTTEN,
        kind_of_mode=kind_of_mode,
        operate=operate,
        compare=compared,
        apply=Primitive.__call__,
        local_gradients=local_gradients,
        assign=assigned,
        refuse_label=refuse_label,
        missing=missing,
        put=modes.new_leaves.put,
        acquire=one_pass_at_a_time.acquire,
        release=one_pass_at_a_time.release,
        check_from=backprop.check_from,
        **{name: function for name, function in plain.items() if "." not in name},
    )
    for primitive in KNOWN.values():
        native.core.enter(primitive)


def _answer_directly(whether: bool) -> None:
    """Have calls of Value and of primitives, and names that a Value lacks, go to the core without Python in between."""
    native.core.answer_calls(Value, whether)
    native.core.answer_calls(Primitive, whether)
    if missing is not None and not whether:
        setattr(Value, "__getattr__", missing)  # noqa: B010
    elif "__getattr__" in vars(Value):
        delattr(Value, "__getattr__")
