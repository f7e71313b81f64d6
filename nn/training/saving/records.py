"""Models as records that JSON can hold, and back: the part of a saved model beside its numbers.

A record lists the modules, in the order of `model.modules()`: the class of each; if that is one of nn's own, its
configuration, in which other modules are named by their number, so that one that is held twice is made once; and the
names of its random generators. Beside that stand their modes, and which of the listed states each generator has, so
that one that several modules share is shared again. Classes come from a fixed table, never from a name in a file.
"""

import json
import random
from inspect import signature
from itertools import zip_longest
from typing import Any

from nn import layers
from nn.modules.module import Module
from nn.training.saving.files import SavedFileError

_KINDS = {name: kind for name, kind in vars(layers).items() if isinstance(kind, type) and issubclass(kind, Module)}


def described(model: Module) -> dict[str, Any]:
    """The record of a model.

    >>> from nn import Neuron
    >>> described(Neuron(2, "tanh", seed=0))["modules"][0]["config"]["activation"]
    'tanh'
    """
    modules, streams = model.modules(), dict[random.Random, int]()
    numbers = {id(module): {"module": str(i)} for i, module in enumerate(modules)}
    held = [{name: x for name, x in vars(module).items() if type(x) is random.Random} for module in modules]
    return {
        "modules": [
            {"class": type(module).__name__, "config": _config(module, numbers), "generators": list(generators)}
            for module, generators in zip(modules, held, strict=True)
        ],
        "training": [module.training for module in modules],
        "streams": [[streams.setdefault(x, len(streams)) for x in generators.values()] for generators in held],
        "states": [generator.getstate() for generator in streams],
    }


def rebuilt(record: dict[str, Any], size: int) -> Module:
    """A model of the recorded configuration, of nn's own modules, which holds about `size` numbers.

    Raises SavedFileError for other modules, and before the weights of a much larger model fill the memory.
    """
    modules, made, left = record["modules"], dict[int, Module](), 2 * size + 10_000

    def paid(amount: int) -> int:
        """The amount, a width or a weight: an honest record has no more of both than twice its numbers, but a few."""
        nonlocal left
        left -= abs(amount)
        if left < 0:
            raise SavedFileError(f"tells of a much larger model than the {size:,} numbers in it")
        return amount

    def module(index: int) -> Module:
        if index not in made:
            kind, config = _KINDS.get(modules[index]["class"]), modules[index]["config"]
            if kind is None or config is None:
                raise SavedFileError(
                    f"does not say how its {modules[index]['class']} is made, which is no class of nn's own, or has a "
                    "function of yours; make the model, and load with into=model"
                )
            arguments = json.loads(
                json.dumps(config),
                parse_int=lambda digits: paid(int(digits)),
                object_hook=lambda part: module(int(part["module"])) if part.keys() == {"module"} else part,
            )
            if "init" in signature(kind).parameters:
                arguments["init"] = lambda rng, *_: paid(1) * rng.random()
            made[index] = kind(**arguments)
        return made[index]

    return module(0)


def check_alike(model: Module, record: dict[str, Any]) -> None:
    """Raise SavedFileError unless a model has the recorded modules, with generators in the same attributes."""
    for i, (saved, given) in enumerate(zip_longest(record["modules"], described(model)["modules"])):
        if saved != given:
            raise SavedFileError(f"does not fit the model: module {i} was {saved}, and is {given}")


def attributes_in(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The attributes of each module that are to be set: its mode, and new generators in the recorded states."""
    generators = [random.Random(0) for _ in record["states"]]
    for generator, (version, internal, gauss) in zip(generators, record["states"], strict=True):
        generator.setstate((version, tuple(internal), gauss))
    return [
        {"training": bool(mode), **dict(zip(module["generators"], [generators[i] for i in streams], strict=True))}
        for module, mode, streams in zip(record["modules"], record["training"], record["streams"], strict=True)
    ]


def _config(module: Module, numbers: dict[int, dict[str, str]]) -> Any:
    """The configuration of a module of nn's own, with numbers for the modules in it; None where it cannot be made."""
    if _KINDS.get(type(module).__name__) is not type(module):
        return None
    try:
        return json.loads(json.dumps(module.config(), default=lambda held: numbers[id(held)]))
    except (TypeError, KeyError):  # a function that has no name
        return None
