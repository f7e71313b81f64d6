"""The records of `schema` in machine code: written as words of a table, and read back.

A table that is written is an array of 32-bit integers; one that is read is given by its address.
"""

from typing import Any

from autodiff.compiler.machine.vectors import entry, kernel
from autodiff.compiler.nests.schema import (
    FIRST_OPERAND,
    FIRST_RUN,
    FLAT,
    FLAT_FIRST,
    FORM,
    FORMS,
    LENGTH,
    LISTED,
    LOOPS,
    OPERAND,
    OPERANDS,
    OUT,
    PAIR,
    RUN,
    START,
    STRONG,
    SUM,
    SWAPPED,
    A,
    Affine,
    B,
    Copies,
    Guard,
    Loops,
    Run,
    Watched,
    head,
)

Array = Any

# --- reading ---


@kernel
def loops_at(t: int, at: int) -> Loops:
    """The loops whose words are at `at` of the table at t."""
    return Loops(entry(t, at), entry(t, at + 1), entry(t, at + 2))


@kernel
def out_at(t: int, at: int) -> Affine:
    """The place of the results of a nest."""
    return Affine(entry(t, at), entry(t, at + 1), entry(t, at + 2), 1, 0)


@kernel
def place_at(t: int, at: int) -> Affine:
    """The place of an operand, or of the start of a sum."""
    return Affine(entry(t, at), entry(t, at + 1), entry(t, at + 2), entry(t, at + 3), 0)


@kernel
def _factor_at(t: int, at: int) -> Affine:
    return Affine(entry(t, at), entry(t, at + 1), entry(t, at + 2), entry(t, at + 3), entry(t, at + 4))


@kernel
def run_at(t: int, at: int) -> Run:
    """A run, without its listed pairs."""
    form = entry(t, at + FORM)
    swapped, listed = form & SWAPPED != 0, form & LISTED != 0
    return Run(form & FORMS, swapped, listed, entry(t, at + LENGTH), _factor_at(t, at + A), _factor_at(t, at + B), ())


@kernel
def copies_at(t: int, at: int) -> Copies:
    """Outputs in step."""
    return Copies(entry(t, at), entry(t, at + 1), entry(t, at + 2), entry(t, at + 3))


@kernel
def guard_at(t: int, at: int) -> Guard:
    """A guard."""
    return Guard(entry(t, at), entry(t, at + 1), entry(t, at + 2))


@kernel
def watched_at(t: int, at: int) -> Watched:
    """A number to be watched."""
    return Watched(entry(t, at), entry(t, at + 1))


@kernel
def turned(place: Affine, h: int, j: int) -> int:
    """The address after so many turns of the two outer loops."""
    return place.at + h * place.h + j * place.j


# --- writing ---

_head = kernel(head)


@kernel
def _write(table: Array, at: int, words: Any) -> None:
    for i in range(len(words)):
        table[at + i] = words[i]


@kernel
def write_flat(table: Array, at: int, out: int) -> int:
    """Begin a flat list, with no instruction yet; return where its first one goes, as all of these do."""
    _write(table, at, (FLAT, 0, out))
    return at + FLAT_FIRST


@kernel
def write_instruction(table: Array, at: int, code: int, count: int) -> int:
    """Write the head of an instruction of a flat list, which so many addresses follow."""
    table[at] = _head(code, count)
    return at + 1


@kernel
def write_place(table: Array, at: int, place: Affine) -> int:
    """Write the place of an operand, or of the start of a sum."""
    _write(table, at, (place.at, place.h, place.j, place.i))
    return at + OPERAND


@kernel
def _write_loops(table: Array, at: int, loops: Loops, out: Affine) -> None:
    _write(table, at + LOOPS, loops)
    _write(table, at + OUT, (out.at, out.h, out.j))


@kernel
def write_elementwise(table: Array, at: int, code: int, operands: int, loops: Loops, out: Affine) -> int:
    """Write an Elementwise, which the places of so many operands follow."""
    table[at], table[at + OPERANDS] = code, operands
    _write_loops(table, at, loops, out)
    return at + FIRST_OPERAND


@kernel
def write_sum(table: Array, at: int, strong: bool, loops: Loops, out: Affine, start: Affine) -> int:
    """Write a Sum, which its runs follow; how many, is to be written once they are known."""
    table[at], table[at + STRONG] = SUM, strong
    _write_loops(table, at, loops, out)
    write_place(table, at + START, start)
    return at + FIRST_RUN


@kernel
def write_run(table: Array, at: int, run: Run) -> int:
    """Write a run, which its pairs follow if it is listed."""
    table[at + FORM] = run.form + SWAPPED * run.swapped + LISTED * run.listed
    table[at + LENGTH] = run.length
    _write(table, at + A, run.a)
    _write(table, at + B, run.b)
    return at + RUN


@kernel
def write_pair(table: Array, at: int, x: int, y: int) -> int:
    """Write a pair of addresses of a listed run."""
    table[at], table[at + 1] = x, y
    return at + PAIR
