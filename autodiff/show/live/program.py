"""A recorded graph as a program: its numbers, and all that backpropagation makes of them, as plain instructions.

The graph is read once more, with the placeholders of a trace, and so are the rules of the table and the chain rule: the
gradients are further instructions. Whoever runs the program only evaluates.

    >>> from autodiff import Value, tanh
    >>> x, w = Value(2.0, "x"), Value(0.5, "w")
    >>> y = tanh(w * x)
    >>> live = program_of(y, inputs=[x])
    >>> print(live.program.listing())
    inputs  x0 x1
    v4 = mul x1 x0
    v5 = tanh v4
    v6 = sech v4
    v7 = mul v6 v6
    v8 = mul v7 x0
    v9 = mul v7 x1
    v10 = add v9 0.0
    v11 = add v8 0.0
    v12 = add v7 0.0
    outputs x0 v10 x1 v11 v4 v12 x0 x1 v8 v9 v5 1.0 v7 v7
    >>> values = live.evaluate([4.0, 0.5])
    >>> values[live.slot(y)] == tanh(2.0), values[live.nodes[x].gradient]
    (True, 0.03532541242658224)
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from autodiff import chain
from autodiff.chain import NOTHING
from autodiff.compiler.passes.order import optimised
from autodiff.compiler.programs.program import Program
from autodiff.compiler.trace.tracing import Trace
from autodiff.graph import leaves_below, topological_order
from autodiff.show.drawings.pages import json_of
from autodiff.show.live.written_out import KernelOnlyError, written_out
from autodiff.transforms.sweeps import rules_read
from autodiff.value import Value


class Slots(NamedTuple):
    """Where the numbers of a node stand; None for one that is nothing whatever the inputs are.

    Attributes:
        data: its number.
        gradient: the derivative of the result in it.
        locals: its derivative in each of its operands, in order.
        shares: what each operand gets of its gradient: gradient times local.
        optional: for each operand whether its local gradient, and whether its share, are nothing at some numbers: then
            that is -0.0.
    """

    data: int
    gradient: int | None = None
    locals: tuple[int | None, ...] = ()
    shares: tuple[int | None, ...] = ()
    optional: tuple[tuple[bool, bool], ...] = ()


class LiveProgram:
    """A graph as a program, and where in it the numbers of each node stand. Made by `program_of`.

    Attributes:
        program: the instructions; its slots are the inputs, then the constants, then one for each instruction.
        inputs: the Values that are given from outside, in the order of the inputs.
        nodes: the slots of each Value of the graph.
    """

    def __init__(self, program: Program, inputs: Sequence[Value], nodes: Mapping[Value, Slots]) -> None:
        self.program, self.inputs, self.nodes = program, list(inputs), dict(nodes)

    def slot(self, node: Value) -> int:
        """The slot of a node's number."""
        return self.nodes[node].data

    def evaluate(self, numbers: Sequence[float]) -> list[float]:
        """The numbers in all slots, for numbers of the inputs: what a page computes, by Python's own functions."""
        return self.program.evaluate_slots(list(numbers))

    def data(self) -> dict[str, Any]:
        """The program as plain lists, for JSON: numbers of the inputs as they are now, and what engine.js reads."""
        program = self.program
        names = [program.primitive(code).name for code in program.codes]
        operations = list(dict.fromkeys(names))
        return {
            "inputs": [written(x.data) for x in self.inputs],
            "constants": [written(x) for x in program.constants],
            "operations": operations,
            "codes": [operations.index(name) for name in names],
            "starts": program.starts.tolist(),
            "operands": program.operands.tolist(),
            "compensated": sys.version_info >= (3, 12),  # whether Python's sum is, which the engine's equals
            "nodes": [slots._asdict() for slots in self.nodes.values()],
        }

    def json(self) -> str:
        """The same as text that may stand in a <script> element."""
        return json_of(self.data())


