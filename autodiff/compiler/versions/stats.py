"""Figures: what compiling took and made."""

from collections.abc import Sequence
from typing import NamedTuple

from autodiff.compiler.backends.choice import chosen
from autodiff.compiler.versions.version import Version


class Stats(NamedTuple):
    """What compiling took and made, over all paths of a function.

    Attributes:
        backend: "numba" or "python": what runs the programs.
        paths: how many programs there are.
        nodes: how many operations were traced.
        passes: how many instructions there were after each pass.
        instructions: how many there are now.
        slots: how many numbers a run holds.
        bytes: what the programs take.
        tracing: seconds.
        optimising: seconds.
        first_run: seconds, of what the backend makes of the programs and the first run.
    """

    backend: str
    paths: int
    nodes: int
    passes: dict[str, int]
    instructions: int
    slots: int
    bytes: int
    tracing: float
    optimising: float
    first_run: float

    @classmethod
    def of(cls, versions: Sequence[Version], backend: str) -> "Stats":
        """The figures of these versions, run by the backend that was asked for."""
        passes: dict[str, int] = {}
        for version in versions:
            for name, count in version.effects().items():
                passes[name] = passes.get(name, 0) + count
        facts = [version.facts for version in versions]
        return cls(
            backend=" and ".join(sorted({chosen(backend, version.program) for version in versions})),
            paths=len(versions),
            nodes=sum(fact["nodes"] for fact in facts),
            passes=passes,
            instructions=sum([*version.effects().values()][-1] for version in versions),
            slots=sum(version.program.slots for version in versions),
            bytes=sum(version.program.bytes for version in versions),
            tracing=sum(fact["tracing"] for fact in facts),
            optimising=sum(fact["optimising"] for fact in facts),
            first_run=sum(fact.get("first run", 0.0) for fact in facts),
        )

    def __str__(self) -> str:
        after = ", ".join(f"{count:,} after {name!r}" for name, count in self.passes.items())
        return (
            f"{self.nodes:,} operations traced in {self.tracing:.3f} s; of them {after} in {self.optimising:.3f} s\n"
            f"{self.instructions:,} instructions, {self.slots:,} slots, {self.bytes:,} bytes, "
            f"{self.paths} program{'s' * (self.paths != 1)}; run by {self.backend}, first in {self.first_run:.3f} s"
        )
