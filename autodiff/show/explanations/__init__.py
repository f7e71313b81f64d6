"""Explanations: the chain rule at work, in words and numbers. No `.grad` is touched.

    explain      `explain(y, x)`: a derivative as a sum over paths
    paths        how many paths there are, and the largest
    symbols      a local gradient in symbols
    forward      `forward_steps(y)`: the forward pass, one operation at a time
    backward     `backward_steps(y)`: the backward pass, in topological order or, wrongly, depth first
    steps        sequences of steps, which print as tables
    hypotheses   the numbers of a graph if some of its Values held others: the changes, and how large they are
    gradients    the gradients of a graph, beside its `.grad`s

Nothing here knows of drawings.
"""

from autodiff.show.explanations.backward import backward_steps
from autodiff.show.explanations.explain import explain
from autodiff.show.explanations.forward import forward_steps

__all__ = ["backward_steps", "explain", "forward_steps"]
