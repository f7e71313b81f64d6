"""Programs in pickles: operations by their names, a format and a digest, and all of it checked before it runs.

An opcode is a position in the table of primitives, which grows; a pickle has names. Machine code runs a program without
a look at its slots: a program from outside is looked at here, once.

    >>> import pickle
    >>> program = Program.of(inputs=1, constants=[3.0], instructions=[("mul", (0, 1)), ("exp", (2,))], outputs=[3])
    >>> pickle.loads(pickle.dumps(program)) == program
    True
"""

import hashlib
import sys
from array import array
from pickle import UnpicklingError
from typing import Any

from autodiff.compiler.programs.opcodes import CODE, OPCODES
from autodiff.compiler.programs.program import Program

FORMAT = 1  # another one where the same pickle means something else
_AGAIN = "call compile again on the function, and pickle that"


def reduced(program: Program) -> tuple[Any, ...]:
    """A program as a pickle has it: opcodes count the names of its operations, then the primitives of users."""
    used = sorted({code for code in program.codes if code < len(OPCODES)})
    names = tuple(OPCODES[code].name for code in used)
    place = {code: i for i, code in enumerate(used)}
    for i in range(len(program.primitives)):
        place[len(OPCODES) + i] = len(used) + i
    fields = program._replace(codes=array("H", [place[code] for code in program.codes]))
    return restored, (FORMAT, _digest(names, fields), names, *fields)


def restored(kept: int, digest: bytes, names: tuple[str, ...], *fields: Any) -> Program:
    """The program that `reduced` took apart.

    Raises UnpicklingError where the pickle is of another format, is damaged, or has an operation that is not known.
    """
    if kept != FORMAT:
        raise UnpicklingError(f"the pickle has a program of format {kept}, expected {FORMAT}: {_AGAIN}")
    try:
        program = Program(*fields)
        intact = _digest(names, program) == digest
    except (TypeError, ValueError, AttributeError, OverflowError):  # not even the kinds of its parts are right
        intact = False
    if not intact:
        raise UnpicklingError(f"the pickle of a program is damaged, its digest is not that of its contents: {_AGAIN}")
    unknown = [name for name in names if name not in CODE]
    if unknown:
        raise UnpicklingError(f"the pickle has a program with {unknown[0]!r}, which this autodiff has not: {_AGAIN}")
    codes = [*map(CODE.__getitem__, names), *range(len(OPCODES), len(OPCODES) + len(program.primitives))]
    if max(program.codes, default=-1) >= len(codes):
        raise UnpicklingError(f"the pickle has a program with an operation that has no name: {_AGAIN}")
    program = program._replace(codes=array("H", [codes[code] for code in program.codes]))
    if fault := _fault(program):
        raise UnpicklingError(f"the pickle has a program that cannot run, {fault}: {_AGAIN}")
    return program


def seal_of(options: Any, versions: Any) -> tuple[int, bytes]:
    """The format, and a digest of how a compiled function runs its programs; each has a digest of its own."""
    forms = [
        [
            (
                len(version.leaves),
                len(version.differentiated),
                version.results.numbers,
                sorted(version.results.conditions),
            )
        ]
        for some in versions.values()
        for version in some
    ]
    return FORMAT, hashlib.sha256(repr((options, forms)).encode()).digest()


def check_seal(seal: Any, options: Any, versions: Any) -> None:
    """Raise UnpicklingError where that is not the seal of these."""
    kept = seal[0] if isinstance(seal, tuple) and seal else None
    if kept != FORMAT:
        raise UnpicklingError(f"the pickle has a compiled function of format {kept}, expected {FORMAT}: {_AGAIN}")
    try:
        intact = seal_of(options, versions) == seal
    except (AttributeError, TypeError):
        intact = False
    if not intact:
        raise UnpicklingError(f"the pickle of a compiled function is damaged: {_AGAIN}")


def _digest(names: tuple[str, ...], program: Program) -> bytes:
    """A number of 32 bytes for all that a program does, whatever the machine that it was made on."""
    known = hashlib.sha256(repr((FORMAT, names, [primitive.name for primitive in program.primitives])).encode())
    known.update(repr((program.inputs, program.varying, program.expected)).encode())
    for part in (program.constants, program.codes, program.starts, program.operands, program.outputs, program.guards):
        numbers = array(part.typecode, part)
        if sys.byteorder == "big":
            numbers.byteswap()
        known.update(f"{part.typecode}{len(part)}".encode() + numbers.tobytes())
    return known.digest()


def _fault(program: Program) -> str | None:
    """The fault that a backend would stumble over; None if there is none."""
    if len(program.varying) != program.inputs or len(program.expected) != len(program.guards):
        return f"with {program.inputs} inputs and {len(program.guards)} guards, and bytes for others"
    starts = program.starts
    if len(starts) != len(program.codes) + 1 or starts[0] != 0 or starts[-1] != len(program.operands):
        return "whose instructions do not share out the operands"
    for i, (code, operands) in enumerate(program.instructions()):
        slot, primitive = program.first + i, program.primitive(code)
        if starts[i] > starts[i + 1] or not primitive.takes(len(operands)):
            return f"whose slot {slot} is {primitive.name} of {len(operands)} numbers"
        if not 0 <= min(operands) <= max(operands) < slot:
            return f"whose slot {slot} is made from later ones"
    for part in (program.outputs, program.guards):
        if part and not 0 <= min(part) <= max(part) < program.slots:
            return f"which gives a slot that it has not: it has {program.slots}"
    return None
