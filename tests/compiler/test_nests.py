"""Nests: what the fast interpreter makes of them is what they mean, and that is what the program means.

A program is run three ways: by the Python backend, instruction by instruction; by `meaning`, nest by nest; by each
machine of the core that this processor has. The first two do the same arithmetic, in the same order but for inner
products, which nests add up in eight parts, and agree to the last bit for any primitive and any numbers. So do the last
two, once `meaning` takes its elementary functions from the core, whose differ in last bits from those of Python.
"""

import random
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import autodiff
from autodiff import Value, compile, native, value_and_grad
from autodiff.compiler.backends.python import PythonBackend
from autodiff.compiler.nests import meaning
from autodiff.compiler.nests.schema import (
    BOTH,
    DOT,
    INNER,
    PACK,
    SPREAD,
    UPDATE,
    Elementwise,
    Flat,
    Header,
    Nest,
    Nests,
    Sum,
)
from autodiff.compiler.programs.opcodes import OPCODES
from autodiff.compiler.programs.program import Program
from autodiff.testing import LoopProgram, loop_programs, programs
from autodiff.testing.loops import WHOLE
from tests.needs import need_core

need_core()
np = pytest.importorskip("numpy")

from autodiff.compiler.backends.native import NativeBackend  # noqa: E402

SPECIAL = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0, -1.0, 0.5, 1e308, -1e308, 5e-324, 3.0, -7.25]
ORDINARY = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 0.25, 0.7, -1.3]
# What rounds as IEEE 754 has it: the same bits wherever it is computed.
ROUNDED = ["add", "sub", "mul", "div", "neg", "square", "reciprocal", "sqrt", "abs", "relu", "maximum", "minimum"]
ROUNDED += ["sum", "mean", "dot", "prod", "max", "min"]
SMOOTH = ["tanh", "sin", "sigmoid", "arctan", "add", "sub", "mul", "sum", "dot", "mean", "logsumexp", "norm"]


def bits(numbers: Sequence[float]) -> list[bytes]:
    """The bits of numbers, those of every nan alike."""
    return [struct.pack("d", x) if x == x else b"nan" for x in numbers]


def flat(x: Any) -> list[Any]:
    return [y for child in x for y in flat(child)] if isinstance(x, (list, tuple)) else [x]


def compiled_program(f: Callable[..., Any], arguments: Sequence[Any], rows: tuple[int, ...]) -> Program:
    """The program that f is traced as, with rows of these arguments, before any pass of a backend."""
    compiled = compile(f, rows=rows, backend="python")
    compiled(*[[x] if i in rows else x for i, x in enumerate(arguments)])
    ((version,),) = compiled._dispatcher.versions.values()
    program: Program = version.program
    return program


@st.composite
def loops(draw: st.DrawFn, primitives: Sequence[str] = WHOLE, **more: Any) -> Program:
    """Loops over lists, with the slopes of what they give in some lists, some of which have rows."""
    program: LoopProgram = draw(loop_programs(primitives, max_length=24, **more))
    every = range(len(program.inputs))
    f = program.closing_over(*[[Value(x) for x in numbers] for numbers in program.parameters])

    def loss(*inputs: Any) -> Any:
        return autodiff.sum([(i % 5 - 1.0) * y for i, y in enumerate(f(*inputs))])

    both = draw(st.sampled_from([f, lambda *inputs: flat(value_and_grad(loss, [*every])(*inputs))]))
    return compiled_program(both, program.inputs, tuple(draw(st.sets(st.sampled_from(every)))))


@st.composite
def graphs(draw: st.DrawFn, primitives: Sequence[str] | None = None) -> Program:
    """A random graph and its gradient in leaves, some of which have rows."""
    program = draw(programs(primitives))

    def f(*leaves: Any) -> Any:
        return program.run([*leaves])[-1]

    rows = draw(st.sets(st.sampled_from(range(len(program.leaves)))))
    return compiled_program(value_and_grad(f, [*range(len(program.leaves))]), program.leaves, tuple(rows))


