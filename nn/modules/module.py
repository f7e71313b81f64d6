"""Module: something with parameters. Every Value that an attribute holds is one, also in lists, dicts, arrays, modules.

    >>> class Scale(Module):
    ...     def __init__(self): self.factor = Value(2.0)
    ...     def __call__(self, x): return self.factor * x
    >>> Scale().state_dict()
    {'factor': 2.0}

Results of operations are not parameters, not even as leaves, by `detach()` or inside `no_grad()`: a module may keep
what it computed. State that is to be saved with the parameters, and not trained, is a buffer:

    >>> class RunningMean(Module):
    ...     def __init__(self): self.register_buffer("mean", 0.0)
    ...     def __call__(self, x):
    ...         self.mean = 0.9 * self.mean + 0.1 * x.data
    ...         return x - self.mean
    >>> centred = RunningMean()
    >>> centred(Value(1.0)).data, centred.state_dict(), centred.parameters()
    (0.9, {'mean': 0.1}, [])
"""

import reprlib
from collections.abc import Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from autodiff import Value
from autodiff.backprop import set_grads
from nn.hints import ON_MODULES
from nn.modules.contents import Place, buffers, dotted, fits, is_module, modules_of, numbers, refilled, walk

if TYPE_CHECKING:
    from nn.modules.summary import Summary


