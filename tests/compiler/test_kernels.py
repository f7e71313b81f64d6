"""The native backend, and the passes for loops: what is run equals what the program means."""

import functools
import itertools
import math
import random
import re
import subprocess
import sys
import time
from array import array
from fractions import Fraction
from math import inf, nan
from operator import add

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodiff import native
from autodiff.compiler.passes.flatten_sums import flatten_sums
from autodiff.compiler.passes.fold_products import fold_products
from autodiff.compiler.passes.order import PASSES, optimised
from autodiff.compiler.passes.shorten_sums import shorten_sums
from autodiff.compiler.programs.opcodes import CODE, OPCODES
from autodiff.compiler.programs.program import Program
from autodiff.floats import fused
from tests.needs import need_core

need_core()
np = pytest.importorskip("numpy")

from autodiff.compiler.backends.native import NativeBackend  # noqa: E402
from autodiff.compiler.nests import reroll  # noqa: E402
from autodiff.compiler.nests.schema import MOST_OPCODES, Header  # noqa: E402

MACHINES = native.core.machines()
SPECIAL = [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, 1e308, -1e308, 5e-324, -5e-324, 3.0, -7.25, 0.1]
FAST = [primitive for primitive in OPCODES if primitive.name != "detach"]
# Elementary functions of our own, and what is made of them; all else has the bits of the table.
OURS = "exp log expm1 log1p sin cos tanh sigmoid softplus silu softmax logsumexp".split()


# From Python 3.12 on its own sum, which the table calls, is compensated; products are fused in the core.
def plus(total: float, pair: tuple[float, float]) -> float:
    return fused(*pair, total)


