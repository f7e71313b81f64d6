"""Tracing: a function is called once on placeholders, and its operations on them become a program.

A `Tracer` is a Value whose number is not to be known. The `Trace` under way notes its operations, through the hooks by
which Values record a graph (`modes.Reading`). Transforms see the graph that they always see, and the rules of the table
are read with tracers, so derivatives are traced like anything else.

    >>> from autodiff import grad
    >>> trace = Trace()
    >>> x = trace.input(3.0)
    >>> with trace:
    ...     slope = grad(lambda x: x.sin())(x)
    >>> print(trace.program([slope]).listing())
    inputs  x0
    v3 = mul x0 1.0
    v4 = sin v3
    v5 = cos v3
    v6 = add v5 0.0
    outputs v6

A Value that depends on no input and on no Value from outside is plain, and stays what it was. A leaf from outside, such
as a parameter of a model, is an input too: `Trace.leaves` lists them, in the order of first use. A number that leaves
the graph could be stale at the next run, so that is an error here.
"""

import operator
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any, Self, cast

from autodiff import floats, modes, primitives
from autodiff.chain import NOTHING
from autodiff.compiler.programs import opcodes
from autodiff.compiler.programs.program import Program
from autodiff.compiler.trace import assignments
from autodiff.compiler.trace.adjoints import TracedAdjoints
from autodiff.compiler.trace.outside import Outside
from autodiff.compiler.trace.refusals import assigned_inside, backward_inside, foreign, refusal
from autodiff.compiler.trace.tracers import NOT_TAKEN, Condition, Owner, Tracer, traced
from autodiff.compiler.trace.writer import written
from autodiff.number import data_of
from autodiff.primitives import Primitive
from autodiff.sources import Source, user_line
from autodiff.system.blocks import Block, Scope
from autodiff.value import Value

_PLAIN = (float, int, bool)

_COMPARISONS: dict[str, tuple[Primitive, bool, Callable[[Any, Any], Any]]] = {
    "<": (opcodes.less, False, operator.lt),
    "<=": (opcodes.less_equal, False, operator.le),
    ">": (opcodes.less, True, operator.gt),
    ">=": (opcodes.less_equal, True, operator.ge),
    "==": (opcodes.equal, False, operator.eq),
    "!=": (opcodes.not_equal, False, operator.ne),
}


def _exactly(x: Any) -> float:
    """The number as a float; raise if that is another number, since Values compare exactly."""
    try:
        number = floats.as_float(x)
        is_exact = number == x or number != number
    except OverflowError:
        is_exact = False
    if not is_exact:
        raise refusal(f"a comparison with {x!r}, which is no float", "compare with float(...) of it")
    return number


def _constant(x: Any) -> float:
    return NOT_TAKEN if x is NOTHING else floats.as_float(x)


class Guard:
    """A condition that the program relies on, its answer, and the line that asked."""

    __slots__ = ("condition", "expected", "source")

    def __init__(self, condition: Tracer, expected: bool, source: Source) -> None:
        self.condition, self.expected, self.source = condition, expected, source


