"""Adjoints in a trace: the chain rule on numbers that are known at the run alone.

What a choice did not take passes nothing on (`autodiff.chain`), but which branch that is turns out at every run. So
an adjoint that may be nothing is marked as optional here, and the program tells it by the one number that arithmetic on
adjoints never gives otherwise: -0.0 stands for nothing (see `opcodes.strong_mul`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autodiff import modes, native, primitives
from autodiff.chain import NOTHING, Arithmetic, LocalGradients
from autodiff.compiler.programs import opcodes
from autodiff.compiler.trace.tracers import NOT_TAKEN, Tracer
from autodiff.transforms.sweeps import OF_VALUES, read_again, rules_read


class TracedAdjoints(Arithmetic):
    """The arithmetic of adjoints in a trace, the chain rule's products and sums.

    Tracers of adjoints and of local gradients that may be nothing at a run are marked as such: they are `is_optional`.
    """

    def reverse(
        self, order: Sequence[Any], seeds: Mapping[Any, Any], inputs: Sequence[Any], local_gradients: LocalGradients
    ) -> Mapping[Any, Any]:
        """The adjoints of a reverse sweep, at the inputs at least: by the core, where all is ordinary."""
        if native.core is not None and local_gradients is read_again:
            adjoints: Any = native.core.reverse_traced(order, seeds, inputs, rules_read)
            if adjoints is not NotImplemented:
                return adjoints  # type: ignore[no-any-return]
        return super().reverse(order, seeds, inputs, local_gradients)

    def note_choice(self, node: Any, branches: Iterable[Any]) -> None:
        """Mark what `where` made of the branches, if one of them may be nothing."""
        node.is_optional = any(x is NOT_TAKEN or _is_optional(x) for x in branches)

    def product(self, adjoint: Any, local: Any) -> Any:
        """adjoint * local, or NOTHING where it contributes nothing at any run.

        Where the local gradient was chosen, so is the product, by the same condition.
        """
        if type(local) is float and local == 1.0:
            return adjoint
        if _is_optional(local) and local.op is primitives.where:
            condition, *branches = local.operands
            shares = [NOTHING if branch is NOT_TAKEN else self.product(adjoint, branch) for branch in branches]
            return primitives.where(condition, *[x if x is NOTHING else self._computed(x) for x in shares])
        if _is_optional(adjoint):
            return self._marked(opcodes.strong_mul(adjoint, local))
        return local if type(adjoint) is float and adjoint == 1.0 else adjoint * local

    def sum(self, total: Any, share: Any) -> Any:
        """The sum of two adjoints of a node: nothing where both are nothing."""
        is_optional = _is_optional(total) and _is_optional(share)
        return self._marked(total + share) if is_optional else total + share

    def settled(self, adjoint: Any) -> Any:
        """The adjoint as a number, 0.0 where it is nothing."""
        reading = modes.reading()
        return OF_VALUES.settled(adjoint) if reading is None or reading.is_constant(adjoint) else adjoint + 0.0

    def _marked(self, adjoint: Any) -> Any:
        adjoint.is_optional = True
        return adjoint

    def _computed(self, adjoint: Any) -> Any:
        """An adjoint that may be -0.0 only where it is nothing."""
        return adjoint if _is_optional(adjoint) else adjoint + 0.0


def _is_optional(x: Any) -> bool:
    return isinstance(x, Tracer) and x.is_optional
