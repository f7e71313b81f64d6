"""Operations of compiled programs: near the truth, the same bits wherever they are computed, and those of the table.

Elementary functions that the core has of its own are at most 2.5 ulp from what mpmath finds. All else has the bits of
`floats`. A number has one result: alone, in any lane, in a loop of any length, from operands that lie anywhere.
"""

import math
import random
from array import array
from collections.abc import Callable, Sequence
from itertools import product
from math import inf, nan
from typing import Any

import pytest

from autodiff import native
from autodiff.compiler.nests import encoding
from autodiff.compiler.nests.schema import Affine, Header, Loops
from autodiff.compiler.programs.opcodes import CODE, OPCODES
from autodiff.primitives import Primitive
from tests.needs import need_core

need_core()
mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp

MACHINES: list[str] = native.core.machines()

KINKS = [
    0.0,
    5e-324,
    2.0**-1022,
    2.0**-60,
    1e-9,
    0.1,
    0.25,
    0.5,
    1.0,
    1.0 + 2**-52,
    1.5,
    2.0,
    2.5,
    3.0,
    7.3,
    22.0,
    40.0,
]
KINKS += [709.75, 745.1, 750.0, 1e16, 2.0**30, 1e308, 1.7e308, math.log(2.0) / 2, math.pi / 2, math.pi, inf]
NUMBERS = [sign * x for x in KINKS for sign in (1.0, -1.0)] + [nan]
HUGE = 6381956970095103.0 * 2.0**797  # the double nearest to a multiple of π/2, by which it is 5e-19


def evaluated(name: str, numbers: Sequence[float], machine: str = MACHINES[0]) -> float:
    result: float = native.core.evaluate(CODE[name], array("d", numbers), machine)
    return result


def bits(numbers: Sequence[float]) -> list[str]:
    """The bits of numbers, those of every nan alike."""
    return [x.hex() if x == x else "nan" for x in numbers]


# --- the truth ---

TRUE: dict[str, Callable[[Any], Any]] = {
    "exp": lambda x: mp.exp(x),
    "expm1": lambda x: mp.expm1(x),
    "log": lambda x: mp.log(x),
    "log1p": lambda x: mp.log1p(x),
    "sin": lambda x: mp.sin(x),
    "cos": lambda x: mp.cos(x),
    "tanh": lambda x: mp.tanh(x),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "silu": lambda x: x / (1 + mp.exp(-x)),
}
LEAST = {"log": 0.0, "log1p": -1.0}  # the poles


def ulps(name: str, x: float) -> float:
    """How far the result is from the truth."""
    found = evaluated(name, [x])
    with mp.workprec(1300 if name in ("sin", "cos") and abs(x) > 1e5 else 200):
        true = TRUE[name](mpmath.mpf(x))
        nearest = float(true)
        if math.isinf(nearest) or math.isinf(found):
            return 0.0 if found == nearest else inf
        return float(abs(mpmath.mpf(found) - true) / mpmath.mpf(math.ulp(nearest)))


def points(rng: random.Random) -> list[float]:
    """Numbers of all sizes, with more of them where functions bend, overflow and underflow."""
    powers = [10.0 ** rng.uniform(low, high) for low, high in ((-323, -300), (-20, 0), (0, 3), (0, 308))]
    spans = [(-1.0, 1.0), (-4.0, 4.0), (-40.0, 40.0), (-760.0, -700.0), (700.0, 712.0)]
    turns = float(rng.randint(1, 2 ** rng.randint(1, 60))) * (math.pi / 2)
    return [*powers, *[rng.uniform(*span) for span in spans], 1.0 - powers[1], 1.0 + powers[1], turns]


@pytest.mark.parametrize("name", TRUE)
def test_elementary_functions_are_within_two_and_a_half_ulps_of_the_truth(name: str) -> None:
    rng = random.Random(name)
    numbers = [x for _ in range(400) for x in points(rng)] + [HUGE] + [x for x in KINKS if x < inf]
    for x in [sign * x for x in numbers for sign in (1.0, -1.0)]:
        if x > LEAST.get(name, -inf):
            assert ulps(name, x) <= 2.5, x


def test_results_at_special_numbers_are_those_of_floats() -> None:
    for name in TRUE:
        for x in (0.0, -0.0, inf, -inf, nan, -1.0 if name.startswith("log") else 0.0, -2.0 if name == "log1p" else 0.0):
            assert bits([evaluated(name, [x])]) == bits([OPCODES[CODE[name]].evaluate(x)]), (name, x)


@pytest.mark.parametrize("name", sorted(TRUE.keys() - {"sin", "cos", "silu"}))
def test_they_do_not_fall_where_the_function_rises(name: str) -> None:
    """In steps of one ulp, around the seams of their reductions and anywhere else."""
    rng = random.Random(name)
    seams = [(k + 0.5) * math.log(2.0) for k in range(-3, 4)] + [math.sqrt(0.5), math.sqrt(2.0), math.sqrt(2.0) - 1.0]
    seams += [math.sqrt(0.5) - 1.0, 1e-300, 19.0, 22.0, 39.9999, 40.0, -708.4, -745.1, 709.7]
    for start in seams + [rng.uniform(-5.0, 5.0) for _ in range(40)]:
        x = abs(start) if name == "log" else max(start, -0.9) if name == "log1p" else start
        for _ in range(100):
            x = math.nextafter(x, -inf)
        last = evaluated(name, [x])
        for _ in range(200):
            x = math.nextafter(x, inf)
            result = evaluated(name, [x])
            assert result >= last, x
            last = result


