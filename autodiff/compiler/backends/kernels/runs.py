"""The loops of runs, eight numbers at a time: where nearly all the time of a program goes.

A run adds `v[a + i*a0 + k*ak] * v[b + i*b0 + k*bk]`, over k, to `v[o + i]`. How it loops depends on its steps: outputs
side by side are updated as vectors that stay in registers over all k, others eight at a time; where the numbers of b
stand side by side in k only, and are used for many rows of outputs, they are transposed first.

Each output is added up in the order of its terms, and products are rounded before they are added, so that sums have the
bits that eager code gives them, overflow and all. A fused multiply-add makes another number of x*x - y*y, and finite
ones where a product overflows.
"""

from autodiff.compiler.machine.vectors import (
    WIDTH,
    apart,
    entry,
    first,
    get,
    integer,
    kernel,
    load,
    load_some,
    muladd,
    put,
    splat,
    store,
    store_some,
)
from autodiff.compiler.nests.schema import BOTH, PAIR, UPDATE
from autodiff.compiler.programs.opcodes import is_nothing


@kernel
def update(
    p: int, rows: int, n: int, o: int, o1: int, a: int, a1: int, ak: int, b: int, b1: int, bk: int, length: int
) -> None:
    """Add v[a + k*ak] * v[b + i + k*bk] to v[o + i] for i < n, for each row: registers of outputs over all k."""
    apart()
    for _ in range(rows):
        i = 0
        while i + 4 * WIDTH <= n:
            x0, x1 = load(p, o + i), load(p, o + i + WIDTH)
            x2, x3 = load(p, o + i + 2 * WIDTH), load(p, o + i + 3 * WIDTH)
            at, bt = a, b + i
            for _ in range(length):
                w = splat(get(p, at))
                x0, x1 = muladd(w, load(p, bt), x0), muladd(w, load(p, bt + WIDTH), x1)
                x2, x3 = muladd(w, load(p, bt + 2 * WIDTH), x2), muladd(w, load(p, bt + 3 * WIDTH), x3)
                at += ak
                bt += bk
            store(p, o + i, x0)
            store(p, o + i + WIDTH, x1)
            store(p, o + i + 2 * WIDTH, x2)
            store(p, o + i + 3 * WIDTH, x3)
            i += 4 * WIDTH
        if i + 2 * WIDTH <= n:
            x0, x1 = load(p, o + i), load(p, o + i + WIDTH)
            at, bt = a, b + i
            for _ in range(length):
                w = splat(get(p, at))
                x0, x1 = muladd(w, load(p, bt), x0), muladd(w, load(p, bt + WIDTH), x1)
                at += ak
                bt += bk
            store(p, o + i, x0)
            store(p, o + i + WIDTH, x1)
            i += 2 * WIDTH
        while i < n:
            which = first(n - i)
            x0 = load_some(p, o + i, which)
            at, bt = a, b + i
            for _ in range(length):
                x0 = muladd(splat(get(p, at)), load_some(p, bt, which), x0)
                at += ak
                bt += bk
            store_some(p, o + i, x0, which)
            i += WIDTH
        o, a, b = o + o1, a + a1, b + b1


@kernel
def pairs_of_rows(
    p: int, rows: int, n: int, o: int, o1: int, a: int, a1: int, ak: int, b: int, bk: int, length: int
) -> int:
    """Update two rows at a time with the same v[b + i + k*bk], of which half as many are loaded; return how many rows.

    n is a multiple of four vectors. For 32 rows of 32 lanes, 64 long, that is 1.3 times as fast as row by row.
    """
    apart()
    done = 0
    while done + 2 <= rows:
        i = 0
        while i < n:
            x0, x1 = load(p, o + i), load(p, o + i + WIDTH)
            x2, x3 = load(p, o + i + 2 * WIDTH), load(p, o + i + 3 * WIDTH)
            y0, y1 = load(p, o + o1 + i), load(p, o + o1 + i + WIDTH)
            y2, y3 = load(p, o + o1 + i + 2 * WIDTH), load(p, o + o1 + i + 3 * WIDTH)
            at, bt = a, b + i
            for _ in range(length):
                w, u = splat(get(p, at)), splat(get(p, at + a1))
                z0, z1, z2, z3 = load(p, bt), load(p, bt + WIDTH), load(p, bt + 2 * WIDTH), load(p, bt + 3 * WIDTH)
                x0, x1, x2, x3 = muladd(w, z0, x0), muladd(w, z1, x1), muladd(w, z2, x2), muladd(w, z3, x3)
                y0, y1, y2, y3 = muladd(u, z0, y0), muladd(u, z1, y1), muladd(u, z2, y2), muladd(u, z3, y3)
                at += ak
                bt += bk
            store(p, o + i, x0)
            store(p, o + i + WIDTH, x1)
            store(p, o + i + 2 * WIDTH, x2)
            store(p, o + i + 3 * WIDTH, x3)
            store(p, o + o1 + i, y0)
            store(p, o + o1 + i + WIDTH, y1)
            store(p, o + o1 + i + 2 * WIDTH, y2)
            store(p, o + o1 + i + 3 * WIDTH, y3)
            i += 4 * WIDTH
        o, a = o + 2 * o1, a + 2 * a1
        done += 2
    return done


