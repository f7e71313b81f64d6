"""Backend: what the rest of the compiler asks of whatever runs a program, and nothing else.

A backend is a class in a module of this folder, whose objects are programs ready to run; a line in `choice` lets users
name it. Numbers go in as a list of floats, or as a float64 array in C order, whichever the call had; a backend makes of
them what it can read. They come out as a list or an array.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from autodiff.compiler.programs.program import Program

Run = Callable[[], object]
Updates = Sequence[tuple[Any, int]]  # arrays, and the first of the outputs that each gets: as many as it has numbers


class Backend(Protocol):
    """A program ready to run. Several threads may run it at once.

    Attributes:
        effects: how many instructions each pass of its own left, in order; empty where it has none.
    """

    effects: dict[str, int]

    def __init__(self, program: Program, reduction: str | None, threads: int) -> None:
        """Make a program ready: "sum" or "mean" is what becomes of its outputs over rows, None keeps each row's."""

    def run(self, numbers: Any) -> tuple[Any, bool]:
        """The outputs for the numbers of all inputs, and whether all guards hold."""

    def run_rows(self, shared: Any, rows: Any) -> tuple[Any, Sequence[bool]]:
        """The outputs of each row, or their sums or means; and for each row whether all guards hold.

        `shared` are the numbers of the inputs that do not vary from row to row, `rows` has a column for each that does.
        """

    def bound(self, parts: Sequence[Any], columns: Sequence[Any] | None, updates: Updates = ()) -> tuple[Run, Any]:
        """A call of `run`, or with columns of `run_rows`, bound to arrays; and the array of outputs that it fills anew.

        `parts` are the numbers that rows share, one part after the other: arrays, and lists of numbers that stay as
        they are; `columns` are arrays, side by side in a row. The call reads what the arrays hold by then, and tells
        whether they have the shape, strides and dtype that they had, and all guards hold. Only then the updates are
        made: arrays get outputs, which need not be in the array of outputs then. It has memory of its own: one thread
        at a time.
        """

    def listing(self, limit: int | None) -> str:
        """What it runs, as text: its nests, one a line, at most as many as the limit."""
