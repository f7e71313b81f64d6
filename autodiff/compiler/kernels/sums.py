"""Sums of products over affine slots, eight numbers at a time: where nearly all the time of a program goes.

A run adds `v[a + i*a0 + k*ak] * v[b + i*b0 + k*bk]`, over k, to `v[o + i]`. How it loops depends on its steps: outputs
side by side are updated as vectors that stay in registers over all k; a single output is an inner product; where the
numbers of b stand side by side in k only, and are used for many rows of outputs, they are transposed first.
"""

from autodiff.compiler.kernels.vectors import (
    WIDTH,
    apart,
    entry,
    first,
    fused,
    get,
    kernel,
    load,
    load_some,
    muladd,
    plus,
    put,
    splat,
    store,
    store_some,
    total,
)

UPDATE, BOTH, DOT, PACK, SPREAD = range(5)  # the forms of a run
RUN = 12  # numbers that describe one: form, length, a and its four steps, b and its four steps


@kernel
def update(p: int, n: int, o: int, a: int, ak: int, b: int, bk: int, length: int) -> None:
    """Add v[a + k*ak] * v[b + i + k*bk] to v[o + i] for i < n: four registers of outputs over all k."""
    apart()
    i = 0
    while i + 4 * WIDTH <= n:
        x0, x1 = load(p, o + i), load(p, o + i + WIDTH)
        x2, x3 = load(p, o + i + 2 * WIDTH), load(p, o + i + 3 * WIDTH)
        for k in range(length):
            w, at = splat(get(p, a + k * ak)), b + k * bk + i
            x0, x1 = muladd(w, load(p, at), x0), muladd(w, load(p, at + WIDTH), x1)
            x2, x3 = muladd(w, load(p, at + 2 * WIDTH), x2), muladd(w, load(p, at + 3 * WIDTH), x3)
        store(p, o + i, x0)
        store(p, o + i + WIDTH, x1)
        store(p, o + i + 2 * WIDTH, x2)
        store(p, o + i + 3 * WIDTH, x3)
        i += 4 * WIDTH
    while i + 2 * WIDTH <= n:
        x0, x1 = load(p, o + i), load(p, o + i + WIDTH)
        for k in range(length):
            w, at = splat(get(p, a + k * ak)), b + k * bk + i
            x0, x1 = muladd(w, load(p, at), x0), muladd(w, load(p, at + WIDTH), x1)
        store(p, o + i, x0)
        store(p, o + i + WIDTH, x1)
        i += 2 * WIDTH
    while i < n:
        which = first(n - i)
        x0 = load_some(p, o + i, which)
        for k in range(length):
            x0 = muladd(splat(get(p, a + k * ak)), load_some(p, b + k * bk + i, which), x0)
        store_some(p, o + i, x0, which)
        i += WIDTH


@kernel
def both(p: int, n: int, o: int, a: int, ak: int, b: int, bk: int, length: int) -> None:
    """Add v[a + i + k*ak] * v[b + i + k*bk] to v[o + i] for i < n."""
    apart()
    i = 0
    while i + 2 * WIDTH <= n:
        x0, x1 = load(p, o + i), load(p, o + i + WIDTH)
        for k in range(length):
            at, bt = a + k * ak + i, b + k * bk + i
            x0, x1 = muladd(load(p, at), load(p, bt), x0), muladd(load(p, at + WIDTH), load(p, bt + WIDTH), x1)
        store(p, o + i, x0)
        store(p, o + i + WIDTH, x1)
        i += 2 * WIDTH
    while i < n:
        which = first(n - i)
        x0 = load_some(p, o + i, which)
        for k in range(length):
            x0 = muladd(load_some(p, a + k * ak + i, which), load_some(p, b + k * bk + i, which), x0)
        store_some(p, o + i, x0, which)
        i += WIDTH


