"""The fast backend: a program as loop nests, run by an interpreter that numba compiles once per machine.

    >>> program = Program.of(2, [3.0], [("mul", (0, 1)), ("add", (3, 2)), ("exp", (3,))], [4, 5])
    >>> backend = NumbaBackend(program)
    >>> outputs, holds = backend.run(np.array([2.0, 0.5]))
    >>> outputs.tolist(), holds
    ([4.0, 2.718281828459045], True)

Threads may share it: each run takes a block of memory from a pool and gives it back.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from autodiff.compiler.backends.kernels.units import units
from autodiff.compiler.nests.listing import listing
from autodiff.compiler.nests.reroll import reroll
from autodiff.compiler.nests.schema import ONE, REDUCED, ROWS, Header
from autodiff.compiler.passes.order import optimised
from autodiff.compiler.programs.program import Program

Array = Any
_MOST_CHUNKS = 64  # of blocks of rows, each summed by itself, so that sums are the same for any number of threads


class _Call(NamedTuple):
    """The words at the end of a header, which differ from call to call."""

    given_shared: int
    rows: int
    chunk: int
    chunk_from: int
    chunk_to: int
    holds: int
    mode: int


_CALL = slice(len(Header) - len(_Call._fields), len(Header))
assert [word.name.lower() for word in [*Header][_CALL]] == [*_Call._fields]


def _plain(numbers: Any) -> Array:
    made = np.ascontiguousarray(numbers, float)
    return made if made.flags.writeable else made.copy()  # machine code has no other type for arrays


def _chunks(count: int, lanes: int) -> tuple[int, int]:
    """How many blocks of rows are summed by themselves, and how often: by the number of rows alone."""
    blocks = -(-count // lanes)
    per_chunk = max(1, -(-blocks // _MOST_CHUNKS))
    return per_chunk, -(-blocks // per_chunk)


@cache
def _workers(count: int, process: int) -> ThreadPoolExecutor:
    """As many threads of this process, which stay: to start them takes as long as some hundred rows."""
    return ThreadPoolExecutor(count, thread_name_prefix="autodiff")


class _State:
    """A block of memory for one run at a time, and the header that the interpreter reads."""

    def __init__(self, backend: "NumbaBackend") -> None:
        self.numbers = backend.nests.numbers.copy()
        self.header = backend.header.copy()
        self.header[Header.NUMBERS] = self.numbers.ctypes.data
        self.address: int = self.header.ctypes.data


class NumbaBackend:
    """A program ready to run, as nests.

    With more threads than one, blocks of rows run side by side; the results have the same bits.
    """

    def __init__(self, program: Program, reduction: str | None = None, threads: int = 1) -> None:
        self.reduction, self.threads = reduction, threads
        program, self.effects = optimised(program, for_loops=True)
        self.program = program
        self.nests = reroll(program, reduction is not None)
        self._units = units()
        self._execute = self._units.execute
        self.header = self._header()
        self._pool: list[_State] = []
        self._inputs, self._varying = program.inputs, sum(program.varying)
        self._outputs = len(program.outputs)
        self._same = np.flatnonzero(self.nests.shared)  # outputs that do not vary from row to row

    def _header(self) -> Array:
        header = np.zeros(len(Header), np.int64)
        for word, number in self.nests.header.items():
            header[word] = number
        for word in (Header.UNARY, Header.BINARY, Header.TERNARY, Header.VARIADIC, Header.SUMS):
            header[word] = getattr(self._units, word.name.lower())
        header[Header.TABLE] = self.nests.table.ctypes.data
        return header

    def listing(self, limit: int | None = None) -> str:
        """The nests as text, one a line, at most as many as the limit."""
        return listing(self.nests, limit)

    def run(self, numbers: Any) -> tuple[Array, bool]:
        """The outputs for the numbers of all inputs, and whether all guards hold."""
        if type(numbers) is not np.ndarray or not numbers.flags.writeable:
            numbers = _plain(numbers)
        if len(numbers) != self._inputs or self._varying:
            raise ValueError(f"expected {self._inputs} numbers, and rows of {self._varying}, got {len(numbers)}")
        out = np.empty(self._outputs)
        try:
            state = self._pool.pop()
        except IndexError:
            state = _State(self)
        holds = self._execute(state.address, numbers, out)
        self._pool.append(state)
        return out, holds != 0

    def bound(self, shared: Array, rows: Array | None = None) -> tuple[Callable[[], object], Array]:
        """A call bound to arrays, and the array of outputs that it fills anew.

        It spares half a microsecond of a run, and half the time of 32 rows.
        """
        return self._bound_one(shared) if rows is None else self._bound_rows(shared, rows)

    def _bound_one(self, numbers: Array) -> tuple[Callable[[], object], Array]:
        out, _ = self.run(numbers)  # which checks them
        state, execute = _State(self), self._execute
        address = state.address

        def call(kept: Any = state) -> object:  # what it keeps lives as long as its address is used
            return execute(address, numbers, out)

        return call, out

    def _bound_rows(self, shared: Array, rows: Array) -> tuple[Callable[[], object], Array]:
        if self.threads > 1:
            return self._bound_to_threads(shared, rows)
        call, out, holds = self._rows_call(shared, rows)
        state = _State(self)
        state.header[_CALL] = call
        given, flat, count = rows.reshape(-1), out.reshape(-1), len(rows)

        def run(kept: Any = (shared, holds, state)) -> object:  # what it keeps lives as long as its addresses are used
            self._execute(state.address, given, flat)
            return self.reduction is None or self._reduced(out, count) is not None

        return run, out if self.reduction is None else out[0]

    def _bound_to_threads(self, shared: Array, rows: Array) -> tuple[Callable[[], object], Array]:
        out, _ = self.run_rows(shared, rows)

        def run() -> object:
            out[...], holds = self.run_rows(shared, rows)
            return holds.all()

        return run, out

    def _rows_call(self, shared: Array, rows: Array) -> tuple[_Call, Array, Array]:
        """The words of a call over rows, the array of its outputs, and the array of whether guards hold."""
        narrow, count = self._inputs - self._varying, len(rows)
        if rows.shape != (count, self._varying) or shared.shape != (narrow,):
            raise ValueError(f"expected {narrow} numbers, rows of {self._varying}; got {shared.shape}, {rows.shape}")
        lanes = self.nests.header[Header.LANES]
        per_chunk, chunks = _chunks(count, lanes)
        holds = np.ones(count, bool)
        out = np.empty((count if self.reduction is None else chunks, self._outputs))
        mode = ROWS if self.reduction is None else REDUCED
        call = _Call(shared.ctypes.data, count, per_chunk * lanes, 0, chunks, holds.ctypes.data, mode)
        return call, out, holds

    def run_rows(self, shared: Any, rows: Any) -> tuple[Array, Array]:
        """The outputs of each row, an array of shape (rows, outputs), or their sums or means; and whether guards hold.

        `shared` are the numbers of the inputs that do not vary, in order; `rows` has a column for each that does.
        """
        shared, rows = _plain(shared), _plain(rows)
        call, out, holds = self._rows_call(shared, rows)
        chunks = call.chunk_to
        threads = min(self.threads, chunks)
        if threads <= 1:
            self._run_chunks(call, rows, out)
        else:
            bounds = [i * chunks // threads for i in range(threads + 1)]
            calls = [call._replace(chunk_from=begin, chunk_to=end) for begin, end in pairwise(bounds)]
            workers = _workers(threads - 1, os.getpid())
            others = [workers.submit(self._run_chunks, call, rows, out) for call in calls[1:]]
            self._run_chunks(calls[0], rows, out)
            for other in others:
                other.result()
        return (out if self.reduction is None else self._reduced(out, len(rows))), holds

    def _run_chunks(self, call: _Call, rows: Array, out: Array) -> None:
        try:
            state = self._pool.pop()
        except IndexError:
            state = _State(self)
        state.header[_CALL] = call
        self._execute(state.address, rows.reshape(-1), out.reshape(-1))
        state.header[Header.MODE] = ONE
        self._pool.append(state)

    def _reduced(self, parts: Array, count: int) -> Array:
        """The sums or means of the outputs: the sums of each chunk, added in their order."""
        with np.errstate(all="ignore"):  # as in scalar arithmetic
            total = parts[0]
            same = total[self._same] * (count if self.reduction == "sum" else 1) if len(self._same) else None
            for part in parts[1:]:
                total += part
            if self.reduction == "mean":
                total /= count
        if same is not None:
            total[self._same] = same
        return total