def written(number: float) -> float | str:
    """A number as JSON has it, which knows no nan and no infinities: those are what JavaScript calls them."""
    if number != number:
        return "NaN"
    return number if number - number == 0.0 else f"{'-' * (number < 0.0)}Infinity"


def program_of(y: Value, inputs: Iterable[Value] = (), *, gradients: bool = True) -> LiveProgram:
    """The graph that ends in y as a program: the numbers of its nodes, their gradients, and the local ones.

    Every leaf is an input. The program computes every node from the inputs, whatever was assigned to its data since.
    A primitive of a user's is written out in the table's, if its `evaluate` is arithmetic and functions of the library.

    Args:
        y: the end of the graph.
        inputs: what the first inputs are, in this order: leaves, or inner nodes, whose operands then do not matter.
            The other leaves follow.
        gradients: whether the program has them; without, it only has the numbers of the nodes.

    Raises KernelOnlyError for a primitive that cannot be written out, and a segment of checkpoint or preaccumulate.
    """
    firsts = list(dict.fromkeys(inputs))
    order = topological_order(y, without=set(firsts))
    given = list(dict.fromkeys([*firsts, *leaves_below(order), *([] if y.operands else [y])]))
    trace = Trace()
    try:
        with trace:
            found = _recorded(trace, order, given, y if gradients else None)
            numbers = [x for parts in found for part in parts for x in part if x is not NOTHING]
            program = trace.program(numbers)
    except TypeError as error:  # TracingError is one, and so is what rules for floats alone make of placeholders
        raise KernelOnlyError(f"a rule of this graph cannot be read for a page: {error}") from error
    finally:
        trace.forget()
    program, _ = optimised(written_out(program))
    results = iter(program.outputs.tolist())
    slots = [[tuple([None if x is NOTHING else next(results) for x in part]) for part in parts] for parts in found]
    nodes = {
        node: Slots(cast(int, data), gradient, local, shares, _optional(*parts[1:]))
        for node, parts, ((data, gradient), local, shares) in zip([*given, *order], found, slots, strict=True)
    }
    return LiveProgram(program, given, nodes)


_Parts = tuple[list[Any], list[Any], list[Any]]  # of a node: its number and gradient, local gradients, shares


def _optional(local: Sequence[Any], shares: Sequence[Any]) -> tuple[tuple[bool, bool], ...]:
    pairs = zip(local, shares, strict=False)
    return tuple([(getattr(x, "is_optional", False), getattr(share, "is_optional", False)) for x, share in pairs])


def _recorded(trace: Trace, order: Sequence[Value], given: Sequence[Value], end: Value | None) -> list[_Parts]:
    """The graph recorded anew in a trace under way, and its gradients where an end is given."""
    traced = {x: trace.input(x.data) for x in given}
    for node in order:
        assert node.op is not None
        traced[node] = trace.apply(node.op, [traced[x] if isinstance(x, Value) else x for x in node.operands])
    if end is None:
        return [([x, NOTHING], [], []) for x in traced.values()]
    local: dict[Any, list[Any]] = {x: [] for x in traced.values()}
    for node in order:
        x = traced[node]
        slopes = rules_read(x, [isinstance(operand, Value) for operand in node.operands])
        local[x] = [slope if isinstance(y, Value) else NOTHING for y, slope in zip(node.operands, slopes, strict=True)]
    arithmetic = trace.adjoints
    interior = [traced[node] for node in order]
    adjoints = chain.reverse(
        interior, {traced[end]: 1.0}, local_gradients=lambda x, among: local[x], arithmetic=arithmetic
    )
    parts = []
    for x in traced.values():
        adjoint = adjoints.get(x, NOTHING)
        gradient = adjoint if adjoint is NOTHING else arithmetic.settled(adjoint)
        shares = [NOTHING if adjoint is NOTHING or y is NOTHING else arithmetic.product(adjoint, y) for y in local[x]]
        parts.append(([x, gradient], local[x], shares))
    return parts