IN_ORDER = {
    "sum": lambda *xs: functools.reduce(add, xs, -0.0),
    "mean": lambda *xs: functools.reduce(add, xs, -0.0) / len(xs),
    "dot": lambda *wx: functools.reduce(plus, zip(wx[: len(wx) // 2], wx[len(wx) // 2 :], strict=True), -0.0),
}


def same(x: float, y: float, ulps: float = 0.0) -> bool:
    """Whether two numbers are equal, signs of zeros too, or within ulps of x."""
    if x != x or y != y:
        return x != x and y != y
    if x == y:
        return math.copysign(1.0, x) == math.copysign(1.0, y)
    return abs(x - y) <= ulps * math.ulp(x)


def operands_of(primitive, rng):
    intervals = primitive.domain.intervals
    count = primitive.arity or (7 if "products" in primitive.name else 6)
    points = []
    for i in range(count):
        low, high = intervals[min(i, len(intervals) - 1)]
        points.append(rng.uniform(max(low, -50.0), min(high, 50.0)) if rng.random() < 0.8 else rng.uniform(low, high))
    return points


def cases(primitive):
    rng = random.Random(0)
    found = [operands_of(primitive, rng) for _ in range(200)]
    count = primitive.arity or (7 if "products" in primitive.name else 6)
    for _ in range(300):
        found.append([rng.choice(SPECIAL) for _ in range(count)])
    if primitive.arity == 1:
        found += [[x] for x in SPECIAL]
    return found


def backend_on(machine, program, reduction=None, threads=1):
    """The program ready to run on a machine of that name."""
    backend = NativeBackend(program, reduction, threads)
    table, numbers, header = backend.nests.table, backend.nests.numbers, backend.nests.header
    backend.runner = native.core.Runner(table, numbers, header, reduction, threads, machine)
    return backend


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("primitive", FAST, ids=lambda primitive: primitive.name)
def test_opcode_is_its_evaluate_at_points_of_its_domain_and_special_ones(primitive, machine):
    points = cases(primitive)
    count = len(points[0])
    program = Program.of(count, [], [(CODE[primitive.name], tuple(range(count)))], [count], varying=bytes([1] * count))
    one = backend_on(machine, program._replace(varying=bytes(count)))
    lanes, _ = backend_on(machine, program).run_rows(np.zeros(0), np.array(points))
    ulps = 2.5 + 1.0 if primitive.name in OURS else 0  # those of Python's library have an ulp of their own
    for point, (lane,) in zip(points, lanes.tolist(), strict=True):
        expected = IN_ORDER.get(primitive.name, primitive.evaluate)(*point)
        (single,), holds = one.run(point)
        assert holds
        assert same(lane, expected, ulps), (primitive.name, point, lane, expected)
        assert same(single, lane), (primitive.name, point, single, lane)
        assert same(native.core.evaluate(CODE[primitive.name], array("d", point), machine), lane)


def test_round_decides_halves_by_the_exact_expansion():
    program = Program.of(2, [], [("round", (0, 1))], [2])
    backend = NativeBackend(program)
    rng = random.Random(1)
    points = [
        (2.675, 2.0),
        (0.5, 0.0),
        (1.5, 0.0),
        (2.5, 0.0),
        (25.0, -1.0),
        (35.0, -1.0),
        (0.15, 1.0),
    ]
    points += [(rng.uniform(-1e4, 1e4), float(rng.randint(-6, 9))) for _ in range(300)]
    points += [(rng.randint(-(10**6), 10**6) / 2**5, float(rng.randint(-3, 4))) for _ in range(300)]
    for x, digits in points:
        (out,), _ = backend.run(np.array([x, digits]))
        assert same(out, OPCODES[CODE["round"]].evaluate(x, digits)), (x, digits, out)


# --- random programs ---

SMOOTH = "add sub mul neg sum mean dot strong_mul square sin tanh exp relu maximum where less products norm max".split()


@st.composite
def flat_programs(draw, names=SMOOTH, most=40):
    inputs = draw(st.integers(1, 4))
    constants = draw(st.lists(st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 3.0]), max_size=3))
    slots, instructions = inputs + len(constants), []
    for _ in range(draw(st.integers(0, most))):
        primitive = OPCODES[CODE[draw(st.sampled_from(names))]]
        count = primitive.arity or draw(st.integers(1, 3))
        count = {"dot": 2 * count, "products": 1 + 2 * count}.get(primitive.name, count)
        recent = st.integers(max(0, slots - 6), slots - 1) if draw(st.booleans()) else st.integers(0, slots - 1)
        instructions.append((primitive.name, tuple(draw(recent) for _ in range(count))))
        slots += 1
    outputs = draw(st.lists(st.integers(0, slots - 1), min_size=1, max_size=5))
    guards = draw(st.lists(st.integers(0, slots - 1), max_size=2))
    varying = bytes(draw(st.lists(st.integers(0, 1), min_size=inputs, max_size=inputs)))
    expected = bytes(draw(st.lists(st.integers(0, 1), min_size=len(guards), max_size=len(guards))))
    return Program.of(inputs, constants, instructions, outputs, guards, expected, varying)


NUMBERS = st.sampled_from([0.0, 1.0, -2.0, 0.25, 0.7, -1.3])


def close(x: float, y: float) -> bool:
    if x - x != 0.0 or y - y != 0.0 or x == y == 0.0:
        return same(x, y)
    return abs(x - y) <= 1e-9 * max(1.0, abs(x), abs(y))


def well_scaled(program, numbers):
    """Whether nothing on the way is so large that last bits, magnified, show in all digits."""
    slots = program.evaluate_slots(numbers)
    return all(x - x == 0.0 and abs(x) < 1e6 for x in slots)


SUMS = ["add", "sub", "neg", "mul", "strong_mul", "relu", *([] if sys.version_info >= (3, 12) else IN_ORDER)]


def has_exact_products(program, numbers):
    """Whether no product on the way is rounded: then it makes no difference where it is fused with an addition."""
    slots = program.evaluate_slots(numbers)
    for code, operands in program.instructions():
        x, name = [slots[i] for i in operands], OPCODES[code].name
        half = len(x) // 2
        pairs = zip(x[:half], x[half:], strict=True) if name in ("mul", "strong_mul", "dot") else ()
        for y, z in pairs:
            if y - y == z - z == 0.0 and (abs(y * z) == inf or Fraction(y) * Fraction(z) != Fraction(y * z)):
                return False
    return True


@settings(max_examples=300, deadline=None)
@given(flat_programs(SUMS, 12), st.data())
def test_passes_for_loops_change_no_bit(program, data):
    numbers = [data.draw(st.sampled_from(SPECIAL)) for _ in range(program.inputs)]
    if not has_exact_products(program, numbers):
        return
    expected = program.evaluate(numbers)
    for each in [each for each in PASSES if each.for_loops]:
        program = each.function(program)
        assert all(map(same, program.evaluate(numbers), expected)), each.name
    program = program._replace(varying=bytes(program.inputs))
    outputs, _ = NativeBackend(program).run(np.array(numbers))
    assert all(map(same, outputs.tolist(), expected))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
def test_passes_for_loops_change_no_bit_of_an_operation_with_a_constant(name):
    for constant, operands in itertools.product(SPECIAL, ((0, 1), (1, 0))):
        program = Program.of(1, [constant], [(name, operands)], [2])
        small, _ = optimised(program, for_loops=True)
        for x in SPECIAL:
            (expected,), (got,) = program.evaluate([x]), small.evaluate([x])
            assert same(got, expected), (constant, operands, x)


@settings(max_examples=150, deadline=None)
@given(flat_programs(), st.data())
def test_a_run_equals_evaluate(program, data):
    numbers = [data.draw(NUMBERS) for _ in range(program.inputs)]
    if not well_scaled(program, numbers):
        return
    program = program._replace(varying=bytes(program.inputs))
    slots = program.evaluate_slots(numbers)
    outputs, holds = NativeBackend(program).run(np.array(numbers))
    assert all(map(close, outputs.tolist(), program.evaluate(numbers)))
    wanted = [(slots[x] != 0.0) == bool(e) for x, e in zip(program.guards, program.expected, strict=True)]
    if all(abs(slots[x]) > 1e-9 or slots[x] == 0.0 for x in program.guards):
        assert holds == all(wanted)


@settings(max_examples=100, deadline=None)
@given(flat_programs(), st.integers(1, 70), st.randoms(use_true_random=False))
def test_rows_equal_evaluate_row_by_row(program, count, rng):
    choices = [0.0, 1.0, -2.0, 0.25, 0.7, -1.3]
    shared = [rng.choice(choices) for _ in range(program.inputs - sum(program.varying))]
    rows = np.array([[rng.choice(choices) for _ in range(sum(program.varying))] for _ in range(count)]).reshape(
        count, -1
    )
    inputs = []
    for row in rows.tolist():
        of_row, of_all = iter(row), iter(shared)
        inputs.append([next(of_row) if varies else next(of_all) for varies in program.varying])
    if not all(well_scaled(program, numbers) for numbers in inputs):
        return
    expected = np.array([program.evaluate(numbers) for numbers in inputs])
    outputs, holds = NativeBackend(program).run_rows(np.array(shared), rows)
    assert outputs.shape == expected.shape
    assert len(holds) == count
    assert np.allclose(outputs, expected, 1e-9, 1e-9)
    for reduce, wanted in (("sum", expected.sum(0)), ("mean", expected.mean(0))):
        one, _ = NativeBackend(program, reduce).run_rows(np.array(shared), rows)
        two, _ = NativeBackend(program, reduce, threads=2).run_rows(np.array(shared), rows)
        assert np.allclose(one, wanted, 1e-9, 1e-9 * count)
        assert one.tobytes() == two.tobytes()


def test_a_strong_product_and_a_term_are_a_strong_sum_from_that_term():
    """So a derivative, whose zero is made 0.0 at the end, is one product a row, and its total an inner loop."""
    program = Program.of(2, [0.0], [("strong_mul", (0, 1)), ("add", (3, 2))], [4], varying=b"\1\1")
    for improve in (flatten_sums, fold_products, shorten_sums):
        program = improve(program)
    assert "= strong_products 0.0 x0 x1" in program.listing()
    backend = NativeBackend(program, "sum")
    rows = np.array([[2.0, 3.0], [-0.0, inf], [4.0, 0.5]])
    assert backend.run_rows(np.zeros(0), rows)[0].tolist() == [8.0]
    assert backend.nests.header[Header.TOTAL_COUNT] == 1
    assert len(backend.nests.entries) == 1


# --- programs at the edges ---


def run(program, numbers):
    outputs, _ = NativeBackend(program).run(np.array(numbers, float))
    return outputs.tolist()


def test_outputs_may_be_inputs_constants_and_listed_twice():
    assert run(Program.of(2, [3.0], [], [1, 2, 0, 1]), [5.0, 7.0]) == [7.0, 3.0, 5.0, 7.0]
    assert run(Program.of(0, [3.0], [("exp", (0,))], [1, 1]), []) == [math.exp(3.0)] * 2
    assert run(Program.of(1, [], [], []), [5.0]) == []


def test_rows_of_outputs_that_do_not_vary():
    program = Program.of(2, [3.0], [("mul", (1, 2))], [0, 1, 2, 3, 3], varying=b"\1\0")
    rows = np.array([[1.0], [2.0], [4.0]])
    outputs, _ = NativeBackend(program).run_rows(np.array([5.0]), rows)
    assert outputs.tolist() == [[x, 5.0, 3.0, 15.0, 15.0] for x in (1.0, 2.0, 4.0)]
    assert NativeBackend(program, "sum").run_rows(np.array([5.0]), rows)[0].tolist() == [7.0, 15.0, 9.0, 45.0, 45.0]
    assert NativeBackend(program, "mean").run_rows(np.array([5.0]), rows)[0].tolist() == [
        7.0 / 3.0,
        5.0,
        3.0,
        15.0,
        15.0,
    ]


def test_nothing_times_infinity_is_nothing_in_sums_of_any_shape():
    inputs = 64
    pairs = [slot for i in range(32) for slot in (i, 32 + i)]
    instructions = [("strong_mul", (i, 32 + i)) for i in range(32)] + [("sum", tuple(range(64, 96)))]
    program = Program.of(inputs, [], instructions, [96])
    numbers = [-0.0] * 16 + [2.0] * 16 + [inf] * 8 + [nan] * 8 + [3.0] * 16
    assert len(pairs) == inputs
    assert run(program, numbers) == [96.0]
    assert run(program, [1.0, *numbers[1:]]) == [inf]
    assert math.isnan(run(program, [0.0, *numbers[1:]])[0])  # computed
    varying = program._replace(varying=bytes([1] * inputs))
    rows = np.array([numbers, [1.0] * 64] * 40)
    assert NativeBackend(varying).run_rows(np.zeros(0), rows)[0][:, 0].tolist() == [96.0, 32.0] * 40
    assert NativeBackend(varying, "sum").run_rows(np.zeros(0), rows)[0].tolist() == [128.0 * 40]


def test_a_plain_zero_times_infinity_is_nan():
    program = Program.of(4, [], [("mul", (0, 1)), ("strong_mul", (2, 3)), ("add", (4, 5))], [6])
    assert math.isnan(run(program, [0.0, inf, 0.0, inf])[0])
    assert run(program, [0.0, 2.0, -0.0, inf]) == [0.0]
    assert math.isnan(run(program, [0.0, 2.0, 0.0, inf])[0])


def test_a_nan_that_only_plain_products_make_does_not_decide_a_choice():
    instructions = [
        ("strong_mul", (0, 1)), ("strong_mul", (2, 3)), ("add", (4, 5)),
        ("less", (6, 2)), ("where", (7, 2, 3)),
    ]  # fmt: skip
    program = Program.of(4, [], instructions, [8])
    assert run(program, [-0.0, inf, 2.0, 0.5]) == program.evaluate([-0.0, inf, 2.0, 0.5]) == [2.0]


def test_a_nan_that_only_plain_products_make_fails_no_guard_of_rows():
    instructions = [("strong_mul", (0, 1)), ("strong_mul", (2, 3)), ("add", (4, 5)), ("less", (6, 2))]
    program = Program.of(4, [], instructions, [6], [7], b"\1", b"\1" * 4)
    rows, holds = array("d", [-0.0, inf, 2.0, 0.5] * 100), bytearray(100)
    for reduction, count in ((None, 100), ("sum", 1)):
        out = array("d", bytes(8 * count))
        assert NativeBackend(program, reduction).runner.run_rows(array("d"), rows, out, holds) is True
        assert (sum(out), holds) == (100.0, b"\1" * 100)


def test_guards_are_checked_for_each_row():
    program = Program.of(1, [0.0], [("less", (0, 1))], [0], [2], b"\1", b"\1")
    rows = np.arange(-50.0, 50.0).reshape(100, 1)
    _, holds = NativeBackend(program).run_rows(np.zeros(0), rows)
    assert list(holds) == [True] * 50 + [False] * 50
    plain = NativeBackend(program._replace(varying=b"\0"))
    assert plain.run(np.array([-1.0]))[1] is True
    assert plain.run(np.array([nan]))[1] is False


def test_matrix_products_of_all_shapes_are_right():
    rng = np.random.default_rng(0)
    for n, m, positions in [(1, 1, 1), (3, 5, 2), (16, 27, 7), (40, 9, 4), (33, 64, 1), (8, 8, 8)]:
        weights, x = rng.normal(size=(m, n)), rng.normal(size=(positions, n))
        slots = m * n + positions * n
        instructions = []
        for p in range(positions):
            for j in range(m):
                pairs = [slot for k in range(n) for slot in (j * n + k, m * n + p * n + k)]
                instructions.append(("products", (slots, *pairs)))
        outputs = range(slots + 1, slots + 1 + len(instructions))
        out = run(Program.of(slots, [-0.0], instructions, outputs), [*weights.ravel(), *x.ravel()])
        assert np.allclose(np.array(out).reshape(positions, m), x @ weights.T, 1e-13, 1e-13)
        transposed = []
        for p in range(n):
            for j in range(m):
                pairs = [slot for k in range(positions) for slot in (j * n + p, m * n + k * n + p)]
                transposed.append(("strong_products", (slots, *pairs)))
        out = run(
            Program.of(slots, [0.0], transposed, range(slots + 1, slots + 1 + n * m)), [*weights.ravel(), *x.ravel()]
        )
        assert np.allclose(np.array(out).reshape(n, m), (weights * x.sum(0)).T, 1e-13, 1e-13)


@pytest.mark.parametrize("kind", ["products", "strong_products"])
@pytest.mark.parametrize("wide", [[], [0, 2, 4, 6, 8], [*range(8)]], ids=["single", "some", "rows"])
def test_each_sum_of_a_nest_has_the_start_that_it_was_given(kind, wide):
    """Sums of one shape, whatever their starts: a constant in some, -0.0 or 0.0 in others, a shared input in others."""
    rows = np.random.default_rng(0).integers(0, 100, (3, 10)).astype(float)
    varying = np.isin(np.arange(10), wide)
    rows[:, ~varying] = rows[0, ~varying]
    for starts in itertools.product([9, 10, 11, 12], repeat=3):  # an input that all rows share, -0.0, 0.0, 1.0
        sums = [(kind, (start, *[x for k in range(6) for x in (12, i + k)])) for i, start in enumerate(starts)]
        program = Program.of(10, [-0.0, 0.0, 1.0], sums, [13, 14, 15], varying=varying.tobytes())
        expected = np.array([program.evaluate(row) for row in rows])
        if not wide:
            assert run(program, rows[0]) == expected[0].tolist(), starts
            continue
        for reduce in (None, "sum"):
            found, _ = NativeBackend(program, reduce).run_rows(rows[0, ~varying], rows[:, varying])
            assert found.tolist() == (expected if reduce is None else expected.sum(0)).tolist(), (starts, reduce)


def test_the_same_bits_for_any_split_of_rows():
    rng = np.random.default_rng(0)
    instructions = [("mul", (0, 1)), ("tanh", (2,)), ("mul", (3, 1)), ("exp", (4,))]
    program = Program.of(2, [], instructions, [3, 5], varying=b"\0\1")
    rows, shared = rng.normal(size=(301, 1)), np.array([0.7])
    backend = NativeBackend(program)
    whole, _ = backend.run_rows(shared, rows)
    parts = [backend.run_rows(shared, rows[i : i + 7])[0] for i in range(0, 301, 7)]
    assert whole.tobytes() == np.concatenate(parts).tobytes()
    reduced = [NativeBackend(program, "mean", threads).run_rows(shared, rows)[0].tobytes() for threads in (1, 2, 3)]
    assert len(set(reduced)) == 1


def test_concurrent_runs_of_one_program_are_right():
    from concurrent.futures import ThreadPoolExecutor

    program = Program.of(1, [], [("sin" if i % 2 else "square", (i,)) for i in range(500)], [500])
    backend = NativeBackend(program)
    numbers = [i / 100 for i in range(200)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: backend.run(np.array([x]))[0][0], numbers))
    assert found == [program.evaluate([x])[0] for x in numbers]


