"""Layout: a trace written down in slots: inputs, leaves from outside, constants, and what was made from them."""

import struct
from array import array
from collections.abc import Iterable
from itertools import chain
from typing import Any

from autodiff.compiler.program.opcodes import CODE, OPCODES
from autodiff.compiler.program.program import Program
from autodiff.compiler.trace.refusals import refusal
from autodiff.compiler.trace.tracers import Condition, Tracer
from autodiff.graph import topological_order
from autodiff.primitives import Primitive
from autodiff.transforms.segments import SegmentPrimitive
from autodiff.value import Value


class Layout:
    """Lays out a trace in slots: first every leaf and constant must be known."""

    def __init__(self, trace: Any) -> None:
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
            interior += self._meet(_operands(node))
        self.old = [node for node in topological_order(*interior) if not trace.was_assigned(node)]
        for node in self.old:
            if isinstance(node.op, SegmentPrimitive):
                raise refusal(
                    f"{node.op.name}, of checkpoint or preaccumulate, was called outside, and is no part of a program",
                    "call it inside the compiled function",
                )
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
                [x.index if type(x) is Tracer or type(x) is Condition else place(x) for x in _operands(node)]
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
                if x.operands and not self.trace.was_assigned(x):
                    interior.append(x)
                else:
                    self.trace.leaves.append(x)
        return interior

    def _slot_of(self, x: Any) -> int:
        is_constant = self.trace.is_constant(x)  # or a tracer of another trace: then it raises
        if isinstance(x, Tracer):
            return x.index
        if not is_constant:
            return self.slots[x]
        return self.constants[_bits(x.data if isinstance(x, Value) else float(x))]

    def _code(self, primitive: Any) -> int:
        code = CODE.get(primitive.name)
        if code is not None and OPCODES[code] is primitive:
            return code
        return len(OPCODES) + self.others.setdefault(primitive, len(self.others))


def _operands(node: Any) -> tuple[Any, ...]:
    return node.hidden_operands if type(node) is Condition else node.operands


def _bits(number: float) -> bytes:
    return struct.pack("d", number)
