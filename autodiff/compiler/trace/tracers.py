"""Tracers: the Values that a function is traced with, which can be computed with, but not looked at.

The trace under way, which `modes.reading()` knows, notes each operation on them; the native core notes in its stead
what is ordinary. A number that leaves the graph could be stale at the next run, so that is an error, which says where
and what to write instead.
"""

import gc
import operator
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, cast

from autodiff import fast, floats, modes, native, primitives
from autodiff.compiler.programs import opcodes
from autodiff.compiler.trace.refusals import assigned_inside, foreign, looked_at, refusal
from autodiff.native import Node
from autodiff.primitives import Primitive
from autodiff.value import Value, operate

if TYPE_CHECKING:
    from autodiff.compiler.trace import storage
    from autodiff.compiler.trace.tracing import Trace
elif native.core is None:
    from autodiff.compiler.trace import storage
else:
    storage = native.core

traced = storage.traced

NOT_TAKEN = float("-0.0")  # what NOTHING is in a trace: this object, which no arithmetic gives


class Owner(storage.Owner):
    """The mark that the tracers of one trace share: each holds it, so that its references tell whether any are left."""

    __slots__ = ()

    def references(self) -> int:
        """The number of references to it."""
        return sys.getrefcount(self)

    def has_tracers(self) -> bool:
        """Whether there are tracers still, which f has put somewhere; only the caller may hold the owner."""
        if self.references() <= _alone():
            return False
        gc.collect()  # those in cycles of objects are no longer in use
        return self.references() > _alone()


@cache
def _alone() -> int:
    """The number of references to an owner without tracers, as `has_tracers` counts them."""

    class Alone(Owner):
        def has_tracers(self) -> int:  # type: ignore[override]
            return self.references()

    owner = Alone()
    return owner.has_tracers()


class Tracer(Value, storage.Traced):
    """A number of a program being traced: a Value that can be computed with, but not looked at.

    Its number at this call decides what guards expect.
    """

    __slots__ = ()

    @property  # type: ignore[override]
    def data(self) -> NoReturn:
        raise looked_at("x.data")

    @data.setter
    def data(self, number: Any) -> NoReturn:
        raise assigned_inside("data")

    @property  # type: ignore[override]
    def grad(self) -> NoReturn:
        raise looked_at("x.grad")

    @grad.setter
    def grad(self, number: Any) -> NoReturn:
        raise assigned_inside("grad")

    @property
    def local_gradients(self) -> NoReturn:  # type: ignore[override]
        raise looked_at("x.local_gradients")

    @classmethod
    def __apply__(cls, primitive: Primitive, operands: tuple[Any, ...]) -> Value:
        if modes.reading() is None:
            raise looked_at("arithmetic")
        return Value.__apply__(primitive, operands)

    def __float__(self) -> NoReturn:
        raise looked_at("float(x)")

    def __int__(self) -> NoReturn:
        raise looked_at("int(x)")

    def __index__(self) -> NoReturn:
        raise refusal(
            "a number of the program was used as an index or a length, which differ from run to run",
            "arguments that are numbers are traced: bind one that shapes the code beforehand, as in "
            "compile(functools.partial(f, n=3)); give f the chosen number itself instead of its index; write a mask as "
            "a comparison, x[m != 0]",
        )

    def __format__(self, spec: str) -> str:
        if spec:
            raise looked_at(f"format(x, {spec!r})")
        return repr(self)

    def __repr__(self) -> str:
        return f"Value(traced, op={self.op.name})" if self.op is not None else "Value(traced)"

    def __reduce__(self) -> NoReturn:
        raise looked_at("pickle")


class Condition(Tracer):
    """Whether a comparison holds: where() selects by it; as a bool it becomes a guard, which every run checks.

    To a walk over the graph it is a leaf, since no gradient flows through it: in eager code it is a bool, and no node.
    """

    __slots__ = ()

    operands = property(lambda self: ())
    hidden_operands: Any = vars(Node)["operands"]

    def __bool__(self) -> bool:
        trace = _trace_under_way()
        if trace is None:
            raise looked_at("bool(x)")
        return trace.guard(self)

    def __and__(self, other: Any) -> Any:
        return _logical(primitives.minimum, self, other)

    def __or__(self, other: Any) -> Any:
        return _logical(primitives.maximum, self, other)

    def __xor__(self, other: Any) -> Any:
        return _logical(opcodes.not_equal, self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> NoReturn:
        raise refusal(
            "~ of a bool is an integer in Python, and true", "write the opposite comparison: x <= 0 for x > 0"
        )


def _logical(primitive: Primitive, left: Any, right: Any) -> Any:
    if not isinstance(right, (bool, Condition)):
        return NotImplemented
    trace = _trace_under_way()
    if trace is None:
        raise looked_at("a comparison")
    return trace.condition(primitive, left, right)


def _trace_under_way() -> "Trace | None":
    return cast("Trace | None", modes.reading())


# --- the arithmetic of tracers ---


def _binary(primitive: Primitive, evaluate: Callable[[float, float], float], swapped: bool) -> Any:
    """An operator in Python, written out for speed."""

    def method(self: Tracer, other: Any) -> Any:
        kind = type(other)
        mode: Any = modes.current()  # whose reading is a trace
        if mode is not None and not mode.is_settled:
            mode = modes.now()
        if kind is int:
            other = float(other)
        elif kind is not float and kind is not Tracer:
            left, right = (other, self) if swapped else (self, other)
            return operate(primitive, left, right)
        if mode is None or (trace := mode.reading) is None:
            raise looked_at("arithmetic")
        owner = self.owner
        if owner is not trace.owner or (kind is Tracer and owner is not other.owner):
            raise foreign()
        number = other if kind is not Tracer else other.number
        number = evaluate(number, self.number) if swapped else evaluate(self.number, number)
        node = traced(Tracer, number, primitive, (other, self) if swapped else (self, other), owner)
        trace.nodes.append(node)
        return node if mode.recording else trace.without_gradient(node)

    return method


def _negated(self: Tracer) -> Any:
    return primitives.neg(self)


if native.core is not None:  # which has operators of its own
    for _primitive in opcodes.OPCODES:
        native.core.enter(_primitive)
    _comparisons = (opcodes.less, opcodes.less_equal, opcodes.equal, opcodes.not_equal)
    native.core.bind_tracers(
        Tracer, Condition, primitives.where, primitives.sum, opcodes.strong_mul, NOT_TAKEN, _comparisons
    )
else:
    # Plain slots are what Python is fastest at: not what `assignments` does to Value.
    Tracer.__setattr__, Tracer.__delattr__ = object.__setattr__, object.__delattr__  # type: ignore[method-assign]
    for _name, _primitive, _evaluate in [
        ("add", primitives.add, operator.add),
        ("sub", primitives.sub, operator.sub),
        ("mul", primitives.mul, operator.mul),
        ("truediv", primitives.div, floats.divide),
        ("pow", primitives.pow, floats.power),
    ]:
        setattr(Tracer, f"__{_name}__", _binary(_primitive, _evaluate, swapped=False))
        setattr(Tracer, f"__r{_name}__", _binary(_primitive, _evaluate, swapped=True))
    Tracer.__neg__ = _negated  # type: ignore[method-assign, assignment]
    if fast.missing is not None:
        setattr(Tracer, "__getattr__", fast.missing)  # noqa: B010
