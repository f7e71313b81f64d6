"""Pairs: each function of the core in C gives what the plain function in its place means, to the last bit."""

import struct
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodiff import native
from autodiff.compiler.nests.reroll import reroll
from autodiff.compiler.nests.schema import Header
from autodiff.compiler.passes.order import PASSES, optimised
from autodiff.compiler.programs.opcodes import CODE, OPCODES
from autodiff.compiler.programs.program import Builder, Program
from autodiff.native.pairs import PAIRS, Pair, paired
from autodiff.primitives import Primitive
from tests.compiler.random_programs import any_programs, compiled_programs
from tests.needs import need_core

need_core()

from tests.compiler.test_nests import loops, matrices, ragged  # noqa: E402  (which is skipped without one)

PASS_NAMES = [each.function.__name__ for each in PASSES]
OF_PROGRAMS = [*PASS_NAMES, "reroll"]  # functions of any program
MODULES = ["autodiff.compiler.nests.reroll", "autodiff.compiler.nests.totals"]  # others with pairs of theirs
for module in MODULES:
    import_module(module)

LOOPS = st.one_of(loops(), ragged(), matrices())
ROLLED = st.one_of(compiled_programs(), LOOPS, LOOPS.map(lambda program: optimised(program, for_loops=True)[0]))

# What a pair is called with; a program, unless it stands here.
ARGUMENTS: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "reroll": st.tuples(ROLLED, st.booleans(), st.sampled_from([8, 32, 1, 5])),
}


def exactly(result: Any) -> Any:
    """A result as what can be compared: kinds, and bits of numbers."""
    match result:
        case float():
            return struct.pack("d", result)
        case array():
            return result.typecode, result.tobytes()
        case list() | tuple():
            return type(result), [exactly(item) for item in result]
        case dict():
            return [(exactly(key), exactly(item)) for key, item in result.items()]
    return type(result), result


def test_a_core_without_the_function_of_a_pair_is_of_other_sources() -> None:
    def unheard_of() -> None:
        raise AssertionError

    with pytest.raises(ImportError, match="built from other sources than these"):
        paired(unheard_of)
    assert "unheard_of" not in PAIRS


@pytest.mark.parametrize("name", PAIRS)
@given(data=st.data())
def test_the_core_gives_what_the_plain_function_means(name: str, data: st.DataObject) -> None:
    pair = PAIRS[name]
    arguments = data.draw(ARGUMENTS.get(name, st.tuples(compiled_programs())))
    assert exactly(pair.fast(*arguments)) == exactly(pair.plain(*arguments))


@given(program=compiled_programs())
def test_the_core_gives_it_pass_after_pass(program: Program) -> None:
    for name in PASS_NAMES:
        smaller = PAIRS[name].fast(program)
        assert exactly(smaller) == exactly(PAIRS[name].plain(program))
        program = smaller


@pytest.mark.parametrize("name", PASS_NAMES)
def test_passes_are_paired(name: str) -> None:
    assert PAIRS[name].plain is not PAIRS[name].fast
    assert getattr(native.core, name)


@pytest.mark.parametrize("name", PASS_NAMES)
def test_programs_with_primitives_of_a_users_own_are_left_to_python(name: str) -> None:
    twice = Primitive("twice", "2 x", lambda x: 2.0 * x, [lambda out, x: 2.0])
    build = Builder(1)
    double = build.add(build.code_of(twice), [0])
    program = build.program([build.add(CODE["add"], [double, build.constant(1.0)])])
    assert getattr(native.core, name)(program) is NotImplemented
    assert PAIRS[name].fast(program).evaluate([3.0]) == [7.0]


def test_constants_are_folded_by_the_evaluate_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program.of(0, [1.0, 2.0], [("hypot", (0, 1))], [2])
    fold_constants = PAIRS["fold_constants"]
    monkeypatch.setattr(OPCODES[CODE["hypot"]], "evaluate", lambda x, y: 10.0 * x + y)
    assert [*fold_constants.fast(program).constants] == [*fold_constants.plain(program).constants] == [1.0, 2.0, 12.0]


