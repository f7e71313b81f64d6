"""Derivatives of functions: from f to f' by name, in any order, to any order.

    >>> from autodiff import exp, sin
    >>> def f(x):
    ...     return exp(x) * sin(x)
    >>> grad(f)(0.5), grad(grad(f))(0.5)
    (2.2373281197977843, 2.8937780731683387)

The names and the order of arguments are JAX's. A transform calls f on Values of its own, sweeps over the graph that f
recorded, and hands back numbers in the form of the arguments: nested lists, tuples, dicts, numpy arrays (which reach f
as arrays of Values). What is handed back is a float, unless it depends on a Value that was there before, an argument
or one that f closes over: then it is a Value, so that transforms nest, and a gradient can itself be trained through.

Inner and outer derivatives cannot be confused: each transform differentiates with respect to nodes it made itself.

    >>> grad(lambda x: x * grad(lambda y: x * y)(1.0))(3.0)  # d/dx (x * x)
    6.0
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import wraps
from typing import Any

from autodiff import modes
from autodiff.backprop import accumulate, one_pass_at_a_time
from autodiff.chain import FLOATS, forward
from autodiff.fast import leaves_of
from autodiff.graph import from_elsewhere, topological_order
from autodiff.primitives import Primitive
from autodiff.structures.structure import NUMBER, Structure, flatten, flatten_values, in_blocks, nested, ordered_as
from autodiff.system.blocks import Block, Scope
from autodiff.transforms.sweeps import gradient, pulled_back, pushed_forward
from autodiff.value import Value

__all__ = ["grad", "gradient", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]

Argnums = int | Sequence[int]


def grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives the gradient of f: df/dx for each number x in an argument, in its form.

    Args:
        f: gives one number.
        argnums: the index of the argument to differentiate, or a list of them; then a tuple of gradients is given.
        has_aux: whether f gives a pair (number, anything else); then so does the result: (gradient, anything else).

    Cost: recording f, and one reverse sweep, whatever the number of inputs: two to three times the recording.

    Raises TypeError when f gives anything but one number, or something else than numbers is in the argument; ValueError
    for argnums out of range.

    Source: Linnainmaa, Taylor expansion of the accumulated rounding error, 1976.

    >>> grad(lambda x: x**3)(2)
    12.0
    >>> grad(lambda p: p["w"][0] * p["w"][1] + p["b"])({"w": [2.0, 3.0], "b": 1.0})
    {'w': [3.0, 2.0], 'b': 1.0}
    """

    @_wrapping("grad", f)
    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        value, slopes = _value_and_gradient("grad", f, args, kwargs, argnums, has_aux)
        return (slopes, value[1]) if has_aux else slopes

    return gradient_of


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives a pair: what f gives, and its gradient, as `grad` does, in the same evaluation.

    With has_aux the first is the pair (number, anything else) that f gives. Cost and errors: those of `grad`.

    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(3.0, 5.0)
    (15.0, (5.0, 3.0))
    """

    @_wrapping("value_and_grad", f)
    def value_and_gradient_of(*args: Any, **kwargs: Any) -> Any:
        return _value_and_gradient("value_and_grad", f, args, kwargs, argnums, has_aux)

    return value_and_gradient_of


def _value_and_gradient(
    name: str, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Argnums, has_aux: bool
) -> tuple[Any, Any]:
    with _recorded(name, f, args, kwargs, argnums, has_aux) as run:
        output = run.one_output("jacobian, or return their sum")
        slopes = run.lowered(run.pulled({output: 1.0}, run.order))
        (value,) = run.lowered([output])
        return ((value, run.lowered_aux()) if has_aux else value), run.of_inputs.build(slopes)


def jacobian(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives the derivative of each number that f gives in each number of an argument.

    It has the form of f's result, with the form of the argument in the place of each number; an array of shape S
    differentiated in an array of shape T is an array of shape S + T. Of one number, it is the gradient.

    Cost: recording f, and a sweep for each output over the nodes that it depends on; or a forward sweep for each input
    over all of them, where that comes to less work.

    Raises TypeError when there is something else than numbers in f's result or the argument.

    Source: Griewank and Walther, Evaluating Derivatives, 2008, chapters 3 and 7.

    >>> jacobian(lambda x: [x[0] * x[1], x[0] + 5 * x[1]])([2.0, 3.0])
    [[3.0, 2.0], [1.0, 5.0]]
    """

    @_wrapping("jacobian", f)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        with _recorded("jacobian", f, args, kwargs, argnums, has_aux) as run:
            result = in_blocks(run.of_outputs, run.of_inputs, run.lowered_rows(run.rows()))
            return (result, run.lowered_aux()) if has_aux else result

    return jacobian_of