@st.composite
def ragged(draw: st.DrawFn) -> Program:
    """Sums of different lengths over different starts, strong and plain, in step or not, and operations on them."""
    inputs, instructions = draw(st.integers(2, 24)), list[tuple[str, list[int]]]()
    slots = inputs + 3  # -0.0, 0.0 and 1.0
    for _ in range(draw(st.integers(1, 3))):
        kind, count = draw(st.sampled_from(["products", "strong_products"])), draw(st.integers(1, 12))
        x, y = draw(st.integers(0, slots - 1)), draw(st.integers(0, slots - 1))
        steps = draw(st.tuples(*[st.sampled_from([0, 1, 1, 2, -1, 7])] * 4))
        shorter, start = draw(st.sampled_from([0, 0, 1, -1])), draw(st.sampled_from([inputs, inputs + 1, 0, slots - 1]))
        for i in range(count):
            pairs = range(max(1, draw(st.integers(1, 20)) if shorter < 0 else 3 + shorter * i))
            at = [((x + i * steps[0] + k * steps[1]) % slots, (y + i * steps[2] + k * steps[3]) % slots) for k in pairs]
            instructions.append((kind, [start, *chain(*at)]))
        slots += count
        instructions += [("relu", [slots - 1 - i]) for i in range(count)]
        slots += count
    varying = bytes(draw(st.lists(st.sampled_from([0, 0, 1]), min_size=inputs, max_size=inputs)))
    return settled(inputs, instructions, varying, [slots - 1])


def settled(inputs: int, instructions: Sequence[Any], varying: bytes, guards: Sequence[int] = ()) -> Program:
    """The program whose outputs are all results, plus 0.0, as traces end: nothing, -0.0, becomes a zero.

    Until a nan comes up machines take strong sums for plain ones, and one of nothing for 0.0.
    """
    first, zero = inputs + 3, inputs + 1
    ends = [("add", [first + i, zero]) for i in range(len(instructions))]
    outputs = range(first + len(instructions), first + 2 * len(instructions))
    constants = [-0.0, 0.0, 1.0]
    return Program.of(inputs, constants, [*instructions, *ends], outputs, guards, bytes([1] * len(guards)), varying)


@st.composite
def matrices(draw: st.DrawFn) -> Program:
    """Products of two matrices, each of them transposed or not; of rows where one of them varies, or both."""
    rows, columns, length = (draw(st.sampled_from([1, 2, 3, 4, 6, 9])) for _ in range(3))
    left, right = rows * length, columns * length
    a_steps = draw(st.sampled_from([(length, 1), (1, rows)]))  # from row to row, and within one
    b_steps = draw(st.sampled_from([(length, 1), (1, columns)]))
    kind, start = draw(st.sampled_from(["products", "strong_products"])), left + right + draw(st.integers(0, 1))

    def terms(i: int, j: int) -> list[int]:
        pairs = [(i * a_steps[0] + k * a_steps[1], left + j * b_steps[0] + k * b_steps[1]) for k in range(length)]
        return [x for pair in pairs for x in pair]

    sums = [(kind, [start, *terms(i, j)]) for i in range(rows) for j in range(columns)]
    wide = draw(st.sampled_from([(0, 0), (0, 0), (0, 1), (1, 0), (1, 1)]))
    return settled(left + right, sums, bytes([wide[0]] * left + [wide[1]] * right))


def numbers_for(
    program: Program, count: int, special: bool, rng: random.Random
) -> tuple[list[float], list[list[float]]]:
    """Numbers that all rows share, and some rows."""

    def drawn() -> float:
        return (
            rng.choice(SPECIAL)
            if special and rng.random() < 0.2
            else rng.choice([*range(-3, 4), 0.25, 0.7, -1.3]) * 1.0
        )

    wide = sum(program.varying)
    return [drawn() for _ in range(program.inputs - wide)], [[drawn() for _ in range(wide)] for _ in range(count)]


