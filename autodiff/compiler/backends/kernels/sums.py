"""Nests of sums: each output begins with its start, and run after run is added to it, by the loop for its form."""

from autodiff.compiler.backends.kernels.runs import (
    begin,
    both,
    carefully,
    dots,
    listed,
    listed_carefully,
    pack,
    pairs_of_rows,
    spread,
    update,
)
from autodiff.compiler.machine.vectors import WIDTH, apart, entry, kernel, part
from autodiff.compiler.nests.encoding import loops_at, out_at, place_at, run_at, turned
from autodiff.compiler.nests.schema import (
    ACTIVE_LANES,
    BOTH,
    FIRST_RUN,
    LOOPS,
    NO_START,
    OUT,
    PACK,
    PAIR,
    RUN,
    RUNS,
    SPREAD,
    START,
    STRONG,
    UPDATE,
    Affine,
    Loops,
    Run,
)


@kernel
def sum_nest(p: int, t: int, pc: int, room: int, active: int, careful: int) -> int:
    """Run the nest of sums at `pc` of the table at t, and return where the next one begins.

    `active` is the number of rows in the block. Strong sums are taken for plain ones unless `careful` is set.
    """
    apart()
    strong, checked = entry(t, pc + STRONG) != 0, entry(t, pc + STRONG) != 0 and careful != 0
    loops, out, runs = loops_at(t, pc + LOOPS), out_at(t, pc + OUT), entry(t, pc + RUNS)
    if entry(t, pc + START) != NO_START:
        start = place_at(t, pc + START)
        for h in range(loops.h):
            for j in range(loops.j):
                nothing = 0.0 if strong and not checked else -0.0
                begin(p, loops.i, turned(out, h, j), turned(start, h, j), start.i, nothing)
    pc += FIRST_RUN
    for _ in range(runs):
        run = run_at(t, pc)
        pc += RUN
        length = active if run.length == ACTIVE_LANES else run.length
        if checked:
            _add_carefully(p, t, pc, loops, out, run, length)
        elif run.listed:
            _add_listed(p, t, pc, loops, out, run, length)
        else:
            _add(p, room, loops, out, run, length)
        if run.listed:
            pc += PAIR * length
    return pc


@part
def _add(p: int, room: int, loops: Loops, out: Affine, run: Run, length: int) -> None:
    """Add a run to the outputs."""
    n, form, a, b = loops.i, run.form, run.a, run.b
    if form == PACK:
        pack(p, room, n, b.at, b.i, length, b.k)
        form, b = UPDATE, Affine(room, 0, 0, 1, n)
    for h in range(loops.h):
        to, at, bt = turned(out, h, 0), turned(a, h, 0), turned(b, h, 0)
        if form == UPDATE:
            done = 0
            if b.j == 0 and n % (4 * WIDTH) == 0:
                done = pairs_of_rows(p, loops.j, n, to, out.j, at, a.j, a.k, bt, b.k, length)
            to, at = to + done * out.j, at + done * a.j
            update(p, loops.j - done, n, to, out.j, at, a.j, a.k, bt, b.j, b.k, length)
        elif form == BOTH:
            both(p, loops.j, n, to, out.j, at, a.j, a.k, bt, b.j, b.k, length)
        else:
            for _ in range(loops.j):
                if form == SPREAD:
                    spread(p, n, to, at, a.k, bt, b.k, length)
                else:
                    dots(p, n, to, at, a.i, a.k, bt, b.i, b.k, length)
                to, at, bt = to + out.j, at + a.j, bt + b.j


@part
def _add_listed(p: int, t: int, q: int, loops: Loops, out: Affine, run: Run, length: int) -> None:
    """Add a run whose pairs are listed at q."""
    a, b = run.a, run.b
    for h in range(loops.h):
        for j in range(loops.j):
            to, at, bt = turned(out, h, j), turned(a, h, j), turned(b, h, j)
            listed(p, t, q, loops.i, to, at, a.i, bt, b.i, length, run.form)


@part
def _add_carefully(p: int, t: int, q: int, loops: Loops, out: Affine, run: Run, length: int) -> None:
    """Add a run of strong products."""
    n, a, b, swapped = loops.i, run.a, run.b, run.swapped
    for h in range(loops.h):
        for j in range(loops.j):
            to, at, bt = turned(out, h, j), turned(a, h, j), turned(b, h, j)
            if run.listed:
                listed_carefully(p, t, q, n, to, at, a.i, bt, b.i, length, swapped)
            else:
                carefully(p, n, to, at, a.i, a.k, bt, b.i, b.k, length, swapped)
