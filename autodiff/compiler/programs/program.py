"""A program: a function of numbers as flat arrays of instructions, in single-assignment order.

Numbers live in slots: first the inputs, then the constants, then one for the result of each instruction. An instruction
is an opcode and the slots of its operands, all earlier than its own. There are no Python objects in it, beside the
primitives of users: a program can be pickled (`saved` says how), and any backend can run it.

A `Builder` writes it; with slots as numbers, `Program.of` does:

    >>> program = Program.of(inputs=2, constants=[3.0], instructions=[("mul", (0, 1)), ("add", (3, 2))], outputs=[4])
    >>> print(program.listing())
    inputs  x0 x1
    v3 = mul x0 x1
    v4 = add v3 3.0
    outputs v4
    >>> program.evaluate([2.0, 5.0])
    [13.0]
"""

import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from autodiff.compiler.programs.opcodes import CODE, OPCODES
from autodiff.primitives import Primitive

Instruction = tuple[int, tuple[int, ...]]  # opcode, slots of the operands


class Program(NamedTuple):
    """Instructions over slots; the meaning of each is `evaluate` of its primitive.

    Attributes:
        inputs: how many input slots there are.
        varying: for each input a byte, 1 if it differs from row to row.
        constants: the numbers in the slots that follow the inputs'.
        codes: the opcode of each instruction.
        starts: where the operands of each instruction begin in `operands`; one more at the end.
        operands: slots.
        outputs: the slots of the results.
        guards: slots of conditions that the program relies on.
        expected: for each guard a byte: whether it must be true.
        primitives: the primitives of users, whose opcodes follow the last of `OPCODES`.
    """

    inputs: int
    varying: bytes
    constants: "array[float]"
    codes: "array[int]"
    starts: "array[int]"
    operands: "array[int]"
    outputs: "array[int]"
    guards: "array[int]"
    expected: bytes
    primitives: tuple[Primitive, ...] = ()

    @classmethod
    def of(
        cls,
        inputs: int,
        constants: Iterable[float],
        instructions: Iterable[tuple[int | str, Sequence[int]]],
        outputs: Iterable[int],
        guards: Iterable[int] = (),
        expected: bytes = b"",
        varying: bytes | None = None,
        primitives: tuple[Primitive, ...] = (),
    ) -> "Program":
        """A program written out, with its slots as numbers; opcodes may be given by their names."""
        build = Builder(inputs, varying, primitives)
        slots = [*range(inputs), *map(build.constant, constants)]
        for code, operands in instructions:
            slots.append(build.add(CODE[code] if isinstance(code, str) else code, [slots[x] for x in operands]))
        return build.program([slots[x] for x in outputs], [slots[x] for x in guards], expected)

    @property
    def first(self) -> int:
        """The slot of the first instruction."""
        return self.inputs + len(self.constants)

    @property
    def slots(self) -> int:
        """The number of slots."""
        return self.first + len(self.codes)

    @property
    def bytes(self) -> int:
        """The memory that the arrays take."""
        arrays = (self.constants, self.codes, self.starts, self.operands, self.outputs, self.guards)
        return sum(len(part) * part.itemsize for part in arrays)

    def primitive(self, code: int) -> Primitive:
        """The primitive that an opcode stands for."""
        return OPCODES[code] if code < len(OPCODES) else self.primitives[code - len(OPCODES)]

    def instructions(self) -> Iterator[Instruction]:
        """The (opcode, slots of the operands) of each instruction, in order."""
        operands, starts = self.operands.tolist(), self.starts.tolist()
        for code, start, stop in zip(self.codes, starts, starts[1:], strict=False):
            yield code, tuple(operands[start:stop])

    def evaluate(self, numbers: Sequence[float]) -> list[float]:
        """The outputs for the numbers of the inputs, one instruction at a time: the meaning of a program."""
        slots = self.evaluate_slots(numbers)
        return [slots[slot] for slot in self.outputs]

    def evaluate_slots(self, numbers: Sequence[float]) -> list[float]:
        """The numbers in all slots."""
        slots = [*numbers, *self.constants]
        for code, operands in self.instructions():
            slots.append(self.primitive(code).evaluate(*[slots[x] for x in operands]))
        return slots

    def __reduce__(self) -> tuple[Any, ...]:
        from autodiff.compiler.programs import saved  # which makes programs

        return saved.reduced(self)

    def uses(self) -> list[int]:
        """How often each slot is an operand; an output or a guard counts twice: it is never only one operand."""
        uses = [0] * self.slots
        for x in chain(self.operands, self.outputs, self.outputs, self.guards, self.guards):
            uses[x] += 1
        return uses

    def varying_slots(self) -> bytearray:
        """For each slot whether it differs from row to row: whether it is made from an input that does."""
        varying = bytearray(self.varying) + bytearray(len(self.constants))
        for _, operands in self.instructions():
            varying.append(any(varying[x] for x in operands))
        return varying

    def listing(self, limit: int | None = None) -> str:
        """The program as text, an instruction a line, at most as many as the limit."""
        lines = [f"inputs  {_some([f'x{i}' for i in range(self.inputs)])}"]
        for slot, (code, operands) in enumerate(islice(self.instructions(), limit), self.first):
            lines.append(f"v{slot} = {self.primitive(code).name} {_some([*map(self._name, operands)])}")
        if limit is not None and len(self.codes) > limit:
            lines.append(f"... {len(self.codes) - limit:,} more")
        for slot, wanted in zip(self.guards, self.expected, strict=True):
            lines.append(f"guard   {self._name(slot)} is {bool(wanted)}")
        lines.append(f"outputs {_some([*map(self._name, self.outputs)])}")
        return "\n".join(lines)

    def _name(self, slot: int) -> str:
        if slot < self.first:
            return f"x{slot}" if slot < self.inputs else repr(self.constants[slot - self.inputs])
        return f"v{slot}"


