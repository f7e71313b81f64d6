"""`what_if`: the result of a graph, or a function, for other numbers, and all that changes on the way.

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
from math import inf
from reprlib import repr as short
from typing import Any, overload

from autodiff import floats
from autodiff.compiler.trace.tracers import Condition
from autodiff.compiler.trace.tracing import Trace
from autodiff.show.explanations.hypotheses import OfFunction, WhatIf
from autodiff.show.live.moving import Moving, Slider
from autodiff.show.live.sliders import Sliders
from autodiff.show.words.names import names_of
from autodiff.value import Value

Range = tuple[float, float]


@overload
def what_if(y: Value, changes: Mapping[Value, float], *, gradients: bool = False) -> WhatIf: ...
@overload
def what_if(y: Value, changes: Mapping[Value, Range], *, gradients: bool = False) -> Sliders: ...
@overload
def what_if(
    y: Callable[..., Any], changes: Mapping[str, float], args: Sequence[Any], *, gradients: bool = False
) -> WhatIf: ...
@overload
def what_if(
    y: Callable[..., Any], changes: Mapping[str, Range], args: Sequence[Any], *, gradients: bool = False
) -> Sliders: ...
def what_if(y: Any, changes: Mapping[Any, Any], args: Sequence[Any] | None = None, *, gradients: bool = False) -> Any:
    """The result if some of the Values that `y` was made from held other numbers.

    All that depends on them is computed again, and nothing else; the graph keeps its numbers. The answer prints as a
    table of the changes, and is one in a notebook; `.value` is the new y, `.changes` the table as data. An inner node
    can be given a number, too: its operands then do not matter.

    A graph has only the operations that were recorded: one side of an `if`, and of a `where` whose condition compares.
    For code that branches on its numbers, hand over the function, `what_if(f, {"x": 1.5}, args=(2.0, 3.0))`: it is
    called twice, on Values with the names of its parameters, and the result says whether it went another way.

    Given a range for each Value, `what_if(y, {x: (low, high)})` returns sliders, which show themselves in a notebook,
    and the drawing follows them: numbers, gradients, colours. They move without a kernel, too, in an exported notebook
    and in the page that `.save("x.html")` writes; `.at({x: 1.5})` answers anywhere, and as text they are a table. Where
    Python alone can compute what they move, they need a live notebook and anywidget.

    Args:
        y: the end of a graph, or a function that returns one.
        changes: a number, or a range (low, high), for each Value; for a function, for each name of a parameter.
        args: the arguments of the function; numbers become Values.
        gradients: whether the table also shows the derivatives of y in the leaves, before and after.

    Raises TypeError for anything else than these, ValueError for a Value that y was not made from, or no changes.

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
        if not _are_ranges(checked):
            return WhatIf(y, checked, gradients)
        sliders = [Slider(x, known[x], x.data, *ends) for x, ends in checked.items()]
        return Sliders(
            sliders, lambda numbers: WhatIf(y, numbers, gradients), lambda: Moving(y, list(checked), sliders)
        )
    if not callable(y):
        raise TypeError(f"what_if takes a Value or a function that returns one, got {type(y).__name__} {short(y)}")
    if args is None:
        raise TypeError('what_if of a function needs args, what it is called with: what_if(f, {"x": 1.5}, args=(2.0,))')
    bound = _bound(y, args)
    checked = _checked(
        changes, bound, lambda x: f"a parameter of {_name(y)} that is a number: {list(bound)}; got {x!r}"
    )
    if not _are_ranges(checked):
        return _of_function(y, args, bound, checked, gradients)
    sliders = [Slider(name, name, floats.as_float(bound[name]), *ends) for name, ends in checked.items()]
    return Sliders(
        sliders,
        lambda numbers: _of_function(y, args, bound, numbers, gradients),
        lambda: _moving(y, args, bound, sliders),
    )


def _checked(changes: Any, known: Mapping[Any, Any], expected: Callable[[Any], str]) -> dict[Any, Any]:
    """The changes, each a float or a pair of them."""
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
    if len(new) != 2 or not -inf < floats.as_float(new[0]) < floats.as_float(new[1]) < inf:
        raise ValueError(f"a range is (low, high), two finite numbers with low < high, got {new!r}")
    return floats.as_float(new[0]), floats.as_float(new[1])


def _are_ranges(changes: dict[Any, Any]) -> bool:
    return not any(isinstance(new, float) for new in changes.values())


# --- functions: called twice ---


def _bound(f: Callable[..., Any], args: Any) -> dict[str, float]:
    """The arguments that are numbers, by the names of their parameters."""
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
    return OfFunction(before, after, list(pairs.values()), shows_gradients)


def _moving(
    f: Callable[..., Any], args: Sequence[Any], bound: Mapping[str, float], sliders: Sequence[Slider]
) -> Moving | None:
    """The graph of the function, if it is the same one for all numbers: if it compares none of them."""
    names = _parameters(f, args)

    def called(number: Callable[[str], Any]) -> Any:
        return f(*[number(name) if name in bound else arg for name, arg in zip(names, args, strict=True)])

    trace = Trace()
    try:
        with trace:
            called(lambda name: trace.input(floats.as_float(bound[name])))
    except Exception:  # whatever code that looks at its numbers makes of placeholders
        return None
    if any(isinstance(node, Condition) for node in trace.nodes):  # it branches, or chooses by `where`
        return None
    trace.forget()
    values = {name: Value(number, name) for name, number in bound.items()}
    y = called(values.__getitem__)
    return Moving(y, [values[s.key] for s in sliders], sliders) if isinstance(y, Value) else None


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", "the function")
