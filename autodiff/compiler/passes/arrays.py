"""Programs as arrays of numpy, for passes that take all instructions at once, or run in machine code."""

from array import array
from typing import Any, NamedTuple

import numpy as np

from autodiff.compiler.programs.program import Program

Array = Any
Rewritten = tuple[Array, Array, Array, Array]  # codes, starts and operands of another program; the new slot of each old


class Arrays(NamedTuple):
    """A program as arrays.

    Attributes:
        codes: the opcode of each instruction.
        starts: where the operands of each begin; one more at the end.
        operands: slots.
        uses: how often each slot is an operand; more than once for an output or a guard.
        inputs: the slot of the first constant.
        first: the slot of the first instruction.
        constants: their numbers.
    """

    codes: Array
    starts: Array
    operands: Array
    uses: Array
    inputs: int
    first: int
    constants: Array


def codes_of(program: Program) -> Array:
    """The opcodes as an array."""
    return np.frombuffer(program.codes, np.uint16).astype(np.int64) if program.codes else np.zeros(0, np.int64)


def ints(numbers: "array[int]") -> Array:
    """Integers of a program as an array."""
    return np.array(numbers, np.int64)


def arrays_of(program: Program) -> Arrays:
    """A program as arrays."""
    operands, kept = ints(program.operands), np.concatenate([ints(program.outputs), ints(program.guards)])
    uses = np.bincount(operands, minlength=program.slots) + 2 * np.bincount(kept, minlength=program.slots)
    constants = np.array(program.constants, float)
    return Arrays(codes_of(program), ints(program.starts), operands, uses, program.inputs, program.first, constants)


def with_constants(program: Program, numbers: list[float]) -> tuple[Program, list[int]]:
    """The program with each constant once and these numbers among them, and the slots of these numbers."""
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
