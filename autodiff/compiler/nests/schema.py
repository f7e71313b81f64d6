"""The schema of nests: the records that a program is made of, and the table of 32-bit integers that holds them.

A program runs as a list of nests over one block of memory, v. Each is a record:

* `Flat`: single instructions, one after the other.
* `Elementwise`: one operation in up to three loops, `v[out] = f(v[a], v[b], ...)`.
* `Sum`: `v[out] = v[start] + v[a] * v[b] + ...`, in up to three loops; its terms are `Run`s, each of which is a loop of
  its own, over k.

The loops count h, j and i, from the outermost one inwards, and every address is `Affine` in them. A number that differs
from row to row has as many addresses as there are lanes, side by side; then i counts the lanes, or the lanes of several
numbers that stand side by side.

`meaning` says what they do, one number after the other. `encoding` writes them into a table; `decoded` reads them back
for `meaning` and `listing`. What runs a table fast reads its words, by the names below.
"""

from array import array
from collections.abc import Iterator, Sequence
from enum import IntEnum, auto
from itertools import product
from typing import NamedTuple

# --- records ---


class Affine(NamedTuple):
    """An address that loops move: `at` plus the steps h, j, i and k, each as often as its loop has turned."""

    at: int
    h: int
    j: int
    i: int
    k: int

    def turned(self, h: int = 0, j: int = 0, i: int = 0, k: int = 0) -> int:
        """The address after so many turns of the loops."""
        return self.at + h * self.h + j * self.j + i * self.i + k * self.k


class Loops(NamedTuple):
    """How often the three loops of a nest turn; i is the innermost one."""

    h: int
    j: int
    i: int

    def turns(self) -> Iterator[tuple[int, int, int]]:
        """The counts (h, j, i) of every turn, in order."""
        return product(range(self.h), range(self.j), range(self.i))


class Elementwise(NamedTuple):
    """The operation `code`, once a turn."""

    code: int
    loops: Loops
    out: Affine
    operands: tuple[Affine, ...]


class Run(NamedTuple):
    """Terms of a sum: products of a number at a and one at b.

    The form says how they are added up, and follows from the steps. Each output takes the terms one by one, by k, but
    for those of `INNER`: of these eight totals are made, the term k being part of the one numbered k % 8, and the total
    of the eight is one term.

        UPDATE   the loop i moves b alone, by 1: outputs side by side take one number a, times as many at b
        BOTH     the loop i moves both factors by 1
        SPREAD   the loop i moves neither, and counts lanes: all of them take the same terms
        PACK     the loop i moves b alone, by another step, and the loop j does not: a copy of b in step, made once,
                 makes it an UPDATE for each turn of j
        INNER    more terms than 2, or one a row, whose factors b lie side by side, as do the factors a, or a is one
        DOT      the rest: one output after the other

    Attributes:
        form: one of these.
        swapped: whether b has the first factor of each product, which decides in a strong sum.
        listed: whether the terms lie at `pairs` of addresses, to be added to a and b, instead of k steps.
        length: how many terms there are; `ACTIVE_LANES` for one for each row of the block.
        a: the address of one factor.
        b: the address of the other.
        pairs: the addresses of a listed run.
    """

    form: int
    swapped: bool
    listed: bool
    length: int
    a: Affine
    b: Affine
    pairs: tuple[tuple[int, int], ...] = ()

    def factors(self, h: int, j: int, i: int, active: int) -> list[int]:
        """The addresses of all factors after so many turns, two a term, with so many rows in the block."""
        turns = range(active if self.length == ACTIVE_LANES else self.length)
        pairs = self.pairs if self.listed else [(k * self.a.k, k * self.b.k) for k in turns]
        a, b = self.a.turned(h, j, i), self.b.turned(h, j, i)
        return [z for x, y in pairs for z in ((b + y, a + x) if self.swapped else (a + x, b + y))]


