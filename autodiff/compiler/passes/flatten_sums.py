"""Sums flattened: a chain of additions becomes one `products`, a start and pairs to be multiplied and added, in order.

What came from loops is then ready to be a loop again: every matrix product, written in scalars, is a set of such sums.
Each term x is the pair 1.0 x, and a mean is a sum, divided.

One long sum is what one `sum`, `dot` or chain of additions from left to right wrote, in that order, and what reverse
mode accumulated. What stood in parentheses, as the right operand of an addition or a term of a `sum`, stays a sum of
its own, and a subtraction stays what it is: the error terms of compensated arithmetic live by that.

The terms are added one by one, in the order that they had. Exact but for `dot`, whose products are fused ones from now
on: 1.0 * x is x, and -0.0 + x too, to the last bit. (The `sum` of Python itself, which the table calls, compensates for
rounding from Python 3.12 on; this one does not.)

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
"""

from itertools import chain

from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Builder, Program
from autodiff.native.pairs import paired

_ADD, _SUM, _MEAN, _DOT, _DIV = (CODE[name] for name in ("add", "sum", "mean", "dot", "div"))
_PRODUCTS = CODE["products"]
_SUMS = frozenset((_ADD, _SUM, _MEAN, _DOT))


@paired
def flatten_sums(program: Program) -> Program:
    """The program with each sum as one `products`."""
    going_on, begun = _going_on(program), dict[int, list[int]]()  # the pairs of sums that go on, by their slots
    build, place = Builder.rewriting(program)
    one, nothing = build.constant(1.0), build.constant(-0.0)
    for slot, (code, old) in enumerate(program.instructions(), program.first):
        operands = [place[x] for x in old]
        if code not in _SUMS:
            place.append(build.add(code, operands))
            continue
        pairs = begun.pop(old[0], []) if code == _ADD else []
        if code == _DOT:
            half = len(operands) // 2
            pairs += chain.from_iterable(zip(operands[:half], operands[half:], strict=True))
        else:
            pairs += chain.from_iterable((one, x) for x in operands[bool(pairs) :])
        if slot in going_on:
            begun[slot] = pairs
            place.append(slot)  # which nothing reads
            continue
        starts_from_constant = pairs[0] == one and pairs[1] < 0
        place.append(build.add(_PRODUCTS, pairs[1:] if starts_from_constant else [nothing, *pairs]))
        if code == _MEAN:
            place[-1] = build.add(_DIV, (place[-1], build.constant(float(len(old)))))
    return build.program_like(program, place)


def _going_on(program: Program) -> set[int]:
    """The slots of sums that go on: each is the left operand of one addition, and nothing else."""
    uses, first = program.uses(), program.first
    sums = {slot for slot, code in enumerate(program.codes, first) if code in (_ADD, _SUM, _DOT) and uses[slot] == 1}
    return sums.intersection(old[0] for code, old in program.instructions() if code == _ADD)
