"""Tracing: what a trace is asked, its tracers, and assignments while it is under way."""

import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from fractions import Fraction
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff import Value, modes
from autodiff.chain import NOTHING
from autodiff.compiler import TracingError
from autodiff.compiler.trace.tracers import Condition, Tracer
from autodiff.compiler.trace.tracing import Trace
from autodiff.value import operate


def test_a_trace_is_a_reading() -> None:
    trace = Trace()
    reading: modes.Reading = trace
    with trace:
        assert modes.reading() is reading
    assert modes.reading() is None


def test_a_tracer_is_a_value_that_knows_how_it_was_made() -> None:
    trace = Trace()
    x = trace.input(2.0)
    with trace:
        y, condition = x * 3.0, x > 1.0
    for tracer in (x, y, condition):
        assert isinstance(tracer, Value)
        assert (tracer.owner, tracer.label) == (trace.owner, "")
        assert not hasattr(tracer, "__dict__")
    assert (y.op, y.operands) == (ad.mul, (x, 3.0))
    assert y.operands[0] is x
    assert (y.number, condition.number) == (6.0, 1.0)
    assert (type(y), type(condition)) == (Tracer, Condition)


def test_a_condition_is_a_leaf_that_knows_what_it_was_made_from() -> None:
    trace = Trace()
    x = trace.input(2.0)
    with trace:
        condition = x > 1.0
    assert (condition.operands, condition.hidden_operands) == ((), (1.0, x))


def test_conditions_are_of_no_use_after_the_trace() -> None:
    trace = Trace()
    x = trace.input(2.0)
    with trace:
        one, other = x > 1.0, x < 3.0
        assert one & other
    for use in (lambda: one & other, lambda: one | True, lambda: bool(one)):
        with pytest.raises(TracingError, match="after its trace"):
            use()


@pytest.mark.parametrize(
    "combine",
    [
        ad.maximum,
        ad.arctan2,
        lambda x, y: ad.dot([x, 1.0], [y, 2.0]),
        lambda x, y: x > y,
        lambda x, y: ad.where(x, x, y),
    ],
    ids=["maximum", "arctan2", "dot", "comparison", "where"],
)
def test_a_tracer_of_another_call_is_refused_wherever_it_stands(combine: Callable[[Any, Any], Any]) -> None:
    stranger = Trace().input(7.0)
    for f in (lambda x: combine(x, stranger), lambda x: combine(stranger, x)):
        with pytest.raises(TracingError, match="traced at another call"):
            ad.compile(f, backend="python")(2.0)


# --- the arithmetic of tracers, which is written out ---

ARITHMETIC = {"add": ad.add, "sub": ad.sub, "mul": ad.mul, "truediv": ad.div, "pow": ad.pow}
NUMBERS = [0.0, -0.0, 1.0, -2.5, 1e200, inf, nan, 0, 3, True, 10**400, NOTHING, Fraction(1, 3), np.float64(1.5)]
REFUSED = ["text", None, [1.0], 2j, np.array([1.0, 2.0]), np.array(2.0)]
OPERANDS: dict[str, Callable[[Trace], Any]] = {
    **{f"{type(x).__name__} {x!s:.8}": lambda trace, x=x: x for x in [*NUMBERS, *REFUSED]},  # type: ignore[misc]
    "tracer": lambda trace: trace.input(0.5),
    "condition": lambda trace: trace.input(0.5) > 0.0,
    "constant": lambda trace: Value(0.5),
    "outside": lambda trace: OUTSIDE,
    "stranger": lambda trace: Trace().input(0.5),
}
OUTSIDE = Value(0.5)


