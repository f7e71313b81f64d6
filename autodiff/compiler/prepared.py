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
        self._fast = _bound(compiled, args, kwargs)
        self.results = _in_arrays(self._call()) if self._fast is None else self._fast.results
        self._places, self._structure = flatten_values(self.results)

    def __call__(self) -> None:
        """Run with the numbers that the arrays hold now, and fill `results`."""
        if self._fast is None or not self._fast.run():
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


def _in_arrays(result: Any) -> Any:
    """Return a copy of the result with an array in the place of each number."""
    import numpy

    items, structure = flatten_values(result)
    return structure.build([numpy.array(x) if is_array(x) or isinstance(x, (bool, int, float)) else x for x in items])


def _bound(compiled: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Bound | None:
    """Return the call on bound arrays, or None where something has to be looked at each time."""
    import numpy

    given = Arguments.of(args, kwargs, compiled.options.rows)
    if given.rows is not None:
        return None
    path, outputs = compiled._run(given, given.key, args, kwargs)
    runner, results = path.runner(compiled.options), path.results
    items, structure = flatten_values((args, tuple(kwargs.values())))
    arrays = [part for part in given.parts if is_array(part)]
    originals = [x for x in items if is_array(x)]
    are_originals = len(arrays) == len(originals) and all(x is y for x, y in zip(arrays, originals, strict=True))
    if not hasattr(runner, "run_into") or path.leaves or results.others or results.conditions:
        return None
    if not are_originals or _has_lists(structure):
        return None
    out = numpy.array(outputs, float)
    sources, start = [], 0
    for part in given.parts:
        if is_array(part):
            sources.append((slice(start, start + part.size), part.ravel()))
        start += len(part) if not is_array(part) else part.size
    views = results.structure.build_from(lambda leaf, span: _view(leaf, out[span]))
    if len(given.parts) == 1 and sources and sources[0][1].flags.writeable:
        return _Bound(runner, sources[0][1], [], out, views)
    return _Bound(runner, numpy.array(given.shared, float), sources, out, views)


def _has_lists(structure: Structure) -> bool:
    """Return whether there is a list or dict that holds numbers: they may be others at the next call."""
    if structure.kind in (list, dict):
        return any(child.kind == "number" for child in structure.children)
    return any(map(_has_lists, structure.children))


def _view(leaf: Structure, numbers: Any) -> Any:
    return numbers.reshape(leaf.shape)
