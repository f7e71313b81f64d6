"""`what_if`: what a graph, or a function, gives for other numbers, and what changes on the way.

    >>> from autodiff import Value
    >>> x, w, b = Value(2.0, "x"), Value(3.0, "w"), Value(1.0, "b")
    >>> y = (w * x + b) * w
    >>> what_if(y, {x: 1.5})
    y = 16.5, not 21, for x = 1.5
    value  made by  before  after  change
    x                    2    1.5    -0.5
    v1     w * x         6    4.5    -1.5
    v2     v1 + b        7    5.5    -1.5
    y      v2 * w       21   16.5    -4.5
    3 of 3 operations were computed again.

The graph stays as it is.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from reprlib import repr as short
from typing import Any, NamedTuple, overload

from autodiff import floats
from autodiff.graph import leaves, topological_order
from autodiff.show.formula import operation
from autodiff.show.names import names_of
from autodiff.show.parts import shortened
from autodiff.show.sliders import Slider, Sliders
from autodiff.show.steps import gradients_of
from autodiff.show.tables import Row, Table, elided
from autodiff.value import Value, read

_MOST_ROWS = 100
Range = tuple[float, float]


@overload
def what_if(y: Value, changes: Mapping[Value, float], *, gradients: bool = False) -> "WhatIf": ...
@overload
def what_if(y: Value, changes: Mapping[Value, Range], *, gradients: bool = False) -> Sliders: ...
@overload
def what_if(
    y: Callable[..., Any], changes: Mapping[str, float], args: Sequence[Any], *, gradients: bool = False
) -> "WhatIf": ...
@overload
def what_if(
    y: Callable[..., Any], changes: Mapping[str, Range], args: Sequence[Any], *, gradients: bool = False
) -> Sliders: ...
def what_if(y: Any, changes: Mapping[Any, Any], args: Sequence[Any] | None = None, *, gradients: bool = False) -> Any:
    """Return what `y` would be if some of the Values that it was made from held other numbers.

    What depends on them is computed again, and nothing else; the graph keeps its numbers. It prints as a table of what
    changes, and is one in a notebook; `.value` is the new y, `.changes` the table as data. An inner node can be given a
    number, too: what it was made from then does not matter.

    A graph is what was recorded: of an `if` it has the branch that was taken. For code that branches on its numbers,
    hand over the function, `what_if(f, {"x": 1.5}, args=(2.0, 3.0))`: it is called twice, on Values with the names of
    its parameters, and the result says whether it went another way.

    Given a range for each Value, `what_if(y, {x: (low, high)})` returns sliders: `.widget()` moves them in a live
    notebook (it needs anywidget), `.at({x: 1.5})` anywhere; as text or on paper they are a table.

    Args:
        y: the end of a graph, or a function that returns one.
        changes: a number, or a range (low, high), for each Value; for a function, for each name of a parameter.
        args: what the function is called with; numbers become Values.
        gradients: whether the table also shows the derivatives of y in the leaves, before and after.

    Raises TypeError for something else than these, ValueError for a Value that y was not made from, or no changes.

    >>> x = Value(2.0, "x")
    >>> hypothesis = what_if(x * x, {x: 3.0}, gradients=True)
    >>> hypothesis.value, hypothesis.changes[-1].change, hypothesis.gradients[0].after, x.data
    (9.0, 5.0, 6.0, 2.0)
    >>> def f(x):
    ...     return x * x if x > 0 else -x
    >>> what_if(f, {"x": -3.0}, args=(2.0,))
    y = 3, not 4, for x = -3
    value  made by  before  after  change
    x                    2     -3      -5
    y      -x            4      3      -1
    It went another way: 1 operation before, 1 after, not the same.
    """
    if isinstance(y, Value):
        if args is not None:
            raise TypeError("what_if takes args for a function alone; of a graph, leave them out")
        known = names_of(y)
        checked = _checked(changes, known, lambda x: f"a Value that y was made from; got {short(x)}, which is not")
        return _answer(checked, lambda numbers: WhatIf(y, numbers, gradients), known, lambda x: x.data)
    if not callable(y):
        raise TypeError(f"what_if takes a Value or a function that returns one, got {type(y).__name__} {short(y)}")
    if args is None:
        raise TypeError('what_if of a function needs args, what it is called with: what_if(f, {"x": 1.5}, args=(2.0,))')
    bound = _bound(y, args)
    checked = _checked(
        changes, bound, lambda x: f"a parameter of {_name(y)} that is a number: {list(bound)}; got {x!r}"
    )
    return _answer(checked, lambda numbers: _of_function(y, args, bound, numbers, gradients), None, bound.__getitem__)


def _checked(changes: Any, known: Mapping[Any, Any], expected: Callable[[Any], str]) -> dict[Any, Any]:
    """Return the changes, each a float or a pair of them."""
    if not isinstance(changes, Mapping):
        raise TypeError(f"what_if takes a dict of changes, {{x: 1.5}}, got {type(changes).__name__} {short(changes)}")
    if not changes:
        raise ValueError("what_if got no changes; say what is to change, and to what: {x: 1.5}")
    for key in changes:
        if key not in known:
            raise ValueError(f"what_if changes {expected(key)}")
    checked = {key: _number_or_range(new) for key, new in changes.items()}
    if len({type(new) for new in checked.values()}) > 1:
        raise TypeError("what_if takes numbers or ranges (low, high), not some of both")
    return checked


def _number_or_range(new: Any) -> float | Range:
    if not isinstance(new, (tuple, list)):
        return floats.as_float(new)
    if len(new) != 2 or not floats.as_float(new[0]) < floats.as_float(new[1]):
        raise ValueError(f"a range is (low, high), with low < high, got {new!r}")
    return floats.as_float(new[0]), floats.as_float(new[1])


def _answer(
    changes: dict[Any, Any], at: Callable[[dict[Any, float]], "WhatIf"], names: Any, now: Callable[[Any], float]
) -> Any:
    if any(isinstance(new, float) for new in changes.values()):
        return at(changes)
    return Sliders([Slider(key, names[key] if names else key, now(key), *new) for key, new in changes.items()], at)


class Change(NamedTuple):
    """A number that is another one now: of the node, or the gradient of y in it."""

    node: Value
    before: float
    after: float

    @property
    def change(self) -> float:
        """The difference, after - before."""
        return self.after - self.before


class WhatIf:
    """What y would be, and what changes on the way. Made by `what_if(y, {x: 1.5})`.

    Attributes:
        y: the end of the graph, as it is.
        before: its number.
        value: the number it would have.
        numbers: the new number of each Value that was given one or computed again.
        changes: those that differ from what was, in topological order.
    """

    def __init__(self, y: Value, given: Mapping[Value, float], shows_gradients: bool = False) -> None:
        self.y, self._given, self._shows_gradients = y, dict(given), shows_gradients
        self.numbers: dict[Value, float] = dict(given)
        self._order = topological_order(y)
        for node in self._order:
            if node not in given and any(isinstance(x, Value) and x in self.numbers for x in node.operands):
                assert node.op is not None
                self.numbers[node] = node.op.evaluate(*self._operands(node))
        self.before, self.value = y.data, self.numbers.get(y, y.data)
        found = [Change(node, node.data, after) for node, after in self.numbers.items()]
        self.changes = [c for c in found if not (c.before == c.after or (c.before != c.before and c.after != c.after))]
        done, all_of_them = len(self.numbers) - len(given), _counted(len(self._order))
        self._notes = [f"{done:,} of {all_of_them} {'was' if done == 1 else 'were'} computed again."]

    def _operands(self, node: Value) -> list[float]:
        data = [self.numbers.get(x, x.data) if isinstance(x, Value) else x for x in node.operands]
        return [floats.as_float(x) for x in data]

    @cached_property
    def gradients(self) -> list[Change]:
        """d(y)/d(leaf) for each leaf, and each node given a number, before and after; no `.grad` is touched."""

        def local_gradients(node: Value) -> Sequence[float]:
            if node not in self.numbers:
                return node.local_gradients
            assert node.op is not None
            return read(node.op.name, node.op.local_gradients, [self.numbers[node], *self._operands(node)])

        before = gradients_of(self.y)
        after = gradients_of(self.y, local_gradients, without=self._given.keys())
        nodes = dict.fromkeys([*leaves(self.y), *self._given])
        return [Change(node, before.get(node, 0.0), after.get(node, 0.0)) for node in nodes]

    # --- text and HTML ---

    def __str__(self) -> str:
        return "\n\n".join([table.text() for table in self._tables()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "\n".join([table.html() for table in self._tables()])

    def _tables(self) -> list[Table]:
        names = names_of(self.y)
        y = names[self.y]
        given = ", ".join([f"{names[x]} = {shortened(number)}" for x, number in list(self._given.items())[:5]])
        more = ", ..." if len(self._given) > 5 else ""
        was = "as before" if self.value == self.before else f"not {shortened(self.before)}"
        caption = f"{y} = {shortened(self.value)}, {was}, for {given}{more}"
        rows = [self._row(change, names) for change in self.changes]
        header = ("value", "made by", "before", "after", "change")
        tables = [Table(caption, header, elided(rows, _MOST_ROWS, "changes"), {2, 3, 4}, self._notes)]
        if self._shows_gradients:
            slopes = [(f"d{y}/d{names[c.node]}", *_numbers(c)) for c in self.gradients]
            tables.append(
                Table("Gradients", ("gradient", *header[2:]), elided(slopes, _MOST_ROWS, "gradients"), {1, 2, 3})
            )
        return tables

    def _row(self, change: Change, names: Mapping[Value, str]) -> Row:
        node = change.node
        made = operation(node, names) if node.operands and node not in self._given else ""
        return names[node], made, *_numbers(change)


def _numbers(change: Change) -> Row:
    return shortened(change.before), shortened(change.after), shortened(change.change)


def _counted(number: int) -> str:
    return f"{number:,} operation{'' if number == 1 else 's'}"


# --- functions: called twice ---


class _OfFunction(WhatIf):
    """What f gives for other arguments: the graph of its second call, beside that of the first."""

    def __init__(
        self, before: Value, after: Value, pairs: Sequence[tuple[Value, Value]], shows_gradients: bool
    ) -> None:
        self.y, self._before, self._shows_gradients = after, before, shows_gradients
        self._pairs = list(pairs)
        self.before, self.value = before.data, after.data
        first, second = topological_order(before), topological_order(after)
        self._same = _shape(first, pairs, 0) == _shape(second, pairs, 1)
        middle = list(zip(first, second, strict=True))[:-1] if self._same else []
        ends = [] if any(old is before for old, _ in pairs) else [(before, after)]
        found = [Change(new, old.data, new.data) for old, new in [*pairs, *middle, *ends]]
        self.numbers = {c.node: c.after for c in found}
        self.changes = [c for c in found if c.before != c.after]
        self._given = {new: new.data for old, new in pairs if old.data != new.data}
        way = "It went the same way" if self._same else "It went another way"
        counts = f"{_counted(len(first))} before, {len(second):,} after"
        self._notes = [f"{way}: {counts}{'' if self._same or len(first) != len(second) else ', not the same'}."]

    @cached_property
    def gradients(self) -> list[Change]:
        before, after = gradients_of(self._before), gradients_of(self.y)
        return [Change(new, before.get(old, 0.0), after.get(new, 0.0)) for old, new in self._pairs]


def _shape(order: Sequence[Value], pairs: Sequence[tuple[Value, Value]], side: int) -> list[Any]:
    """Return what was done to what, without the numbers: equal for two calls that went the same way."""
    places: dict[Any, int] = {pair[side]: i for i, pair in enumerate(pairs)}
    shape = []
    for node in order:
        operands = [places.get(x, id(x)) if isinstance(x, Value) else None for x in node.operands]
        places[node] = len(places)
        shape.append((node.op, tuple(operands)))
    return shape


def _bound(f: Callable[..., Any], args: Any) -> dict[str, float]:
    """Return the arguments that are numbers, by the names of their parameters."""
    if not isinstance(args, (tuple, list)):
        raise TypeError(f"args is a tuple, one for each argument, got {args!r}; write args=(x,)")
    return {name: args[i] for i, name in enumerate(_parameters(f, args)) if _is_number(args[i])}


def _parameters(f: Callable[..., Any], args: Sequence[Any]) -> list[str]:
    names: list[str] = []
    for name, given in inspect.signature(f).bind(*args).arguments.items():
        many = inspect.signature(f).parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
        names += [f"{name}{i}" for i in range(len(given))] if many else [name]
    return names


def _is_number(x: Any) -> bool:
    try:
        floats.as_float(x)
    except TypeError:
        return False
    return True


def _of_function(
    f: Callable[..., Any],
    args: Sequence[Any],
    bound: Mapping[str, float],
    changes: Mapping[str, float],
    shows_gradients: bool,
) -> WhatIf:
    names = _parameters(f, args)
    pairs = {
        name: (Value(bound[name], name), Value(changes.get(name, bound[name]), name)) for name in names if name in bound
    }
    results = [
        f(*[pairs[name][side] if name in pairs else arg for name, arg in zip(names, args, strict=True)])
        for side in (0, 1)
    ]
    for result in results:
        if not (isinstance(result, Value) or _is_number(result)):
            raise TypeError(f"what_if expected {_name(f)} to return a Value, got {type(result).__name__}")
    before, after = [x if isinstance(x, Value) else Value(x) for x in results]
    return _OfFunction(before, after, list(pairs.values()), shows_gradients)


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", "the function")
