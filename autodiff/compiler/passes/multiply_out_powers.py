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
    v4 = mul x0 x0
    outputs v4
"""

import numpy as np

from autodiff.compiler.passes.arrays import arrays_of, packed, with_constants
from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Program


def multiply_out_powers(program: Program) -> Program:
    """The program with x ** 2 as x * x, and x ** -1 as 1 / x."""
    program, (two, minus, one) = with_constants(program, [2.0, -1.0, 1.0])
    given = arrays_of(program)
    codes, starts, operands = given.codes, given.starts, given.operands
    for exponent, name in ((two, "mul"), (minus, "div")):
        powers = np.flatnonzero(codes == CODE["pow"])
        powers = powers[operands[starts[powers] + 1] == exponent]
        x = operands[starts[powers]]
        codes[powers] = CODE[name]
        operands[starts[powers] + 1] = x
        if name == "div":
            operands[starts[powers]] = one
    return program._replace(codes=packed("H", codes), operands=packed("i", operands))