class Trace(Scope):
    """The operations of a function on numbers, noted while it is called inside `with trace:`; a `modes.Reading`.

    Attributes:
        nodes: the tracers that operations made, in order.
        guards: the conditions that were used as bools.
        leaves: the leaf Values from outside; known once there is a program.

    `decisions` are the answers of the first conditions, whatever the numbers say: a program may round otherwise than
    Values do, and has decided them. `assigned` is for `Outside`.
    """

    def __init__(
        self,
        owner: Owner | None = None,
        decisions: Sequence[bool] = (),
        assigned: dict[Value, bool] | None = None,
    ) -> None:
        self.owner = owner or Owner()
        self._decisions = decisions
        self.outside = Outside({} if assigned is None else assigned)
        self.inputs: list[Tracer] = []
        self.nodes: list[Tracer] = []
        self.guards: list[Guard] = []
        self.leaves: list[Value] = []
        self.adjoints = TracedAdjoints()
        self._constants: set[Any] = set()  # plain Values made inside
        self._logged = 0

    def begin(self, block: Block) -> Self:
        assignments.watch(block)
        modes.change(block, recording=True, checking=False, sourcing=None, reading=self)
        self.owner.open(block.alive, self, self.nodes)
        self._log = modes.new_leaves.begin(block)
        return self

    def end(self, block: Block) -> None:
        self.owner.close()
        modes.new_leaves.end(block)
        modes.restore(block)
        assignments.unwatch(block)

    def input(self, number: float) -> Tracer:
        """Add an input: its placeholder, which holds this number at this call."""
        tracer: Tracer = traced(Tracer, number, None, (), self.owner)
        self.inputs.append(tracer)
        return tracer

    # --- operations ---

    def apply(self, primitive: Primitive, operands: Sequence[Any]) -> Any:
        """The tracer of an operation; a plain Value where all operands are constant."""
        taken = tuple([x if isinstance(x, Value) else _constant(x) for x in map(floats.unboxed, operands)])
        if all(map(self.is_constant, taken)):
            return self._plain(primitive, taken)
        node = self.noted(Tracer, primitive, taken)
        if primitive is primitives.where:
            self.adjoints.note_choice(node, taken[1:])
        return node

    def noted(self, kind: type[Any], primitive: Primitive, operands: tuple[Any, ...]) -> Any:
        """The tracer of an operation, which it notes; trusts its arguments."""
        owner = self.owner
        numbers = [
            x if type(x) is float else x.number if type(x) is Tracer and x.owner is owner else self._number(x)
            for x in operands
        ]
        node = traced(kind, primitive.evaluate(*numbers), primitive, operands, owner)
        self.nodes.append(node)
        mode = modes.now()
        return node if mode is None or mode.recording else self.without_gradient(node)

    def detach(self, x: Value) -> Any:
        """x without its gradient; a condition has none."""
        if self.is_constant(x):
            with modes.plainly():
                return x.detach()
        return x if isinstance(x, Condition) else self.without_gradient(x)

    def without_gradient(self, x: Value) -> Any:
        """A number of the program, or from outside, without its gradient."""
        with modes.recording():
            return self.noted(type(x) if isinstance(x, Condition) else Tracer, opcodes.detach, (x,))

    def compare(self, symbol: str, left: Value, right: Any) -> Any:
        """The condition of a comparison, or a bool if neither side depends on an input."""
        primitive, swapped, plain = _COMPARISONS[symbol]
        if not isinstance(right, Value):
            if isinstance(right, Sized) and hasattr(type(right), "__array__"):
                return NotImplemented  # numpy compares with each of its elements
            if not isinstance(right, _PLAIN) and not hasattr(type(right), "__float__"):
                return plain(self._number(left), right)  # x == None, x < "text"
            right = _exactly(right)
        if symbol == "!=" and isinstance(left, Condition) and type(right) is float and right == 0.0:
            return left
        if self.is_constant(left) and self.is_constant(right):
            return plain(left.data, right.data if isinstance(right, Value) else right)
        return self.condition(primitive, right, left) if swapped else self.condition(primitive, left, right)

    def condition(self, primitive: Primitive, left: Any, right: Any) -> Condition:
        """The condition that a primitive makes of two operands."""
        operands = tuple([x if isinstance(x, Value) else float(x) for x in (left, right)])
        with modes.recording():
            return cast(Condition, self.noted(Condition, primitive, operands))

    def guard(self, condition: Condition) -> bool:
        """The answer of a condition: decided already, or as it is now. Every run will rely on it."""
        decided = self._decisions[len(self.guards) : len(self.guards) + 1]
        expected = decided[0] if decided else bool(condition.number != 0.0)
        self.guards.append(Guard(condition, expected, user_line()))
        return expected

    def _number(self, x: Value) -> float:
        """The number of a Value at this call. Raises TracingError for a tracer of another call."""
        if isinstance(x, Tracer):
            if x.owner is not self.owner:
                raise foreign()
            return x.number
        return data_of(x) if self.is_constant(x) else self.outside.number(x)

    # --- what is plain ---

    def is_constant(self, x: Any) -> bool:
        """Whether x is a number, or a Value that depends on nothing from outside."""
        if not isinstance(x, Value):
            return True
        if isinstance(x, Tracer):
            if x.owner is not self.owner:
                raise foreign()
            return False
        if self._logged < len(self._log):
            self._constants.update(self._log[self._logged :])
            self._logged = len(self._log)
        return x in self._constants

    def _plain(self, primitive: Primitive, operands: tuple[Any, ...]) -> Any:
        mode = modes.now()
        with modes.plainly():
            made = primitive(*operands)
            if mode is not None and not mode.recording and isinstance(made, Value):
                made = made.detach()
        if isinstance(made, Value):
            self._constants.add(made)
        return made

    def copy(self, x: Value) -> Any:
        """Another leaf for a leaf, for a node another node on the same operands."""
        if self.is_constant(x) or not x.operands:
            return self.detach(x)
        return self.noted(type(x) if isinstance(x, Tracer) else Tracer, cast(Primitive, x.op), x.operands)

    def refuse_change(self, x: Value, change: modes.Change) -> None:
        """Raise for what would happen once, while f is traced, unless x was made inside of f, from constants alone."""
        if not self.is_constant(x):
            raise backward_inside() if change == "backward" else assigned_inside(change)

    # --- the program ---

    def forget(self) -> None:
        """Let go of the graph: a million nodes take some hundred megabytes."""
        self.owner.close()
        self.inputs, self.nodes, self.guards = [], [], []

    def program(self, outputs: Iterable[Any], varying: bytes | None = None) -> Program:
        """The program whose results are the outputs: tracers, Values or floats. Fills in `leaves`.

        `varying` says of each of our inputs whether it differs from row to row; leaves never do.
        """
        return written(self, list(outputs), bytes(len(self.inputs)) if varying is None else varying)
