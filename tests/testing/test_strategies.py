"""The strategies: what they draw, what it shrinks to and how it prints."""

import math
import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from autodiff import Primitive, Value
from autodiff.primitives import TABLE
from autodiff.testing import Program, Step, points, programs, values
from tests.examples import swish

EACH = pytest.mark.parametrize("primitive", TABLE.values(), ids=TABLE)
FINDING = settings(max_examples=5000, derandomize=True, database=None)


# --- values ---


@given(x=values())
def test_values_are_leaves_that_hold_finite_floats(x: Value) -> None:
    assert type(x.data) is float
    assert math.isfinite(x.data)
    assert (x.op, x.grad, x.operands, x.label) == (None, 0.0, (), "")


@given(x=values(-1.0, 2.5))
def test_values_keep_their_bounds(x: Value) -> None:
    assert -1.0 <= x.data <= 2.5


@given(xs=st.lists(values(0.0, 0.0), min_size=2, max_size=5))
def test_every_value_is_a_leaf_of_its_own(xs: list[Value]) -> None:
    assert len({id(x) for x in xs}) == len(xs)


@given(x=values(labels=st.sampled_from(["a", "b"])))
def test_values_take_labels(x: Value) -> None:
    assert x.label in ("a", "b")


def test_nan_and_infinity_are_drawn_only_when_asked_for() -> None:
    assert math.isnan(find(values(allow_nan=True), lambda x: math.isnan(x.data), settings=FINDING).data)
    assert find(values(allow_infinity=True), lambda x: math.isinf(x.data), settings=FINDING).data == math.inf
    assert find(values(0.0, allow_infinity=True), lambda x: math.isinf(x.data), settings=FINDING).data == math.inf


def test_values_shrink_to_simple_numbers() -> None:
    assert find(values(), lambda x: x > 3.7, settings=FINDING).data == 4.0
    assert find(values(), lambda x: True, settings=FINDING).data == 0.0


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_a_failing_value_prints_as_the_call_that_makes_it() -> None:
    code = (
        "from hypothesis import given\n"
        "from autodiff.testing import values\n"
        "@given(x=values())\n"
        "def fails(x): assert x < 5\n"
        "try: fails()\n"
        "except AssertionError as error: print(error.__notes__)\n"
    )
    assert "x=Value(5.0)" in run(code)


# --- the entry point ---


def test_hypothesis_is_told_of_value_by_an_entry_point() -> None:
    ours = [entry for entry in entry_points(group="hypothesis") if entry.name == "autodiff"]
    assert [entry.value for entry in ours] == ["autodiff.testing.plugin:register"]


@pytest.mark.parametrize(
    "first",
    ["import hypothesis", "import autodiff", "import autodiff.testing.strategies", "import autodiff.testing.plugin"],
)
def test_from_type_resolves_whatever_is_imported_first(first: str) -> None:
    """The strategies import hypothesis, which loads the entry point while it is itself being imported."""
    code = (
        f"{first}\n"
        "import sys, hypothesis\n"
        "loaded = {'mpmath', 'numpy'} & set(sys.modules)\n"
        "from hypothesis import strategies as st\n"
        "from autodiff import Value\n"
        "alone = hypothesis.settings(database=None)\n"
        "print(loaded, hypothesis.find(st.from_type(Value), lambda x: x > 3.5, settings=alone))\n"
    )
    assert run(code) == "set() Value(4.0, grad=0.0)\n"


def test_hypothesis_loads_without_what_the_oracles_need() -> None:
    code = (
        "import sys; sys.modules['mpmath'] = None\n"
        "import hypothesis; from hypothesis import strategies as st\n"
        "from autodiff import Value\n"
        "alone = hypothesis.settings(database=None)\n"
        "print(hypothesis.find(st.from_type(Value), lambda x: True, settings=alone))\n"
    )
    assert run(code) == "Value(0.0, grad=0.0)\n"


@given(st.data())
def test_a_function_annotated_with_value_can_be_called(data: st.DataObject) -> None:
    def double(x: Value) -> Value:
        return x + x

    doubled = data.draw(st.builds(double))
    assert doubled.data == 2.0 * doubled.operands[0].data


# --- points ---


@EACH
@given(data=st.data())
def test_points_are_in_the_domain_and_off_the_kinks(primitive: Primitive, data: st.DataObject) -> None:
    operands = data.draw(points(primitive, margin=1e-3, max_operands=6))
    intervals, kinks, _ = primitive.domain
    assert len(operands) == primitive.arity or (primitive.arity is None and 1 <= len(operands) <= 6)
    assert len(operands) % 2 == 0 or primitive.name != "dot"
    for i, x in enumerate(operands):
        low, high = intervals[min(i, len(intervals) - 1)]
        assert low <= x <= high
    assert kinks is None or primitive.name == "where" or abs(kinks(*operands)) >= 1e-3


@pytest.mark.parametrize("name", ["exp", "log", "arcsin"])
def test_the_ends_of_a_domain_come_up(name: str) -> None:
    (low, high) = TABLE[name].domain.intervals[0]
    for end in (low, high):
        assert find(points(name), lambda operands: operands == (end,), settings=FINDING) == (end,)


