"""Tracers: the Values that a function is traced with, which can be computed with, but not looked at.

What an operation on them does is noted by the trace under way, which `modes.current_trace()` knows. Numbers that leave
the graph could be stale at the next run, so that is an error, which says where and what to write instead.
"""

import gc
import operator
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn, cast

from autodiff import floats, modes, primitives, value
from autodiff.blocks import Block
from autodiff.compiler.program import opcodes
from autodiff.primitives import Primitive
from autodiff.sources import user_source
from autodiff.value import Value

_new = object.__new__


class TracingError(TypeError):
    """What f does cannot be part of a program: where, and what to write instead."""


def refusal(what: str, instead: str) -> TracingError:
    return TracingError(f"{what}; {instead}\n  at {user_source()}")


class Owner:
    """What the tracers of one trace have in common: each holds it, so its references tell whether any are left."""

    def references(self) -> int:
        """Return how many references there are."""
        return sys.getrefcount(self)

    def has_tracers(self) -> bool:
        """Return whether there are tracers still, which f has put somewhere; only the caller may hold the owner."""
        if self.references() <= _alone():
            return False
        gc.collect()  # those in cycles of objects are no longer in use
        return self.references() > _alone()


@cache
def _alone() -> int:
    """Return how many references an owner without tracers has, as `has_tracers` counts them."""

    class Alone(Owner):
        def has_tracers(self) -> int:  # type: ignore[override]
            return self.references()

    owner = Alone()
    return owner.has_tracers()


class Tracer(Value):
    """A number of a program being traced: a Value that can be computed with, but not looked at."""

    __slots__ = ()

    # Slots of Value that a tracer has no use for hold what it has instead.
    number: Any = vars(Value)["data"]  # at this call; decides what guards expect
    index: Any = vars(Value)["grad"]  # the slot, once there is a program
    owner: Any = vars(Value)["local_gradients"]  # whose number it is

    @property  # type: ignore[override]
    def data(self) -> NoReturn:
        raise looked_at("x.data")

    @data.setter
    def data(self, number: Any) -> NoReturn:
        raise assigned("data")

    @property  # type: ignore[override]
    def grad(self) -> NoReturn:
        raise looked_at("x.grad")

    @grad.setter
    def grad(self, number: Any) -> NoReturn:
        raise assigned("grad")

    @property
    def local_gradients(self) -> NoReturn:  # type: ignore[override]
        raise looked_at("x.local_gradients")

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


def looked_at(how: str) -> TracingError:
    if modes.current_trace() is None:
        return TracingError(
            f"{how} of a number that was traced in a function given to compile, after its trace; a compiled function "
            "runs only while it is traced, so what it stores outside is of no use: return it instead"
        )
    return refusal(
        f"{how} leaves the graph inside a compiled function: the number would be stale at the next run",
        "return it, and look at the result; compute with x itself and autodiff's functions; choose with where(...)",
    )


def foreign() -> TracingError:
    return refusal(
        "a number that was traced at another call is used again",
        "a compiled function runs only while it is traced, so what it stores outside is of no use later: return it, "
        "and give it back as an argument",
    )


def assigned(name: str) -> TracingError:
    return refusal(
        f"x.{name} was assigned inside a compiled function, which would happen only once, while it is traced",
        "return the new number instead",
    )


class Condition(Tracer):
    """Whether a comparison holds: where() selects by it; as a bool it becomes a guard, which every run checks.

    To a walk over the graph it is a leaf, since no gradient flows through it: in eager code it is a bool, and no node.
    """

    __slots__ = ("made_from",)

    made_from: tuple[Any, ...]

    def __bool__(self) -> bool:
        trace = modes.current_trace()
        if trace is None:
            raise looked_at("bool(x)")
        return cast(bool, trace.guard(self))

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
    return modes.current_trace().condition(primitive, left, right)


# --- the arithmetic of tracers ---


def _binary(primitive: Primitive, evaluate: Callable[[float, float], float], swapped: bool) -> Any:
    def method(self: Tracer, other: Any) -> Any:
        kind = type(other)
        mode = modes.current()
        if mode is not None and not mode.is_settled:
            mode = modes.now()
        if kind is int:
            other = float(other)
        elif kind is not float and kind is not Tracer:
            left, right = (other, self) if swapped else (self, other)
            return value._operator(primitive, left, right, other)
        if mode is None or mode.trace is None:
            raise looked_at("arithmetic")
        owner = self.owner
        if owner is not mode.trace.owner or (kind is Tracer and owner is not other.owner):
            raise foreign()
        number = other if kind is not Tracer else other.number
        node = _new(Tracer)
        node.number = evaluate(number, self.number) if swapped else evaluate(self.number, number)
        node.op, node._label, node.owner = primitive, "", owner
        node.operands = (other, self) if swapped else (self, other)
        mode.trace.nodes.append(node)
        return node if mode.recording else mode.trace.detached(node, again=False)

    return method


for _name, _primitive, _evaluate in [
    ("add", primitives.add, operator.add),
    ("sub", primitives.sub, operator.sub),
    ("mul", primitives.mul, operator.mul),
    ("truediv", primitives.div, floats.divide),
    ("pow", primitives.pow, floats.power),
]:
    setattr(Tracer, f"__{_name}__", _binary(_primitive, _evaluate, swapped=False))
    setattr(Tracer, f"__r{_name}__", _binary(_primitive, _evaluate, swapped=True))


def _negated(self: Tracer) -> Any:
    return primitives.neg(self)


Tracer.__neg__ = _negated  # type: ignore[method-assign, assignment]

# --- assignments to Values, while something is traced ---

_watching: set[Block] = set()  # without a lock, which an interrupt could leave held


def watch_assignments(block: Block) -> None:
    """Have assignments to Values checked while the block of a trace runs: at other times they cost nothing more."""
    _watching.add(block)
    Value.__setattr__ = _checked_assignment  # type: ignore[method-assign, assignment]


def unwatch_assignments(block: Block) -> None:
    """Let go of it; Values are as ever when nothing is traced."""
    _watching.discard(block)
    _unwatch_if_nothing_is_traced()


def _unwatch_if_nothing_is_traced() -> None:
    if not _watching and "__setattr__" in vars(Value):
        del Value.__setattr__
        if _watching:  # another thread has begun in between
            Value.__setattr__ = _checked_assignment  # type: ignore[method-assign, assignment]


def _checked_assignment(self: Value, name: str, new: Any) -> None:
    trace = modes.current_trace()
    if trace is None:  # another thread traces, or a trace was interrupted before it could unwatch
        _watching.difference_update([block for block in _watching if block.is_over()])
        _unwatch_if_nothing_is_traced()
    elif name in ("data", "grad") and hasattr(self, name) and not trace.is_constant(self):
        raise assigned(name)
    object.__setattr__(self, name, new)


Tracer.__setattr__ = object.__setattr__  # type: ignore[method-assign]
