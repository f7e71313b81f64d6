"""Tracing: what a trace is asked, its tracers, and assignments while it is under way."""

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import autodiff as ad
from autodiff import Value, modes
from autodiff.compiler import TracingError
from autodiff.compiler.trace.tracers import Condition, Tracer
from autodiff.compiler.trace.tracing import Trace


def test_a_trace_is_a_reading() -> None:
    trace = Trace()
    reading: modes.Reading = trace
    with trace:
        assert modes.reading() is reading
    assert modes.reading() is None


def test_a_tracer_is_a_value_with_slots_of_its_own() -> None:
    trace = Trace()
    x = trace.input(2.0)
    with trace:
        y, condition = x * 3.0, x > 1.0
    for tracer in (x, y, condition):
        assert isinstance(tracer, Value)
        assert (tracer.owner, tracer.label) == (trace.owner, "")
        assert not hasattr(tracer, "__dict__")
        for name in ("data", "grad", "local_gradients"):  # a Value's, which nothing fills
            with pytest.raises(AttributeError):
                vars(Value)[name].__get__(tracer)
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
