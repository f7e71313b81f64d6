"""Figures: the time that compiling took, and the size of what it made."""

from collections.abc import Sequence
from typing import NamedTuple

from autodiff.compiler.backends.choice import chosen
from autodiff.compiler.versions.version import Version


class Stats(NamedTuple):
    """The time that compiling took, and the size of what it made, over all versions of a function.

    The docstring of `autodiff.compiler` says which room to look into for each figure that is too large.

    Attributes:
        backend: "native" or "python", which runs the programs.
        paths: how many programs there are: one for each structure of arguments, and each way through the choices of f.
        nodes: how many operations were traced.
        passes: how many instructions there were after each pass.
        instructions: how many there are now.
        slots: how many numbers a run holds in memory.
        bytes: the memory of the programs.
        tracing: seconds in f, called on placeholders.
        optimising: seconds in the passes.
        first_run: seconds that the backend took for making the programs ready and for their first runs.
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
        figures = [version.figures for version in versions]
        return cls(
            backend=" and ".join(sorted({chosen(backend, version.program) for version in versions})),
            paths=len(versions),
            nodes=sum(each["nodes"] for each in figures),
            passes=passes,
            instructions=sum([*version.effects().values()][-1] for version in versions),
            slots=sum(version.program.slots for version in versions),
            bytes=sum(version.program.bytes for version in versions),
            tracing=sum(each["tracing"] for each in figures),
            optimising=sum(each["optimising"] for each in figures),
            first_run=sum(each.get("first run", 0.0) for each in figures),
        )

    def __str__(self) -> str:
        after = ", ".join(f"{count:,} after {name!r}" for name, count in self.passes.items())
        return (
            f"{self.nodes:,} operations traced in {self.tracing:.3f} s; of them {after} in {self.optimising:.3f} s\n"
            f"{self.instructions:,} instructions, {self.slots:,} slots, {self.bytes:,} bytes, "
            f"{self.paths} program{'s' * (self.paths != 1)}; run by {self.backend}, first in {self.first_run:.3f} s"
        )
