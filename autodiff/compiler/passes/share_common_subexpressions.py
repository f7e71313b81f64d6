"""Common subexpressions shared: one instruction where several do the same to the same.

Operations whose order does not matter, such as x + y and y + x, are the same. Exact: equal operations on equal numbers
have equal results, to the last bit.

    >>> program = Program.of(2, [], [("add", (0, 1)), ("add", (1, 0)), ("mul", (2, 3))], [4])
    >>> print(program.listing())
    inputs  x0 x1
    v2 = add x0 x1
    v3 = add x1 x0
    v4 = mul v2 v3
    outputs v4
    >>> print(share_common_subexpressions(program).listing())
    inputs  x0 x1
    v2 = add x0 x1
    v3 = mul v2 v2
    outputs v3
"""

from collections.abc import Sequence

from autodiff.compiler.programs.opcodes import OPCODES
from autodiff.compiler.programs.program import Builder, Program
from autodiff.native.pairs import paired

_COMMUTATIVE = {code for code, primitive in enumerate(OPCODES) if primitive.facts.commutes}


@paired
def share_common_subexpressions(program: Program) -> Program:
    """The program with one instruction where several do the same to the same."""
    build, place = Builder.rewriting(program)
    seen: dict[tuple[int, ...], int] = {}
    for code, old in program.instructions():
        if len(old) == 2:
            left, right = place[old[0]], place[old[1]]
            operands: Sequence[int] = (left, right)
            swapped = left > right and code in _COMMUTATIVE
            key: tuple[int, ...] = (code, right, left) if swapped else (code, left, right)
        else:
            operands = [place[x] for x in old]
            key = (code, *operands)
        slot = seen.get(key)
        if slot is None:
            slot = seen[key] = build.add(code, operands)
        place.append(slot)
    return build.program_like(program, place)
