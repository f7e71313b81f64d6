"""Nests of sums written into a table, in machine code: a sum is a list of runs of terms in step."""

from typing import Any

from autodiff.compiler.machine.vectors import kernel, number, part
from autodiff.compiler.nests.encoding import write_pair, write_run, write_sum
from autodiff.compiler.nests.instructions import (
    IN_LANES,
    PRODUCTS,
    STRONG_PRODUCT,
    STRONG_PRODUCTS,
    TOTAL,
    Instructions,
    Repeated,
    count,
    is_lane,
    loops_of,
    out_of,
    place,
)
from autodiff.compiler.nests.schema import (
    ACTIVE_LANES,
    BOTH,
    DOT,
    NO_START,
    PACK,
    RUNS,
    SPREAD,
    UPDATE,
    Affine,
    Run,
)

Array = Any
_FEW_A_RUN = 6  # terms: where runs are shorter, pairs are listed
_PACKED_ROWS, _PACKED_OUTPUTS = 3, 4  # the fewest for which a copy of the factors that they share pays


@part
def write_sum_nest(x: Instructions, table: Array, used: int, nest: Repeated) -> tuple[int, int]:
    """Write a nest of sums; return where it ends, and how much room its runs need."""
    if nest.inner == 1 and nest.phase != IN_LANES:  # one loop: the inner one
        nest = Repeated(nest.first, nest.outer, 1, nest.phase, nest.at, nest.below, nest.at)
    kind, at = number(x.kinds, number(x.codes, nest.first)), used
    start, first, terms = _start(x, nest, kind)
    strong = kind in (STRONG_PRODUCTS, STRONG_PRODUCT)
    used = write_sum(table, used, strong, loops_of(x, nest), out_of(x, nest), start)
    runs, room, done = 0, 0, 0
    alike, parts = 0, 0  # terms ahead that step alike, and in how many runs: counted once for all of them
    while done < terms:
        j, left = first + 2 * done, terms - done
        if alike == 0:
            alike, parts = _alike_terms(x, nest, j, left)
        if parts > 2 and alike < _FEW_A_RUN * parts:
            used = _write_listed(x, table, used, nest, j, alike)
            done, alike = done + alike, 0
        else:
            length = _run_length(x, nest, j, left)
            if length == 2 and left > 3 and _run_length(x, nest, j + 2, left - 1) > 2:
                length = 1
            run = _run(x, nest, j, length)
            used = write_run(table, used, run)
            room = max(room, _room(x, nest, run))
            done, alike, parts = done + length, alike - length, parts - 1
        runs += 1
    table[at + RUNS] = runs
    return used, room


@part
def _start(x: Instructions, nest: Repeated, kind: int) -> tuple[Affine, int, int]:
    """The start of a sum, its first factor, and how many terms follow.

    A term that is added as it is can be the start, unless that would let a -0.0 through.
    """
    at, first = 0, 1 if kind in (PRODUCTS, STRONG_PRODUCTS) else 0
    terms = (count(x, nest.first) - first) // 2
    if kind == PRODUCTS and terms > 1 and _all_at(x, nest, 0, x.one - 2) and _all_at(x, nest, 1, x.one):
        at, first, terms = 2, 3, terms - 1
    start = place(x, nest, at)
    if nest.phase == TOTAL:
        start = Affine(NO_START, start.h, start.j, start.i, 0)
    return start, first, terms


@kernel
def _all_at(x: Instructions, nest: Repeated, j: int, address: int) -> bool:
    """Whether operand j is at this address in every sum of a nest: in the first, and no loop moves it."""
    return (
        number(x.operands, nest.at + j) == address
        and number(x.operands, nest.beside + j) == address
        and number(x.operands, nest.below + j) == address
    )


@kernel
def _steps_alike(x: Instructions, nest: Repeated, j: int) -> bool:
    """Whether both factors of the term at j and of the next one move alike from instruction to instruction."""
    for side in range(2):
        a, b = place(x, nest, j + side), place(x, nest, j + side + 2)
        if is_lane(x, a.at) != is_lane(x, b.at) or a.h != b.h or a.j != b.j or a.i != b.i:
            return False
    return True