def test_an_error_of_evaluate_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(x: float) -> float:
        raise LookupError("nothing there")

    monkeypatch.setattr(OPCODES[CODE["sin"]], "evaluate", fail)
    with pytest.raises(LookupError, match="nothing there"):
        PAIRS["fold_constants"].fast(Program.of(0, [1.0], [("sin", (0,))], [1]))


# --- programs that cannot run ---

SOUND = Program.of(2, [1.0], [("add", (0, 1)), ("sum", (3, 2, 0))], [4], [3], b"\1")
EDGES = [-1, -(2**31), 0, 1, 2, 3, 4, 5, 100, 2**31 - 1]


def damaged(field: str, at: int, number: int) -> Program:
    part = array(getattr(SOUND, field).typecode, getattr(SOUND, field))
    part[at] = number
    return SOUND._replace(**{field: part})


HOSTILE = [
    SOUND._replace(inputs=1),
    SOUND._replace(inputs=-1),
    SOUND._replace(inputs=2**40),
    SOUND._replace(inputs=2**80),
    SOUND._replace(varying=b""),
    SOUND._replace(expected=b""),
    SOUND._replace(starts=array("q")),
    SOUND._replace(starts=array("q", [0, 2])),
    SOUND._replace(codes=array("H")),
    SOUND._replace(operands=array("i")),
    SOUND._replace(operands=array("q", SOUND.operands)),
    SOUND._replace(codes=array("i", SOUND.codes)),
    SOUND._replace(constants=array("f", [1.0])),
    damaged("operands", 0, 3),
    damaged("operands", 0, -1),
    damaged("operands", 2, 4),
    damaged("outputs", 0, 5),
    damaged("outputs", 0, -1),
    damaged("guards", 0, 2**31 - 1),
    damaged("starts", 0, -1),
    damaged("starts", 0, 1),
    damaged("starts", 1, 6),
    damaged("starts", 1, 1),
    damaged("starts", 1, -(2**63)),
    damaged("starts", 2, 2**62),
    damaged("codes", 0, len(OPCODES)),
    damaged("codes", 0, 65535),
    damaged("codes", 1, CODE["dot"]),
]


@pytest.mark.parametrize("name", OF_PROGRAMS)
@pytest.mark.parametrize("program", HOSTILE, ids=range(len(HOSTILE)))
def test_a_program_that_cannot_run_is_a_value_error(name: str, program: Program) -> None:
    with pytest.raises(ValueError, match="expected a program that can run"):
        PAIRS[name].fast(program)


@pytest.mark.parametrize("name", OF_PROGRAMS)
@pytest.mark.parametrize("given", [None, (), SOUND[:9], [*SOUND], SOUND._replace(codes=None), 1.0], ids=repr)
def test_what_is_no_program_is_a_type_error(name: str, given: Any) -> None:
    with pytest.raises(TypeError):
        getattr(native.core, name)(given)


@given(program=any_programs(), data=st.data())
def test_a_program_with_any_number_changed_is_refused_or_runs(program: Program, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(["codes", "starts", "operands", "outputs", "guards"]))
    part = array(getattr(program, field).typecode, getattr(program, field))
    if part:
        low, high = (0, 65535) if field == "codes" else (-(2**31), 2**31 - 1)
        number = st.one_of(st.integers(low, high), st.sampled_from(EDGES).map(lambda x: min(max(x, low), high)))
        part[data.draw(st.integers(0, len(part) - 1))] = data.draw(number)
    for name in OF_PROGRAMS:
        with suppress(ValueError):
            PAIRS[name].fast(program._replace(**{field: part}))


