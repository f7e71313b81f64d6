"""How operations are written: templates and precedence, as data.

A form is a template, with {} for each operand, how tightly the whole binds, and how tightly each operand must: one that
binds less gets parentheses. A form of any number of operands has {...} in their place, with commas.

    >>> from autodiff.primitives import log, mul
    >>> mul.notation.text
    Form(template='{} * {}', binds=4, needs=(4, 4))
    >>> log.notation.latex.template
    '\\\\ln\\\\left({...}\\\\right)'

A primitive that is others in disguise has an expansion instead: what to write in its place.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

ANY, NEG, ADD, MOD, MUL, POW, ATOM = range(7)


class Form(NamedTuple):
    """A template, how tightly the whole binds, and how tightly each operand must; anything will do unless given."""

    template: str
    binds: int = ATOM
    needs: tuple[int, ...] = ()


class Notation(NamedTuple):
    """How formulas write a primitive.

    Attributes:
        text: its form in Python, which gives its value; None for name(x, ...).
        latex: its form in LaTeX; None for the name as a word, applied.
        expansion: for others in disguise, what is written in its place: a function of `make(primitive, *operands)` and
            the operands.
    """

    text: Form | None = None
    latex: Form | None = None
    expansion: Callable[..., Any] | None = None


AS_A_CALL = Notation()


def command(name: str) -> Form:
    r"""The form of a function in LaTeX, whose name is a command: `command(r"\sin")`."""
    return Form(f"{name}\\left({{...}}\\right)")


def of_list(name: str) -> Form:
    """The form of a function of a list, in Python: `max([x, y])`."""
    return Form(f"{name}([{{...}}])")
