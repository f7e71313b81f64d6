"""Tracing: a function is called once on placeholders, and what it does to them becomes a program.

A `Tracer` is a Value whose number is not to be known: its operations are noted by the `Trace` under way, through the
same hooks by which Values record a graph. Transforms see the graph that they always see, and the rules of the table are
read with tracers, so derivatives are traced like anything else.

    >>> from autodiff import grad
    >>> trace = Trace()
    >>> x = trace.input(3.0)
    >>> with trace:
    ...     slope = grad(lambda x: x.sin())(x)
    >>> print(trace.program([slope]).listing())
    inputs  x0
    v2 = mul x0 1.0
    v3 = sin v2
    v4 = cos v2
    v5 = strong_mul 1.0 v4
    outputs v5

What depends on no input and on no Value from outside is plain, and stays what it was. A leaf from outside, such as a
parameter of a model, is an input too: `Trace.leaves` lists them, in the order of first use. Numbers that leave the
graph could be stale at the next run, so that is an error here.
"""

import operator
import struct
from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from threading import RLock
from types import TracebackType
from typing import Any, NoReturn, Self, cast

from autodiff import floats, modes, primitives, value
from autodiff.compiler import opcodes
from autodiff.compiler.opcodes import CODE, OPCODES
from autodiff.compiler.program import Program
from autodiff.graph import topological_order
from autodiff.primitives import Primitive
from autodiff.value import Value

_new = object.__new__
_PLAIN = (float, int, bool)


class TracingError(TypeError):
    """What f does cannot be part of a program: where, and what to write instead."""


def _refusal(what: str, instead: str) -> TracingError:
    return TracingError(f"{what}; {instead}\n  at {modes.user_source()}")


class Tracer(Value):
    """A number of a program being traced: a Value that can be computed with, but not looked at."""

    __slots__ = ()

    # Slots of Value that a tracer has no use for hold what it has instead.
    number: Any = vars(Value)["data"]  # at this call; decides what guards expect
    index: Any = vars(Value)["grad"]  # the slot, once there is a program

    @property  # type: ignore[override]
    def data(self) -> NoReturn:
        raise _looked_at("x.data")

    @data.setter
    def data(self, number: Any) -> NoReturn:
        raise _assigned("data")

    @property  # type: ignore[override]
    def grad(self) -> NoReturn:
        raise _looked_at("x.grad")

    @grad.setter
    def grad(self, number: Any) -> NoReturn:
        raise _assigned("grad")

    @property
    def local_gradients(self) -> NoReturn:  # type: ignore[override]
        raise _looked_at("x.local_gradients")

    def __float__(self) -> NoReturn:
        raise _looked_at("float(x)")

    def __int__(self) -> NoReturn:
        raise _looked_at("int(x)")

    def __index__(self) -> NoReturn:
        raise _refusal(
            "a number of the program was used as an index or a length, which differ from run to run",
            "arguments that are numbers are traced: bind one that shapes the code beforehand, as in "
            "compile(functools.partial(f, n=3)); give f the chosen number itself instead of its index",
        )

    def __format__(self, spec: str) -> str:
        if spec:
            raise _looked_at(f"format(x, {spec!r})")
        return repr(self)

    def __repr__(self) -> str:
        return f"Value(traced, op={self.op.name})" if self.op is not None else "Value(traced)"

    def __copy__(self) -> "Tracer":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.detach()  # a copy is on leaves of its own

    def __reduce__(self) -> NoReturn:
        raise _looked_at("pickle")


def _looked_at(how: str) -> TracingError:
    if modes.current_trace() is None:
        return TracingError(
            f"{how} of a number that was traced in a function given to compile, after its trace; a compiled function "
            "runs only while it is traced, so what it stores outside is of no use: return it instead"
        )
    return _refusal(
        f"{how} leaves the graph inside a compiled function: the number would be stale at the next run",
        "return it, and look at the result; compute with x itself and autodiff's functions; choose with where(...)",
    )


def _assigned(name: str) -> TracingError:
    return _refusal(
        f"x.{name} was assigned inside a compiled function, which would happen only once, while it is traced",
        "return the new number instead",
    )