def hessian(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives the second derivatives of f: the Jacobian of its gradient.

    It has the form of the argument, with that form again in the place of each number: a square matrix for a vector. It
    is symmetric to the last bit: of each pair of second derivatives one is computed, and over no more of the gradient's
    graph than has to do with what is left, so that a sparse Hessian costs little more than its entries. Where f gives
    more than one number, it is the form of f's result, with the Hessian of each number in its place; an array of shape
    S differentiated in an array of shape T is an array of shape S + T + T.

    Cost: for each output a gradient that is recorded, and a sweep over a part of it for each input.

    Raises TypeError when there is something else than numbers in f's result or the argument.

    >>> hessian(lambda x: x[0] ** 2 * x[1])([3.0, 5.0])
    [[10.0, 6.0], [6.0, 0.0]]
    >>> hessian(lambda x: {"product": x[0] * x[1], "square": x[0] ** 2})([3.0, 5.0])
    {'product': [[0.0, 1.0], [1.0, 0.0]], 'square': [[2.0, 0.0], [0.0, 0.0]]}
    """

    @_wrapping("hessian", f)
    def hessian_of(*args: Any, **kwargs: Any) -> Any:
        with _recorded("hessian", f, args, kwargs, argnums, has_aux) as run:
            rows = run.lowered_rows([row for y in run.outputs for row in run.second_derivatives(run.slopes(y))])
            if run.is_of_one_number():
                result = in_blocks(run.of_inputs, run.of_inputs, rows)
            else:
                sizes = (len(run.outputs), len(run.inputs), len(run.inputs))
                numbers = [x for row in rows for x in row]
                result = nested((run.of_outputs, run.of_inputs, run.of_inputs), sizes, numbers)
            return (result, run.lowered_aux()) if has_aux else result

    return hessian_of


def hvp(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return a function `(*args, v)` that gives the Hessian of f times v, in the form of the argument, as v has it.

    The Hessian is never formed: it is the gradient of f's gradient along v, a reverse sweep over a recorded reverse
    sweep. Cost: six to ten times recording f, whatever the number of inputs.

    Raises TypeError when f gives anything but one number, or v has another form than the argument. scipy hands further
    arguments of f over after v: `hessp=lambda x, v, *args: hvp(f)(x, *args, v)`.

    Source: Pearlmutter, Fast exact multiplication by the Hessian, 1994.

    >>> hvp(lambda x: x[0] ** 2 * x[1])([3.0, 5.0], [1.0, 0.0])
    [10.0, 6.0]
    """

    @_wrapping("hvp", f)
    def hessian_times(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            raise TypeError(f"hvp expected f's arguments and then v, got {len(args)} in all; call hvp(f)(x, v)")
        with _recorded("hvp", f, args[:-1], kwargs, argnums, False) as run:
            along = _numbers_like("hvp", args[-1], run.of_inputs, "v", "the argument")
            slopes = run.slopes(run.one_output("hvp of their sum"))
            return run.of_inputs.build(run.lowered(run.pulled(_weighted(slopes, along))))

    return hessian_times


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """Return (f(*primals), its derivative along the tangents), both in the form of f's result: forward mode.

    `tangents` has the form of `primals`, a tuple of f's arguments. With has_aux f gives a pair (result, anything else),
    and that is given third. Cost: recording f, and one forward sweep, whatever the number of outputs.

    Raises TypeError for tangents of another form, or something else than numbers in primals, tangents or f's result.

    Source: Wengert, A simple automatic derivative evaluation program, 1964.

    >>> jvp(lambda x, y: [x * y, x + y], (2.0, 3.0), (1.0, 0.0))
    ([6.0, 5.0], [3.0, 1.0])
    """
    _check_function("jvp", f)
    for given, what in ((primals, "primals"), (tangents, "tangents")):
        if not isinstance(given, (tuple, list)):
            raise TypeError(f"jvp expected {what} to be a tuple, one for each argument, got {given!r}; write (x,)")
    with _recorded("jvp", f, tuple(primals), {}, range(len(primals)), has_aux) as run:
        along = _numbers_like("jvp", tuple(tangents), run.of_inputs, "tangents", "the primals")
        numbers = run.lowered([*run.outputs, *run.pushed(_weighted(run.inputs, along))])
        half = len(run.outputs)
        result = run.of_outputs.build(numbers[:half]), run.of_outputs.build(numbers[half:])
        return (*result, run.lowered_aux()) if has_aux else result


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return (f(*primals), pullback): `pullback(cotangent)` is a tuple with a gradient for each primal.

    The cotangent has the form of f's result; the gradients are those of the sum of f's numbers, each times its
    cotangent. The pullback can be called as often as needed: f is not evaluated again. With has_aux f gives a pair
    (result, anything else), and that is given third. Cost: recording f, and for each call one reverse sweep.

    Raises TypeError for a cotangent of another form, or something else than numbers in primals or f's result.

    >>> out, pullback = vjp(lambda x, y: [x * y, x + y], 2.0, 3.0)
    >>> out, pullback([1.0, 10.0])
    ([6.0, 5.0], (13.0, 12.0))
    """
    _check_function("vjp", f)
    with _recorded("vjp", f, primals, {}, range(len(primals)), has_aux) as run:
        result = run.of_outputs.build(run.lowered(run.outputs))
        aux = (run.lowered_aux(),) if has_aux else ()

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        along = _numbers_like("vjp", cotangent, run.of_outputs, "the cotangent", "f's result")
        once = run.again()
        with once.recording():
            pulled: tuple[Any, ...] = run.of_inputs.build(once.lowered(once.pulled(_weighted(run.outputs, along))))
            return pulled

    return (result, pullback, *aux)


# --- one evaluation of f ---


class _Run:
    """f's graph on nodes of our own, one for each number that is differentiated, and the sweeps over it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.logs: list[list[Any]] = []  # of leaves made while we were recording: they are ours
        self.inputs: list[Value] = []
        self.borrowed: set[Value] = set()  # inputs made from a Value: no sweep goes beyond them
        self.detaching = False

    def recording(self) -> "_Recording":
        """Return a context in which operations are recorded, and what is made is ours."""
        return _Recording(self)

    def again(self) -> "_Run":
        """Return a run over the same graph, for another recording."""
        run = copy(self)
        run.logs = [*self.logs]
        return run

    def lift(self, args: tuple[Any, ...], argnums: Argnums) -> list[Any]:
        """Return the arguments with nodes of our own in the place of the numbers that are differentiated.

        A number becomes a leaf; a Value a node made from it, so that what depends on ours depends on the Value, too.
        """
        lifted, structures = list(args), []
        indices, is_one = _indices(self.name, argnums, len(args))
        for i in indices:
            numbers, structure = _flattened(self.name, args[i], f"args[{i}]")
            if _are_floats(numbers):
                nodes = leaves_of(numbers)
            else:
                nodes = [x * 1.0 if isinstance(x, Value) else Value(x) for x in numbers]
                self.borrowed.update([node for node in nodes if node.operands])
            lifted[i] = structure.build(nodes)
            self.inputs += nodes
            structures.append(structure)
        whole = Structure(tuple, children=tuple(structures), size=len(self.inputs))
        self.of_inputs = structures[0] if is_one else whole
        self.lifted = len(self.logs[0])
        return lifted

    def take(self, result: Any, has_aux: bool) -> None:
        """Take in what f gave."""
        self.aux: Any = None
        if has_aux:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise TypeError(
                    f"{self.name} with has_aux=True expected f to return a pair (value, aux), got {result!r}"
                )
            result, self.aux = result
        self.outputs, self.of_outputs = _flattened(self.name, result, "f's result")
        self.order = self._ordered(self.outputs)
        self.is_closed = not self._from_elsewhere(self.outputs, self.order)
        self.ours = set(_values(self.outputs)) if self.is_closed else set[Any]()

    def is_of_one_number(self) -> bool:
        """Return whether f gave one number, perhaps as an array without an axis."""
        return not self.of_outputs.shape and self.of_outputs.kind in ("number", "array")

    def one_output(self, instead: str) -> Any:
        """Return the one number that f gave."""
        if not self.is_of_one_number():
            raise TypeError(f"{self.name} expected f to return one number, got {self.of_outputs}; use {instead}")
        return self.outputs[0]

    # --- sweeps ---

    def slopes(self, output: Any) -> list[Any]:
        """Return the gradient as Values, or floats where it is constant."""
        order = self.order if len(self.outputs) == 1 else self._ordered([output])
        return pulled_back(order, {output: 1.0}, self.inputs)

    def pulled(self, seeds: Mapping[Any, Any], order: list[Any] | None = None) -> list[Any]:
        """Return the gradient of the sum of root * seed: floats, where all that matters is ours."""
        roots = {root: seed for root, seed in seeds.items() if isinstance(root, Value)}
        order = self._ordered([*roots]) if order is None else order
        if not (self.is_closed and all(type(seed) is float for seed in roots.values())):
            return pulled_back(order, roots, self.inputs)
        with one_pass_at_a_time:
            others = [leaf for log in [self.logs[0][self.lifted :], *self.logs[1:]] for leaf in log]
            before = [leaf.grad for leaf in others]  # f may have made some to keep
            for x in self.inputs:
                x.grad = 0.0
            accumulate(order, roots)
            slopes = [x.grad for x in self.inputs]
            for leaf, grad in zip(others, before, strict=True):
                leaf.grad = grad
        return slopes

    def pushed(self, tangents: Mapping[Any, Any]) -> list[Any]:
        """Return the derivatives of the outputs along the tangents of the inputs."""
        closed = self.is_closed and all(type(tangent) is float for tangent in tangents.values())
        if closed:
            return FLOATS.results(forward(self.order, tangents), self.outputs)
        return pushed_forward(self.order, tangents, self.outputs)

    def rows(self) -> list[list[Any]]:
        """Return the Jacobian, by a reverse sweep for each output; a forward one for each input where that is less.

        The work of the reverse sweeps is known when they are done. They stop when it is more than that of the others.
        """
        rows: list[list[Any]] = []
        work = 0
        for output in self.outputs:
            order = self._ordered([output])
            work += len(order)
            if work > len(self.order) * len(self.inputs):
                columns = [self.pushed({x: 1.0}) for x in self.inputs]
                return [list(row) for row in zip(*columns, strict=True)]
            rows.append(self.pulled({output: 1.0}, order))
        return rows

    def second_derivatives(self, slopes: list[Any]) -> list[list[Any]]:
        """Return the Jacobian of the slopes, which is symmetric, with each pair of its entries computed once.

        The inputs are ranked as f first uses them. Row by row fewer columns are left, and the sweep leaves out every
        node made from inputs of earlier rows alone: in a chain of layers or steps about a third of all.
        """
        ranked = self._as_first_used()
        latest = {self.inputs[i]: rank for rank, i in enumerate(ranked)}  # of the inputs that a node was made from
        settled: list[list[Any]] = [[] for _ in range(len(ranked) + 1)]  # by the rank after which a node is left out
        for node in self._ordered(slopes):
            latest[node] = max([latest.get(x, -1) for x in node.operands if type(x) is not float])
            settled[latest[node] + 1].append(node)
        rows: list[list[Any]] = [[0.0] * len(ranked) for _ in ranked]
        done: set[Any] = set(self.borrowed)
        for rank, i in enumerate(ranked):
            done.update(settled[rank])
            order = topological_order(*_values([slopes[i]]), without=done)
            row = self.pulled({slopes[i]: 1.0}, order)
            for j in ranked[rank:]:
                rows[i][j] = rows[j][i] = row[j]
        return rows

    def _as_first_used(self) -> list[int]:
        """Return the indices of the inputs, in the order in which f uses them."""
        first: dict[Any, int] = {}
        for position, node in enumerate(self.order):
            for x in node.operands:
                if type(x) is not float:
                    first.setdefault(x, position)
        return sorted(range(len(self.inputs)), key=lambda i: first.get(self.inputs[i], len(self.order)))

    # --- numbers out ---

    def lowered(self, numbers: Sequence[Any]) -> list[Any]:
        """Return a float for each that is ours alone; for the others Values, without their graph inside no_grad()."""
        if _are_floats(numbers):
            return list(numbers)
        values = _values(numbers)
        if self.ours.issuperset(values):
            return [x.data if isinstance(x, Value) else x for x in numbers]
        theirs = self._from_elsewhere(values)
        if self.detaching:
            return [x.detach() if x in theirs else x.data if isinstance(x, Value) else x for x in numbers]
        return [x.data if isinstance(x, Value) and x not in theirs else x for x in numbers]

    def lowered_rows(self, rows: list[list[Any]]) -> list[list[Any]]:
        numbers = iter(self.lowered([x for row in rows for x in row]))
        return [[next(numbers) for _ in row] for row in rows]

    def lowered_aux(self) -> Any:
        items, structure = flatten_values(self.aux)
        values = iter(self.lowered(_values(items)))
        return structure.build([next(values) if isinstance(item, Value) else item for item in items])

    def _ordered(self, numbers: Sequence[Any]) -> list[Any]:
        """Return a topological order of the Values, of what is between our inputs and them."""
        return topological_order(*_values(numbers), without=self.borrowed)

    def _from_elsewhere(self, numbers: Sequence[Any], order: list[Any] | None = None) -> set[Any]:
        """Return those of the numbers that depend on a leaf that is not ours, with what else of the order does."""
        values = _values(numbers)
        reading = modes.reading()
        if reading is not None:  # it knows, and has no leaf of ours that is not constant
            return {x for x in values if not reading.is_constant(x)} | self.borrowed
        ours = {leaf for log in self.logs for leaf in log}
        order = self._ordered(values) if order is None else order
        return from_elsewhere(order, ours, self.borrowed) | {x for x in values if not x.operands and x not in ours}


class _Recording(Scope):
    """A context in which operations are recorded, even inside `no_grad()`, and what is made is a run's own."""

    def __init__(self, run: _Run, first: Callable[[], None] | None = None) -> None:
        self.run, self.first = run, first

    def begin(self, block: Block) -> _Run:
        mode = modes.now()
        self.run.detaching = mode is not None and not mode.recording  # called inside no_grad()
        if self.run.detaching:
            modes.change(block, recording=True)
        self.run.logs.append(modes.log(block))
        if self.first is not None:
            try:
                self.first()
            except BaseException:
                self.end(block)
                raise
        return self.run

    def end(self, block: Block) -> None:
        modes.unlog(block)
        modes.restore(block)


def _recorded(
    name: str, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Argnums, has_aux: bool
) -> _Recording:
    """Return a context in which f has been recorded, and what is made is ours; it gives the run."""
    if isinstance(f, Primitive):
        _refuse_containers(name, f, args)
    run = _Run(name)
    return _Recording(run, lambda: run.take(f(*run.lift(args, argnums), **kwargs), has_aux))


def _refuse_containers(name: str, f: Primitive, args: tuple[Any, ...]) -> None:
    """Raise TypeError for lists and arrays as operands of an operation, which takes single numbers."""
    for i, whole in enumerate(args):
        _, structure = _flattened(name, whole, f"args[{i}]")
        if structure != NUMBER:
            raise TypeError(
                f"{f.name} takes single numbers, and {name}({f.name}) got {structure} at args[{i}]; "
                f"for each of them, write [{name}({f.name})(x) for x in numbers]"
            )


def _are_floats(numbers: Sequence[Any]) -> bool:
    return set(map(type, numbers)) <= {float}


def _values(numbers: Sequence[Any]) -> list[Any]:
    return [x for x in numbers if isinstance(x, Value)]


def _weighted(nodes: Sequence[Any], weights: Sequence[Any]) -> dict[Any, Any]:
    """Return the weight of each node, or their sum, where it stands more than once; not those of exactly 0."""
    weighted: dict[Any, Any] = {}
    for node, weight in zip(nodes, weights, strict=True):
        if isinstance(node, Value) and not (type(weight) is float and weight == 0.0):
            weighted[node] = weighted[node] + weight if node in weighted else weight
    return weighted


# --- what users hand in ---


def _wrapping(name: str, f: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that names a function `grad(f)`."""
    _check_function(name, f)

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        wrapped = wraps(f)(function)
        if name == "hvp":
            del wrapped.__wrapped__  # whose signature has no v
        wrapped.__name__ = wrapped.__qualname__ = f"{name}({getattr(f, '__name__', type(f).__name__)})"
        return wrapped

    return decorated


def _check_function(name: str, f: Any) -> None:
    if not callable(f):
        raise TypeError(f"{name} takes a function, got {type(f).__name__} {f!r}; write {name}(f), then call that")


def _indices(name: str, argnums: Any, count: int) -> tuple[list[int], bool]:
    """Return the indices of the arguments to differentiate, counted from 0, and whether just one was asked for."""
    is_one = hasattr(type(argnums), "__index__") and not isinstance(argnums, Iterable)
    if isinstance(argnums, (bool, str)) or not (is_one or isinstance(argnums, Iterable)):
        raise TypeError(f"argnums of {name} is the index of an argument, or a list of them, got {argnums!r}")
    indices = []
    for i in [argnums] if is_one else argnums:
        if isinstance(i, bool) or not hasattr(type(i), "__index__"):
            raise TypeError(f"argnums of {name} holds indices of arguments, got {i!r}")
        index = operator.index(i)
        if not -count <= index < count:
            raise ValueError(
                f"argnums={argnums!r} of {name} is out of range: f was given {count} positional "
                f"argument{'s' * (count != 1)}, counted from 0; pass what is differentiated by position"
            )
        indices.append(index % count)
    if len(set(indices)) < len(indices):
        raise ValueError(f"argnums={argnums!r} of {name} names an argument twice")
    return indices, is_one


def _flattened(name: str, whole: Any, what: str) -> tuple[list[Any], Structure]:
    """Return the numbers of `whole` and its structure; raise in the name of the transform."""
    try:
        return flatten(whole, what)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def _numbers_like(name: str, whole: Any, structure: Structure, what: str, other: str) -> list[Any]:
    """Return the numbers of `whole`, which must have that form."""
    numbers, form = _flattened(name, ordered_as(whole, structure), what)
    if form != structure:
        raise TypeError(f"{name}: expected {what} in the form of {other}, {structure}; got {form}")
    return numbers
