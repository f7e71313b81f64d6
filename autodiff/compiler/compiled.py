"""compile: a function of Values, run at the speed of arrays.

    >>> from autodiff import exp
    >>> @compile
    ... def neuron(w, x, b):
    ...     return 1.0 / (1.0 + exp(-(w[0] * x[0] + w[1] * x[1] + b)))
    >>> round(neuron([2.0, -3.0], [-1.0, -2.0], -3.0), 10)
    0.7310585786
    >>> print(neuron.listing())
    inputs  x0 x1 x2 x3 x4
    v6 = mul x0 x2
    v7 = mul x1 x3
    v8 = add v6 v7
    v9 = add v8 x4
    v10 = neg v9
    v11 = exp v10
    v12 = add 1.0 v11
    v13 = div 1.0 v12
    outputs v13

The function is called once for each structure of arguments, on Values that stand for whatever numbers will be given.
What it does to them is a program (`program`), which is made smaller (`passes`) and handed to a backend.
"""

import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import partial, update_wrapper
from operator import is_
from threading import RLock
from typing import Any

from autodiff import modes
from autodiff.assigned import data_of, mend_grads
from autodiff.compiler.calls.arguments import (
    Arguments,
    HoldsValuesError,
    holds_values,
    joined,
    lift,
    replaced,
    row_of,
    same_containers,
)
from autodiff.compiler.calls.eagerly import eagerly, lowered
from autodiff.compiler.calls.methods import Bindable, copied
from autodiff.compiler.calls.objects import changed, is_plain
from autodiff.compiler.calls.options import Options
from autodiff.compiler.calls.prepared import Prepared, is_eager
from autodiff.compiler.paths import Path, outside_leaves, traced, with_gradient
from autodiff.compiler.program import saved
from autodiff.compiler.stats import Stats
from autodiff.compiler.trace.refusals import TracingError
from autodiff.compiler.trace.tracing import Trace
from autodiff.structures.containers import attributes_of
from autodiff.structures.structure import flatten_values, is_array
from autodiff.system.forks import renewed
from autodiff.value import Value, one_pass_at_a_time

MOST_PATHS = 64
MOST_STRUCTURES = 256


