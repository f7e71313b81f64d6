"""Nothing handed to compiled code crashes it: tables, programs and pickles that are wrong, arguments that change while
they are read, threads, forks and signals at any time.

Each batch of examples runs in a process of its own, whose end is looked at.
"""

import faulthandler
import math
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import warnings
from array import array
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import compile, native, value_and_grad
from autodiff.compiler.backends.native import NativeBackend
from autodiff.compiler.nests.reroll import reroll
from autodiff.compiler.nests.schema import Header, Nests
from autodiff.compiler.passes.order import optimised
from autodiff.compiler.programs.program import Program
from autodiff.native.pairs import PAIRS
from tests.needs import need_core

need_core()
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each batch runs in a process of its own")

core: Any = native.core
SECONDS = 4  # after which a process ends itself: a table may ask for more turns than there is time for

# --- a process of its own ---


def end_of(work: Callable[[], None]) -> str:
    """How a process ends that does the work: "" for well, or because it took too long; else by what signal or error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is what is tried
        child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            work()
        except BaseException:
            faulthandler.dump_traceback()
            sys.__stderr__.write(f"{sys.exc_info()[1]!r}\n")  # type: ignore[union-attr]
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status in (0, -signal.SIGALRM):
        return ""
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def attempted(call: Callable[[], Any]) -> None:
    """Do something that may be refused."""
    try:
        call()
    except (TypeError, ValueError, OverflowError, MemoryError, BufferError, RuntimeError, LookupError, AttributeError):
        pass
    except pickle.UnpicklingError:
        pass


# --- functions of all kinds of nests ---


def _dense(w: Any, x: Any) -> Any:
    hidden = [ad.tanh(ad.dot(row, x)) for row in w]
    return ad.logsumexp([ad.dot(row[:4], hidden) for row in w]) - hidden[0]


def _ragged(w: Any, x: Any) -> Any:
    some = [ad.sum([w[j][i] * x[(i * j) % 5] for i in range(j + 1)]) for j in range(4)]
    return ad.sum([ad.where(y > 0.0, y * y, ad.abs(y)) for y in some]) / (1.0 + some[0] ** 2)


def _chained(w: Any, x: Any) -> Any:
    y = x[0]
    for i in range(12):
        y = ad.maximum(y * w[i % 4][i % 5], ad.exp(-y * y)) + x[i % 5]
    return y if y > -1e9 else -y


FUNCTIONS = [_dense, _ragged, _chained]
W = [[math.sin(5.0 * i + j) for j in range(5)] for i in range(4)]
X = [0.5, -1.25, 2.0, 0.0, 1.0]
REDUCTIONS = [None, "sum", "mean"]


def _program(f: Callable[..., Any], with_slopes: bool, reduction: str | None) -> Program:
    """The program that a compiled function runs, with x in rows."""
    h = value_and_grad(f, (0, 1) if reduction is None else 0) if with_slopes else f
    compiled = compile(h, rows=1, reduce=reduction, backend="python")
    compiled(W, [X])
    ((version,),) = compiled._dispatcher.versions.values()
    return version.program


PROGRAMS = [
    (_program(f, with_slopes, reduction), reduction)
    for f in FUNCTIONS
    for with_slopes in (False, True)
    for reduction in REDUCTIONS
]
NESTS = [(reroll(optimised(program, for_loops=True)[0], bool(reduction)), reduction) for program, reduction in PROGRAMS]


# --- tables ---

_ODD = [0, 1, -1, 2, 3, 7, 8, -8, 16, 17, 32, 33, 64, 255, 999, 1000, 1001, 4096, 2**31 - 1, -(2**31), 2**30, 2**24]


def _damaged(numbers: "array[Any]", rng: random.Random, largest: int) -> "array[Any]":
    """A copy with one to three of its numbers changed, moved, or missing."""
    made = array(numbers.typecode, numbers)
    for _ in range(rng.randrange(1, 4)):
        if not made:
            break
        at = rng.randrange(len(made))
        kind = rng.randrange(8)
        if kind < 3:
            made[at] = rng.choice(_ODD)
        elif kind < 5:
            made[at] = max(-largest, min(largest - 1, made[at] + rng.choice([1, -1, 2, 5, 8, 64, -64])))
        elif kind == 5:
            made[at] = made[rng.randrange(len(made))]
        elif kind == 6:
            del made[at : at + rng.randrange(1, 4)]
        else:
            made.insert(at, rng.choice(_ODD))
    return made


def _run_table(nests: Nests, reduction: str | None, rng: random.Random) -> None:
    """Run a table that is damaged somewhere, if that is not noticed."""
    table, header, numbers = nests.table, nests.header, nests.numbers
    which = rng.randrange(4)
    if which < 3:
        table = _damaged(table, rng, 2**31)
    if which == 2 or which == 3:
        header = _damaged(header, rng, 2**63)
    if rng.randrange(8) == 0:
        numbers = numbers[: rng.randrange(len(numbers) + 1)]
    machine = rng.choice(core.machines())
    runner = core.Runner(table, numbers, header, reduction, rng.choice([1, 2]), machine)
    _run_all(runner, nests, rng)


def _run_all(runner: Any, nests: Nests, rng: random.Random) -> None:
    """Call all methods of a runner, with buffers of the sizes that the table had before."""
    inputs, outputs = len(W) * len(W[0]), nests.header[Header.OUTPUT_WIDTH]
    rows = rng.choice([1, 2, 33, 200])
    many = array("d", [x for _ in range(rows) for x in X])
    shared = array("d", [x for row in W for x in row])
    out, holds = array("d", bytes(8 * outputs * rows)), bytearray(rows)
    memory = array("d", bytes(8 * nests.header[Header.SIZE]))
    attempted(lambda: runner.run(array("d", [*shared, *X]), out[:outputs]))
    for room in (out, out[:outputs]):
        attempted(lambda room=room: runner.run_rows(shared, many, room, holds))
    for active in (0, 1, rng.randrange(64)):
        attempted(lambda active=active: runner.perform(memory, active, rng.randrange(2)))
    attempted(lambda: runner.run(array("d", [0.0] * (inputs + 5)), out))


@given(st.integers(0, 2**32))
def test_a_damaged_table_is_refused_or_harmless(seed: int) -> None:
    def work() -> None:
        rng = random.Random(seed)
        for _ in range(40):
            nests, reduction = rng.choice(NESTS)
            attempted(lambda nests=nests, reduction=reduction: _run_table(nests, reduction, rng))

    assert end_of(work) == ""


def test_a_runner_takes_nothing_but_buffers_of_the_right_kind_and_size() -> None:
    nests, reduction = NESTS[0]
    oddities: list[Any] = [
        None,
        3,
        1.5,
        "text",
        b"bytes",
        [1.0],
        (),
        array("f", [1.0]),
        array("d"),
        bytearray(8),
        print,
    ]

    def work() -> None:
        good = [nests.table, nests.numbers, nests.header, reduction, 1]
        for i in range(5):
            for odd in oddities:
                attempted(lambda i=i, odd=odd: core.Runner(*good[:i], odd, *good[i + 1 :]))
        runner = core.Runner(*good)
        for a in oddities:
            for b in oddities:
                for call in (
                    lambda a=a, b=b: runner.run(a, b),
                    lambda a=a, b=b: runner.run_rows(a, b, array("d", [0.0]), bytearray(1)),
                    lambda a=a, b=b: runner.run_rows(array("d", [0.0] * 20), array("d", X), a, b),
                    lambda a=a, b=b: runner.perform(a, b, b),
                    lambda a=a, b=b: core.evaluate(a, b),
                ):
                    attempted(call)

    assert end_of(work) == ""


# --- programs ---

PASSES = [name for name, pair in PAIRS.items() if pair.plain.__module__.startswith("autodiff.compiler.passes")]


def _damaged_program(program: Program, rng: random.Random) -> Program:
    name = rng.choice("inputs varying codes starts operands outputs guards expected constants".split())
    part: Any = getattr(program, name)
    if isinstance(part, int):
        changed: Any = rng.choice([part + 1, part - 1, -1, 0, 2**31, 2**63, 2**70, None])
    elif isinstance(part, bytes):
        changed = rng.choice([part + b"\1", part[:-1], b"", None, bytes(len(part)), array("i", part)])
    elif rng.randrange(8) == 0:
        changed = rng.choice([None, b"", array("f", part), list(part), array(part.typecode), part + part])
    else:
        changed = _damaged(part, rng, {"H": 2**16, "i": 2**31, "q": 2**63, "d": 2**63}[part.typecode])
    return program._replace(**{name: changed})


def _run_program(program: Program, reduction: str | None, rng: random.Random) -> None:
    """Do all that is done to a program, each step on what the one before gave."""
    damaged = _damaged_program(program, rng)
    for name in PASSES:
        attempted(lambda name=name: PAIRS[name].fast(damaged))
    attempted(lambda: NativeBackend(damaged, reduction).run([*range(25)]))
    attempted(lambda: pickle.loads(pickle.dumps(damaged)))


@given(st.integers(0, 2**32))
def test_a_damaged_program_is_refused_or_harmless(seed: int) -> None:
    def work() -> None:
        rng = random.Random(seed)
        for _ in range(20):
            program, reduction = rng.choice(PROGRAMS)
            attempted(lambda program=program, reduction=reduction: _run_program(program, reduction, rng))

    assert end_of(work) == ""


# --- pickles ---


@given(st.integers(0, 2**32))
def test_a_damaged_pickle_of_a_compiled_function_is_refused_or_runs(seed: int) -> None:
    compiled = compile(value_and_grad(_ragged), rows=1, reduce="mean")
    expected = compiled(W, [X])
    text = pickle.dumps(compiled)

    def work() -> None:
        rng = random.Random(seed)
        for _ in range(100):
            damaged = bytearray(text)
            for _ in range(rng.randrange(1, 4)):
                damaged[rng.randrange(len(text))] ^= 1 << rng.randrange(8)
            try:
                loaded = pickle.loads(bytes(damaged))
                result = loaded(W, [X])
            except Exception:
                continue
            assert result == expected

    assert end_of(work) == ""


# --- functions of the core, called with anything ---


@given(st.integers(0, 2**32))
def test_functions_of_the_core_take_what_they_are_for_or_refuse(seed: int) -> None:
    (program, _), (nests, _) = PROGRAMS[4], NESTS[0]
    pool: list[Any] = [
        None,
        0,
        1,
        -1,
        2**40,
        1.5,
        "text",
        b"",
        (),
        [],
        {},
        [1.0, 2.0],
        (1.0,),
        [[1.0], [2.0]],
        {"a": 1},
    ]
    pool += [array("d", X), array("i", [1, 2]), array("q"), bytearray(4), object, print, ad.Value(1.0), [ad.Value(2.0)]]
    pool += [program, nests, *nests[:3], core.Runner(*nests[:3], None, 1), range(3), float("nan"), True, iter([1.0])]
    unsafe = {"bind", "bind_opcodes", "answer_calls"}  # these are handed the package itself
    names = [name for name in dir(core) if name not in unsafe and not name.startswith("_")]

    def work() -> None:
        rng = random.Random(seed)
        for _ in range(300):
            function, count = getattr(core, rng.choice(names)), rng.randrange(6)
            if callable(function):
                attempted(lambda function=function, count=count: function(*rng.choices(pool, k=count)))

    assert end_of(work) == ""


# --- arguments that change while they are read, or are no numbers at all ---


class _Meddling(float):
    """A number that changes the list it stands in when it is asked for its value."""

    where: list[Any]

    def __float__(self) -> float:
        self.where.clear()
        self.where.extend([1.0] * random.randrange(40))
        return 1.0


class _Indexed:
    """A number by `__index__` or `__float__` that raises, or changes a list, when it is asked."""

    def __init__(self, where: list[Any], error: type[BaseException] | None = None) -> None:
        self.where, self.error = where, error

    def __float__(self) -> float:
        self.where.clear()
        if self.error is not None:
            raise self.error("on purpose")
        return 2.0

    __index__: Any = __float__


class _Resizing(list[Any]):
    """A list that is another length at each look."""

    def __len__(self) -> int:
        return random.randrange(10)

    def __iter__(self) -> Any:
        self.extend([1.0] * 3)
        return super().__iter__()

    def __getitem__(self, index: Any) -> Any:
        return 1.5


def _odd_argument(rng: random.Random, depth: int = 0) -> Any:
    """Something to hand to a compiled function of nested lists: mostly numbers, in the right places or not."""
    kind = rng.randrange(24)
    if kind < 6 and depth < 3:
        return [_odd_argument(rng, depth + 1) for _ in range(rng.choice([0, 1, 2, 4, 5, 5, 5]))]
    if kind < 14:
        return rng.choice([1.0, -2.5, 3, True, 0.0, float("nan"), float("inf"), 10**400, 2**70, -0.0])
    made: list[Any] = [1.0] * 5
    if kind == 14:
        made[2] = _Meddling(1.0)
        made[2].where = made
    elif kind == 15:
        made[rng.randrange(5)] = _Indexed(made, rng.choice([None, KeyError, MemoryError, ValueError]))
    elif kind == 16:
        made = _Resizing(made)
    elif kind == 17:
        made.append(made)
    else:
        others = [None, "text", {"x": 1.0}, (1.0, 2.0), b"12345678", object(), ad.Value(1.0), {1.0}]
        return rng.choice([*_buffers(rng), *others])
    return made


def _buffers(rng: random.Random) -> list[Any]:
    """Arrays of all shapes and kinds of numbers."""
    shape = rng.choice([(), (0,), (5,), (4, 5), (5, 4), (0, 5), (3, 4, 5), (1, 1, 1, 1)])
    made: Any = np.zeros(shape, rng.choice(["f8", "f4", "i8", "u1", "?", ">f8", "c16", "O", "U3", "M8[s]", "f2", "V8"]))
    flipped = made[::-1] if shape else made
    return [made, made.T, flipped, np.broadcast_to(made, (2, *shape)), array("d", X), memoryview(b"1" * 40)]


CALLS: list[tuple[Any, Any]] = [
    (compile(value_and_grad(_dense)), X),
    (compile(value_and_grad(_ragged), rows=1), [X, X]),
    (compile(value_and_grad(_ragged), rows=1, reduce="mean", threads=2), [X, X]),
    (compile(_chained), X),
]


@given(st.integers(0, 2**32))
def test_any_arguments_are_taken_or_refused(seed: int) -> None:
    expected = [f(W, x) for f, x in CALLS]

    def work() -> None:
        rng = random.Random(seed)
        warnings.simplefilter("ignore")
        for _ in range(60):
            f, _ = rng.choice(CALLS)
            args = [W if rng.randrange(3) else _odd_argument(rng), _odd_argument(rng)]
            if not rng.randrange(6):
                args = [_odd_argument(rng) for _ in range(rng.randrange(4))]
            for call in (f, f.prepare):
                attempted(lambda call=call, args=args: call(*args))
        assert [f(W, x) for f, x in CALLS] == expected

    assert end_of(work) == ""


def test_results_and_arguments_may_be_changed_by_another_thread_meanwhile() -> None:
    compiled = compile(value_and_grad(_ragged), rows=1, reduce="mean")
    w, x = np.array(W), [list(X) for _ in range(64)]
    compiled(w, x)

    def work() -> None:
        is_over = False

        def meddle() -> None:
            while not is_over:
                row = x[random.randrange(len(x))]
                row.clear()
                row.extend(X)
                x.append(list(X))
                del x[64:]
                w[random.randrange(4)] = 1.0

        threads = [threading.Thread(target=meddle, daemon=True) for _ in range(2)]
        sys.setswitchinterval(1e-6)
        for thread in threads:
            thread.start()
        for _ in range(300):
            attempted(lambda: compiled(w, x))
        is_over = True

    assert end_of(work) == ""


# --- threads, forks, signals, the end of the interpreter ---

PREAMBLE = """
import os, signal, sys, threading, time
import numpy as np
import autodiff as ad
def loss(w, x):
    hidden = [ad.tanh(ad.dot(row, x)) for row in w]
    return ad.logsumexp(hidden) - hidden[0]
