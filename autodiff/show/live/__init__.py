"""Graphs that live: a recorded graph as a program that a page evaluates, without a kernel.

what_if       `what_if(y, {x: 1.5})`, for graphs and functions; sliders for ranges
sliders       its answer for ranges of numbers
moving        what moves with sliders, as an element of HTML
picture       the drawing in it, and which slot stands where
program       `program_of(y)`: the graph, its gradients and local gradients, as instructions
function      `program_of_function(f)`: a function of numbers, such as the rule of an optimiser
written_out   what becomes of the primitives of users
engine        the script that runs a program in a page
kernel        what Python alone can evaluate, with slots as a program has them
widget        sliders that a kernel moves
"""

from autodiff.show.live.engine import engine_script
from autodiff.show.live.function import LiveFunction, program_of_function
from autodiff.show.live.program import LiveProgram, Slots, program_of
from autodiff.show.live.what_if import what_if
from autodiff.show.live.written_out import KernelOnlyError

__all__ = [
    "KernelOnlyError",
    "LiveFunction",
    "LiveProgram",
    "Slots",
    "engine_script",
    "program_of",
    "program_of_function",
    "what_if",
]