def compile(
    f: Callable[..., Any] | None = None,
    *,
    rows: int | Sequence[int] = (),
    reduce: str | None = None,
    backend: str = "auto",
    threads: int = 1,
) -> Any:
    """Return f compiled: a function that takes and gives floats and arrays where f takes and gives Values.

    At the first call for each structure of the arguments f is called once, on Values that stand for the numbers; what
    it does to them is run from then on, without f. So f does the same to any numbers, but for its choices: `where`
    selects at every run, and an `if` on a Value is checked at every run, and another way through f traced when it goes
    the other way. Leaf Values that f closes over, such as the parameters of a model, are read at every run; a node that
    f closes over is computed anew from its leaves, unless its `.data` was assigned: then that is read. Plain numbers
    that f closes over, the `.data` and `.grad` that it reads of a Value outside, what it draws at random, and which
    Value a name or an attribute stands for, are what they were. It composes with transforms: `compile(grad(f))`.

    While f is traced, `isinstance(x, Value)` holds for its numbers as it does for Values; `type(x) is Value` does not.

    A compiled function that is given Values calls f itself, and so can be differentiated, to any order, drawn and
    explained like f: `grad(compile(f))` is grad(f), and as slow. No derivative is compiled for it: a program would have
    to give those in all inputs and of every order, whether asked for or not. For speed write `compile(grad(f))`.

    In a class it is a method, which has `backward`, `prepare`, `listing` and `stats`, too; the object is argument 0. A
    deep copy of an object that holds `compile(self.loss)` runs and trains the copy.

    Args:
        f: the function; leave it out to decorate with options.
        rows: positions of arguments, counted from 0, with many rows: f is called for one row. An array has rows along
            its first axis, a list is a list of rows, and of a tuple or dict each member has them. Results are stacked,
            in arrays where rows come in arrays, in lists where they come in lists. A number becomes as many; an array,
            and a list of numbers, arrays or lists that are alike, gets an axis for the rows before its own; of a
            tuple, a dict and any other list each member is stacked.
        reduce: "mean" or "sum" of what f gives over the rows, taken in the same pass; None stacks it.
        backend: "numba", the fast one; "python", which needs nothing; "auto", numba if it is installed.
        threads: how many threads share the rows. Results are the same to the last bit for any number.

    Arguments are numbers and lists, tuples, dicts, dataclasses and arrays of numbers, by position or keyword. Of other
    objects, such as settings, the attributes are read at every call: f is given one of their class in which the real
    numbers are traced; another whole number or text makes another program. An object that holds Values, such as a
    model, is handed over as it is, and so is anything else, such as a bool or a function: it has programs of its own,
    which equal texts, ranges, frozensets and Paths share. The programs for the 256 structures and things used last are
    kept: a lambda made anew for each call is traced at each.

    Raises TypeError or ValueError for options or arguments that are none of this; TracingError, a TypeError, where f
    looks at a number (`x.data`, float(x), an index), assigns to a Value, or calls backward().

    >>> from autodiff import value_and_grad
    >>> def loss(w, x, y):
    ...     return (w["slope"] * x + w["offset"] - y) ** 2
    >>> step = compile(value_and_grad(loss), rows=(1, 2), reduce="mean")
    >>> step({"slope": 1.0, "offset": 0.0}, [1.0, 2.0, 3.0], [3.0, 5.0, 7.0])
    (9.666666666666666, {'slope': -13.333333333333334, 'offset': -6.0})
    """
    options = Options.checked(rows, reduce, backend, threads)
    return (lambda f: Compiled(f, options)) if f is None else Compiled(f, options)


_OTHERWISE = object()


def _straight(runner: Any, path: Path, x: Any) -> Callable[[Any], Any]:
    """Return a function from an array like x to the results, or to _OTHERWISE where there is more to do."""
    numpy = sys.modules["numpy"]
    kind, dtype, is_flat = numpy.ndarray, numpy.dtype(float), x.ndim == 1
    run, build, current = runner.run, path.build, modes.current

    def straight(x: Any) -> Any:
        if type(x) is not kind or x.dtype is not dtype or not x.flags.carray or current() is not None:
            return _OTHERWISE
        outputs, holds = run(x if is_flat else x.reshape(-1))
        return build(outputs) if holds else _OTHERWISE

    return straight


