"""Formulas: the expression that a Value was computed from, as text and as LaTeX.

    formula   `formula(y)`, and one operation on a line of its own
    terms     the graph once more, made of terms
    rules     how they are simplified: sums, products with coefficients, and functions
    plan      which terms get a name, and which are left out
    writing   from terms to text and LaTeX, with parentheses where they are needed

How each primitive is written is data, in its row of the table: `Primitive.notation`.
"""

from autodiff.show.formulas.formula import formula

__all__ = ["formula"]
