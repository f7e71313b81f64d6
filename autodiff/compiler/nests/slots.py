"""Slots of a program: how deep each lies, and where it stands in memory; in machine code.

Instructions that came from a loop lie at the same level; given addresses in a row, they are in step. Arrays are made by
the caller, since machine code that makes them takes long to compile.
"""

from typing import Any

from autodiff.compiler.machine.caching import cached
from autodiff.compiler.nests.instructions import IN_LANES

Array = Any
_MOST_BITS = 62  # of a mask of operands: those from there on share the last one


@cached
def analysed(
    codes: Array, starts: Array, operands: Array, first: int, choosing: Array, strong: int, lane: Array, level: Array,
    tainted: Array, watched: Array,
) -> None:  # fmt: skip
    """Fill in for each slot whether it is a lane, its level, and whether a nan that it holds must be looked for.

    Levels of lanes count from the shared numbers. A nan from a strong sum of plain products may be wrong, and what is
    made from one is `tainted`. An operand that chooses may swallow one: `choosing` has a bit for each operand.
    """
    for i in range(len(codes)):
        out, deepest = first + i, 0
        chooses = choosing[codes[i]]
        for j in range(starts[i], starts[i + 1]):
            x = operands[j]
            lane[out] = lane[out] | lane[x]
            tainted[out] = tainted[out] | tainted[x]
            if tainted[x] and chooses >> min(j - starts[i], _MOST_BITS) & 1:
                watched[x] = 1
        for j in range(starts[i], starts[i + 1]):
            x = operands[j]
            if lane[x] == lane[out] and level[x] > deepest:
                deepest = level[x]
        level[out] = deepest + 1
        if codes[i] == strong:
            tainted[out] = 1


@cached
def placed(
    codes: Array, starts: Array, operands: Array, order: Array, groups: Array, phase: Array, places: Array, free: Array,
    lanes_at: int, lanes: int,
) -> None:  # fmt: skip
    """Fill in the address of each result, group by group, and the order of the instructions.

    `free` has the next address of each phase. A group is reversed where more steps of its operands are -1 than +1.
    """
    first = len(places) - len(codes)
    for g in range(len(groups) - 1):
        begin, end = groups[g], groups[g + 1]
        votes = 0
        for t in range(begin, end - 1):
            u, v = starts[order[t]], starts[order[t + 1]]
            count = starts[order[t] + 1] - u
            if starts[order[t + 1] + 1] - v == count and codes[order[t]] == codes[order[t + 1]]:
                for j in range(count):
                    step = places[operands[v + j]] - places[operands[u + j]]
                    unit = lanes if places[operands[u + j]] >= lanes_at else 1
                    votes += (step == unit) - (step == -unit)
        if votes < 0:
            for t in range((end - begin) // 2):
                order[begin + t], order[end - 1 - t] = order[end - 1 - t], order[begin + t]
        at, unit = free[phase[order[begin]]], lanes if phase[order[begin]] == IN_LANES else 1
        for t in range(begin, end):
            places[first + order[t]] = at
            at += unit
        free[phase[order[begin]]] = at
