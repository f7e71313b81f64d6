"""Constants folded: operations on constants alone are done beforehand, and those that change nothing are left out.

They are x * 1, x / 1, x + -0, x - 0, x ** 1, --x, a choice that is decided or between equals, and detach. Exact: what
is computed is what every run would compute, by the same `evaluate`; and a unit is left out only where no bit of any
number changes, so x + 0 stays, which makes 0.0 of -0.0.

    >>> program = Program.of(1, [2.0, 1.0], [("mul", (0, 2)), ("add", (1, 1)), ("add", (3, 4))], [5])
    >>> print(program.listing())
    inputs  x0
    v3 = mul x0 1.0
    v4 = add 2.0 2.0
    v5 = add v3 v4
    outputs v5
    >>> print(fold_constants(program).listing())
    inputs  x0
    v4 = add x0 4.0
    outputs v4
"""

import math
import struct

from autodiff.compiler.programs.opcodes import CODE, detach
from autodiff.compiler.programs.program import Builder, Program
from autodiff.native.pairs import paired
from autodiff.primitives import Primitive, where

_NEVER_FOLDED = len(CODE)  # the primitives of users, which are not asked for numbers beforehand
_Undone = dict[tuple[Primitive, int], int]  # the operand of each operation that undoes itself, by it and its slot


@paired
def fold_constants(program: Program) -> Program:
    """The program without operations on constants alone, and without those that change nothing."""
    (build, place), undone = Builder.rewriting(program), _Undone()
    for code, old in program.instructions():
        if len(old) == 2 and (left := place[old[0]]) >= 0 and (right := place[old[1]]) >= 0:  # nearly every one
            place.append(build.add(code, (left, right)))
            continue
        operands = [place[x] for x in old]
        primitive = program.primitive(code)
        slot = _simplified(build, primitive, operands, undone)
        if slot is None and operands and max(operands) < 0 and code < _NEVER_FOLDED:
            number = primitive.evaluate(*[build.number(x) for x in operands])
            slot = build.constant(number if number == number else math.nan)  # whose sign is whatever a machine makes it
        if slot is None:
            slot = build.add(code, operands)
            if primitive.facts.involution:
                undone[primitive, slot] = operands[0]
        place.append(slot)
    return build.program_like(program, place)


def _simplified(build: Builder, primitive: Primitive, x: list[int], undone: _Undone) -> int | None:
    """The slot that an operation merely hands on, to the last bit, or None."""
    if len(x) == 2:
        left, right = primitive.facts.unit
        if right is not None and x[1] < 0 and _same(build.number(x[1]), right):
            return x[0]
        if left is not None and x[0] < 0 and _same(build.number(x[0]), left):
            return x[1]
    elif primitive is where:
        if x[0] < 0:
            return x[1] if build.number(x[0]) else x[2]
        if x[1] == x[2]:
            return x[1]
    elif primitive is detach:
        return x[0]
    elif primitive.facts.involution:
        return undone.get((primitive, x[0]))
    return None


def _same(x: float, y: float) -> bool:
    return struct.pack("d", x) == struct.pack("d", y)
