"""The fast backend: a program as loop nests, run by the native core, which decodes them once.

    >>> program = Program.of(2, [3.0], [("mul", (0, 1)), ("add", (3, 2)), ("sqrt", (4,))], [4, 5])
    >>> from autodiff.compiler.backends.choice import ready
    >>> ready(program, "auto").run([2.0, 0.5])  # by this backend, where there is a core
    ([4.0, 2.0], True)

Threads may share it: each run takes a block of memory from a pool and gives it back.
"""

import sys
from array import array
from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any

from autodiff import native
from autodiff.compiler.backends.backend import Run, Updates
from autodiff.compiler.nests.listing import listing
from autodiff.compiler.nests.reroll import reroll
from autodiff.compiler.passes.order import optimised
from autodiff.compiler.programs.program import Program
from autodiff.structures.structure import is_array


class NativeBackend:
    """A program ready to run, as nests.

    With more threads than one, blocks of rows run side by side; the results have the same bits.

    Attributes:
        runner: what runs it, of the core.
    """

    def __init__(self, program: Program, reduction: str | None = None, threads: int = 1) -> None:
        self.reduction = reduction
        self.program, self.effects = optimised(program, for_loops=True)
        self.nests = reroll(self.program, reduction is not None)
        table, numbers, header = self.nests.table, self.nests.numbers, self.nests.header
        few = partial(_for_few_rows, self.program, reduction)
        self.runner = native.core.Runner(table, numbers, header, reduction, threads, few=few)
        self._outputs, self._inputs, self._varying = len(program.outputs), program.inputs, sum(program.varying)

    def listing(self, limit: int | None = None) -> str:
        """The nests as text, one a line, at most as many as the limit."""
        return listing(self.nests, limit)

    def run(self, numbers: Any) -> tuple[Any, bool]:
        """The outputs for the numbers of all inputs, and whether all guards hold."""
        out = _room(self._outputs, is_array(numbers))
        holds = self.runner.run(_doubles(numbers), out)
        return _returned(out), holds

    def run_rows(self, shared: Any, rows: Any) -> tuple[Any, Sequence[bool]]:
        """The outputs of each row, an array of shape (rows, outputs), or their sums or means; and whether guards hold.

        `shared` are the numbers of the inputs that do not vary, in order; `rows` has a column for each that does.
        """
        count, width, in_arrays = len(rows), self._outputs, is_array(rows)
        self._check(len(shared), rows[0] if count else ())
        out, holds = _room(width if self.reduction else count * width, in_arrays), bytearray(count)
        self.runner.run_rows(_doubles(shared), _doubles(rows if in_arrays else chain.from_iterable(rows)), out, holds)
        if in_arrays:
            holding = sys.modules["numpy"].frombuffer(holds, bool)
            return (out.reshape(count, width) if self.reduction is None else out), holding
        return (_in_rows(out.tolist(), count, width) if self.reduction is None else out.tolist()), [*map(bool, holds)]

    def _check(self, shared: int, row: Any) -> None:
        narrow, varying = self._inputs - self._varying, self._varying
        if (shared, len(row)) != (narrow, varying):
            raise ValueError(f"expected {narrow} numbers, rows of {varying}; got {shared}, rows of {len(row)}")

    def bound(self, parts: Sequence[Any], columns: Sequence[Any] | None, updates: Updates = ()) -> tuple[Run, Any]:
        """A call bound to arrays, and the array of outputs, which it fills anew but for those that go to `updates`."""
        count = 0 if columns is None else len(columns[0])
        stacks, width = columns is not None and self.reduction is None, self._outputs
        out = sys.modules["numpy"].empty((count, width) if stacks else width)
        buffers = tuple([part if is_array(part) else array("d", part) for part in parts])
        bound = partial(native.core.Bound, self.runner, buffers, tuple(columns or ()), count, out)
        bound(())()
        return bound(tuple(updates)), out


def _for_few_rows(program: Program, reduction: str | None) -> Any:
    """What runs up to eight rows, in as many lanes."""
    nests = reroll(program, reduction is not None, 8)
    return native.core.Runner(nests.table, nests.numbers, nests.header, reduction)


def _doubles(numbers: Any) -> Any:
    """A buffer of the numbers, in C order."""
    return sys.modules["numpy"].ascontiguousarray(numbers, float) if is_array(numbers) else array("d", numbers)


def _room(count: int, in_array: bool) -> Any:
    """A buffer of so many numbers, which are to be filled in."""
    return sys.modules["numpy"].empty(count) if in_array else array("d", bytes(8 * count))


def _returned(out: Any) -> Any:
    return out if is_array(out) else out.tolist()


def _in_rows(numbers: list[float], count: int, width: int) -> list[list[float]]:
    return [numbers[i * width : (i + 1) * width] for i in range(count)]
