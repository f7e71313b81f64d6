"""Re-rolling: a program of single instructions becomes loop nests over slots, as a table that the interpreter runs.

Instructions are sorted by level, the longest path from an input, and by class, their opcode; results get slots in that
order. Then instructions that came from a loop follow each other with operands whose slots advance by constant steps:
they are one nest, and nests that follow each other so are one nest with one more loop. The products of a sum are
written as affine runs, a loop of their own. What is irregular stays as it is: a flat list.

What depends on inputs that vary from row to row comes second, in lanes: `lanes` numbers side by side for each slot. An
output that is a product, and is to be added up over the rows, is a sum over the lanes, and comes last.
"""

from typing import Any, NamedTuple

import numpy as np

from autodiff.compiler.machine.vectors import BYTES
from autodiff.compiler.nests.instructions import COMMON, IN_LANES, TOTAL, Instructions
from autodiff.compiler.nests.loops import looped
from autodiff.compiler.nests.schema import Copies, Header, Nests
from autodiff.compiler.nests.slots import analysed, placed
from autodiff.compiler.nests.table import tabled
from autodiff.compiler.nests.totals import PRODUCT_KINDS, are_totals, with_totals
from autodiff.compiler.programs.opcodes import CODE, OPCODES
from autodiff.compiler.programs.program import Program

Array = Any
_KINDS = {**PRODUCT_KINDS, "add": COMMON, "sub": COMMON, "div": COMMON}
_CHOOSING = [sum(1 << i for i in primitive.facts.choosing) for primitive in OPCODES]  # a bit for each operand
_MOST_BYTES = 256 * 2**20  # of lanes; beyond it they are made narrower
MOST_ADDRESSES = 2**31  # numbers in a block of memory: what the words of a table can hold
_MOST_INSTRUCTIONS = 2**28  # `_candidate` sorts by levels of 28 bits
_ALIGNED = 8  # numbers in a line of the cache


class _Analysis(NamedTuple):
    """A program as arrays, and what is known about its slots and instructions."""

    codes: Array
    starts: Array
    operands: Array
    varying: Array
    constants: list[float]  # the program's, then -0.0, 0.0 and 1.0, in their standard places
    lane: Array
    level: Array
    watched: Array
    phase: Array  # of each instruction: SHARED, IN_LANES or TOTAL
    first: int


class _Memory(NamedTuple):
    """Where numbers stand: shared inputs, constants, shared results, totals, their starts; lanes; room for copies."""

    inputs: int
    one: int
    totals_at: int
    totals: int
    lanes_at: int
    lanes: int
    room_at: int


class _Candidate(NamedTuple):
    """Nests of one order of the instructions."""

    table: Array
    entries: Array
    shared_end: int
    lanes_end: int
    room: int
    places: Array


def reroll(program: Program, reduce: bool = False, lanes: int = 32) -> Nests:
    """The nests of a program; with `reduce` its outputs are added up over the rows."""
    if reduce:
        program = with_totals(program)
    known = _analysed(program, reduce)
    memory = _memory(known, lanes)
    # Sums of different lengths may come from one loop or from several; the shorter table tells.
    lengths = np.diff(known.starts)
    candidates = [_candidate(known, memory, extra) for extra in (np.zeros_like(lengths), np.minimum(lengths, 0xFFFF))]
    return _assembled(program, known, memory, min(candidates, key=lambda candidate: len(candidate.table)))


def _analysed(program: Program, reduce: bool) -> _Analysis:
    codes = np.frombuffer(program.codes, np.uint16).astype(np.int64) if program.codes else np.zeros(0, np.int64)
    starts, operands = np.array(program.starts, np.int64), np.array(program.operands, np.int64)
    varying = np.frombuffer(program.varying, np.uint8)
    lane, tainted, watched = (np.zeros(program.slots, np.uint8) for _ in range(3))
    level = np.zeros(program.slots, np.int64)
    lane[: len(varying)] = varying
    choosing, strong = np.array(_CHOOSING), CODE["strong_products"]
    analysed(codes, starts, operands, program.first, choosing, strong, lane, level, tainted, watched)
    phase = lane[program.first :].astype(np.int64)
    if reduce:
        phase[are_totals(program, operands) & (phase == IN_LANES) & (_by_code(PRODUCT_KINDS)[codes] > 0)] = TOTAL
    constants = [*program.constants, -0.0, 0.0, 1.0]
    return _Analysis(codes, starts, operands, varying, constants, lane, level, watched, phase, program.first)


