"""The backend without dependencies: a program as plain Python functions, generated once and run by the interpreter.

    >>> program = Program.of(2, [3.0], [("mul", (0, 1)), ("add", (3, 2)), ("exp", (3,))], [4, 5])
    >>> print(source(program))
    def run(v):
        v3 = v[0] * v[1]
        v4 = v3 + 3.0
        v5 = exp(v3)
        v[4] = v4
        v[5] = v5
    >>> PythonBackend(program).run([2.0, 0.5])
    ([4.0, 2.718281828459045], True)

Every operation is the table's own, in the order of the program, so results equal Values' to the last bit.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add
from typing import Any

from autodiff.compiler.backends.backend import Run, Updates
from autodiff.compiler.programs.opcodes import CODE, is_nothing
from autodiff.compiler.programs.program import Instruction, Program
from autodiff.structures.structure import is_array

_STATEMENTS = 4000  # of one function: longer ones take more than linear time to compile


class PythonBackend:
    """A program ready to run in Python, on lists of floats; rows one after the other."""

    def __init__(self, program: Program, reduction: str | None = None, threads: int = 1) -> None:
        self.effects: dict[str, int] = {}  # it has no passes of its own
        self.program, self.reduction = program, reduction
        self._functions = _functions(program)
        self._guards = list(zip(program.guards, program.expected, strict=True))
        self._constants = program.constants.tolist()
        self._shared = [i for i, varies in enumerate(program.varying) if not varies]
        self._varying = [i for i, varies in enumerate(program.varying) if varies]

    def run(self, numbers: Any) -> tuple[list[float], bool]:
        """The outputs for the numbers of all inputs, and whether all guards hold."""
        return self._run(numbers.tolist() if is_array(numbers) else numbers)

    def _run(self, numbers: Sequence[float]) -> tuple[list[float], bool]:
        slots = [*numbers, *self._constants, *[0.0] * len(self.program.codes)]
        for function in self._functions:
            function(slots)
        holds = all((slots[slot] != 0.0) == wanted for slot, wanted in self._guards)
        return [slots[slot] for slot in self.program.outputs], holds

    def run_rows(self, shared: Any, rows: Any) -> tuple[Any, list[bool]]:
        """The outputs of each row, or their sums or means; and for each row whether all guards hold."""
        shared, rows = (x.tolist() if is_array(x) else x for x in (shared, rows))
        numbers = [0.0] * self.program.inputs
        for i, number in zip(self._shared, shared, strict=True):
            numbers[i] = number
        results, holding = [], []
        for row in rows:
            for i, number in zip(self._varying, row, strict=True):
                numbers[i] = number
            outputs, holds = self._run(numbers)
            results.append(outputs)
            holding.append(holds)
        return results if self.reduction is None else self._reduced(results), holding

    def _reduced(self, results: list[list[float]]) -> list[float]:
        totals = [reduce(add, column) for column in zip(*results, strict=True)]
        return [x / len(results) for x in totals] if self.reduction == "mean" else totals

    def bound(self, parts: Sequence[Any], columns: Sequence[Any] | None, updates: Updates = ()) -> tuple[Run, Any]:
        """A call bound to arrays, and the array of outputs that it fills anew."""
        import numpy  # without which there are no arrays

        width, count = len(self.program.outputs), 0 if columns is None else len(columns[0])
        stacks = columns is not None and self.reduction is None
        out = numpy.empty((count, width) if stacks else width)

        watched = [(x, _form(x)) for x in [*parts, *(columns or ())] if is_array(x)]

        def fill() -> bool:
            shared = [x for part in parts for x in (part.ravel().tolist() if is_array(part) else part)]
            if columns is None:
                out[...], holds = self.run(shared)
                return holds
            rows = numpy.concatenate([column.reshape(len(column), -1) for column in columns], axis=1)
            out[...], holding = self.run_rows(shared, rows)
            return all(holding)

        def call() -> bool:
            holds = all(_form(x) == form for x, form in watched) and fill()
            for place, first in updates if holds else ():
                place[...] = out[..., first : first + place.size // (count if stacks else 1)].reshape(place.shape)
            return holds

        fill()
        return call, out

    def listing(self, limit: int | None) -> str:
        """What it runs has no nests."""
        return "no nests: it is run by Python"


def _form(x: Any) -> tuple[Any, ...]:
    """What may be set in an array in place, other than its numbers."""
    return x.shape, x.strides, x.dtype


def source(program: Program) -> str:
    """The Python text of a program."""
    return "\n".join([text for text, _ in _texts(program)])


def _functions(program: Program) -> list[Callable[[list[float]], None]]:
    functions = []
    for text, names in _texts(program):
        exec(compile(text, "<compiled by autodiff>", "exec"), names)
        functions.append(names["run"])
    return functions


def _texts(program: Program) -> Iterator[tuple[str, dict[str, Any]]]:
    """The text of each function, with the names it refers to.

    A function keeps its results in local variables, and puts into the list of slots those that others need.
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
        primitive = program.primitive(code)
        if primitive.facts.python is None:
            name = primitive.name if code < len(CODE) else f"own_{code - len(CODE)}"  # a user's may bear any name
            names[name] = primitive.evaluate
            text = f"{name}({', '.join(places)})"
        else:
            text = primitive.facts.python.format(*places)
        lines.append(f"    v{slot} = {text}")
    lines += [f"    v[{slot}] = v{slot}" for slot in range(start, start + len(part)) if exported[slot]]
    return "\n".join(lines), names