# --- the table ---

OURS = {*TRUE, "softmax", "logsumexp"}
SUMS = {"sum", "mean", "dot"}  # compiled, they are not compensated
IN_TABLE = [primitive for primitive in OPCODES if primitive.name not in SUMS]


def number(rng: random.Random) -> float:
    kinds = [rng.choice(NUMBERS), rng.uniform(-4.0, 4.0), 10.0 ** rng.uniform(-320, 300), float(rng.randint(-9, 9))]
    drawn: float = rng.choice(kinds)
    return drawn


def operands_of(primitive: Primitive, rng: random.Random) -> list[float]:
    count = primitive.arity or 2 * rng.randint(1, 4) + (primitive.facts.parity or 0)

    operands = [number(rng) for _ in range(count)]
    if primitive.name == "round":
        operands[1] = float(rng.choice([0, 1, 2, 17, 30, 330, -1, -2, -22, -308, -330, rng.randint(-30, 30)]))
    return operands


@pytest.mark.parametrize("primitive", IN_TABLE, ids=lambda primitive: primitive.name)
def test_an_operation_is_its_evaluate(primitive: Primitive) -> None:
    rng = random.Random(primitive.name)
    cases = [operands_of(primitive, rng) for _ in range(2000)]
    if primitive.arity in (1, 2):
        cases += [list(x) for x in product(NUMBERS, repeat=primitive.arity)]
    for operands in cases:
        found, expected = evaluated(primitive.name, operands), primitive.evaluate(*operands)
        if primitive.name not in OURS or not math.isfinite(found) or not found:
            assert bits([found]) == bits([expected]) or primitive.name == "silu", operands
        elif primitive.name == "silu":  # that of floats is x times what has underflowed
            assert abs(found - expected) <= 5.0 * math.ulp(expected) + abs(operands[0]) * 5e-324, operands
        else:
            assert abs(found - expected) <= 5.0 * math.ulp(expected), operands


def test_sums_are_taken_from_left_to_right_and_products_are_fused() -> None:
    tenths = [0.1] * 10
    assert evaluated("sum", tenths) == 0.9999999999999999
    assert evaluated("mean", tenths) == 0.9999999999999999 / 10
    assert evaluated("dot", [1.0, 0.1, -1.0, 10.0]) == 5.551115123125783e-17
    assert bits([evaluated("dot", [-0.0, 1.0]), evaluated("sum", [-0.0, -0.0])]) == bits([-0.0, -0.0])


def test_halves_are_rounded_by_their_exact_expansion() -> None:
    for x, digits in [(2.675, 2), (0.15, 1), (25.0, -1), (35.0, -1), (5e22, -23), (1.5e23, -23), (6.0, -1), (5.0, -1)]:
        assert evaluated("round", [x, float(digits)]) == round(x, digits), (x, digits)
    assert evaluated("round", [1.7e308, -308.0]) == inf


# --- wherever they are computed ---

ALL = [primitive.name for primitive in OPCODES]


@pytest.mark.parametrize("machine", MACHINES[1:])
@pytest.mark.parametrize("name", ALL)
def test_machines_agree(name: str, machine: str) -> None:
    rng = random.Random(name)
    cases = [operands_of(OPCODES[CODE[name]], rng) for _ in range(500)]
    assert bits([evaluated(name, x, machine) for x in cases]) == bits([evaluated(name, x) for x in cases])


def performed(name: str, machine: str, loops: Loops, places: Sequence[Affine], v: Sequence[float]) -> list[float]:
    """Memory after an Elementwise nest; its result has the first of the places."""
    table: list[int] = []
    encoding.write_elementwise(table, CODE[name], loops, places[0], places[1:])
    header = [0] * len(Header)
    for word in (Header.SHARED_END, Header.LANES_END, Header.OUTPUTS, Header.GUARDS, Header.WATCHED):
        header[word] = len(table)
    header[Header.SIZE], header[Header.LANES] = len(v), 32
    runner = native.core.Runner(array("i", table + [0] * 8), array("d"), array("q", header), None, 1, machine)
    memory = array("d", v)
    runner.perform(memory, 0, 0)
    return memory.tolist()


@pytest.mark.parametrize("name", ALL)
def test_a_loop_gives_each_number_the_bits_that_it_has_alone(name: str) -> None:
    """On every machine, for any loops and steps; what is not a result stays as it is."""
    rng = random.Random(name)
    for _ in range(12):
        length = rng.choice([1, 2, 5, 7, 8, 9, 16, 31, rng.randint(1, 150)])
        loops, room = Loops(rng.choice([1, 1, 2]), rng.choice([1, 3]), length), 2000
        places = [Affine(room, loops.j * length, length, 1, 0)]
        for _ in operands_of(OPCODES[CODE[name]], rng):
            anywhere = (rng.randint(-2, 9), rng.randint(-2, 9), rng.randint(-2, 9))
            h, j, i = rng.choice([(1, 1, 1), (40, 9, 1), (0, 0, 0), (1, 0, 0), anywhere])
            places.append(Affine(600 + rng.randint(0, 9), h, j, i, 0))
        v = [number(rng) for _ in range(room + loops.h * loops.j * length + 9)]
        expected = list(v)
        for turn in loops.turns():
            operands = [v[place.turned(*turn)] for place in places[1:]]
            expected[places[0].turned(*turn)] = evaluated(name, operands)
        for machine in MACHINES:
            assert bits(performed(name, machine, loops, places, v)) == bits(expected), machine