def test_opcodes_fit_into_the_head_of_an_instruction():
    assert len(OPCODES) <= MOST_OPCODES


def test_an_operation_may_have_any_number_of_operands():
    """A flat list has one number for an opcode and how many operands there are, in which 2 ** 23 find no room."""
    count = 2**23
    operands = array("i", [0]) * (count - 1) + array("i", [1])
    program = Program.of(2, [], [("max", operands), ("neg", (2,))], [2, 3])
    assert run(program, [1.0, 2.0]) == [2.0, -2.0]


def seconds_to_reroll(count):
    """The time that a sum of so many products in runs of eight takes."""
    products = [x for at in range(0, count - 8, 8) for k in range(8) for x in (at + k, count + (7 * at + k) % count)]
    program = Program.of(2 * count, [-0.0], [("products", (2 * count, *products))], [2 * count + 1])
    begin = time.process_time()
    reroll.reroll(program)
    return time.process_time() - begin


def test_the_table_of_a_long_sum_is_written_in_linear_time():
    """A look ahead over all runs at each of them took 19 s for 160,000 products."""
    assert seconds_to_reroll(80_000) < 8.0 * seconds_to_reroll(20_000) + 0.1  # 16 times as long, if it were quadratic


@pytest.mark.parametrize(
    ("limit", "message"),
    [("MOST_ADDRESSES", "numbers in memory"), ("MOST_INSTRUCTIONS", "3 operations; .* takes fewer than 3")],
)
def test_a_program_too_large_for_its_table_is_refused(monkeypatch, limit, message):
    monkeypatch.setattr(reroll, limit, 3)
    with pytest.raises(ValueError, match=f'needs .*{message}.*: compile smaller parts of it, or use backend="python"'):
        NativeBackend(Program.of(1, [], [("neg", (0,)), ("exp", (1,)), ("sin", (2,))], [3]))


