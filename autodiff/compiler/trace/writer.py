"""The writer of a trace: what was noted becomes a program, an instruction for each operation, in order.

Leaf Values from outside are inputs, after those of the trace itself. An interior node from outside was not noted, and
is written from its leaves on.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from autodiff import native
from autodiff.compiler.programs.opcodes import OPCODES
from autodiff.compiler.programs.program import Builder, Program
from autodiff.compiler.trace.refusals import refusal
from autodiff.compiler.trace.tracers import Condition, Tracer
from autodiff.graph import topological_order
from autodiff.primitives import Primitive
from autodiff.transforms.segments import SegmentPrimitive
from autodiff.value import Value

if TYPE_CHECKING:
    from autodiff.compiler.trace.tracing import Trace


def written(trace: "Trace", outputs: Sequence[Any], varying: bytes) -> Program:
    """The program that gives these outputs: tracers, Values or floats. Fills in the `leaves` of the trace."""
    guards = [guard.condition for guard in trace.guards]
    roots = [x if isinstance(x, Value) else float(x) for x in [*outputs, *guards]]
    for root in roots:
        trace.is_constant(root)  # or a tracer of another trace: then it raises
    interior = _outside(trace, roots)
    for slot, tracer in enumerate(trace.inputs):
        tracer.index = slot
    inputs = len(trace.inputs) + len(trace.leaves)
    slots = dict(zip(trace.leaves, range(len(trace.inputs), inputs), strict=True))
    made = instructions([*interior, *trace.nodes], roots, slots, inputs)
    return Program(
        inputs,
        varying + bytes(len(trace.leaves)),
        made.constants,
        made.codes,
        made.starts,
        made.operands,
        made.roots[: len(outputs)],
        made.roots[len(outputs) :],
        bytes([guard.expected for guard in trace.guards]),
        made.primitives,
    )


class Instructions(NamedTuple):
    """The instructions of a program, as it has them, and the slots of its results."""

    constants: "array[float]"
    codes: "array[int]"
    starts: "array[int]"
    operands: "array[int]"
    roots: "array[int]"
    primitives: tuple[Primitive, ...]


def instructions(nodes: list[Any], roots: list[Any], slots: dict[Any, int], inputs: int) -> Instructions:
    """An instruction for each node, in order: for tracers, and for Values from outside, each after its operands.

    `slots` has the inputs that are Values from outside; any other Value is a constant.
    """
    if native.core is None:
        return instructions_plainly(nodes, roots, slots, inputs)
    codes, starts, operands, places, numbers, own = native.core.instructions(nodes, roots, slots, inputs, _OPCODES)
    return Instructions(
        array("d", numbers), array("H", codes), array("q", starts), array("i", operands), array("i", places), tuple(own)
    )


_OPCODES = {primitive: code for code, primitive in enumerate(OPCODES)}


def instructions_plainly(nodes: list[Any], roots: list[Any], slots: dict[Any, int], inputs: int) -> Instructions:
    """The same in Python, which says what is meant."""
    build = Builder(inputs)

    def slot_of(x: Any) -> int:
        if isinstance(x, Tracer):
            return x.index
        return slots[x] if x in slots else build.constant(x.data if isinstance(x, Value) else x)

    for node in nodes:
        given = node.hidden_operands if type(node) is Condition else node.operands
        slot = build.add(build.code_of(node.op), list(map(slot_of, given)))
        if isinstance(node, Tracer):
            node.index = slot
        else:
            slots[node] = slot
    made = build.program(list(map(slot_of, roots)))
    return Instructions(made.constants, made.codes, made.starts, made.operands, made.outputs, made.primitives)


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

    found = meet([*roots, *strangers(trace.nodes)])
    nodes = [node for node in topological_order(*found) if not trace.outside.was_assigned(node)]
    for node in nodes:
        if isinstance(node.op, SegmentPrimitive):
            raise refusal(
                f"{node.op.name}, of checkpoint or preaccumulate, was called outside, and is no part of a program",
                "call it inside the compiled function",
            )
        meet(node.operands)
    return nodes


def strangers(nodes: list[Tracer]) -> list[Any]:
    """The operands of tracers that are Values and no tracers, each once, in the order of first use."""
    return strangers_plainly(nodes) if native.core is None else native.core.strangers(nodes)


def strangers_plainly(nodes: list[Tracer]) -> list[Any]:
    """The same in Python."""
    met: dict[Any, None] = {}
    for node in nodes:
        for x in node.hidden_operands if type(node) is Condition else node.operands:
            if isinstance(x, Value) and not isinstance(x, Tracer):
                met[x] = None
    return list(met)