class Condition(Tracer):
    """Whether a comparison holds: where() selects by it; as a bool it becomes a guard, which every run checks."""

    __slots__ = ()

    def __bool__(self) -> bool:
        trace = modes.current_trace()
        if trace is None:
            raise _looked_at("bool(x)")
        return cast(bool, trace.guard(self))

    def __and__(self, other: Any) -> Any:
        return _logical(primitives.minimum, self, other)

    def __or__(self, other: Any) -> Any:
        return _logical(primitives.maximum, self, other)

    def __xor__(self, other: Any) -> Any:
        return _logical(opcodes.not_equal, self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> NoReturn:
        raise _refusal(
            "~ of a bool is an integer in Python, and true", "write the opposite comparison: x <= 0 for x > 0"
        )


def _logical(primitive: Primitive, left: Any, right: Any) -> Any:
    if not isinstance(right, (bool, Condition)):
        return NotImplemented
    return modes.current_trace().condition(primitive, left, right)


_COMPARISONS: dict[str, tuple[Primitive, bool, Callable[[Any, Any], Any]]] = {
    "<": (opcodes.less, False, operator.lt),
    "<=": (opcodes.less_equal, False, operator.le),
    ">": (opcodes.less, True, operator.gt),
    ">=": (opcodes.less_equal, True, operator.ge),
    "==": (opcodes.equal, False, operator.eq),
    "!=": (opcodes.not_equal, False, operator.ne),
}


class Guard:
    """A condition that the program relies on, what it was, and the line that asked."""

    __slots__ = ("condition", "expected", "source")

    def __init__(self, condition: Tracer, expected: bool, source: modes.Source) -> None:
        self.condition, self.expected, self.source = condition, expected, source


class Trace:
    """What a function does to numbers, noted while it is called inside `with trace:`.

    Attributes:
        nodes: the tracers that operations made, in order.
        guards: the conditions that were used as bools.
        leaves: the leaf Values from outside; known once there is a program.
    """

    def __init__(self) -> None:
        self.inputs: list[Tracer] = []
        self.nodes: list[Tracer] = []
        self.guards: list[Guard] = []
        self.leaves: list[Value] = []
        self._constants: set[Any] = set()  # plain Values made inside
        self._recomputed: dict[Any, float] = {}  # interior nodes from outside
        self._logged = 0

    def __enter__(self) -> Self:
        self._contexts = modes.tracing(self), modes.logging_leaves()
        self._contexts[0].__enter__()
        self._log = self._contexts[1].__enter__()
        _watch_assignments(+1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _watch_assignments(-1)
        for context in reversed(self._contexts):
            context.__exit__(kind, error, traceback)

    def input(self, number: float) -> Tracer:
        """Return the placeholder of another input, which holds this number at this call."""
        tracer = _new(Tracer)
        tracer.number, tracer.op, tracer.operands, tracer._label = number, None, (), ""
        self.inputs.append(tracer)
        return tracer

    # --- operations ---

    def apply(self, primitive: Primitive, operands: Sequence[Any]) -> Any:
        """Return what the primitive makes of the operands: the hook of Value."""
        taken = tuple([x if isinstance(x, Value) else floats.as_float(x) for x in operands])
        if all(map(self.is_constant, taken)):
            return self._plain(primitive, taken)
        return self.noted(Tracer, primitive, taken)

    def noted(self, kind: type[Any], primitive: Primitive, operands: tuple[Any, ...]) -> Any:
        """Return the tracer of an operation; trusts its arguments."""
        node = _new(kind)
        node.number = primitive.evaluate(*[x if type(x) is float else self._number(x) for x in operands])
        node.op, node.operands, node._label = primitive, operands, ""
        self.nodes.append(node)
        mode = modes.current()
        return node if mode is None or mode.recording else self.detached(node, again=False)

    def detached(self, x: Value, again: bool = True) -> Any:
        """Return x without its gradient."""
        if self.is_constant(x):
            with modes.tracing(None):
                return x.detach()
        if not again or not isinstance(x, Condition):
            with modes.recording():
                return self.noted(type(x) if isinstance(x, Condition) else Tracer, opcodes.detach, (x,))
        return x

    def compared(self, symbol: str, left: Value, right: Any) -> Any:
        """Return the condition that a comparison makes, or a bool, where nothing in it depends on an input."""
        primitive, swapped, plain = _COMPARISONS[symbol]
        if not isinstance(right, Value):
            if not isinstance(right, _PLAIN) and not hasattr(type(right), "__float__"):
                return plain(self._number(left), right)  # x == None, x < "text"
            right = floats.as_float(right)
        if self.is_constant(left) and self.is_constant(right):
            return plain(left.data, right.data if isinstance(right, Value) else right)
        return self.condition(primitive, right, left) if swapped else self.condition(primitive, left, right)

    def condition(self, primitive: Primitive, left: Any, right: Any) -> Condition:
        """Return the condition that a primitive makes."""
        operands = tuple([x if isinstance(x, Value) else float(x) for x in (left, right)])
        with modes.recording():
            return cast(Condition, self.noted(Condition, primitive, operands))

    def guard(self, condition: Condition) -> bool:
        """Return what the condition is now; every run will rely on it."""
        expected = bool(condition.number != 0.0)
        self.guards.append(Guard(condition, expected, modes.user_source()))
        return expected

    def chain(self, upstream: Any, local: Any, chooses: bool) -> Any:
        """Return upstream * local as the chain rule takes it, or None where it contributes nothing at any run.

        See `sweeps.chain`. An upstream of 0 contributes nothing; so does, where the primitive chooses, a local
        gradient of 0: that of a `where` is chosen by the same condition.
        """
        if type(upstream) is float and upstream == 0.0:
            return None
        if type(local) is float:
            if local == 1.0:
                return upstream
            if local == 0.0 and chooses:
                return None
        elif chooses and isinstance(local, Tracer):
            if local.op is primitives.where:
                condition, *branches = local.operands
                shares = [self.chain(upstream, branch, chooses) for branch in branches]
            else:
                condition, shares = local != 0.0, [opcodes.strong_mul(upstream, local), None]
            taken, other = [0.0 if share is None else share for share in shares]
            return primitives.where(condition, taken, other)
        return opcodes.strong_mul(upstream, local)

    def _number(self, x: Value) -> float:
        """Return what a Value is at this call; one from outside that was made from leaves, as they are now."""
        if isinstance(x, Tracer):
            return cast(float, x.number)
        if not x.operands or self.is_constant(x):
            return floats.as_float(x.data)
        for node in topological_order(x) if x not in self._recomputed else ():
            numbers = [y if type(y) is float else self._recomputed.get(y, y.data) for y in node.operands]
            self._recomputed[node] = node.op.evaluate(*map(floats.as_float, numbers))
        return self._recomputed[x]

    # --- what is plain ---

    def is_constant(self, x: Any) -> bool:
        """Return whether x is a number, or a Value that depends on nothing from outside."""
        if not isinstance(x, Value):
            return True
        if isinstance(x, Tracer):
            return False
        if self._logged < len(self._log):
            self._constants.update(self._log[self._logged :])
            self._logged = len(self._log)
        return x in self._constants

    def _plain(self, primitive: Primitive, operands: tuple[Any, ...]) -> Any:
        mode = modes.current()
        with modes.tracing(None):
            made = primitive(*operands)
            if mode is not None and not mode.recording and isinstance(made, Value):
                made = made.detach()
        if isinstance(made, Value):
            self._constants.add(made)
        return made

    # --- what cannot be traced ---

    def refuse_backward(self, x: Value) -> None:
        """Raise for a backward() inside of f, unless all that it changes was made there."""
        if not self.is_constant(x):
            raise _refusal(
                "backward() inside a compiled function would run only once, while it is traced",
                "compile the function without it: compiled.backward(...) runs it and adds to the leaves' grad; or "
                "return gradients, by compile(value_and_grad(f))",
            )

    # --- the program ---

    def forget(self) -> None:
        """Let go of the graph: a million nodes take some hundred megabytes."""
        self.inputs, self.nodes, self.guards = [], [], []

    def program(self, outputs: Iterable[Any], varying: bytes | None = None) -> Program:
        """Return the program that gives the outputs: tracers, Values or floats. Fills in `leaves`.

        `varying` says of each input of ours whether it differs from row to row; leaves never do.
        """
        return _Writer(self).program(list(outputs), bytes(len(self.inputs)) if varying is None else varying)


class _Writer:
    """Lays out a trace in slots: first every leaf and constant must be known."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.slots: dict[Any, int] = {}  # of plain Values from outside
        self.constants: dict[bytes, int] = {}  # by their bits
        self.numbers = array("d")
        self.others: dict[Primitive, int] = {}
        self.old: list[Value] = []  # interior nodes from outside, each after its operands

    def program(self, outputs: list[Any], varying: bytes) -> Program:
        trace = self.trace
        guards = [guard.condition for guard in trace.guards]
        roots = [*outputs, *guards]
        interior = self._meet(roots)
        node: Any
        for node in trace.nodes:
            interior += self._meet(node.operands)
        self.old = topological_order(*interior)
        for node in self.old:
            self._meet(node.operands)
        for slot, tracer in enumerate(trace.inputs):
            tracer.index = slot
        slot = len(trace.inputs)
        for leaf in trace.leaves:
            self.slots[leaf] = slot
            slot += 1
        inputs, first = slot, slot + len(self.numbers)
        for key in self.constants:
            self.constants[key] += inputs
        codes, starts, operand_slots = array("H"), array("q", [0]), array("i")
        slot = first
        for node in self.old:
            self.slots[node] = slot
            slot += 1
        for tracer in trace.nodes:
            tracer.index = slot
            slot += 1
        place = self._slot_of
        for node in chain(self.old, trace.nodes):
            codes.append(self._code(node.op))
            operand_slots.extend(
                [x.index if type(x) is Tracer or type(x) is Condition else place(x) for x in node.operands]
            )
            starts.append(len(operand_slots))
        return Program(
            inputs,
            varying + bytes(inputs - len(trace.inputs)),
            self.numbers,
            codes,
            starts,
            operand_slots,
            array("i", [place(x) for x in outputs]),
            array("i", [place(x) for x in guards]),
            bytes([guard.expected for guard in trace.guards]),
            tuple(self.others),
        )

    def _meet(self, operands: Iterable[Any]) -> list[Value]:
        """Note the constants and the leaves from outside; return the interior nodes from there."""
        interior = []
        for x in operands:
            if type(x) is Tracer or type(x) is Condition:
                continue
            if not isinstance(x, Value) or self.trace.is_constant(x):
                key = _bits(x.data if isinstance(x, Value) else float(x))
                if key not in self.constants:
                    self.constants[key] = len(self.numbers)
                    self.numbers.frombytes(key)
            elif x not in self.slots:
                self.slots[x] = -1
                if x.operands:
                    interior.append(x)
                else:
                    self.trace.leaves.append(x)
        return interior

    def _slot_of(self, x: Any) -> int:
        if isinstance(x, Tracer):
            return cast(int, x.index)
        if isinstance(x, Value) and not self.trace.is_constant(x):
            return self.slots[x]
        return self.constants[_bits(x.data if isinstance(x, Value) else float(x))]

    def _code(self, primitive: Any) -> int:
        code = CODE.get(primitive.name)
        if code is not None and OPCODES[code] is primitive:
            return code
        return len(OPCODES) + self.others.setdefault(primitive, len(self.others))


def _bits(number: float) -> bytes:
    return struct.pack("d", number)


# --- the arithmetic of tracers ---


def _binary(primitive: Primitive, evaluate: Callable[[float, float], float], swapped: bool) -> Any:
    def method(self: Tracer, other: Any) -> Any:
        kind = type(other)
        mode = modes.current()
        if kind is int:
            other = float(other)
        elif kind is not float and kind is not Tracer:
            left, right = (other, self) if swapped else (self, other)
            return value._operator(primitive, left, right, other)
        if mode is None or mode.trace is None:
            raise _looked_at("arithmetic")
        number = other if kind is not Tracer else other.number
        node = _new(Tracer)
        node.number = evaluate(number, self.number) if swapped else evaluate(self.number, number)
        node.op, node._label = primitive, ""
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

_watching = RLock()
_watchers = 0


def _watch_assignments(change: int) -> None:
    """Have assignments to Values checked while anything is traced: at other times they cost nothing more."""
    global _watchers
    with _watching:
        _watchers += change
        if _watchers == 1 and change == 1:
            Value.__setattr__ = _checked_assignment  # type: ignore[method-assign, assignment]
        elif _watchers == 0:
            del Value.__setattr__


def _checked_assignment(self: Value, name: str, new: Any) -> None:
    trace = modes.current_trace()
    if trace is not None and name in ("data", "grad") and hasattr(self, name) and not trace.is_constant(self):
        raise _assigned(name)
    object.__setattr__(self, name, new)


Tracer.__setattr__ = object.__setattr__  # type: ignore[method-assign]
