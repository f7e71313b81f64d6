"""Products folded into the one sum that uses them, as its pairs: a sum of products is one instruction.

Strong products make it a strong sum, in which the first factor of a pair decides whether the pair is nothing. Plain
products stay outside then, since 0 * inf is nan in them, but for those with a constant other than 0.

Exact: a pair is multiplied, and rounded, before it is added, as the two instructions did.

    >>> program = Program.of(4, [-0.0, 1.0], [("mul", (0, 1)), ("mul", (2, 3)), ("products", (4, 5, 6, 5, 7))], [8])
    >>> print(program.listing())
    inputs  x0 x1 x2 x3
    v6 = mul x0 x1
    v7 = mul x2 x3
    v8 = products -0.0 1.0 v6 1.0 v7
    outputs v8
    >>> print(fold_products(program).listing())
    inputs  x0 x1 x2 x3
    v6 = products -0.0 x0 x1 x2 x3
    outputs v6
"""

from typing import Any

import numpy as np

from autodiff.compiler.machine.caching import cached
from autodiff.compiler.machine.vectors import kernel
from autodiff.compiler.passes.arrays import Arrays, Rewritten, arrays_of, rewritten, with_constants
from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Program

Array = Any
_MUL, _STRONG_MUL = CODE["mul"], CODE["strong_mul"]
_PRODUCTS, _STRONG_PRODUCTS = CODE["products"], CODE["strong_products"]


def fold_products(program: Program) -> Program:
    """The program with products that only one sum uses as pairs of that sum."""
    program, (one,) = with_constants(program, [1.0])
    return rewritten(program, _folded(arrays_of(program), one))


@kernel
def _is_constant(given: Arrays, x: int) -> bool:
    """Whether a slot holds a constant that is not 0."""
    return given.inputs <= x < given.first and given.constants[x - given.inputs] != 0.0


@kernel
def _constant_factor(given: Arrays, at: int) -> int:
    """Which of two factors is a constant that is not 0; -1 for neither."""
    for side in range(2):
        if _is_constant(given, given.operands[at + side]):
            return side
    return -1


@kernel
def _lone(given: Arrays, j: int, one: int) -> int:
    """The instruction whose result is the term at j, as it is, and is used nowhere else; -1 if there is none."""
    y = given.operands[j + 1]
    return y - given.first if given.operands[j] == one and y >= given.first and given.uses[y] == 1 else -1


@kernel
def _is_strong(given: Arrays, begin: int, end: int, one: int) -> bool:
    """Whether a sum takes strong products over: it has some, and its pairs so far mean the same in a strong sum."""
    found = False
    for j in range(begin + 1, end, 2):
        if not _is_constant(given, given.operands[j]):
            return False
        m = _lone(given, j, one)
        found = found or (m >= 0 and given.codes[m] == _STRONG_MUL)
    return found


@kernel
def _marked(given: Arrays, one: int) -> tuple[Array, Array]:
    """Which products are folded into sums, and which sums become strong."""
    codes, starts = given.codes, given.starts
    gone, strong = np.zeros(len(codes), np.uint8), np.zeros(len(codes), np.uint8)
    for i in range(len(codes)):
        if codes[i] != _PRODUCTS:
            continue
        strong[i] = _is_strong(given, starts[i], starts[i + 1], one)
        for j in range(starts[i] + 1, starts[i + 1], 2):
            m = _lone(given, j, one)
            if m >= 0 and codes[m] == _MUL:
                gone[m] = not strong[i] or _constant_factor(given, starts[m]) >= 0
            elif m >= 0 and codes[m] == _STRONG_MUL:
                gone[m] = strong[i]
    return gone, strong


@cached
def _folded(given: Arrays, one: int) -> Rewritten:
    """The same on arrays; 1.0 is in the slot `one`."""
    codes, starts, operands, first = given.codes, given.starts, given.operands, given.first
    n = len(codes)
    gone, strong = _marked(given, one)
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
            m = _lone(given, j, one)
            if m >= 0 and gone[m]:
                a, at = starts[m], used + j - starts[i]
                b = a + 1
                if codes[m] == _MUL and _constant_factor(given, a) == 1:
                    a, b = b, a
                new_operands[at], new_operands[at + 1] = place[operands[a]], place[operands[b]]
        new_codes[count] = _STRONG_PRODUCTS if strong[i] else codes[i]
        place[first + i] = first + count
        count, used = count + 1, used + starts[i + 1] - starts[i]
        new_starts[count] = used
    return new_codes[:count], new_starts[: count + 1], new_operands[:used], place
