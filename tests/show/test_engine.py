"""The engine of live pages, in a browser: each operation, and each gradient, as Python has it.

An ulp is a unit in the last place of Python's number. The operations are those of two mathematical libraries, Python's
and the browser's: each of them errs by less than an ulp, or two, and what is written in JavaScript by as much.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autodiff import Value, floats
from autodiff.compiler.programs.opcodes import OPCODES
from autodiff.primitives import KNOWN, Primitive
from autodiff.show.live import LiveProgram, engine_script, program_of
from autodiff.show.words.numbers import shortened
from autodiff.testing.strategies import Program, points, programs
from tests.show.browser import Browser

ULPS = 4
SPECIAL = [0.0, -0.0, 0.5, 1.0, -1.0, 2.0, 2.5, -2.5, 1e308, -1e308, 5e-324, -5e-324, math.inf, -math.inf, math.nan]
OPERATIONS = [p for p in OPCODES if p.name not in ("products", "strong_products")]  # which only loops have

FEW = settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.filter_too_much])  # of many points

each_operation = pytest.mark.parametrize("primitive", OPERATIONS, ids=lambda p: p.name)
each_known = pytest.mark.parametrize("primitive", KNOWN.values(), ids=lambda p: p.name)


@pytest.fixture(scope="module")
def engine(chromium: Browser) -> "Engine":
    return Engine(chromium)


class Engine:
    """engine.js in a page that holds nothing else."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        browser.driver.get("about:blank")
        browser.run(engine_script() + _HELP)

    def called(self, name: str, points: Iterable[Sequence[float]]) -> list[float]:
        """An operation at each of the points."""
        given = [[_text(x) for x in point] for point in points]
        return _floats(self.browser.run("return called(...arguments)", name, given))

    def slots(self, lives: Sequence[LiveProgram]) -> list[list[float]]:
        """All slots of each program, for the numbers of its inputs as they are."""
        return [*map(_floats, self.browser.run("return slots(arguments[0])", [live.json() for live in lives]))]


_HELP = """
window.autodiffEngine = autodiffEngine;
const text = (x) => Object.is(x, -0) ? "-0" : String(x);
window.called = (name, points) => points.map((xs) => text(autodiffEngine.operations[name](...xs.map(Number))));
window.slots = (programs) => programs.map((program) => [...autodiffEngine(JSON.parse(program)).run()].map(text));
window.shortened = (xs) => xs.map((x) => autodiffEngine.shortened(Number(x)));
"""


def _text(x: float) -> str:
    return "NaN" if x != x else repr(x).replace("inf", "Infinity")


def _floats(texts: Iterable[str]) -> list[float]:
    return [float(text.replace("Infinity", "inf")) for text in texts]


def ulps(found: float, expected: float) -> float:
    """How far apart two numbers are, in units of the second; zeros have signs, and nan is nan."""
    if found == expected or (found != found and expected != expected):
        return 0.0 if math.copysign(1.0, found) == math.copysign(1.0, expected) or found != 0.0 else math.inf
    apart = abs(found - expected)
    return apart / math.ulp(expected) if apart < math.inf else math.inf


def assert_near(found: Iterable[float], expected: Iterable[float], what: Any) -> None:
    for x, y in zip(found, expected, strict=True):
        assert ulps(x, y) <= ULPS, f"{what}: {x!r} in the browser, {y!r} in Python, {ulps(x, y)} ulps apart"


# --- operations ---


@each_operation
@FEW
@given(data=st.data())
def test_each_operation_is_within_four_ulps_of_pythons(
    engine: Engine, primitive: Primitive, data: st.DataObject
) -> None:
    drawn = data.draw(st.lists(points(primitive, margin=0.0, max_operands=16), min_size=10, max_size=40))
    for point, found in zip(drawn, engine.called(primitive.name, drawn), strict=True):
        assert_near([found], [primitive.evaluate(*point)], (primitive.name, point))


@each_operation
def test_each_operation_agrees_at_special_numbers(engine: Engine, primitive: Primitive) -> None:
    special = [*product(SPECIAL, repeat=primitive.arity or 2)]
    for point, found in zip(special, engine.called(primitive.name, special), strict=True):
        assert_near([found], [primitive.evaluate(*point)], (primitive.name, point))


# --- gradients ---

# Python's cbrt errs by 3 ulps in glibc, and its slope has the square of it.
SLOPES = {"cbrt": 12}
# Where terms of a slope cancel, an ulp is one of the largest term.
TERMS: dict[str, Callable[..., float]] = {
    "silu": floats.sigmoid,
    "gelu": lambda x: 0.5 * floats.erfc(-x * math.sqrt(0.5)),
}


@each_known
@FEW
@given(data=st.data())
def test_each_gradient_is_within_four_ulps_of_pythons(
    engine: Engine, primitive: Primitive, data: st.DataObject
) -> None:
    drawn = data.draw(st.lists(points(primitive, max_operands=8), min_size=5, max_size=20))
    graphs = [[Value(x) for x in point] for point in drawn]
    lives = [program_of(primitive(*leaves), inputs=leaves) for leaves in graphs]
    bound, term = SLOPES.get(primitive.name, ULPS), TERMS.get(primitive.name)
    for leaves, live, found in zip(graphs, lives, engine.slots(lives), strict=True):
        primitive(*leaves).backward()
        point = [x.data for x in leaves]
        for x in leaves:
            slot = live.nodes[x].gradient
            slope = 0.0 if slot is None else found[slot] + 0.0
            unit = math.ulp(term(*point)) if term is not None else 0.0
            assert ulps(slope, x.grad) <= bound or abs(slope - x.grad) <= bound * unit, (point, slope, x.grad)


@FEW
@given(program=programs(max_steps=40))
def test_every_instruction_of_a_random_program_is_within_four_ulps(engine: Engine, program: Program) -> None:
    live = program_of(program(*map(Value, program.leaves)))
    (found,) = engine.slots([live])
    first = live.program.first
    assert found[:first] == [*[x.data for x in live.inputs], *live.program.constants]
    for (code, operands), result in zip(live.program.instructions(), found[first:], strict=True):
        operation, numbers = live.program.primitive(code), [found[x] for x in operands]
        assert_near([result], [operation.evaluate(*numbers)], (operation.name, numbers))


# --- numbers as text ---


@FEW
@given(st.lists(st.floats() | st.integers(-(10**8), 10**8).map(lambda n: n / 128), min_size=1, max_size=100))
def test_numbers_read_as_python_writes_them(engine: Engine, numbers: list[float]) -> None:
    assert engine.browser.run("return shortened(arguments[0])", [*map(_text, numbers)]) == [*map(shortened, numbers)]


def test_there_is_every_operation_and_no_other(engine: Engine) -> None:
    assert set(engine.browser.run("return Object.keys(autodiffEngine.operations)")) == {p.name for p in OPERATIONS}


def test_an_unknown_operation_is_refused(engine: Engine) -> None:
    program = json.dumps(
        {
            "inputs": [1],
            "constants": [],
            "operations": ["toString"],
            "codes": [0],
            "starts": [0, 1],
            "operands": [0],
            "nodes": [],
        }
    )
    script = "try { autodiffEngine(JSON.parse(arguments[0])); return null; } catch (error) { return error.message; }"
    assert engine.browser.run(script, program) == "no operation toString"
