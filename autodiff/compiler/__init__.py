"""compile: ordinary scalar code over Values, run as fast as numerical code written by hand.

A function becomes a program of flat arrays, and the rooms stand in the order of a program's life:

    compiled        `compile`, and the methods of a compiled function
    calls           arguments into numbers and a key of their structure; numbers into results
    versions        the programs of a function, for each structure and each way through its choices: which a call runs
    trace           f is called once on placeholders, and its operations are noted
    programs        the instructions in flat arrays, and the Builder that writes them
    passes          smaller programs that give the same bits, a page each; `passes.order` is the list
    nests           instructions that came from loops become loops again
    backends        what is asked of whatever runs a program, and those that do: the native core, plain Python
    rows, prepared  calls with many rows; calls that are repeated on the same arrays

Why is a compiled function slow? Ask it, by `print(f.stats())`, `print(f.listing())` and `print(f.listing(nests=True))`:

    "run by python"                        there is no native core (`python -m autodiff --version` says why), or f
                                           calls a primitive of a user's own: `backends.choice`
    `paths` grows from call to call        a length, text, function or model is new at each: `calls.arguments`
    `paths` grows up to 64                 an `if` on a Value; `where` would be one program: `versions.dispatch`
    `tracing` is long                      f itself, called once for each of `paths`: `trace.tracing`
    hardly fewer instructions than nodes   `passes.order` says how many each pass left; then the page of the pass
    as many nests as instructions          the slots of operands do not advance by constant steps: `nests.reroll`
    few nests, but a long run              the loops themselves: `native/src/compiler/machine.h`; or `threads`, for rows
    short runs, but long calls             what the calls are given is out of the ordinary: `calls.entries`; or
                                           `prepare` the call

    >>> double = compile(lambda xs: [x + x for x in xs], backend="python")
    >>> double([1.0, 2.0]), double([1.0, 2.0, 3.0])  # two structures, two programs
    ([2.0, 4.0], [2.0, 4.0, 6.0])
    >>> print(double.stats())  # doctest: +ELLIPSIS
    5 operations traced in ... s; of them 5 after 'fold constants', 5 after ..., 5 after 'drop dead code' in ... s
    5 instructions, 10 slots, ... bytes, 2 programs; run by python, first in ... s
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autodiff.compiler.trace.refusals import TracingError

if TYPE_CHECKING:
    from autodiff.compiler.compiled import Compiled, compile
    from autodiff.compiler.prepared import Prepared
    from autodiff.compiler.versions.stats import Stats

__all__ = ["Compiled", "Prepared", "Stats", "TracingError", "compile"]

# Loaded at their first use: what only catches a TracingError needs no compiler.
_LAZY = {"Compiled": "compiled", "Prepared": "prepared", "Stats": "versions.stats", "compile": "compiled"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        found = globals()[name] = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
