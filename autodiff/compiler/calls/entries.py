"""Entries: calls that the native core serves alone, from the arguments to the result.

An entry stands for the calls of one key. It has the form of their arguments, and the versions of the function for them,
each with its leaves and the form of its result. It is made after a first call that went the plain way, and serves the
calls where everything is as it was then: the same structure, and nothing ambient. All others go the plain way, which is
the meaning of this.

    >>> argument_form([1.0, {"w": 2.0}])
    Form(kind='sequence', held=<class 'list'>, parts=(Form(kind='number', held=None, parts=()), \
Form(kind='mapping', held=('w',), parts=(Form(kind='number', held=None, parts=()),))))
"""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from autodiff import native
from autodiff.compiler.calls.arguments import Arguments, is_static
from autodiff.compiler.calls.objects import by_value, has_twin, is_plain, known_state
from autodiff.compiler.calls.options import Options
from autodiff.compiler.calls.results import Results
from autodiff.structures.structure import Structure, is_array
from autodiff.value import SourcedValue, Value

if TYPE_CHECKING:
    from autodiff.compiler.versions.dispatch import Dispatcher
    from autodiff.compiler.versions.version import Version
_C = TypeVar("_C", bound="Calls")


class NoFormError(Exception):
    """Calls with this argument, or this result, go the plain way."""


class Form(NamedTuple):
    """How numbers stand together, as the core knows it: less than a key or a `Structure` can say, and quickly told.

    Attributes:
        kind: "number"; "truth", a bool in a result; "array", of floats; "sequence", "mapping", "same", a thing itself;
            "watched", an object that must hold what it holds; "rows", an array with an axis for them, "listed", a list.
        held: the class of a sequence; the keys of a mapping; the shape of an array, or of a row; the thing itself. Of
            an object that is watched: the object, and by turns a list or dict, and the keys and things in it.
        parts: the forms of what is in it; of `listed`, that of one row.
    """

    kind: str
    held: Any = None
    parts: tuple["Form", ...] = ()


NUMBER = Form("number")


def _is_plain_tuple(kind: Any) -> bool:
    """Whether tuples of a class are known by what they hold: they are iterated over as such, and have no attributes."""
    return issubclass(kind, tuple) and kind.__iter__ is tuple.__iter__ and not kind.__dictoffset__


def argument_form(x: Any) -> Form:
    """The form of an argument: whatever has it has the key of x. Raises NoFormError where keys say more."""
    kind: Any = type(x)
    if is_array(x):
        return Form("array", x.shape)
    if kind is list or _is_plain_tuple(kind):
        return Form("sequence", kind, tuple([argument_form(part) for part in x]))
    if kind is dict:
        return Form("mapping", tuple(x), tuple([argument_form(part) for part in x.values()]))
    if isinstance(x, (list, tuple, dict, Value)):
        raise NoFormError
    return _static_form(x) if is_static(x) else NUMBER


def _static_form(x: Any) -> Form:
    if by_value(x) is not None:
        return Form("same", x)
    state = known_state(x)
    if state is None:
        if is_plain(type(x)) or has_twin(x):
            raise NoFormError
        return Form("same", x)
    if not all(type(holder) in (list, dict) for holder, _ in state.held):
        raise NoFormError
    return Form("watched", (x, *[part for pair in state.held for part in pair]))


def rows_form(x: Any) -> Form:
    """The form of an argument that has rows."""
    kind: Any = type(x)
    if is_array(x):
        return Form("rows", x.shape[1:])
    if kind is list:
        return Form("listed", None, (argument_form(x[0]),))
    if _is_plain_tuple(kind):
        return Form("sequence", kind, tuple([rows_form(part) for part in x]))
    if kind is dict:
        return Form("mapping", tuple(x), tuple([rows_form(part) for part in x.values()]))
    raise NoFormError


def result_form(results: Results) -> Form:
    """The form of a result; raises NoFormError for one that `Results.build` has to make."""
    items = [NUMBER] * results.structure.size
    for at in results.conditions:
        items[results.numbers[at]] = Form("truth")
    for i, other in results.others:
        items[i] = Form("same", other)
    return _form_around(results.structure, items)


def _form_around(structure: Structure, items: Sequence[Form]) -> Form:
    if structure.kind == "array" and items.count(NUMBER) == len(items):
        return Form("array", structure.shape)
    if structure.kind == "number" and not is_array(items[0].held):
        return items[0]
    if structure.kind not in (list, tuple, dict) or not all(type(key) in (str, int) for key in structure.keys):
        raise NoFormError
    parts, start = [], 0
    for child in structure.children:
        parts.append(_form_around(child, items[start : start + child.size]))
        start += child.size
    if structure.kind is dict:
        return Form("mapping", structure.keys, tuple(parts))
    return Form("sequence", structure.kind, tuple(parts))