class Compiled(Bindable):
    """A compiled function: call it as the one it was made of. Made by `compile`."""

    def __init__(self, f: Callable[..., Any], options: Options) -> None:
        if not callable(f):
            raise TypeError(f"compile takes a function, got {type(f).__name__} {f!r}; write compile(f), then call that")
        update_wrapper(self, f, updated=())  # a model's attributes are not ours
        self.f: Callable[..., Any] | None = f
        self.name = getattr(f, "__name__", type(f).__name__)
        self.options = options
        self._paths: OrderedDict[Hashable, list[Path]] = OrderedDict()
        self._of_one_array: dict[Any, Callable[[Any], Any]] = {}
        self._assigned: dict[Value, bool] = {}
        self.renew_locks()
        renewed(self)

    def renew_locks(self) -> None:
        """Let go of what other threads held: they are not there in the child of a fork."""
        self._lock = RLock()

    # --- runs ---

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what f gives, in floats and arrays."""
        if len(args) == 1 and not kwargs and self._of_one_array:
            straight = self._of_one_array.get(getattr(args[0], "shape", None))
            if straight is not None and (result := straight(args[0])) is not _OTHERWISE:
                return result
        given = self._taken(args, kwargs)
        if given is None:
            return self._eagerly(args, kwargs)
        if given.rows is None:
            path, outputs = self._run(given, given.key, args, kwargs)
            if len(args) == 1 and not kwargs and is_array(args[0]) and not path.leaves:
                runner = path.runner(self.options)
                if runner.name == "numba":  # the next such call goes straight to the program, in a third of the time
                    self._of_one_array[args[0].shape] = _straight(runner, path, args[0])
            return path.build(outputs)
        groups = self._by_path(given, given.key, args, kwargs)
        if self.options.reduce is None:
            return self._stacked(groups, given)
        (path, total), *others = self._reduced(groups, given)
        for _, outputs in others:
            total = _added(total, outputs)
        return path.build(total)

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what f gives, one number, and add its derivatives to the grad of the leaf Values that f closes over.

        That is what `f(*args).backward()` adds, in one run. With rows it is that of their mean or sum.

        >>> w = Value(3.0)
        >>> square = compile(lambda x: w * w * x)
        >>> square.backward(2.0), w.grad
        (18.0, 12.0)
        """
        if self.options.rows and self.options.reduce is None:
            raise ValueError(f"{self.name}.backward of many rows needs one number: compile with reduce='mean' or 'sum'")
        given = self._taken(args, kwargs)
        if given is None:
            output = self._eagerly(args, kwargs, lowering=False)
            output.backward()
            return output.data
        key = ("backward", given.key)
        if given.rows is None:
            runs = [self._run(given, key, args, kwargs, backward=True)]
        else:
            runs = self._reduced(self._by_path(given, key, args, kwargs, backward=True), given)
        total = -0.0
        with one_pass_at_a_time:
            mend_grads([leaf for path, _ in runs for leaf in path.differentiated])
            for path, outputs in runs:
                value, *slopes = outputs.tolist() if is_array(outputs) else outputs
                total += value
                for leaf, slope in zip(path.differentiated, slopes, strict=True):
                    leaf.grad += slope
        return total

    def prepare(self, *args: Any, **kwargs: Any) -> Prepared:
        """Return a call with these arguments that can be repeated: it reads arrays as they then are, and keeps its
        results in arrays that are filled anew. One thread may use it at a time.

        >>> import numpy as np
        >>> x = np.array([3.0, 4.0])
        >>> length = compile(lambda x: (x[0] * x[0] + x[1] * x[1]) ** 0.5).prepare(x)
        >>> x[:] = 5.0, 12.0
        >>> length(), float(length.results)
        (None, 13.0)
        """
        try:
            Arguments.of(args, kwargs, self.options.rows)
        except HoldsValuesError:
            message = f"{self.name}.prepare takes numbers and arrays, got Values; call the function itself"
            raise TypeError(message) from None
        return Prepared(self, args, kwargs)

    def _taken(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
        """Return the numbers in the arguments; None where f itself is to be called."""
        if is_eager():
            return None
        try:
            return Arguments.of(args, kwargs, self.options.rows)
        except HoldsValuesError:
            return None

    def _run(
        self, given: Arguments, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any], backward: bool = False
    ) -> tuple[Path, Any]:
        """Return the path that is right for these numbers, and its outputs."""
        paths = self._known(key)
        for path in paths:
            runner = path.runner(self.options)
            outputs, holds = runner.run(_shared(given, path, runner))
            if holds:
                return path, outputs
        with self._lock:
            if len(self._paths.get(key, ())) > len(paths):  # another thread has traced meanwhile
                return self._run(given, key, args, kwargs, backward)
            return self._new_path(given, key, args, kwargs, None, backward)

    def _new_path(
        self, given: Arguments, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any], row: int | None,
        backward: bool,
    ) -> tuple[Path, Any]:  # fmt: skip
        """Trace the path that is right for this row, None without rows; return it, and without rows its outputs.

        A choice at a tie may be decided one way by the arithmetic of Values, and the other way by the program's, which
        rounds otherwise. The program's decision counts, at this call as at every other: f is traced as it has it.
        """
        decided = list[bool]()
        while True:
            path, before = self._trace(key, args, kwargs, row, backward, decided), decided
            start = time.perf_counter()
            runner = path.runner(self.options) if row is None else path.guard_runner(self.options)
            outputs, holds = _run_one(given, path, row, runner)
            if row is None:
                path.facts.setdefault("first run", time.perf_counter() - start)
            if holds:
                return path, outputs
            decided = path.decided(self.options, partial(_run_one, given, path, row))
            if decided == before:  # nothing is left to decide
                return path, outputs

    # --- rows ---

    def _by_path(
        self, given: Arguments, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any], backward: bool = False
    ) -> list[tuple[Path, Any]]:
        """Return each path that rows take, with their indices, None for all; in the order of their first rows."""
        paths = self._known(key)
        if not paths:
            with self._lock:
                paths = self._paths.get(key) or [self._trace(key, args, kwargs, 0, backward)]
        if not paths[0].lines:
            return [(paths[0], None)]
        pending, groups, tried = list(range(len(given.rows))), list[tuple[Path, list[int]]](), 0
        while pending:
            with self._lock:
                if is_new := tried >= len(self._paths.get(key, [])):
                    path, _ = self._new_path(given, key, args, kwargs, pending[0], backward)
                else:
                    path = self._paths[key][tried]
            tried += not is_new  # others may have been traced on the way
            runner = path.guard_runner(self.options)
            rows = _rows(given, runner, pending)
            _, holding = runner.run_rows(_shared(given, path, runner), rows)
            mine = [i for i, holds in zip(pending, holding, strict=True) if holds]
            if is_new and not mine:
                mine = pending[:1]  # a leaf was assigned in between
            if mine:
                groups.append((path, mine))
                taken = set(mine)
                pending = [i for i in pending if i not in taken]
        merged: dict[Path, list[int]] = {}
        for path, mine in groups:
            merged[path] = sorted(merged.get(path, []) + mine)
        groups = sorted(merged.items(), key=lambda group: group[1][0])
        first = groups[0][0]
        for path, mine in groups:
            if not backward and not path.results.is_like(first.results):  # of a loss each path has leaves of its own
                raise TypeError(
                    f"{self.name} gives another form of result for row {mine[0]} than for row 0: "
                    f"{path.results} and {first.results}; rows need results of one form"
                )
        return [(path, None if len(mine) == len(given.rows) else mine) for path, mine in groups]

    def _reduced(self, groups: list[tuple[Path, Any]], given: Arguments) -> list[tuple[Path, Any]]:
        """Return each path with the sum of its outputs over its rows; for the mean, divided by the number of rows."""
        totals = []
        for path, mine in groups:
            start = time.perf_counter()
            runner = path.runner(self.options, self.options.reduce if mine is None else "sum")
            outputs, _ = runner.run_rows(_shared(given, path, runner), _rows(given, runner, mine))
            if mine is not None and self.options.reduce == "mean":
                count = len(given.rows)
                outputs = _divided(outputs, count)
            if "first run" not in path.facts:
                path.facts["first run"] = time.perf_counter() - start
            totals.append((path, outputs))
        return totals

    def _stacked(self, groups: list[tuple[Path, Any]], given: Arguments) -> Any:
        """Return what f gives for each row, stacked."""
        whole: Any = None
        for path, mine in groups:
            start = time.perf_counter()
            runner = path.runner(self.options)
            outputs, _ = runner.run_rows(_shared(given, path, runner), _rows(given, runner, mine))
            path.facts.setdefault("first run", time.perf_counter() - start)
            if mine is None:
                return path.results.stack(outputs, is_array(given.rows))
            if whole is None:
                count = len(given.rows)
                whole = [None] * count if not is_array(outputs) else _empty_like(outputs, count)
            if is_array(whole):
                whole[mine] = outputs
            else:
                for i, row in zip(mine, outputs, strict=True):
                    whole[i] = row
        return groups[0][0].results.stack(whole, is_array(given.rows))

    # --- traces ---

    def _trace(
        self, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any], row: int | None, backward: bool,
        decided: Sequence[bool] = (),
    ) -> Path:  # fmt: skip
        """Return another path, the one of this row, for arguments with this key; its first choices may be decided."""
        paths = self._paths.get(key, [])
        if self.f is None:
            raise RuntimeError(
                f"{self.name} was pickled: it has the programs it had then, and none for this structure of arguments "
                "or this way through its choices; compile the function again"
            )
        if len(paths) >= MOST_PATHS:
            raise RuntimeError(
                f"{self.name} takes more than {MOST_PATHS} ways through its choices; the last was chosen by a Value at "
                f"{paths[-1].lines[-1]}: choose with where(...), maximum, minimum or clip, which are one program for "
                "both, in the place of if, max and min; np.array(...) in the function is numpy's own, which compares: "
                "autodiff.array(...) selects; or make what decides a plain argument"
            )
        f, varying, differentiated = self.f, bytearray(), list[Value]()

        def call(trace: Trace) -> Any:
            lifted = []
            for position, x in enumerate(args):
                has_rows = position in self.options.rows
                lifted.append(replaced(row_of(x, row or 0) if has_rows else x, trace.input))
                varying.extend(bytes([has_rows]) * (len(trace.inputs) - len(varying)))
            named = {name: replaced(x, trace.input) for name, x in kwargs.items()}
            varying.extend(bytes(len(trace.inputs) - len(varying)))
            before = flatten_values((lifted, named))
            pairs = zip((*lifted, *named.values()), (*args, *kwargs.values()), strict=True)
            twins = [(x, attributes_of(x)) for x, own in pairs if x is not own and is_plain(type(x))]
            result = f(*lifted, **named)
            is_changed = any(changed(attributes, x) for x, attributes in twins)
            if is_changed or not same_containers(before, flatten_values((lifted, named))):
                raise TracingError(
                    f"{self.name} changed a list, dict, array or object that it was given, which would happen only "
                    "once, while it is traced; change a copy, and return it"
                )
            if not backward:
                return result
            differentiated.extend(outside_leaves(result, self.name))
            return with_gradient(result, differentiated)

        path = traced(call, f, varying, self.options, decided, self._assigned)
        path.differentiated = differentiated
        for known in paths:
            if path.program == known.program and all(map(is_, path.leaves, known.leaves)):
                return known
        self._keep(key, [*paths, path])
        after = Arguments.of(args, kwargs, self.options.rows).key
        self._keep(("backward", after) if backward else after, [*paths, path])  # f may have counted its calls
        return path

    def _known(self, key: Hashable) -> list[Path]:
        """Return the paths for a key, which is the one used last from now on."""
        paths = self._paths.get(key)
        if paths is None:
            return []
        if len(self._paths) > 1:
            with suppress(KeyError):  # another thread has let go of it
                self._paths.move_to_end(key)
        return paths

    def _keep(self, key: Hashable, paths: list[Path]) -> None:
        """Keep the paths for a key; let go of those that were not used for longest."""
        self._paths[key] = paths
        while len(self._paths) > MOST_STRUCTURES:
            self._paths.popitem(last=False)
            self._of_one_array.clear()

    def _eagerly(self, args: tuple[Any, ...], kwargs: dict[str, Any], lowering: bool = True) -> Any:
        """Return what f itself gives: Values of Values; of plain numbers, inside detect_anomaly(), plain numbers."""
        if self.f is None:
            raise RuntimeError(f"{self.name} was pickled, so it takes plain numbers only; compile the function again")
        result = eagerly(self.f, self.options, lift(args), lift(kwargs))
        any_values = any(holds_values(x) for x in (*args, *kwargs.values()))
        return lowered(result) if lowering and not any_values else result

    # --- what there is to know ---

    def _all_paths(self) -> list[Path]:
        paths = list(dict.fromkeys([path for paths in list(self._paths.values()) for path in paths]))
        if not paths:
            raise RuntimeError(
                f"{self.name} has no program yet: it is traced at its first call, for the structure of its arguments"
            )
        return paths

    def listing(self, limit: int | None = 200, nests: bool = False) -> str:
        """Return the programs as text, an instruction a line, no more than `limit` of each; None for all of them.

        With nests, that of the loops that numba's backend makes of the instructions. Raises RuntimeError before the
        first call.

        >>> double = compile(lambda xs: [x + x for x in xs])
        >>> double([1.0, 2.0, 3.0])
        [2.0, 4.0, 6.0]
        >>> print(double.listing(limit=2))
        inputs  x0 x1 x2
        v3 = add x0 x0
        v4 = add x1 x1
        ... 1 more
        outputs v3 v4 v5
        """
        return "\n\n".join([path.listing(limit, nests) for path in self._all_paths()])

    def stats(self) -> Stats:
        """Return what compiling took and made so far. Raises RuntimeError before the first call."""
        return Stats.of(self._all_paths(), self.options.backend)

    def __repr__(self) -> str:
        count = sum(map(len, self._paths.values()))
        return f"<compiled {self.name}: {count} program{'s' * (count != 1)}>"

    def __copy__(self) -> "Compiled":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Compiled":
        """Return a function of the copies of what f is a method of, or closes over; itself where there is none."""
        if self.f is None or (f := copied(self.f, memo)) is self.f:
            return self
        return Compiled(f, self.options)

    def __getstate__(self) -> dict[str, Any]:
        """Return the programs, without f, which may be a lambda, and without machine code."""
        if not self._paths:
            raise TypeError(f"{self.name} has no program to pickle yet: call it first, on arguments like those to come")
        state = {name: self.__dict__[name] for name in ("name", "options", "_paths")}
        seal = saved.seal_of(self.options, self._paths)
        return {**state, "__doc__": self.__doc__, "__name__": self.name, "seal": seal}

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved.check_seal(state.pop("seal", None), state.get("options"), state.get("_paths"))
        self.__dict__.update(state)
        self.f, self._of_one_array = None, {}
        self.renew_locks()
        renewed(self)


