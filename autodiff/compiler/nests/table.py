"""Nests written into a table, in machine code: short ones as flat lists, the others as loops.

A number of the table has 32 bits, and machine code writes it without a look. What makes it fit: `reroll` takes no
program whose addresses, or operands of one operation, are `MOST_ADDRESSES` or more; steps are between addresses, and
what else is counted has addresses of its own.
"""

from typing import Any

import numpy as np

from autodiff.compiler.machine.caching import cached
from autodiff.compiler.machine.vectors import integer, kernel, number, part
from autodiff.compiler.nests.encoding import write_elementwise, write_flat, write_instruction, write_place
from autodiff.compiler.nests.instructions import (
    PRODUCT,
    PRODUCTS,
    SHARED,
    STRONG_PRODUCTS,
    TOTAL,
    Instructions,
    Repeated,
    count,
    loops_of,
    operand,
    out_of,
    place,
    repeated,
)
from autodiff.compiler.nests.schema import (
    BEYOND,
    FIRST_OPERAND,
    FIRST_RUN,
    FLAT_COUNT,
    FLAT_FIRST,
    MOST_LISTED,
    OPERAND,
    RUN,
    Affine,
    Loops,
)
from autodiff.compiler.nests.sums import write_sum_nest

Array = Any
_LONE = 12  # instructions of the commonest kinds take as long in a flat list as in a nest
_LONE_OF_REST = 3
_LONE_PAIRS = 12  # a nest of sums costs as much as a flat list of about so many pairs


@cached
def tabled(x: Instructions, nests: Array, entries: Array) -> tuple[Array, int, int, int, int]:
    """The table, how many entries it has, where the shared part and all of it end, and how much room it needs.

    `nests` is what `looped` filled in. Fills in where the entries begin.
    """
    table, used = np.empty(1024, np.int32), integer(0)
    found, shared_end, room, open_flat = 0, -1, 0, -1
    for r in range(len(nests)):
        nest = repeated(x, nests[r, 0], nests[r, 1], nests[r, 2])
        if nest.phase > SHARED and shared_end < 0:
            shared_end, open_flat = used, -1
        table = _with_room(table, used, _most_words(x, nest))
        if open_flat < 0 or not _is_short(x, nest):
            entries[found] = used
            found += 1
        if _is_short(x, nest):
            if open_flat < 0:
                open_flat = used
                used = write_flat(table, used, number(x.outs, nest.first))
            table[open_flat + FLAT_COUNT] += nest.inner * nest.outer
            used = _write_instructions(x, table, used, nest)
            continue
        open_flat = -1
        if _is_sum(x, nest):
            used, needed = write_sum_nest(x, table, used, nest)
        else:
            used, needed = _write_elementwise_nest(x, table, used, nest)
        room = max(room, needed)
    if shared_end < 0:
        shared_end = used
    table = _with_room(table, used, integer(BEYOND))
    for i in range(BEYOND):
        table[used + i] = 0  # instructions of a flat list are read a little beyond their ends
    return table[: used + BEYOND], found, shared_end, used, room


@kernel
def _with_room(table: Array, used: int, more: int) -> Array:
    if used + more <= len(table):
        return table
    larger = np.empty(2 * (used + more), np.int32)
    for i in range(used):
        larger[i] = table[i]
    return larger


@kernel
def _kind(x: Instructions, nest: Repeated) -> int:
    return number(x.kinds, number(x.codes, nest.first))


@kernel
def _is_sum(x: Instructions, nest: Repeated) -> bool:
    return _kind(x, nest) == PRODUCTS or _kind(x, nest) == STRONG_PRODUCTS or nest.phase == TOTAL


@kernel
def _is_short(x: Instructions, nest: Repeated) -> bool:
    """Whether a nest is better written as single instructions."""
    size, operands = nest.inner * nest.outer, count(x, nest.first)
    if nest.phase != SHARED or operands >= MOST_LISTED:
        return False
    if _is_sum(x, nest):
        return size * operands <= 2 * _LONE_PAIRS
    return size <= (_LONE if _kind(x, nest) >= PRODUCT else _LONE_OF_REST)


@kernel
def _most_words(x: Instructions, nest: Repeated) -> int:
    """No nest takes more words: a run for each pair, or a place for each operand."""
    operands = count(x, nest.first)
    if _is_short(x, nest):
        return FLAT_FIRST + nest.inner * nest.outer * (1 + operands)
    return FIRST_RUN + FIRST_OPERAND + operands * max(OPERAND, RUN)


@part
def _write_instructions(x: Instructions, table: Array, used: int, nest: Repeated) -> int:
    """Write the instructions of a nest, one by one; return where they end."""
    for t in range(nest.first, nest.first + nest.inner * nest.outer):
        used = write_instruction(table, used, number(x.codes, t), count(x, t))
        for j in range(count(x, t)):
            table[used + j] = operand(x, t, j)
        used += count(x, t)
    return used


@part
def _write_elementwise_nest(x: Instructions, table: Array, used: int, nest: Repeated) -> tuple[int, int]:
    """Write an element-wise nest; return where it ends, and how much room it needs for copies of three operands."""
    loops, out, joins, operands = loops_of(x, nest), out_of(x, nest), 0, count(x, nest.first)
    while joins < 2 and _goes_on(x, nest, loops, out, joins):
        loops, out, joins = Loops(1, loops.h, loops.j * loops.i), _joined(out, 1), joins + 1
    used = write_elementwise(table, used, number(x.codes, nest.first), operands, loops, out)
    for j in range(operands):
        used = write_place(table, used, _joined(place(x, nest, j), joins))
    return used, 3 * loops.i


@kernel
def _goes_on(x: Instructions, nest: Repeated, loops: Loops, out: Affine, joins: int) -> bool:
    """Whether every step of the loop j goes on where the loop i ends: then they are one loop."""
    if (loops.j == 1 and loops.h == 1) or out.j != loops.i:
        return False
    for j in range(count(x, nest.first)):
        moved = _joined(place(x, nest, j), joins)
        if moved.j != moved.i * loops.i:
            return False
    return True


@kernel
def _joined(moved: Affine, joins: int) -> Affine:
    """The steps after so many times two loops have become one."""
    h = moved.h if joins == 0 else 0
    j = moved.j if joins == 0 else moved.h if joins == 1 else 0
    return Affine(moved.at, h, j, moved.i, 0)
