"""Sequences of steps, which print as tables: a row for each step, or, if there are many, for the first and the last."""

from abc import abstractmethod
from collections.abc import Sequence
from reprlib import repr as short
from typing import Any, Generic, Protocol, TypeVar, overload

from autodiff.show.words.tables import Row, Table, elided
from autodiff.value import Value

_MOST_ROWS, _MOST_SENTENCES = 100, 30


class _Told(Protocol):
    @property
    def words(self) -> str: ...


Step = TypeVar("Step", bound=_Told)


class Steps(Sequence[Step], Generic[Step]):
    """A sequence of steps, which shows itself as a table, with a sentence for each below it if words are asked for."""

    def __init__(self, steps: Sequence[Step], words: bool) -> None:
        self._steps = tuple(steps)
        self._words = words

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Step, ...]: ...
    def __getitem__(self, index: int | slice) -> Step | tuple[Step, ...]:
        return self._steps[index]

    @abstractmethod
    def _table(self) -> Table:
        """The steps as a table, with the words around it."""

    @abstractmethod
    def _row(self, step: Step) -> Row:
        """The cells of a step, but for its number."""

    def _rows(self) -> list[Row]:
        """A row for each step that is shown, numbered; only these are written, however many there are."""
        last = max(0, len(self) - _MOST_ROWS)
        rows: list[Row] = []
        for i, step in enumerate(self._steps):
            shown = i < _MOST_ROWS or i >= last
            rows.append((str(i + 1), *self._row(step)) if shown else ())
        return elided(rows, _MOST_ROWS, "steps", column=1)

    def _sentences(self) -> list[str]:
        """A sentence for each step, numbered, if that was asked for."""
        if not self._words:
            return []
        said = [f"{i}. {step.words}" for i, step in enumerate(self._steps[:_MOST_SENTENCES], 1)]
        more = len(self) - len(said)
        return said + [f"... {more:,} more: steps[i].words says them"] * (more > 0)

    def __str__(self) -> str:
        return self._table().text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self._table().html()


def check_is_value(y: Any, name: str) -> None:
    """Raise TypeError unless `y` is a Value; `name` is the function that was called."""
    if not isinstance(y, Value):
        raise TypeError(f"{name} takes a Value, got {type(y).__name__} {short(y)}; call f on Values: {name}(f(x))")
