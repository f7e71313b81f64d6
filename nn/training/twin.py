"""The twin of a model: a deep copy whose parameters are other numbers, such as the ones that `compile` traces.

>>> import nn
>>> model = nn.Neuron(2, "linear", seed=0)
>>> twin(model, model.parameters(), [1.0, 10.0, 0.5])([2.0, 3.0])
32.5
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from autodiff import Value
from nn.holding import modules_of


class DrawnError(RuntimeError):
    """A model drew random numbers that it was not given."""


class Given(random.Random):
    """A generator that hands out numbers that it is given, in their order.

    >>> source = Given()
    >>> source.give([0.25, 0.75])
    >>> source.random(), source.random()
    (0.25, 0.75)
    """

    def __init__(self) -> None:
        super().__init__(0)
        self.give(())

    def give(self, numbers: Iterable[Any]) -> None:
        """Hand out these numbers from now on."""
        self._numbers = iter(numbers)

    def random(self) -> Any:
        try:
            return next(self._numbers)
        except StopIteration:
            raise DrawnError(
                "a model draws as many random numbers for every row of a shape, and none in eval mode; it drew more"
            ) from None


def twin(
    model: Any,
    parameters: Sequence[Value],
    numbers: Iterable[Any],
    generators: Sequence[random.Random] = (),
    sources: Iterable[random.Random] = (),
) -> Any:
    """Return a deep copy of the model, with these numbers in the place of the parameters, and sources of generators.

    The numbers are what its `parameters()` and `named_parameters()` give, also where they are traced: what is computed
    is otherwise no parameter.
    """
    memo: dict[int, Any] = {id(old): new for old, new in zip(parameters, numbers, strict=True)}
    memo.update({id(old): new for old, new in zip(generators, sources, strict=True)})
    other = deepcopy(model, memo)
    # Not the memo, which holds the copies as well: a cycle, which a collection in all of memory would free, each time.
    own = {id(p): memo[id(p)] for p in model.parameters() if id(p) in memo}
    for module in modules_of(model):
        if id(module) in memo:
            vars(memo[id(module)]).update(_lists(module, own))
    return other


def _lists(module: Any, own: Mapping[int, Any]) -> dict[str, Callable[[], list[Any]]]:
    """Return the methods of a module that list its parameters, as its copy has them."""
    return {
        "parameters": lambda: [own.get(id(p), p) for p in module.parameters()],
        "named_parameters": lambda: [(name, own.get(id(p), p)) for name, p in module.named_parameters()],
    }


def generators_of(model: Any) -> list[random.Random]:
    """Return each random.Random that an attribute of a module of the model holds, once.

    >>> import nn
    >>> chance = random.Random(0)
    >>> generators_of(nn.Sequential(nn.Dropout(rng=chance), nn.Dropout(rng=chance))) == [chance]
    True
    """
    return list(dict.fromkeys([generator for _, _, generator in _places(model)]))


@contextmanager
def replaced(model: Any, sources: Sequence[random.Random]) -> Iterator[None]:
    """Let the modules of a model draw from these in the place of its generators, in the block."""
    places = list(_places(model)) if sources else []
    by_generator = dict(zip(dict.fromkeys(generator for _, _, generator in places), sources, strict=True))
    try:
        for module, name, generator in places:
            setattr(module, name, by_generator[generator])
        yield
    finally:
        for module, name, generator in places:
            setattr(module, name, generator)


def _places(model: Any) -> Iterator[tuple[Any, str, random.Random]]:
    """Yield (module, attribute, generator) for each attribute that is a generator."""
    for module in modules_of(model):
        for name, thing in vars(module).items():
            if isinstance(thing, random.Random):
                yield module, name, thing


def leaves_of(root: Any) -> set[Value]:
    """Return the leaf Values that a Value was made from.

    >>> x = Value(2.0)
    >>> leaves_of(x * x + 1.0) == {x}
    True
    """
    seen, stack = set[Value](), [root]
    while stack:
        node = stack.pop()
        if isinstance(node, Value) and node not in seen:
            seen.add(node)
            stack.extend(node.operands)
    return {node for node in seen if node.op is None}
