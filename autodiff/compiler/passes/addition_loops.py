"""The loops of the passes over sums, in machine code; `autodiff.compiler.passes.additions` says what each does.

Programs are arrays here: opcodes, where the operands of each instruction start, operands. Every function returns the
arrays of the new program, and for each old slot the new one.
"""

from typing import Any

import numpy as np

from autodiff.compiler.machine.caching import cached
from autodiff.compiler.machine.vectors import kernel
from autodiff.compiler.program.opcodes import CODE

Array = Any
Arrays = tuple[Array, Array, Array, Array]
_ADD, _SUB, _MUL, _DIV, _NEG = CODE["add"], CODE["sub"], CODE["mul"], CODE["div"], CODE["neg"]
_STRONG_MUL = CODE["strong_mul"]
_SUM, _MEAN, _DOT = CODE["sum"], CODE["mean"], CODE["dot"]
_PRODUCTS, _STRONG_PRODUCTS = CODE["products"], CODE["strong_products"]


@kernel
def _is_sum(code: int) -> bool:
    return code in (_ADD, _SUM, _MEAN, _DOT)


@kernel
def _taken_over(codes: Array, starts: Array, operands: Array, first: int, uses: Array) -> Array:
    """Return for each slot whether it is a sum that goes on: the left operand of one addition, and nothing else."""
    taken = np.zeros(first + len(codes), np.uint8)
    for i in range(len(codes)):
        x = operands[starts[i]] if codes[i] == _ADD else 0
        if x >= first and uses[x] == 1 and codes[x - first] in (_ADD, _SUM, _DOT):
            taken[x] = 1
    return taken


@kernel
def _chained(codes: Array, starts: Array, operands: Array, first: int, taken: Array, one: int) -> Arrays:
    """Return the pairs of all sums as linked lists: both factors of each, the next one, and where each sum begins.

    The list of a sum that goes on is the beginning of its user's.
    """
    x_of, y_of, following = np.empty_like(operands), np.empty_like(operands), np.full(len(operands), -1)
    heads, tails, count = np.full(len(codes), -1), np.full(len(codes), -1), 0
    for i in range(len(codes)):
        if not _is_sum(codes[i]):
            continue
        width = (starts[i + 1] - starts[i]) // (2 if codes[i] == _DOT else 1)
        for j in range(starts[i], starts[i] + width):
            x = operands[j]
            if codes[i] == _ADD and j == starts[i] and taken[x]:
                heads[i], tails[i] = heads[x - first], tails[x - first]
                continue
            x_of[count], y_of[count] = (x, operands[j + width]) if codes[i] == _DOT else (one, x)
            if tails[i] < 0:
                heads[i] = count
            else:
                following[tails[i]] = count
            tails[i] = count
            count += 1
    return x_of, y_of, following, heads


@cached
def flattened(
    codes: Array, starts: Array, operands: Array, first: int, uses: Array, inputs: int, one: int, nothing: int,
    counts: Array,
) -> Arrays:  # fmt: skip
    """Return the program with its additions as `products`; `counts[n]` is the slot of the constant n."""
    n = len(codes)
    taken = _taken_over(codes, starts, operands, first, uses)
    x_of, y_of, following, heads = _chained(codes, starts, operands, first, taken, one)
    place = np.arange(first + n)
    new_codes, new_starts = np.empty(2 * n, np.int64), np.zeros(2 * n + 1, np.int64)
    new_operands = np.empty(2 * len(operands) + 3 * n, np.int64)
    count, used = 0, 0
    for i in range(n):
        if taken[first + i]:
            continue
        pair = heads[i]
        if pair < 0:
            for j in range(starts[i], starts[i + 1]):
                new_operands[used], used = place[operands[j]], used + 1
        elif x_of[pair] == one and inputs <= y_of[pair] < first:  # a constant is the start
            new_operands[used], used, pair = y_of[pair], used + 1, following[pair]
        else:
            new_operands[used], used = nothing, used + 1
        while pair >= 0:
            new_operands[used], new_operands[used + 1] = place[x_of[pair]], place[y_of[pair]]
            used, pair = used + 2, following[pair]
        new_codes[count] = codes[i] if heads[i] < 0 else _PRODUCTS
        count += 1
        new_starts[count] = used
        if codes[i] == _MEAN:
            new_operands[used], new_operands[used + 1] = first + count - 1, counts[starts[i + 1] - starts[i]]
            new_codes[count] = _DIV
            count, used = count + 1, used + 2
            new_starts[count] = used
        place[first + i] = first + count - 1
    return new_codes[:count], new_starts[: count + 1], new_operands[:used], place


