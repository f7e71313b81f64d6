"""Instructions in their final order, as re-rolling sees them; and those that one nest is made of."""

from collections.abc import Sequence
from typing import NamedTuple

from autodiff.compiler.nests.schema import Affine, Loops
from autodiff.compiler.programs.opcodes import CODE, OPCODES

SHARED, IN_LANES, TOTAL = range(3)  # phases: the same for all rows, for each row, added up over the rows
# Kinds of opcodes: sums, single products, others that are common, the rest.
REST, PRODUCTS, STRONG_PRODUCTS, PRODUCT, STRONG_PRODUCT, COMMON = range(6)
PRODUCT_KINDS = {  # of the operations that may be one product
    CODE["products"]: PRODUCTS,
    CODE["strong_products"]: STRONG_PRODUCTS,
    CODE["mul"]: PRODUCT,
    CODE["strong_mul"]: STRONG_PRODUCT,
}
_COMMON = [CODE["add"], CODE["sub"], CODE["div"]]
KINDS = [PRODUCT_KINDS.get(code, COMMON if code in _COMMON else REST) for code in range(len(OPCODES))]


class Instructions(NamedTuple):
    """Instructions, and where numbers stand.

    Attributes:
        codes: opcodes.
        starts: where the operands of each begin; one more at the end.
        operands: their addresses in the block of memory.
        outs: the addresses of the results.
        phases: the phase of each.
        lanes_at: where the lanes begin.
        lanes: how many there are.
        one: the address of the constant 1.0; 0.0 and -0.0 stand before it.
    """

    codes: Sequence[int]
    starts: Sequence[int]
    operands: Sequence[int]
    outs: Sequence[int]
    phases: Sequence[int]
    lanes_at: int
    lanes: int
    one: int

    def count(self, t: int) -> int:
        """How many operands instruction t has."""
        return self.starts[t + 1] - self.starts[t]

    def addresses(self, t: int) -> Sequence[int]:
        """The addresses of the operands of instruction t."""
        return self.operands[self.starts[t] : self.starts[t + 1]]

    def is_lane(self, address: int) -> bool:
        """Whether a number there differs from row to row."""
        return address >= self.lanes_at

    def repeated(self, first: int, inner: int, outer: int) -> "Repeated":
        """So many rows of so many instructions, from this one on."""
        at = self.starts[first]
        beside, below = self.starts[first + (inner > 1)], self.starts[first + (inner if outer > 1 else 0)]
        return Repeated(first, inner, outer, self.phases[first], at, beside, below)


class Repeated(NamedTuple):
    """Instructions that are one nest: `outer` times `inner` of them, and where the operands of three of them begin.

    Attributes:
        first: the first instruction.
        inner: how many there are in a row.
        outer: how many rows.
        phase: of all of them.
        at: where the operands of the first begin.
        beside: where the operands of the second in its row begin; `at` if there is none.
        below: where the operands of the first in the second row begin; `at` if there is none.
    """

    first: int
    inner: int
    outer: int
    phase: int
    at: int
    beside: int
    below: int

    def kind(self, x: Instructions) -> int:
        """The kind of their opcode."""
        return KINDS[x.codes[self.first]]

    def loops(self, x: Instructions) -> Loops:
        """The loops of the nest; lanes are one more, the innermost."""
        return Loops(self.outer, self.inner, x.lanes) if self.phase == IN_LANES else Loops(1, self.outer, self.inner)

    def out(self, x: Instructions) -> Affine:
        """Where the results go: side by side, in the order of the instructions."""
        at = x.outs[self.first]
        if self.phase == IN_LANES:
            return Affine(at, x.lanes * self.inner, x.lanes, 1, 0)
        return Affine(at, 0, self.inner, 1, 0)

    def place(self, x: Instructions, j: int) -> Affine:
        """Where operand j is."""
        at = x.operands[self.at + j]
        inner, outer = x.operands[self.beside + j] - at, x.operands[self.below + j] - at
        if self.phase == IN_LANES:
            return Affine(at, outer, inner, int(x.is_lane(at)), 0)
        return Affine(at, 0, outer, inner, 0)
