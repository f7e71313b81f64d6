"""Re-rolling: a program of single instructions becomes loop nests over slots, as a table that the interpreter runs.

Instructions are sorted by level, the longest path from an input, and by class, their opcode; results get slots in that
order. Then instructions that came from a loop follow each other with operands whose slots advance by constant steps:
they are one nest, and nests that follow each other so are one nest with one more loop. The products of a sum are
written as affine runs, a loop of their own. What is irregular stays as it is: a flat list.

What depends on inputs that vary from row to row comes second, in lanes: `lanes` numbers side by side for each slot. An
output that is a product, and is to be added up over the rows, is a sum over the lanes, and comes last.
"""

import struct
from array import array
from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple

from autodiff.compiler.nests.instructions import IN_LANES, PRODUCT_KINDS, TOTAL, Instructions
from autodiff.compiler.nests.loops import looped
from autodiff.compiler.nests.schema import COPIES, GUARD, Copies, Guard, Header, Nests, Watched
from autodiff.compiler.nests.slots import Places, Slots, analysed
from autodiff.compiler.nests.table import Tabled, tabled
from autodiff.compiler.nests.totals import used_slots, with_standard, with_totals
from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Program
from autodiff.native.pairs import paired

_MOST_BYTES = 256 * 2**20  # of lanes; beyond it they are made narrower
MOST_INSTRUCTIONS = 2**28  # operations, so that levels and counts fit as well
_BYTES = 8  # of a number
MOST_ADDRESSES = 2**31  # numbers in a block of memory: what the words of a table can hold
_ALIGNED = 8  # numbers in a line of the cache
_MOST_TOLD_APART = 0xFFFF  # operands: sums that have more of them count as equally long


class _Known(NamedTuple):
    """A program with -0.0, 0.0 and 1.0 as its last constants, and what is known about it."""

    program: Program
    slots: Slots
    phase: list[int]  # of each instruction: SHARED, IN_LANES or TOTAL


class _Memory(NamedTuple):
    """Where numbers stand: shared inputs, constants, shared results, totals, their starts; lanes."""

    inputs: int
    one: int
    totals_at: int
    totals: int
    lanes_at: int
    lanes: int
    size: int


class _Candidate(NamedTuple):
    """Nests of one order of the instructions, and the address of each slot."""

    tabled: Tabled
    places: list[int]


@paired
def reroll(program: Program, reduce: bool = False, lanes: int = 32) -> Nests:
    """The nests of a program; with `reduce` its outputs are added up over the rows."""
    known = _known(program, reduce)
    memory = _memory(known, lanes)
    # Sums of different lengths may come from one loop or from several; the shorter table tells.
    candidates = [_candidate(known, memory, by_length) for by_length in (False, True)]
    chosen = min(candidates, key=lambda candidate: len(candidate.tabled.table))
    return _assembled(known, memory, chosen, program)


def _known(program: Program, reduce: bool) -> _Known:
    program = with_standard(program)
    program = with_totals(program) if reduce else program
    slots = analysed(program)
    phase = list(slots.lane[program.first :])
    if reduce:
        used, outputs = used_slots(program), set(program.outputs)
        for t, code in enumerate(program.codes):
            slot = program.first + t
            if phase[t] == IN_LANES and code in PRODUCT_KINDS and slot in outputs and not used[slot]:
                phase[t] = TOTAL
    return _Known(program, slots, phase)


def _memory(known: _Known, lanes: int) -> _Memory:
    program, phase = known.program, known.phase
    wide, totals = sum(program.varying) + phase.count(IN_LANES), phase.count(TOTAL)
    inputs = program.inputs - sum(program.varying)
    one = inputs + len(program.constants) - 1
    totals_at = one + 1 + len(phase) - phase.count(IN_LANES) - totals
    lanes_at = _aligned(totals_at + 2 * totals)
    while lanes > _ALIGNED and wide * lanes * _BYTES > _MOST_BYTES:
        lanes //= 2
    size = _aligned(lanes_at + wide * lanes)
    most = max((end - start for start, end in pairwise(program.starts)), default=0)
    check_sizes(size, most, len(phase))
    return _Memory(inputs, one, totals_at, totals, lanes_at, lanes, size)


def check_sizes(numbers: int, operands: int, operations: int) -> None:
    """Raise ValueError for what would not fit into the numbers of a table."""
    for what, needed, limit in (
        ("numbers in memory", numbers, MOST_ADDRESSES),
        ("operands of one operation", operands, MOST_ADDRESSES),
        ("operations", operations, MOST_INSTRUCTIONS),
    ):
        if needed >= limit:
            raise ValueError(
                f'the program needs {needed:,} {what}; backend="native" takes fewer than {limit:,}: compile smaller '
                'parts of it, or use backend="python"'
            )


