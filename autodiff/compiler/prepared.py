"""A call of a compiled function that is repeated: bound to its arguments, with results in arrays that stay.

Where all that can change between the calls is the numbers in arrays, the backend is asked once for a call bound to
these arrays; otherwise each call is one of the function itself, whose result is copied.
"""

from collections.abc import Callable
from operator import is_
from typing import Any

from autodiff import modes
from autodiff.compiler.calls.arguments import Arguments, is_static
from autodiff.compiler.calls.eagerly import is_eager
from autodiff.compiler.calls.objects import is_looked_at
from autodiff.compiler.versions.dispatch import Dispatcher
from autodiff.compiler.versions.version import Version
from autodiff.structures.structure import Structure, flatten_values, is_array


class Prepared:
    """A call that can be repeated; made by `Compiled.prepare`.

    Attributes:
        results: the result of the last call, in the form of f's, in arrays that every call fills anew; a number is an
            array without axes.
    """

    def __init__(
        self, call: Callable[..., Any], dispatcher: Dispatcher, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._call: Callable[[], Any] = lambda: call(*args, **kwargs)
        self._run, results = _bound(self._call, dispatcher, args, kwargs)
        self.results = _in_arrays(self._call()) if self._run is None else results
        self._places, self._structure = flatten_values(self.results)

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


def _in_arrays(result: Any) -> Any:
    """A copy of the result with an array in the place of each number."""
    import numpy

    items, structure = flatten_values(result)
    return structure.build([numpy.array(x) if is_array(x) or isinstance(x, (bool, int, float)) else x for x in items])


# --- a call that is bound to arrays ---

_Run = Callable[
    [], object
]  # whether the arguments hold what they held, and all guards hold: then the results are there
_Copies = list[tuple[Any, Any]]  # buffers, and the arrays that they are copied from before each run


def _bound(
    call: Callable[[], Any], dispatcher: Dispatcher, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[_Run | None, Any]:
    """A call on bound arrays, and its results; None where something has to be looked at each time."""
    options = dispatcher.options
    if is_eager() or is_looked_at([args, kwargs]):
        return None, None
    given = Arguments.of(args, kwargs, options.rows)
    call()
    version, contents = dispatcher.versions[given.key][0], list[Any]()
    if not (
        _is_settled(dispatcher, version, given) and _holds_its_arrays(given) and _note_arrays([args, kwargs], contents)
    ):
        return None, None
    numbers, rows, copies = _buffers(given)
    backend = version.ready(options, None if rows is None else options.reduce)
    run, out = backend.bound(numbers, rows)
    structure = version.results.structure
    stacks = rows is not None and options.reduce is None
    results = version.results.stack(out, True) if stacks else structure.build_from(_viewing(out))
    may_be_replaced = kwargs or any(isinstance(x, (list, dict)) for x in args)
    held = _holding([args, kwargs], contents) if may_be_replaced else None
    run = _after_copies(run, copies, held)
    run()
    return run, results


def _is_settled(dispatcher: Dispatcher, version: Version, given: Arguments) -> bool:
    """Whether a call runs this version whatever the numbers, but for a guard, and gives numbers alone."""
    is_alone = len(dispatcher.versions[given.key]) == 1 and not (version.lines and given.rows is not None)
    return is_alone and not version.leaves and not version.results.others and not version.results.conditions


def _holds_its_arrays(given: Arguments) -> bool:
    """Whether the arrays that were found are the ones that were given, and none that was converted."""
    items, _ = flatten_values((given.args, tuple(given.kwargs.values())))
    originals = {id(x) for x in items if is_array(x)}
    found = [part for part in [*given.parts, *given.columns] if is_array(part)]
    return all(id(x) in originals for x in found) and all(map(is_array, given.columns))


def _buffers(given: Arguments) -> tuple[Any, Any, _Copies]:
    """Arrays for the numbers that rows share and for the rows, if any, and what is copied into them.

    An array that is the only argument is its own buffer.
    """
    import numpy

    if given.rows is None and len(given.parts) == 1 and is_array(given.parts[0]) and given.parts[0].flags.writeable:
        return given.parts[0].reshape(-1), None, []
    numbers, copies, start = numpy.array(given.shared, float), _Copies(), 0
    for part in given.parts:
        if is_array(part):
            copies.append((numbers[start : start + part.size].reshape(part.shape), part))
        start += len(part) if not is_array(part) else part.size
    if given.rows is None:
        return numbers, None, copies
    rows, start = numpy.array(given.rows, float), 0
    for column in given.columns:
        width = column.size // len(column)
        copies.append((rows[:, start : start + width], column.reshape(len(column), width)))
        start += width
    return numbers, rows, copies


def _after_copies(run: _Run, copies: _Copies, held: Callable[[], bool] | None) -> _Run:
    """The same run, after a look at the arguments and the copies; itself where there are none."""
    if held is None and not copies:
        return run

    def copy_and_run() -> object:
        if held is not None and not held():
            return False
        for place, source in copies:
            place[...] = source
        return run()

    return copy_and_run


def _viewing(out: Any) -> Callable[[Structure, slice], Any]:
    return lambda leaf, span: out[span].reshape(leaf.shape)


def _note_arrays(container: Any, found: list[Any]) -> bool:
    """Append the arrays in a container; False for a number in a list or dict, which may be another later."""
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
    """A function that tells whether lists and dicts hold the same arrays still."""

    def held() -> bool:
        now = list[Any]()
        return _note_arrays(arguments, now) and len(now) == len(contents) and all(map(is_, now, contents))

    return held
