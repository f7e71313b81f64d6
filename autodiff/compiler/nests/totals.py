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


def with_totals(program: Program) -> Program:
    """The program with each output that varies from row to row as a product, of 1 and what it was if need be.

    A sum is one term of the total, as if in parentheses: over the rows its own terms could cancel or overflow.
    """
    varying, used = program.varying_slots(), used_slots(program)
    products = {
        slot
        for slot, (code, operands) in enumerate(program.instructions(), program.first)
        if not used[slot] and _is_product(program, code, operands)
    }
    added = [x for x in dict.fromkeys(program.outputs) if varying[x] and x not in products]
    return _times_one(program, added) if added else program


def _times_one(program: Program, added: list[int]) -> Program:
    """The program with these outputs multiplied by 1."""
    constants = program.constants[:]
    if 1.0 not in constants:
        constants.append(1.0)
    moved = len(constants) - len(program.constants)
    slots = [x + moved * (x >= program.first) for x in range(program.slots)]
    one = program.inputs + constants.index(1.0)
    product = {x: program.slots + moved + i for i, x in enumerate(added)}
    factors = [y for x in added for y in (one, slots[x])]
    end = len(program.operands)
    return program._replace(
        constants=constants,
        codes=program.codes + array("H", [CODE["mul"]] * len(added)),
        starts=program.starts + array("q", [end + 2 + 2 * i for i in range(len(added))]),
        operands=array("i", [*[slots[x] for x in program.operands], *factors]),
        outputs=array("i", [product.get(x, slots[x]) for x in program.outputs]),
        guards=array("i", [slots[x] for x in program.guards]),
    )


def _is_product(program: Program, code: int, operands: tuple[int, ...]) -> bool:
    """Whether an instruction is one product, or 0 + x * y, whose zero a total may begin with."""
    if code not in PRODUCT_KINDS or len(operands) == 2:
        return code in PRODUCT_KINDS
    start = operands[0] - program.inputs
    return len(operands) == 3 and 0 <= start < len(program.constants) and program.constants[start] == 0.0