w, x = np.random.default_rng(0).normal(size=(20, 30)), np.random.default_rng(1).normal(size=(LENGTH, 30))
step = ad.compile(ad.value_and_grad(loss), rows=1, reduce="mean", threads=2)
def bits(result): return np.float64(result[0]).tobytes() + np.asarray(result[1]).tobytes()
expected = bits(step(w, x))
"""


def printed(code: str, rows: int = 4000, status: int = 0) -> list[str]:
    """What a new process prints that has a compiled step on so many rows, and runs the code."""
    text = PREAMBLE.replace("LENGTH", str(rows)) + dedent(code)
    command = [sys.executable, "-X", "faulthandler", "-W", "ignore::DeprecationWarning", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr
    return done.stdout.splitlines()


def test_threads_share_a_compiled_function() -> None:
    code = """
    got = []
    def work():
        for i in range(20): got.append(bits(step(w, x)) == expected)
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(len(got), all(got))
    """
    assert printed(code) == ["120 True"]


def test_a_function_may_be_called_for_the_first_time_by_many_threads_at_once() -> None:
    code = """
    sys.setswitchinterval(1e-6)
    got = []
    for _ in range(5):
        again = ad.compile(ad.value_and_grad(loss), rows=1, reduce="mean", threads=2)
        threads = [threading.Thread(target=lambda: got.append(bits(again(w, x)) == expected)) for _ in range(5)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    print(len(got), all(got), again.stats().paths)
    """
    assert printed(code, rows=100) == ["25 True 1"]


def test_children_of_forks_have_threads_of_their_own_whatever_runs_in_the_parent() -> None:
    code = """
    is_over = False
    def run():
        while not is_over: step(w, x)
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads: thread.start()
    children = []
    for _ in range(20):
        child = os.fork()
        if child == 0:
            right = all(bits(step(w, x)) == expected for _ in range(3))
            os._exit(0 if right else 1)
        children.append(child)
        time.sleep(0.002)
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children].count(0))
    is_over = True
    for thread in threads: thread.join()
    print(bits(step(w, x)) == expected)
    """
    assert printed(code) == ["20", "True"]


def test_a_handler_may_fork_and_call_in_the_middle_of_a_run() -> None:
    code = """
    children, calls = [], []
    def handle(number, frame):
        child = os.fork()
        if child == 0:
            os._exit(0 if bits(step(w, x[:500])) == small else 1)
        children.append(child)
        calls.append(bits(step(w, x[:500])) == small)
        if len(children) < 5: signal.setitimer(signal.ITIMER_REAL, 0.02)
    small = bits(step(w, x[:500]))
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    while len(children) < 5:
        assert bits(step(w, x)) == expected
    print({os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}, all(calls))
    """
    assert printed(code, rows=200_000) == ["{0} True"]


def test_an_interrupt_ends_a_long_run_soon_and_the_next_is_right() -> None:
    code = """
    taken = []
    for _ in range(5):
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            while True: step(w, x)
        except KeyboardInterrupt: taken.append(True)
        print(bits(step(w, x)) == expected)
    print(len(taken))
    """
    assert printed(code, rows=200_000) == ["True"] * 5 + ["5"]


@pytest.mark.parametrize("how", ["pass", "os._exit(0)", "sys.exit(0)", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_the_interpreter_may_end_while_threads_run_and_spin(how: str) -> None:
    code = f"""
    def run():
        while True: step(w, x)
    for _ in range(3): threading.Thread(target=run, daemon=True).start()
    time.sleep(0.05)
    step(w, x)
    print("alive", flush=True)
    {how}
    """
    assert printed(code, status=-signal.SIGTERM if "SIGTERM" in how else 0) == ["alive"]


def test_zero_rows_one_row_and_very_many_run() -> None:
    code = """
    one = ad.compile(ad.value_and_grad(loss))(w, x[0])
    assert np.allclose(step(w, x[:1])[1], one[1])
    for count in (0, 1, 7, 8, 9, 63, 64, 65, 1_000_000):
        many = np.broadcast_to(x[:1], (count, 30))
        try: value, slopes = step(w, many)
        except ValueError as error: print(count, "refused")
        else: assert abs(value - one[0]) < 1e-12 and np.allclose(slopes, one[1])
    print("all")
    """
    assert printed(code, rows=2)[-1] == "all"
