"""Programs as arrays of numpy, for passes that take all instructions at once, or run in machine code.

A program is opcodes, where the operands of each instruction start, operands, and the slot of the first instruction.
What machine code makes of it is `Rewritten`: the arrays of the new program, and for each old slot the new one.
"""

from array import array
from typing import Any

import numpy as np

from autodiff.compiler.programs.program import Program

Array = Any
Rewritten = tuple[Array, Array, Array, Array]


def codes_of(program: Program) -> Array:
    """The opcodes."""
    return np.frombuffer(program.codes, np.uint16).astype(np.int64) if program.codes else np.zeros(0, np.int64)


def ints(numbers: "array[int]") -> Array:
    """Integers of a program as an array."""
    return np.array(numbers, np.int64)


def arrays_of(program: Program) -> tuple[Array, Array, Array, int]:
    """A program as arrays."""
    return codes_of(program), ints(program.starts), ints(program.operands), program.first


def uses_of(program: Program) -> Array:
    """How often each slot is an operand; more than once where it is an output or a guard."""
    outside = np.concatenate([ints(program.outputs), ints(program.guards)])
    return np.bincount(ints(program.operands), minlength=program.slots) + 2 * np.bincount(
        outside, minlength=program.slots
    )


def with_constants(program: Program, numbers: list[float]) -> tuple[Program, list[int]]:
    """The program with each constant once, and these among them, and their slots."""
    constants = np.array([*program.constants, *numbers])
    _, places, inverse = np.unique(constants.view(np.int64), return_index=True, return_inverse=True)
    kept = np.sort(places)
    moved = np.searchsorted(kept, places)[inverse] + program.inputs  # the new slot of each constant
    added = len(kept) - len(program.constants)
    slots = np.arange(program.slots) + added * (np.arange(program.slots) >= program.first)
    slots[program.inputs : program.first] = moved[: len(program.constants)]
    given = program._replace(
        constants=array("d", constants[kept].tobytes()),
        operands=packed("i", slots[ints(program.operands)]),
        outputs=packed("i", slots[ints(program.outputs)]),
        guards=packed("i", slots[ints(program.guards)]),
    )
    return given, moved[len(program.constants) :].tolist()


def packed(kind: str, numbers: Array) -> "array[int]":
    """Integers as a program holds them, with the kind of `array.array`."""
    made = array(kind)
    made.frombytes(numbers.astype(made.typecode).tobytes())
    return made


def rewritten(program: Program, arrays: Rewritten) -> Program:
    """The program with other instructions."""
    codes, starts, operands, place = arrays
    return program._replace(
        codes=packed("H", codes),
        starts=packed("q", starts),
        operands=packed("i", operands),
        outputs=packed("i", place[ints(program.outputs)]),
        guards=packed("i", place[ints(program.guards)]),
    )
