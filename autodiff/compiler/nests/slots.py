"""Slots of a program: how deep each lies, and where it stands in memory.

Instructions that came from a loop lie at the same level; given addresses in a row, they are in step.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from autodiff.compiler.nests.instructions import IN_LANES
from autodiff.compiler.programs.opcodes import CODE, OPCODES
from autodiff.compiler.programs.program import Program

_CHOOSING = [sum(1 << i for i in primitive.facts.choosing) for primitive in OPCODES]  # a bit for each operand
_MOST_BITS = 62  # of a mask of operands: those from there on share the last one


class Slots(NamedTuple):
    """For each slot whether it is a lane, its level, and whether a nan that it holds must be looked for."""

    lane: bytearray
    level: list[int]
    watched: bytearray


def analysed(program: Program) -> Slots:
    """What is known of the slots of a program.

    Levels of lanes count from the shared numbers. A nan from a strong sum of plain products may be wrong, and what is
    made from one is tainted. An operand that chooses may swallow one.
    """
    lane, level = bytearray(program.varying) + bytearray(len(program.constants)), [0] * program.first
    tainted, watched = bytearray(program.first), bytearray(program.slots)
    for code, operands in program.instructions():
        for j, x in enumerate(operands):
            if tainted[x] and _CHOOSING[code] >> min(j, _MOST_BITS) & 1:
                watched[x] = 1
        in_lanes = any(lane[x] for x in operands)
        level.append(1 + max((level[x] for x in operands if lane[x] == in_lanes), default=0))
        lane.append(in_lanes)
        tainted.append(code == CODE["strong_products"] or any(tainted[x] for x in operands))
    return Slots(lane, level, watched)


class Places:
    """The addresses of all slots: those of inputs and constants are known, results are given theirs.

    Attributes:
        at: the address of each slot.
        free: the next address of each phase.
    """

    def __init__(
        self, program: Program, phase: Sequence[int], at: list[int], free: list[int], lanes_at: int, lanes: int
    ) -> None:
        self._instructions, self._first = [*program.instructions()], program.first
        self._phase, self._lanes_at, self._lanes = phase, lanes_at, lanes
        self.at, self.free = at, free

    def give(self, group: list[int]) -> list[int]:
        """Give addresses to instructions that came from one loop, if any did; return them in the order of these.

        They are reversed where more steps of their operands are -1 than +1.
        """
        if sum(self._vote(t, u) for t, u in pairwise(group)) < 0:
            group = group[::-1]
        phase = self._phase[group[0]]
        for t in group:
            self.at[self._first + t] = self.free[phase]
            self.free[phase] += self._lanes if phase == IN_LANES else 1
        return group

    def _vote(self, t: int, u: int) -> int:
        """How many operands step by +1 from instruction t to u, less those that step by -1."""
        (code, xs), (other, ys) = self._instructions[t], self._instructions[u]
        if code != other or len(xs) != len(ys):
            return 0
        votes = 0
        for x, y in zip(xs, ys, strict=True):
            step, unit = self.at[y] - self.at[x], self._lanes if self.at[x] >= self._lanes_at else 1
            votes += (step == unit) - (step == -unit)
        return votes