def in_order(program: Program, shared: Sequence[float], row: Sequence[float]) -> list[float]:
    of_all, of_row = iter(shared), iter(row)
    return [next(of_row) if varies else next(of_all) for varies in program.varying]


class InOrder(Nests):
    """Nests whose inner products are added up in order."""

    def decoded(self, begin: int = 0, end: int | None = None) -> Iterator[Nest]:
        for nest in super().decoded(begin, end):
            if isinstance(nest, Sum):
                runs = [run._replace(form=DOT) if run.form == INNER else run for run in nest.runs]
                nest = nest._replace(runs=tuple(runs))
            yield nest


def by_core(code: int, numbers: Sequence[float]) -> float:
    """What the core makes of numbers; products and sums of them are `meaning`'s own."""
    if OPCODES[code].name in ("products", "strong_products"):
        return OPCODES[code].evaluate(*numbers)
    result: float = native.core.evaluate(code, array("d", numbers))
    return result


def backend_on(machine: str, program: Program, reduction: str | None = None) -> NativeBackend:
    """The program ready to run on a machine of that name."""
    backend = NativeBackend(program, reduction)
    table, numbers, header = backend.nests.table, backend.nests.numbers, backend.nests.header
    backend.runner = native.core.Runner(table, numbers, header, reduction, 1, machine)
    return backend


class Ways:
    """A program run three ways on the same numbers; `reduce` adds its outputs up over the rows."""

    def __init__(self, program: Program, count: int, special: bool, rng: random.Random, reduce: bool = False) -> None:
        self.reduction = "sum" if reduce else None
        backend = NativeBackend(program, self.reduction)
        self.nests: Nests = backend.nests
        self.program = backend.program  # after the passes for loops
        self.shared, self.rows = numbers_for(program, count, special, rng)

    def by_instruction(self) -> tuple[list[float], list[bool]]:
        outputs, holds = PythonBackend(self.program).run_rows(self.shared, self.rows)
        return flat(outputs), holds

    def by_meaning(self, evaluate: meaning.Evaluate = by_core, nests: Nests | None = None) -> Any:
        outputs, holds = meaning.run_rows(nests or self.nests, self.shared, self.rows, evaluate)
        return flat(outputs), holds

    def by_machine(self, machine: str) -> tuple[list[float], list[bool]]:
        backend = backend_on(machine, self.program, self.reduction)
        outputs, holds = backend.run_rows(np.array(self.shared), np.array(self.rows).reshape(len(self.rows), -1))
        return np.array(outputs).ravel().tolist(), [bool(x) for x in holds]

    def alone(self) -> tuple[list[float], dict[str, list[float]]]:
        """The outputs of one run without rows, by meaning and by each machine."""
        numbers = in_order(self.program, self.shared, self.rows[0])
        program = self.program._replace(varying=bytes(self.program.inputs))
        backends = {machine: backend_on(machine, program) for machine in MACHINES}
        found = {name: [*map(float, backend.run(np.array(numbers))[0])] for name, backend in backends.items()}
        return meaning.run(backends[MACHINES[0]].nests, numbers, by_core)[0], found

    def totals(self) -> list[float]:
        """The totals over rows by meaning, of which those of each block of rows are added up."""
        lanes = self.nests.header[Header.LANES]
        chunks = [self.rows[i : i + lanes] for i in range(0, len(self.rows), lanes)]
        with np.errstate(all="ignore"):
            first, *others = [np.array(meaning.run_totals(self.nests, self.shared, chunk, by_core)) for chunk in chunks]
            shared = np.array([*self.nests.shared], bool)
            total: list[float] = np.where(shared, first * len(self.rows), sum(others, first)).tolist()
        return total


