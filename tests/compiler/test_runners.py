"""Runners: nests that the core runs; a table that is wrong is refused, and none makes it read or write elsewhere."""

import math
from array import array
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodiff import Value, compile, native, value_and_grad
from autodiff.compiler.backends.native import NativeBackend
from autodiff.compiler.nests.reroll import reroll
from autodiff.compiler.nests.schema import Header, Nests
from autodiff.compiler.programs.program import Program
from autodiff.testing import LoopProgram, loop_programs
from tests.needs import need_core

need_core()


def backend_of(program: LoopProgram, rows: bool, reduction: str | None) -> NativeBackend:
    """The value and the gradient of a sum of what a program of loops returns."""
    leaves = [[Value(x) for x in numbers] for numbers in program.parameters]
    f = program.closing_over(*leaves)
    compiled = compile(lambda *xs: value_and_grad(lambda *ys: sum(f(*ys)))(*xs), rows=(0,) * rows, backend="python")
    first, *others = map(list, program.inputs)
    compiled(*([[first, first]] if rows else [first]), *others)
    ((version,),) = compiled._dispatcher.versions.values()
    return NativeBackend(version.program, reduction)


def runner_of(nests: Nests, reduction: str | None = None, few: Any = None) -> Any:
    return native.core.Runner(nests.table, nests.numbers, nests.header, reduction, few=few)


class WrongTableError(Exception):
    """A table was refused."""


def runs(table: Any, numbers: Any, header: Any, reduction: str | None, machine: str) -> None:
    """Run nests on zeros. Raises WrongTableError."""
    try:
        runner = native.core.Runner(table, numbers, header, reduction, 1, machine)
    except ValueError as error:
        if not str(error).startswith("a table of nests is wrong: "):
            raise
        raise WrongTableError from None
    inputs, varying, width = (header[at] for at in (Header.INPUTS, Header.VARYING, Header.OUTPUT_WIDTH))
    shared, count = array("d", bytes(8 * inputs)), 40
    work, work_of_row = runner.work
    if work + count * work_of_row > 1e8:
        return  # in its memory as well, but for hours
    if not varying:
        runner.run(shared, array("d", bytes(8 * width)))
    out = array("d", bytes(8 * width * (count if reduction is None else 1)))
    runner.run_rows(shared, array("d", bytes(8 * count * varying)), out, bytearray(count))


@given(loop_programs(max_length=9), st.booleans(), st.sampled_from([None, "sum"]), st.data())
def test_a_table_with_wrong_words_is_refused_or_runs_in_its_memory(
    program: LoopProgram, rows: bool, reduction: str | None, data: st.DataObject
) -> None:
    reduction = reduction if rows else None
    nests = backend_of(program, rows, reduction).nests
    machine = data.draw(st.sampled_from(native.core.machines()))
    runs(nests.table, nests.numbers, nests.header, reduction, machine)
    words = st.one_of(st.integers(-40, 40), st.integers(-(2**31), 2**31 - 1), st.sampled_from([1000, 1001, 2**30]))
    for _ in range(10):
        table, header = array("i", nests.table), array("q", nests.header)
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(table) - 1))
            table[at] = max(-(2**31), min(2**31 - 1, table[at] + data.draw(words)))
        for _ in range(data.draw(st.integers(0, 1))):
            at = data.draw(st.integers(0, len(header) - 1))
            header[at] += data.draw(words)
        if abs(header[Header.SIZE]) < 10**6:
            with suppress(WrongTableError):
                runs(table, nests.numbers, header, reduction, machine)


PROGRAM = Program.of(2, [3.0], [("mul", (0, 1)), ("add", (3, 2))], [4])


