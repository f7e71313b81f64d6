"""Placeholders: f is called once on Values that stand for the numbers of its arguments, while a trace is under way.

>>> trace, arguments = Trace(), Arguments.of(({"w": 2.0}, [1.0, 3.0]), {})
>>> with trace:
...     result, varying = on_placeholders(lambda p, xs: p["w"] * xs[1], "f", arguments, trace, ())
>>> print(trace.program([result], varying).listing())
inputs  x0 x1 x2
v3 = mul x0 x2
outputs v3
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from autodiff import modes
from autodiff.compiler.calls.arguments import Arguments, replaced, row_of, same_containers
from autodiff.compiler.calls.objects import changed, is_plain
from autodiff.compiler.trace.refusals import TracingError
from autodiff.compiler.trace.tracers import Tracer
from autodiff.compiler.trace.tracing import Trace
from autodiff.graph import leaves, topological_order
from autodiff.structures.containers import attributes_of
from autodiff.structures.structure import flatten_values
from autodiff.transforms.sweeps import pulled_back
from autodiff.value import Value


def on_placeholders(
    f: Callable[..., Any], name: str, given: Arguments, trace: Trace, rows: Collection[int], row: int = 0
) -> tuple[Any, bytes]:
    """The result of f for the numbers of a call, of this row, and for each input whether it varies from row to row.

    Raises TracingError where f changes what it is given: it would do so only now.
    """
    lifted, varying = [], bytearray()
    for position, x in enumerate(given.args):
        has_rows = position in rows
        lifted.append(replaced(row_of(x, row) if has_rows else x, trace.input))
        varying.extend(bytes([has_rows]) * (len(trace.inputs) - len(varying)))
    named = {key: replaced(x, trace.input) for key, x in given.kwargs.items()}
    varying.extend(bytes(len(trace.inputs) - len(varying)))
    before = flatten_values((lifted, named))
    pairs = zip((*lifted, *named.values()), (*given.args, *given.kwargs.values()), strict=True)
    twins = [(x, attributes_of(x)) for x, own in pairs if x is not own and is_plain(type(x))]
    result = f(*lifted, **named)
    is_changed = any(changed(attributes, x) for x, attributes in twins)
    if is_changed or not same_containers(before, flatten_values((lifted, named))):
        raise TracingError(
            f"{name} changed a list, dict, array or object that it was given, which would happen only "
            "once, while it is traced; change a copy, and return it"
        )
    return result, bytes(varying)


def outside_leaves(result: Any, name: str) -> list[Value]:
    """The leaves that f closes over and its result was made from; for use inside a trace."""
    if not isinstance(result, Value):
        raise TypeError(
            f"{name}.backward expected f to return one Value, got {type(result).__name__}; return the loss alone; to "
            "have more than it, compile a function that returns gradient(loss, parameters), too, and call that"
        )
    reading = modes.reading()
    assert reading is not None
    return [x for x in leaves(result) if not isinstance(x, Tracer) and not reading.is_constant(x)]


def with_gradient(result: Any, differentiated: Sequence[Value]) -> list[Any]:
    """The number that f returned, and its derivative in each of the leaves; for use inside a trace."""
    slopes = pulled_back(topological_order(result), {result: 1.0}, differentiated)
    return [result, *slopes]
