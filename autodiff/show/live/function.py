"""A function of numbers as a program that a page evaluates: traced, so that it may compare and choose by `where`.

>>> from autodiff import where
>>> live = program_of_function(lambda x, y: (x + y, where(x < y, x, 0.0)), [1.0, 2.0])
>>> values = live.evaluate([3.0, 2.0])
>>> [values[slot] for slot in live.outputs]
[5.0, 0.0]
"""

from collections.abc import Callable, Sequence
from typing import Any

from autodiff.compiler.passes.order import optimised
from autodiff.compiler.trace.refusals import TracingError
from autodiff.compiler.trace.tracing import Trace
from autodiff.show.live.program import LiveProgram
from autodiff.show.live.written_out import KernelOnlyError, written_out


class LiveFunction(LiveProgram):
    """A function as a program, and where in it the results stand. Made by `program_of_function`.

    Attributes:
        outputs: the slots of the results, in order.
    """

    @property
    def outputs(self) -> list[int]:
        return [int(slot) for slot in self.program.outputs]

    def data(self) -> dict[str, Any]:
        """The program as plain lists, for JSON, with the slots of its results."""
        return {**super().data(), "inputs": [0.0] * self.program.inputs, "outputs": self.outputs}


def program_of_function(f: Callable[..., Sequence[Any]], numbers: Sequence[float]) -> LiveFunction:
    """The program of a function that returns several numbers.

    Args:
        f: the function, called once, with something that stands for any number in place of each.
        numbers: what its arguments may be.

    Raises KernelOnlyError where it chooses by `if`, or does what a page cannot.
    """
    trace = Trace()
    try:
        with trace:
            program = trace.program(list(f(*[trace.input(x) for x in numbers])))
    except TracingError as error:
        raise KernelOnlyError(f"this function cannot be read for a page: {error}") from error
    finally:
        trace.forget()
    program, _ = optimised(written_out(program))
    return LiveFunction(program, [], {})