class Sum(NamedTuple):
    """A start and the terms of its runs, added up in that order, once a turn.

    A strong sum takes products as the chain rule has them: see `strong_products` of `programs.opcodes`. `start` is None
    for a total over rows, which goes on from what v[out] holds.
    """

    strong: bool
    loops: Loops
    out: Affine
    start: Affine | None
    runs: tuple[Run, ...]


class Flat(NamedTuple):
    """Instructions (opcode, addresses of the operands) whose results lie side by side, the first at `out`."""

    out: int
    instructions: tuple[tuple[int, tuple[int, ...]], ...]


Nest = Flat | Elementwise | Sum


class Copies(NamedTuple):
    """Outputs that lie in step: `length` of them from `at` on; if `lane` is 1, each row has its own, in its lane."""

    at: int
    step: int
    length: int
    lane: int


class Guard(NamedTuple):
    """A condition that must hold as expected; if `lane` is 1, each row has its own."""

    at: int
    lane: int
    expected: int


class Watched(NamedTuple):
    """A number whose nan may not reach the outputs; if `lane` is 1, each row has its own."""

    at: int
    lane: int


# --- words of the table ---

# The first word of a nest is its kind: one of these, or the opcode of an Elementwise. 1002 to 1009 are left for nests
# that gather, that scatter and add by index, and for loops over programs.
FLAT, SUM = 1000, 1001
MOST_OPCODES = 256

# Flat: the number of instructions, the first address of a result; then for each its head, and its operands' addresses.
FLAT_COUNT, FLAT_OUT, FLAT_FIRST = 1, 2, 3
HEAD_OPCODES, HEAD_COUNT = MOST_OPCODES - 1, 8  # the bits of an opcode; how far left of them the number of operands is
MOST_LISTED = 2 ** (31 - HEAD_COUNT)  # so many operands do not fit into a head

# Elementwise and Sum: loops, and where the results go: `at`, h and j; the step i is 1.
LOOPS, OUT = 2, 5
# Elementwise: the number of operands; their addresses, without k.
OPERANDS, FIRST_OPERAND, OPERAND = 1, 8, 4
# Sum: whether it is strong; the start, without k, at NO_START for none; the number of runs; the runs.
STRONG, START, RUNS, FIRST_RUN = 1, 8, 12, 13
NO_START = -1
# Run: form and marks, length, a, b; if it is listed, its pairs.
FORM, LENGTH, A, B, RUN, PAIR = 0, 1, 2, 7, 12, 2
FORMS, SWAPPED, LISTED = 15, 16, 32  # the bits of a form; the marks
ACTIVE_LANES = 0


def head(code: int, count: int) -> int:
    """The head of an instruction of a Flat that has so many operands."""
    return code + (count << HEAD_COUNT)


UPDATE, BOTH, DOT, PACK, SPREAD, INNER = range(6)  # forms of runs: see `Run`
PARTS = 8  # totals that an INNER run makes

# Copies, Guard and Watched: the fields in order.
COPIES, GUARD, WATCHED = 4, 3, 2


class Header(IntEnum):
    """The words of 64 bits that tell the interpreter of a table and of memory."""

    SHARED_END = 0  # where the nests end that are the same for all rows,
    LANES_END = auto()  # and those that are run for each block of rows
    INPUTS = auto()  # how many inputs are shared, from v[0] on,
    VARYING = auto()  # and how many vary from row to row,
    LANES_AT = auto()  # from here on,
    LANES = auto()  # each in so many lanes
    OUTPUTS = auto()  # where the Copies begin in the table,
    OUTPUT_RUNS = auto()  # and how many there are
    GUARDS = auto()
    GUARD_COUNT = auto()
    STRONG = auto()  # whether there are strong sums
    WATCHED = auto()
    WATCHED_COUNT = auto()
    TOTALS = auto()  # where the totals over rows are,
    OUTPUT_WIDTH = auto()
    TOTAL_COUNT = auto()  # how many totals there are,
    TOTAL_STARTS = auto()  # and where the numbers are that they start from
    SIZE = auto()  # how many numbers the block of memory has