@pytest.mark.parametrize("mode", [nullcontext, ad.no_grad], ids=["recorded", "no_grad"])
@pytest.mark.parametrize("kind", OPERANDS)
@pytest.mark.parametrize("swapped", [False, True], ids=["left", "right"])
@pytest.mark.parametrize("name", ARITHMETIC)
def test_the_arithmetic_of_tracers_is_that_of_the_table(name: str, swapped: bool, kind: str, mode: Any) -> None:
    for number in (0.0, -0.0, 2.0, -3.0, inf, nan):
        trace = Trace()
        x = trace.input(number)
        with trace, mode():
            y = OPERANDS[kind](trace)
            method = f"__{'r' * swapped}{name}__"
            left, right = (y, x) if swapped else (x, y)
            quick = told(trace, lambda: getattr(x, method)(y))
            assert told(trace, lambda: operate(ARITHMETIC[name], left, right)) == quick


def told(trace: Trace, make: Callable[[], Any]) -> Any:
    """All that tells one result, or one error, from another, and the operations that the trace has noted for it."""
    start = len(trace.nodes)
    try:
        made = make()
    except Exception as error:
        return type(error), str(error).partition("\n  at ")[0]
    if not isinstance(made, Tracer):
        return made
    nodes = trace.nodes[start:]
    indices = {node: i for i, node in enumerate(nodes)}
    operands = [
        [indices.get(x, id(x)) if isinstance(x, Value) else (type(x), repr(x)) for x in node.operands] for node in nodes
    ]
    numbers = [(type(node), repr(node.number), node.op, node.label, node.owner) for node in nodes]
    return indices[made], numbers, operands


# --- assignments ---


def test_what_was_made_inside_from_constants_may_be_assigned() -> None:
    def f(x: Any) -> Any:
        made = Value(2.0)
        made.data, made.grad, made.label = 5.0, 1.0, "made"
        return x * made

    assert ad.compile(f, backend="python")(3.0) == 15.0


def test_labels_of_what_is_outside_may_be_assigned_inside() -> None:
    w = Value(2.0)

    def f(x: Any) -> Any:
        w.label = "w"
        return x * w

    assert ad.compile(f, backend="python")(3.0) == 6.0
    assert w.label == "w"


@pytest.mark.parametrize("name", ["data", "grad"])
def test_an_assignment_inside_is_refused_at_its_line_and_changes_nothing(name: str) -> None:
    w = Value(2.0)

    def f(x: Any) -> Any:
        setattr(w, name, 7.0)  # here
        return x * w

    with pytest.raises(TracingError, match=f"x.{name} was assigned inside a compiled function") as caught:
        ad.compile(f, backend="python")(3.0)
    line = int(str(caught.value).rpartition(":")[2])
    assert "# here" in Path(__file__).read_text().splitlines()[line - 1]
    assert (w.data, w.grad) == (2.0, 0.0)


def test_another_thread_assigns_while_this_one_traces() -> None:
    w = Value(2.0)

    def assign() -> None:
        w.data = 4.0

    def f(x: Any) -> Any:
        thread = threading.Thread(target=assign)
        thread.start()
        thread.join()
        with pytest.raises(TracingError):
            w.data = 5.0
        return x * w

    assert ad.compile(f, backend="python")(3.0) == 12.0
    assert w.data == 4.0
    assert "__setattr__" not in vars(Value)


def test_an_interrupted_trace_leaves_assignments_as_they_were() -> None:
    """The hook on assignments, which a trace needs, makes all eager code three times as slow."""
    ours = (Path(modes.__file__).parent).as_posix()
    kept = []
    for at in range(1, 2000, 7):
        left = at

        def tracer(frame: Any, kind: str, arg: Any) -> Any:
            nonlocal left
            if not frame.f_code.co_filename.startswith(ours):
                return None
            left -= kind == "line"
            if kind == "line" and left == 0:
                raise KeyboardInterrupt
            return tracer

        f = ad.compile(lambda x: x * 2.0 if x > 0 else x, backend="python")
        sys.settrace(tracer)
        try:
            f(1.0)
        except KeyboardInterrupt as error:
            kept.append(error)
        finally:
            sys.settrace(None)
        x = Value(2.0)
        x.data = 3.0
        assert "__setattr__" not in vars(Value)
        if left > 0:
            break
    assert len(kept) > 20
    assert modes.current() is None
