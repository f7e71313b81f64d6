"""The loops of re-rolling in machine code: levels, slots, and the table of nests; `reroll` says what they are for.

A number of the table has 32 bits, and machine code writes it without a look. What makes it fit: `reroll` takes no
program whose addresses, or operands of one operation, are `MOST_ADDRESSES` or more; steps are between addresses, and
what else is counted has addresses of its own. An opcode is below 256; where it shares a number with how many operands
there are, in a flat list, they are fewer than `MOST_LISTED`.
"""

from typing import Any

import numpy as np

from autodiff.compiler.machine.caching import cached
from autodiff.compiler.machine.vectors import integer, kernel, number, part
from autodiff.compiler.nests.schema import BOTH, DOT, FLAT, MOST_LISTED, PACK, SPREAD, SUM, UPDATE

Array = Any
MOST_ADDRESSES = 2**31  # numbers in a block of memory; `reroll` refuses what needs more
_LONE = 12  # instructions of the commonest kinds take as long in a flat list as in a nest
_LONE_PAIRS = 12  # a nest of sums costs as much as a flat list of about so many pairs


@cached
def analysed(
    codes: Array, starts: Array, operands: Array, first: int, choosing: Array, strong: int, lane: Array, level: Array,
    tainted: Array, watched: Array,
) -> None:  # fmt: skip
    """Fill in of each slot whether it is a lane, its level, and whether a nan that it holds must be looked for.

    Levels of lanes count from the shared numbers. A nan from a strong sum of plain products may be wrong, and what is
    made from one is `tainted`. An operand that chooses may swallow one: `choosing` has a bit for each operand. Arrays
    are made by the caller, since machine code that makes them takes long to compile.
    """
    for i in range(len(codes)):
        out, deepest = first + i, 0
        chooses = choosing[codes[i]]
        for j in range(starts[i], starts[i + 1]):
            x = operands[j]
            lane[out] = lane[out] | lane[x]
            tainted[out] = tainted[out] | tainted[x]
            if tainted[x] and chooses >> min(j - starts[i], 62) & 1:
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
        at, unit = free[phase[order[begin]]], lanes if phase[order[begin]] == 1 else 1
        for t in range(begin, end):
            places[first + order[t]] = at
            at += unit
        free[phase[order[begin]]] = at


@kernel
def _alike(u: int, v: int, codes: int, starts: int, addresses: int, lanes_at: int) -> bool:
    """Return whether two instructions could be steps of one loop."""
    if number(codes, u) != number(codes, v) or number(starts, u + 1) - number(starts, u) != number(
        starts, v + 1
    ) - number(starts, v):
        return False
    for j in range(number(starts, u + 1) - number(starts, u)):
        if (number(addresses, number(starts, u) + j) >= lanes_at) != (
            number(addresses, number(starts, v) + j) >= lanes_at
        ):
            return False
    return True


@kernel
def _in_step(t: int, u: int, v: int, starts: int, addresses: int) -> bool:
    """Return whether the step from u to v is that from t to u."""
    for j in range(number(starts, t + 1) - number(starts, t)):
        a, b, c = (
            number(addresses, number(starts, t) + j),
            number(addresses, number(starts, u) + j),
            number(addresses, number(starts, v) + j),
        )
        if c - b != b - a:
            return False
    return True


