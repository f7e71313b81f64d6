"""The interpreter of loop nests: one function of machine code, compiled once per machine, that runs every program.

A program arrives as a table of small integers (`nests.schema` says what they are) and a block of memory whose first
part holds the numbers shared by all rows, the second lanes: for each slot the numbers of a block of rows side by side.
To the interpreter a lane is one more innermost loop.
"""

from autodiff.compiler.backends.kernels.runs import plus_strongly
from autodiff.compiler.machine.vectors import BYTES, call, entry, get, integer, kernel, number, part, put, put_byte
from autodiff.compiler.nests.encoding import copies_at, guard_at, loops_at, out_at, place_at, turned, watched_at
from autodiff.compiler.nests.schema import (
    COPIES,
    FIRST_OPERAND,
    FLAT,
    FLAT_COUNT,
    FLAT_FIRST,
    FLAT_OUT,
    GUARD,
    HEAD_COUNT,
    HEAD_OPCODES,
    LOOPS,
    ONE,
    OPERAND,
    OPERANDS,
    OUT,
    REDUCED,
    SUM,
    WATCHED,
    Header,
    head,
)
from autodiff.compiler.programs.opcodes import CODE, OPCODES, is_nothing

_ADD, _SUB, _MUL, _DIV = (head(CODE[name], 2) for name in ("add", "sub", "mul", "div"))
_STRONG_MUL, _ONE_PAIR = head(CODE["strong_mul"], 2), head(CODE["products"], 3)
_PRODUCTS, _STRONG_PRODUCTS = CODE["products"], CODE["strong_products"]


@part
def _flat(h: int, p: int, t: int, pc: int) -> int:
    """Run single instructions, one after the other; return where the next entry begins."""
    count, o = entry(t, pc + FLAT_COUNT), entry(t, pc + FLAT_OUT)
    pc += FLAT_FIRST
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
        elif word & HEAD_OPCODES == _PRODUCTS or word & HEAD_OPCODES == _STRONG_PRODUCTS:
            x, count = get(p, a), word >> HEAD_COUNT
            strong = word & HEAD_OPCODES == _STRONG_PRODUCTS
            for j in range(pc + 2, pc + 1 + count, 2):
                y, z = get(p, entry(t, j)), get(p, entry(t, j + 1))
                x = plus_strongly(x, y, z) if strong else x + y * z
            pc += 1 + count
        else:
            _single(h, p, t, pc, word & HEAD_OPCODES, word >> HEAD_COUNT, i)
            pc += 1 + (word >> HEAD_COUNT)
            continue
        put(p, i, x)
    return pc


@part
def _single(h: int, p: int, t: int, pc: int, code: int, count: int, o: int) -> None:
    room = number(h, Header.ROOM)
    if _is_variadic(code):
        call(number(h, Header.VARIADIC), (code, p, t, pc + 1, count, 1, 1, 1, 1, o, 0, 0))
        return
    a, b, c = entry(t, pc + 1), entry(t, pc + 2), entry(t, pc + 3)
    if count == 1:
        call(number(h, Header.UNARY), (code, p, room, 1, o, a, 1))
    elif count == 2:
        call(number(h, Header.BINARY), (code, p, room, 1, o, a, 1, b, 1))
    else:
        call(number(h, Header.TERNARY), (code, p, room, 1, o, a, 1, b, 1, c, 1))


_VARIADIC = tuple(code for code, primitive in enumerate(OPCODES) if primitive.arity is None)


@kernel
def _is_variadic(code: int) -> bool:
    return code in _VARIADIC


@part
def _nest(h: int, p: int, t: int, pc: int, code: int, room: int) -> int:
    """Run the element-wise nest at pc; return where the next entry begins."""
    count, loops, out = entry(t, pc + OPERANDS), loops_at(t, pc + LOOPS), out_at(t, pc + OUT)
    q = pc + FIRST_OPERAND
    if _is_variadic(code):
        call(
            number(h, Header.VARIADIC),
            (code, p, t, q, count, OPERAND, loops.h, loops.j, loops.i, out.at, out.h, out.j),
        )
        return q + OPERAND * count
    a, b, c = place_at(t, q), place_at(t, q + OPERAND), place_at(t, q + 2 * OPERAND)  # as many as there are
    for i2 in range(loops.h):
        for i1 in range(loops.j):
            o, x, y = turned(out, i2, i1), turned(a, i2, i1), turned(b, i2, i1)
            if count == 1:
                call(number(h, Header.UNARY), (code, p, room, loops.i, o, x, a.i))
            elif count == 2:
                call(number(h, Header.BINARY), (code, p, room, loops.i, o, x, a.i, y, b.i))
            else:
                z = turned(c, i2, i1)
                call(number(h, Header.TERNARY), (code, p, room, loops.i, o, x, a.i, y, b.i, z, c.i))
    return q + OPERAND * count


@kernel
def _interpret(h: int, p: int, pc: int, end: int, active: int, careful: int) -> None:
    t, room = number(h, Header.TABLE), number(h, Header.ROOM)
    while pc < end:
        kind = entry(t, pc)
        if kind == SUM:
            pc = call(number(h, Header.SUMS), (p, t, pc, room, active, careful))
        elif kind == FLAT:
            pc = _flat(h, p, t, pc)
        else:
            pc = _nest(h, p, t, pc, kind, room)