@cached
def folded(
    codes: Array, starts: Array, operands: Array, first: int, uses: Array, inputs: int, numbers: Array, one: int
) -> Arrays:
    """Return the program with products that only one sum uses as its pairs."""
    n = len(codes)
    gone, strong = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
    for i in range(n):
        if codes[i] != _PRODUCTS:
            continue
        for j in range(starts[i] + 1, starts[i + 1], 2):
            x, y = operands[j], operands[j + 1]
            if x == one and y >= first and uses[y] == 1 and codes[y - first] == _STRONG_MUL:
                strong[i] = 1
        for j in range(starts[i] + 1, starts[i + 1], 2):  # others must not count as strong: none but with constants
            x = operands[j]
            if not (inputs <= x < first and numbers[x - inputs] != 0.0):
                strong[i] = 0
        for j in range(starts[i] + 1, starts[i + 1], 2):
            x, y = operands[j], operands[j + 1]
            if x != one or y < first or uses[y] != 1:
                continue
            m = y - first
            if strong[i] and codes[m] == _STRONG_MUL:
                gone[m] = 1
            elif codes[m] == _MUL:
                gone[m] = not strong[i] or _constant_factor(operands, starts[m], inputs, first, numbers) >= 0
    place = np.arange(first + n)
    new_codes, new_starts = np.empty(n, np.int64), np.zeros(n + 1, np.int64)
    new_operands = np.empty(len(operands), np.int64)
    count, used = 0, 0
    for i in range(n):
        if gone[i]:
            continue
        for j in range(starts[i], starts[i + 1]):
            new_operands[used] = place[operands[j]]
            used += 1
        new_codes[count] = codes[i]
        if codes[i] == _PRODUCTS:
            begin = used - (starts[i + 1] - starts[i])
            if strong[i]:
                new_codes[count] = _STRONG_PRODUCTS
            for j in range(starts[i] + 1, starts[i + 1], 2):
                y = operands[j + 1]
                if operands[j] == one and y >= first and gone[y - first]:
                    a, b = starts[y - first], starts[y - first] + 1
                    if codes[y - first] == _MUL:
                        which = _constant_factor(operands, a, inputs, first, numbers)
                        if which == 1:
                            a, b = b, a
                    at = begin + j - starts[i]
                    new_operands[at], new_operands[at + 1] = place[operands[a]], place[operands[b]]
        place[first + i] = first + count
        count += 1
        new_starts[count] = used
    return new_codes[:count], new_starts[: count + 1], new_operands[:used], place


@kernel
def _constant_factor(operands: Array, at: int, inputs: int, first: int, numbers: Array) -> int:
    """Return which of two factors is a constant that is not 0, or -1."""
    for side in range(2):
        x = operands[at + side]
        if inputs <= x < first and numbers[x - inputs] != 0.0:
            return side
    return -1


@cached
def shortened(codes: Array, starts: Array, operands: Array, first: int, one: int, minus: int, negative: int) -> Arrays:
    """Return the program with sums of one or two terms as the operations they are."""
    n = len(codes)
    new_codes, new_starts = codes.copy(), np.zeros(n + 1, np.int64)
    new_operands = np.empty(len(operands), np.int64)
    used = 0
    for i in range(n):
        s, e = starts[i], starts[i + 1]
        code, begin, step = codes[i], s, 1
        if code == _PRODUCTS and e - s == 3:
            if operands[s] == negative:
                code, begin = (_NEG, s + 2) if operands[s + 1] == minus else (_MUL, s + 1)
            elif operands[s + 1] == one or operands[s + 1] == minus:
                code, step = _ADD if operands[s + 1] == one else _SUB, 2
        elif code == _STRONG_PRODUCTS and e - s == 3 and operands[s] == negative:
            code, begin = _STRONG_MUL, s + 1
        elif code in (_PRODUCTS, _STRONG_PRODUCTS) and e - s == 5 and operands[s] == negative:
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
    return new_codes, new_starts, new_operands[:used], np.arange(first + n)
