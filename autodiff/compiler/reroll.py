"""Re-rolling: a program of single instructions becomes loop nests over slots, as a table that the interpreter runs.

Instructions are sorted by level, the longest path from an input, and by class, their opcode; results get slots in that
order. Then instructions that came from a loop follow each other with operands whose slots advance by constant steps:
they are one nest, and nests that follow each other so are one nest with one more loop. The products of a sum are
written as affine runs, a loop of their own. What is irregular stays as it is: a flat list.

What depends on inputs that vary from row to row comes second, in lanes: `lanes` numbers side by side for each slot. An
output that is a product, and is to be added up over the rows, is a sum over the lanes, and comes last.
"""

from array import array
from typing import Any, NamedTuple

import numpy as np

from autodiff.compiler.kernels import layout
from autodiff.compiler.opcodes import CODE, OPCODES
from autodiff.compiler.program import Program, rebuilt

Array = Any
_SUMS = {"products": 1, "strong_products": 2, "mul": 3, "strong_mul": 4}
_KILLING = {"less": 1, "less_equal": 1, "equal": 1, "not_equal": 1, "pow": 1, "hypot": 1, "norm": 1, "where": 2}
_MOST_BYTES = 256 * 2**20  # of lanes; beyond it they are made narrower
_ALIGNED = 8  # numbers in a line of the cache


class Nests(NamedTuple):
    """A program for the interpreter.

    Attributes:
        table: nests and flat lists, then the outputs, guards and watched slots.
        numbers: the block of memory, with the constants in their places.
        fields: what the interpreter's header says of both.
        entries: where each entry begins in the table.
        places: the address of each slot.
        shared: for each output whether it is the same for all rows.
    """

    table: Array
    numbers: Array
    fields: dict[str, int]
    entries: Array
    places: Array
    shared: Array


