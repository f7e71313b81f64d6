"""RNNCell, LSTMCell, unroll: cells that read a sequence step by step, and gradients that flow back through the steps.

A cell is a function `output, state = cell(x, state)` of one item of a sequence, a list of numbers. Its gates are layers
on the item and the previous output in one list, so that a unit of a gate is one neuron, of three nodes.

>>> outputs, state = unroll(RNNCell(1, 4, seed=0), [[0.0], [1.0], [0.5]])
>>> len(outputs), len(outputs[0]), outputs[-1] is state
(3, 4, True)
"""

import random
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

import autodiff
from autodiff import Value
from nn.init import Init, generator
from nn.layers.activations import Activation, activation_of
from nn.layers.arguments import inputs_of, whole_number
from nn.layers.configured import Configured
from nn.layers.dense import Layer

Cell = Callable[[Any, Any], tuple[Any, Any]]
"""`output, state = cell(x, state)`; without a state, None, it starts."""


class RNNCell(Configured):
    """A recurrent cell: h = activation(W [x, h'] + b), for an item x and the output h' of the step before.

    In torch's names, the weights of unit i, `gate.neurons[i].w`, are row i of weight_ih, then row i of weight_hh, and
    its bias is bias_ih[i] + bias_hh[i].

    Args:
        nin: how many numbers an item has, at least 1.
        hidden: the number of units, and of outputs; at least 1.
        activation, seed, rng, init: as in Neuron.

    Source: Elman, Finding structure in time, 1990.

    >>> cell = RNNCell(2, 3, seed=0)
    >>> h, state = cell([0.5, -1.0])
    >>> h, state = cell([0.0, 2.0], state)
    >>> cell, len(h), len(cell.parameters())
    (RNNCell(2, 3, 'tanh'), 3, 18)
    """

    def __init__(
        self,
        nin: int,
        hidden: int,
        activation: Activation = "tanh",
        *,
        seed: int | None = None,
        rng: random.Random | None = None,
        init: Init = None,
    ) -> None:
        self.nin, self.hidden = whole_number("nin", nin), whole_number("hidden", hidden)
        self.activation, wide = activation_of(activation), self.nin + self.hidden
        self.gate = Layer(wide, self.hidden, activation, seed=seed, rng=rng, init=init, name="RNNCell.gate")

    def __call__(self, x: Sequence[Any], state: Sequence[Any] | None = None) -> tuple[list[Any], list[Any]]:
        """(h, h): the outputs, which are the next state. The state to start with, None, is zeros.

        Raises ValueError if the item or the state has the wrong width.
        """
        h = self.gate.outputs(_joined(self, x, [0.0] * self.hidden if state is None else state))
        return h, h


class LSTMCell(Configured):
    """A long short-term memory: the memory of the cell, c, changes only by its gates, layers on z = [x, h'].

    i = sigmoid(Wi z + bi), f = sigmoid(Wf z + bf), g = tanh(Wg z + bg), o = sigmoid(Wo z + bo)
    c = f c' + i g;  h = o tanh(c)

    Here x is an item, h' and c' are of the step before. In torch's names, weight_ih and weight_hh hold the rows of the
    gates i, f, g, o one below the other; the weights of unit j of a gate, such as `forget.neurons[j].w`, are its row of
    weight_ih, then that of weight_hh, and its bias is the sum of torch's two. The biases bf start at 1, so that a new
    cell remembers.

    Args:
        nin: how many numbers an item has, at least 1.
        hidden: the number of units, and of outputs; at least 1.
        seed, rng, init: as in Neuron.

    Source: Hochreiter and Schmidhuber, Long short-term memory, 1997; Gers et al., Learning to forget, 2000; of the
    biases, Jozefowicz et al., An empirical exploration of recurrent network architectures, 2015.

    >>> cell = LSTMCell(2, 3, seed=0)
    >>> h, (same, c) = cell([0.5, -1.0])
    >>> h is same, len(c), len(cell.parameters())
    (True, 3, 72)
    """

    def __init__(
        self, nin: int, hidden: int, *, seed: int | None = None, rng: random.Random | None = None, init: Init = None
    ) -> None:
        self.nin, self.hidden = whole_number("nin", nin), whole_number("hidden", hidden)
        rng = generator(seed, rng)
        self.input, self.forget, self.candidate, self.output = [
            Layer(self.nin + self.hidden, self.hidden, activation, rng=rng, init=init, name="LSTMCell")
            for activation in ("sigmoid", "sigmoid", "tanh", "sigmoid")
        ]
        for neuron in self.forget.neurons:
            neuron.b = Value(1.0, "b")

    def __call__(
        self, x: Sequence[Any], state: tuple[Sequence[Any], Sequence[Any]] | None = None
    ) -> tuple[list[Any], tuple[list[Any], list[Any]]]:
        """(h, (h, c)): the outputs and the next state. The state to start with, None, is zeros.

        Raises ValueError if the item, h or c has the wrong width, ValueError or TypeError if the state is not a pair.
        """
        h, c = [[0.0] * self.hidden] * 2 if state is None else state
        z, c = _joined(self, x, h), inputs_of("LSTMCell's c", c, self.hidden)
        i, f, g, o = [gate.outputs(z) for gate in (self.input, self.forget, self.candidate, self.output)]
        c = [autodiff.dot([fj, ij], [cj, gj]) for fj, ij, cj, gj in zip(f, i, c, g, strict=True)]
        h = [oj * autodiff.tanh(cj) for oj, cj in zip(o, c, strict=True)]
        return h, (h, c)


