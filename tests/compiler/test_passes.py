"""Programs and passes: what a program gives is the same to the last bit before and after each pass.

Those for loops make fused products, which round once less: they are held to it where nothing is rounded.
"""

import itertools
import math
import pickle
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodiff.compiler.backends.python import PythonBackend, source
from autodiff.compiler.passes.drop_dead_code import drop_dead_code
from autodiff.compiler.passes.flatten_sums import flatten_sums
from autodiff.compiler.passes.fold_constants import fold_constants
from autodiff.compiler.passes.fold_products import fold_products
from autodiff.compiler.passes.multiply_out_powers import multiply_out_powers
from autodiff.compiler.passes.order import PASSES, Pass, optimised
from autodiff.compiler.passes.share_common_subexpressions import share_common_subexpressions
from autodiff.compiler.passes.shorten_sums import shorten_sums
from autodiff.compiler.programs.opcodes import CODE, OPCODES
from autodiff.compiler.programs.program import Builder, Program
from autodiff.testing import programs
from autodiff.testing.loops import loop_programs
from tests.compiler.random_programs import total_of, traced

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, math.inf, -math.inf, math.nan, 1e308, 5e-324]

FOR_LOOPS = [each for each in PASSES if each.for_loops]


def bits(numbers: Any) -> list[bytes]:
    return [b"nan" if x != x else struct.pack("d", x) for x in numbers]


@pytest.mark.parametrize("each", [each for each in PASSES if not each.for_loops], ids=lambda each: each.name)
@given(program=programs(max_steps=16), gradient=st.booleans(), data=st.data())
def test_a_pass_changes_no_bit(each: Pass, program: Any, gradient: bool, data: st.DataObject) -> None:
    before = traced(lambda xs: program(*xs) if gradient else program.run(xs), program.leaves, gradient)
    after = each.function(before)
    n = len(program.leaves)
    for numbers in (list(program.leaves), data.draw(st.lists(st.sampled_from(SPECIAL), min_size=n, max_size=n))):
        assert bits(after.evaluate(numbers)) == bits(before.evaluate(numbers))
    assert len(after.codes) <= len(before.codes)
    assert each.function(after) == after if each.name != "fold constants" else True


@pytest.mark.parametrize("each", FOR_LOOPS, ids=lambda each: each.name)
@given(loops=loop_programs(max_length=12, max_steps=5), gradient=st.booleans())
def test_a_pass_for_loops_changes_no_bit_where_nothing_is_rounded(each: Pass, loops: Any, gradient: bool) -> None:
    numbers = [x for xs in loops.inputs for x in xs]
    before, _ = optimised(traced(total_of(loops), numbers, gradient))
    for earlier in FOR_LOOPS[: FOR_LOOPS.index(each)]:
        before = earlier.function(before)
    after = each.function(before)
    assert bits(after.evaluate(numbers)) == bits(before.evaluate(numbers))
    assert each.function(after) == after


@given(x=st.one_of(st.floats(), st.sampled_from(SPECIAL)))
def test_powers_that_are_multiplied_out_are_powers(x: float) -> None:
    program = Program.of(1, [2.0, -1.0], [("pow", (0, 1)), ("pow", (0, 2))], [3, 4])
    after = multiply_out_powers(program)
    assert [OPCODES[code].name for code in after.codes] == ["mul", "div"]
    for power, product in zip(program.evaluate([x]), after.evaluate([x]), strict=True):
        assert product == pytest.approx(power, rel=1e-15, abs=5e-324, nan_ok=True)
        assert power != power or math.copysign(1.0, product) == math.copysign(1.0, power)


def test_each_sum_is_one_operation_and_its_products_are_in_it() -> None:
    instructions = [
        ("mul", (0, 1)),
        ("add", (4, 2)),
        ("mul", (1, 2)),
        ("add", (5, 6)),
        ("mean", (7, 0, 1)),
        ("dot", (0, 1, 2, 0)),
        ("sub", (8, 9)),
    ]
    small, _ = optimised(Program.of(3, [5.0], instructions, [10, 3]), for_loops=True)
    assert small.listing() == (
        "inputs  x0 x1 x2\n"
        "v7 = products -0.0 x0 x1 1.0 x2 x1 x2\n"
        "v8 = products -0.0 1.0 v7 1.0 x0 1.0 x1\n"
        "v9 = div v8 3.0\n"
        "v10 = products -0.0 x0 x2 x1 x0\n"
        "v11 = sub v9 v10\n"
        "outputs v11 5.0"
    )


@given(program=programs(max_steps=16), data=st.data())
def test_the_python_backend_means_what_the_program_means(program: Any, data: st.DataObject) -> None:
    whole, _ = optimised(traced(lambda xs: program(*xs), program.leaves, gradient=True))
    n = len(program.leaves)
    numbers = data.draw(st.lists(st.sampled_from(SPECIAL), min_size=n, max_size=n))
    outputs, holds = PythonBackend(whole).run(numbers)
    assert bits(outputs) == bits(whole.evaluate(numbers))
    assert holds


