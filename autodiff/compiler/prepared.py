"""A call of a compiled function that is repeated: bound to its arguments, with results in arrays that stay."""

from collections.abc import Callable, Sequence
from typing import Any

from autodiff.compiler.arguments import Arguments
from autodiff.structures import Structure, flatten_values, is_array


class Prepared:
    """A call that can be repeated; made by `Compiled.prepare`.

    Attributes:
        results: what the last call gave, in the form of f's result, in arrays that every call fills anew; a number is
            an array without axes.
    """

    def __init__(self, compiled: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._call: Callable[[], Any] = lambda: compiled(*args, **kwargs)
        result = self._call()
        self.results, self._places = _in_arrays(result)
        self._fast = _bound(compiled, args, kwargs, self._places)
        if self._fast is not None:
            self.results = self._fast.results

    def __call__(self) -> None:
        """Run with the numbers that the arrays hold now, and fill `results`."""
        if self._fast is None or not self._fast.run():
            self._slow()

    def _slow(self) -> None:
        items, _ = flatten_values(self._call())
        places = self._places if self._fast is None else flatten_values(self.results)[0]
        if len(items) != len(places):
            raise TypeError("a prepared call gave a result of another form than at first; call the function itself")
        for place, item in zip(places, items, strict=True):
            if is_array(place):
                place[...] = item


class _Bound:
    """The arrays of one path: filled from the arguments, run, and seen as results."""

    def __init__(self, runner: Any, numbers: Any, sources: Sequence[tuple[slice, Any]], out: Any, results: Any) -> None:
        self.results = results
        self._numbers, self._out, self._run = numbers, out, runner.run_into
        self._sources = sources

    def run(self) -> bool:
        numbers = self._numbers
        for span, source in self._sources:
            numbers[span] = source
        holds: bool = self._run(numbers, self._out)
        return holds


def _in_arrays(result: Any) -> tuple[Any, list[Any]]:
    """Return a copy of the result with an array in the place of each number, and these arrays."""
    import numpy

    items, structure = flatten_values(result)
    places = [numpy.array(x, float) if is_array(x) or type(x) is float else x for x in items]
    return structure.build(places), places


def _bound(compiled: Any, args: tuple[Any, ...], kwargs: dict[str, Any], places: list[Any]) -> _Bound | None:
    """Return the call on bound arrays, or None where something has to be looked at each time."""
    import numpy

    given = Arguments.of(args, kwargs, compiled.options.rows)
    if given.rows is not None:
        return None
    path, outputs = compiled._run(given, given.key, args, kwargs)
    runner = path.runner(compiled.options)
    originals = [x for x in flatten_values((args, tuple(kwargs.values())))[0] if is_array(x)]
    arrays = [part for part in given.parts if is_array(part)]
    are_originals = len(arrays) == len(originals) and all(x is y for x, y in zip(arrays, originals, strict=True))
    results = path.results
    if not hasattr(runner, "run_into") or path.leaves or not are_originals or results.others or results.conditions:
        return None
    out = numpy.array(outputs, float)
    sources, start = [], 0
    for part in given.parts:
        if is_array(part):
            sources.append((slice(start, start + part.size), part.ravel()))
        start += len(part) if not is_array(part) else part.size
    views = results.structure.build_from(lambda leaf, span: _view(leaf, out[span]))
    if len(given.parts) == 1 and sources:
        return _Bound(runner, sources[0][1], [], out, views)
    numbers = numpy.array(given.shared, float)
    return _Bound(runner, numbers, sources, out, views)


def _view(leaf: Structure, numbers: Any) -> Any:
    return numbers.reshape(leaf.shape)
