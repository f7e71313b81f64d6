"""Version: f as one program, for one structure of its arguments and one way through its choices.

An `if` on a Value goes one way while f is traced. The version that this gives has guards, which tell at every run
whether it is the right one for the numbers; where they fail, `dispatch` traces another. A version holds the program
after all passes, and makes it ready to run when that is first asked for.
"""

import time
from array import array
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import cached_property
from typing import Any

from autodiff.compiler.backends.backend import Backend
from autodiff.compiler.backends.choice import ready
from autodiff.compiler.calls.arguments import Arguments
from autodiff.compiler.calls.options import Options
from autodiff.compiler.calls.placeholders import on_placeholders, outside_leaves, with_gradient
from autodiff.compiler.calls.results import Results, builder
from autodiff.compiler.passes.drop_dead_code import drop_dead_code
from autodiff.compiler.passes.order import optimised
from autodiff.compiler.trace.refusals import TracingError
from autodiff.compiler.trace.tracers import Owner
from autodiff.compiler.trace.tracing import Trace
from autodiff.value import Value


class Version:
    """A program, the leaves that it reads, and the form of its results.

    Attributes:
        program: after all passes.
        leaves: the Values from outside, read at every run.
        differentiated: the leaves whose derivatives follow the loss, in a program with its gradient; else none.
        results: the form of f's result.
        lines: where each guard was asked for.
        figures: times and sizes, for `stats`.
    """

    def __init__(
        self, trace: Trace, results: Results, varying: bytes, differentiated: list[Value], tracing: float
    ) -> None:
        start = time.perf_counter()
        traced = trace.program(results.outputs, varying)
        self.leaves, self.differentiated = trace.leaves, differentiated
        self.results = results.without_outputs()
        self.lines = [str(guard.source) for guard in trace.guards]
        nodes = len(traced.codes)
        trace.forget()
        self.program, self._effects = optimised(traced)
        self.figures: dict[str, Any] = {"nodes": nodes, "tracing": tracing, "optimising": time.perf_counter() - start}
        self._ready: dict[Any, Backend] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: part for name, part in self.__dict__.items() if name != "build"} | {"_ready": {}}

    @cached_property
    def build(self) -> Callable[[Any], Any]:
        """A function that puts the outputs of a run in their places."""
        results = self.results
        if results.others or results.conditions:
            return results.build
        of_arrays, of_lists = builder(results.structure), results.structure.build
        return lambda outputs: of_lists(outputs) if type(outputs) is list else of_arrays(outputs)

    def ready(self, options: Options, reduction: str | None = None) -> Backend:
        """The program, ready to run; made at first use."""
        made = self._ready.get(reduction)
        if made is None:
            made = self._ready[reduction] = ready(self.program, options.backend, reduction, options.threads)
        return made

    def guards(self, options: Options) -> Backend:
        """The guards alone, ready to run."""
        made = self._ready.get("guards")
        if made is None:
            guards = drop_dead_code(self.program._replace(outputs=array("i")))
            made = self._ready["guards"] = ready(guards, options.backend, None, options.threads)
        return made

    def decided(self, options: Options, run: Callable[[Backend], tuple[Sequence[float], bool]]) -> list[bool]:
        """The answers of its conditions, up to the first that is not as expected; `run` runs a program on its numbers.

        The arithmetic of a backend may round otherwise than Values do, on which f was traced.
        """
        conditions = self.program._replace(outputs=self.program.guards, guards=array("i"), expected=b"")
        outputs, _ = run(ready(drop_dead_code(conditions), options.backend))
        found = [bool(x != 0.0) for x in outputs]
        others = [i for i, expected in enumerate(self.program.expected) if found[i] != bool(expected)]
        return found[: others[0] + 1] if others else found

    def effects(self) -> dict[str, int]:
        """How many instructions each pass left, the passes of the backend included."""
        return {**self._effects, **next((made.effects for made in self._ready.values()), {})}

    def listing(self, limit: int | None, nests: bool) -> str:
        """The program as text, with the leaves that are inputs because f closes over them; or the nests that run it."""
        if nests:
            made = next(iter(self._ready.values()), None)
            lines = made.listing(limit).splitlines() if made is not None else ["no nests: it is run by Python"]
            left = len(lines) - len(lines[:limit])
            return "\n".join([*lines[:limit], *([f"... {left:,} more lines"] if left else [])])
        lines = [self.program.listing(limit)]
        if self.leaves:
            first = self.program.inputs - len(self.leaves)
            names = [f"x{i} is {leaf.label or 'a leaf'}" for i, leaf in enumerate(self.leaves[:8], first)]
            lines.insert(0, f"leaves  {', '.join(names)}{', ...' * (len(self.leaves) > 8)}")
        return "\n".join(lines)


def traced(
    f: Callable[..., Any],
    name: str,
    given: Arguments,
    options: Options,
    row: int = 0,
    decisions: Sequence[bool] = (),
    assigned: dict[Value, bool] | None = None,
) -> Version:
    """The version of f for the numbers of a call, of this row where there are rows.

    The first choices are the decisions, if there are any; `assigned` is kept for all traces of f. Raises TracingError
    when f keeps a number of the program: it would be the same at every run.
    """
    owner = Owner()
    # In a context of its own: an interrupt, wherever it comes, leaves no trace under way.
    version = copy_context().run(_traced, Trace(owner, decisions, assigned), f, name, given, options, row)
    if owner.has_tracers():
        from autodiff.compiler.calls.kept import where_kept  # takes a millisecond, for an error message alone

        raise TracingError(
            f"the function keeps a number of its program in {where_kept(owner, version.results, f)}; it would be the "
            "same at every run: return it, as a number or in a list, tuple, dict or array, and give it back as an "
            "argument"
        )
    return version


def _traced(trace: Trace, f: Callable[..., Any], name: str, given: Arguments, options: Options, row: int) -> Version:
    start, differentiated = time.perf_counter(), list[Value]()
    with trace:
        result, varying = on_placeholders(f, name, given, trace, options.rows, row)
        if given.backward:
            differentiated = outside_leaves(result, name)
            result = with_gradient(result, differentiated)
        results = Results.of(result, options)
    return Version(trace, results, varying, differentiated, time.perf_counter() - start)
