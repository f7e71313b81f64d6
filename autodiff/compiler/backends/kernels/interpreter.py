"""The interpreter of loop nests: one function of machine code, compiled once per machine, that runs every program.

A program arrives as a table of small integers (`reroll` writes it) and a block of memory whose first part holds the
numbers shared by all rows, the second lanes: for each slot the numbers of a block of rows side by side. To the
interpreter a lane is one more innermost loop.
"""

from autodiff.compiler.backends.kernels.sums import plus_strongly
from autodiff.compiler.backends.kernels.vectors import call, entry, get, integer, kernel, number, part, put, put_byte
from autodiff.compiler.program.opcodes import CODE, is_nothing

FLAT, SUM = 1000, 1001  # kinds of entries of the table, beside the opcodes
FIELDS = [
    "numbers",
    "table",
    "shared_end",
    "lanes_end",
    "inputs",
    "varying",
    "lanes_at",
    "lanes",
    "outputs",
    "output_runs",
    "guards",
    "guard_count",
    "room",
    "strong",
    "watched",
    "watched_count",
    "totals",
    "output_width",
    "unary",
    "binary",
    "ternary",
    "variadic",
    "sums",
    "total_count",
    "total_starts",
    "given_shared",
    "rows",
    "chunk",
    "chunk_from",
    "chunk_to",
    "holds",
    "mode",
]
_F = {name: i for i, name in enumerate(FIELDS)}
ONE, ROWS, REDUCED = range(3)  # modes
_TABLE, _ROOM, _NUMBERS, _SHARED_END, _LANES_END = (
    _F["table"],
    _F["room"],
    _F["numbers"],
    _F["shared_end"],
    _F["lanes_end"],
)
_INPUTS, _VARYING, _LANES_AT, _LANES = _F["inputs"], _F["varying"], _F["lanes_at"], _F["lanes"]
_OUTPUTS, _OUTPUT_RUNS, _GUARDS, _GUARD_COUNT = _F["outputs"], _F["output_runs"], _F["guards"], _F["guard_count"]
_STRONG, _WATCHED, _WATCHED_COUNT, _TOTALS = _F["strong"], _F["watched"], _F["watched_count"], _F["totals"]
_TOTAL_COUNT, _TOTAL_STARTS, _GIVEN_SHARED, _ROWS = (
    _F["total_count"],
    _F["total_starts"],
    _F["given_shared"],
    _F["rows"],
)
_CHUNK, _CHUNK_FROM, _CHUNK_TO, _HOLDS, _MODE = _F["chunk"], _F["chunk_from"], _F["chunk_to"], _F["holds"], _F["mode"]
_OUTPUT_WIDTH, _UNARY, _BINARY, _TERNARY = _F["output_width"], _F["unary"], _F["binary"], _F["ternary"]
_VARIADIC, _SUMS = _F["variadic"], _F["sums"]

_ADD, _SUB, _MUL, _DIV = (CODE[name] + 256 * 2 for name in ("add", "sub", "mul", "div"))
_STRONG_MUL, _ONE_PAIR = CODE["strong_mul"] + 256 * 2, CODE["products"] + 256 * 3
_PRODUCTS, _STRONG_PRODUCTS = CODE["products"], CODE["strong_products"]


@part
def _flat(h: int, p: int, t: int, pc: int) -> int:
    """Run single instructions, one after the other; return where the next entry begins."""
    count, o = entry(t, pc + 1), entry(t, pc + 2)
    pc += 3
    for i in range(o, o + count):
        word, a, b = entry(t, pc), entry(t, pc + 1), entry(t, pc + 2)
        if word == _MUL:
            x = get(p, a) * get(p, b)
            pc += 3
        elif word == _ADD:
            x = get(p, a) + get(p, b)
            pc += 3
        elif word == _SUB:
            x = get(p, a) - get(p, b)
            pc += 3
        elif word == _STRONG_MUL:
            y = get(p, a)
            x = -0.0 if is_nothing(y) else 0.0 + y * get(p, b)
            pc += 3
        elif word == _ONE_PAIR:
            x = get(p, a) + get(p, b) * get(p, entry(t, pc + 3))
            pc += 4
        elif word == _DIV:
            x = get(p, a) / get(p, b)
            pc += 3
        elif word & 255 == _PRODUCTS or word & 255 == _STRONG_PRODUCTS:
            x, count = get(p, a), word >> 8
            strong = word & 255 == _STRONG_PRODUCTS
            for j in range(pc + 2, pc + 1 + count, 2):
                y, z = get(p, entry(t, j)), get(p, entry(t, j + 1))
                x = plus_strongly(x, y, z) if strong else x + y * z
            pc += 1 + count
        else:
            _single(h, p, t, pc, word & 255, word >> 8, i)
            pc += 1 + (word >> 8)
            continue
        put(p, i, x)
    return pc


