"""Graphs that live: a recorded graph as a program that a page evaluates, without a kernel.

program       `program_of(y)`: the graph, its gradients and local gradients, as instructions
function      `program_of_function(f)`: a function of numbers, such as the rule of an optimiser
written_out   what becomes of the primitives of users
engine        the script that runs a program in a page
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
