"""The backend without dependencies: a program as plain Python functions, generated once and run by the interpreter.

    >>> program = Program.of(2, [3.0], [("mul", (0, 1)), ("add", (3, 2)), ("exp", (3,))], [4, 5])
    >>> print(source(program))
    def run(v):
        v3 = v[0] * v[1]
        v4 = v3 + 3.0
        v5 = exp(v3)
        v[4] = v4
        v[5] = v5
    >>> PythonRunner(program).run([2.0, 0.5])
    ([4.0, 2.718281828459045], True)

Every operation is that of the table, in the order of the program, so results equal those of Values to the last bit.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from autodiff.compiler.program.opcodes import CODE, is_nothing
from autodiff.compiler.program.program import Instruction, Program

# What Python writes shorter than a call, with the same result for every float.
_EXPRESSIONS = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "neg": "-{}",
    "where": "{1} if {0} else {2}",
    "less": "1.0 if {} < {} else 0.0",
    "less_equal": "1.0 if {} <= {} else 0.0",
    "equal": "1.0 if {} == {} else 0.0",
    "not_equal": "1.0 if {} != {} else 0.0",
    "detach": "{}",
    "strong_mul": "-0.0 if is_nothing({0}) else 0.0 + {0} * {1}",
}
_TEXT = {CODE[name]: text for name, text in _EXPRESSIONS.items()}
_STATEMENTS = 4000  # of one function: longer ones take more than linear time to compile


class PythonRunner:
    """A program that runs on lists of floats; `run` gives the outputs, and whether all guards hold."""

    name = "python"

    def __init__(self, program: Program) -> None:
        self.program = program
        self._functions = _functions(program)
        self._guards = list(zip(program.guards, program.expected, strict=True))
        self.constants = program.constants.tolist()

    def run(self, numbers: Sequence[float]) -> tuple[list[float], bool]:
        """Return the outputs for the numbers of all inputs, and whether all guards hold."""
        slots = [*numbers, *self.constants, *[0.0] * len(self.program.codes)]
        for function in self._functions:
            function(slots)
        holds = all((slots[slot] != 0.0) == wanted for slot, wanted in self._guards)
        return [slots[slot] for slot in self.program.outputs], holds


def source(program: Program) -> str:
    """Return the Python text of a program."""
    return "\n".join([text for text, _ in _texts(program)])


def _functions(program: Program) -> list[Callable[[list[float]], None]]:
    functions = []
    for text, names in _texts(program):
        exec(compile(text, "<compiled by autodiff>", "exec"), names)
        functions.append(names["run"])
    return functions


def _texts(program: Program) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the text of each function, with the names it refers to.

    A function keeps what it makes in local variables, and puts into the list of slots what others need.
    """
    first, instructions = program.first, list(program.instructions())
    made_in = [i // _STATEMENTS for i in range(len(instructions))]
    exported = bytearray(program.slots)
    for slot in (*program.outputs, *program.guards):
        exported[slot] = 1
    for i, (_, operands) in enumerate(instructions):
        for x in operands:
            if x >= first and made_in[x - first] != made_in[i]:
                exported[x] = 1
    for start in range(0, len(instructions), _STATEMENTS):
        part = instructions[start : start + _STATEMENTS]
        yield _text(program, first + start, part, exported)


def _text(program: Program, start: int, part: list[Instruction], exported: bytearray) -> tuple[str, dict[str, Any]]:
    names: dict[str, Any] = {"inf": math.inf, "nan": math.nan, "is_nothing": is_nothing}
    lines = ["def run(v):"]

    def operand(x: int) -> str:
        if x >= start:
            return f"v{x}"
        if program.inputs <= x < program.first:
            text = repr(program.constants[x - program.inputs])
            return f"({text})" if text[0] == "-" else text
        return f"v[{x}]"

    for slot, (code, operands) in enumerate(part, start):
        places = [operand(x) for x in operands]
        text = _TEXT.get(code)
        if text is None:
            primitive = program.primitive(code)
            name = primitive.name if code < len(CODE) else f"own_{code - len(CODE)}"  # a user's may bear any name
            names[name] = primitive.evaluate
            text = f"{name}({', '.join(places)})"
        else:
            text = text.format(*places)
        lines.append(f"    v{slot} = {text}")
    lines += [f"    v[{slot}] = v{slot}" for slot in range(start, start + len(part)) if exported[slot]]
    return "\n".join(lines), names
