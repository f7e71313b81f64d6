"""The options of compile, checked where they are given."""

import operator
from typing import Any, NamedTuple

from autodiff.compiler.backends.choice import BACKENDS, missing

REDUCTIONS = (None, "mean", "sum")


class Options(NamedTuple):
    """The options of `compile`, checked.

    >>> Options.checked(rows=1, reduce="mean", backend="auto", threads=1)
    Options(rows=(1,), reduce='mean', backend='auto', threads=1)
    """

    rows: tuple[int, ...]
    reduce: str | None
    backend: str
    threads: int

    @classmethod
    def checked(cls, rows: Any, reduce: Any, backend: Any, threads: Any) -> "Options":
        """The options. Raises TypeError, ValueError or ImportError for anything else."""
        positions = (rows,) if isinstance(rows, int) else rows
        if isinstance(positions, (str, dict)) or not hasattr(type(positions), "__iter__"):
            raise TypeError(f"rows are positions of arguments, such as (1, 2), got {rows!r}")
        taken = []
        for position in positions:
            if isinstance(position, bool) or not hasattr(type(position), "__index__"):
                raise TypeError(f"rows are positions of arguments, such as (1, 2), got {rows!r}")
            taken.append(operator.index(position))
            if taken[-1] < 0:
                raise ValueError(f"rows are positions counted from 0, got {rows!r}")
        if len(set(taken)) < len(taken):
            raise ValueError(f"rows={rows!r} names a position twice")
        if reduce not in REDUCTIONS:
            raise ValueError(f"reduce is 'mean', 'sum' or None, got {reduce!r}")
        if reduce is not None and not taken:
            raise ValueError(f"reduce={reduce!r} adds up rows: say which arguments have them, as in rows=(1, 2)")
        if backend == "numba":
            raise ValueError('backend="numba" is gone: what it did "native" does, without numba, and faster')
        if backend != "auto" and backend not in BACKENDS:
            *names, last = map(repr, ("auto", *BACKENDS))
            raise ValueError(f"backend is {', '.join(names)} or {last}, got {backend!r}")
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise ValueError(f"threads is a number of threads, 1 or more, got {threads!r}")
        if (reason := missing(backend)) is not None:
            raise ImportError(f'backend="{backend}" needs the native core, and there is none: {reason}')
        return cls(tuple(taken), reduce, backend, threads)