class Module:
    """A base class that finds the parameters in its attributes; subclasses define `__init__` and `__call__`.

    A parameter is a Value that was written, as `Value(0.5)`, and not computed (`x.is_result` tells); an attribute holds
    it, or lists, tuples, dicts, numpy arrays or modules in an attribute do. Buffers hold none. `__call__` says what a
    model makes of one row. One of your own, of ten lines:

    >>> from nn import MLP, Dropout
    >>> class Residual(Module):
    ...     def __init__(self, width, seed=None):
    ...         self.inner = MLP(width, [2 * width, width], "tanh", seed=seed)
    ...         self.dropout = Dropout(0.1, seed=seed)
    ...         self.gate = Value(0.0)
    ...
    ...     def __call__(self, x):
    ...         changes = self.dropout(self.inner(x))
    ...         return [v + self.gate * change for v, change in zip(x, changes)]

    It trains, and is saved, copied, drawn and summed up, as those of nn are:

    >>> model = Residual(2, seed=0)
    >>> [y.data for y in model([0.5, -1.0])], model.state_dict()["gate"]
    ([0.5, -1.0], 0.0)
    >>> model
    Residual(23 parameters)
    """

    training = True  # a default for all; train() and eval() set it on instances

    def parameters(self) -> list[Value]:
        """The parameters, each once, in the order of the attributes.

        Raises TypeError if they stand in a set, which has no order.

        >>> from nn import Neuron
        >>> len(Neuron(2, seed=0).parameters())
        3
        """
        return [x for x in _leaves(self) if not x.is_result]

    def named_parameters(self) -> list[tuple[str, Value]]:
        """(name, parameter) pairs; the name joins the attributes, indices and keys that lead to it.

        Raises TypeError if they stand in a set, which has no order.

        >>> from nn import MLP
        >>> [name for name, _ in MLP(2, [1], seed=0).named_parameters()]
        ['layers.0.neurons.0.w.0', 'layers.0.neurons.0.w.1', 'layers.0.neurons.0.b']
        """
        found: dict[Value, Place] = {}
        for place, thing in walk(self):
            if isinstance(thing, (list, Value)):
                held = [((place, i), x) for i, x in enumerate(thing)] if isinstance(thing, list) else [(place, thing)]
                for at, x in held:
                    found.setdefault(x, at)
        return [(dotted(place), x) for x, place in found.items() if not x.is_result]

    def register_buffer(self, name: str, value: Any) -> None:
        """Set an attribute that is state: saved by `state_dict`, and never trained, whatever is assigned to it later.

        Args:
            name: of the attribute.
            value: a number or a Value, or lists, tuples, dicts or numpy arrays of them; None while there is none yet.

        Raises TypeError for something else.

        >>> module = Module()
        >>> module.register_buffer("hidden", [Value(0.0), Value(0.0)])
        >>> module.state_dict(), module.parameters()
        ({'hidden.0': 0.0, 'hidden.1': 0.0}, [])
        """
        numbers(value, (None, name))
        setattr(self, name, value)
        vars(self)["_buffers"] = tuple(dict.fromkeys([*buffers(self), name]))

    def named_buffers(self) -> list[tuple[str, Any]]:
        """(name, number) pairs of all that buffers hold, floats and Values, named as parameters are.

        Raises TypeError if something was assigned to a buffer that holds no numbers.

        >>> module = Module()
        >>> module.register_buffer("count", 3)
        >>> module.named_buffers()
        [('count', 3)]
        """
        return [
            (dotted(at), x) for holder, name, place in _buffers(self) for at, x in numbers(getattr(holder, name), place)
        ]

    def zero_grad(self) -> None:
        """Set the grad of every parameter to 0.0, and of leaves that the module computed and keeps.

        >>> from nn import Neuron
        >>> neuron = Neuron(2, seed=0)
        >>> neuron([1.0, 1.0]).backward()
        >>> neuron.zero_grad()
        >>> [parameter.grad for parameter in neuron.parameters()]
        [0.0, 0.0, 0.0]
        """
        set_grads(_leaves(self), 0.0)

    def state_dict(self) -> dict[str, float]:
        """The numbers of the parameters, then of the buffers, by name.

        Raises ValueError if two have the same name, by a key with a dot in it, and TypeError for a Value whose data was
        assigned no number.

        >>> from nn import Neuron
        >>> sorted(Neuron(1, seed=0).state_dict())
        ['b', 'w.0']
        """
        named = [*self.named_parameters(), *self.named_buffers()]
        state = {name: _float(x) for name, x in named}
        if len(state) < len(named):
            twice = next(name for name in state if sum(other == name for other, _ in named) > 1)
            raise ValueError(
                f"two parameters of {type(self).__name__} are called {twice!r}, or buffers; keep dots out of dict keys"
            )
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the numbers of parameters and buffers by name. Nothing changes unless every entry fits.

        Raises KeyError for missing or unexpected names, TypeError for an entry that is not a number, ValueError where a
        buffer holds an integer and the entry is not one.

        >>> from nn import Neuron
        >>> neuron = Neuron(1, seed=0)
        >>> neuron.load_state_dict({"w.0": 0.5, "b": -1})
        >>> neuron.state_dict()
        {'w.0': 0.5, 'b': -1.0}
        """
        names = self.state_dict()
        missing = [name for name in names if name not in state]
        unexpected = [name for name in state if name not in names]
        if missing or unexpected:
            raise KeyError(
                f"state_dict does not fit {type(self).__name__}: missing {reprlib.repr(missing)}, unexpected "
                f"{reprlib.repr(unexpected)}; it has the names that named_parameters() and named_buffers() list"
            )
        loaded = {}
        for name, entry in state.items():
            try:
                loaded[name] = Value(entry).data
            except (TypeError, OverflowError) as error:
                raise TypeError(f"state_dict entry {name!r}: {error}") from None
        for name, held in self.named_buffers():
            if not fits(held, loaded[name]):
                raise ValueError(f"state_dict entry {name!r}: the buffer holds an integer, got {loaded[name]!r}")
        for name, parameter in self.named_parameters():
            parameter.data = loaded[name]
        for holder, name, place in _buffers(self):
            held = getattr(holder, name)
            setattr(holder, name, refilled(held, iter([loaded[dotted(at)] for at, _ in numbers(held, place)])))

    def child_name(self, child: object) -> str | None:
        """The name of a module in this one, None if it is not in it; drawings show it.

        >>> from nn import MLP
        >>> model = MLP(2, [3, 1], seed=0)
        >>> model.child_name(model.layers[1])
        'layers.1'
        """
        found = (place for deep in (False, True) for place, held in walk(self, deep) if held is child and place)
        return dotted(next(found, None)) or None

    def modules(self) -> list["Module"]:
        """The module itself and all modules in it, each once, in the order of the attributes.

        >>> from nn import MLP
        >>> MLP(2, [1], seed=0).modules()
        [MLP(2, [1], 'relu'), Layer(2, 1, 'linear'), Neuron(2, 'linear')]
        """
        return modules_of(self)

    def train(self, mode: bool = True) -> Self:
        """Set `training` of the module and of all modules in it; return the module.

        Modules that differ in training, such as Dropout, look at it. It is True until it is set.

        Raises TypeError if the mode is not a bool.

        >>> from nn import MLP
        >>> model = MLP(2, [1], seed=0)
        >>> model.training, model.eval().layers[0].training, model.train().layers[0].training
        (True, False, True)
        """
        if not isinstance(mode, bool):
            raise TypeError(f"train takes True or False, got {type(mode).__name__}; to fit data: nn.fit(model, X, y)")
        for module in modules_of(self):  # a method may be hidden by an attribute
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set `training` to False, as `train(False)` does: for predictions; return the module.

        >>> from nn import Dropout
        >>> Dropout(0.5).eval()([1.0, 2.0])
        [1.0, 2.0]
        """
        return self.train(False)

    def summary(self, x: Any = None) -> "Summary":
        """A table of the modules in it: what each is, its parameters, its buffers.

        Args:
            x: a row for the model, any one: the table then says how many nodes each module makes of it. It takes the
                time of a drawing, 0.2 ms a node.

        >>> from nn import Dropout, Layer, LayerNorm, Sequential
        >>> Sequential(Layer(64, 32, "linear"), LayerNorm(32), "relu", Dropout(0.1), Layer(32, 10)).summary()
        module       what it is               parameters
        model        Sequential                    2,474
        ├─ layers.0  Layer(64, 32, 'linear')       2,080
        ├─ layers.1  LayerNorm(32)                    64
        ├─ layers.3  Dropout(0.1)
        └─ layers.4  Layer(32, 10, 'relu')           330
        """
        from nn.modules.summary import Summary  # which imports this module

        return Summary(self, x)

    def config(self) -> dict[str, Any]:
        """The keyword arguments that make a module of the same shape, `type(self)(**config)`.

        The values can be written as JSON, or are modules; the numbers of the parameters come by `load_state_dict`.

        Raises TypeError for a class of your own that does not define it, and for a function that has no name here.

        >>> from nn import Layer
        >>> Layer(3, 2, "tanh", seed=0).config()
        {'nin': 3, 'nout': 2, 'activation': 'tanh', 'bias': True, 'name': 'Layer'}
        """
        raise TypeError(
            f"{type(self).__name__}, a Module of your own, has no recorded configuration: load with into=model, or "
            "define config(self), which returns the keyword arguments that make it"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise TypeError: a subclass says what a module does."""
        name = type(self).__name__
        instead = "rename forward to __call__" if hasattr(type(self), "forward") else "define __call__(self, ...)"
        raise TypeError(f"{name} does not say what it does when it is called; {instead}")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            remark = f"; {ON_MODULES[name]}" if name in ON_MODULES else ""
            message = f"{type(self).__name__!r} object has no attribute {name!r}{remark}"
            raise AttributeError(message, name=name, obj=None if remark else self)

    def __repr__(self) -> str:
        count = len(self.parameters())
        return f"{type(self).__name__}({count:,} parameter{'s' * (count != 1)})"


def _leaves(module: Module) -> list[Value]:
    """The leaves that are held, each once, in half the time that their places would take."""
    found: dict[Value, None] = {}
    for _, thing in walk(module):
        if isinstance(thing, list):
            found.update(dict.fromkeys(thing))
        elif isinstance(thing, Value):
            found[thing] = None
    return [x for x in found if x.op is None]


def _buffers(module: Module) -> Iterator[tuple[Module, str, Place]]:
    """Yield (module, name, place) for each buffer of the module and those in it."""
    for place, holder in walk(module):
        if is_module(holder):
            for name in buffers(holder):
                if hasattr(holder, name):
                    yield holder, name, (place, name)


def _float(x: Any) -> float:
    """The number of a parameter or buffer; a copy holds what was assigned as a float, or raises and names it."""
    if not isinstance(x, Value):
        return Value(x).data
    return x.data if type(x.data) is float else copy(x).data
