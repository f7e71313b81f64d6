"""Products folded into the one sum that uses them, as its pairs: a sum of products is one instruction.

Strong products make it a strong sum, in which the first factor of a pair decides whether the pair is nothing: a term
that is added as it is becomes the first, and 1.0 the second. Plain products stay outside then, since 0 * inf is nan in
them, but for those with a constant other than 0.

A product and the addition of it, which rounded once each, are a fused product then, which rounds once: all else is
exact.

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

from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Builder, Program
from autodiff.native.pairs import paired

_MUL, _STRONG_MUL = CODE["mul"], CODE["strong_mul"]
_PRODUCTS, _STRONG_PRODUCTS = CODE["products"], CODE["strong_products"]


@paired
def fold_products(program: Program) -> Program:
    """The program with products that only one sum uses as pairs of that sum."""
    folded, strong = _folded(program)
    build, place = Builder.rewriting(program)
    for slot, (code, old) in enumerate(program.instructions(), program.first):
        if slot in folded:
            place.append(slot)  # which nothing reads
            continue
        operands = [place[x] for x in old]
        if code == _PRODUCTS:
            for j in range(2, len(old), 2):
                if old[j] in folded:
                    operands[j - 1 : j + 1] = [place[x] for x in folded[old[j]]]
                elif slot in strong and build.number(operands[j - 1]) == 1.0:
                    operands[j - 1 : j + 1] = operands[j], operands[j - 1]
        place.append(build.add(_STRONG_PRODUCTS if slot in strong else code, operands))
    return build.program_like(program, place)


def _folded(program: Program) -> tuple[dict[int, tuple[int, int]], set[int]]:
    """The products to be folded, each as a pair, by their slots; and the sums that become strong."""
    uses, slots = program.uses(), range(program.first, program.slots)
    constants = {slot: x for slot, x in enumerate(program.constants, program.inputs) if x != 0.0}
    lone = {
        slot: (code, old)
        for slot, (code, old) in zip(slots, program.instructions(), strict=True)
        if code in (_MUL, _STRONG_MUL) and uses[slot] == 1
    }
    folded, strong = dict[int, tuple[int, int]](), set[int]()
    for slot, (code, old) in zip(slots, program.instructions(), strict=True):
        if code != _PRODUCTS:
            continue
        terms = [y for x, y in zip(old[1::2], old[2::2], strict=True) if constants.get(x) == 1.0 and y in lone]
        if all(x in constants for x in old[1::2]) and any(lone[y][0] == _STRONG_MUL for y in terms):
            strong.add(slot)
        for y in terms:
            kind, (a, b) = lone[y]
            if kind == _MUL and b in constants and a not in constants:
                a, b = b, a
            if (slot in strong and kind == _STRONG_MUL) or (kind == _MUL and (slot not in strong or a in constants)):
                folded[y] = a, b
    return folded, strong
