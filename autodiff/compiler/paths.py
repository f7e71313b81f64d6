"""Paths: one way through f, traced, optimised and ready to run.

f takes another way where an `if` on a Value goes the other way; each is a path of its own, with guards that tell
whether it is the right one for the numbers of a run.
"""

import sys
import time
from array import array
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import cache, cached_property, reduce
from importlib.util import find_spec
from operator import add
from typing import Any, ClassVar

from autodiff import modes
from autodiff.compiler.backends.python import PythonRunner
from autodiff.compiler.calls.kept import where_kept
from autodiff.compiler.calls.options import Options
from autodiff.compiler.calls.results import Results, builder
from autodiff.compiler.passes.passes import drop_dead, optimised
from autodiff.compiler.program.program import Program
from autodiff.compiler.trace.refusals import TracingError
from autodiff.compiler.trace.tracers import Owner, Tracer
from autodiff.compiler.trace.tracing import Trace
from autodiff.graph import leaves, topological_order
from autodiff.structures.structure import is_array
from autodiff.transforms.sweeps import read_again, reverse
from autodiff.value import Value


class Path:
    """A program, the leaves that it reads, and the form of its results.

    Attributes:
        program: after all passes.
        leaves: the Values from outside, read at every run.
        differentiated: of a program with the gradient of a loss, the leaves whose derivatives follow the loss.
        results: the form of what f gave.
        lines: where each guard was asked for.
        facts: figures for `stats`.
    """

    def __init__(self, trace: Trace, results: Results, varying: bytes, tracing: float) -> None:
        start = time.perf_counter()
        traced = trace.program(results.outputs, varying)
        self.leaves = trace.leaves
        self.differentiated: list[Value] = []
        self.results = results.without_outputs()
        self.lines = [str(guard.source) for guard in trace.guards]
        nodes = len(traced.codes)
        trace.forget()
        self.program, self._effects = optimised(traced)
        self.facts: dict[str, Any] = {
            "nodes": nodes,
            "tracing": tracing,
            "optimising": time.perf_counter() - start,
        }
        self._runners: dict[Any, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: part for name, part in self.__dict__.items() if name != "build"} | {"_runners": {}}

    @cached_property
    def build(self) -> Callable[[Any], Any]:
        """Return what puts the outputs of a run in their places."""
        results = self.results
        if results.others or results.conditions:
            return results.build
        of_arrays, of_lists = builder(results.structure), results.structure.build
        return lambda outputs: of_lists(outputs) if type(outputs) is list else of_arrays(outputs)

    def runner(self, options: Options, reduction: str | None = None) -> Any:
        """Return what runs the program, made at first use."""
        made = self._runners.get(reduction)
        if made is None:
            made = self._runners[reduction] = runner(self.program, options.backend, reduction, options.threads)
        return made

    def guard_runner(self, options: Options) -> Any:
        """Return what runs the guards alone."""
        made = self._runners.get("guards")
        if made is None:
            guards = drop_dead(self.program._replace(outputs=array("i")))
            made = self._runners["guards"] = runner(guards, options.backend, None, options.threads)
        return made

    def decided(self, options: Options, run: Callable[[Any], tuple[Sequence[float], bool]]) -> list[bool]:
        """Return what its conditions are, as far as the first that is not as expected; `run` runs a runner.

        The arithmetic of a backend may round otherwise than that of Values, from which f was traced.
        """
        conditions = self.program._replace(outputs=self.program.guards, guards=array("i"), expected=b"")
        outputs, _ = run(runner(drop_dead(conditions), options.backend, None, 1))
        found = [bool(x != 0.0) for x in outputs]
        others = [i for i, expected in enumerate(self.program.expected) if found[i] != bool(expected)]
        return found[: others[0] + 1] if others else found

    def backend(self, backend: str) -> str:
        """Return the name of the backend that runs it, when this one is asked for."""
        return "python" if backend == "python" or self.program.primitives or not has_numba() else "numba"

    def effects(self) -> dict[str, int]:
        """Return how many instructions each pass left, those of the backend's included."""
        return {**self._effects, **next((made.effects for made in self._runners.values()), {})}

    def listing(self, limit: int | None, nests: bool) -> str:
        """Return the program as text, with what is an input because f closes over it; or the nests of its runner."""
        if nests:
            made = [runner.listing(limit) for runner in self._runners.values() if hasattr(runner, "listing")]
            lines = str(made[0]).splitlines() if made else ["no nests: it is run by Python"]
            left = len(lines) - len(lines[:limit])
            return "\n".join([*lines[:limit], *([f"... {left:,} more lines"] if left else [])])
        lines = [self.program.listing(limit)]
        if self.leaves:
            first = self.program.inputs - len(self.leaves)
            names = [f"x{i} is {leaf.label or 'a leaf'}" for i, leaf in enumerate(self.leaves[:8], first)]
            lines.insert(0, f"leaves  {', '.join(names)}{', ...' * (len(self.leaves) > 8)}")
        return "\n".join(lines)