@kernel
def both(
    p: int, rows: int, n: int, o: int, o1: int, a: int, a1: int, ak: int, b: int, b1: int, bk: int, length: int
) -> None:
    """Add v[a + i + k*ak] * v[b + i + k*bk] to v[o + i] for i < n, for each row."""
    apart()
    for _ in range(rows):
        i = 0
        while i + 2 * WIDTH <= n:
            x0, x1 = load(p, o + i), load(p, o + i + WIDTH)
            at, bt = a + i, b + i
            for _ in range(length):
                x0, x1 = muladd(load(p, at), load(p, bt), x0), muladd(load(p, at + WIDTH), load(p, bt + WIDTH), x1)
                at += ak
                bt += bk
            store(p, o + i, x0)
            store(p, o + i + WIDTH, x1)
            i += 2 * WIDTH
        while i < n:
            which = first(n - i)
            x0 = load_some(p, o + i, which)
            at, bt = a + i, b + i
            for _ in range(length):
                x0 = muladd(load_some(p, at, which), load_some(p, bt, which), x0)
                at += ak
                bt += bk
            store_some(p, o + i, x0, which)
            i += WIDTH
        o, a, b = o + o1, a + a1, b + b1


@kernel
def dots(p: int, n: int, o: int, a: int, a0: int, ak: int, b: int, b0: int, bk: int, length: int) -> None:
    """Add v[a + i*a0 + k*ak] * v[b + i*b0 + k*bk] to v[o + i], for i < n.

    A sum in order waits four cycles for each addition: eight of them go on side by side.
    """
    apart()
    i = 0
    while i + 8 <= n:
        x0, x1, x2, x3 = get(p, o + i), get(p, o + i + 1), get(p, o + i + 2), get(p, o + i + 3)
        x4, x5, x6, x7 = get(p, o + i + 4), get(p, o + i + 5), get(p, o + i + 6), get(p, o + i + 7)
        at, bt = a + i * a0, b + i * b0
        for _ in range(length):
            x0 += get(p, at) * get(p, bt)
            x1 += get(p, at + a0) * get(p, bt + b0)
            x2 += get(p, at + 2 * a0) * get(p, bt + 2 * b0)
            x3 += get(p, at + 3 * a0) * get(p, bt + 3 * b0)
            x4 += get(p, at + 4 * a0) * get(p, bt + 4 * b0)
            x5 += get(p, at + 5 * a0) * get(p, bt + 5 * b0)
            x6 += get(p, at + 6 * a0) * get(p, bt + 6 * b0)
            x7 += get(p, at + 7 * a0) * get(p, bt + 7 * b0)
            at += ak
            bt += bk
        put(p, o + i, x0)
        put(p, o + i + 1, x1)
        put(p, o + i + 2, x2)
        put(p, o + i + 3, x3)
        put(p, o + i + 4, x4)
        put(p, o + i + 5, x5)
        put(p, o + i + 6, x6)
        put(p, o + i + 7, x7)
        i += 8
    while i < n:
        x = get(p, o + i)
        for k in range(length):
            x += get(p, a + i * a0 + k * ak) * get(p, b + i * b0 + k * bk)
        put(p, o + i, x)
        i += 1