class Nests(NamedTuple):
    """A program for the interpreter.

    Attributes:
        table: nests, then Copies, Guards and Watched.
        numbers: what the block of memory holds at first, up to the lanes: the constants in their places.
        header: what the words of `Header` say of both.
        entries: where each nest begins in the table.
        places: the address of each slot.
        shared: for each output a byte: whether it is the same for all rows.
    """

    table: "array[int]"
    numbers: "array[float]"
    header: "array[int]"
    entries: "array[int]"
    places: "array[int]"
    shared: bytes

    def decoded(self, begin: int = 0, end: int | None = None) -> Iterator[Nest]:
        """The nests that begin between two places of the table, as records."""
        table = self.table.tolist()
        end = len(table) if end is None else end
        return (decoded(table, at) for at in self.entries if begin <= at < end)

    def rest(self) -> tuple[list[Copies], list[Guard], list[Watched]]:
        """What stands behind the nests."""
        table, header = self.table.tolist(), self.header
        return (
            [Copies(*_words(table, header[Header.OUTPUTS], COPIES, n)) for n in range(header[Header.OUTPUT_RUNS])],
            [Guard(*_words(table, header[Header.GUARDS], GUARD, n)) for n in range(header[Header.GUARD_COUNT])],
            [Watched(*_words(table, header[Header.WATCHED], WATCHED, n)) for n in range(header[Header.WATCHED_COUNT])],
        )


# --- reading ---


def decoded(table: Sequence[int], at: int) -> Nest:
    """The nest that begins there."""
    kind = table[at]
    return _flat(table, at) if kind == FLAT else _sum(table, at) if kind == SUM else _elementwise(table, at)


def _words(table: Sequence[int], at: int, count: int, n: int = 0) -> Sequence[int]:
    """The words of the nth of records that have so many of them, and stand side by side from `at` on."""
    return table[at + n * count : at + (n + 1) * count]


def _place(table: Sequence[int], at: int) -> Affine:
    place, h, j, i = _words(table, at, OPERAND)
    return Affine(place, h, j, i, k=0)


def _loops(table: Sequence[int], at: int) -> tuple[Loops, Affine]:
    place, h, j = _words(table, at + OUT, 3)
    return Loops(*_words(table, at + LOOPS, 3)), Affine(place, h, j, i=1, k=0)


def _elementwise(table: Sequence[int], at: int) -> Elementwise:
    first, count = at + FIRST_OPERAND, table[at + OPERANDS]
    operands = [_place(table, first + n * OPERAND) for n in range(count)]
    return Elementwise(table[at], *_loops(table, at), tuple(operands))


def _sum(table: Sequence[int], at: int) -> Sum:
    start = None if table[at + START] == NO_START else _place(table, at + START)
    runs, q = list[Run](), at + FIRST_RUN
    for _ in range(table[at + RUNS]):
        runs.append(_run(table, q))
        q += RUN + PAIR * len(runs[-1].pairs)
    return Sum(bool(table[at + STRONG]), *_loops(table, at), start, tuple(runs))


def _run(table: Sequence[int], at: int) -> Run:
    form, length, listed = table[at + FORM], table[at + LENGTH], bool(table[at + FORM] & LISTED)
    words = [_words(table, at + RUN, PAIR, n) for n in range(length if listed else 0)]
    a, b = Affine(*_words(table, at + A, 5)), Affine(*_words(table, at + B, 5))
    return Run(form & FORMS, bool(form & SWAPPED), listed, length, a, b, tuple([(x, y) for x, y in words]))


def _flat(table: Sequence[int], at: int) -> Flat:
    instructions, q = list[tuple[int, tuple[int, ...]]](), at + FLAT_FIRST
    for _ in range(table[at + FLAT_COUNT]):
        code, count = table[q] & HEAD_OPCODES, table[q] >> HEAD_COUNT
        instructions.append((code, tuple(table[q + 1 : q + 1 + count])))
        q += 1 + count
    return Flat(table[at + FLAT_OUT], tuple(instructions))
