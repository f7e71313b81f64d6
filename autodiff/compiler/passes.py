"""Passes: functions from program to program that change its size, and not a bit of what it gives.

>>> program = Program.of(1, [2.0, 1.0], [("mul", (0, 2)), ("add", (3, 1)), ("add", (0, 1)), ("sin", (5,))], [4, 5])
>>> print(drop_dead(share(fold(program))).listing())
inputs  x0
v2 = add x0 2.0
outputs v2 v2
"""

import struct
from array import array
from collections.abc import Callable
from itertools import chain

from autodiff.compiler.opcodes import CODE
from autodiff.compiler.program import Program

_ADD, _SUB, _MUL, _DIV, _NEG, _POW = (CODE[name] for name in ("add", "sub", "mul", "div", "neg", "pow"))
_WHERE, _DETACH = CODE["where"], CODE["detach"]
_COMMUTATIVE = {CODE[name] for name in ("add", "mul", "equal", "not_equal")}
_NEVER_FOLDED_BEFORE = len(CODE)  # the primitives of users are not asked for numbers beforehand


class _Constants:
    """The constants of a program, each bit pattern once."""

    def __init__(self, program: Program) -> None:
        self.numbers = array("d")
        self.slots: dict[bytes, int] = {}
        self.first = program.inputs

    def slot(self, number: float) -> int:
        """Return a provisional slot, below 0: how many constants there will be is not known yet."""
        key = struct.pack("d", number)
        if key not in self.slots:
            self.numbers.append(number)
            self.slots[key] = -len(self.numbers)
        return self.slots[key]


def fold(program: Program) -> Program:
    """Return the program without operations on constants alone, and without those that change nothing.

    Those are x * 1, x / 1, x + -0, x - 0, x ** 1, --x, a choice that is decided or between equals, and detach.
    """
    constants = _Constants(program)
    values: dict[int, float] = {}  # of the slots, old and new, that hold constants
    place = list(range(program.inputs))
    for number in program.constants:
        constant = constants.slot(number)
        values[constant] = number
        place.append(constant)
    codes, starts, operands = array("H"), array("q", [0]), array("i")
    negated: dict[int, int] = {}
    next_slot = program.inputs
    for code, old in program.instructions():
        new = [place[x] for x in old]
        slot = _simplified(code, new, values, negated)
        if slot is None and code < _NEVER_FOLDED_BEFORE and all(x < 0 for x in new):
            number = program.primitive(code).evaluate(*[values[x] for x in new])
            slot = constants.slot(number)
            values[slot] = number
        if slot is None:
            slot = next_slot
            next_slot += 1
            codes.append(code)
            operands.extend(new)
            starts.append(len(operands))
            if code == _NEG:
                negated[slot] = new[0]
        place.append(slot)
    return _numbered(program, constants.numbers, codes, starts, operands, place)


def _simplified(code: int, x: list[int], values: dict[int, float], negated: dict[int, int]) -> int | None:
    """Return the slot that an operation merely hands on, to the last bit, or None."""
    if code in _UNITS:
        left, right = _UNITS[code]
        if right is not None and x[1] < 0 and _same(values[x[1]], right):
            return x[0]
        if left is not None and x[0] < 0 and _same(values[x[0]], left):
            return x[1]
    elif code == _WHERE:
        if x[0] < 0:
            return x[1] if values[x[0]] else x[2]
        if x[1] == x[2]:
            return x[1]
    elif code == _DETACH:
        return x[0]
    elif code == _NEG:
        return negated.get(x[0])
    return None


# What changes nothing, on the left and on the right.
_UNITS: dict[int, tuple[float | None, float | None]] = {
    _MUL: (1.0, 1.0),
    _DIV: (None, 1.0),
    _ADD: (-0.0, -0.0),
    _SUB: (None, 0.0),
    _POW: (None, 1.0),
}


def _same(x: float, y: float) -> bool:
    return struct.pack("d", x) == struct.pack("d", y)


def _numbered(
    program: Program,
    numbers: "array[float]",
    codes: "array[int]",
    starts: "array[int]",
    operands: "array[int]",
    place: list[int],
) -> Program:
    """Return the program with its final slots: inputs, then constants, then instructions, numbered from inputs on."""
    inputs, count = program.inputs, len(numbers)

    def final(slot: int) -> int:
        return inputs - 1 - slot if slot < 0 else slot if slot < inputs else slot + count

    return program._replace(
        constants=numbers,
        codes=codes,
        starts=starts,
        operands=array("i", [final(x) for x in operands]),
        outputs=array("i", [final(place[x]) for x in program.outputs]),
        guards=array("i", [final(place[x]) for x in program.guards]),
    )


def share(program: Program) -> Program:
    """Return the program with one instruction where several do the same to the same: common subexpressions."""
    place = list(range(program.first))
    seen: dict[tuple[int, ...], int] = {}
    codes, starts, operands = array("H"), array("q", [0]), array("i")
    next_slot = program.first
    for code, old in program.instructions():
        new = [place[x] for x in old]
        key = (code, *(sorted(new) if code in _COMMUTATIVE else new))
        slot = seen.get(key)
        if slot is None:
            slot = seen[key] = next_slot
            next_slot += 1
            codes.append(code)
            operands.extend(new)
            starts.append(len(operands))
        place.append(slot)
    return program._replace(
        codes=codes,
        starts=starts,
        operands=operands,
        outputs=array("i", [place[x] for x in program.outputs]),
        guards=array("i", [place[x] for x in program.guards]),
    )


def drop_dead(program: Program) -> Program:
    """Return the program without instructions and constants that no output and no guard depends on."""
    first, starts, all_operands = program.first, program.starts, program.operands.tolist()
    alive = bytearray(program.slots)
    for slot in chain(program.outputs, program.guards):
        alive[slot] = 1
    for i in range(len(program.codes) - 1, -1, -1):
        if alive[first + i]:
            for x in all_operands[starts[i] : starts[i + 1]]:
                alive[x] = 1
    alive[: program.inputs] = b"\1" * program.inputs
    place, slot = [], 0
    for living in alive:
        place.append(slot)
        slot += living
    codes, new_starts, operands = array("H"), array("q", [0]), array("i")
    for i, code in enumerate(program.codes):
        if alive[first + i]:
            codes.append(code)
            operands.extend([place[x] for x in all_operands[starts[i] : starts[i + 1]]])
            new_starts.append(len(operands))
    return program._replace(
        constants=array("d", [x for i, x in enumerate(program.constants, program.inputs) if alive[i]]),
        codes=codes,
        starts=new_starts,
        operands=operands,
        outputs=array("i", [place[x] for x in program.outputs]),
        guards=array("i", [place[x] for x in program.guards]),
    )


PASSES: dict[str, Callable[[Program], Program]] = {
    "fold constants": fold,
    "share common subexpressions": share,
    "drop dead code": drop_dead,
}


def optimised(program: Program) -> tuple[Program, dict[str, int]]:
    """Return the program after all passes, and how many instructions each left."""
    effect = {}
    for name, improve in PASSES.items():
        program = improve(program)
        effect[name] = len(program.codes)
    return program, effect
