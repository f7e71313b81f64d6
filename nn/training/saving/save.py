"""save and load: a model, its optimiser and its history in one file, exactly and safely.

The file is one of safetensors: its tensors are columns of float64, "numbers" the parameters and buffers of the model;
the rest, their names included, is JSON in its metadata. Nothing in it is ever run. A crash while saving, at any moment,
leaves the old file or the new one; loading gives back every bit, or raises an error and changes nothing.

>>> from tempfile import TemporaryDirectory
>>> from nn import MLP
>>> model = MLP(2, [3, 1], "tanh", seed=0)
>>> with TemporaryDirectory() as directory:
...     save(f"{directory}/model.safetensors", model, optim.Adam(model.parameters(), lr=0.01))
...     loaded, optimizer, history = load(f"{directory}/model.safetensors")
>>> loaded, loaded.state_dict() == model.state_dict(), optimizer.lr
(MLP(2, [3, 1], 'tanh'), True, 0.01)
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

from autodiff.system.files import write_whole
from nn import optim
from nn.modules.module import Module
from nn.optim import Optimizer
from nn.training.history import History
from nn.training.saving.files import SavedFileError, decoded, encoded
from nn.training.saving.records import attributes_in, check_alike, described, rebuilt


class Saved(NamedTuple):
    """The result of `load`: the model; the optimiser on its parameters and the history, None where none was saved."""

    model: Any
    optimizer: Any
    history: Any


def save(
    path: str | os.PathLike[str], model: Module, optimizer: Optimizer | None = None, history: History | None = None
) -> None:
    """Write a model to a file, replacing an old one; with its optimiser, training goes on bit for bit.

    Kept are the numbers of the model's parameters and buffers, the state of its random generators (those of dropout),
    which modules are in evaluation mode, and the configuration of nn's own modules. Of a class of your own only its
    name is kept: make the model, and load with `into=model`.

    Args:
        path: of the file; its directory exists. By custom, "model.safetensors".
        model: a Module.
        optimizer: one of `nn.optim`, on parameters of the model; its groups, options and state are kept.
        history: the History that `nn.fit` returned.

    Raises TypeError or ValueError for something else, and OSError where the file cannot be written; nothing has changed
    then. A process that is killed leaves the old file, and maybe a hidden one beside it, whose name ends in `.tmp`.

    >>> save("model", [1.0, 2.0])
    Traceback (most recent call last):
    TypeError: save takes a Module, got list
    """
    if not isinstance(model, Module):
        raise TypeError(f"save takes a Module, got {type(model).__name__}")
    if not isinstance(history, History | None):
        raise TypeError(f"history is what nn.fit returned, got {type(history).__name__}")
    numbers = model.state_dict()
    record = {
        "model": described(model),
        "names": list(numbers),
        "numbers": list(numbers.values()),
        "optimizer": None if optimizer is None else _described_optimizer(optimizer, model),
        "history": None if history is None else history.to_dict(),
    }
    write_whole(Path(path), encoded(record))


def load(path: str | os.PathLike[str], into: Module | None = None) -> Saved:
    """Read a file that `save` wrote: `model, optimizer, history = load(path)`, or `load(path).model` alone.

    To go on training, hand the model and the optimiser to `nn.fit`, whose epochs and schedule begin at 0 again.

    Args:
        path: of the file.
        into: a model of the same classes, configuration and names, which takes the numbers and the modes, and new
            random generators; needed where modules are of classes of your own. Left out, the model is made anew.

    Raises SavedFileError, a ValueError, for a file that was truncated or corrupted, that another program or a newer
    version wrote, or that does not fit the model, OSError where there is no file; nothing has changed then.

    >>> load("no such file")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'no such file'
    """
    if into is not None and not isinstance(into, Module):
        raise TypeError(f"into is a Module, got {type(into).__name__}")
    content = Path(path).read_bytes()
    try:
        return _loaded(decoded(content), into)
    except SavedFileError as error:
        raise SavedFileError(f"{path} {error}") from None
    except ImportError:
        raise
    except Exception as error:  # a file that was made to look like one of ours may hold anything
        raise SavedFileError(f"{path} does not fit: {error.args[0] if error.args else repr(error)}") from error


def _loaded(record: dict[str, Any], into: Module | None) -> Saved:
    """The objects that were saved; all that may fail comes before the first change to a model that was given."""
    state = dict(zip(record["names"], record["numbers"], strict=True))
    model = rebuilt(record["model"], len(state)) if into is None else into
    check_alike(model, record["model"])
    attributes = attributes_in(record["model"])
    optimizer = record["optimizer"] and _rebuilt_optimizer(record["optimizer"], model)
    history = record["history"] and History.from_dict(record["history"])
    model.load_state_dict(state)
    for module, own in zip(model.modules(), attributes, strict=True):
        vars(module).update(own)
    return Saved(model, optimizer, history)


def _described_optimizer(optimizer: Optimizer, model: Module) -> dict[str, Any]:
    name = type(optimizer).__name__
    if vars(optim).get(name) is not type(optimizer):
        raise TypeError(f"save keeps optimisers of nn.optim, got {name}; save its state_dict() yourself")
    names = {parameter: at for at, parameter in model.named_parameters()}
    if not names.keys() >= set(optimizer.parameters):
        raise ValueError(f"the {name} changes parameters that are not the model's; save the model that holds them")
    return {"names": [names[parameter] for parameter in optimizer.parameters], **optimizer.state_dict()}


def _rebuilt_optimizer(record: dict[str, Any], model: Module) -> Optimizer:
    kind, named = vars(optim)[record["optimizer"]], dict(model.named_parameters())
    if not issubclass(kind, Optimizer):
        raise SavedFileError(f"names an optimiser that nn.optim does not have: {kind}")
    parameters = [named[name] for name in record.pop("names")]
    groups = [{"params": [parameters[i] for i in group["params"]]} for group in record["param_groups"]]
    optimizer: Optimizer = kind(groups)
    optimizer.load_state_dict(record)
    return optimizer