def test_wrong_lengths_are_refused():
    backend = NativeBackend(Program.of(2, [], [("add", (0, 1))], [2]))
    with pytest.raises(ValueError, match="expected 2 numbers"):
        backend.run(np.zeros(3))
    rows = NativeBackend(Program.of(2, [], [("add", (0, 1))], [2], varying=b"\0\1"))
    with pytest.raises(ValueError, match="expected 1 numbers, rows of 1; got"):
        rows.run_rows(np.zeros(1), np.zeros((3, 2)))


def test_constants_keep_their_bits():
    program = Program(
        0,
        b"",
        array("d", [-0.0, 0.0, 1.0]),
        array("H"),
        array("q", [0]),
        array("i"),
        array("i", [0, 1, 2]),
        array("i"),
        b"",
    )
    assert [math.copysign(1.0, x) for x in run(program, [])] == [-1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("rows[:-1]", "no opcode for strong_products"),
        ("[*rows, ('four', *rows[0][1:])]", "no machine runs four"),
    ],
)
def test_what_no_machine_knows_is_an_error_at_import(rows, message):
    code = f"""
from autodiff import native
from autodiff.compiler.programs import opcodes

rows = [opcodes._known_to_the_core(primitive) for primitive in opcodes.OPCODES]
native.core.bind_opcodes(tuple({rows}))"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert re.search(f"ValueError: .*{message}", result.stderr), result.stderr
