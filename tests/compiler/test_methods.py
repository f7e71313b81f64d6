"""Compiled methods, and deep copies of the objects that have some."""

import copy
import functools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autodiff import Value, compile, value_and_grad


def test_a_method_can_be_compiled(backend: str) -> None:
    class Line:
        def __init__(self, slope: float) -> None:
            self.slope = Value(slope)

        @compile(backend=backend)
        def at(self, x: Any) -> Any:
            return self.slope * x

    line = Line(3.0)
    assert line.at(2.0) == 6.0
    line.slope.data = 4.0
    assert (line.at(2.0), Line(5.0).at(2.0)) == (8.0, 10.0)


def test_copies_of_compiled_functions_still_trace(backend: str) -> None:
    f = compile(lambda x: x * 2.0, backend=backend)
    assert copy.deepcopy({"f": f})["f"](3.0) == 6.0
    assert copy.copy(f)([3.0][0]) == 6.0
    with pytest.raises(TypeError, match="no program to pickle yet"):
        pickle.dumps(compile(lambda x: x))


class _Line:
    def __init__(self, slope: float, compiling: Callable[..., Any]) -> None:
        self.slope = Value(slope)
        self.run = compiling(self)

    def at(self, x: Any) -> Any:
        return self.slope * x


def _recursive(line: _Line) -> Any:
    def at(x: Any, times: int = 2) -> Any:
        return at(x, times - 1) if times else line.at(x)

    return compile(at, backend="python")


COMPILED_IN_OBJECTS: dict[str, Callable[[_Line], Any]] = {
    "a method": lambda line: compile(line.at, backend="python"),
    "a partial": lambda line: compile(functools.partial(_Line.at, line), backend="python"),
    "a lambda": lambda line: compile(lambda x: line.at(x), backend="python"),
    "a recursion": lambda line: _recursive(line),
    "a default": lambda line: compile(lambda x, line=line: line.at(x), backend="python"),
    "a keyword": lambda line: compile(functools.partial(lambda x, *, line: line.at(x), line=line), backend="python"),
    "a wrapped method": lambda line: compile(lambda x, f=line.at: f(x), backend="python"),
    "compiled twice": lambda line: compile(compile(line.at, backend="python"), backend="python"),
}


@pytest.mark.parametrize("name", COMPILED_IN_OBJECTS)
def test_a_deep_copy_of_an_object_runs_and_trains_itself(name: str) -> None:
    line = _Line(3.0, COMPILED_IN_OBJECTS[name])
    assert line.run(2.0) == 6.0
    twin = copy.deepcopy(line)
    twin.slope.data = 10.0
    assert (twin.run(2.0), line.run(2.0)) == (20.0, 6.0)
    twin.run.backward(5.0)
    assert (twin.slope.grad, line.slope.grad) == (5.0, 0.0)


def test_a_deep_copy_of_a_model_rebinds_the_transforms_of_its_methods() -> None:
    line = _Line(3.0, lambda line: compile(value_and_grad(line.at), backend="python"))
    twin = copy.deepcopy({"run": line.run, "line": line})
    twin["line"].slope.data = 10.0
    assert (twin["run"](2.0), line.run(2.0)) == ((20.0, 10.0), (6.0, 3.0))


def test_a_function_that_closes_over_nothing_that_is_copied_stays_itself() -> None:
    w = Value(3.0)
    f = compile(lambda x: w * x, backend="python")
    assert copy.deepcopy([f])[0] is f
    leaf, rebound = copy.deepcopy((w, f))
    leaf.data = 5.0
    assert (rebound(2.0), f(2.0)) == (10.0, 6.0)


def test_what_a_compiled_function_has_its_methods_have(backend: str) -> None:
    class Line:
        def __init__(self, slope: float) -> None:
            self.slope = Value(slope)

        @compile(backend=backend)
        def at(self, x: Any) -> Any:
            "Return the height at x."
            return self.slope * x[0]

    line, x = Line(3.0), np.array([2.0])
    assert (line.at.backward(x), line.slope.grad) == (6.0, 2.0)
    call = line.at.prepare(x)
    x[0] = 5.0
    call()
    assert float(call.results) == 15.0
    assert "mul x1 x0" in line.at.listing()
    assert line.at.stats().paths == 2  # with that of backward
    assert (line.at.__name__, line.at.__doc__) == ("at", "Return the height at x.")
    assert line.at == line.at != Line(3.0).at
    assert len({line.at, line.at}) == 1
    assert copy.deepcopy(line).at(x) == 15.0
    assert copy.deepcopy(line.at).__self__ is not line
    assert copy.copy(line.at) == line.at