@cached
def looped(
    codes: int, starts: int, addresses: int, groups: int, group_count: int, lanes_at: int, begins: Array,
    lengths: Array, nests: Array,
) -> int:  # fmt: skip
    """Fill in the nests as rows (first instruction, inner count, outer count), of instructions in their order.

    Returns how many. `begins` and `lengths` are room for a number per instruction.
    """
    runs = 0
    for g in range(group_count):
        t, end = number(groups, g), number(groups, g + 1)
        while t < end:
            length = 1
            if t + 1 < end and _alike(t, t + 1, codes, starts, addresses, lanes_at):
                length = 2
                while (
                    t + length < end
                    and _alike(t, t + length, codes, starts, addresses, lanes_at)
                    and _in_step(t + length - 2, t + length - 1, t + length, starts, addresses)
                ):
                    length += 1
                if (  # any two are in step: leave the second to a longer run that it begins
                    length == 2
                    and t + 3 < end
                    and _alike(t + 1, t + 2, codes, starts, addresses, lanes_at)
                    and _alike(t + 1, t + 3, codes, starts, addresses, lanes_at)
                    and _in_step(t + 1, t + 2, t + 3, starts, addresses)
                ):
                    length = 1
            begins[runs], lengths[runs] = t, length
            runs += 1
            t += length
    count, r, g = 0, 0, 0
    while r < runs:
        while number(groups, g + 1) <= begins[r]:
            g += 1
        outer = 1
        while (
            r + outer < runs
            and begins[r + outer] < number(groups, g + 1)
            and lengths[r + outer] == lengths[r]
            and _alike(begins[r], begins[r + outer], codes, starts, addresses, lanes_at)
            and (lengths[r] == 1 or _same_steps(begins[r], begins[r + outer], starts, addresses))
            and (
                outer == 1
                or _in_step(begins[r + outer - 2], begins[r + outer - 1], begins[r + outer], starts, addresses)
            )
        ):
            outer += 1
        nests[count, 0], nests[count, 1], nests[count, 2] = begins[r], lengths[r], outer
        count += 1
        r += outer
    return count


@part
def _same_steps(t: int, u: int, starts: int, addresses: int) -> bool:
    """Return whether t and u step alike to the instructions after them."""
    for j in range(number(starts, t + 1) - number(starts, t)):
        of_t = number(addresses, number(starts, t + 1) + j) - number(addresses, number(starts, t) + j)
        of_u = number(addresses, number(starts, u + 1) + j) - number(addresses, number(starts, u) + j)
        if of_t != of_u:
            return False
    return True


@kernel
def _with_room(table: Array, used: int, more: int) -> Array:
    if used + more <= len(table):
        return table
    larger = np.empty(2 * (used + more), np.int32)
    for i in range(used):
        larger[i] = table[i]
    return larger


@cached
def emitted(
    codes: int, starts: int, addresses: int, outs: int, phases: int, nests: Array, sums: int,
    lanes_at: int, lanes: int, one: int, entries: Array, work: Array,
) -> tuple[Array, int, int, int, int]:  # fmt: skip
    """Return the table, how many entries it has, where the shared part and all of it end, and how much room it needs.

    Fills in where the entries begin. `sums` tells codes apart: 1 for products, 2 for strong ones, 3 and 4 for mul and
    strong_mul, 5 for other common ones, 0 for the rest. `one` is the address of a constant 1; `work` is room. Arrays
    that are only read are given by their addresses, which takes less long to compile.
    """
    table, used = np.empty(1024, np.int32), integer(0)
    count, shared_end, room, open_flat = 0, -1, 0, -1
    for r in range(len(nests)):
        t, n1, n2 = nests[r, 0], nests[r, 1], nests[r, 2]
        phase, operands = number(phases, t), number(starts, t + 1) - number(starts, t)
        if phase > 0 and shared_end < 0:
            shared_end, open_flat = used, -1
        kind = number(sums, number(codes, t))
        is_sum = kind == 1 or kind == 2 or phase == 2
        size = n1 * n2
        few = size * operands <= 2 * _LONE_PAIRS if is_sum else size <= (_LONE if kind >= 3 else 3)
        if phase == 0 and few and operands < MOST_LISTED:
            for u in range(t, t + size):
                table = _with_room(table, used, 5 + operands)
                if open_flat < 0:
                    open_flat = used
                    entries[count] = used
                    count += 1
                    table[used], table[used + 1], table[used + 2] = FLAT, 0, number(outs, u)
                    used += 3
                table[open_flat + 1] += 1
                table[used] = number(codes, u) + 256 * operands
                for j in range(operands):
                    table[used + 1 + j] = number(addresses, number(starts, u) + j)
                used += 1 + operands
            continue
        open_flat = -1
        entries[count] = used
        count += 1
        table = _with_room(table, used, 40 + 6 * (operands + 2))  # 12 for a run of one pair
        if is_sum:
            used, needed = _sum_entry(
                table, used, t, n1, n2, kind, phase, starts, addresses, outs, lanes_at, lanes, one
            )
            room = max(room, needed)
        else:
            used = _plain_entry(
                table, used, t, n1, n2, number(codes, t), phase, starts, addresses, outs, lanes_at, lanes, work
            )
            room = max(room, 3 * table[entries[count - 1] + 4])
    if shared_end < 0:
        shared_end = used
    table = _with_room(table, used, integer(8))
    for i in range(8):
        table[used + i] = 0  # flat items are read a little beyond their ends
    return table[: used + 8], count, shared_end, used, room


