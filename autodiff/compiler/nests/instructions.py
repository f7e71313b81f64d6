"""Instructions in their final order, as machine code sees them; and those that one nest is made of.

Arrays that are only read are given by their addresses, which takes less long to compile.
"""

from typing import NamedTuple

from autodiff.compiler.machine.vectors import kernel, number
from autodiff.compiler.nests.schema import Affine, Loops

SHARED, IN_LANES, TOTAL = range(3)  # phases: the same for all rows, for each row, added up over the rows
# Kinds of opcodes: sums, single products, others that are common, the rest.
REST, PRODUCTS, STRONG_PRODUCTS, PRODUCT, STRONG_PRODUCT, COMMON = range(6)


class Instructions(NamedTuple):
    """The addresses of arrays that describe instructions, and where numbers stand.

    Attributes:
        codes: opcodes.
        starts: where the operands of each begin; one more at the end.
        operands: their addresses in the block of memory.
        outs: the addresses of the results.
        phases: the phase of each.
        kinds: the kind of each opcode.
        lanes_at: where the lanes begin.
        lanes: how many there are.
        one: the address of the constant 1.0; 0.0 and -0.0 stand before it.
    """

    codes: int
    starts: int
    operands: int
    outs: int
    phases: int
    kinds: int
    lanes_at: int
    lanes: int
    one: int


class Repeated(NamedTuple):
    """Instructions that are one nest: `outer` times `inner` of them, and where the operands of three of them begin.

    Attributes:
        first: the first instruction.
        inner: how many there are in a row.
        outer: how many rows.
        phase: of all of them.
        at: where the operands of the first begin.
        beside: where the operands of the second in its row begin; `at` if there is none.
        below: where the operands of the first in the second row begin; `at` if there is none.
    """

    first: int
    inner: int
    outer: int
    phase: int
    at: int
    beside: int
    below: int


@kernel
def count(x: Instructions, t: int) -> int:
    """How many operands instruction t has."""
    return number(x.starts, t + 1) - number(x.starts, t)


@kernel
def operand(x: Instructions, t: int, j: int) -> int:
    """The address of operand j of instruction t."""
    return number(x.operands, number(x.starts, t) + j)


@kernel
def is_lane(x: Instructions, address: int) -> bool:
    """Whether a number there differs from row to row."""
    return address >= x.lanes_at


@kernel
def repeated(x: Instructions, first: int, inner: int, outer: int) -> Repeated:
    """So many rows of so many instructions, from this one on."""
    beside = number(x.starts, first + (1 if inner > 1 else 0))
    below = number(x.starts, first + (inner if outer > 1 else 0))
    return Repeated(first, inner, outer, number(x.phases, first), number(x.starts, first), beside, below)


@kernel
def loops_of(x: Instructions, nest: Repeated) -> Loops:
    """The loops of a nest; lanes are one more, the innermost."""
    return Loops(nest.outer, nest.inner, x.lanes) if nest.phase == IN_LANES else Loops(1, nest.outer, nest.inner)


@kernel
def out_of(x: Instructions, nest: Repeated) -> Affine:
    """Where the results go: side by side, in the order of the instructions."""
    at = number(x.outs, nest.first)
    if nest.phase == IN_LANES:
        return Affine(at, x.lanes * nest.inner, x.lanes, 1, 0)
    return Affine(at, 0, nest.inner, 1, 0)


@kernel
def place(x: Instructions, nest: Repeated, j: int) -> Affine:
    """Where operand j is."""
    at = number(x.operands, nest.at + j)
    inner, outer = number(x.operands, nest.beside + j) - at, number(x.operands, nest.below + j) - at
    if nest.phase == IN_LANES:
        return Affine(at, outer, inner, 1 * is_lane(x, at), 0)
    return Affine(at, 0, outer, inner, 0)
