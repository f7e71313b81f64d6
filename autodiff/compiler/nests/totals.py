"""Totals over rows: outputs that are added up while the rows are run, each a sum of one product a row."""

from typing import Any

import numpy as np

from autodiff.compiler.nests.instructions import PRODUCT, PRODUCTS, STRONG_PRODUCT, STRONG_PRODUCTS
from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Builder, Program

Array = Any
# The operations that may be one product, and their kinds.
PRODUCT_KINDS = {
    "products": PRODUCTS,
    "strong_products": STRONG_PRODUCTS,
    "mul": PRODUCT,
    "strong_mul": STRONG_PRODUCT,
}
_CODES = {CODE[name] for name in PRODUCT_KINDS}


def _among(slots: Array, count: int) -> Array:
    found = np.zeros(count, bool)
    found[slots] = True
    return found


def are_totals(program: Program, operands: Array) -> Array:
    """For each instruction whether it is an output and nothing else."""
    used = _among(operands, program.slots) | _among(np.array(program.guards, np.int64), program.slots)
    return (_among(np.array(program.outputs, np.int64), program.slots) & ~used)[program.first :]


def with_totals(program: Program) -> Program:
    """The program with each output that varies from row to row as a product, of 1 and what it was if need be.

    A sum is one term of the total, as if in parentheses: over the rows its own terms could cancel or overflow.
    """
    varying = program.varying_slots()
    used = bytearray(program.slots)
    for x in (*program.operands, *program.guards):
        used[x] = 1
    build, place, products = Builder.like(program), list[int](), set[int]()
    place += [*range(program.inputs), *map(build.constant, program.constants)]
    for slot, (code, operands) in enumerate(program.instructions(), program.first):
        place.append(build.add(code, [place[x] for x in operands]))
        if not used[slot] and _is_product(program, code, operands):
            products.add(slot)
    totals = {
        x: build.add(CODE["mul"], [build.constant(1.0), place[x]]) if varying[x] and x not in products else place[x]
        for x in program.outputs
    }
    return build.program([totals[x] for x in program.outputs], [place[x] for x in program.guards], program.expected)


def _is_product(program: Program, code: int, operands: tuple[int, ...]) -> bool:
    """Whether an instruction is one product, or 0 + x * y, whose zero a total may begin with."""
    if code not in _CODES or len(operands) == 2:
        return code in _CODES
    start = operands[0] - program.inputs
    return len(operands) == 3 and 0 <= start < len(program.constants) and program.constants[start] == 0.0