@pytest.mark.parametrize(
    "rows",
    [None, [], ((),), (1,), (("add",),), (("add", None, 2, -1, True, False, "x", None, 0),), ((),) * 300, ()],
    ids=lambda rows: repr(rows)[:30],
)
def test_a_table_of_opcodes_that_is_none_is_refused_and_changes_nothing(rows: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        native.core.bind_opcodes(rows)
    assert PAIRS["drop_dead_code"].fast(SOUND) == SOUND


# --- time ---


def chain(n: int) -> Program:
    """x + 1 + 1 + 1 ...: one sum of n terms."""
    return Program.of(1, [1.0], [("add", (i + 1 if i else 0, 1)) for i in range(n)], [n + 1])


def parenthesised(n: int) -> Program:
    """x + (x + (x + ...)): n sums."""
    return Program.of(1, [], [("add", (0, i)) for i in range(n)], [n])


def same_again(n: int) -> Program:
    """sin x, n times."""
    return Program.of(1, [], [("sin", (0,))] * n, [n])


def of_few_inputs(n: int) -> Program:
    """Different operations on few numbers: many have the same newest operand."""
    inputs = int(n**0.5)
    pairs = [("sub", (i, j)) for i in range(inputs) for j in range(inputs)]
    return Program.of(inputs, [], pairs, [inputs])


def all_used_by_all(n: int) -> Program:
    """One sum of n products, and another of the same."""
    terms = tuple(range(2, n + 2))
    return Program.of(2, [], [("mul", (0, 1))] * n + [("sum", terms), ("sum", terms)], [n + 2, n + 3])


def of_different_constants(n: int) -> Program:
    """n constants that are folded to n others, and a product of each."""
    constants = [float(i) for i in range(1, n + 1)]
    squares = [("square", (i + 1,)) for i in range(n)]
    return Program.of(1, constants, squares + [("mul", (0, n + 1 + i)) for i in range(n)], [3 * n])


def dot_products(n: int) -> Program:
    """Sums of eight products, the next of the last."""
    instructions = list[tuple[str, tuple[int, ...]]]()
    last = 0
    for _ in range(n // 16):
        first = 1 + len(instructions)
        instructions += [("strong_mul", (last, 0))] + [("mul", (last, 0))] * 7
        instructions += [("add", (first + 7 + k if k else first, first + k + 1)) for k in range(7)]
        last = len(instructions)
    return Program.of(1, [], instructions, [last])


SHAPES = [chain, parenthesised, same_again, of_few_inputs, all_used_by_all, of_different_constants, dot_products]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("name", OF_PROGRAMS)
def test_a_pass_takes_linear_time(name: str, shape: Callable[[int], Program]) -> None:
    """Sixteen times the instructions take no 64 times the time, the least of three; quadratic ones took 256."""
    small, large = of_shape(shape, 4_000), of_shape(shape, 64_000)
    function = PAIRS[name].fast
    assert least_time(function, large) < 64.0 * least_time(function, small)


@cache
def of_shape(shape: Callable[[int], Program], n: int) -> Program:
    return shape(n)


def least_time(function: Callable[[Program], Program], program: Program) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        function(program)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_passes_give_the_same_for_long_programs(shape: Callable[[int], Program]) -> None:
    program = shape(2_000)
    for name in PASS_NAMES:
        pair: Pair = PAIRS[name]
        smaller = pair.fast(program)
        assert exactly(smaller) == exactly(pair.plain(program))
        program = smaller
    assert exactly(PAIRS["reroll"].fast(program)) == exactly(PAIRS["reroll"].plain(program))


# --- re-rolling ---


def test_lanes_are_made_narrower_where_they_would_take_too_much_memory() -> None:
    count = 2**20
    program = Program(
        1, b"\1", array("d"), array("H", [CODE["neg"]]) * count, array("q", range(count + 1)),
        array("i", range(count)), array("i", [count]), array("i"), b"",
    )  # fmt: skip
    for lanes, expected in ((8, 8), (32, 16), (64, 16)):  # 256 MiB are 2**25 numbers
        header = reroll(program, False, lanes).header
        assert header[Header.LANES] == expected
        assert header[Header.SIZE] == header[Header.LANES_AT] + (count + 1) * expected


def test_products_of_totals_are_made_once_for_each_output() -> None:
    program = Program.of(2, [], [("mul", (0, 1)), ("sin", (2,))], [3, 3, 2, 0, 1], varying=b"\0\1")
    nests = reroll(program, True)
    assert nests.header[Header.TOTAL_COUNT] == 3  # sin, mul, and the input that varies
    assert [*nests.shared] == [False, False, False, True, False]
    assert len(nests.places) == program.slots