def _memory(known: _Analysis, lanes: int) -> _Memory:
    wide_inputs = int(known.varying.sum())
    inputs = len(known.varying) - wide_inputs
    shared_results, wide_results, totals = np.bincount(known.phase, minlength=3).tolist()
    totals_at = inputs + len(known.constants) + shared_results
    lanes_at = _aligned(totals_at + 2 * totals)
    wide = wide_inputs + wide_results
    while lanes > _ALIGNED and wide * lanes * BYTES > _MOST_BYTES:
        lanes //= 2
    one = inputs + len(known.constants) - 1
    room_at = _aligned(lanes_at + wide * lanes)
    _check_size("numbers in memory", room_at, MOST_ADDRESSES)
    _check_size("operands of one operation", int(np.max(np.diff(known.starts), initial=0)), MOST_ADDRESSES)
    _check_size("operations", len(known.codes), _MOST_INSTRUCTIONS)
    return _Memory(inputs, one, totals_at, totals, lanes_at, lanes, room_at)


def _check_size(what: str, needed: int, limit: int) -> None:
    """Raise ValueError for what would not fit into the numbers of a table."""
    if needed >= limit:
        raise ValueError(
            f'the program needs {needed:,} {what}; backend="numba" takes fewer than {limit:,}: compile smaller parts '
            'of it, or use backend="python"'
        )


