"""Random programs: backward through whole graphs with shared parts, against oracles that never walk backward.

A program is a list of operations over earlier results. It prints as Python, so that a failing one can be pasted:

    x0 = Value(2.0)
    v1 = primitives.mul(x0, x0)
    v2 = primitives.sub(v1, 3.0)
    v2.backward()
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, find, given, settings
from hypothesis import strategies as st

from autodiff import Primitive, Value, primitives
from autodiff.primitives import TABLE
from tests.oracles import GRADIENT_TERMS, ORACLES, STEP, derivative, exact, planted, value_error

Table = Mapping[str, Callable[..., Any]]


class Step(NamedTuple):
    """A primitive by its name; each operand is the index of an earlier number, or a constant float."""

    name: str
    operands: tuple[int | float, ...]

    def resolved(self, numbers: Sequence[Any]) -> list[Any]:
        """Return the operands, given all numbers before this step."""
        return [numbers[x] if isinstance(x, int) else x for x in self.operands]


class Program(NamedTuple):
    """Leaves and steps; numbers are counted from the leaves on, and the last is the result."""

    leaves: tuple[float, ...]
    steps: tuple[Step, ...]

    def run(self, table: Table, leaves: Sequence[Any]) -> list[Any]:
        """Return all numbers that the program goes through, made by the functions of that table."""
        numbers = list(leaves)
        for step in self.steps:
            numbers.append(table[step.name](*step.resolved(numbers)))
        return numbers

    def __repr__(self) -> str:
        names = [f"x{i}" for i in range(len(self.leaves))]
        lines = [f"{name} = Value({x!r})" for name, x in zip(names, self.leaves, strict=True)]
        for step in self.steps:
            call = f"primitives.{step.name}({', '.join(map(str, step.resolved(names)))})"
            names.append(f"v{len(names)}")
            lines.append(f"{names[-1]} = {call}")
        return "\n".join(["", *lines, f"{names[-1]}.backward()", ""])


# --- random programs ---


def wishes(names: Sequence[str], constants: Sequence[float]) -> st.SearchStrategy[Step | None]:
    """Return a strategy of steps whose indices count back from the newest number, around and around.

    It is made to shrink well: to None, no step at all; and an operand is one choice, so that steps of few choices are
    deleted whole.
    """
    operand = st.sampled_from([0, 1, 2, 3, 0, 1, 5, 8, *constants])

    def of(name: str | None) -> st.SearchStrategy[Step | None]:
        if name is None:
            return st.none()
        if (arity := TABLE[name].arity) is not None:
            operands = st.tuples(*[operand] * arity)
        elif name == "dot":
            pairs = st.lists(st.tuples(operand, operand), min_size=1, max_size=3)
            operands = pairs.map(lambda pairs: tuple(chain(*zip(*pairs, strict=True))))
        else:
            operands = st.lists(operand, min_size=1, max_size=5).map(tuple)
        return operands.map(lambda operands: Step(name, operands))

    return st.sampled_from([None, *names]).flatmap(of)


def is_smooth(step: Step, operands: Sequence[float]) -> bool:
    """Return whether the operands lie in the primitive's domain, away from its kinks, and move at all."""
    intervals, kinks = TABLE[step.name].domain
    inside = all(
        low <= x <= high for x, (low, high) in zip(operands, intervals + intervals[-1:] * len(operands), strict=False)
    )
    if step.name == "where" and isinstance(step.operands[0], float):
        kinks = None  # a constant condition has none
    return inside and (kinks is None or abs(kinks(*operands)) > 1e-3) and any(isinstance(x, int) for x in step.operands)


@st.composite
def programs(
    draw: st.DrawFn, names: Sequence[str], leaf: st.SearchStrategy[float], constants: Sequence[float]
) -> Program:
    """Return a strategy of programs: of the steps drawn, those that stay in the domains and at moderate size."""
    leaves = draw(st.lists(leaf, min_size=1, max_size=3).map(tuple))
    numbers = list(leaves)
    steps: list[Step] = []
    for wish in draw(st.lists(wishes(names, constants), min_size=12, max_size=24)):
        if wish is None:
            continue
        operands = [x if isinstance(x, float) else len(numbers) - 1 - x % len(numbers) for x in wish.operands]
        step = Step(wish.name, tuple(operands))
        floats = step.resolved(numbers)
        if is_smooth(step, floats) and abs(result := TABLE[step.name](*floats)) <= 1e4:
            steps.append(step)
            numbers.append(result)
    assume(steps)
    return Program(leaves, tuple(steps))


