"""The writer of a trace: what was noted becomes a program, an instruction for each operation, in order.

Leaf Values from outside are inputs, after those of the trace itself. An interior node from outside was not noted, and
is written from its leaves on.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from autodiff.compiler.programs.program import Builder, Program
from autodiff.compiler.trace.refusals import refusal
from autodiff.compiler.trace.tracers import Condition, Tracer
from autodiff.graph import topological_order
from autodiff.transforms.segments import SegmentPrimitive
from autodiff.value import Value

if TYPE_CHECKING:
    from autodiff.compiler.trace.tracing import Trace


def written(trace: "Trace", outputs: Sequence[Any], varying: bytes) -> Program:
    """The program that gives these outputs: tracers, Values or floats. Fills in the `leaves` of the trace."""
    guards = [guard.condition for guard in trace.guards]
    interior = _outside(trace, [*outputs, *guards])
    inputs = len(trace.inputs) + len(trace.leaves)
    writer = _Writer(trace, Builder(inputs, varying + bytes(len(trace.leaves))))
    for slot, tracer in enumerate(trace.inputs):
        tracer.index = slot
    writer.slots.update(zip(trace.leaves, range(len(trace.inputs), inputs), strict=True))
    for node in interior:
        writer.slots[node] = writer.add(node)
    for tracer in trace.nodes:
        tracer.index = writer.add(tracer)
    expected = bytes([guard.expected for guard in trace.guards])
    slot_of = writer.slot_of
    return writer.build.program([slot_of(x) for x in outputs], [slot_of(x) for x in guards], expected)


class _Writer:
    """A builder, and the slots of plain Values from outside."""

    def __init__(self, trace: "Trace", build: Builder) -> None:
        self.trace, self.build = trace, build
        self.slots: dict[Any, int] = {}

    def add(self, node: Any) -> int:
        """The slot of the instruction that computes a node."""
        slot_of, build = self.slot_of, self.build
        given = node.hidden_operands if type(node) is Condition else node.operands
        operands = [x.index if type(x) is Tracer or type(x) is Condition else slot_of(x) for x in given]
        return build.add(build.code_of(node.op), operands)

    def slot_of(self, x: Any) -> int:
        """The slot of a tracer, a Value from outside or a constant."""
        is_constant = self.trace.is_constant(x)  # or a tracer of another trace: then it raises
        if isinstance(x, Tracer):
            return x.index
        if not is_constant:
            return self.slots[x]
        return self.build.constant(x.data if isinstance(x, Value) else float(x))


def _outside(trace: "Trace", roots: Iterable[Any]) -> list[Value]:
    """The interior nodes from outside, each after its operands; adds to the leaves of the trace those from there."""
    met = set[Any]()

    def meet(operands: Iterable[Any]) -> list[Value]:
        interior = []
        for x in operands:
            if type(x) is not Tracer and type(x) is not Condition and not trace.is_constant(x) and x not in met:
                met.add(x)
                if x.operands and not trace.outside.was_assigned(x):
                    interior.append(x)
                else:
                    trace.leaves.append(x)
        return interior

    found = meet(roots)
    for tracer in trace.nodes:
        found += meet(_operands(tracer))
    nodes = [node for node in topological_order(*found) if not trace.outside.was_assigned(node)]
    for node in nodes:
        if isinstance(node.op, SegmentPrimitive):
            raise refusal(
                f"{node.op.name}, of checkpoint or preaccumulate, was called outside, and is no part of a program",
                "call it inside the compiled function",
            )
        meet(node.operands)
    return nodes


def _operands(node: Any) -> tuple[Any, ...]:
    return node.hidden_operands if type(node) is Condition else node.operands