@kernel
def inner(p: int, a: int, ak: int, b: int, bk: int, length: int) -> float:
    """Return the sum of v[a + k*ak] * v[b + k*bk]."""
    apart()
    if ak == 1 and bk == 1 and length > 2:
        x0 = splat(-0.0)
        k = 0
        if length >= 2 * WIDTH:
            x1 = splat(-0.0)
            while k + 2 * WIDTH <= length:
                x0 = muladd(load(p, a + k), load(p, b + k), x0)
                x1 = muladd(load(p, a + k + WIDTH), load(p, b + k + WIDTH), x1)
                k += 2 * WIDTH
            x0 = plus(x0, x1)
        while k < length:
            which = first(length - k)
            x0 = muladd(load_some(p, a + k, which), load_some(p, b + k, which), x0)
            k += WIDTH
        return total(x0)
    x = -0.0
    for k in range(length):
        x = fused(get(p, a + k * ak), get(p, b + k * bk), x)
    return x


@kernel
def carefully(
    p: int, n: int, o: int, a: int, a0: int, ak: int, b: int, b0: int, bk: int, length: int, swapped: int
) -> None:
    """Add products to v[o + i], but none whose first factor is 0: that of a, or if swapped that of b."""
    apart()
    for i in range(n):
        x = get(p, o + i)
        for k in range(length):
            y, z = get(p, a + i * a0 + k * ak), get(p, b + i * b0 + k * bk)
            if (z if swapped else y) != 0.0:
                x = fused(y, z, x)
        put(p, o + i, x)


@kernel
def listed(p: int, t: int, q: int, n: int, o: int, a: int, a0: int, b: int, b0: int, length: int, form: int) -> None:
    """Add v[a + x + i*a0] * v[b + y + i*b0] to v[o + i] for the pairs of addresses x, y that the table has at q."""
    apart()
    i = 0
    while form == UPDATE and i + 2 * WIDTH <= n:
        x0, x1 = load(p, o + i), load(p, o + i + WIDTH)
        for k in range(length):
            w, at = splat(get(p, a + entry(t, q + 2 * k))), b + entry(t, q + 2 * k + 1) + i
            x0, x1 = muladd(w, load(p, at), x0), muladd(w, load(p, at + WIDTH), x1)
        store(p, o + i, x0)
        store(p, o + i + WIDTH, x1)
        i += 2 * WIDTH
    while form == UPDATE and i < n:
        which = first(n - i)
        x0 = load_some(p, o + i, which)
        for k in range(length):
            w, at = splat(get(p, a + entry(t, q + 2 * k))), b + entry(t, q + 2 * k + 1) + i
            x0 = muladd(w, load_some(p, at, which), x0)
        store_some(p, o + i, x0, which)
        i += WIDTH
    while form == BOTH and i < n:
        which = first(n - i)
        x0 = load_some(p, o + i, which)
        for k in range(length):
            at, bt = a + entry(t, q + 2 * k) + i, b + entry(t, q + 2 * k + 1) + i
            x0 = muladd(load_some(p, at, which), load_some(p, bt, which), x0)
        store_some(p, o + i, x0, which)
        i += WIDTH
    while i < n:
        x, y = get(p, o + i), -0.0
        for k in range(0, length - 1, 2):
            at, bt = a + i * a0, b + i * b0
            x = fused(get(p, at + entry(t, q + 2 * k)), get(p, bt + entry(t, q + 2 * k + 1)), x)
            y = fused(get(p, at + entry(t, q + 2 * k + 2)), get(p, bt + entry(t, q + 2 * k + 3)), y)
        if length & 1:
            last = q + 2 * length - 2
            x = fused(get(p, a + i * a0 + entry(t, last)), get(p, b + i * b0 + entry(t, last + 1)), x)
        put(p, o + i, x + y)
        i += 1