# --- entries ---


class Entries:
    """The entries of a compiled function, and what they were made of, by the key of the calls.

    Attributes:
        served: the entries, of which the core moves those that are used to the front.
    """

    def __init__(self) -> None:
        self.served: list[Any] = []
        self._made: dict[Hashable, tuple[list[Version], Any]] = {}  # None for calls that go the plain way

    def note(self, given: Arguments, dispatcher: "Dispatcher") -> None:
        """Have calls like this one, which went the plain way, served from now on, if they can be."""
        versions = dispatcher.versions.get(given.key)
        before, _ = self._made.get(given.key, (None, None))
        if versions is None or versions is before or native.core is None:
            return
        for key, (_, entry) in list(self._made.items()):
            if entry is not None and entry.is_used:
                dispatcher.note_use(key)
                entry.is_used = False
        kept = {key: made for key, made in self._made.items() if key in dispatcher.versions}
        kept[given.key] = versions, _entry(given, versions, dispatcher.options)
        entries = {id(entry): entry for _, entry in kept.values() if entry is not None}
        self._made = kept
        in_order = [entries.pop(id(entry)) for entry in self.served if id(entry) in entries]
        self.served[:] = [*in_order, *entries.values()]


def _entry(given: Arguments, versions: "Sequence[Version]", options: Options) -> Any:
    """The entry for calls with this key; None where there is none."""
    has_rows, rows = given.rows is not None, options.rows
    if has_rows:
        versions = [version for version in versions[:1] if not version.lines]  # with guards, rows are sorted out
    try:
        forms = [rows_form(x) if i in rows else argument_form(x) for i, x in enumerate(given.args)]
        forms += [argument_form(x) for x in given.kwargs.values()]
        key = Arguments.of(given.args, given.kwargs, rows, given.backward).key
        served = _served(given, versions, options)
        if not served or key != given.key:  # f has changed something, or another thread
            return None
        form = Form("sequence", tuple, tuple(forms))
        in_arrays = is_array(given.rows)
        return native.core.Entry(form, tuple(given.kwargs), has_rows, given.backward, in_arrays, served)
    except (NoFormError, ValueError):  # ValueError: it is too deep, or has too many columns
        return None


def _served(given: Arguments, versions: "Sequence[Version]", options: Options) -> tuple[Any, ...]:
    """What the core is told of each version, up to the first that it cannot serve."""
    served = []
    for version in versions:
        runner = getattr(version.ready(options, None if given.rows is None else options.reduce), "runner", None)
        if runner is None or not all(type(leaf) in (Value, SourcedValue) for leaf in version.leaves):
            break
        form, finish = _result_of(version, given, options)
        served.append((runner, tuple(version.leaves), tuple(version.differentiated), form, finish))
    return tuple(served)


def _result_of(version: "Version", given: Arguments, options: Options) -> tuple[Form | None, Any]:
    """The form of the result, or None and a function that makes it of the outputs: a list, or an array of one axis."""
    if given.backward:
        return NUMBER, None
    if given.rows is not None and options.reduce is None:
        if not len(version.program.outputs):
            raise NoFormError
        return None, partial(_stacked, version.results, len(version.program.outputs))
    try:
        return result_form(version.results), None
    except NoFormError:
        return None, version.build


def _stacked(results: Results, width: int, outputs: Any) -> Any:
    if is_array(outputs):
        return results.stack(outputs.reshape(-1, width), in_arrays=True)
    return results.stack([outputs[i : i + width] for i in range(0, len(outputs), width)], in_arrays=False)


if TYPE_CHECKING or native.core is None:

    class Calls:
        """The base of Compiled and Prepared: the core serves calls first; in Python, they all go the plain way."""

        def serve_by(self, served: "list[Any] | Callable[[], object]") -> None:
            """Have calls served by the entries in a list, or by a function, which tells whether all is done."""

        def served_backward(self, /, *args: Any, **kwargs: Any) -> Any:
            """The result of a call of `backward`; NotImplemented where no entry serves it."""
            return NotImplemented

    def serve_calls(kind: type[_C]) -> type[_C]:
        """Have calls of a class that is derived from Calls go to what serves them first."""
        return kind

else:
    Calls, serve_calls = native.of_core("Calls"), native.of_core("serve_calls")
