"""Sums shortened: those of one or two terms are the operations that they were: add, sub, mul, neg and strong_mul.

Exact: -0.0 + x and 1.0 * x are x, and -1.0 * x is -x, to the last bit; x + y is y + x, and x - y is x + -y.

    >>> program = Program.of(2, [-0.0, 1.0], [("products", (2, 3, 0, 3, 1))], [4])
    >>> print(program.listing())
    inputs  x0 x1
    v4 = products -0.0 1.0 x0 1.0 x1
    outputs v4
    >>> print(shorten_sums(program).listing())
    inputs  x0 x1
    v5 = add x0 x1
    outputs v5
"""

import numpy as np

from autodiff.compiler.machine.caching import cached
from autodiff.compiler.passes.arrays import Arrays, Rewritten, arrays_of, rewritten, with_constants
from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Program

_ADD, _SUB, _MUL, _NEG, _STRONG_MUL = (CODE[name] for name in ("add", "sub", "mul", "neg", "strong_mul"))
_PRODUCTS, _STRONG_PRODUCTS = CODE["products"], CODE["strong_products"]


def shorten_sums(program: Program) -> Program:
    """The program with the sums of one or two terms as shorter operations."""
    program, (one, minus, nothing) = with_constants(program, [1.0, -1.0, -0.0])
    return rewritten(program, _shortened(arrays_of(program), one, minus, nothing))


@cached
def _shortened(given: Arrays, one: int, minus: int, nothing: int) -> Rewritten:
    """The same on arrays; the last three are the slots of 1.0, -1.0 and -0.0."""
    codes, starts, operands, n = given.codes, given.starts, given.operands, len(given.codes)
    new_codes, new_starts = codes.copy(), np.zeros(n + 1, np.int64)
    new_operands = np.empty(len(operands), np.int64)
    used = 0
    for i in range(n):
        s, e = starts[i], starts[i + 1]
        code, begin, step = codes[i], s, 1
        if code == _PRODUCTS and e - s == 3:
            if operands[s] == nothing:
                code, begin = (_NEG, s + 2) if operands[s + 1] == minus else (_MUL, s + 1)
            elif operands[s + 1] == one or operands[s + 1] == minus:
                code, step = _ADD if operands[s + 1] == one else _SUB, 2
        elif code == _STRONG_PRODUCTS and e - s == 3 and operands[s] == nothing:
            code, begin = _STRONG_MUL, s + 1
        elif code in (_PRODUCTS, _STRONG_PRODUCTS) and e - s == 5 and operands[s] == nothing:
            lone = s + 1 if operands[s + 1] == one else s + 3 if operands[s + 3] == one else -1
            if lone >= 0:  # that term is the start
                other = 2 * s + 4 - lone
                signed = operands[other] == one or (operands[other] == minus and code == _PRODUCTS)
                new_codes[i] = code if not signed else _ADD if operands[other] == one else _SUB
                new_operands[used], used = operands[lone + 1], used + 1
                for j in range(other + signed, other + 2):
                    new_operands[used], used = operands[j], used + 1
                new_starts[i + 1] = used
                continue
        new_codes[i] = code
        for j in range(begin, e, step):
            new_operands[used] = operands[j]
            used += 1
        new_starts[i + 1] = used
    return new_codes, new_starts, new_operands[:used], np.arange(given.first + n)
