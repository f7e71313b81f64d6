"""Instructions in step as loops: rows of them, and rows of rows."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from autodiff.compiler.nests.instructions import Instructions, Repeated


class _Row(NamedTuple):
    begin: int
    length: int


def looped(x: Instructions, groups: Sequence[int]) -> list[Repeated]:
    """The nests of instructions in their order.

    `groups` has where each group begins of which nests are made, and the end of all.
    """
    nests = list[Repeated]()
    for t, end in pairwise(groups):
        rows, r = _rows(x, t, end), 0
        while r < len(rows):
            outer = _rows_alike(x, rows, r)
            nests.append(x.repeated(rows[r].begin, rows[r].length, outer))
            r += outer
    return nests


def _rows(x: Instructions, t: int, end: int) -> list[_Row]:
    """The instructions from t to the end as rows, each of steps of one loop."""
    rows = list[_Row]()
    while t < end:
        rows.append(_Row(t, _in_a_row(x, t, end)))
        t += rows[-1].length
    return rows


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


def _rows_alike(x: Instructions, rows: Sequence[_Row], r: int) -> int:
    """How many rows from r on are steps of one loop."""
    (t, length), outer = rows[r], 1
    while r + outer < len(rows) and rows[r + outer].length == length:
        u = rows[r + outer].begin
        if not _alike(x, t, u) or not (length == 1 or _same_step(x, t, t + 1, u, u + 1)):
            break
        if outer > 1 and not _same_step(x, rows[r + outer - 2].begin, rows[r + outer - 1].begin, u - length, u):
            break
        outer += 1
    return outer


def _alike(x: Instructions, t: int, u: int) -> bool:
    """Whether two instructions could be steps of one loop."""
    if x.codes[t] != x.codes[u] or x.count(t) != x.count(u):
        return False
    pairs = zip(x.addresses(t), x.addresses(u), strict=True)
    return all(x.is_lane(a) == x.is_lane(b) for a, b in pairs)


def _in_step(x: Instructions, t: int) -> bool:
    """Whether t and the two instructions after it are steps of one loop."""
    return _same_step(x, t, t + 1, t + 1, t + 2)


def _same_step(x: Instructions, t: int, u: int, v: int, w: int) -> bool:
    """Whether operands move from t to u as they do from v to w."""
    places = zip(x.addresses(t), x.addresses(u), x.addresses(v), x.addresses(w), strict=True)
    return all(b - a == d - c for a, b, c, d in places)