def test_buffers_of_other_kinds_and_sizes_are_refused() -> None:
    runner, two, one = NativeBackend(PROGRAM).runner, array("d", [2.0, 3.0]), array("d", [0.0])
    assert (runner.run(two, one), one.tolist()) == (True, [9.0])
    for numbers, out, kind in (
        (one, one, ValueError),
        (two, two, ValueError),
        ([2.0, 3.0], one, TypeError),
        (array("f", [2.0, 3.0]), one, TypeError),
        (two, one.tobytes(), (TypeError, BufferError)),
    ):
        with pytest.raises(kind):
            runner.run(numbers, out)
    with pytest.raises(ValueError, match="expected 2 numbers, got 1"):
        runner.run_rows(one, array("d"), one, bytearray(1))
    with pytest.raises(ValueError, match="there are no rows"):
        runner.run_rows(two, array("d"), one, bytearray())


def test_a_runner_names_its_machine() -> None:
    nests = NativeBackend(PROGRAM).nests
    for name in native.core.machines():
        assert native.core.Runner(nests.table, nests.numbers, nests.header, None, 1, name).machine == name
    with pytest.raises(ValueError, match=r"machines\(\) names the machines there are, got 'abacus'"):
        native.core.Runner(nests.table, nests.numbers, nests.header, None, 1, "abacus")
    with pytest.raises(ValueError, match="expected None, 'sum' or 'mean', got 'max'"):
        native.core.Runner(nests.table, nests.numbers, nests.header, "max", 1)


def test_words_that_change_later_change_nothing() -> None:
    nests = NativeBackend(PROGRAM).nests
    table, out = array("i", nests.table), array("d", [0.0])
    runner = native.core.Runner(table, nests.numbers, nests.header, None, 1)
    table[:] = array("i", [-1] * len(table))
    assert (runner.run(array("d", [2.0, 3.0]), out), out.tolist()) == (True, [9.0])


@given(
    loop_programs(max_length=9),
    st.sampled_from([None, "sum", "mean"]),
    st.integers(1, 9),
    st.randoms(use_true_random=False),
)
def test_few_rows_have_the_bits_that_they_have_in_wide_blocks(
    program: LoopProgram, reduction: str | None, count: int, rng: Any
) -> None:
    backend = backend_of(program, True, reduction)
    inputs, varying, width = (backend.nests.header[at] for at in (Header.INPUTS, Header.VARYING, Header.OUTPUT_WIDTH))
    shared = array("d", [rng.gauss(0.0, 1.0) for _ in range(inputs)])
    rows = array("d", [rng.gauss(0.0, 1.0) for _ in range(count * varying)])
    for at in rng.sample(range(len(rows)), rng.randint(0, min(2, len(rows)))):
        rows[at] = rng.choice([-0.0, 0.0, math.inf, math.nan])
    found = []
    for runner in (backend.runner, runner_of(backend.nests, reduction)):
        out, holds = array("d", bytes(8 * width * (count if reduction is None else 1))), bytearray(count)
        found.append((runner.run_rows(shared, rows, out, holds), out.tobytes(), holds))
    assert found[0] == found[1]


def test_up_to_eight_rows_run_by_a_runner_that_is_made_once() -> None:
    program, made = PROGRAM._replace(varying=b"\0\1"), []

    def few(lanes: int = 8, program: Program = program, reduction: str | None = None) -> Any:
        made.append(runner_of(reroll(program, False, lanes), reduction))
        return made[-1]

    wide = reroll(program)
    runner = runner_of(wide, few=few)
    for count in (9, 1, 8, 40, 8):
        out, rows = array("d", bytes(8 * count)), array("d", range(count))
        assert runner.run_rows(array("d", [2.0]), rows, out, bytearray(count))
        assert out.tolist() == [3.0 + 2.0 * x for x in rows]
        assert len(made) == (count != 9)
    out, rows, holds = array("d", [0.0]), array("d", [1.0]), bytearray(1)
    for wrong in (partial(few, program=PROGRAM), partial(few, reduction="sum"), dict):
        with pytest.raises(TypeError, match="expected a runner of the same program for few rows"):
            runner_of(wide, few=wrong).run_rows(array("d", [2.0]), rows, out, holds)
    with pytest.raises(ZeroDivisionError):
        runner_of(wide, few=lambda: 1 // 0).run_rows(array("d", [2.0]), rows, out, holds)
