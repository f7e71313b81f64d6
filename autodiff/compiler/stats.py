"""Figures: what compiling took and made."""

from collections.abc import Sequence
from typing import NamedTuple

from autodiff.compiler.paths import Path


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
    def of(cls, paths: Sequence[Path], backend: str) -> "Stats":
        """Return the figures of these paths, run by the backend that was asked for."""
        passes: dict[str, int] = {}
        for path in paths:
            for name, count in path.effects().items():
                passes[name] = passes.get(name, 0) + count
        facts = [path.facts for path in paths]
        return cls(
            backend=" and ".join(sorted({path.backend(backend) for path in paths})),
            paths=len(paths),
            nodes=sum(fact["nodes"] for fact in facts),
            passes=passes,
            instructions=sum([*path.effects().values()][-1] for path in paths),
            slots=sum(path.program.slots for path in paths),
            bytes=sum(path.program.bytes for path in paths),
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
