"""Models as records that JSON holds, and back: what `nn.save` writes of a model beside its numbers.

A record lists the modules, in the order of `model.modules()`, each by its class and, if that is one of nn's own, its
configuration, in which other modules are named by their number; so one that is held twice is made once. Beside it
stand the modules in evaluation mode and the states of the random generators, each with all its places, so that a
generator which several modules share is shared again. Classes come from a fixed table, never from a name in a file.
"""

import json
import random
from inspect import signature
from itertools import zip_longest
from typing import Any

from nn import layers
from nn.module import Module
from nn.training.files import SavedFileError

_KINDS = {name: kind for name, kind in vars(layers).items() if isinstance(kind, type) and issubclass(kind, Module)}


def described(model: Module) -> dict[str, Any]:
    """The record of a model.

    >>> from nn import Neuron
    >>> described(Neuron(2, "tanh", seed=0))["modules"][0]["config"]["activation"]
    'tanh'
    """
    modules = model.modules()
    numbers = {id(module): {"module": str(i)} for i, module in enumerate(modules)}
    generators: dict[random.Random, list[list[Any]]] = {}
    for i, module in enumerate(modules):
        for name, held in vars(module).items():
            if type(held) is random.Random:
                generators.setdefault(held, []).append([i, name])
    return {
        "modules": [{"class": type(module).__name__, "config": _config(module, numbers)} for module in modules],
        "evaluating": [i for i, module in enumerate(modules) if not module.training],
        "generators": [{"state": x.getstate(), "at": places} for x, places in generators.items()],
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
    """Raise SavedFileError unless a model has the recorded modules, and generators in the recorded places."""
    own = described(model)
    for i, (saved, given) in enumerate(zip_longest(record["modules"], own["modules"])):
        if saved != given:
            raise SavedFileError(f"does not fit the model: module {i} was {saved}, and is {given}")
    places, own_places = (sorted(at for each in x["generators"] for at in each["at"]) for x in (record, own))
    if places != own_places:
        raise SavedFileError(f"does not fit the model: generators were saved of {places}, and there are {own_places}")


def generators_in(record: dict[str, Any]) -> list[tuple[int, str, random.Random]]:
    """New generators in the recorded states, with the number of the module and the attribute that hold each."""
    found = []
    for each in record["generators"]:
        (version, internal, gauss), generator = each["state"], random.Random(0)
        generator.setstate((version, tuple(internal), gauss))
        found += [(i, name, generator) for i, name in each["at"]]
    return found


def _config(module: Module, numbers: dict[int, dict[str, str]]) -> Any:
    """The configuration of a module of nn's own, with numbers for the modules in it; None where it cannot be made."""
    if _KINDS.get(type(module).__name__) is not type(module):
        return None
    try:
        return json.loads(json.dumps(module.config(), default=lambda held: numbers[id(held)]))
    except (TypeError, KeyError):  # a function that has no name
        return None
