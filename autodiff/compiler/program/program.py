"""A program: what a function does to numbers, as flat arrays in single-assignment order.

Numbers live in slots: first the inputs, then the constants, then one for the result of each instruction. An instruction
is an opcode and the slots of its operands, all earlier than its own. There are no Python objects in it, beside the
primitives of users: a program can be pickled (`saved` says how), and any backend can run it.

    >>> program = Program.of(inputs=2, constants=[3.0], instructions=[("mul", (0, 1)), ("add", (3, 2))], outputs=[4])
    >>> print(program.listing())
    inputs  x0 x1
    v3 = mul x0 x1
    v4 = add v3 3.0
    outputs v4
    >>> program.evaluate([2.0, 5.0])
    [13.0]
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from autodiff.compiler.program.opcodes import CODE, OPCODES
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
        primitives: those of users, whose opcodes follow the last of `OPCODES`.
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
        """Return a program; opcodes may be given by their names."""
        codes, starts, operands = array("H"), array("q", [0]), array("i")
        for code, slots in instructions:
            codes.append(CODE[code] if isinstance(code, str) else code)
            operands.extend(slots)
            starts.append(len(operands))
        return cls(
            inputs,
            bytes(inputs) if varying is None else varying,
            array("d", constants),
            codes,
            starts,
            operands,
            array("i", outputs),
            array("i", guards),
            expected,
            primitives,
        )

    @property
    def first(self) -> int:
        """The slot of the first instruction."""
        return self.inputs + len(self.constants)

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return self.first + len(self.codes)

    @property
    def bytes(self) -> int:
        """How much memory the arrays take."""
        arrays = (self.constants, self.codes, self.starts, self.operands, self.outputs, self.guards)
        return sum(len(part) * part.itemsize for part in arrays)

    def primitive(self, code: int) -> Primitive:
        """Return what an opcode stands for."""
        return OPCODES[code] if code < len(OPCODES) else self.primitives[code - len(OPCODES)]

    def instructions(self) -> Iterator[Instruction]:
        """Yield (opcode, slots of the operands) for each instruction, in order."""
        operands, starts = self.operands.tolist(), self.starts.tolist()
        for code, start, stop in zip(self.codes, starts, starts[1:], strict=False):
            yield code, tuple(operands[start:stop])

    def evaluate(self, numbers: Sequence[float]) -> list[float]:
        """Return the outputs for the numbers of the inputs, one instruction at a time: what a program means."""
        slots = self.evaluate_slots(numbers)
        return [slots[slot] for slot in self.outputs]

    def evaluate_slots(self, numbers: Sequence[float]) -> list[float]:
        """Return the numbers in all slots."""
        slots = [*numbers, *self.constants]
        for code, operands in self.instructions():
            slots.append(self.primitive(code).evaluate(*[slots[x] for x in operands]))
        return slots

    def __reduce__(self) -> tuple[Any, ...]:
        from autodiff.compiler.program import saved  # which makes programs

        return saved.reduced(self)

    def varying_slots(self) -> bytearray:
        """Return for each slot whether it differs from row to row: whether it is made from an input that does."""
        varying = bytearray(self.varying) + bytearray(len(self.constants))
        for _, operands in self.instructions():
            varying.append(any(varying[x] for x in operands))
        return varying

    def listing(self, limit: int | None = None) -> str:
        """Return the program as text, an instruction a line; with a limit, no more than that many of them."""
        names = [f"x{i}" for i in range(self.inputs)] + list(map(repr, self.constants))
        lines = [f"inputs  {_some([f'x{i}' for i in range(self.inputs)])}"]
        shown = len(self.codes) if limit is None else limit
        for i, (code, operands) in enumerate(self.instructions()):
            names.append(f"v{self.first + i}")
            if i < shown:
                lines.append(f"{names[-1]} = {self.primitive(code).name} {_some([names[x] for x in operands])}")
        if len(self.codes) > shown:
            lines.append(f"... {len(self.codes) - shown:,} more")
        for slot, wanted in zip(self.guards, self.expected, strict=True):
            lines.append(f"guard   {names[slot]} is {bool(wanted)}")
        lines.append(f"outputs {_some([names[slot] for slot in self.outputs])}")
        return "\n".join(lines)


def _some(names: Sequence[str], limit: int = 16) -> str:
    return " ".join([*names[:limit], *([f"... {len(names) - limit:,} more"] if len(names) > limit else [])])


def rebuilt(program: Program, instructions: list[Instruction], constants: list[float], **changes: Any) -> Program:
    """Return the program with other instructions and constants."""
    made = Program.of(program.inputs, constants, instructions, ())
    return program._replace(
        constants=made.constants, codes=made.codes, starts=made.starts, operands=made.operands, **changes
    )
