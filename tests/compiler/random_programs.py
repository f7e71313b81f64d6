"""Strategies of compiled programs: of any instructions at all, and of those that traces of functions give."""

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from autodiff import value_and_grad
from autodiff.compiler.programs.opcodes import CODE, OPCODES
from autodiff.compiler.programs.program import Program
from autodiff.compiler.trace.tracing import Trace
from autodiff.primitives import Primitive
from autodiff.testing import programs
from autodiff.testing.loops import LoopProgram, loop_programs

SUMS = "add sub neg mul strong_mul sum mean dot pow products strong_products".split()
_ANY_BITS = st.binary(min_size=8, max_size=8).map(lambda raw: struct.unpack("d", raw)[0])
CONSTANTS = st.one_of(st.sampled_from([1.0, -0.0, -1.0, 2.0, 0.0, math.inf, math.nan]), st.floats(), _ANY_BITS)


@st.composite
def any_programs(draw: st.DrawFn, names: Sequence[str] | None = None, most: int = 24) -> Program:
    """Programs of any instructions, most of them sums and products unless names are given.

    They have inputs or none, those that vary from row to row and others, constants of any bits, one of them twice,
    outputs and guards of any slot, an empty list of instructions, dead code.
    """
    inputs = draw(st.integers(0, 4))
    constants = draw(st.lists(CONSTANTS, min_size=not inputs, max_size=5, unique_by=lambda x: struct.pack("d", x)))
    chosen = [OPCODES[CODE[name]] for name in names or [*SUMS, *SUMS, *CODE]]
    slots, instructions = inputs + len(constants), list[tuple[str, list[int]]]()
    for _ in range(draw(st.integers(0, most))):
        primitive = draw(st.sampled_from(chosen))
        instructions.append((primitive.name, draw(_operands(primitive, inputs, constants, slots))))
        slots += 1
    some = st.lists(st.integers(0, slots - 1), max_size=3)
    outputs, guards = draw(some), draw(some)
    expected = bytes(draw(st.lists(st.integers(0, 1), min_size=len(guards), max_size=len(guards))))
    varying = bytes(draw(st.lists(st.integers(0, 1), min_size=inputs, max_size=inputs)))
    program = Program.of(inputs, constants, instructions, outputs, guards, expected, varying)
    if len(constants) > 1 and draw(st.booleans()):
        program.constants[-1] = program.constants[0]
    return program


@st.composite
def _operands(draw: st.DrawFn, primitive: Primitive, inputs: int, constants: list[float], slots: int) -> list[int]:
    """Slots, often the last ones; -0.0 and 1.0 where sums often have them."""
    count = primitive.arity or draw(st.integers(1, 7).filter(primitive.takes))
    slot = st.one_of(st.integers(0, slots - 1), st.integers(max(0, slots - 3), slots - 1))
    operands = draw(st.lists(slot, min_size=count, max_size=count))
    if "products" in primitive.name:
        slot_of = {repr(x): inputs + i for i, x in enumerate(constants)}
        for j in [0, *range(1, count, 2)]:
            if draw(st.booleans()):
                operands[j] = slot_of.get("1.0" if j else "-0.0", operands[j])
    return operands


@st.composite
def traced_programs(draw: st.DrawFn) -> Program:
    """What a function of the table's primitives, or one of loops, is when it is traced; or its gradient."""
    if draw(st.booleans()):
        program = draw(programs(max_steps=16))
        gradient = draw(st.booleans())
        return traced(lambda xs: program(*xs) if gradient else program.run(xs), program.leaves, gradient)
    loops = draw(loop_programs(max_length=16, max_steps=6))
    return traced(total_of(loops), [x for xs in loops.inputs for x in xs], draw(st.booleans()))


def total_of(loops: LoopProgram) -> Callable[[Sequence[Any]], Any]:
    """The sum of what loops give, of all the numbers that they take in one list."""
    lengths = [len(xs) for xs in loops.inputs]

    def total(xs: Sequence[Any]) -> Any:
        given = iter(xs)
        first, *results = loops(*([next(given) for _ in range(length)] for length in lengths))
        return sum(results, first)

    return total


def traced(f: Any, numbers: Sequence[float], gradient: bool) -> Program:
    """The program of a function of a list of numbers, which gives one or a list; or of its value and gradient."""
    trace = Trace()
    inputs = [trace.input(x) for x in numbers]
    with trace:
        if not gradient:
            results = f(inputs)
            return trace.program(results if isinstance(results, list) else [results])
        value, slopes = value_and_grad(f)(inputs)
        return trace.program([value, *slopes])


def compiled_programs() -> st.SearchStrategy[Program]:
    """All of these."""
    return st.one_of(any_programs(), traced_programs())
