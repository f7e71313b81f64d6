"""The records of `schema` in machine code: written as words of a table, and read back.

A table that is written is an array of 32-bit integers; one that is read is given by its address.
"""

from typing import Any

from autodiff.compiler.machine.vectors import entry, kernel
from autodiff.compiler.nests.schema import (
    FORM,
    FORMS,
    LENGTH,
    LISTED,
    SWAPPED,
    A,
    Affine,
    B,
    Copies,
    Guard,
    Loops,
    Run,
    Watched,
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
