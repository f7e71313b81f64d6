"""Passes: functions from program to program that change its size, and not a bit of what it gives.

>>> program = Program.of(1, [2.0, 1.0], [("mul", (0, 2)), ("add", (3, 1)), ("add", (0, 1)), ("sin", (5,))], [4, 5])
>>> print(drop_dead(share(fold(program))).listing())
inputs  x0
v2 = add x0 2.0
outputs v2 v2
"""

import struct
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import Any

from autodiff.compiler.program.opcodes import CODE, OPCODES, detach
from autodiff.compiler.program.program import Program
from autodiff.primitives import Primitive, where

_COMMUTATIVE = {code for code, primitive in enumerate(OPCODES) if primitive.commutes}
_NEVER_FOLDED_BEFORE = len(CODE)  # the primitives of users are not asked for numbers beforehand


class _Draft:
    """Instructions being written: plain lists, which take half the time of arrays."""

    def __init__(self, first: int) -> None:
        self.codes: list[int] = []
        self.starts = [0]
        self.operands: list[int] = []
        self.next_slot = first

    def add(self, code: int, operands: Sequence[int]) -> int:
        """Return the slot of another instruction."""
        self.codes.append(code)
        self.operands.extend(operands)
        self.starts.append(len(self.operands))
        slot = self.next_slot
        self.next_slot = slot + 1
        return slot

    def arrays(self) -> dict[str, Any]:
        """Return the fields of a program."""
        return {
            "codes": array("H", self.codes),
            "starts": array("q", self.starts),
            "operands": array("i", self.operands),
        }


class _Constants:
    """The constants of a program, each bit pattern once."""

    def __init__(self) -> None:
        self.numbers = array("d")
        self.slots: dict[bytes, int] = {}

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
    constants, draft = _Constants(), _Draft(program.inputs)
    place = [*range(program.inputs), *map(constants.slot, program.constants)]
    values = {slot: constants.numbers[-1 - slot] for slot in place if slot < 0}
    undone: dict[int, int] = {}
    for code, old in program.instructions():
        if len(old) == 2 and (left := place[old[0]]) >= 0 and (right := place[old[1]]) >= 0:  # nearly every one
            place.append(draft.add(code, (left, right)))
            continue
        new = [place[x] for x in old]
        primitive = program.primitive(code)
        slot = _simplified(primitive, new, values, undone)
        if slot is None and new and max(new) < 0 and code < _NEVER_FOLDED_BEFORE:
            number = primitive.evaluate(*[values[x] for x in new])
            slot = constants.slot(number)
            values[slot] = number
        if slot is None:
            slot = draft.add(code, new)
            if primitive.involution:
                undone[slot] = new[0]
        place.append(slot)
    return _numbered(program, constants.numbers, draft, place)


def _simplified(primitive: Primitive, x: list[int], values: dict[int, float], undone: dict[int, int]) -> int | None:
    """Return the slot that an operation merely hands on, to the last bit, or None."""
    if len(x) == 2:
        left, right = primitive.unit
        if right is not None and x[1] < 0 and _same(values[x[1]], right):
            return x[0]
        if left is not None and x[0] < 0 and _same(values[x[0]], left):
            return x[1]
    elif primitive is where:
        if x[0] < 0:
            return x[1] if values[x[0]] else x[2]
        if x[1] == x[2]:
            return x[1]
    elif primitive is detach:
        return x[0]
    elif primitive.involution:
        return undone.get(x[0])
    return None


def _same(x: float, y: float) -> bool:
    return struct.pack("d", x) == struct.pack("d", y)


def _numbered(program: Program, numbers: "array[float]", draft: _Draft, place: list[int]) -> Program:
    """Return the program with its final slots: inputs, then constants, then instructions, numbered from inputs on."""
    inputs, count = program.inputs, len(numbers)
    final = [
        *range(inputs),
        *range(inputs + count, draft.next_slot + count),
        *range(inputs + count - 1, inputs - 1, -1),
    ]
    draft.operands = [final[x] for x in draft.operands]  # constants, below 0, count from the end
    return program._replace(
        **draft.arrays(),
        constants=numbers,
        outputs=array("i", [final[place[x]] for x in program.outputs]),
        guards=array("i", [final[place[x]] for x in program.guards]),
    )


def share(program: Program) -> Program:
    """Return the program with one instruction where several do the same to the same: common subexpressions."""
    draft = _Draft(program.first)
    place = list(range(program.first))
    seen: dict[tuple[int, ...], int] = {}
    for code, old in program.instructions():
        if len(old) == 2:
            left, right = place[old[0]], place[old[1]]
            new: Sequence[int] = (left, right)
            swapped = left > right and code in _COMMUTATIVE
            key: tuple[int, ...] = (code, right, left) if swapped else (code, left, right)
        else:
            new = [place[x] for x in old]
            key = (code, *new)
        slot = seen.get(key)
        if slot is None:
            slot = seen[key] = draft.add(code, new)
        place.append(slot)
    return program._replace(
        **draft.arrays(),
        outputs=array("i", [place[x] for x in program.outputs]),
        guards=array("i", [place[x] for x in program.guards]),
    )


def drop_dead(program: Program) -> Program:
    """Return the program without instructions and constants that no output and no guard depends on."""
    first, starts, operands = program.first, program.starts.tolist(), program.operands.tolist()
    alive = bytearray(program.slots)
    for slot in chain(program.outputs, program.guards, range(program.inputs)):
        alive[slot] = 1
    for i in range(len(program.codes) - 1, -1, -1):
        if alive[first + i]:
            for x in operands[starts[i] : starts[i + 1]]:
                alive[x] = 1
    place = list(accumulate(alive, initial=0))
    draft = _Draft(0)
    for living, (code, old) in zip(alive[first:], program.instructions(), strict=True):
        if living:
            draft.add(code, old)
    draft.operands = [place[x] for x in draft.operands]
    return program._replace(
        **draft.arrays(),
        constants=array(
            "d", [x for x, living in zip(program.constants, alive[program.inputs :], strict=False) if living]
        ),
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