@kernel
def _listed_carefully(
    p: int, t: int, q: int, n: int, o: int, a: int, a0: int, b: int, b0: int, length: int, swapped: int
) -> None:
    for k in range(length):
        x, y = entry(t, q + 2 * k), entry(t, q + 2 * k + 1)
        carefully(p, n, o, a + x, a0, 0, b + y, b0, 0, 1, swapped)


@kernel
def _pack(p: int, room: int, n: int, b: int, b0: int, length: int, bk: int) -> None:
    """Put v[b + i*b0 + k*bk] into v[room + k*n + i]."""
    apart()
    for i in range(n):
        for k in range(length):
            put(p, room + k * n + i, get(p, b + i * b0 + k * bk))


@kernel
def _start(p: int, n: int, o: int, start: int, step: int) -> None:
    apart()
    x = get(p, start)
    if step == 0:
        for i in range(n):
            put(p, o + i, x)
    else:
        for i in range(n):
            put(p, o + i, get(p, start + i * step))


@kernel
def _spread(p: int, n: int, o: int, x: float) -> None:
    for i in range(n):
        put(p, o + i, get(p, o + i) + x)


@kernel
def sum_nest(p: int, t: int, pc: int, room: int, active: int, careful: int) -> int:
    """Run the nest of sums at `pc` of the table at t, and return where the next one begins.

    A run of length 0 is as long as there are active lanes. A start below 0 is what the outputs hold.
    """
    apart()
    strong = entry(t, pc + 1)
    n2, n1, n0 = entry(t, pc + 2), entry(t, pc + 3), entry(t, pc + 4)
    o, o2, o1 = entry(t, pc + 5), entry(t, pc + 6), entry(t, pc + 7)
    s, s2, s1, s0 = entry(t, pc + 8), entry(t, pc + 9), entry(t, pc + 10), entry(t, pc + 11)
    runs = entry(t, pc + 12)
    pc += 13
    if s >= 0:
        for i2 in range(n2):
            for i1 in range(n1):
                _start(p, n0, o + i2 * o2 + i1 * o1, s + i2 * s2 + i1 * s1, s0)
    for _ in range(runs):
        form, length = entry(t, pc), entry(t, pc + 1)
        a, a2, a1, a0, ak = (
            entry(t, pc + 2), entry(t, pc + 3), entry(t, pc + 4), entry(t, pc + 5), entry(t, pc + 6)
        )  # fmt: skip
        b, b2, b1, b0, bk = (
            entry(t, pc + 7), entry(t, pc + 8), entry(t, pc + 9), entry(t, pc + 10), entry(t, pc + 11)
        )  # fmt: skip
        pc += RUN
        is_listed, swapped, form = form >> 5, (form >> 4) & 1, form & 15
        if length == 0:
            length = active
        checked = strong != 0 and careful != 0
        if form == PACK and not checked:
            _pack(p, room, n0, b, b0, length, bk)
            b, b2, b1, b0, bk, form = room, 0, 0, 1, n0, UPDATE
        for i2 in range(n2):
            for i1 in range(n1):
                to, at, bt = o + i2 * o2 + i1 * o1, a + i2 * a2 + i1 * a1, b + i2 * b2 + i1 * b1
                if is_listed and checked:
                    _listed_carefully(p, t, pc, n0, to, at, a0, bt, b0, length, swapped)
                elif is_listed:
                    listed(p, t, pc, n0, to, at, a0, bt, b0, length, form)
                elif checked:
                    carefully(p, n0, to, at, a0, ak, bt, b0, bk, length, swapped)
                elif form == UPDATE:
                    update(p, n0, to, at, ak, bt, bk, length)
                elif form == BOTH:
                    both(p, n0, to, at, ak, bt, bk, length)
                elif form == SPREAD:
                    _spread(p, n0, to, inner(p, at, ak, bt, bk, length))
                else:
                    for i in range(n0):
                        put(p, to + i, get(p, to + i) + inner(p, at + i * a0, ak, bt + i * b0, bk, length))
        if is_listed:
            pc += 2 * length
    return pc