SMOOTH_PROGRAMS = programs(list(TABLE), st.floats(-3.0, 3.0).map(lambda x: round(x, 4)), [0.0, 0.5, 1.0, 2.0, -1.5])
WHOLE = ["add", "sub", "mul", "neg", "square", "sum", "prod", "dot", "abs", "relu", "maximum", "minimum", "max", "min"]
WHOLE += ["clip", "where", "mod", "floordiv", "sign"]
WHOLE_PROGRAMS = programs(WHOLE, st.integers(-3, 3).map(float), [0.0, 1.0, 2.0, -3.0])
MORE = settings(max_examples=5 * settings().max_examples)


def backward(program: Program, table: Table = TABLE) -> tuple[list[Any], list[float]]:
    """Return all numbers of the program as Values, and the gradient of the last in the leaves."""
    leaves = [Value(x) for x in program.leaves]
    numbers = program.run(table, leaves)
    numbers[-1].backward()
    return numbers, [leaf.grad for leaf in leaves]


# --- an oracle that walks forward ---


class Tangent(NamedTuple):
    """A derivative in one leaf, and the largest it could be if nothing cancelled."""

    slope: Any
    magnitude: Any


def tangents(program: Program, numbers: Sequence[float], leaf: int) -> Tangent:
    """Return the derivative of the program's result in that leaf, in forward mode, with 50 digits.

    The derivatives of each step are mpmath's, taken at the floats that the program went through. So the two differ by
    the rounding errors of local gradients and backward alone, however the program magnifies those of its values.
    """
    found = [Tangent(exact.mpf(i == leaf), exact.mpf(i == leaf)) for i in range(len(program.leaves))]
    for step in program.steps:
        floats = step.resolved(numbers)
        terms = GRADIENT_TERMS.get(step.name, lambda *xs: 0)(*map(exact.mpf, floats))
        slope = magnitude = exact.zero
        for position, operand in enumerate(step.operands):
            if isinstance(operand, int) and found[operand].magnitude:
                local = derivative(step.name, floats, position)
                slope += local * found[operand].slope
                magnitude += max(abs(local), terms) * found[operand].magnitude
        found.append(Tangent(slope, magnitude))
    return found[-1]


def check_program(program: Program, table: Mapping[str, Primitive] = TABLE) -> None:
    """Hold every value, and the gradient, against mpmath.

    Along a path each local gradient adds the ulps of its bound, each product and each sum of backward one.
    """
    values, gradient = backward(program, table)
    numbers = [v.data for v in values]
    for step in program.steps:
        assert value_error(table[step.name], step.resolved(numbers)) <= table[step.name].ulps
    ulps = sum(table[step.name].ulps + 2 * len(step.operands) for step in program.steps)
    for leaf, got in enumerate(gradient):
        true, magnitude = tangents(program, numbers, leaf)
        assert abs(got - true) <= ulps * math.ulp(1.0) * magnitude + 1e-290, (
            f"d/dx{leaf} is {got}, not {float(true)} +- {float(ulps * math.ulp(1.0) * magnitude)}, of{program}"
        )


@MORE
@given(program=SMOOTH_PROGRAMS)
def test_gradients_of_random_programs_are_those_of_mpmath(program: Program) -> None:
    check_program(program)


@MORE
@given(program=WHOLE_PROGRAMS)
def test_gradients_of_whole_number_programs_are_exact(program: Program) -> None:
    """The oracle is one difference of the whole program, and knows no chain rule: exact but for its 45th digit."""
    _, gradient = backward(program)
    for leaf, got in enumerate(gradient):

        def moved(step: Any) -> Any:
            return program.run(ORACLES, [exact.mpf(x) + step * (i == leaf) for i, x in enumerate(program.leaves)])[-1]

        slope = (moved(STEP) - moved(-STEP)) / (2 * STEP)
        assert abs(slope - exact.nint(slope)) < 1e-20
        assert abs(slope) > 2**53 or got == exact.nint(slope)


@given(program=SMOOTH_PROGRAMS)
def test_programs_give_the_same_bits_on_floats_and_values(program: Program) -> None:
    values, _ = backward(program)
    assert [repr(v.data) for v in values] == [repr(x) for x in program.run(TABLE, program.leaves)]


@given(program=SMOOTH_PROGRAMS)
def test_a_program_prints_as_python_that_computes_the_same(program: Program) -> None:
    names: dict[str, Any] = {"Value": Value, "primitives": primitives}
    exec(repr(program), names)
    assert [names[f"x{i}"].grad for i in range(len(program.leaves))] == backward(program)[1]


@pytest.mark.parametrize("name", ["sub", "sin", "softmax", "max"])
def test_a_planted_mistake_is_found_and_shrinks_to_one_step(name: str) -> None:
    table = {**TABLE, name: planted(TABLE[name], 0, lambda local: 2.0 * local[0])}

    def fails(program: Program) -> bool:
        try:
            check_program(program, table)
        except AssertionError:
            return True
        return False

    found = find(SMOOTH_PROGRAMS, fails, settings=settings(max_examples=2000, derandomize=True, database=None))
    assert [step.name for step in found.steps] == [name]