def reroll(program: Program, reduce: bool = False, lanes: int = 32) -> Nests:
    """Return the nests of a program; with `reduce` its outputs are added up over the rows."""
    if reduce:
        program = _with_products(program)
    codes = np.frombuffer(program.codes, np.uint16).astype(np.int64) if program.codes else np.zeros(0, np.int64)
    starts, operands = np.array(program.starts, np.int64), np.array(program.operands, np.int64)
    outputs, guards = np.array(program.outputs, np.int64), np.array(program.guards, np.int64)
    varying = np.frombuffer(program.varying, np.uint8)
    first, count = program.first, len(codes)
    lane, level, watched = layout.analysed(
        codes, starts, operands, first, varying, _by_code(_KILLING), CODE["strong_products"]
    )
    sums = _by_code(_SUMS)
    phase = lane[first:].astype(np.int64)
    if reduce:
        phase[_is_total(operands, outputs, guards, first, count) & (phase == 1) & (sums[codes] > 0)] = 2

    classes = np.where(codes == CODE["strong_products"], CODE["products"], codes)
    key = (phase << 56) | (np.where(phase == 2, 0, level[first:]) << 16) | classes
    order = np.argsort(key, kind="stable")
    groups = np.append(np.flatnonzero(np.diff(key[order], prepend=-1)), count)

    # Memory: shared inputs, constants, shared results, totals, their starts; then lanes; then room for copies.
    narrow = int(len(varying) - varying.sum())
    shared_results, wide_results, totals = np.bincount(phase, minlength=3).tolist()
    constants = [*program.constants, -0.0, 0.0, 1.0]  # a start that does not count stands before the 1
    totals_at = narrow + len(constants) + shared_results
    lanes_at = -(-(totals_at + 2 * totals) // _ALIGNED) * _ALIGNED
    wide = int(varying.sum()) + wide_results
    while lanes > _ALIGNED and wide * lanes * 8 > _MOST_BYTES:
        lanes //= 2
    one = narrow + len(constants) - 1
    places = np.zeros(first + count, np.int64)
    places[: len(varying)][varying == 0] = np.arange(narrow)
    places[: len(varying)][varying == 1] = lanes_at + lanes * np.arange(int(varying.sum()))
    places[len(varying) : first] = narrow + np.arange(len(program.constants))
    places[len(varying) : first] = _standard(constants, narrow, places[len(varying) : first])
    free = np.array([one + 1, lanes_at + lanes * int(varying.sum()), totals_at])
    until = np.searchsorted(groups, count - totals)
    layout.placed(codes, starts, operands, order, groups[: until + 1], phase, places, free, sums, lanes_at, lanes, one)
    if totals:  # nobody reads these but the caller, so their order is free
        last = order[count - totals :]
        factors = starts[last] + np.where(sums[codes[last]] > 2, 0, np.minimum(1, np.diff(starts)[last] - 1))
        keys = (places[operands[factors + 1]], places[operands[factors]], np.diff(starts)[last], codes[last])
        order[count - totals :] = last[np.lexsort(keys)]
        layout.placed(codes, starts, operands, order, groups[until:], phase, places, free, sums, lanes_at, lanes, one)

    lengths = np.diff(starts)[order]
    new_starts = np.append(0, np.cumsum(lengths))
    gathered = np.repeat(starts[:-1][order] - new_starts[:-1], lengths) + np.arange(new_starts[-1])
    addresses = places[operands[gathered]]
    outs = places[first + order]
    nests = layout.looped(codes[order], new_starts, addresses, groups, lanes_at)
    table, entries, shared_end, lanes_end, room = layout.emitted(
        codes[order], new_starts, addresses, outs, phase[order], nests, sums, lanes_at, lanes, one
    )

    room_at = -(-(lanes_at + wide * lanes) // _ALIGNED) * _ALIGNED
    numbers = np.zeros(room_at + room + _ALIGNED)
    numbers[narrow : one + 1] = constants
    totalled = order[phase[order] == 2]
    strong = (codes[totalled] == CODE["strong_mul"]) | (codes[totalled] == CODE["strong_products"])
    numbers[totals_at + totals : totals_at + 2 * totals] = np.where(strong, 0.0, -0.0)

    is_lane = (lane == 1) & ~_among(first + totalled, len(lane))
    output_table, output_runs = _affine(places[outputs], is_lane[outputs])
    guard_table = np.stack([places[guards], is_lane[guards], np.frombuffer(program.expected, np.uint8)], 1)
    watched_slots = np.flatnonzero(watched)
    watched_table = np.stack([places[watched_slots], is_lane[watched_slots]], 1)
    parts = [table, output_table, guard_table.ravel(), watched_table.ravel()]
    ends = np.cumsum([len(part) for part in parts]).tolist()
    fields = {
        "shared_end": shared_end, "lanes_end": lanes_end, "inputs": narrow, "varying": int(varying.sum()),
        "lanes_at": lanes_at, "lanes": lanes, "outputs": ends[0], "output_runs": output_runs, "guards": ends[1],
        "guard_count": len(guards), "room": room_at, "strong": int(np.any(codes == CODE["strong_products"]) or np.any(strong)),
        "watched": ends[2], "watched_count": len(watched_slots), "totals": totals_at, "total_count": totals,
        "total_starts": totals_at + totals, "output_width": len(outputs),
    }  # fmt: skip
    whole = np.concatenate(parts).astype(np.int32)
    return Nests(
        whole, numbers, fields, entries, places, ~is_lane[outputs] & ~_among(first + totalled, len(lane))[outputs]
    )


def _by_code(numbers: dict[str, int]) -> Array:
    table = np.zeros(len(OPCODES), np.int64)
    for name, number in numbers.items():
        table[CODE[name]] = number
    return table


def _among(slots: Array, count: int) -> Array:
    found = np.zeros(count, bool)
    found[slots] = True
    return found


def _standard(constants: list[float], at: int, places: Array) -> Array:
    """Return the places of constants, those of 0, -0 and 1 at the standard ones."""
    values = np.array(constants)
    bits = values.view(np.int64)
    for i in (-3, -2, -1):
        places = np.where(bits[: len(places)] == bits[i], at + len(constants) + i, places)
    return places


def _is_total(operands: Array, outputs: Array, guards: Array, first: int, count: int) -> Array:
    """Return of each instruction whether it is an output and nothing else."""
    is_output, used = _among(outputs, first + count), _among(operands, first + count) | _among(guards, first + count)
    return (is_output & ~used)[first:]


def _with_products(program: Program) -> Program:
    """Return the program with outputs that vary from row to row as products of nothing else: 1 times what they were."""
    varying = program.varying_slots()
    used = bytearray(program.slots)
    for x in (*program.operands, *program.guards):
        used[x] = 1
    instructions = list(program.instructions())
    kinds = {CODE[name] for name in _SUMS}
    constants = [*program.constants, -0.0, 1.0]
    shift, made = 2, len(instructions)
    moved = [(code, tuple([x if x < program.first else x + shift for x in xs])) for code, xs in instructions]
    outputs, replaced = array("i"), dict[int, int]()
    for x in program.outputs:
        lone = x >= program.first and not used[x] and instructions[x - program.first][0] in kinds
        new = x if x < program.first else x + shift
        if varying[x] and not lone:
            if x not in replaced:
                replaced[x] = program.first + shift + len(moved)
                moved.append((CODE["products"], (program.first, program.first + 1, new)))
            new = replaced[x]
        outputs.append(new)
    assert made <= len(moved)
    guards = array("i", [x if x < program.first else x + shift for x in program.guards])
    return rebuilt(program, moved, constants, outputs=outputs, guards=guards)


def _affine(places: Array, lane: Array) -> tuple[Array, int]:
    """Return runs (address, step, length, whether of lanes) that give these places in order, and how many."""
    runs: list[int] = []
    count, i, n = 0, 0, len(places)
    steps = np.diff(places)
    same = np.flatnonzero((np.diff(steps) != 0) | (lane[2:] != lane[:-2])) if n > 2 else np.zeros(0, int)
    breaks = [*same.tolist(), max(n - 2, 0)]
    at = 0
    while i < n:
        while breaks[at] < i and at < len(breaks) - 1:
            at += 1
        length = min(breaks[at] + 2 - i, n - i) if i + 1 < n and lane[i] == lane[i + 1] else 1
        runs += int(places[i]), int(steps[i]) if length > 1 else 1, length, int(lane[i])
        i += length
        count += 1
    return np.array(runs, np.int64), count
