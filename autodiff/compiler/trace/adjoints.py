"""Adjoints in a trace: the chain rule on numbers that are known at the run alone.

What a choice did not take passes nothing on (`autodiff.chain`), but which branch that is turns out at every run. So
an adjoint that may be nothing is marked as optional here, and the program tells it by the one number that arithmetic on
adjoints never gives otherwise: -0.0 stands for nothing (see `opcodes.strong_mul`).
"""

from collections.abc import Iterable
from typing import Any

from autodiff import modes, primitives
from autodiff.chain import NOTHING, Arithmetic
from autodiff.compiler.programs import opcodes
from autodiff.transforms.sweeps import OF_VALUES

NOT_TAKEN = float("-0.0")  # what NOTHING is in a trace: this object, which no arithmetic gives


class TracedAdjoints(Arithmetic):
    """The arithmetic of one trace's adjoints, the chain rule's products and sums.

    `_optional` holds the tracers of adjoints and of local gradients that may be nothing at a run.
    """

    def __init__(self) -> None:
        self._optional: set[Any] = set()

    def note_choice(self, node: Any, branches: Iterable[Any]) -> None:
        """Mark what `where` made of the branches, if one of them may be nothing."""
        if any(x is NOT_TAKEN or x in self._optional for x in branches):
            self._optional.add(node)

    def product(self, adjoint: Any, local: Any) -> Any:
        """adjoint * local, or NOTHING where it contributes nothing at any run.

        Where the local gradient was chosen, so is the product, by the same condition.
        """
        if type(local) is float and local == 1.0:
            return adjoint
        if local in self._optional and local.op is primitives.where:
            condition, *branches = local.operands
            shares = [NOTHING if branch is NOT_TAKEN else self.product(adjoint, branch) for branch in branches]
            return primitives.where(condition, *[x if x is NOTHING else self._computed(x) for x in shares])
        if adjoint in self._optional:
            return self._marked(opcodes.strong_mul(adjoint, local))
        return local if type(adjoint) is float and adjoint == 1.0 else adjoint * local

    def sum(self, total: Any, share: Any) -> Any:
        """The sum of two adjoints of a node: nothing where both are nothing."""
        is_optional = total in self._optional and share in self._optional
        return self._marked(total + share) if is_optional else total + share

    def settled(self, adjoint: Any) -> Any:
        """The adjoint as a number, 0.0 where it is nothing."""
        reading = modes.reading()
        return OF_VALUES.settled(adjoint) if reading is None or reading.is_constant(adjoint) else adjoint + 0.0

    def _marked(self, adjoint: Any) -> Any:
        self._optional.add(adjoint)
        return adjoint

    def _computed(self, adjoint: Any) -> Any:
        """An adjoint that may be -0.0 only where it is nothing."""
        return adjoint if adjoint in self._optional else adjoint + 0.0
