"""Random programs: backward through whole graphs with shared parts, against oracles that never walk backward."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from autodiff import Primitive, Value
from autodiff.primitives import TABLE
from autodiff.testing import Program, programs
from autodiff.testing.mathematics import ORACLES, STEP, derivative, exact
from tests.laws.oracles import GRADIENT_TERMS, planted, value_error

Table = Mapping[str, Callable[..., Any]]

SMOOTH_PROGRAMS = programs()
WHOLE = ["add", "sub", "mul", "neg", "square", "sum", "prod", "dot", "abs", "relu", "maximum", "minimum", "max", "min"]
WHOLE += ["clip", "where", "mod", "floordiv", "sign"]
WHOLE_PROGRAMS = programs(WHOLE, leaves=st.integers(-3, 3).map(float), constants=[0.0, 1.0, 2.0, -3.0])
MORE = settings(max_examples=5 * settings().max_examples)


def backward(program: Program, table: Table = TABLE) -> tuple[list[Any], list[float]]:
    """All numbers of the program as Values, and the gradient of the last in the leaves."""
    leaves = [Value(x) for x in program.leaves]
    numbers = program.run(leaves, table)
    numbers[-1].backward()
    return numbers, [leaf.grad for leaf in leaves]


# --- an oracle that walks forward ---


class Tangent(NamedTuple):
    """A derivative in one leaf, and the largest it could be if nothing cancelled."""

    slope: Any
    magnitude: Any


def tangents(program: Program, numbers: Sequence[float], leaf: int) -> Tangent:
    """The derivative of the program's result in that leaf, in forward mode, with 50 digits.

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
            return program.run([exact.mpf(x) + step * (i == leaf) for i, x in enumerate(program.leaves)], ORACLES)[-1]

        slope = (moved(STEP) - moved(-STEP)) / (2 * STEP)
        assert abs(slope - exact.nint(slope)) < 1e-20
        assert abs(slope) > 2**53 or got == exact.nint(slope)


@given(program=SMOOTH_PROGRAMS)
def test_programs_give_the_same_bits_on_floats_and_values(program: Program) -> None:
    values, _ = backward(program)
    assert [repr(v.data) for v in values] == [repr(x) for x in program.run(program.leaves)]


@given(program=SMOOTH_PROGRAMS)
def test_a_program_prints_as_python_that_computes_the_same(program: Program) -> None:
    names: dict[str, Any] = {}
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
