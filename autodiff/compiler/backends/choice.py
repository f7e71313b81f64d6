"""The choice of a backend: the table of those there are, and which of them runs a program."""

import sys
from functools import cache
from importlib import import_module
from typing import NamedTuple

from autodiff import native
from autodiff.compiler.backends.backend import Backend
from autodiff.compiler.programs.program import Program


class Entry(NamedTuple):
    """Where a backend is, and what it takes; its module is imported when it is first used.

    Attributes:
        module: its module.
        name: the name of its class.
        needs_core: whether it runs on the native core.
        calls_python: whether it runs primitives of a user's own, which are functions of Python.
    """

    module: str
    name: str
    needs_core: bool = False
    calls_python: bool = False


BACKENDS = {  # the fastest first
    "native": Entry("autodiff.compiler.backends.native", "NativeBackend", needs_core=True),
    "python": Entry("autodiff.compiler.backends.python", "PythonBackend", calls_python=True),
}


def missing(backend: str) -> str | None:
    """Why a backend cannot run here; None if it can."""
    needs_core = backend in BACKENDS and BACKENDS[backend].needs_core
    return (native.reason or "it was not built") if needs_core and native.core is None else None


def chosen(asked: str, program: Program) -> str:
    """The name of the backend that runs a program where this one was asked for; "auto" is the fastest there is.

    One that cannot call Python hands a program with a primitive of a user's own to the first that can.
    """
    if program.primitives and not (asked in BACKENDS and BACKENDS[asked].calls_python):
        return next(name for name, entry in BACKENDS.items() if entry.calls_python)
    return _fastest() if asked == "auto" else asked


def ready(program: Program, asked: str, reduction: str | None = None, threads: int = 1) -> Backend:
    """The program, ready to run on the backend that was asked for."""
    entry = BACKENDS[chosen(asked, program)]
    backend: type[Backend] = getattr(import_module(entry.module), entry.name)
    return backend(program, reduction, threads)


@cache
def _fastest() -> str:
    """The fastest backend that there is; where that is Python, say why, and what to do."""
    fastest = next(name for name in BACKENDS if missing(name) is None)
    if fastest == "python":
        print(
            "autodiff.compile runs in plain Python, some hundred times as slow as on the native core, which is not "
            f"there: {missing('native')} (`python -m autodiff --version` says what to do)",
            file=sys.stderr,
        )
    return fastest
