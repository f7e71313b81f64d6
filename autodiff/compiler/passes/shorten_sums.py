"""Sums shortened: those of one or two terms are the operations that they were: add, sub, mul, neg and strong_mul.

Exact: -0.0 + x and 1.0 * x are x, and -1.0 * x is -x, to the last bit; x + y is y + x, and x - y is x + -y.

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

from autodiff.compiler.programs.opcodes import CODE, is_nothing
from autodiff.compiler.programs.program import Builder, Program

_ADD, _SUB, _MUL, _NEG, _STRONG_MUL = (CODE[name] for name in ("add", "sub", "mul", "neg", "strong_mul"))
_PRODUCTS, _STRONG_PRODUCTS = CODE["products"], CODE["strong_products"]


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

    def factor(x: int) -> float | None:
        return build.number(x) if x < 0 else None

    is_plain, start = code == _PRODUCTS, factor(operands[0])
    starts_from_nothing = start is not None and is_nothing(start)
    match [*operands]:
        case [_, x, y] if starts_from_nothing:
            if not is_plain:
                return _STRONG_MUL, (x, y)
            return (_NEG, (y,)) if factor(x) == -1.0 else (_MUL, (x, y))
        case [start, x, y] if is_plain and factor(x) in (1.0, -1.0):
            return _ADD if factor(x) == 1.0 else _SUB, (start, y)
        case [_, x1, y1, x2, y2] if starts_from_nothing and 1.0 in (factor(x1), factor(x2)):
            x, y, start = (x2, y2, y1) if factor(x1) == 1.0 else (x1, y1, y2)
            if factor(x) == 1.0 or (is_plain and factor(x) == -1.0):
                return _ADD if factor(x) == 1.0 else _SUB, (start, y)
            return code, (start, x, y)
    return code, operands