@kernel
def _write(h: int, p: int, lane: int, out: int) -> bool:
    """Copy the outputs of a lane to the address; return whether nan is among them."""
    t, q = number(h, Header.TABLE), number(h, Header.OUTPUTS)
    i, broken = 0, False
    for _ in range(number(h, Header.OUTPUT_RUNS)):
        copies = copies_at(t, q)
        at, step, length = copies.at + copies.lane * lane, copies.step, copies.length
        q += COPIES
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
    """Whether a nan that might not reach the outputs is among the numbers watched."""
    t, q = number(h, Header.TABLE), number(h, Header.WATCHED)
    for i in range(number(h, Header.WATCHED_COUNT)):
        watched = watched_at(t, q + WATCHED * i)
        for lane in range(active if watched.lane else 1):
            x = get(p, watched.at + lane)
            if x != x:
                return True
    return False


@kernel
def _guards_hold(h: int, p: int, lane: int) -> bool:
    t, q = number(h, Header.TABLE), number(h, Header.GUARDS)
    for i in range(number(h, Header.GUARD_COUNT)):
        guard = guard_at(t, q + GUARD * i)
        x = get(p, guard.at + guard.lane * lane)
        if (x != 0.0) != (guard.expected != 0):
            return False
    return True


@part
def _run_one(h: int, p: int, given: int, out: int) -> bool:
    for i in range(number(h, Header.INPUTS)):
        put(p, i, get(given, i))
    end = number(h, Header.SHARED_END)
    _interpret(h, p, integer(0), end, integer(1), integer(0))
    broken = _write(h, p, integer(0), out)
    if number(h, Header.STRONG) and (broken or _is_watched_nan(h, p, integer(1))):
        _interpret(h, p, integer(0), end, integer(1), integer(1))
        _write(h, p, integer(0), out)
    return _guards_hold(h, p, integer(0))


@part
def _read_rows(h: int, p: int, given: int, row: int, active: int) -> None:
    """Put a block of rows into lanes, the last row again in those that are left."""
    at, lanes, width = number(h, Header.LANES_AT), number(h, Header.LANES), number(h, Header.VARYING)
    for lane in range(lanes):
        source = (row + min(lane, active - 1)) * width
        for i in range(width):
            put(p, at + i * lanes + lane, get(given, source + i))


@part
def _run_block(h: int, p: int, given: int, row: int, active: int, careful: int) -> None:
    _read_rows(h, p, given, row, active)
    _interpret(h, p, number(h, Header.SHARED_END), number(h, Header.LANES_END), active, careful)


@part
def _write_block(h: int, p: int, row: int, active: int, out: int) -> bool:
    width, broken = number(h, Header.OUTPUT_WIDTH), False
    for lane in range(active):
        broken = _write(h, p, lane, out + BYTES * (row + lane) * width) or broken
    return broken


@kernel
def _run_chunk(h: int, p: int, given: int, out: int, chunk: int, careful: int) -> bool:
    """Run a chunk of rows, block by block; return whether a nan came up that only care can judge."""
    size, lanes, rows = number(h, Header.CHUNK), number(h, Header.LANES), number(h, Header.ROWS)
    reduced, strong, holds = number(h, Header.MODE) == REDUCED, number(h, Header.STRONG), number(h, Header.HOLDS)
    row, end, broken = chunk * size, min((chunk + 1) * size, rows), False
    if reduced:
        totals, starts = number(h, Header.TOTALS), number(h, Header.TOTAL_STARTS)
        for i in range(number(h, Header.TOTAL_COUNT)):
            put(p, totals + i, get(p, starts + i))
    while row < end:
        active = min(lanes, end - row)
        _run_block(h, p, given, row, active, careful)
        broken = (not reduced and _write_block(h, p, row, active, out)) or broken
        if strong:
            broken = _is_watched_nan(h, p, active) or broken
        if number(h, Header.GUARD_COUNT):
            for lane in range(active):
                put_byte(holds, row + lane, _guards_hold(h, p, lane))
        row += lanes
    if reduced:
        broken = _write(h, p, integer(0), out + BYTES * chunk * number(h, Header.OUTPUT_WIDTH)) or broken
    return broken and strong != 0


@part
def _run_rows(h: int, p: int, given: int, out: int) -> bool:
    shared = number(h, Header.GIVEN_SHARED)
    for i in range(number(h, Header.INPUTS)):
        put(p, i, get(shared, i))
    end, careful = number(h, Header.SHARED_END), 0
    _interpret(h, p, integer(0), end, integer(1), integer(0))
    for chunk in range(number(h, Header.CHUNK_FROM), number(h, Header.CHUNK_TO)):
        if _run_chunk(h, p, given, out, chunk, integer(0)):
            if not careful:
                careful = 1
                _interpret(h, p, integer(0), end, integer(1), integer(1))
            _run_chunk(h, p, given, out, chunk, integer(1))
    return True


@kernel
def run(header: int, given: int, out: int) -> bool:
    """Run the program that the header describes on the numbers at `given`; return whether its guards hold."""
    p = number(header, Header.NUMBERS)
    if number(header, Header.MODE) == ONE:
        return _run_one(header, p, given, out)
    return _run_rows(header, p, given, out)