@part
def _plain_entry(
    table: Array, used: int, t: int, n1: int, n2: int, code: int, phase: int, starts: int, addresses: int,
    outs: int, lanes_at: int, lanes: int, steps: Array,
) -> int:  # fmt: skip
    """Write an element-wise nest; return where the table ends. `steps` is room for three numbers per operand."""
    operands, s = number(starts, t + 1) - number(starts, t), number(starts, t)
    inner, outer = number(starts, t + (1 if n1 > 1 else 0)), number(starts, t + (n1 if n2 > 1 else 0))
    for j in range(operands):
        d1, d2 = (
            number(addresses, inner + j) - number(addresses, s + j),
            number(addresses, outer + j) - number(addresses, s + j),
        )
        in_lanes = phase == 1
        steps[3 * j], steps[3 * j + 1] = d2 if in_lanes else 0, d1 if in_lanes else d2
        steps[3 * j + 2] = (number(addresses, s + j) >= lanes_at) if in_lanes else d1
    m2, m1, m0 = (n2, n1, lanes) if phase == 1 else (1, n2, n1)
    o2, o1 = (lanes * n1, lanes) if phase == 1 else (0, n1)
    for _ in range(2):  # two loops become one where every step of the outer one goes on where the inner one ends
        joins = (m1 > 1 or m2 > 1) and o1 == m0
        for j in range(operands):
            joins = joins and steps[3 * j + 1] == steps[3 * j + 2] * m0
        if joins:
            m0, m1, m2 = m0 * m1, m2, 1
            o1, o2 = o2, 0
            for j in range(operands):
                steps[3 * j + 1], steps[3 * j] = steps[3 * j], 0
    table[used], table[used + 1], table[used + 2], table[used + 3] = code, operands, m2, m1
    table[used + 4], table[used + 5], table[used + 6], table[used + 7] = m0, number(outs, t), o2, o1
    used += 8
    for j in range(operands):
        table[used] = number(addresses, s + j)
        table[used + 1], table[used + 2], table[used + 3] = steps[3 * j], steps[3 * j + 1], steps[3 * j + 2]
        used += 4
    return used


