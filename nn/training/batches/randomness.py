"""Randomness: the generators of a model, and those that hand out given numbers or count, for copies of it."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

from autodiff.compiler import TracingError
from nn.modules.contents import modules_of


class Given(random.Random):
    """A generator that hands out numbers that it is given, in their order.

    >>> source = Given([0.25, 0.75])
    >>> source.random(), source.random()
    (0.25, 0.75)
    """

    def __init__(self, numbers: Iterable[Any] = ()) -> None:
        super().__init__(0)
        self._numbers = iter(numbers)

    def random(self) -> Any:
        try:
            return next(self._numbers)
        except StopIteration:
            raise TracingError(
                "a model draws as many random numbers for every row of a shape, and none in eval mode; it drew more"
            ) from None


class Counting(random.Random):
    """A generator that counts its numbers."""

    count = 0

    def random(self) -> float:
        self.count += 1
        return super().random()


class Randomness:
    """The generators of a model: each random.Random that an attribute of a module holds, once.

    Attributes:
        generators: the generators, in the order of the modules.

    >>> import nn
    >>> rng = random.Random(0)
    >>> Randomness(nn.Sequential(nn.Dropout(rng=rng), nn.Dropout(rng=rng))).generators == [rng]
    True
    """

    def __init__(self, model: Any) -> None:
        things = [thing for module in modules_of(model) for thing in vars(module).values()]
        self.generators = list(dict.fromkeys(thing for thing in things if isinstance(thing, random.Random)))

    @property
    def state(self) -> list[Any]:
        """The states of the generators; set, they draw again what they drew from there on."""
        return [generator.getstate() for generator in self.generators]

    @state.setter
    def state(self, states: Sequence[Any]) -> None:
        for generator, state in zip(self.generators, states, strict=True):
            generator.setstate(state)

    def drawn(self, counts: Sequence[int]) -> list[float]:
        """The numbers that the model draws for a row, so many from each generator."""
        pairs = zip(self.generators, counts, strict=True)
        return [generator.random() for generator, count in pairs for _ in range(count)]


def given(numbers: Iterable[Any], counts: Sequence[int]) -> list[Given]:
    """Generators that hand out the numbers of a row, so many in place of each of the model's."""
    rest = iter(numbers)
    return [Given([next(rest) for _ in range(count)]) for count in counts]
