"""Products folded into the one sum that uses them, as its pairs: a sum of products is one instruction.

>>> program = Program.of(4, [-0.0, 1.0], [("mul", (0, 1)), ("mul", (2, 3)), ("products", (4, 5, 6, 5, 7))], [8])
>>> print(fold_products(program).listing())
inputs  x0 x1 x2 x3
v6 = products -0.0 x0 x1 x2 x3
outputs v6
"""

from typing import Any

import numpy as np

from autodiff.compiler.machine.caching import cached
from autodiff.compiler.machine.vectors import kernel
from autodiff.compiler.passes.arrays import Rewritten, arrays_of, rewritten, uses_of, with_constants
from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Program

Array = Any
_MUL, _STRONG_MUL = CODE["mul"], CODE["strong_mul"]
_PRODUCTS, _STRONG_PRODUCTS = CODE["products"], CODE["strong_products"]


def fold_products(program: Program) -> Program:
    """The program with products that only one sum uses as pairs of that sum.

    Strong products make it a strong sum, where the first factor of a pair decides: plain products stay outside then,
    since 0 * inf is nan in them, but for those with a constant.
    """
    given, (one,) = with_constants(program, [1.0])
    numbers = np.array(given.constants)
    return rewritten(given, _folded(*arrays_of(given), uses_of(given), given.inputs, numbers, one))


@kernel
def _constant_factor(operands: Array, at: int, inputs: int, first: int, numbers: Array) -> int:
    """Which of two factors is a constant that is not 0; -1 for neither."""
    for side in range(2):
        x = operands[at + side]
        if inputs <= x < first and numbers[x - inputs] != 0.0:
            return side
    return -1


@kernel
def _lone(operands: Array, j: int, first: int, uses: Array, one: int) -> int:
    """The instruction whose result is the term at j, as it is, and is used nowhere else; -1 if there is none."""
    y = operands[j + 1]
    return y - first if operands[j] == one and y >= first and uses[y] == 1 else -1


@kernel
def _is_strong(
    codes: Array, operands: Array, begin: int, end: int, first: int, uses: Array, inputs: int, numbers: Array, one: int
) -> bool:
    """Whether a sum takes strong products over: it has some, and its pairs so far mean the same in a strong sum."""
    found = False
    for j in range(begin + 1, end, 2):
        x, m = operands[j], _lone(operands, j, first, uses, one)
        if not (inputs <= x < first and numbers[x - inputs] != 0.0):
            return False
        found = found or (m >= 0 and codes[m] == _STRONG_MUL)
    return found


@kernel
def _marked(
    codes: Array, starts: Array, operands: Array, first: int, uses: Array, inputs: int, numbers: Array, one: int
) -> tuple[Array, Array]:
    """Which products are folded into sums, and which sums become strong."""
    gone, strong = np.zeros(len(codes), np.uint8), np.zeros(len(codes), np.uint8)
    for i in range(len(codes)):
        if codes[i] != _PRODUCTS:
            continue
        strong[i] = _is_strong(codes, operands, starts[i], starts[i + 1], first, uses, inputs, numbers, one)
        for j in range(starts[i] + 1, starts[i + 1], 2):
            m = _lone(operands, j, first, uses, one)
            if m >= 0 and codes[m] == _MUL:
                gone[m] = not strong[i] or _constant_factor(operands, starts[m], inputs, first, numbers) >= 0
            elif m >= 0 and codes[m] == _STRONG_MUL:
                gone[m] = strong[i]
    return gone, strong


@cached
def _folded(
    codes: Array, starts: Array, operands: Array, first: int, uses: Array, inputs: int, numbers: Array, one: int
) -> Rewritten:
    n = len(codes)
    gone, strong = _marked(codes, starts, operands, first, uses, inputs, numbers, one)
    place = np.arange(first + n)
    new_codes, new_starts = np.empty(n, np.int64), np.zeros(n + 1, np.int64)
    new_operands = np.empty(len(operands), np.int64)
    count, used = 0, 0
    for i in range(n):
        if gone[i]:
            continue
        for j in range(starts[i], starts[i + 1]):
            new_operands[used + j - starts[i]] = place[operands[j]]
        for j in range(starts[i] + 1, starts[i + 1] if codes[i] == _PRODUCTS else starts[i], 2):
            m = _lone(operands, j, first, uses, one)
            if m >= 0 and gone[m]:
                a, at = starts[m], used + j - starts[i]
                b = a + 1
                if codes[m] == _MUL and _constant_factor(operands, a, inputs, first, numbers) == 1:
                    a, b = b, a
                new_operands[at], new_operands[at + 1] = place[operands[a]], place[operands[b]]
        new_codes[count] = _STRONG_PRODUCTS if strong[i] else codes[i]
        place[first + i] = first + count
        count, used = count + 1, used + starts[i + 1] - starts[i]
        new_starts[count] = used
    return new_codes[:count], new_starts[: count + 1], new_operands[:used], place