@part
def _sum_entry(
    table: Array, used: int, t: int, n1: int, n2: int, kind: int, phase: int, starts: int, addresses: int,
    outs: int, lanes_at: int, lanes: int, one: int,
) -> tuple[int, int]:  # fmt: skip
    """Write a nest of sums; return where the table ends, and how much room its runs need."""
    s, inner, outer = (
        number(starts, t),
        number(starts, t + (1 if n1 > 1 else 0)),
        number(starts, t + (n1 if n2 > 1 else 0)),
    )
    if n1 == 1 and phase != 1:  # one loop: the inner one
        n1, n2, inner, outer = n2, 1, outer, s
    pairs_at = 0 if kind > 2 else 1  # after the start
    pairs = (number(starts, t + 1) - number(starts, t) - pairs_at) // 2
    table[used], table[used + 1] = SUM, kind == 2 or kind == 4
    if phase == 1:
        table[used + 2], table[used + 3], table[used + 4] = n2, n1, lanes
        table[used + 5], table[used + 6], table[used + 7] = number(outs, t), lanes * n1, lanes
    else:
        table[used + 2], table[used + 3], table[used + 4] = 1, n2, n1
        table[used + 5], table[used + 6], table[used + 7] = number(outs, t), 0, n1
    # A term that is added as it is can be the start, unless that would let a -0.0 through.
    begin, first_pair = s, s + pairs_at
    if (
        kind == 1
        and pairs > 1
        and _all_at(addresses, s, inner, outer, one - 2)
        and _all_at(addresses, s + 1, inner + 1, outer + 1, one)
    ):
        begin, first_pair, pairs = s + 2, first_pair + 2, pairs - 1
    b = begin - s
    d1, d2 = (
        number(addresses, inner + b) - number(addresses, begin),
        number(addresses, outer + b) - number(addresses, begin),
    )
    table[used + 8] = number(addresses, begin) if phase != 2 else -1
    if phase == 1:
        table[used + 9], table[used + 10], table[used + 11] = d2, d1, number(addresses, begin) >= lanes_at
    else:
        table[used + 9], table[used + 10], table[used + 11] = 0, d2, d1
    runs_at, runs, room = used + 12, 0, 0
    used += 13
    j, shift = 0, first_pair - s
    alike, parts = 0, 0  # pairs ahead that step alike, and in how many runs: counted once for all of them
    while j < pairs:
        p, pi, po = s + shift + 2 * j, inner + shift + 2 * j, outer + shift + 2 * j
        if alike == 0:
            alike, parts = _alike_pairs(addresses, p, pi, po, pairs - j, lanes_at)
        if parts > 2 and alike < 6 * parts:
            used = _listed(table, used, addresses, p, pi, po, alike, phase, lanes_at)
            runs += 1
            j, alike = j + alike, 0
            continue
        length = _run_length(addresses, p, pi, po, pairs - j, lanes_at)
        if length == 2 and j + 3 < pairs and _run_length(addresses, p + 2, pi + 2, po + 2, pairs - j - 1, lanes_at) > 2:
            length = 1
        alike, parts = alike - length, parts - 1
        x, y = number(addresses, p), number(addresses, p + 1)
        xk, yk = (number(addresses, p + 2) - x, number(addresses, p + 3) - y) if length > 1 else (0, 0)
        used, needed = _run(
            table, used, length, x, number(addresses, pi) - x, number(addresses, po) - x, xk,
            y, number(addresses, pi + 1) - y, number(addresses, po + 1) - y, yk, phase, n1, n2, lanes_at, lanes,
        )  # fmt: skip
        runs += 1
        room = max(room, needed)
        j += length
    table[runs_at] = runs
    return used, room


@kernel
def _all_at(addresses: int, s: int, inner: int, outer: int, place: int) -> bool:
    """Return whether an operand is at this place in every sum of a nest: in the first, and no loop moves it."""
    return number(addresses, s) == place and number(addresses, inner) == place and number(addresses, outer) == place


@kernel
def _run_length(addresses: int, p: int, pi: int, po: int, most: int, lanes_at: int) -> int:
    """Return how many pairs from p on advance alike: by the same steps, and from instruction to instruction too."""
    length = 1
    while length < most:
        for side in range(2):
            a, b = p + 2 * (length - 1) + side, p + 2 * length + side
            ai, bi, ao, bo = a - p + pi, b - p + pi, a - p + po, b - p + po
            if (
                (number(addresses, a) >= lanes_at) != (number(addresses, b) >= lanes_at)
                or number(addresses, ai) - number(addresses, a) != number(addresses, bi) - number(addresses, b)
                or number(addresses, ao) - number(addresses, a) != number(addresses, bo) - number(addresses, b)
                or number(addresses, b) - number(addresses, a)
                != number(addresses, p + 2 + side) - number(addresses, p + side)
            ):
                return length
        length += 1
    return length


@kernel
def _alike_pairs(addresses: int, p: int, pi: int, po: int, most: int, lanes_at: int) -> tuple[int, int]:
    """Return how many pairs from p on step alike from instruction to instruction, and how many affine runs they are."""
    length, parts, since = 1, 1, 1
    while length < most:
        a, b = p + 2 * (length - 1), p + 2 * length
        goes_on = since == 1
        for side in range(2):
            x, y = a + side, b + side
            if (
                (number(addresses, x) >= lanes_at) != (number(addresses, y) >= lanes_at)
                or number(addresses, x - p + pi) - number(addresses, x)
                != number(addresses, y - p + pi) - number(addresses, y)
                or number(addresses, x - p + po) - number(addresses, x)
                != number(addresses, y - p + po) - number(addresses, y)
            ):
                return length, parts
        if since > 1:
            goes_on = number(addresses, b) - number(addresses, a) == number(addresses, a) - number(
                addresses, a - 2
            ) and number(addresses, b + 1) - number(addresses, a + 1) == number(addresses, a + 1) - number(
                addresses, a - 1
            )
        since = since + 1 if goes_on else 1
        parts += not goes_on
        length += 1
    return length, parts


