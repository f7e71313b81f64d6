"""Dead code dropped: no instruction and no constant is left that no output and no guard depends on.

Exact: what is left computes what it did.

    >>> program = Program.of(1, [2.0], [("sin", (0,)), ("mul", (0, 1))], [2])
    >>> print(program.listing())
    inputs  x0
    v2 = sin x0
    v3 = mul x0 2.0
    outputs v2
    >>> print(drop_dead_code(program).listing())
    inputs  x0
    v1 = sin x0
    outputs v1
"""

from itertools import chain

from autodiff.compiler.programs.program import Builder, Program
from autodiff.native.pairs import paired


@paired
def drop_dead_code(program: Program) -> Program:
    """The program without what no output and no guard depends on."""
    alive, build, dead = _alive(program), Builder.like(program), 0
    place = [*range(program.inputs)]
    for slot, number in enumerate(program.constants, program.inputs):
        place.append(build.constant(number) if alive[slot] else dead)
    for is_alive, (code, old) in zip(alive[program.first :], program.instructions(), strict=True):
        if not is_alive:
            place.append(dead)
        elif len(old) == 2:  # nearly every one
            place.append(build.add(code, (place[old[0]], place[old[1]])))
        else:
            place.append(build.add(code, [place[x] for x in old]))
    return build.program_like(program, place)


def _alive(program: Program) -> bytearray:
    """For each slot whether an output or a guard depends on it."""
    first, starts, operands = program.first, program.starts.tolist(), program.operands.tolist()
    alive = bytearray(program.slots)
    for slot in chain(program.outputs, program.guards):
        alive[slot] = 1
    for i in range(len(program.codes) - 1, -1, -1):
        if alive[first + i]:
            for x in operands[starts[i] : starts[i + 1]]:
                alive[x] = 1
    return alive
