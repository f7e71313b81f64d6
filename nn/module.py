"""Module: something with parameters. Every leaf Value that an attribute holds is one, in lists, tuples, dicts and
modules, too.

    >>> class Scale(Module):
    ...     def __init__(self): self.factor = Value(2.0)
    ...     def __call__(self, x): return self.factor * x
    >>> Scale().state_dict()
    {'factor': 2.0}
"""

from collections.abc import Mapping
from typing import Any

from autodiff import Value


class Module:
    """A base class that finds the parameters in its attributes; subclasses define `__init__` and `__call__`.

    >>> class Shift(Module):
    ...     def __init__(self): self.by = Value(2.0, "by")
    ...     def __call__(self, x): return x + self.by
    >>> Shift(), Shift()(1.0).data
    (Shift(1 parameter), 3.0)
    """

    def parameters(self) -> list[Value]:
        """Return the parameters, each once, in the order of the attributes.

        >>> from nn import Neuron
        >>> len(Neuron(2, seed=0).parameters())
        3
        """
        return list(_found(self))

    def named_parameters(self) -> list[tuple[str, Value]]:
        """Return (name, parameter) pairs; the name is the path of attributes, indices and keys to it.

        >>> from nn import MLP
        >>> [name for name, _ in MLP(2, [1], seed=0).named_parameters()]
        ['layers.0.neurons.0.w.0', 'layers.0.neurons.0.w.1', 'layers.0.neurons.0.b']
        """
        return [(_dotted(path), parameter) for parameter, path in _found(self).items()]

    def zero_grad(self) -> None:
        """Set the grad of every parameter to 0.0.

        >>> from nn import Neuron
        >>> neuron = Neuron(2, seed=0)
        >>> neuron([1.0, 1.0]).backward()
        >>> neuron.zero_grad()
        >>> [parameter.grad for parameter in neuron.parameters()]
        [0.0, 0.0, 0.0]
        """
        for parameter in _found(self):
            parameter.grad = 0.0

    def state_dict(self) -> dict[str, float]:
        """Return the parameters' data by name. Raises ValueError if two have the same, by a key with a dot in it.

        >>> from nn import Neuron
        >>> sorted(Neuron(1, seed=0).state_dict())
        ['b', 'w.0']
        """
        named = self.named_parameters()
        state = {name: parameter.data for name, parameter in named}
        if len(state) < len(named):
            twice = next(name for name in state if sum(other == name for other, _ in named) > 1)
            raise ValueError(
                f"two parameters of {type(self).__name__} are called {twice!r}; keep dots out of dict keys"
            )
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the parameters' data by name. Nothing changes unless every entry fits.

        Raises KeyError for missing or unexpected names, TypeError for an entry that is no number.

        >>> from nn import Neuron
        >>> neuron = Neuron(1, seed=0)
        >>> neuron.load_state_dict({"w.0": 0.5, "b": -1})
        >>> neuron.state_dict()
        {'w.0': 0.5, 'b': -1.0}
        """
        parameters = dict(self.named_parameters())
        missing = [name for name in parameters if name not in state]
        unexpected = [name for name in state if name not in parameters]
        if missing or unexpected:
            raise KeyError(
                f"state_dict does not fit {type(self).__name__}: {_count('missing', missing)}, "
                f"{_count('unexpected', unexpected)}; it has the names that named_parameters() lists"
            )
        numbers = {}
        for name, entry in state.items():
            try:
                numbers[name] = Value(entry).data
            except (TypeError, OverflowError) as error:
                raise TypeError(f"state_dict entry {name!r}: {error}") from None
        for name, number in numbers.items():
            parameters[name].data = number

    def child_name(self, child: object) -> str | None:
        """Return the path to a module that this one holds, None if it holds no such one; drawings show it.

        >>> from nn import MLP
        >>> model = MLP(2, [3, 1], seed=0)
        >>> model.child_name(model.layers[1])
        'layers.1'
        """
        for path, module in _submodules(self, None, set()):
            if module is child:
                return _dotted(path)
        return None

    def __repr__(self) -> str:
        count = len(_found(self))
        return f"{type(self).__name__}({count:,} parameter{'s' * (count != 1)})"


_Path = tuple[Any, Any] | None  # (path of the holder, key), outermost None; joined only when a name is asked for


def _dotted(path: _Path) -> str:
    keys = []
    while path is not None:
        path, key = path
        keys.append(str(key))
    return ".".join(reversed(keys))


def _children(thing: object) -> Any:
    """Return (key, child) pairs of a module or container, None of anything else."""
    if isinstance(thing, Module):
        return vars(thing).items()
    if isinstance(thing, dict):
        return thing.items()
    return enumerate(thing) if isinstance(thing, (list, tuple)) else None


def _found(module: Module) -> dict[Value, _Path]:
    """Return the path to each parameter; a thing held twice, or holding its holder, is visited once."""
    found: dict[Value, _Path] = {}
    visited = {id(module)}
    stack: list[tuple[_Path, Any]] = [(None, iter(_children(module)))]
    while stack:
        path, children = stack[-1]
        for key, child in children:
            if isinstance(child, Value):
                if child.op is None:
                    found.setdefault(child, (path, key))
            elif id(child) not in visited and (inner := _children(child)) is not None:
                visited.add(id(child))
                stack.append(((path, key), iter(inner)))
                break  # down into the child; the rest of these children has its turn afterwards
        else:
            stack.pop()
    return found


def _submodules(thing: object, path: _Path, visited: set[int]) -> Any:
    """Yield (path, module) for the modules held directly, in containers or not."""
    visited.add(id(thing))
    for key, child in _children(thing) or ():
        if isinstance(child, Module):
            yield (path, key), child
        elif id(child) not in visited:
            yield from _submodules(child, (path, key), visited)


def _count(what: str, names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
    return f"{len(names)} {what}" + (f" ({shown})" if names else "")
