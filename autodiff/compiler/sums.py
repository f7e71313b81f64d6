"""Additions made into few long sums: passes from program to program, for the backend that runs sums as loops.

A chain or tree of additions whose parts are used nowhere else becomes one instruction, `products`: a start, and pairs to
be multiplied and added. Products that are used nowhere else become pairs of it, and what came from loops is ready to
be a loop again: every matrix product, written in scalars, is a set of such sums. Sums are reordered here, so only last
bits differ; signed zeros, infinities and nan stay what they are.

    >>> program = Program.of(4, [], [("mul", (0, 1)), ("mul", (2, 3)), ("add", (4, 5))], [6])
    >>> print(fold_products(flatten_sums(program)).listing())
    inputs  x0 x1 x2 x3
    v6 = products -0.0 x0 x1 x2 x3
    outputs v6
"""

import struct
from collections.abc import Sequence

from autodiff.compiler.opcodes import CODE
from autodiff.compiler.program import Instruction, Program, rebuilt

_ADD, _SUB, _NEG, _MUL, _STRONG_MUL = CODE["add"], CODE["sub"], CODE["neg"], CODE["mul"], CODE["strong_mul"]
_SUM, _MEAN, _DOT = CODE["sum"], CODE["mean"], CODE["dot"]
_PRODUCTS, _STRONG_PRODUCTS = CODE["products"], CODE["strong_products"]


def flatten_sums(program: Program) -> Program:
    """Return the program with its additions as `products`: each x as the pair 1.0 x, each -x as -1.0 x.

    A sum that is subtracted stays a sum of its own: -(1 - 1) is -0.0, but -1 + 1 is 0.0.
    """
    draft = _Draft(program)
    one, minus, nothing = draft.constant(1.0), draft.constant(-1.0), draft.constant(-0.0)
    absorbed = _absorbed(draft)
    pending: dict[int, list[int]] = {}  # pairs of the sums that their only user takes over

    def gathered(slots: Sequence[int]) -> list[int]:
        """Return the pairs of a sum: the longest part is extended by the others, so that no chain is copied again."""
        parts = [pending.pop(x) if absorbed[x] else [one, x] for x in slots]
        longest = max(range(len(parts)), key=lambda i: len(parts[i]))
        pairs = parts[longest]
        for i, part in enumerate(parts):
            if i != longest:
                pairs += part
        return pairs

    for slot, (code, operands) in enumerate(draft.instructions, program.first):
        if code == _ADD or code == _SUM:
            pairs = gathered(operands)
        elif code == _SUB:
            pairs = (
                [*gathered(operands[:1]), minus, operands[1]] if not absorbed[operands[0]] else gathered(operands[:1])
            )
            if absorbed[operands[0]]:
                pairs += minus, operands[1]
        elif code == _NEG:
            pairs = [minus, operands[0]]
        elif code == _DOT:
            n = len(operands) // 2
            pairs = [x for pair in zip(operands[:n], operands[n:], strict=True) for x in pair]
        elif code == _MEAN:
            total = draft.fresh()
            draft.write(total, _PRODUCTS, draft.with_start(nothing, gathered(operands), one))
            pairs = [draft.constant(1.0 / len(operands)), total]
        else:
            draft.write(slot, code, operands)
            continue
        if absorbed[slot]:
            pending[slot] = pairs
        else:
            draft.write(slot, _PRODUCTS, draft.with_start(nothing, pairs, one))
    return draft.program()


def _absorbed(draft: "_Draft") -> bytearray:
    """Return for each slot whether it is a sum that its only user, a sum too, takes over."""
    absorbed, uses, first = bytearray(len(draft.places)), draft.uses, draft.first
    sums = frozenset((_ADD, _SUB, _NEG, _SUM, _MEAN, _DOT))
    adding = frozenset((_ADD, _SUM, _MEAN))
    for code, operands in draft.instructions:
        for x in operands if code in adding else operands[:1] if code == _SUB else ():
            if x >= first and uses[x] == 1 and draft.instructions[x - first][0] in sums:
                absorbed[x] = 1
    return absorbed


def fold_products(program: Program) -> Program:
    """Return the program with products that only one sum uses as pairs of that sum.

    Strong products make it a strong sum, where the first factor of a pair decides: plain products stay outside then,
    since 0 * inf is nan in them, but for those with a constant.
    """
    draft = _Draft(program)
    one, minus = draft.constant(1.0), draft.constant(-1.0)
    negative, positive = draft.constant(-0.0), draft.constant(0.0)
    made, first, uses = draft.instructions, draft.first, draft.uses
    written: list[Instruction | None] = list(made)

    def factor(x: int, code: int) -> bool:
        """Return whether slot x is a product of this kind, used once."""
        return first <= x < first + len(made) and uses[x] == 1 and made[x - first][0] == code

    for i, (code, operands) in enumerate(made):
        if code != _PRODUCTS:
            continue
        start, pairs = operands[0], operands[1:]
        firsts, seconds = pairs[::2], pairs[1::2]
        strong = any(x == one and factor(y, _STRONG_MUL) for x, y in zip(firsts, seconds, strict=True))
        strong = strong and all(draft.is_nonzero(x) for x in firsts)
        folded: list[int] = []
        for x, y in zip(firsts, seconds, strict=True):
            if x == one and strong and factor(y, _STRONG_MUL):
                folded += made[y - first][1]
            elif (
                (x == one or x == minus)
                and factor(y, _MUL)
                and (pair := draft.pair(x, made[y - first][1], one, strong))
            ):
                folded += pair
            else:
                folded += x, y
                continue
            written[y - first] = None
        if strong and start == negative:
            start = positive  # a strong product is never -0.0
        written[i] = (_STRONG_PRODUCTS if strong else _PRODUCTS, (start, *folded))
    for slot, instruction in enumerate(written, first):
        if instruction is not None:
            draft.write(slot, *instruction)
    return draft.program()


