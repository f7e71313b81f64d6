"""Instructions in step as loops, in machine code: rows of them, and rows of rows."""

from typing import Any

from autodiff.compiler.machine.caching import cached
from autodiff.compiler.machine.vectors import kernel, number
from autodiff.compiler.nests.instructions import Instructions, count, is_lane, operand

Array = Any


@cached
def looped(x: Instructions, groups: int, group_count: int, begins: Array, lengths: Array, nests: Array) -> int:
    """Fill in the nests (first instruction, inner count, outer count) of instructions in their order; return how many.

    `groups` has where each group begins of which nests are made, and the end of all; `begins` and `lengths` are room
    for a number per instruction.
    """
    rows = 0
    for g in range(group_count):
        t, end = number(groups, g), number(groups, g + 1)
        while t < end:
            begins[rows], lengths[rows] = t, _in_a_row(x, t, end)
            t += lengths[rows]
            rows += 1
    found, r, g = 0, 0, 0
    while r < rows:
        while number(groups, g + 1) <= begins[r]:
            g += 1
        outer = _rows_alike(x, begins, lengths, r, rows, number(groups, g + 1))
        nests[found, 0], nests[found, 1], nests[found, 2] = begins[r], lengths[r], outer
        found += 1
        r += outer
    return found


@kernel
def _in_a_row(x: Instructions, t: int, end: int) -> int:
    """How many instructions from t on, before the end, are steps of one loop."""
    if t + 1 >= end or not _alike(x, t, t + 1):
        return 1
    length = 2
    while t + length < end and _alike(x, t, t + length) and _in_step(x, t + length - 2):
        length += 1
    if length == 2 and t + 3 < end and _alike(x, t + 1, t + 2) and _alike(x, t + 1, t + 3) and _in_step(x, t + 1):
        return 1  # any two are in step: leave the second to a longer row that it begins
    return length


@kernel
def _rows_alike(x: Instructions, begins: Array, lengths: Array, r: int, rows: int, end: int) -> int:
    """How many rows from r on, that begin before the end, are steps of one loop."""
    outer, t, length = 1, begins[r], lengths[r]
    while r + outer < rows and begins[r + outer] < end and lengths[r + outer] == length:
        u = begins[r + outer]
        if not _alike(x, t, u) or not (length == 1 or _same_step(x, t, t + 1, u, u + 1)):
            break
        if outer > 1 and not _same_step(x, begins[r + outer - 2], begins[r + outer - 1], begins[r + outer - 1], u):
            break
        outer += 1
    return outer


@kernel
def _alike(x: Instructions, t: int, u: int) -> bool:
    """Whether two instructions could be steps of one loop."""
    if number(x.codes, t) != number(x.codes, u) or count(x, t) != count(x, u):
        return False
    alike = True
    for j in range(count(x, t)):
        alike = alike and is_lane(x, operand(x, t, j)) == is_lane(x, operand(x, u, j))
    return alike


@kernel
def _in_step(x: Instructions, t: int) -> bool:
    """Whether t and the two instructions after it are steps of one loop."""
    return _same_step(x, t, t + 1, t + 1, t + 2)


@kernel
def _same_step(x: Instructions, t: int, u: int, v: int, w: int) -> bool:
    """Whether operands move from t to u as they do from v to w."""
    same = True
    for j in range(count(x, t)):
        same = same and operand(x, u, j) - operand(x, t, j) == operand(x, w, j) - operand(x, v, j)
    return same
