"""Totals over rows: outputs that are added up while the rows are run, each a sum of one product a row."""

from array import array

from autodiff.compiler.nests.instructions import PRODUCT_KINDS
from autodiff.compiler.programs.opcodes import CODE
from autodiff.compiler.programs.program import Program


def used_slots(program: Program) -> bytearray:
    """For each slot whether an instruction or a guard reads it."""
    used = bytearray(program.slots)
    for x in (*program.operands, *program.guards):
        used[x] = 1
    return used


def with_standard(program: Program) -> Program:
    """The program with -0.0, 0.0 and 1.0 behind its constants, which may be among them as well."""
    first, standard = program.first, [-0.0, 0.0, 1.0]

    def moved(slots: "array[int]") -> "array[int]":
        return array("i", [x + len(standard) * (x >= first) for x in slots])

    return program._replace(
        constants=program.constants + array("d", standard),
        operands=moved(program.operands),
        outputs=moved(program.outputs),
        guards=moved(program.guards),
    )


def with_totals(program: Program) -> Program:
    """The program with each output that varies from row to row as a product, of 1 and what it was if need be.

    The last constant is 1. A sum is one term of the total, as if in parentheses: over the rows its own terms could
    cancel or overflow.
    """
    varying, used = program.varying_slots(), used_slots(program)
    products = {
        slot
        for slot, (code, operands) in enumerate(program.instructions(), program.first)
        if not used[slot] and _is_product(program, code, operands)
    }
    added = [x for x in dict.fromkeys(program.outputs) if varying[x] and x not in products]
    one, end = program.first - 1, len(program.operands)
    product = {x: program.slots + i for i, x in enumerate(added)}
    return program._replace(
        codes=program.codes + array("H", [CODE["mul"]] * len(added)),
        starts=program.starts + array("q", [end + 2 + 2 * i for i in range(len(added))]),
        operands=program.operands + array("i", [y for x in added for y in (one, x)]),
        outputs=array("i", [product.get(x, x) for x in program.outputs]),
    )


def _is_product(program: Program, code: int, operands: tuple[int, ...]) -> bool:
    """Whether an instruction is one product, or 0 + x * y, whose zero a total may begin with."""
    if code not in PRODUCT_KINDS or len(operands) == 2:
        return code in PRODUCT_KINDS
    start = operands[0] - program.inputs
    return len(operands) == 3 and 0 <= start < len(program.constants) and program.constants[start] == 0.0
