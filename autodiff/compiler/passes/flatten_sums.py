"""Sums flattened: a chain of additions becomes one `products`, a start and pairs to be multiplied and added, in order.

What came from loops is then ready to be a loop again: every matrix product, written in scalars, is a set of such sums.
Each term x is the pair 1.0 x, and a mean is a sum, divided.

One long sum is what one `sum`, `dot` or chain of additions from left to right wrote, in that order, and what reverse
mode accumulated. What stood in parentheses, as the right operand of an addition or a term of a `sum`, stays a sum of
its own, and a subtraction stays what it is: the error terms of compensated arithmetic live by that.

Exact: the terms are added one by one, in the order that they had; 1.0 * x is x, and -0.0 + x too, to the last bit. (The
`sum` of Python itself, which the table calls, compensates for rounding from Python 3.12 on; this one does not.)

    >>> program = Program.of(4, [], [("add", (0, 1)), ("mul", (2, 3)), ("add", (4, 5))], [6])
    >>> print(program.listing())
    inputs  x0 x1 x2 x3
    v4 = add x0 x1
    v5 = mul x2 x3
    v6 = add v4 v5
    outputs v6
    >>> print(flatten_sums(program).listing())
    inputs  x0 x1 x2 x3
    v6 = mul x2 x3
    v7 = products -0.0 1.0 x0 1.0 x1 1.0 v6
    outputs v7

The loops are machine code: in Python they took 1.7 s for the 155,000 instructions of a small transformer, instead of
0.03 s.
"""

from typing import Any

import numpy as np

from autodiff.compiler.machine.caching import cached
from autodiff.compiler.machine.vectors import kernel
from autodiff.compiler.passes.arrays import Arrays, Rewritten, arrays_of, codes_of, ints, rewritten, with_constants
from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Program

Array = Any
_ADD, _SUM, _MEAN, _DOT = (CODE[name] for name in ("add", "sum", "mean", "dot"))
_DIV, _PRODUCTS = CODE["div"], CODE["products"]


def flatten_sums(program: Program) -> Program:
    """The program with each sum as one `products`."""
    widths = np.unique(np.diff(ints(program.starts))[codes_of(program) == _MEAN]).tolist()
    program, (one, nothing, *divisors) = with_constants(program, [1.0, -0.0, *map(float, widths)])
    counts = np.zeros(max([0, *widths]) + 1, np.int64)
    counts[widths] = divisors
    return rewritten(program, _flattened(arrays_of(program), one, nothing, counts))


@kernel
def _is_sum(code: int) -> bool:
    return code in (_ADD, _SUM, _MEAN, _DOT)


@kernel
def _taken_over(given: Arrays) -> Array:
    """For each slot whether it is a sum that goes on: the left operand of one addition, and nothing else."""
    codes, starts, operands, first = given.codes, given.starts, given.operands, given.first
    taken = np.zeros(first + len(codes), np.uint8)
    for i in range(len(codes)):
        x = operands[starts[i]] if codes[i] == _ADD else 0
        if x >= first and given.uses[x] == 1 and codes[x - first] in (_ADD, _SUM, _DOT):
            taken[x] = 1
    return taken


@kernel
def _chained(given: Arrays, taken: Array, one: int) -> tuple[Array, Array, Array, Array]:
    """The pairs of all sums as linked lists: both factors of each, the next one, and where each sum begins.

    The list of a sum that goes on is the beginning of its user's.
    """
    codes, starts, operands, first = given.codes, given.starts, given.operands, given.first
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
def _flattened(given: Arrays, one: int, nothing: int, counts: Array) -> Rewritten:
    """The same on arrays; 1.0 is in the slot `one`, -0.0 in `nothing`, and the constant n in `counts[n]`."""
    codes, starts, operands, first = given.codes, given.starts, given.operands, given.first
    n, taken = len(codes), _taken_over(given)
    x_of, y_of, following, heads = _chained(given, taken, one)
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
        elif x_of[pair] == one and given.inputs <= y_of[pair] < first:  # a constant is the start
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
