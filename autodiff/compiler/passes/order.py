"""The passes in their order: each is a function from program to program, alone on the page that bears its name.

The pass "fold constants" is `fold_constants` in fold_constants.py, whose docstring says what it does and why that is
exact, and shows a program before and after. To add one, write its page, and its line here.

    >>> program = Program.of(1, [2.0, 1.0], [("mul", (0, 2)), ("add", (3, 1)), ("add", (0, 1)), ("sin", (5,))], [4, 5])
    >>> smaller, instructions = optimised(program)
    >>> print(smaller.listing())
    inputs  x0
    v2 = add x0 2.0
    outputs v2 v2
    >>> instructions
    {'fold constants': 3, 'share common subexpressions': 2, 'drop dead code': 1}
"""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple, cast

from autodiff.compiler.programs.program import Program


class Pass(NamedTuple):
    """A pass, by name; those `for_loops` are for backends that run a program as loops."""

    name: str
    for_loops: bool = False

    @property
    def function(self) -> Callable[[Program], Program]:
        """What it does; its page is imported when it is first asked for."""
        name = self.name.replace(" ", "_")
        return cast(Callable[[Program], Program], getattr(import_module(f"autodiff.compiler.passes.{name}"), name))


PASSES = (
    Pass("fold constants"),
    Pass("share common subexpressions"),
    Pass("drop dead code"),
    Pass("multiply out powers", for_loops=True),
    Pass("flatten sums", for_loops=True),
    Pass("fold products", for_loops=True),
    Pass("shorten sums", for_loops=True),
)


def optimised(program: Program, for_loops: bool = False) -> tuple[Program, dict[str, int]]:
    """The program after the passes for every backend, or after those for loops; how many instructions each left."""
    instructions = {}
    for each in PASSES:
        if each.for_loops == for_loops:
            program = each.function(program)
            instructions[each.name] = len(program.codes)
    return program, instructions
