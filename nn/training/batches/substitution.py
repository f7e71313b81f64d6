"""Substitution: a copy of a model with other numbers as its parameters, such as those that `compile` traces.

>>> import nn
>>> model = nn.Neuron(2, "linear", seed=0)
>>> substituted(model, model.parameters(), [1.0, 10.0, 0.5])([2.0, 3.0])
32.5
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from autodiff import Value
from nn.modules.contents import modules_of


def substituted(
    model: Any,
    parameters: Sequence[Value],
    numbers: Iterable[Any],
    generators: Sequence[random.Random] = (),
    sources: Iterable[random.Random] = (),
) -> Any:
    """A deep copy of the model, with these numbers in place of its parameters, and sources in place of its generators.

    Its `parameters()` and `named_parameters()` list these numbers, although one that is traced is a result, which is
    otherwise not a parameter.
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
    """The methods of a module that list its parameters, as its copy has them."""
    return {
        "parameters": lambda: [own.get(id(p), p) for p in module.parameters()],
        "named_parameters": lambda: [(name, own.get(id(p), p)) for name, p in module.named_parameters()],
    }


def leaves_of(root: Any) -> set[Value]:
    """The leaf Values that a Value was made from.

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
