"""The records of `schema` written as words, at the end of a table: a list of integers of 32 bits.

`schema.decoded` reads them back.
"""

from collections.abc import Sequence

from autodiff.compiler.nests.schema import FLAT, LISTED, SUM, SWAPPED, Affine, Loops, Run, head

Table = list[int]


def write_flat(table: Table, out: int) -> None:
    """Begin a flat list, with no instruction yet."""
    table += (FLAT, 0, out)


def write_instruction(table: Table, code: int, operands: Sequence[int]) -> None:
    """Write an instruction of a flat list."""
    table.append(head(code, len(operands)))
    table += operands


def _write_loops(table: Table, loops: Loops, out: Affine) -> None:
    table += (*loops, out.at, out.h, out.j)


def write_place(table: Table, place: Affine) -> None:
    """Write the place of an operand, or of the start of a sum."""
    table += (place.at, place.h, place.j, place.i)


def write_elementwise(table: Table, code: int, loops: Loops, out: Affine, operands: Sequence[Affine]) -> None:
    """Write an Elementwise."""
    table += (code, len(operands))
    _write_loops(table, loops, out)
    for operand in operands:
        write_place(table, operand)


def write_sum(table: Table, strong: bool, loops: Loops, out: Affine, start: Affine, runs: Sequence[Run]) -> None:
    """Write a Sum; a total starts at NO_START."""
    table += (SUM, int(strong))
    _write_loops(table, loops, out)
    write_place(table, start)
    table.append(len(runs))
    for run in runs:
        table += (run.form + SWAPPED * run.swapped + LISTED * run.listed, run.length, *run.a, *run.b)
        for pair in run.pairs:
            table += pair
