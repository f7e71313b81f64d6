"""Powers multiplied out: x ** 2 is computed as x * x, and x ** -1 as 1 / x.

Exact: a product and a quotient are the true power rounded once, where `pow` of a C library may miss the last bit.
Signed zeros, infinities and nan are what `pow` makes of them.

    >>> program = Program.of(1, [2.0], [("pow", (0, 1))], [2])
    >>> print(program.listing())
    inputs  x0
    v2 = pow x0 2.0
    outputs v2
    >>> print(multiply_out_powers(program).listing())
    inputs  x0
    v2 = mul x0 x0
    outputs v2
"""

from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Builder, Program
from autodiff.native.pairs import paired

_POW, _MUL, _DIV = CODE["pow"], CODE["mul"], CODE["div"]


@paired
def multiply_out_powers(program: Program) -> Program:
    """The program with x ** 2 as x * x, and x ** -1 as 1 / x."""
    build, place = Builder.rewriting(program)
    for code, old in program.instructions():
        operands = [place[x] for x in old]
        exponent = build.number(operands[1]) if code == _POW and operands[1] < 0 else None
        if exponent == 2.0:
            code, operands = _MUL, [operands[0], operands[0]]
        elif exponent == -1.0:
            code, operands = _DIV, [build.constant(1.0), operands[0]]
        place.append(build.add(code, operands))
    return build.program_like(program, place)