@part
def _single(h: int, p: int, t: int, pc: int, code: int, count: int, o: int) -> None:
    room = number(h, _ROOM)
    if _is_variadic(code):
        call(number(h, _VARIADIC), (code, p, t, pc + 1, count, 1, 1, 1, 1, o, 0, 0))
        return
    a, b, c = entry(t, pc + 1), entry(t, pc + 2), entry(t, pc + 3)
    if count == 1:
        call(number(h, _UNARY), (code, p, room, 1, o, a, 1))
    elif count == 2:
        call(number(h, _BINARY), (code, p, room, 1, o, a, 1, b, 1))
    else:
        call(number(h, _TERNARY), (code, p, room, 1, o, a, 1, b, 1, c, 1))


_CODES = tuple(
    sorted(CODE[name] for name in ("prod", "norm", "logsumexp", "max", "min", "products", "strong_products"))
)


@kernel
def _is_variadic(code: int) -> bool:
    return code in _CODES


@part
def _nest(h: int, p: int, t: int, pc: int, code: int, room: int) -> int:
    """Run the element-wise nest at pc; return where the next entry begins."""
    count = entry(t, pc + 1)
    n2, n1, n0 = entry(t, pc + 2), entry(t, pc + 3), entry(t, pc + 4)
    o, o2, o1 = entry(t, pc + 5), entry(t, pc + 6), entry(t, pc + 7)
    q = pc + 8
    if _is_variadic(code):
        call(number(h, _VARIADIC), (code, p, t, q, count, 4, n2, n1, n0, o, o2, o1))
        return q + 4 * count
    a, a2, a1, a0 = entry(t, q), entry(t, q + 1), entry(t, q + 2), entry(t, q + 3)
    if count == 1:
        for i2 in range(n2):
            for i1 in range(n1):
                call(number(h, _UNARY), (code, p, room, n0, o + i2 * o2 + i1 * o1, a + i2 * a2 + i1 * a1, a0))
        return q + 4
    b, b2, b1, b0 = entry(t, q + 4), entry(t, q + 5), entry(t, q + 6), entry(t, q + 7)
    if count == 2:
        for i2 in range(n2):
            for i1 in range(n1):
                at, bt = a + i2 * a2 + i1 * a1, b + i2 * b2 + i1 * b1
                call(number(h, _BINARY), (code, p, room, n0, o + i2 * o2 + i1 * o1, at, a0, bt, b0))
        return q + 8
    c, c2, c1, c0 = entry(t, q + 8), entry(t, q + 9), entry(t, q + 10), entry(t, q + 11)
    for i2 in range(n2):
        for i1 in range(n1):
            at, bt, ct = a + i2 * a2 + i1 * a1, b + i2 * b2 + i1 * b1, c + i2 * c2 + i1 * c1
            call(number(h, _TERNARY), (code, p, room, n0, o + i2 * o2 + i1 * o1, at, a0, bt, b0, ct, c0))
    return q + 12


@kernel
def _interpret(h: int, p: int, pc: int, end: int, active: int, careful: int) -> None:
    t, room = number(h, _TABLE), number(h, _ROOM)
    while pc < end:
        kind = entry(t, pc)
        if kind == SUM:
            pc = call(number(h, _SUMS), (p, t, pc, room, active, careful))
        elif kind == FLAT:
            pc = _flat(h, p, t, pc)
        else:
            pc = _nest(h, p, t, pc, kind, room)


@kernel
def _write(h: int, p: int, lane: int, out: int) -> bool:
    """Copy the outputs of a lane to the address; return whether nan is among them."""
    t, q = number(h, _TABLE), number(h, _OUTPUTS)
    i, broken = 0, False
    for _ in range(number(h, _OUTPUT_RUNS)):
        at, step, length = entry(t, q) + entry(t, q + 3) * lane, entry(t, q + 1), entry(t, q + 2)
        q += 4
        nans = 0
        if step == 1:
            for j in range(length):
                x = get(p, at + j)
                nans += x != x
                put(out, i + j, x)
        else:
            for j in range(length):
                x = get(p, at + j * step)
                nans += x != x
                put(out, i + j, x)
        i += length
        broken = broken or nans > 0
    return broken


