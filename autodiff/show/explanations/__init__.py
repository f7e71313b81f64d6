"""Explanations: the chain rule at work, in words and numbers. No `.grad` is touched.

    explain      `explain(y, x)`: a derivative as a sum over paths
    paths        how many paths there are, and the largest
    symbols      a local gradient in symbols
    forward      `forward_steps(y)`: the forward pass, one operation at a time
    backward     `backward_steps(y)`: the backward pass, in topological order or, wrongly, depth first
    steps        sequences of steps, which print as tables
    what_if      `what_if(y, {x: 1.5})`, for graphs and functions
    hypotheses   its answer: the changes, and how large they are
    sliders      its answer for ranges of numbers
    gradients    the gradients of a graph, beside its `.grad`s

Nothing here knows of drawings.
"""

from autodiff.show.explanations.backward import backward_steps
from autodiff.show.explanations.explain import explain
from autodiff.show.explanations.forward import forward_steps
from autodiff.show.explanations.what_if import what_if

__all__ = ["backward_steps", "explain", "forward_steps", "what_if"]
