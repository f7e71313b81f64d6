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
from typing import Any, NamedTuple

from autodiff import chain, modes
from autodiff.graph import descendants, from_elsewhere, topological_order
from autodiff.number import data_of
from autodiff.primitives import Primitive
from autodiff.structures.structure import Structure, flatten_values, is_array
from autodiff.transforms.sweeps import pulled_back
from autodiff.value import Value, node_of, result_leaf


def preaccumulate(f: Callable[..., Any]) -> Callable[..., Any]:
    """f as a segment: a function with the same results, each number of them one node.

    The node's operands are the Values among the arguments (alone or in lists, tuples, dicts and arrays), and what f
    closes over; its local gradients are f's derivatives in them. The graph in between is freed. Containers with Values
    reach f as copies: lists, tuples, dicts and arrays of objects.

    To differentiate a derivative of it, f is evaluated again; RuntimeError if that gives another number, as when f
    draws random numbers, or what it closes over has changed. A node of it cannot be pickled.

    Formula: the local Jacobian. Cost: recording f, and for each of its outputs a few walks over what it was made from.
    Worth it where f has few outputs and much in between. Source: Griewank and Walther, Evaluating Derivatives, 2008,
    chapter 10.

    >>> from autodiff import Value
    >>> x = Value(3.0)
    >>> y = preaccumulate(lambda x: x * x * x)(x)
    >>> y.operands == (x,), y.local_gradients
    (True, (27.0,))
    """
    return _as_segments(f, keeping=True)


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f as a segment that keeps its inputs alone: a function with the same results, each number of them one node.

    The backward pass evaluates f again, from the numbers it had, and sweeps over that graph: one evaluation for all
    outputs, and a few walks for each over what it was made from, as when it is recorded; with many outputs these are
    most of the time. A chain of n steps, checkpointed every √n, is held in memory √n steps at a time. Raises
    RuntimeError in the backward pass if f gives another number than at first, or what it closes over has changed.

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
        mode = modes.now()
        if mode is not None and (mode.reading is not None or not mode.recording):
            return f(*args, **kwargs)
        return _Segment(f, args, kwargs).outputs(keeping)

    return evaluated


class _Traced(NamedTuple):
    """One number of the result, recorded on nodes of our own.

    Attributes:
        output: the number.
        order: what is between our nodes and it, a topological order.
        inputs: our nodes, then those around them: what was there before, and f made something of with our nodes.
        slopes: the derivative in each input; none where choices keep the input from the output.
    """

    output: Value
    order: list[Any]
    inputs: list[Value]
    slopes: dict[int, float]


class SegmentPrimitive(Primitive):
    """The operation that a segment is recorded as: of one call, on the numbers of that call."""

    def __init__(self, name: str, formula: str, evaluate: Callable[..., float], partials: Callable[..., Any]) -> None:
        super().__init__(name, formula, evaluate, partials)
        del self.__doc__  # the class has one; a page of its own would be a tenth of what a checkpoint keeps


class _Whole:
    """An argument without Values: handed to f as it is."""

    def __init__(self, it: Any) -> None:
        self.it = it.copy() if is_array(it) else it  # arrays are often filled anew


