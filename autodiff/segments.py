"""Segments: a whole function as one node of the graph, so that its interior need not be kept.

Between recording and the backward pass a graph holds every intermediate number. `preaccumulate` keeps of a function
only the derivatives of its outputs in its inputs; `checkpoint` keeps the inputs alone, and evaluates it again when the
backward pass comes by. Both give exactly the gradients of the plain function.

    >>> from autodiff import Value, tanh
    >>> @preaccumulate
    ... def neuron(w, x, b):
    ...     return tanh(w * x + b)
    >>> w = Value(0.5)
    >>> y = neuron(w, 2.0, -0.3)
    >>> y.backward()
    >>> y.op, y.operands == (w,), w.grad
    (<primitive neuron>, True, 1.2694791799649172)
"""

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, NamedTuple, cast

from autodiff import floats, modes
from autodiff.graph import topological_order
from autodiff.primitives import Primitive
from autodiff.structures import Structure, flatten_values
from autodiff.sweeps import from_elsewhere, made_from, read_again, recorded, reverse
from autodiff.value import Value


def preaccumulate(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gives what f gives, each number of it as one node.

    The node's operands are the Values among the arguments (alone or in lists, tuples, dicts and arrays), and what f
    closes over; its local gradients are f's derivatives in them. The graph in between is freed.

    To differentiate a derivative of it, f is evaluated again; RuntimeError if that gives another number, as when f
    draws random numbers or what it closes over has changed. A node of it cannot be pickled.

    Formula: the local Jacobian, by one reverse sweep over f's graph for each output. Worth it where f has few inputs
    and outputs and much in between. Source: Griewank and Walther, Evaluating Derivatives, 2008, chapter 10.

    >>> from autodiff import Value
    >>> x = Value(3.0)
    >>> y = preaccumulate(lambda x: x * x * x)(x)
    >>> y.operands == (x,), y.local_gradients
    (True, (27.0,))
    """
    return _as_segments(f, keeping=True)


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gives what f gives, each number of it as one node that keeps the inputs alone.

    The backward pass evaluates f again, from the numbers it had, and sweeps over that graph; one evaluation for all
    outputs, and one sweep for each. So a chain of n steps, checkpointed every √n, is held in memory √n steps at a time,
    for about one more evaluation. Raises RuntimeError in the backward pass if f gives another number than at first.

    Derivatives of derivatives evaluate f again, too. Source: Griewank, Achieving logarithmic growth of temporal and
    spatial complexity in reverse automatic differentiation, 1992; Chen et al., Training deep nets with sublinear memory
    cost, 2016.

    >>> from autodiff import Value
    >>> x = Value(3.0)
    >>> y = checkpoint(lambda x: x * x * x)(x)
    >>> y.backward()
    >>> x.grad
    27.0
    """
    return _as_segments(f, keeping=False)


def _as_segments(f: Callable[..., Any], keeping: bool) -> Callable[..., Any]:
    if not callable(f):
        name = "preaccumulate" if keeping else "checkpoint"
        raise TypeError(f"{name} takes a function, got {type(f).__name__} {f!r}; write {name}(f), then call that")

    @wraps(f)
    def evaluated(*args: Any, **kwargs: Any) -> Any:
        mode = modes.current()
        if mode is not None and not mode.recording:
            return f(*args, **kwargs)
        return _Segment(f, args, kwargs).outputs(keeping)

    return evaluated


class _Traced(NamedTuple):
    """One number that f gave, when it was recorded on nodes of our own."""

    output: Value
    order: list[Any]
    inputs: list[Value]  # our own nodes, then those around them: what was there before, and the nodes were made from

    def slopes(self, local_gradients: Any) -> list[Any]:
        return reverse(self.order, {self.output: 1.0}, self.inputs, local_gradients)


class _Segment:
    """A call of f: what it takes to evaluate it again."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.f, self.name = f, getattr(f, "__name__", type(f).__name__)
        self.items, self.structure = flatten_values((args, kwargs))
        self.places = [i for i, item in enumerate(self.items) if isinstance(item, Value)]
        self.operands = [self.items[i] for i in self.places]
        self.numbers = [floats.as_float(x.data) for x in self.operands]
        self.kept: dict[int, tuple[float, ...]] = {}  # rows of the last evaluation that nobody has asked for yet

    def outputs(self, keeping: bool) -> Any:
        """Return what f gives, with a node of the segment for each number that was made from the operands."""
        results, structure, traced = self.traced([Value(x) for x in self.numbers])
        self.made = {i: one.output.data for i, one in traced.items()}
        names = structure.places(self.name)
        for i, one in traced.items():
            around = one.inputs[len(self.places) :]
            node = Value(one.output.data)
            node.op = self._primitive(names[i], i, around)
            node.operands = (*self.operands, *around)
            rows = tuple(one.slopes(recorded)) if keeping else _Recomputed(self, i, len(node.operands))
            node.local_gradients = cast(tuple[float, ...], rows)
            results[i] = node
        return structure.build(results)

    def traced(self, nodes: Sequence[Value]) -> tuple[list[Any], Structure, dict[int, _Traced]]:
        """Return what f gives on these nodes in the place of the operands, and how each number was made from them."""
        items = list(self.items)
        for i, node in zip(self.places, nodes, strict=True):
            items[i] = node
        args, kwargs = self.structure.build(items)
        with modes.logging_leaves() as ours:
            results, structure = flatten_values(self.f(*args, **kwargs))
        traced = {}
        for i, output in enumerate(results):
            if isinstance(output, Value):
                order = topological_order(output)
                made = made_from(order, nodes)
                if output in made:
                    traced[i] = _Traced(
                        output, order, [*nodes, *_around(order, made.difference(nodes), {*ours, *nodes})]
                    )
        return results, structure, traced

    def row(self, i: int) -> tuple[float, ...]:
        """Return the local gradients of output i, from another evaluation unless one of its siblings caused it."""
        row = self.kept.pop(i, None)
        if row is None:
            with modes.recording():
                traced = self.traced([Value(x) for x in self.numbers])[2]
            for j, made in self.made.items():
                self._check(traced, j, made)
            self.kept = {j: tuple(one.slopes(recorded)) for j, one in traced.items()}
            row = self.kept.pop(i)
        return row

    def _check(self, traced: dict[int, _Traced], i: int, made: float) -> None:
        again = traced[i].output.data if i in traced else None
        if again is None or (again != made and not (again != again and made != made)):
            raise RuntimeError(
                f"{self.name} gave {made} at first, and {again} when it was evaluated again; it "
                "must do the same each time, and what it closes over must not change in between: make it an argument"
            )

    def _primitive(self, name: str, i: int, around: list[Any]) -> Primitive:
        """Return the operation that gives output i; its rule evaluates f again, on any kind of number."""
        data = [x.data for x in around]

        def slopes(out: Any, *operands: Any) -> list[Any]:
            count = len(self.places)
            with modes.recording():
                nodes = [x * 1.0 if isinstance(x, Value) else Value(x) for x in operands[:count]]
                one = self.traced(nodes)[2]
                if [x.data for x in nodes] == self.numbers or i not in one:
                    self._check(one, i, self.made[i])
                if not _same_leaves(around, one[i].inputs[count:]):
                    raise RuntimeError(f"{name} closes over other Values now than it did at first; make them arguments")
                rows = one[i].slopes(read_again)
            any_value = any(isinstance(x, Value) for x in operands)
            return rows if any_value else [x.data if isinstance(x, Value) else x for x in rows]

        def evaluate(*numbers: float) -> float:
            count = len(self.places)
            if list(numbers[count:]) != data:
                raise TypeError(f"{name} closes over Values, so it cannot be evaluated for others; make them arguments")
            with modes.recording():
                return self.traced([Value(x) for x in numbers[:count]])[2][i].output.data

        return Primitive(name, f"{name}(...)", evaluate, slopes)


class _Recomputed(Sequence[float]):
    """The local gradients of a checkpointed node, evaluated whenever they are read."""

    def __init__(self, segment: _Segment, i: int, length: int) -> None:
        self.segment, self.i, self.length = segment, i, length

    def __iter__(self) -> Iterator[float]:
        return iter(self.segment.row(self.i))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        return tuple(self) == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(tuple(self))


def _same_leaves(nodes: Sequence[Any], again: Sequence[Any]) -> bool:
    """Return whether the nodes that another evaluation met are the first ones; those it made itself need not be."""
    pairs = zip(nodes, again, strict=False)
    return len(nodes) == len(again) and all(one is other or (one.operands and other.operands) for one, other in pairs)


def _around(order: list[Any], made: set[Any], ours: set[Any]) -> list[Any]:
    """Return the nodes that were not made from ours, but that such nodes were made from, unless they are constants."""
    theirs = from_elsewhere(order, ours)
    found: dict[Any, None] = {}
    for node in order:
        if node in made:
            for x in node.operands:
                if type(x) is not float and x not in made and x not in ours and (x in theirs or not x.operands):
                    found[x] = None
    return list(found)