def traced(
    call: Callable[[Trace], Any],
    f: Callable[..., Any],
    varying: bytearray,
    options: Options,
    decisions: Sequence[bool] = (),
    assigned: dict[Value, bool] | None = None,
) -> Path:
    """Return the path that `call` takes, which gives f's result for inputs that it makes of the trace.

    Its first choices are the decisions, if there are any; `assigned` is kept for all traces of f. By then `varying`
    says of each input whether it differs from row to row. Raises TracingError when f keeps a number of the program: it
    would be what it was at the first call for ever.
    """
    owner = Owner()
    # In a context of its own: an interrupt, wherever it comes, leaves no trace under way.
    path = copy_context().run(_traced, Trace(owner, decisions, assigned), call, varying, options)
    if owner.has_tracers():
        raise TracingError(
            f"the function keeps a number of its program in {where_kept(owner, path.results, f)}; it would be the same "
            "at every run: return it, as a number or in a list, tuple, dict or array, and give it back as an argument"
        )
    return path


def _traced(trace: Trace, call: Callable[[Trace], Any], varying: bytearray, options: Options) -> Path:
    start = time.perf_counter()
    with trace:
        results = Results.of(call(trace), options)
    return Path(trace, results, bytes(varying), time.perf_counter() - start)


def outside_leaves(result: Any, name: str) -> list[Value]:
    """Return the leaves that f closed over and its result was made from; for use inside a trace."""
    if not isinstance(result, Value):
        raise TypeError(
            f"{name}.backward expected f to return one Value, got {type(result).__name__}; return the loss alone; to "
            "have more than it, compile a function that returns gradient(loss, parameters), too, and call that"
        )
    reading = modes.reading()
    assert reading is not None
    return [x for x in leaves(result) if not isinstance(x, Tracer) and not reading.is_constant(x)]


def with_gradient(result: Any, differentiated: Sequence[Value]) -> list[Any]:
    """Return the number that f gave, and its derivative in each of the leaves; for use inside a trace."""
    slopes = reverse(topological_order(result), {result: 1.0}, differentiated, read_again)
    return [result, *slopes]


# --- what runs a program ---


def runner(program: Program, backend: str, reduction: str | None, threads: int) -> Any:
    """Return the runner of a backend: "auto" is numba where it is installed.

    A program with a primitive of a user's own runs in Python: only Python can call it.
    """
    if backend == "python" or program.primitives or (backend == "auto" and not has_numba()):
        return RowsInPython(program, reduction)
    from autodiff.compiler.backends.numba import Runner

    return Runner(program, reduction, threads)


@cache
def has_numba() -> bool:
    """Return whether numba is installed; the first time that it is not, say what would be gained."""
    if find_spec("numba") is not None:
        return True
    print(
        'autodiff.compile runs in plain Python, some hundred times as slow as with numba: pip install "scalar-autodiff'
        '[compile]"',
        file=sys.stderr,
    )
    return False


class RowsInPython(PythonRunner):
    """The Python runner, with rows: one after the other."""

    effects: ClassVar[dict[str, int]] = {}  # no passes of its own

    def __init__(self, program: Program, reduction: str | None) -> None:
        super().__init__(program)
        self.reduction = reduction
        self._shared = [i for i, varies in enumerate(program.varying) if not varies]
        self._varying = [i for i, varies in enumerate(program.varying) if varies]

    def numbers(self, numbers: Any) -> Any:
        """Return the shared numbers as this runner takes them."""
        return numbers.tolist() if is_array(numbers) else numbers

    def rows(self, rows: Any) -> Any:
        """Return the rows as this runner takes them."""
        return rows.tolist() if is_array(rows) else rows

    def run_rows(self, shared: Sequence[float], rows: Any) -> tuple[Any, list[bool]]:
        """Return the outputs for each row, or their sum or mean, and for each row whether all guards hold."""
        numbers = [0.0] * self.program.inputs
        for i, number in zip(self._shared, shared, strict=True):
            numbers[i] = number
        results, holding = [], []
        for row in rows:
            for i, number in zip(self._varying, row, strict=True):
                numbers[i] = number
            outputs, holds = self.run(numbers)
            results.append(outputs)
            holding.append(holds)
        if self.reduction is None:
            return results, holding
        totals = [reduce(add, column) for column in zip(*results, strict=True)]
        return [x / len(results) for x in totals] if self.reduction == "mean" else totals, holding
