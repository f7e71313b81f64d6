"""Operations on any number of operands, whose places a table lists: each as its primitive in `floats` has it."""

import math
from math import inf

from autodiff.compiler.backends.kernels.runs import plus_strongly
from autodiff.compiler.machine.vectors import apart, entry, exact_product_error, get, integer, kernel, put
from autodiff.compiler.nests.schema import OPERAND
from autodiff.compiler.programs.opcodes import CODE, OPCODES

_PROD, _NORM, _LOGSUMEXP, _MAX, _MIN = (CODE[name] for name in ("prod", "norm", "logsumexp", "max", "min"))
_PRODUCTS, _STRONG_PRODUCTS = CODE["products"], CODE["strong_products"]
_MADE_PRODUCTS = {"sum", "mean", "dot"}  # by the pass that flattens sums
if (
    unknown := {p.name for p in OPCODES if p.arity is None}
    - _MADE_PRODUCTS
    - {OPCODES[code].name for code in (_PROD, _NORM, _LOGSUMEXP, _MAX, _MIN, _PRODUCTS, _STRONG_PRODUCTS)}
):
    raise RuntimeError(f"no machine code runs {', '.join(sorted(unknown))}: write it in variadic_of")


@kernel
def _operand(p: int, t: int, q: int, j: int, width: int, i2: int, i1: int, i0: int) -> float:
    """Operand j: the table at q has its address alone, or, `OPERAND` words wide, its place in the three loops."""
    q += j * width
    slot = entry(t, q)
    if width == OPERAND:
        slot += i2 * entry(t, q + 1) + i1 * entry(t, q + 2) + i0 * entry(t, q + 3)
    return get(p, slot)


@kernel
def variadic_of(code: int, p: int, t: int, q: int, count: int, width: int, i2: int, i1: int, i0: int) -> float:
    """The result of an operation on `count` operands, listed at q."""
    apart()
    x = _operand(p, t, q, integer(0), width, i2, i1, i0)
    if code in (_PRODUCTS, _STRONG_PRODUCTS):
        for j in range(1, count, 2):
            y, z = _operand(p, t, q, j, width, i2, i1, i0), _operand(p, t, q, j + 1, width, i2, i1, i0)
            x = x + y * z if code == _PRODUCTS else plus_strongly(x, y, z)
        return x
    if code == _PROD:
        for j in range(1, count):
            x *= _operand(p, t, q, j, width, i2, i1, i0)
        return x
    if code == _NORM:
        return _norm(p, t, q, count, width, i2, i1, i0)
    largest = x
    for j in range(1, count):
        y = _operand(p, t, q, j, width, i2, i1, i0)
        better = y < largest if code == _MIN else y > largest
        if better or (y != y and largest == largest):
            largest = y
    if code != _LOGSUMEXP or largest - largest != 0.0:
        return largest
    rest, left = 0.0, True
    for j in range(count):
        y = _operand(p, t, q, j, width, i2, i1, i0)
        if left and y == largest:
            left = False
        else:
            rest += math.exp(y - largest)
    return largest + math.log1p(rest)


@kernel
def variadic(
    code: int, p: int, t: int, q: int, count: int, width: int, n2: int, n1: int, n0: int, o: int, o2: int, o1: int
) -> int:
    """Loop over an operation whose operands are listed at q."""
    for i2 in range(n2):
        for i1 in range(n1):
            for i in range(n0):
                put(p, o + i2 * o2 + i1 * o1 + i, variadic_of(code, p, t, q, count, width, i2, i1, i))
    return 0


@kernel
def _norm(p: int, t: int, q: int, count: int, width: int, i2: int, i1: int, i0: int) -> float:
    """The root of the sum of squares, scaled by a power of two, which rounds nothing and cannot overflow."""
    apart()
    largest, broken = 0.0, False
    for j in range(count):
        y = abs(_operand(p, t, q, j, width, i2, i1, i0))
        if y > largest:
            largest = y
        broken = broken or y != y
    if largest == inf:
        return inf
    if broken:
        return math.nan
    if largest == 0.0:
        return 0.0
    _, exponent = math.frexp(largest)
    squares, error = 0.0, 0.0
    for j in range(count):
        y = math.ldexp(_operand(p, t, q, j, width, i2, i1, i0), -exponent)
        square = y * y
        low = exact_product_error(y, y, square)
        total = squares + square
        error += (square - (total - squares)) + low if squares >= square else (squares - (total - square)) + low
        squares = total
    return math.ldexp(math.sqrt(squares + error), exponent)