@kernel
def carefully(
    p: int, n: int, o: int, a: int, a0: int, ak: int, b: int, b0: int, bk: int, length: int, swapped: int
) -> None:
    """Add strong products to v[o + i], whose first factor is at a, or if swapped at b."""
    apart()
    for i in range(n):
        x = get(p, o + i)
        for k in range(length):
            y, z = get(p, a + i * a0 + k * ak), get(p, b + i * b0 + k * bk)
            x = plus_strongly(x, z, y) if swapped else plus_strongly(x, y, z)
        put(p, o + i, x)


@kernel
def plus_strongly(total: float, x: float, y: float) -> float:
    """The total and the next pair of a strong sum."""
    if x == 1.0:
        return total + y
    return total if is_nothing(x) else total + x * y + 0.0  # computed, so never -0.0


@kernel
def listed(p: int, t: int, q: int, n: int, o: int, a: int, a0: int, b: int, b0: int, length: int, form: int) -> None:
    """Add v[a + x + i*a0] * v[b + y + i*b0] to v[o + i] for the pairs of addresses x, y that the table has at q."""
    apart()
    i = 0
    while form == UPDATE and i + 2 * WIDTH <= n:
        x0, x1 = load(p, o + i), load(p, o + i + WIDTH)
        for k in range(length):
            w, at = splat(get(p, a + entry(t, q + PAIR * k))), b + entry(t, q + PAIR * k + 1) + i
            x0, x1 = muladd(w, load(p, at), x0), muladd(w, load(p, at + WIDTH), x1)
        store(p, o + i, x0)
        store(p, o + i + WIDTH, x1)
        i += 2 * WIDTH
    while form == UPDATE and i < n:
        which = first(n - i)
        x0 = load_some(p, o + i, which)
        for k in range(length):
            w, at = splat(get(p, a + entry(t, q + PAIR * k))), b + entry(t, q + PAIR * k + 1) + i
            x0 = muladd(w, load_some(p, at, which), x0)
        store_some(p, o + i, x0, which)
        i += WIDTH
    while form == BOTH and i < n:
        which = first(n - i)
        x0 = load_some(p, o + i, which)
        for k in range(length):
            at, bt = a + entry(t, q + PAIR * k) + i, b + entry(t, q + PAIR * k + 1) + i
            x0 = muladd(load_some(p, at, which), load_some(p, bt, which), x0)
        store_some(p, o + i, x0, which)
        i += WIDTH
    while i < n:
        x, at, bt = get(p, o + i), a + i * a0, b + i * b0
        for k in range(length):
            x += get(p, at + entry(t, q + PAIR * k)) * get(p, bt + entry(t, q + PAIR * k + 1))
        put(p, o + i, x)
        i += 1


@kernel
def listed_carefully(
    p: int, t: int, q: int, n: int, o: int, a: int, a0: int, b: int, b0: int, length: int, swapped: int
) -> None:
    """The same for the pairs of addresses that the table has at q."""
    for k in range(length):
        x, y = entry(t, q + PAIR * k), entry(t, q + PAIR * k + 1)
        carefully(p, n, o, a + x, a0, integer(0), b + y, b0, integer(0), integer(1), swapped)


@kernel
def pack(p: int, room: int, n: int, b: int, b0: int, length: int, bk: int) -> None:
    """Put v[b + i*b0 + k*bk] into v[room + k*n + i]."""
    apart()
    for i in range(n):
        for k in range(length):
            put(p, room + k * n + i, get(p, b + i * b0 + k * bk))


@kernel
def begin(p: int, n: int, o: int, start: int, step: int, nothing: float) -> None:
    """Put the starts into v[o + i]. Plain products could make -0.0 of a 0 that was computed: then `nothing` is 0.0."""
    apart()
    x = get(p, start) + nothing
    if step == 0:
        for i in range(n):
            put(p, o + i, x)
    else:
        for i in range(n):
            put(p, o + i, get(p, start + i * step) + nothing)


@kernel
def spread(p: int, n: int, o: int, a: int, ak: int, b: int, bk: int, length: int) -> None:
    """Add v[a + k*ak] * v[b + k*bk] to v[o + i], for i < n: the same products to all."""
    apart()
    for k in range(length):
        x = get(p, a + k * ak) * get(p, b + k * bk)
        for i in range(n):
            put(p, o + i, get(p, o + i) + x)
