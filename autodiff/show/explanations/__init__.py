"""Explanations: the chain rule at work, in words and numbers.

explain      `explain(y, x)`: a derivative as a sum over paths
paths        how many paths there are, and the largest
steps        `forward_steps(y)`, `backward_steps(y)`: a pass, one operation at a time
gradients    the backward pass told from aside: no `.grad` is touched
what_if      `what_if(y, {x: 1.5})`, for graphs and functions
hypotheses   its answer: what changes, and by how much
sliders      its answer for ranges of numbers
"""

from autodiff.show.explanations.explain import explain
from autodiff.show.explanations.steps import backward_steps, forward_steps
from autodiff.show.explanations.what_if import what_if

__all__ = ["backward_steps", "explain", "forward_steps", "what_if"]
