"""Formulas: the expression that a Value was computed from, as text and as LaTeX.

formula    `formula(y)`, and one operation on a line of its own
terms      the graph once more, made of terms and lightly simplified
writing    from terms to text: parentheses, names for what is used again
notation   how each primitive is written, as data
"""

from autodiff.show.formulas.formula import formula

__all__ = ["formula"]