def test_what_is_constant_is_folded_and_what_changes_nothing_left_out() -> None:
    program = Program.of(
        1,
        [1.0, 0.0, -0.0, 2.0],
        [
            ("mul", (0, 1)),  # x
            ("add", (5, 3)),  # x + -0
            ("sub", (6, 2)),  # x - 0
            ("pow", (7, 1)),  # x
            ("div", (8, 1)),  # x
            ("detach", (9,)),  # x
            ("neg", (10,)),
            ("neg", (11,)),  # x
            ("where", (1, 12, 4)),  # x
            ("where", (0, 13, 13)),  # x
            ("mul", (4, 4)),  # 4
            ("add", (14, 15)),  # x + 4
        ],
        [16, 15],
    )
    small = drop_dead_code(fold_constants(program))
    assert small.listing() == "inputs  x0\nv2 = add x0 4.0\noutputs v2 4.0"


@pytest.mark.parametrize(("name", "slots"), [("add", (0, 1)), ("sub", (1, 0)), ("mul", (0, 1)), ("strong_mul", (0, 2))])
def test_what_would_change_a_signed_zero_or_nan_stays(name: str, slots: tuple[int, int]) -> None:
    program = Program.of(1, [0.0, 1.0], [(name, slots)], [3])  # x + 0, 0 - x, x * 0, the strong x * 1
    assert fold_constants(program) == program


@pytest.mark.parametrize("second", [("strong_mul", (2, 3)), ("strong_mul", (0, 3)), ("add", (2, 5))])
@pytest.mark.parametrize("order", [(6, 7), (7, 6)])
def test_a_sum_of_adjoints_is_nothing_only_where_all_of_them_are(
    second: tuple[str, tuple[int, int]], order: tuple[int, int]
) -> None:
    """Whatever their numbers: an adjoint or a slope of 1.0 that is computed is no mark of anything."""
    for sums in ([("add", order)], [("add", order), ("add", (8, 2))], [("sum", (*order, 2, 0))]):
        instructions = [("strong_mul", (0, 1)), second, *sums]
        program = Program.of(4, [2.0, 0.0], instructions, [len(instructions) + 5])
        small = program
        for improve in (flatten_sums, fold_products, shorten_sums):
            small = improve(small)
        for numbers in itertools.product((-0.0, 0.0, 1.0, -1.0, math.inf), repeat=4):
            assert repr(small.evaluate(numbers)) == repr(program.evaluate(numbers)), (small.listing(), numbers)


def test_equal_instructions_are_shared_whatever_their_order() -> None:
    program = Program.of(2, [], [("add", (0, 1)), ("add", (1, 0)), ("sub", (0, 1)), ("sub", (1, 0))], [2, 3, 4, 5])
    assert share_common_subexpressions(program).outputs.tolist() == [2, 2, 3, 4]


def test_guards_keep_their_conditions_alive() -> None:
    program = Program.of(
        1, [0.0, 9.0], [("less", (1, 0)), ("sin", (0,)), ("cos", (0,))], [4], guards=[3], expected=b"\1"
    )
    small = drop_dead_code(program)
    assert (len(small.codes), small.constants.tolist(), small.expected) == (2, [0.0], b"\1")
    assert PythonBackend(small).run([2.0]) == ([math.sin(2.0)], True)
    assert not PythonBackend(small).run([-2.0])[1]


def test_a_program_of_many_parts_is_several_functions() -> None:
    count = 9001
    program = Program.of(1, [1.0], [("add", (i + 1 if i else 0, 1)) for i in range(count)], [count + 1])
    assert source(program).count("def run") == 3
    assert PythonBackend(program).run([0.0]) == ([float(count)], True)


def test_a_builder_writes_a_constant_once_whenever_it_is_asked_for() -> None:
    build = Builder(inputs=1)
    total = build.add(CODE["add"], [0, build.constant(2.0)])
    total = build.add(CODE["mul"], [total, build.constant(-0.0)])
    outputs = [build.add(CODE["sub"], [total, build.constant(2.0)]), build.constant(0.0), 0]
    program = build.program(outputs)
    assert [repr(x) for x in program.constants] == ["2.0", "-0.0", "0.0"]
    assert program.evaluate([1.0]) == [-2.0, 0.0, 1.0]
    assert Program.of(1, program.constants, program.instructions(), program.outputs) == program


def test_programs_are_small_and_pickle() -> None:
    program = Program.of(2, [3.0], [("mul", (0, 1)), ("add", (3, 2))], [4], varying=b"\0\1")
    assert pickle.loads(pickle.dumps(program)) == program
    assert (program.slots, program.bytes, list(program.varying_slots())) == (5, 56, [0, 1, 0, 1, 1])


def test_every_primitive_of_the_table_has_an_opcode() -> None:
    assert len(CODE) == len(OPCODES)
    assert all(OPCODES[CODE[primitive.name]] is primitive for primitive in OPCODES)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow"])
def test_what_changes_nothing_is_left_out_only_where_it_changes_no_bit(name: str) -> None:
    """x + 0.0 is not x where x is -0.0; x - 0.0 is."""
    special = [0.0, -0.0, 1.0, -1.0, math.inf, math.nan, 5e-324]
    for constant in special:
        for operands in ((0, 1), (1, 0)):
            program = Program.of(1, [constant], [(name, operands)], [2])
            small, _ = optimised(program)
            for x in special:
                expected, got = PythonBackend(program).run([x])[0], PythonBackend(small).run([x])[0]
                assert repr(got) == repr(expected), (constant, operands, x)
