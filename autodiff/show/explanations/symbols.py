"""Derivatives in symbols: ∂z/∂x of one operation, dy/dx through all of them, and the rule that gives the first.

>>> from autodiff import Value
>>> x = Value(2.0)
>>> y = x.sin()
>>> partial("y", "x"), total("loss", "hidden 1"), slope_in_symbols(y, 0, {x: "x", y: "y"})
('∂y/∂x', 'dloss/d(hidden 1)', 'cos(x)')
"""

import re
from collections.abc import Mapping
from math import isfinite

from autodiff import modes
from autodiff.show.formulas.plan import planned
from autodiff.show.formulas.rules import RULES
from autodiff.show.formulas.terms import Terms, term_of
from autodiff.show.formulas.writing import number_text, written
from autodiff.show.words.names import in_latex
from autodiff.transforms.sweeps import rules_read
from autodiff.value import Value

__all__ = ["partial", "slope_in_symbols", "total"]

_LONG, _OPERATIONS = 32, 6  # characters that the rule of a list may take, and operations that are left of a longer one
_LARGEST_DENOMINATOR = 1_000_000


def partial(node: str, operand: str) -> str:
    """The derivative of one operation with respect to one of its operands, all others held fixed."""
    return f"∂{_grouped(node)}/∂{_grouped(operand)}"


def total(output: str, value: str) -> str:
    """The derivative of an output with respect to a Value, by every path between them."""
    return f"d{_grouped(output)}/d{_grouped(value)}"


def _grouped(name: str) -> str:
    """A name, in parentheses where it would not be read as one thing."""
    return f"({name})" if re.search(r"[\s./*+-]", name) else name


def partial_in_latex(node: str, operand: str) -> str:
    r"""`partial` in LaTeX: \frac{\partial y}{\partial x}."""
    return rf"\frac{{\partial {in_latex(node)}}}{{\partial {in_latex(operand)}}}"


def total_in_latex(output: str, value: str) -> str:
    r"""`total` in LaTeX: \frac{\mathrm{d} y}{\mathrm{d} x}."""
    return rf"\frac{{\mathrm{{d}} {in_latex(output)}}}{{\mathrm{{d}} {in_latex(value)}}}"


def slope_in_symbols(node: Value, place: int, names: Mapping[Value, str]) -> str:
    """The rule for ∂node/∂operand, of the operand at that place; empty where only floats can read it.

    In the rule of a long list the result has its name, and an ellipsis stands for what is furthest inside.
    """
    assert node.op is not None
    stand_ins = {x: Value(x.data) for x in node.operands if isinstance(x, Value)}
    with modes.recording():
        try:
            out = node.op(*[stand_ins[x] if isinstance(x, Value) else x for x in node.operands])
            slope = rules_read(out, [i == place for i in range(len(node.operands))])[place]
        except (TypeError, FloatingPointError):
            return ""  # a rule that floats alone can read, or an anomaly that is not ours to report
    if not isinstance(slope, Value):
        return _constant(slope)
    term, made = term_of(slope, Terms(RULES))
    numbers = {made[leaf]: number_text(leaf.data) for leaf in made if not leaf.operands}  # 0 in 1 / 0 is a Value
    known = numbers | {made[leaf]: names[x] for x, leaf in stand_ins.items() if leaf in made}
    text = written(term, known)
    if node.op.arity is not None or len(text) <= _LONG:
        return text
    if out in made:
        known[made[out]] = names[node]
    listed = [names[x] if isinstance(x, Value) else number_text(x) for x in node.operands]
    short = [*listed[:2], "...", listed[-1]]
    return written(term, known, kept=planned(term, _OPERATIONS).kept).replace(", ".join(listed), ", ".join(short))


def _constant(number: float) -> str:
    """A number in a rule: the 1/3 of a mean as a fraction."""
    if number and isfinite(number) and not number.is_integer():
        denominator = round(1.0 / number) if abs(number) * _LARGEST_DENOMINATOR >= 1.0 else 0
        if denominator and 1.0 / denominator == number:
            return f"{'-' * (denominator < 0)}1 / {abs(denominator)}"
    return number_text(number)
