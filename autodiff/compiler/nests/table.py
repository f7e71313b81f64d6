"""Nests written into a table: short ones as flat lists, the others as loops.

A number of the table has 32 bits. What makes it fit: `reroll` takes no program whose addresses, or operands of one
operation, are `MOST_ADDRESSES` or more; steps are between addresses, and what else is counted has addresses of its own.
"""

from collections.abc import Sequence
from typing import NamedTuple

from autodiff.compiler.nests.encoding import Table, write_elementwise, write_flat, write_instruction
from autodiff.compiler.nests.instructions import (
    PRODUCT,
    PRODUCTS,
    SHARED,
    STRONG_PRODUCTS,
    TOTAL,
    Instructions,
    Repeated,
)
from autodiff.compiler.nests.schema import FLAT_COUNT, MOST_LISTED, Affine, Loops
from autodiff.compiler.nests.sums import write_sum_nest

_LONE = 12  # instructions of the commonest kinds take as long in a flat list as in a nest
_LONE_OF_REST = 2  # a vector of them takes as long as one
_LONE_PAIRS = 24  # a nest of sums costs as much as a flat list of about so many pairs


class Tabled(NamedTuple):
    """Nests as words.

    Attributes:
        table: the words.
        entries: where each nest begins.
        shared_end: where those end that are the same for all rows.
    """

    table: Table
    entries: list[int]
    shared_end: int


def tabled(x: Instructions, nests: Sequence[Repeated]) -> Tabled:
    """The table of the nests."""
    table, entries = Table(), list[int]()
    shared_end, open_flat = -1, -1
    for nest in nests:
        if nest.phase > SHARED and shared_end < 0:
            shared_end, open_flat = len(table), -1
        is_short = _is_short(x, nest)
        if open_flat < 0 or not is_short:
            entries.append(len(table))
        if is_short:
            if open_flat < 0:
                open_flat = len(table)
                write_flat(table, x.outs[nest.first])
            _write_instructions(x, table, open_flat, nest)
            continue
        open_flat = -1
        if _is_sum(x, nest):
            write_sum_nest(x, table, nest)
        else:
            _write_elementwise_nest(x, table, nest)
    return Tabled(table, entries, len(table) if shared_end < 0 else shared_end)


def _is_sum(x: Instructions, nest: Repeated) -> bool:
    return nest.kind(x) in (PRODUCTS, STRONG_PRODUCTS) or nest.phase == TOTAL


def _is_short(x: Instructions, nest: Repeated) -> bool:
    """Whether a nest is better written as single instructions."""
    size, operands = nest.inner * nest.outer, x.count(nest.first)
    if nest.phase != SHARED or operands >= MOST_LISTED:
        return False
    if _is_sum(x, nest):
        return size * operands <= 2 * _LONE_PAIRS
    return size <= (_LONE if nest.kind(x) >= PRODUCT else _LONE_OF_REST)


def _write_instructions(x: Instructions, table: Table, flat: int, nest: Repeated) -> None:
    """Write the instructions of a nest, one by one, at the end of a flat list."""
    size = nest.inner * nest.outer
    table[flat + FLAT_COUNT] += size
    for t in range(nest.first, nest.first + size):
        write_instruction(table, x.codes[t], x.addresses(t))


def _write_elementwise_nest(x: Instructions, table: Table, nest: Repeated) -> None:
    """Write an element-wise nest, in as few loops as can be."""
    loops, out = nest.loops(x), nest.out(x)
    operands = [nest.place(x, j) for j in range(x.count(nest.first))]
    for _ in range(2):
        if (loops.j == 1 and loops.h == 1) or not all(_goes_on(loops, moved) for moved in (out, *operands)):
            break
        loops, out, operands = Loops(1, loops.h, loops.j * loops.i), _joined(out), [*map(_joined, operands)]
    write_elementwise(table, x.codes[nest.first], loops, out, operands)


def _goes_on(loops: Loops, moved: Affine) -> bool:
    """Whether every step of the loop j goes on where the loop i ends: then they are one loop."""
    return moved.j == moved.i * loops.i


def _joined(moved: Affine) -> Affine:
    """The steps after two loops have become one."""
    return Affine(moved.at, 0, moved.h, moved.i, 0)