def shorten_sums(program: Program) -> Program:
    """Return the program with the sums of one or two terms as add, sub, mul and strong_mul again."""
    draft = _Draft(program)
    one, minus, negative, positive = [draft.constant(x) for x in (1.0, -1.0, -0.0, 0.0)]
    for slot, (code, operands) in enumerate(draft.instructions, draft.first):
        short = (code, operands)
        if code == _PRODUCTS and len(operands) == 3:
            start, x, y = operands
            if start == negative:
                short = (_NEG, (y,)) if x == minus else (_MUL, (x, y))
            elif x == one or x == minus:
                short = (_ADD if x == one else _SUB, (start, y))
        elif code == _STRONG_PRODUCTS and len(operands) == 3 and operands[0] == positive:
            short = (_STRONG_MUL, operands[1:])
        elif code == _PRODUCTS and len(operands) == 5 and operands[0] == negative and operands[1] == one:
            if operands[3] == one or operands[3] == minus:
                short = (_ADD if operands[3] == one else _SUB, (operands[2], operands[4]))
        draft.write(slot, *short)
    return draft.program()


class _Draft:
    """A program being rewritten: instructions speak of the old slots, and of new ones beyond them, till the end."""

    def __init__(self, program: Program) -> None:
        self.old = program
        self.instructions = list(program.instructions())
        self.first = program.first
        self.numbers = list(program.constants)
        self.places: list[int] = [*range(program.first), *[-1] * len(self.instructions)]
        self.added: list[tuple[int, float]] = []
        self.written: list[tuple[int, int, Sequence[int]]] = []
        self.by_bits = {struct.pack("d", x): program.inputs + i for i, x in enumerate(self.numbers)}
        self.uses = [0] * len(self.places)
        for x in program.operands:
            self.uses[x] += 1
        for x in (*program.outputs, *program.guards):
            self.uses[x] += 2  # never taken over

    def fresh(self) -> int:
        """Return a new slot."""
        self.places.append(-1)
        return len(self.places) - 1

    def constant(self, number: float) -> int:
        """Return the slot of a number."""
        key = struct.pack("d", number)
        if key not in self.by_bits:
            self.by_bits[key] = self.fresh()
            self.added.append((self.by_bits[key], number))
        return self.by_bits[key]

    def number(self, slot: int) -> float | None:
        """Return the number of a constant."""
        if self.old.inputs <= slot < self.first:
            return self.numbers[slot - self.old.inputs]
        return next((x for place, x in self.added if place == slot), None) if slot >= self.first else None

    def is_nonzero(self, slot: int) -> bool:
        """Return whether this is a constant that is not 0."""
        return bool(self.number(slot))

    def with_start(self, start: int, pairs: list[int], one: int) -> list[int]:
        """Return the operands of a sum, which starts from a constant among its terms, if there is one."""
        for i in range(0, len(pairs), 2):
            if pairs[i] == one and self.old.inputs <= pairs[i + 1] < self.first:
                return [pairs[i + 1], *pairs[:i], *pairs[i + 2 :]]
        return [start, *pairs]

    def pair(self, sign: int, factors: Sequence[int], one: int, strong: bool) -> tuple[int, int] | None:
        """Return the pair for plus or minus a product, a constant factor first; None if it must stay outside."""
        x, y = factors
        if self.number(y) is not None:
            x, y = y, x
        number = self.number(x)
        if number is None:
            return None if strong or sign != one else (factors[0], factors[1])
        if strong and number == 0.0:
            return None
        return (x if sign == one else self.constant(-number)), y

    def write(self, slot: int, code: int, operands: Sequence[int]) -> None:
        """Put an instruction at the end of the program; its result is what `slot` stood for."""
        self.written.append((slot, code, operands))

    def program(self) -> Program:
        """Return the program that was written."""
        places = self.places
        for i, (slot, _) in enumerate(self.added):
            places[slot] = self.first + i
        first = self.first + len(self.added)
        for i, (slot, _, _) in enumerate(self.written):
            places[slot] = first + i
        instructions = [(code, tuple([places[x] for x in operands])) for _, code, operands in self.written]
        constants = self.numbers + [number for _, number in self.added]
        outputs, guards = self.old.outputs, self.old.guards
        return rebuilt(
            self.old,
            instructions,
            constants,
            outputs=type(outputs)("i", [places[x] for x in outputs]),
            guards=type(guards)("i", [places[x] for x in guards]),
        )