def _shared(given: Arguments, path: Path, runner: Any) -> Any:
    """Return the numbers that all rows share, with those of the leaves, as the runner takes them."""
    numbers = given.shared
    if path.leaves:
        data = [leaf.data if type(leaf.data) is float else data_of(leaf) for leaf in path.leaves]
        numbers = joined([*given.parts, data])
    return runner.numbers(numbers)


def _run_one(given: Arguments, path: Path, row: int | None, runner: Any) -> tuple[Any, bool]:
    """Return the outputs of a runner for one row, None without rows, and whether its guards hold."""
    if row is None:
        outputs, holds = runner.run(_shared(given, path, runner))
        return outputs, holds
    (outputs,), (holds,) = runner.run_rows(_shared(given, path, runner), _rows(given, runner, [row]))
    return outputs, bool(holds)


def _added(total: Any, outputs: Any) -> Any:
    """Return the sums of the outputs of two paths; silent, as scalar arithmetic is, about what overflows."""
    if not is_array(total):
        return [x + y for x, y in zip(total, outputs, strict=True)]
    with sys.modules["numpy"].errstate(all="ignore"):
        return total + outputs


def _divided(total: Any, count: int) -> Any:
    if not is_array(total):
        return [x / count for x in total]
    with sys.modules["numpy"].errstate(all="ignore"):
        return total / count


def _rows(given: Arguments, runner: Any, mine: Any) -> Any:
    """Return the rows of these indices, all if None, as the runner takes them."""
    rows = given.rows
    if mine is not None:
        rows = rows[mine] if is_array(rows) else [rows[i] for i in mine]
    return runner.rows(rows)


def _empty_like(outputs: Any, count: int) -> Any:
    return sys.modules["numpy"].empty((count, outputs.shape[1]))