MACHINES: list[str] = native.core.machines()
COUNTS = st.sampled_from([1, 2, 7, 32, 33, 70])  # parts of a block of rows, a block, several
RANDOM = st.randoms(use_true_random=False)
EXACT = st.one_of(loops(), loops(ROUNDED), graphs(ROUNDED), ragged(), matrices())
ALL = st.one_of(EXACT, loops(SMOOTH), graphs())
MORE = settings(max_examples=2 * settings().max_examples)


@MORE
@given(ALL, COUNTS, st.booleans(), RANDOM)
def test_nests_mean_what_their_program_means(program: Program, count: int, special: bool, rng: random.Random) -> None:
    ways = Ways(program, min(count, 33), special, rng)
    (expected, wanted), (found, holds) = ways.by_instruction(), ways.by_meaning(meaning.plainly, InOrder(*ways.nests))
    assert bits(found) == bits(expected)
    assert holds == wanted


@MORE
@given(ALL, COUNTS, st.booleans(), RANDOM)
def test_each_machine_gives_what_nests_mean(program: Program, count: int, special: bool, rng: random.Random) -> None:
    ways = Ways(program, count, special, rng)
    expected, wanted = ways.by_meaning()
    for machine in MACHINES:
        found, holds = ways.by_machine(machine)
        assert bits(found) == bits(expected), machine
        assert holds == wanted, machine
    expected, by_machine = ways.alone()
    for machine, found in by_machine.items():
        assert bits(found) == bits(expected), machine


@given(ALL, COUNTS, st.booleans(), RANDOM)
def test_totals_over_rows_are_what_nests_mean(program: Program, count: int, special: bool, rng: random.Random) -> None:
    ways = Ways(program, count, special, rng, reduce=True)
    expected = ways.totals()
    for machine in MACHINES:
        assert bits(ways.by_machine(machine)[0]) == bits(expected), machine


@given(st.one_of(loops(SMOOTH), graphs()), COUNTS, RANDOM)
def test_elementary_functions_differ_in_last_bits_alone(program: Program, count: int, rng: random.Random) -> None:
    """Two libraries differ by an ulp or two; what follows magnifies that, not by more than 1e6 for small numbers."""
    ways = Ways(program, count, False, rng)
    slots = [program.evaluate_slots(in_order(program, ways.shared, row)) for row in ways.rows]
    if not all(abs(x) < 1e3 for x in chain(*slots)):
        return
    expected, found = ways.by_meaning(meaning.plainly)[0], ways.by_machine(MACHINES[0])[0]
    assert np.allclose(found, expected, 1e-9, 1e-9)


def test_every_kind_of_nest_comes_up() -> None:
    """Else the laws would hold of less than they say."""
    kinds = set[Any]()

    @settings(max_examples=400, derandomize=True, database=None, phases=[Phase.generate])
    @given(st.one_of(loops(), loops(ROUNDED), ragged(), matrices()))
    def collect(program: Program) -> None:
        for reduction in (None, "sum"):
            for nest in NativeBackend(program, reduction).nests.decoded():
                kinds.add(type(nest))
                if isinstance(nest, Sum):
                    kinds.update([("strong", nest.strong), ("a total", nest.start is None)])
                    kinds.update([(run.form, run.listed) for run in nest.runs if nest.start is not None])
                    kinds.update([("swapped", run.swapped) for run in nest.runs if nest.strong])
                elif isinstance(nest, Elementwise):
                    kinds.update([("operands", len(nest.operands)), ("loops", sum(n > 1 for n in nest.loops))])

    collect()
    runs = {(form, False) for form in (UPDATE, BOTH, DOT, PACK, SPREAD, INNER)} | {
        (form, True) for form in (UPDATE, BOTH, DOT)
    }
    both = {(name, truth) for name in ("strong", "a total", "swapped") for truth in (False, True)}
    elementwise = {("operands", n) for n in (1, 2)} | {("loops", n) for n in (1, 2, 3)}
    assert kinds >= {Flat, Elementwise, Sum} | runs | both | elementwise
