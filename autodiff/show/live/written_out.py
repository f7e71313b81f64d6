"""A program without primitives of users: each is written out, as the operations that its `evaluate` is made of.

>>> from autodiff import exp
>>> bump = Primitive("bump", "exp(-x²)", lambda x: exp(-x * x), [lambda out, x: -2.0 * x * out])
>>> program = Program.of(1, [], [(len(OPCODES), (0,))], [1], primitives=(bump,))
>>> print(written_out(program).listing())
inputs  x0
v1 = neg x0
v2 = mul v1 x0
v3 = exp v2
outputs v3
"""

from inspect import unwrap

from autodiff.compiler.programs.opcodes import OPCODES
from autodiff.compiler.programs.program import Builder, Program
from autodiff.compiler.trace.tracing import Trace
from autodiff.primitives import Primitive


class KernelOnlyError(ValueError):
    """A graph that no page can evaluate: an operation in it is Python's alone."""


def written_out(program: Program) -> Program:
    """The program with the operations of the table alone.

    Raises KernelOnlyError, naming the primitive, where one calls more than arithmetic and functions of the library.
    """
    if len(program.guards):
        raise KernelOnlyError("a rule in this graph chooses by `if`; one that chooses by autodiff.where has a program")
    if not program.primitives:
        return program
    build = Builder(program.inputs, program.varying)
    place = [*range(program.inputs), *map(build.constant, program.constants)]
    known: dict[tuple[int, int], Program] = {}
    for code, operands in program.instructions():
        if code < len(OPCODES):
            place.append(build.add(code, [place[x] for x in operands]))
            continue
        kind = code, len(operands)
        if kind not in known:
            known[kind] = _traced(program.primitive(code), len(operands))
        inner = known[kind]
        slots = [*[place[x] for x in operands], *map(build.constant, inner.constants)]
        for step, used in inner.instructions():
            slots.append(build.add(step, [slots[x] for x in used]))
        place.append(slots[inner.outputs[0]])
    return build.program_like(program, place)


def _traced(primitive: Primitive, count: int) -> Program:
    """What a primitive evaluates, as a program of as many inputs."""
    trace = Trace()
    try:
        with trace:
            result = unwrap(primitive.evaluate)(*[trace.input(0.5) for _ in range(count)])
            program = trace.program([result])
    except Exception as error:  # whatever code for floats alone makes of a placeholder
        raise _refused(primitive, "its code is for floats alone") from error
    finally:
        trace.forget()
    if len(program.guards):
        raise _refused(primitive, "it chooses by `if`")
    return written_out(program)


def _refused(primitive: Primitive, why: str) -> KernelOnlyError:
    return KernelOnlyError(
        f"{primitive.name} is evaluated by Python alone ({why}), so it moves only where a kernel runs; written in "
        "arithmetic and the functions of autodiff (autodiff.exp, autodiff.where) it moves in any page"
    )