def _aligned(address: int) -> int:
    return -(-address // _ALIGNED) * _ALIGNED


def _candidate(known: _Known, memory: _Memory, by_length: bool) -> _Candidate:
    """The nests of instructions sorted by phase, level and class, and also by the number of their operands."""
    program, phase, level = known.program, known.phase, known.slots.level[known.program.first :]
    lengths = [min(end - start, _MOST_TOLD_APART) for start, end in pairwise(program.starts)]

    def key(t: int) -> tuple[int, int, int, int]:
        code = CODE["products"] if program.codes[t] == CODE["strong_products"] else program.codes[t]
        return phase[t], 0 if phase[t] == TOTAL else level[t], code, lengths[t] if by_length else 0

    groups = [[*group] for _, group in groupby(sorted(range(len(phase)), key=key), key)]
    places = _places(known, memory)
    groups = [places.give(group) for group in groups if phase[group[0]] != TOTAL] + [
        places.give(sorted(group, key=lambda t: _factors(program, places, t)))
        for group in groups
        if phase[group[0]] == TOTAL
    ]
    order, at = [t for group in groups for t in group], places.at
    operands = [[at[x] for x in program.operands[program.starts[t] : program.starts[t + 1]]] for t in order]
    instructions = Instructions(
        [program.codes[t] for t in order],
        [*accumulate(map(len, operands), initial=0)],
        [x for xs in operands for x in xs],
        [at[program.first + t] for t in order],
        [phase[t] for t in order],
        memory.lanes_at, memory.lanes, memory.one,
    )  # fmt: skip
    return _Candidate(tabled(instructions, looped(instructions, [*accumulate(map(len, groups), initial=0)])), at)


def _factors(program: Program, places: Places, t: int) -> tuple[int, int, int]:
    """What totals are sorted by: nobody reads them but the caller, so their order is free."""
    x, y = program.operands[program.starts[t + 1] - 2 : program.starts[t + 1]]
    return program.codes[t], places.at[x], places.at[y]


def _places(known: _Known, memory: _Memory) -> Places:
    """The addresses of inputs and constants; 0, -0 and 1 are at their standard addresses."""
    program, places = known.program, list[int]()
    shared, wide = 0, memory.lanes_at
    for varies in program.varying:
        places.append(wide if varies else shared)
        wide, shared = wide + memory.lanes * varies, shared + (not varies)
    standard = {struct.pack("d", x): memory.one - i for i, x in enumerate((1.0, 0.0, -0.0))}
    places += [standard.get(struct.pack("d", x), memory.inputs + i) for i, x in enumerate(program.constants)]
    free = [memory.one + 1, wide, memory.totals_at]
    return Places(program, known.phase, places + [0] * len(program.codes), free, memory.lanes_at, memory.lanes)


def _assembled(known: _Known, memory: _Memory, chosen: _Candidate, given: Program) -> Nests:
    program, slots, (table, entries, shared_end), places = known.program, known.slots, *chosen
    is_lane = [*slots.lane[: program.first], *[phase == IN_LANES for phase in known.phase]]
    copies = _copies([places[x] for x in program.outputs], [int(is_lane[x]) for x in program.outputs])
    guards = [
        Guard(places[x], int(is_lane[x]), wanted) for x, wanted in zip(program.guards, program.expected, strict=True)
    ]
    watched = [Watched(places[x], int(is_lane[x])) for x in range(program.slots) if slots.watched[x]]
    outputs_at = len(table)
    guards_at = outputs_at + COPIES * len(copies)
    words = [word for part in (copies, guards, watched) for record in part for word in record]
    header = {
        Header.SHARED_END: shared_end, Header.LANES_END: len(table),
        Header.INPUTS: memory.inputs, Header.VARYING: sum(program.varying),
        Header.LANES_AT: memory.lanes_at, Header.LANES: memory.lanes, Header.SIZE: memory.size,
        Header.OUTPUTS: outputs_at, Header.OUTPUT_RUNS: len(copies), Header.OUTPUT_WIDTH: len(program.outputs),
        Header.GUARDS: guards_at, Header.GUARD_COUNT: len(guards),
        Header.WATCHED: guards_at + GUARD * len(guards), Header.WATCHED_COUNT: len(watched),
        Header.TOTALS: memory.totals_at, Header.TOTAL_COUNT: memory.totals,
        Header.TOTAL_STARTS: memory.totals_at + memory.totals, Header.STRONG: int(_is_strong(known)),
    }  # fmt: skip
    return Nests(
        array("i", table + words),
        _numbers(known, memory, places),
        array("q", [header[word] for word in Header]),
        array("q", entries),
        array("i", [*places[: given.first], *places[program.first : program.first + len(given.codes)]]),
        bytes(not slots.lane[x] for x in program.outputs),
    )


def _is_strong(known: _Known) -> bool:
    """Whether there are strong sums, which strong products become that are totals."""
    strong, codes = CODE["strong_mul"], known.program.codes
    is_total = any(code == strong and phase == TOTAL for code, phase in zip(codes, known.phase, strict=True))
    return is_total or CODE["strong_products"] in codes


def _numbers(known: _Known, memory: _Memory, places: Sequence[int]) -> "array[float]":
    """What memory holds at first, up to the lanes: constants, and what totals start from."""
    program, numbers = known.program, array("d", bytes(_BYTES * memory.lanes_at))
    numbers[memory.inputs : memory.one + 1] = program.constants
    for t, (code, operands) in enumerate(program.instructions()):
        if known.phase[t] == TOTAL:
            given = program.constants[operands[0] - program.inputs] if len(operands) > 2 else None
            start = given if given is not None else 0.0 if code == CODE["strong_mul"] else -0.0
            numbers[places[program.first + t] + memory.totals] = start
    return numbers


def _copies(places: Sequence[int], lane: Sequence[int]) -> list[Copies]:
    """Runs of outputs in step that give these places in order."""
    found, i, end = list[Copies](), 0, len(places)
    while i < end:
        length, step = 1, 1
        if i + 1 < end and lane[i] == lane[i + 1]:
            step = places[i + 1] - places[i]
            while i + length < end and lane[i] == lane[i + length] and places[i] + length * step == places[i + length]:
                length += 1
        found.append(Copies(places[i], step, length, lane[i]))
        i += length
    return found
