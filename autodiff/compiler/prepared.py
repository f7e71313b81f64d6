"""A call of a compiled function that is repeated: bound to its arguments, with results in arrays that stay.

Where all that can change between the calls is the numbers in arrays, the backend is asked once for a call bound to
these arrays; otherwise each call is one of the function itself, whose result is copied.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from operator import is_
from typing import Any

from autodiff.compiler.calls.arguments import Arguments, is_static
from autodiff.compiler.calls.eagerly import is_eager
from autodiff.compiler.calls.entries import Calls, serve_calls
from autodiff.compiler.calls.objects import is_looked_at
from autodiff.compiler.versions.dispatch import Dispatcher
from autodiff.compiler.versions.version import Version
from autodiff.structures.containers import PLAIN_CONTAINERS, attributes_of, has_slots
from autodiff.structures.structure import Structure, flatten_values, is_array, ordered_as


@serve_calls
class Prepared(Calls):
    """A call that can be repeated; made by `Compiled.prepare`. Inside detect_anomaly() it calls f itself.

    Attributes:
        results: the result of the last call, in the form of f's, in arrays that every call fills anew; a number is an
            array without axes. What replaces an argument is the argument's own array.
    """

    def __init__(
        self,
        call: Callable[..., Any],
        dispatcher: Dispatcher,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        updates: Mapping[int | str, Any],
    ) -> None:
        self._name = dispatcher.name
        self._call: Callable[[], Any] = lambda: call(*args, **kwargs)
        result = _in_arrays(self._call())
        replaced = _replaced(result, args, kwargs, updates)
        self._run, bound = _bound(dispatcher, args, kwargs, replaced)
        self._places, self._structure = flatten_values(result if self._run is None else bound)
        for i, array in replaced.items():
            self._places[i] = array
        self.results = self._structure.build(self._places) if replaced else result if self._run is None else bound
        if self._run is not None:
            self.serve_by(self._run)

    def __repr__(self) -> str:
        return f"<prepared call of {self._name}>"

    def __call__(self) -> None:
        """Run with the numbers that the arrays hold now, and fill `results`."""
        if self._run is None or is_eager() or not self._run():
            self._slowly()

    def _slowly(self) -> None:
        items, structure = flatten_values(self._call())
        if structure != self._structure:
            raise TypeError("a prepared call gave a result of another form than at first; call the function itself")
        for place, item in zip(self._places, items, strict=True):
            if not _is_alike(place, item):
                given, before = (f"an array of shape {x.shape}" if is_array(x) else repr(x) for x in (item, place))
                raise TypeError(
                    f"a prepared call gave {given} where it gave {before} at first; call the function itself"
                )
        for place, item in zip(self._places, items, strict=True):  # now that nothing is left to go wrong
            if is_array(place):
                place[...] = item


def _is_alike(place: Any, item: Any) -> bool:
    """Whether an item of a result can be put in the place of the first one."""
    if is_array(place):
        return bool(place.shape == getattr(item, "shape", ()))
    return place is item or (not is_array(item) and bool(place == item))


def _in_arrays(result: Any) -> Any:
    """A copy of the result with an array in the place of each number."""
    try:
        import numpy
    except ImportError:
        raise ImportError(
            "prepare gives its results in arrays, which need numpy: python -m pip install numpy; "
            "without it, call the function itself"
        ) from None

    items, structure = flatten_values(result)
    return structure.build([numpy.array(x) if is_array(x) or isinstance(x, (bool, int, float)) else x for x in items])


# --- updates: results that replace arguments ---


def _replaced(
    result: Any, args: tuple[Any, ...], kwargs: dict[str, Any], updates: Mapping[int | str, Any]
) -> dict[int, Any]:
    """The arrays that are to be replaced, by the index of the item of the result that replaces them."""
    if not isinstance(updates, Mapping):
        raise TypeError(
            f"updates: expected a dict of arguments and the members of the result that replace them, got {updates!r}"
        )
    items, structure = flatten_values(result)
    indices, found = structure.build(range(len(items))), dict[int, Any]()
    for argument, path in updates.items():
        given = _argument(args, kwargs, argument)
        member = indices
        for key in path if isinstance(path, tuple) else (path,):
            try:
                member = member[key]
            except (LookupError, TypeError):
                whole = f" of {path!r}" if isinstance(path, tuple) else ""
                raise ValueError(f"updates: the result has no member {key!r}{whole}") from None
        arrays, form = flatten_values(given)
        places, form_of_member = flatten_values(ordered_as(member, form))  # dicts by their keys, in whatever order
        if len(places) != len(arrays):
            raise ValueError(
                f"updates: argument {argument!r} is made of {len(arrays)} array{'s' * (len(arrays) != 1)}, member "
                f"{path!r} of the result of {len(places)}, arrays and numbers; autodiff.array(...) makes one of a list"
            )
        for place, other in zip(form.places(), form_of_member.places(), strict=True):
            if place != other:
                raise ValueError(
                    f"updates: argument {argument!r} and member {path!r} of the result need one form, with the same "
                    f"keys; argument{place} would be replaced by member{other}"
                )
        for i, array in zip(places, arrays, strict=True):
            _check_update(argument, array, path, items[i])
            if i in found or any(array is other for other in found.values()):
                raise ValueError(f"updates: argument {argument!r} or member {path!r} comes up twice")
            found[i] = array
    return found


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], which: int | str) -> Any:
    if isinstance(which, int) and 0 <= which < len(args):
        return args[which]
    if isinstance(which, str) and which in kwargs:
        return kwargs[which]
    raise ValueError(
        f"updates: expected the position of an argument, or the name of one given by keyword, got {which!r}"
    )


def _check_update(argument: int | str, array: Any, path: Any, item: Any) -> None:
    import numpy

    if not (type(array) is numpy.ndarray and array.dtype == float and array.flags.carray):
        raise TypeError(
            f"updates: argument {argument!r} is to be replaced in place: expected an array of float64 in C order that "
            f"can be written to, got {_described(array)}"
        )
    if not is_array(item) or item.shape != array.shape:
        raise ValueError(
            f"updates: argument {argument!r} has the shape {array.shape}, member {path!r} of the result "
            f"{item.shape if is_array(item) else repr(item)}"
        )


def _described(array: Any) -> str:
    """What keeps this from being replaced in place."""
    if not hasattr(array, "flags"):
        return type(array).__name__
    if array.dtype != float:
        return f"one of {array.dtype}"
    if not array.flags.writeable:
        return "one that is read-only"
    return "a view in another order" if not array.flags.c_contiguous else type(array).__name__


# --- a call that is bound to arrays ---

_Run = Callable[[], object]  # whether arguments hold what they held, and guards hold: then the results are there


def _bound(
    dispatcher: Dispatcher, args: tuple[Any, ...], kwargs: dict[str, Any], replaced: dict[int, Any]
) -> tuple[_Run | None, Any]:
    """A call on bound arrays, and its results; None where something has to be looked at each time."""
    options = dispatcher.options
    if is_eager() or is_looked_at([args, kwargs]):
        return None, None
    given = Arguments.of(args, kwargs, options.rows)
    version, holders = dispatcher.versions[given.key][0], list[_Holder]()
    if not (
        _is_settled(dispatcher, version, given)
        and _holds_its_arrays(given)
        and _note_holders((args, tuple(kwargs.values())), holders)
    ):
        return None, None
    stacks = given.rows is not None and options.reduce is None
    outputs = _outputs_of(version, stacks)
    backend = version.ready(options, None if given.rows is None else options.reduce)
    columns = None if given.rows is None else given.columns
    run, out = backend.bound(given.parts, columns, [(array, outputs[i]) for i, array in replaced.items()])
    return _while_held(run, holders) if holders else run, _results(version, stacks, out)


def _results(version: Version, stacks: bool, out: Any) -> Any:
    """The result of f as views of the outputs."""
    return version.results.stack(out, True) if stacks else version.results.structure.build_from(_viewing(out))


def _outputs_of(version: Version, stacks: bool) -> list[int]:
    """For each item of the result the first of the outputs that are in it."""
    import numpy

    numbers = numpy.arange(float(version.results.structure.size))
    items, _ = flatten_values(_results(version, stacks, numbers[None] if stacks else numbers))
    return [int(item.flat[0]) if item.size else 0 for item in items]


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


def _viewing(out: Any) -> Callable[[Structure, slice], Any]:
    return lambda leaf, span: out[span].reshape(leaf.shape)


_Holder = tuple[Any, list[Any] | None, list[Any]]  # a list or dict, the keys of a dict, and what is in it


def _note_holders(container: Any, found: list[_Holder]) -> bool:
    """Append the lists and dicts in a container; False for a number in one of them, which may be another later.

    False, too, for a defaultdict, whose factory may be another later, and where there are attributes. The dict of an
    object that has none is watched for some.
    """
    if type(container) not in PLAIN_CONTAINERS:
        if has_slots(type(container)) or attributes_of(container):
            return False
        if hasattr(container, "__dict__"):
            found.append((vars(container), [], []))
    items = list(container.values() if isinstance(container, dict) else container)
    if not isinstance(container, tuple):
        if isinstance(container, defaultdict) or not all(
            is_array(x) or isinstance(x, (list, tuple, dict)) or is_static(x) for x in items
        ):
            return False
        found.append((container, list(container) if isinstance(container, dict) else None, items))
    return all(_note_holders(x, found) for x in items if isinstance(x, (list, tuple, dict)))


def _while_held(run: _Run, holders: list[_Holder]) -> _Run:
    """The call, where lists and dicts hold the same things still, under the same keys: arrays, and strings, too."""

    def run_while_held() -> object:
        for holder, keys, items in holders:
            now = holder if keys is None else holder.values()
            if len(now) != len(items) or not all(map(is_, now, items)):
                return False
            if keys is not None and not all(map(is_, holder, keys)):  # 1 equals True
                return False
        return run()

    return run_while_held