def test_numbers_of_all_magnitudes_come_up() -> None:
    def between(low: float, high: float) -> tuple[float, ...]:
        return find(points("sin"), lambda operands: low < abs(operands[0]) < high, settings=FINDING)

    for low, high in [(0.0, 1e-12), (1e-12, 1e-6), (1e-6, 1e-3), (1e-3, 1.0), (1e3, 1e5)]:
        assert between(low, high)


@given(operands=points("sum", max_operands=3))
def test_a_list_has_at_most_so_many_operands(operands: tuple[float, ...]) -> None:
    assert 1 <= len(operands) <= 3


@given(operands=points(swish, margin=0.1))
def test_points_of_a_primitive_of_ones_own_keep_to_its_domain(operands: tuple[float, ...]) -> None:
    x, beta = operands
    assert 0.1 <= abs(x) <= 20.0
    assert 0.5 <= beta <= 3.0


@given(operands=points("maximum"))
def test_a_primitive_can_be_named(operands: tuple[float, ...]) -> None:
    assert len(operands) == 2
    assert operands[0] != operands[1]


@pytest.mark.parametrize(("wrong", "near"), [("arcsine", "arcsin"), ("multiply", "'"), ("", "'sin'")])
def test_a_name_that_is_not_in_the_table_is_refused(wrong: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"no primitive of the table is called '{wrong}'; .*{near}"):
        points(wrong)
    with pytest.raises(ValueError, match="no primitive of the table"):
        programs([wrong])


# --- programs ---


@given(program=programs(max_leaves=2, max_steps=7, max_abs=50.0))
def test_programs_keep_their_limits(program: Program) -> None:
    numbers = program.run(program.leaves)
    assert 1 <= len(program.leaves) <= 2
    assert 1 <= len(program.steps) <= 7
    assert all(abs(x) <= 50.0 for x in numbers[len(program.leaves) :])


@given(program=programs())
def test_every_step_is_in_its_domain_and_moves(program: Program) -> None:
    numbers = program.run(program.leaves)
    for k, step in enumerate(program.steps):
        operands = step.resolved(numbers)
        intervals = step.primitive.domain.intervals
        assert any(isinstance(x, int) for x in step.operands)
        assert all(x < len(program.leaves) + k for x in step.operands if isinstance(x, int))
        for i, x in enumerate(operands):
            low, high = intervals[min(i, len(intervals) - 1)]
            assert low <= x <= high


@given(program=programs(["mul", swish], leaves=st.just(2.0), constants=[0.5]))
def test_leaves_constants_and_primitives_can_be_chosen(program: Program) -> None:
    assert set(program.leaves) == {2.0}
    assert {step.primitive for step in program.steps} <= {TABLE["mul"], swish}
    assert {x for step in program.steps for x in step.operands if isinstance(x, float)} <= {0.5}


def test_every_primitive_comes_up_in_programs() -> None:
    seen: set[str] = set()

    @settings(max_examples=1000, derandomize=True, database=None, phases=[Phase.generate])
    @given(program=programs())
    def collect(program: Program) -> None:
        seen.update(step.name for step in program.steps)

    collect()
    assert seen == set(TABLE)


def test_programs_share_their_parts() -> None:
    """A node that is used twice, by different steps: the smallest such program has three steps."""

    def shares(program: Program) -> bool:
        used = [x for step in program.steps for x in set(step.operands) if isinstance(x, int)]
        return any(used.count(x) > 1 and x >= len(program.leaves) for x in used)

    assert len(find(programs(["sin", "mul"], max_steps=8), shares, settings=FINDING).steps) == 3


def test_a_program_is_a_function_of_its_leaves() -> None:
    square, sub = TABLE["square"], TABLE["sub"]
    program = Program((3.0, 5.0), (Step(square, (0,)), Step(sub, (2, 1)), Step(sub, (3, 1.0))))
    assert program(3.0, 5.0) == 3.0
    x, y = Value(4.0), Value(1.0)
    z = program(x, y)
    z.backward()
    assert (z.data, x.grad, y.grad) == (14.0, 8.0, -1.0)
    assert program.run([3.0, 5.0]) == [3.0, 5.0, 9.0, 4.0, 3.0]
    assert program.run([2, 1], {"square": lambda x: 10 * x, "sub": lambda x, y: x}) == [2, 1, 20, 20, 20]
    with pytest.raises(TypeError, match="the program takes 2 numbers, got 1"):
        program(3.0)


@given(program=programs([*TABLE, swish]))
def test_a_program_prints_as_python_that_computes_the_same(program: Program) -> None:
    names: dict[str, Any] = {}
    exec(repr(program), names)
    leaves = [Value(x) for x in program.leaves]
    program(*leaves).backward()
    assert [names[f"x{i}"].grad for i in range(len(leaves))] == [leaf.grad for leaf in leaves]


def test_a_printed_program_runs_in_a_fresh_interpreter() -> None:
    square, sub = TABLE["square"], TABLE["sub"]
    program = Program((3.0,), (Step(square, (0,)), Step(sub, (1, -1.5))))
    assert run(f"{program!r}\nprint(x0.grad, v2.data)") == "6.0 10.5\n"


def test_a_primitive_of_ones_own_is_imported_from_its_module() -> None:
    text = repr(Program((3.0,), (Step(swish, (0, 1.0)),)))
    assert "from tests.examples import swish\n" in text
    assert "v1 = swish(x0, 1.0)\n" in text


def test_no_primitives_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="programs got no primitives"):
        programs([])