def _some(names: Sequence[str], limit: int = 16) -> str:
    return " ".join([*names[:limit], *([f"... {len(names) - limit:,} more"] if len(names) > limit else [])])


class Builder:
    """A program being written, one instruction after the other: traced, by hand, or by a pass for every backend.

    Slots are what `constant` and `add` return, and the inputs, from 0 on. They are provisional: constants have slots
    below 0, since how many there will be is not known yet. A constant is written once, however often it is asked for.

        >>> build = Builder(inputs=2)
        >>> product = build.add(CODE["mul"], [0, 1])
        >>> print(build.program([build.add(CODE["add"], [product, build.constant(3.0)])]).listing())
        inputs  x0 x1
        v3 = mul x0 x1
        v4 = add v3 3.0
        outputs v4
    """

    def __init__(self, inputs: int, varying: bytes | None = None, primitives: Iterable[Primitive] = ()) -> None:
        self.inputs, self.varying = inputs, bytes(inputs) if varying is None else varying
        self._numbers = array("d")  # the constants; number i is in the slot -1 - i
        self._constants: dict[bytes, int] = {}  # slots, by the bits of their numbers
        self._codes: list[int] = []  # plain lists take half the time of arrays
        self._starts, self._operands, self._next = [0], list[int](), inputs
        self._primitives = {primitive: i for i, primitive in enumerate(primitives)}

    @classmethod
    def like(cls, program: Program) -> "Builder":
        """An empty program with the inputs of another."""
        return cls(program.inputs, program.varying, program.primitives)

    @classmethod
    def rewriting(cls, program: Program) -> "tuple[Builder, list[int]]":
        """An empty program with the inputs and constants of another, and the slots that they have in it."""
        build = cls.like(program)
        return build, [*range(program.inputs), *map(build.constant, program.constants)]

    def constant(self, number: float) -> int:
        """The slot of a constant."""
        bits = struct.pack("d", number)
        if bits not in self._constants:
            self._numbers.append(number)
            self._constants[bits] = -len(self._numbers)
        return self._constants[bits]

    def number(self, slot: int) -> float:
        """The number in the slot of a constant."""
        return self._numbers[-1 - slot]

    def code_of(self, primitive: Primitive) -> int:
        """The opcode of a primitive, which may be a user's own."""
        code = CODE.get(primitive.name)
        if code is not None and OPCODES[code] is primitive:
            return code
        return len(OPCODES) + self._primitives.setdefault(primitive, len(self._primitives))

    def add(self, code: int, operands: Sequence[int]) -> int:
        """The slot of another instruction."""
        self._codes.append(code)
        self._operands.extend(operands)
        self._starts.append(len(self._operands))
        slot = self._next
        self._next = slot + 1
        return slot

    def program(self, outputs: Sequence[int], guards: Sequence[int] = (), expected: bytes = b"") -> Program:
        """The program with its final slots: inputs, then constants, then instructions."""
        inputs, count = self.inputs, len(self._numbers)
        constants = range(inputs + count - 1, inputs - 1, -1)  # below 0, they count from the end
        final = [*range(inputs), *range(inputs + count, self._next + count), *constants].__getitem__
        return Program(
            inputs,
            self.varying,
            self._numbers,
            array("H", self._codes),
            array("q", self._starts),
            array("i", list(map(final, self._operands))),
            array("i", list(map(final, outputs))),
            array("i", list(map(final, guards))),
            expected,
            tuple(self._primitives),
        )

    def program_like(self, program: Program, place: Sequence[int]) -> Program:
        """The program with the outputs and guards of another, each slot of which has its place in this one."""
        outputs, guards = ([place[x] for x in part] for part in (program.outputs, program.guards))
        return self.program(outputs, guards, program.expected)
