"""Programs of loops: compiled, they give what eager code gives, whatever nests they become."""

import random
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import autodiff
from autodiff import Value, compile, value_and_grad
from autodiff.compiler.backends.native import NativeBackend
from autodiff.compiler.nests.schema import Elementwise, Flat, Header, Nests
from autodiff.compiler.programs.opcodes import CODE, OPCODES
from autodiff.testing import LoopProgram, loop_programs
from autodiff.testing.loops import WHOLE
from tests.needs import need_core

np = pytest.importorskip("numpy")
need_core()

SMOOTH = ["tanh", "sin", "sigmoid", "arctan", "add", "sub", "mul", "sum", "dot", "mean", "logsumexp"]
PROGRAMS = st.one_of(
    loop_programs(),
    loop_programs(SMOOTH, leaves=st.floats(-3.0, 3.0).map(lambda x: round(x, 3)), constants=[0.5, -1.5, 2.0]),
)
WAYS = [("python", 1), ("native", 1), ("native", 3)]  # backends and threads


class Case:
    """A program whose parameters are leaves, some arguments of which have rows, and other numbers for all of them."""

    def __init__(self, program: LoopProgram, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        rng = random.Random(draw(st.integers(0, 999)))
        every = range(len(program.inputs))
        self.rows = tuple(sorted(draw(st.sets(st.sampled_from(every), min_size=1))))
        self.leaves = [[Value(x) for x in numbers] for numbers in program.parameters]
        self.changed = [mixed(numbers, rng) for numbers in program.parameters]
        self.f = program.closing_over(*self.leaves)
        self.lone = [rng.choice(leaves) for leaves in self.leaves]
        self.f_and_slopes = lambda *inputs: items(value_and_grad(self.loss, [*every])(*inputs))
        self.calls: list[list[Any]] = [[list(xs) for xs in program.inputs]]
        for _ in range(draw(st.sampled_from([0, 1, 40, 70]))):  # one block of rows, a part of one, several
            self.calls.append([mixed(xs, rng) if i in self.rows else xs for i, xs in enumerate(self.calls[0])])
        self.stacked = [[call[i] for call in self.calls] if i in self.rows else self.calls[0][i] for i in every]

    def loss(self, *inputs: Any) -> Any:
        """Return a sum of what the program returns, with weights, of which some are 0, and of some leaves."""
        return autodiff.sum([*self.lone, *[(i % 5 - 1.0) * y for i, y in enumerate(self.f(*inputs))]])

    def assign(self, parameters: Sequence[Sequence[float]]) -> None:
        for leaf, x in zip(chain(*self.leaves), chain(*parameters), strict=True):
            leaf.data, leaf.grad = x, 0.0

    def slopes_of_leaves(self) -> list[float]:
        slopes = [leaf.grad for leaf in chain(*self.leaves)]
        self.assign([[leaf.data for leaf in leaves] for leaves in self.leaves])
        return slopes


def mixed(xs: Sequence[float], rng: random.Random) -> list[float]:
    """Return as many numbers of the same magnitudes, in another order, with other signs, some of them 0."""
    return [rng.choice(xs) * rng.choice([1.0, 1.0, -1.0, 0.0]) for _ in xs]


def items(x: Any) -> list[Any]:
    """Return the numbers in lists and arrays, in order, in one list: of rows, those of each row side by side."""
    return [y for child in x for y in items(child)] if isinstance(x, (list, tuple, np.ndarray)) else [x]


def flat(x: Any) -> list[float]:
    return [float(y.data if isinstance(y, Value) else y) for y in items(x)]


def assert_equal(got: Any, expected: Any, scale: float = 1.0) -> None:
    """Hold numbers to others: exactly where they are whole; else sums may be added up in another order."""
    found, wanted = np.array(flat(got)), np.array(flat(expected))
    assert found.shape == wanted.shape
    scale = max(scale, 1.0, float(np.max(np.abs(wanted), initial=0.0)))
    whole = scale < 2.0**48 and np.all(wanted == np.rint(wanted))
    assert np.all(np.abs(found - wanted) <= (0.0 if whole else 1e-10 * scale)), (found.tolist(), wanted.tolist())


# --- compiled loops ---


@given(PROGRAMS, st.data())
def test_compiled_loops_give_what_eager_ones_give(program: LoopProgram, data: st.DataObject) -> None:
    case = Case(program, data.draw)
    for h in (case.f, case.f_and_slopes):
        compiled = [compile(h, backend=backend) for backend in ("python", "native")]
        for parameters in (program.parameters, case.changed):
            case.assign(parameters)
            for call in case.calls[:2]:
                expected = h(*call)
                for function in compiled:
                    assert_equal(function(*call), expected)


@given(PROGRAMS, st.data())
def test_rows_of_compiled_loops_give_what_eager_ones_give(program: LoopProgram, data: st.DataObject) -> None:
    case = Case(program, data.draw)
    case.assign(case.changed)
    h = data.draw(st.sampled_from([case.f, case.f_and_slopes]))
    reduce = data.draw(st.sampled_from([None, "sum", "mean"]))
    expected = np.array([flat(h(*call)) for call in case.calls])
    wanted = expected if reduce is None else getattr(expected, reduce)(0)
    for backend, threads in WAYS:
        function = compile(h, rows=case.rows, reduce=reduce, backend=backend, threads=threads)
        assert_equal(function(*case.stacked), wanted, float(np.max(np.abs(expected))))


@given(PROGRAMS, st.data())
def test_backward_of_compiled_loops_adds_what_eager_backward_adds(program: LoopProgram, data: st.DataObject) -> None:
    case = Case(program, data.draw)
    for backend, threads in WAYS:
        one = compile(case.loss, backend=backend)
        many = compile(case.loss, rows=case.rows, reduce="sum", backend=backend, threads=threads)
        for parameters in (program.parameters, case.changed):
            case.assign(parameters)
            slopes = []
            for call in case.calls:
                case.loss(*call).backward()
                slopes.append(case.slopes_of_leaves())
            scale = float(np.max(np.abs(slopes)))
            one.backward(*case.calls[0])
            assert_equal(case.slopes_of_leaves(), slopes[0])
            many.backward(*case.stacked)
            assert_equal(case.slopes_of_leaves(), np.sum(slopes, 0), scale)


# --- the table of nests ---


def meant(code: int, operands: Sequence[int], one: int) -> tuple[Any, ...]:
    """Return an operation on addresses; a sum that starts at -0.0, which is nothing, starts at its first lone term."""
    name = OPCODES[code].name
    if name == "products" and operands[0] == one - 2 and operands[1:2] == [one]:
        operands = operands[2:]
    return name, *operands


def told(nests: Nests, one: int) -> dict[int, tuple[Any, ...]]:
    """Return what the nests say that is done for each address of a result, every loop of them unrolled.

    Of lanes, which are alike, the first is told.
    """
    found: dict[int, tuple[Any, ...]] = {}
    for begin, nest in zip(nests.entries, nests.decoded(), strict=True):
        if isinstance(nest, Flat):
            found |= {out: meant(code, [*xs], one) for out, (code, xs) in enumerate(nest.instructions, nest.out)}
            continue
        lanes = 1 if begin < nests.header[Header.SHARED_END] else nests.header[Header.LANES]
        for turn in nest.loops.turns():
            if turn[-1] % lanes:
                continue
            if isinstance(nest, Elementwise):
                code, operands = nest.code, [x.turned(*turn) for x in nest.operands]
            else:
                assert nest.start is not None
                code = CODE["strong_products" if nest.strong else "products"]
                operands = [nest.start.turned(*turn), *[x for run in nest.runs for x in run.factors(*turn, lanes)]]
            found[nest.out.turned(*turn)] = meant(code, operands, one)
    return found


@settings(max_examples=4 * settings().max_examples)  # a tenth of the time of an example that runs
@given(PROGRAMS, st.data())
def test_the_table_of_nests_says_what_the_instructions_say(program: LoopProgram, data: st.DataObject) -> None:
    """Whatever the numbers are: each result from the operands of its instruction, and from all of them."""
    case = Case(program, data.draw)
    compiled = compile(data.draw(st.sampled_from([case.f, case.f_and_slopes])), rows=case.rows, backend="python")
    compiled(*case.stacked)
    ((version,),) = compiled._dispatcher.versions.values()
    for traced in (version.program, version.program._replace(varying=bytes(version.program.inputs))):
        backend = NativeBackend(traced)
        places = backend.nests.places
        one = backend.nests.header[Header.INPUTS] + len(backend.program.constants) + 2  # after -0.0 and 0.0
        expected = {
            places[backend.program.first + i]: meant(code, [places[x] for x in operands], one)
            for i, (code, operands) in enumerate(backend.program.instructions())
        }
        assert told(backend.nests, one) == expected


# --- the strategy ---


@given(loop_programs(max_lists=1, max_length=20, max_steps=3, max_abs=50.0))
def test_programs_of_loops_keep_their_limits(program: LoopProgram) -> None:
    assert len(program.inputs) == len(program.parameters) == 1
    assert 1 <= len(program.inputs[0]) <= 20
    assert 2 <= len(program.lines) <= 4  # the last puts together what is returned
    result = program(*program.inputs)
    assert all(abs(y) <= 50.0 and y == round(y) for y in result)


@given(PROGRAMS)
def test_a_program_of_loops_prints_as_python_that_computes_the_same(program: LoopProgram) -> None:
    names: dict[str, Any] = {}
    exec(repr(program), names)
    assert flat(names["y"]) == program(*program.inputs)


def test_every_kind_of_loop_and_every_primitive_comes_up() -> None:
    text = ""

    @settings(max_examples=600, derandomize=True, database=None, phases=[Phase.generate])
    @given(loop_programs())
    def collect(program: LoopProgram) -> None:
        nonlocal text
        text += repr(program)

    collect()
    for kind in [*WHOLE, "zip", "enumerate", "accumulate", "sum(", "for y in", "for j in", "::-1]", "w1", "x1"]:
        assert kind in text, kind


def test_a_program_of_loops_takes_as_many_lists_as_it_has() -> None:
    program = LoopProgram(((1.0,),), ((2.0,),), ("[x * w0[0] for x in x0]",))
    assert program([3.0]) == [6.0]
    with pytest.raises(TypeError, match="closes over 1 lists, got 0"):
        program.closing_over()
    with pytest.raises(TypeError):
        program([3.0], [4.0])


def test_loops_need_primitives_for_maps_and_zips() -> None:
    for names in (["neg"], ["add", "sum"], []):
        with pytest.raises(ValueError, match="one of one operand, one of two"):
            loop_programs(names)
    with pytest.raises(ValueError, match="no primitive of the table is called 'subb'; 'sub' is one"):
        loop_programs(["neg", "subb"])