def unroll(cell: Cell, xs: Iterable[Any], state: Any = None, *, truncate: int | None = None) -> tuple[list[Any], Any]:
    """([output for each item], state at the end) of a cell that reads a sequence item by item.

    The outputs and the state are one graph over all steps, so that `backward()` on a loss made of them is
    backpropagation through time, and adds up in the parameters, which all steps share.

    Args:
        cell: `output, state = cell(x, state)`, such as an RNNCell, an LSTMCell, or a function of your own.
        xs: the items in their order: lists of numbers, or an array of shape (steps, nin).
        state: the state before the first step; None, which the cell gets as it is, unless given.
        truncate: None, or a number of steps k, at least 1: before steps k, 2k, 3k ..., counted from 0, the state is
            detached. Its numbers go on and no gradient goes back, so that all outputs are what they were without, and
            a gradient of the output of step t flows through the steps k * (t // k) to t, at most k of them. The given
            state has a gradient through the first k steps alone.

    Raises TypeError for a state to detach that is not of numbers in lists, tuples and dicts.

    A stream longer than memory is read in chunks: the state goes from one to the next as plain numbers, and so without
    gradient. In a function to compile it is an argument and a result, which comes back as floats.

    >>> cell, stream, state = RNNCell(1, 3, seed=0), [[[0.1], [0.2]], [[0.3], [0.4]]], None
    >>> for chunk in stream:
    ...     outputs, state = unroll(cell, chunk, state)
    ...     outputs[-1][0].backward()  # and a step of an optimiser
    ...     state = [h.data for h in state]

    Source: Werbos, Backpropagation through time, 1990; Williams and Peng, An efficient gradient-based algorithm for
    on-line training of recurrent network trajectories, 1990.
    """
    k = None if truncate is None else whole_number("truncate", truncate)
    outputs = []
    for t, x in enumerate(xs):
        if k is not None and t > 0 and t % k == 0:
            state = _detached(state)
        output, state = cell(x, state)
        outputs.append(output)
    return outputs, state


def _detached(state: Any) -> Any:
    """A state with the same numbers, through which no gradient flows."""
    if isinstance(state, Value):
        return state.detach()
    if isinstance(state, dict):
        return {key: _detached(part) for key, part in state.items()}
    if isinstance(state, (list, tuple)):
        kind = getattr(state, "_make", type(state))  # of a named tuple, or a list or tuple
        return kind(map(_detached, state))
    if state is None or isinstance(state, Real):
        return state
    raise TypeError(f"truncate detaches a state of numbers in lists, tuples and dicts, got {type(state).__name__}")


def _joined(cell: RNNCell | LSTMCell, x: Any, h: Any) -> list[Any]:
    """The item and the previous output in one list."""
    name = type(cell).__name__
    return [*inputs_of(name, x, cell.nin), *inputs_of(f"{name}'s h", h, cell.hidden)]