class _Segment:
    """A call of f: what it takes to evaluate it again."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.f, self.name = f, getattr(f, "__name__", type(f).__name__)
        sealed = [x if _holds_values(x) else _Whole(x) for x in (*args, *kwargs.values())]
        self.items, self.structure = flatten_values(
            (sealed[: len(args)], dict(zip(kwargs, sealed[len(args) :], strict=True)))
        )
        self.places = [i for i, item in enumerate(self.items) if isinstance(item, Value)]
        self.operands = [self.items[i] for i in self.places]
        self.numbers = [data_of(x) for x in self.operands]
        self.kept: dict[int, dict[int, float]] = {}  # slopes of the last evaluation that nobody has asked for yet

    def outputs(self, keeping: bool) -> Any:
        """The result of f, with a node of the segment for each number that was made from the operands.

        Values that f hands out otherwise, by a generator or an attribute, are made from the operands in the plain way.
        """
        results, structure, traced = self.traced([x * 1.0 for x in self.operands])
        self.made = {i: (one.output.data, self._data_around(one)) for i, one in traced.items()}
        names = structure.places(self.name)
        for i, one in traced.items():
            reached = [j for j in range(len(one.inputs)) if j in one.slopes]
            inputs = (*self.operands, *one.inputs[len(self.places) :])
            operands = tuple([inputs[j] for j in reached])
            slopes = tuple([one.slopes[j] for j in reached]) if keeping else _Recomputed(self, i, reached)
            op = self._primitive(names[i], i, reached)
            results[i] = node_of(one.output.data, op, operands, slopes) if operands else result_leaf(one.output.data)
        return structure.build(results)

    def traced(self, nodes: Sequence[Value]) -> tuple[list[Any], Structure, dict[int, _Traced]]:
        """The result of f on these nodes in the place of the operands, and how each number was made from them."""
        with modes.new_leaves as log:
            results, structure = flatten_values(self._called(nodes))
        ours, stops = {*log, *nodes}, set(nodes)
        traced = {}
        for i, output in enumerate(results):
            if isinstance(output, Value):
                order = topological_order(output, without=stops)
                made = descendants(order, nodes)
                if output in made:
                    inputs = [*nodes, *_around(order, made, ours)]
                    slopes = _slopes(order, output, inputs)
                    traced[i] = _Traced(
                        output, order, inputs, {j: slopes[x] for j, x in enumerate(inputs) if x in slopes}
                    )
        return results, structure, traced

    def _called(self, nodes: Sequence[Value]) -> Any:
        items = list(self.items)
        for i, node in zip(self.places, nodes, strict=True):
            items[i] = node
        args, kwargs = self.structure.build(items)
        opened = [x.it if isinstance(x, _Whole) else x for x in args]
        return self.f(*opened, **{key: x.it if isinstance(x, _Whole) else x for key, x in kwargs.items()})

    def row(self, i: int) -> dict[int, float]:
        """The slopes of output i, from another evaluation unless one of its siblings caused it."""
        row = self.kept.pop(i, None)
        if row is None:
            with modes.recording():
                traced = self.traced([Value(x) for x in self.numbers])[2]
            for j in self.made:
                self._check(traced, j)
            self.kept = {j: one.slopes for j, one in traced.items()}
            row = self.kept.pop(i)
        return row

    def _data_around(self, one: _Traced) -> list[float]:
        return [x.data for x in one.inputs[len(self.places) :]]

    def _check(self, traced: dict[int, _Traced], i: int) -> None:
        """Raise RuntimeError unless output i is what it was, made from numbers that are what they were."""
        made, data_around = self.made[i]
        again = traced[i].output.data if i in traced else None
        if repr(again) != repr(made):
            raise RuntimeError(f"{self.name} gave {made} at first, and {again} when it was evaluated again; {_ADVICE}")
        if repr(self._data_around(traced[i])) != repr(data_around):
            raise RuntimeError(f"what {self.name} closes over has changed since it was evaluated; {_ADVICE}")

    def _primitive(self, name: str, i: int, reached: list[int]) -> Primitive:
        """The operation that makes output i; its rule evaluates f again, on any kind of number."""
        count = len(self.places)
        ours = [j for j in reached if j < count]

        def slopes(out: Any, *operands: Any) -> list[Any]:
            given: list[Any] = list(self.numbers)
            for j, operand in zip(ours, operands, strict=False):
                given[j] = operand
            with modes.recording():
                nodes = [x * 1.0 if isinstance(x, Value) else Value(x) for x in given]
                traced = self.traced(nodes)[2]
                if [x.data for x in nodes] == self.numbers or i not in traced:
                    self._check(traced, i)
                one = traced[i]
                inputs = [one.inputs[j] for j in reached if j < len(one.inputs)]
                is_as_large = len(one.inputs) == count + len(self.made[i][1])
                if not is_as_large or not self._are_same(operands[len(ours) :], inputs[len(ours) :], nodes, i, reached):
                    raise RuntimeError(f"{name} closes over other Values now than it did at first; {_ADVICE}")
                if not set(one.slopes) <= set(reached):
                    raise RuntimeError(f"{name} chooses otherwise for these numbers than at first; evaluate it again")
                rows = pulled_back(one.order, {one.output: 1.0}, inputs)
            any_value = any(isinstance(x, Value) for x in operands)
            return rows if any_value else [x.data if isinstance(x, Value) else x for x in rows]

        def evaluate(*numbers: float) -> float:
            given = list(self.numbers)
            for j, number in zip(ours, numbers, strict=False):
                given[j] = number
            around = dict(enumerate(self.made[i][1], count))
            if [around[j] for j in reached if j >= count] != list(numbers[len(ours) :]):
                raise TypeError(f"{name} closes over Values, so it cannot be evaluated for others; make them arguments")
            with modes.recording():
                return self.traced([Value(x) for x in given])[2][i].output.data

        return SegmentPrimitive(name, f"{name}(...)", evaluate, slopes)

    def _are_same(
        self, around: Sequence[Any], again: Sequence[Any], nodes: Sequence[Value], i: int, reached: list[int]
    ) -> bool:
        """Whether another evaluation met the Values that the first one closed over.

        Those that f makes itself, from what it closes over, are others each time.
        """
        others = [(one, other) for one, other in zip(around, again, strict=True) if one is not other]
        if not others or not all(isinstance(one, Value) and one.operands and other.operands for one, other in others):
            return not others
        inputs = self.traced(nodes)[2][i].inputs
        third = {id(inputs[j]) for j in reached if j < len(inputs)}
        return not any(id(other) in third for _, other in others)


_ADVICE = "it must do the same each time, and what it closes over must not change in between: make it an argument"


def _holds_values(x: Any) -> bool:
    return any(isinstance(item, Value) for item in flatten_values(x)[0])


def _slopes(order: Sequence[Any], output: Any, inputs: Sequence[Any]) -> dict[Any, float]:
    """d(output)/d(input) as `backward()` sums it up, for the inputs that are not kept from it by a choice.

    A slope of 0 and none at all are not the same: under an infinite upstream gradient the one makes nan.
    """
    slopes = chain.adjoints_at(order, {output: 1.0}, inputs)
    return {x: slope for x, slope in zip(inputs, slopes, strict=True) if slope is not chain.NOTHING}


class _Recomputed(Sequence[float]):
    """The local gradients of a checkpointed node, evaluated whenever they are read."""

    def __init__(self, segment: _Segment, i: int, reached: list[int]) -> None:
        self.segment, self.i, self.reached = segment, i, reached

    def __iter__(self) -> Iterator[float]:
        row = self.segment.row(self.i)
        return iter([row[j] for j in self.reached])

    def __len__(self) -> int:
        return len(self.reached)

    def __getitem__(self, index: Any) -> Any:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        return tuple(self) == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(tuple(self))


def _around(order: list[Any], made: set[Any], ours: set[Any]) -> list[Any]:
    """The nodes that were not made from ours, but that such nodes were made from, unless they are constants."""
    theirs = from_elsewhere(order, ours)
    found: dict[Any, None] = {}
    for node in order:
        if node in made:
            for x in node.operands:
                if type(x) is not float and x not in made and x not in ours and (x in theirs or not x.operands):
                    found[x] = None
    return list(found)