@kernel
def _step(x: Instructions, nest: Repeated, j: int) -> int:
    """The step from a factor to the same factor of the next term."""
    return number(x.operands, nest.at + j + 2) - number(x.operands, nest.at + j)


@kernel
def _same_step(x: Instructions, nest: Repeated, i: int, j: int) -> bool:
    """Whether the terms at i and j are as far from those after them."""
    return _step(x, nest, i) == _step(x, nest, j) and _step(x, nest, i + 1) == _step(x, nest, j + 1)


@kernel
def _run_length(x: Instructions, nest: Repeated, j: int, most: int) -> int:
    """How many terms from j on advance by the same steps, within a sum and from one sum to the next."""
    length = 1
    while length < most:
        last = j + 2 * (length - 1)
        if not _steps_alike(x, nest, last) or not _same_step(x, nest, j, last):
            break
        length += 1
    return length


@kernel
def _alike_terms(x: Instructions, nest: Repeated, j: int, most: int) -> tuple[int, int]:
    """How many terms from j on step alike from instruction to instruction, and how many affine runs they are."""
    length, parts, since = 1, 1, 1
    while length < most:
        last = j + 2 * (length - 1)
        if not _steps_alike(x, nest, last):
            break
        goes_on = since == 1 or _same_step(x, nest, last - 2, last)
        since = since + 1 if goes_on else 1
        parts += not goes_on
        length += 1
    return length, parts


@kernel
def _is_swapped(a: Affine, b: Affine) -> bool:
    """Whether the factors change places, so that the loop i moves b, and by 1 if it moves one of them by 1."""
    return (a.i != 0 and b.i == 0) or (a.i != 0 and a.i != 1 and b.i == 1)


@kernel
def _form(a: Affine, b: Affine) -> int:
    if b.i != 1 or a.i > 1 or a.i < 0:
        return DOT
    return UPDATE if a.i == 0 else BOTH


@part
def _write_listed(x: Instructions, table: Array, used: int, nest: Repeated, j: int, length: int) -> int:
    """Write terms that follow no steps as a list; return where it ends."""
    u, v = place(x, nest, j), place(x, nest, j + 1)
    a, b = Affine(0, u.h, u.j, u.i, 0), Affine(0, v.h, v.j, v.i, 0)
    swapped = _is_swapped(a, b)
    if swapped:
        a, b = b, a
    used = write_run(table, used, Run(_form(a, b), swapped, True, length, a, b, ()))
    for k in range(length):
        y, z = number(x.operands, nest.at + j + 2 * k), number(x.operands, nest.at + j + 2 * k + 1)
        used = write_pair(table, used, z, y) if swapped else write_pair(table, used, y, z)
    return used


@kernel
def _factor(x: Instructions, nest: Repeated, j: int, length: int) -> Affine:
    """The place of a factor of a run; the step k of a total goes from lane to lane."""
    a = place(x, nest, j)
    if nest.phase == TOTAL:
        return Affine(a.at, a.h, a.j, a.i, 1 * is_lane(x, a.at))
    return Affine(a.at, a.h, a.j, a.i, _step(x, nest, j) if length > 1 else 0)


@kernel
def _run(x: Instructions, nest: Repeated, j: int, length: int) -> Run:
    """The run of so many terms from j on, in the form that its steps allow."""
    a, b = _factor(x, nest, j, length), _factor(x, nest, j + 1, length)
    swapped = _is_swapped(a, b)
    if swapped:
        a, b = b, a
    form, in_lanes = _form(a, b), nest.phase == IN_LANES
    if form == DOT and in_lanes and a.i == 0 and b.i == 0:
        form = SPREAD
    elif form == DOT and not in_lanes and a.i == 0 and b.i != 0 and b.j == 0:
        form = PACK if nest.outer >= _PACKED_ROWS and nest.inner >= _PACKED_OUTPUTS else DOT
    return Run(form, swapped, False, ACTIVE_LANES if nest.phase == TOTAL else length, a, b, ())


@kernel
def _room(x: Instructions, nest: Repeated, run: Run) -> int:
    """How many numbers a run copies first."""
    if run.form != PACK:
        return 0
    return nest.inner * (x.lanes if run.length == ACTIVE_LANES else run.length)