@kernel
def _is_watched_nan(h: int, p: int, active: int) -> bool:
    """Return whether a nan that might not reach the outputs is among the numbers watched."""
    t, q = number(h, _TABLE), number(h, _WATCHED)
    for i in range(number(h, _WATCHED_COUNT)):
        at, step = entry(t, q + 2 * i), entry(t, q + 2 * i + 1)
        for lane in range(active if step else 1):
            x = get(p, at + lane)
            if x != x:
                return True
    return False


@kernel
def _guards_hold(h: int, p: int, lane: int) -> bool:
    t, q = number(h, _TABLE), number(h, _GUARDS)
    for i in range(number(h, _GUARD_COUNT)):
        x = get(p, entry(t, q + 3 * i) + entry(t, q + 3 * i + 1) * lane)
        if (x != 0.0) != (entry(t, q + 3 * i + 2) != 0):
            return False
    return True


@part
def _run_one(h: int, p: int, given: int, out: int) -> bool:
    for i in range(number(h, _INPUTS)):
        put(p, i, get(given, i))
    end = number(h, _SHARED_END)
    _interpret(h, p, integer(0), end, integer(1), integer(0))
    broken = _write(h, p, integer(0), out)
    if number(h, _STRONG) and (broken or _is_watched_nan(h, p, integer(1))):
        _interpret(h, p, integer(0), end, integer(1), integer(1))
        _write(h, p, integer(0), out)
    return _guards_hold(h, p, integer(0))


@part
def _read_rows(h: int, p: int, given: int, row: int, active: int) -> None:
    """Put a block of rows into lanes, the last row again in those that are left."""
    at, lanes, width = number(h, _LANES_AT), number(h, _LANES), number(h, _VARYING)
    for lane in range(lanes):
        source = (row + min(lane, active - 1)) * width
        for i in range(width):
            put(p, at + i * lanes + lane, get(given, source + i))


@part
def _run_block(h: int, p: int, given: int, row: int, active: int, careful: int) -> None:
    _read_rows(h, p, given, row, active)
    _interpret(h, p, number(h, _SHARED_END), number(h, _LANES_END), active, careful)


@part
def _write_block(h: int, p: int, row: int, active: int, out: int) -> bool:
    width, broken = number(h, _OUTPUT_WIDTH), False
    for lane in range(active):
        broken = _write(h, p, lane, out + 8 * (row + lane) * width) or broken
    return broken


@kernel
def _run_chunk(h: int, p: int, given: int, out: int, chunk: int, careful: int) -> bool:
    """Run a chunk of rows, block by block; return whether a nan came up that only care can judge."""
    size, lanes, rows = number(h, _CHUNK), number(h, _LANES), number(h, _ROWS)
    reduced, strong, holds = number(h, _MODE) == REDUCED, number(h, _STRONG), number(h, _HOLDS)
    row, end, broken = chunk * size, min((chunk + 1) * size, rows), False
    if reduced:
        totals, starts = number(h, _TOTALS), number(h, _TOTAL_STARTS)
        for i in range(number(h, _TOTAL_COUNT)):
            put(p, totals + i, get(p, starts + i))
    while row < end:
        active = min(lanes, end - row)
        _run_block(h, p, given, row, active, careful)
        broken = (not reduced and _write_block(h, p, row, active, out)) or broken
        if strong:
            broken = _is_watched_nan(h, p, active) or broken
        if number(h, _GUARD_COUNT):
            for lane in range(active):
                put_byte(holds, row + lane, _guards_hold(h, p, lane))
        row += lanes
    if reduced:
        broken = _write(h, p, integer(0), out + 8 * chunk * number(h, _OUTPUT_WIDTH)) or broken
    return broken and strong != 0


@part
def _run_rows(h: int, p: int, given: int, out: int) -> bool:
    shared = number(h, _GIVEN_SHARED)
    for i in range(number(h, _INPUTS)):
        put(p, i, get(shared, i))
    end, careful = number(h, _SHARED_END), 0
    _interpret(h, p, integer(0), end, integer(1), integer(0))
    for chunk in range(number(h, _CHUNK_FROM), number(h, _CHUNK_TO)):
        if _run_chunk(h, p, given, out, chunk, integer(0)):
            if not careful:
                careful = 1
                _interpret(h, p, integer(0), end, integer(1), integer(1))
            _run_chunk(h, p, given, out, chunk, integer(1))
    return True


@kernel
def run(header: int, given: int, out: int) -> bool:
    """Run the program that the header describes on the numbers at `given`; return whether its guards hold."""
    p = number(header, _NUMBERS)
    if number(header, _MODE) == ONE:
        return _run_one(header, p, given, out)
    return _run_rows(header, p, given, out)