@part
def _listed(
    table: Array, used: int, addresses: int, p: int, pi: int, po: int, count: int, phase: int, lanes_at: int
) -> int:
    """Write pairs that follow no steps as a list; return where the table ends."""
    x1, y1 = number(addresses, pi) - number(addresses, p), number(addresses, pi + 1) - number(addresses, p + 1)
    x2, y2 = number(addresses, po) - number(addresses, p), number(addresses, po + 1) - number(addresses, p + 1)
    if phase == 1:
        a2, a1, a0, b2, b1, b0 = (
            x2,
            x1,
            1 * (number(addresses, p) >= lanes_at),
            y2,
            y1,
            1 * (number(addresses, p + 1) >= lanes_at),
        )
    else:
        a2, a1, a0, b2, b1, b0 = 0, x2, x1, 0, y2, y1
    swapped = (a0 != 0 and b0 == 0) or (a0 != 0 and a0 != 1 and b0 == 1)
    if swapped:
        a2, a1, a0, b2, b1, b0 = b2, b1, b0, a2, a1, a0
    form = UPDATE if a0 == 0 and b0 == 1 else BOTH if a0 == 1 and b0 == 1 else DOT
    table[used], table[used + 1] = form + 16 * swapped + 32, count
    table[used + 2], table[used + 3], table[used + 4], table[used + 5], table[used + 6] = 0, a2, a1, a0, 0
    table[used + 7], table[used + 8], table[used + 9], table[used + 10], table[used + 11] = 0, b2, b1, b0, 0
    used += 12
    for i in range(count):
        table[used + 2 * i + swapped] = number(addresses, p + 2 * i)
        table[used + 2 * i + 1 - swapped] = number(addresses, p + 2 * i + 1)
    return used + 2 * count


@kernel
def _run(
    table: Array, used: int, length: int, x: int, x1: int, x2: int, xk: int, y: int, y1: int, y2: int, yk: int,
    phase: int, n1: int, n2: int, lanes_at: int, lanes: int,
) -> tuple[int, int]:  # fmt: skip
    """Write a run: pick the form that its steps allow, and put the factors in the order that it asks for."""
    x_lane, y_lane = x >= lanes_at, y >= lanes_at
    if phase == 1:
        a2, a1, a0, b2, b1, b0 = x2, x1, 1 * x_lane, y2, y1, 1 * y_lane
    else:
        a2, a1, a0, b2, b1, b0 = 0, x2, x1, 0, y2, y1
    if phase == 2:
        length, xk, yk = 0, 1 * x_lane, 1 * y_lane
    swapped = (a0 != 0 and b0 == 0) or (a0 != 0 and a0 != 1 and b0 == 1)
    if swapped:
        x, a2, a1, a0, xk, y, b2, b1, b0, yk = y, b2, b1, b0, yk, x, a2, a1, a0, xk
    form, room = DOT, 0
    if a0 == 0 and b0 == 1:
        form = UPDATE
    elif a0 == 1 and b0 == 1:
        form = BOTH
    elif a0 == 0 and b0 == 0 and phase == 1:
        form = SPREAD
    elif a0 == 0 and b0 != 0 and phase != 1 and n2 >= 3 and b1 == 0 and n1 >= 4:
        form = PACK
        room = n1 * (length if length else lanes)
    table[used], table[used + 1] = form + 16 * swapped, length
    table[used + 2], table[used + 3], table[used + 4], table[used + 5], table[used + 6] = x, a2, a1, a0, xk
    table[used + 7], table[used + 8], table[used + 9], table[used + 10], table[used + 11] = y, b2, b1, b0, yk
    return used + 12, room
