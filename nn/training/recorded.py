"""Models as records that JSON holds, and back: what `nn.save` writes of a model beside its numbers.

A record lists the modules, in the order of `model.modules()`, each by its class and, if that is one of nn's own, its
configuration, in which other modules are named by their number; so one that is held twice is made once. Beside it
stand the modules in evaluation mode and the states of the random generators, each with all its places, so that a
generator which several modules share is shared again. Classes come from a fixed table, never from a name in a file.
"""

import json
import random
from collections.abc import Callable, Mapping
from itertools import pairwise, zip_longest
from math import prod
from typing import Any

from nn import layers
from nn.module import Module
from nn.training.files import SavedFileError

# nn's own modules: how many numbers one of that configuration holds, those of modules that it is given left out.
SIZES: Mapping[str, Callable[..., int]] = {
    "Neuron": lambda nin, bias=True, **_: _affine(nin, 1, bias),
    "Layer": lambda nin, nout, bias=True, **_: _affine(nin, nout, bias),
    "MLP": lambda nin, nouts, bias=True, **_: sum(_affine(n, m, bias) for n, m in pairwise([nin, *nouts])),
    "Sequential": lambda **_: 0,
    "Dropout": lambda **_: 0,
    "LayerNorm": lambda width, **_: 2 * _units(width),
    "RMSNorm": lambda width, **_: _units(width),
    "Embedding": lambda count, width, **_: _units(count, width),
    "RNNCell": lambda nin, hidden, **_: _affine(_units(nin) + _units(hidden), hidden, True),
    "LSTMCell": lambda nin, hidden, **_: 4 * _affine(_units(nin) + _units(hidden), hidden, True),
    **dict.fromkeys(("Conv1d", "Conv2d"), lambda **config: _convolution(**config)),
    "MaxPool2d": lambda **_: 0,
    "Flatten": lambda **_: 0,
    "MultiHeadAttention": lambda width, bias, **_: 4 * _affine(width, width, bias),
}


def described(model: Module) -> dict[str, Any]:
    """The record of a model.

    >>> from nn import Neuron
    >>> described(Neuron(2, "tanh", seed=0))["modules"][0]["config"]["activation"]
    'tanh'
    """
    modules = model.modules()
    numbered = {id(module): index for index, module in enumerate(modules)}
    return {
        "modules": [{"class": type(module).__name__, "config": _config(module, numbered)} for module in modules],
        "evaluating": [index for index, module in enumerate(modules) if not module.training],
        "generators": [{"state": x.getstate(), "at": places} for x, places in _generators(modules).items()],
    }


def rebuilt(record: dict[str, Any], size: int) -> Module:
    """A model of the recorded configuration, made only if it holds no more than `size` numbers.

    Raises SavedFileError if it would, or if the configuration of a module in it is not known.
    """
    modules = record["modules"]
    order = _inner_first(0, modules, [])
    for index in order:
        if modules[index]["config"] is None:
            raise SavedFileError(
                f"does not say how its {modules[index]['class']} is made, which is no class of nn's own, or has a "
                "function of yours; make the model, and load with into=model"
            )
    needed = sum(SIZES[modules[index]["class"]](**modules[index]["config"]) for index in order)
    if needed > size:
        raise SavedFileError(f"tells of a model of {needed:,} numbers, and holds {size:,}")
    made: dict[int, Module] = {}
    for index in order:
        kind = getattr(layers, modules[index]["class"])
        made[index] = kind(**_with_modules(modules[index]["config"], made.__getitem__))
    return made[0]


def check_alike(model: Module, record: dict[str, Any]) -> None:
    """Raise SavedFileError unless a model has the recorded modules, and generators in the recorded places."""
    own = json.loads(json.dumps(described(model)))
    for index, (saved, given) in enumerate(zip_longest(record["modules"], own["modules"])):
        if saved != given:
            raise SavedFileError(f"does not fit the model: module {index} was {saved}, and is {given}")
    places, own_places = (sorted(at for each in x["generators"] for at in each["at"]) for x in (record, own))
    if places != own_places:
        raise SavedFileError(f"does not fit the model: generators were saved of {places}, and there are {own_places}")


def generators_in(record: dict[str, Any]) -> dict[tuple[int, str], random.Random]:
    """New generators in the recorded states, by the number of the module and the attribute that hold them."""
    found: dict[tuple[int, str], random.Random] = {}
    for each in record["generators"]:
        version, internal, gauss = each["state"]
        generator = random.Random(0)
        generator.setstate((version, tuple(internal), gauss))
        found.update(dict.fromkeys(map(tuple, each["at"]), generator))
    return found


def _config(module: Module, numbered: Mapping[int, int]) -> Any:
    """The configuration of a module of nn's own, with numbers for the modules in it; None where it cannot be made."""
    name = type(module).__name__
    if name not in SIZES or getattr(layers, name) is not type(module):
        return None
    try:
        return json.loads(json.dumps(module.config(), default=lambda held: {"module": numbered[id(held)]}))
    except (TypeError, KeyError):  # a function that has no name
        return None


def _with_modules(config: Any, module: Callable[[Any], Any]) -> Any:
    """The configuration with what a function gives in the place of the numbers of modules."""
    return json.loads(
        json.dumps(config), object_hook=lambda part: module(part["module"]) if part.keys() == {"module"} else part
    )


def _inner_first(index: int, modules: list[dict[str, Any]], order: list[int]) -> list[int]:
    """Add to the order the numbers of the modules that a module is made with, each once, and then its own."""
    inner: list[int] = []
    _with_modules(modules[index]["config"], inner.append)
    for number in inner:
        if number not in order:
            _inner_first(number, modules, order)
    order.append(index)
    return order


def _generators(modules: list[Module]) -> dict[random.Random, list[tuple[int, str]]]:
    """The generators that modules hold, with the places of each: the number of a module, and an attribute."""
    found: dict[random.Random, list[tuple[int, str]]] = {}
    for index, module in enumerate(modules):
        for name, thing in vars(module).items():
            if isinstance(thing, random.Random) and not isinstance(thing, random.SystemRandom):
                found.setdefault(thing, []).append((index, name))
    return found


def _affine(nin: int, nout: int, bias: bool) -> int:
    return _units(nin, nout) + (_units(nout) if bias else 0)


def _convolution(in_channels: int, out_channels: int, kernel_size: list[int], bias: bool, **_: Any) -> int:
    return _affine(_units(in_channels, *kernel_size), out_channels, bias)


def _units(*widths: int) -> int:
    """The product of widths, which are whole numbers, whatever a file says."""
    if not all(type(width) is int and width >= 0 for width in widths):
        raise ValueError(f"widths are whole numbers, got {widths}")
    return prod(widths)
