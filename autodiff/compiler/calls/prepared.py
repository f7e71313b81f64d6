"""A call of a compiled function that is repeated: bound to its arguments, with results in arrays that stay."""

from collections.abc import Callable, Sequence
from operator import is_
from typing import Any

from autodiff import modes
from autodiff.compiler.calls.arguments import Arguments, is_static
from autodiff.compiler.calls.objects import is_looked_at
from autodiff.structures.structure import Structure, flatten_values, is_array


class Prepared:
    """A call that can be repeated; made by `Compiled.prepare`.

    Attributes:
        results: what the last call gave, in the form of f's result, in arrays that every call fills anew; a number is
            an array without axes.
    """

    def __init__(self, compiled: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._call: Callable[[], Any] = lambda: compiled(*args, **kwargs)
        self._fast = _bound(compiled, args, kwargs)
        self.results = _in_arrays(self._call()) if self._fast is None else self._fast.results
        self._places, self._structure = flatten_values(self.results)
        self._run = None if self._fast is None else self._fast.runs()

    def __call__(self) -> None:
        """Run with the numbers that the arrays hold now, and fill `results`; as f itself inside detect_anomaly()."""
        if self._run is None or (modes.current() is not None and is_eager()) or not self._run():
            self._slow()

    def _slow(self) -> None:
        items, structure = flatten_values(self._call())
        if structure != self._structure:
            raise TypeError("a prepared call gave a result of another form than at first; call the function itself")
        for place, item in zip(self._places, items, strict=True):
            if is_array(place):
                place[...] = item
            elif place is not item and place != item:
                raise TypeError(
                    f"a prepared call gave {item!r} where it gave {place!r} at first; call the function itself"
                )


class _Bound:
    """The arrays of one path: filled from the arguments, run, and seen as results."""

    def __init__(
        self, run: Callable[[], bool], sources: Sequence[tuple[Any, Any]], results: Any, held: Callable[[], bool] | None
    ) -> None:
        self.results = results
        self._run, self._sources, self._held = run, sources, held

    def runs(self) -> Callable[[], bool]:
        """Return what a call does: `run`, or no more than the program, where nothing is to be copied or looked at."""
        return self._run if self._held is None and not self._sources else self.run

    def run(self) -> bool:
        """Return whether the arguments hold what they held, and all guards hold; then the results are there."""
        if self._held is not None and not self._held():
            return False
        for place, source in self._sources:
            place[...] = source
        return self._run()


def is_eager() -> bool:
    """Whether compiled functions call f itself, as inside detect_anomaly() and where another function is traced."""
    mode = modes.now()
    return mode is not None and (mode.reading is not None or mode.checking)


def _in_arrays(result: Any) -> Any:
    """Return a copy of the result with an array in the place of each number."""
    import numpy

    items, structure = flatten_values(result)
    return structure.build([numpy.array(x) if is_array(x) or isinstance(x, (bool, int, float)) else x for x in items])


def _bound(compiled: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Bound | None:
    """Return the call on bound arrays, or None where something has to be looked at each time."""
    import numpy

    options = compiled.options
    if is_eager() or is_looked_at([args, kwargs]):
        return None
    given = Arguments.of(args, kwargs, options.rows)
    compiled(*args, **kwargs)
    paths = compiled._paths[given.key]
    path = paths[0]
    runner, results = path.runner(options, options.reduce if given.rows is not None else None), path.results
    items, _ = flatten_values((args, tuple(kwargs.values())))
    found = [part for part in [*given.parts, *given.columns] if is_array(part)]
    originals = {id(x) for x in items if is_array(x)}
    if (
        runner.name != "numba"
        or len(paths) > 1
        or path.leaves
        or (path.lines and given.rows is not None)
        or results.others
        or results.conditions
        or any(id(x) not in originals for x in found)
        or not all(map(is_array, given.columns))
    ):
        return None
    contents = list[Any]()
    if not _note_arrays([args, kwargs], contents):
        return None
    held = (
        None
        if all(is_array(x) or not isinstance(x, (list, dict)) for x in args) and not kwargs
        else _holding([args, kwargs], contents)
    )
    numbers, sources, start = numpy.array(given.shared, float), [], 0
    for part in given.parts:
        if is_array(part):
            sources.append((numbers[start : start + part.size].reshape(part.shape), part))
        start += len(part) if not is_array(part) else part.size
    if given.rows is not None:
        rows, start = numpy.array(given.rows, float), 0
        for column in given.columns:
            width = column.size // len(column)
            sources.append((rows[:, start : start + width], column.reshape(len(column), width)))
            start += width
        if options.threads > 1:
            return None
        run_rows, out = runner.bound_rows(numbers, rows)
        views = results.stack(out, True) if options.reduce is None else results.structure.build_from(_viewing(out))
        bound = _Bound(lambda: run_rows() is not False, sources, views, held)
    else:
        if len(given.parts) == 1 and sources and sources[0][1].flags.writeable:
            numbers, sources = sources[0][1].reshape(-1), []
        out = numpy.empty(len(results.numbers))
        views = results.structure.build_from(_viewing(out))
        bound = _Bound(runner.bound(numbers, out), sources, views, held)
    bound.run()
    return bound


def _viewing(out: Any) -> Callable[[Structure, slice], Any]:
    return lambda leaf, span: out[span].reshape(leaf.shape)


def _note_arrays(container: Any, found: list[Any]) -> bool:
    """Append the arrays in a container; return False for a number in a list or dict, which may be another later."""
    for x in container.values() if isinstance(container, dict) else container:
        if is_array(x):
            found.append(x)
        elif isinstance(x, (list, tuple, dict)):
            if not _note_arrays(x, found):
                return False
        elif not isinstance(container, tuple) and not is_static(x):
            return False
    return True


def _holding(arguments: list[Any], contents: list[Any]) -> Callable[[], bool]:
    """Return a function that tells whether lists and dicts hold the same arrays still."""

    def held() -> bool:
        now = list[Any]()
        return _note_arrays(arguments, now) and len(now) == len(contents) and all(map(is_, now, contents))

    return held