def _aligned(address: int) -> int:
    return -(-address // _ALIGNED) * _ALIGNED


def _candidate(known: _Analysis, memory: _Memory, extra: Array) -> _Candidate:
    """The nests of instructions sorted by level, by class, and by an `extra` number of each."""
    codes, starts, operands, phase = known.codes, known.starts, known.operands, known.phase
    count, first, lanes_at, lanes, one = len(codes), known.first, memory.lanes_at, memory.lanes, memory.one
    kinds = _by_code(_KINDS)
    classes = np.where(codes == CODE["strong_products"], CODE["products"], codes)
    key = (phase << 60) | (np.where(phase == TOTAL, 0, known.level[first:]) << 32) | (classes << 16) | extra
    order = np.argsort(key, kind="stable")
    groups = np.append(np.flatnonzero(np.diff(key[order], prepend=-1)), count)

    places = _first_places(known, memory)
    free = np.array([one + 1, lanes_at + lanes * int(known.varying.sum()), memory.totals_at])

    def place(of: Array) -> None:
        placed(codes, starts, operands, order, of, phase, places, free, lanes_at, lanes)

    until = np.searchsorted(groups, count - memory.totals)
    place(groups[: until + 1])
    if memory.totals:  # nobody reads these but the caller, so their order is free
        last = order[count - memory.totals :]
        factors = starts[last + 1] - 2
        keys = (places[operands[factors + 1]], places[operands[factors]], codes[last])
        order[count - memory.totals :] = last[np.lexsort(keys)]
        place(groups[until:])

    lengths = np.diff(starts)[order]
    new_starts = np.append(0, np.cumsum(lengths))
    gathered = np.repeat(starts[:-1][order] - new_starts[:-1], lengths) + np.arange(new_starts[-1])
    addresses = places[operands[gathered]]
    begins, counts, nests = np.empty(count, np.int64), np.empty(count, np.int64), np.empty((count, 3), np.int64)
    arrays = (codes[order], new_starts, addresses, places[first + order], phase[order], kinds)
    codes_at, starts_at, operands_at, outs_at, phases_at, kinds_at = [x.ctypes.data for x in arrays]
    instructions = Instructions(codes_at, starts_at, operands_at, outs_at, phases_at, kinds_at, lanes_at, lanes, one)
    found = looped(instructions, groups.ctypes.data, len(groups) - 1, begins, counts, nests)
    table, entries, shared_end, lanes_end, room = tabled(instructions, nests[:found], begins)
    return _Candidate(table, begins[:entries], shared_end, lanes_end, room, places)


def _first_places(known: _Analysis, memory: _Memory) -> Array:
    """The addresses of all slots, with inputs and constants filled in; 0, -0 and 1 at their standard addresses."""
    varying, first = known.varying, known.first
    places = np.zeros(first + len(known.codes), np.int64)
    places[: len(varying)][varying == 0] = np.arange(memory.inputs)
    places[: len(varying)][varying == 1] = memory.lanes_at + memory.lanes * np.arange(int(varying.sum()))
    bits = np.array(known.constants).view(np.int64)
    at = memory.inputs + np.arange(len(bits))
    for i in (-3, -2, -1):
        at[bits == bits[i]] = at[i]
    places[len(varying) : first] = at[:-3]
    return places


def _assembled(program: Program, known: _Analysis, memory: _Memory, chosen: _Candidate) -> Nests:
    places = chosen.places
    outputs, guards = np.array(program.outputs, np.int64), np.array(program.guards, np.int64)
    totals_at, totals, one = memory.totals_at, memory.totals, memory.one
    total = np.flatnonzero(known.phase == TOTAL)
    strong = known.codes[total] == CODE["strong_mul"]
    starts, given = np.empty(totals), np.flatnonzero(np.diff(known.starts)[total] == 3)
    starts[places[known.first + total] - totals_at] = np.where(strong, 0.0, -0.0)
    of_product = known.operands[known.starts[total[given]]] - len(known.varying)
    starts[places[known.first + total[given]] - totals_at] = np.array(known.constants)[of_product]
    numbers = np.zeros(memory.room_at + chosen.room + _ALIGNED)
    numbers[memory.inputs : one + 1] = known.constants
    numbers[totals_at + totals : totals_at + 2 * totals] = starts

    is_lane = known.lane == 1
    is_lane[known.first + total] = False
    shared = known.lane[outputs] == 0
    copies = _copies(places[outputs], is_lane[outputs])
    guard_words = np.stack([places[guards], is_lane[guards], np.frombuffer(program.expected, np.uint8)], 1)
    watched = np.flatnonzero(known.watched)
    watched_words = np.stack([places[watched], is_lane[watched]], 1)
    parts = [chosen.table, np.array(copies, np.int64).ravel(), guard_words.ravel(), watched_words.ravel()]
    ends = np.cumsum([len(part) for part in parts]).tolist()
    header = {
        Header.SHARED_END: chosen.shared_end, Header.LANES_END: chosen.lanes_end,
        Header.INPUTS: memory.inputs, Header.VARYING: int(known.varying.sum()),
        Header.LANES_AT: memory.lanes_at, Header.LANES: memory.lanes,
        Header.OUTPUTS: ends[0], Header.OUTPUT_RUNS: len(copies), Header.OUTPUT_WIDTH: len(outputs),
        Header.GUARDS: ends[1], Header.GUARD_COUNT: len(guards),
        Header.WATCHED: ends[2], Header.WATCHED_COUNT: len(watched),
        Header.TOTALS: totals_at, Header.TOTAL_COUNT: totals, Header.TOTAL_STARTS: totals_at + totals,
        Header.STRONG: int(CODE["strong_products"] in known.codes or bool(np.any(strong))), Header.ROOM: memory.room_at,
    }  # fmt: skip
    return Nests(np.concatenate(parts).astype(np.int32), numbers, header, chosen.entries, places, shared)


def _by_code(numbers: dict[str, int]) -> Array:
    table = np.zeros(len(OPCODES), np.int64)
    for name, number in numbers.items():
        table[CODE[name]] = number
    return table


def _copies(places: Array, lane: Array) -> list[Copies]:
    """Runs of outputs in step that give these places in order."""
    found, i, n = list[Copies](), 0, len(places)
    steps = np.diff(places)
    same = np.flatnonzero((np.diff(steps) != 0) | (lane[2:] != lane[:-2])) if n > 2 else np.zeros(0, int)
    breaks = [*same.tolist(), max(n - 2, 0)]
    at = 0
    while i < n:
        while breaks[at] < i and at < len(breaks) - 1:
            at += 1
        length = min(breaks[at] + 2 - i, n - i) if i + 1 < n and lane[i] == lane[i + 1] else 1
        found.append(Copies(int(places[i]), int(steps[i]) if length > 1 else 1, length, int(lane[i])))
        i += length
    return found
