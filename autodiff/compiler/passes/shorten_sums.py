"""Sums shortened: those of one or two terms are the operations that they were: add, sub, mul, neg and strong_mul.

Exact: -0.0 + x and 1.0 * x are x, and -1.0 * x is -x, to the last bit; x + y is y + x, and x - y is x + -y. But x y + z
is a fused product from z on, which rounds once less.

    >>> program = Program.of(2, [-0.0, 1.0], [("products", (2, 3, 0, 3, 1))], [4])
    >>> print(program.listing())
    inputs  x0 x1
    v4 = products -0.0 1.0 x0 1.0 x1
    outputs v4
    >>> print(shorten_sums(program).listing())
    inputs  x0 x1
    v4 = add x0 x1
    outputs v4
"""

from collections.abc import Sequence

from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Builder, Program
from autodiff.native.pairs import paired

_ADD, _SUB, _MUL, _NEG, _STRONG_MUL = (CODE[name] for name in ("add", "sub", "mul", "neg", "strong_mul"))
_PRODUCTS, _STRONG_PRODUCTS = CODE["products"], CODE["strong_products"]


@paired
def shorten_sums(program: Program) -> Program:
    """The program with the sums of one or two terms as shorter operations."""
    build, place = Builder.rewriting(program)
    for code, old in program.instructions():
        operands: Sequence[int] = [place[x] for x in old]
        if code in (_PRODUCTS, _STRONG_PRODUCTS):
            code, operands = _shortened(build, code, operands)
        place.append(build.add(code, operands))
    return build.program_like(program, place)


def _shortened(build: Builder, code: int, operands: Sequence[int]) -> tuple[int, Sequence[int]]:
    """The shortest operation with the value of a sum, and its operands."""

    def holds(slot: int, number: float) -> bool:
        return slot < 0 and repr(build.number(slot)) == repr(number)

    from_nothing, strong = holds(operands[0], -0.0), code == _STRONG_PRODUCTS
    ones = [j for j in range(1, len(operands), 2) if holds(operands[j + strong], 1.0)]  # pairs of 1 and a term
    if len(operands) == 5 and from_nothing and ones:  # that term is the start
        operands = [operands[ones[0] + (not strong)], *(operands[3:] if ones[0] == 1 else operands[1:3])]
        from_nothing, ones = holds(operands[0], -0.0), ones[1:]
    if len(operands) == 3:
        start, x, y = operands
        if from_nothing:
            return (_STRONG_MUL, (x, y)) if strong else (_NEG, (y,)) if holds(x, -1.0) else (_MUL, (x, y))
        if ones:
            return _ADD, (start, x if strong else y)
        if holds(x, -1.0) and not strong:
            return _SUB, (start, y)
    return code, operands
