"""Sweeps over a recorded graph: derivatives as Values that can be differentiated again.

`backward()` multiplies the floats on the edges. Here the rules of the table are read once more, with the Values of the
graph itself, so that what comes out is a graph, too: that is all there is to derivatives of any order.

    >>> x = Value(3.0)
    >>> slope, = gradient(x ** 3, [x])
    >>> curvature, = gradient(slope, [x])
    >>> slope.data, curvature.data
    (27.0, 18.0)

A sweep may also read the floats on the edges; then it gives floats, and no `.grad` is touched either. Source: Griewank
and Walther, Evaluating Derivatives, 2008, chapter 3.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from autodiff import floats, modes, nothing
from autodiff.graph import topological_order
from autodiff.nothing import NOTHING
from autodiff.structures.structure import flatten
from autodiff.value import Value, result_leaf

# Given a node and which of its operands count, all its local gradients; of the other operands they may be anything.
LocalGradients = Callable[[Any, Sequence[bool]], Sequence[Any]]


def gradient(output: Value, inputs: Any) -> Any:
    """Return d(output)/d(input) for each of the inputs, as Values that can be differentiated again.

    `inputs` is a Value or a structure of Values (lists, tuples, dicts, numpy arrays), leaves or nodes inside the graph;
    the result has its form. An input that the output does not depend on has the derivative 0. No `.grad` is touched.

    The rules are read anew, on `.data` as it is now: if that of a leaf was assigned since the graph was recorded, the
    nodes made from it still hold what they held, and `backward()` would use what was recorded.

    Formula: the chain rule in reverse, as `Value.backward`. Cost: a few operations for each node between inputs and
    output, whatever the number of inputs.

    What was not taken contributes nothing, as in `backward()`.

    Raises TypeError for an output or inputs that are no Values.

    >>> x, y = Value(2.0), Value(5.0)
    >>> z = x * x * y
    >>> dx, dy = gradient(z, [x, y])
    >>> dx.data, dy.data, gradient(dx, y).data
    (20.0, 4.0, 4.0)
    """
    if not isinstance(output, Value):
        kind = type(output).__name__
        raise TypeError(f"gradient expected a Value as its output, got {kind} {output!r}; of a function, use grad(f)")
    nodes, structure = flatten(inputs, "inputs")
    for node, place in zip(nodes, structure.places("inputs"), strict=True):
        if not isinstance(node, Value):
            raise TypeError(f"gradient differentiates with respect to Values, got {node!r} at {place}; make it a Value")
    slopes = reverse(topological_order(output), {output: 1.0}, nodes, read_again)
    return structure.build([slope if isinstance(slope, Value) else result_leaf(slope) for slope in slopes])


def reverse(
    order: Sequence[Any], seeds: Mapping[Any, Any], inputs: Sequence[Any], local_gradients: LocalGradients
) -> list[Any]:
    """Return, for each input, the sum of seed * d(root)/d(input) over the roots: floats, or Values where one is in it.

    `order` is a topological order of the roots, whose upstream gradients start at the seeds. Sums are taken in the same
    order as in `backward()`.
    """
    upstreams = upstreams_of(order, seeds, inputs, local_gradients)
    return [_settled(upstreams.get(x, NOTHING)) for x in inputs]


def upstreams_of(
    order: Sequence[Any], seeds: Mapping[Any, Any], inputs: Iterable[Any], local_gradients: LocalGradients
) -> dict[Any, Any]:
    """Return the same by node; an input to which nothing was passed on is not in it."""
    made = made_from(order, inputs)
    upstreams = dict(seeds)
    for node in reversed(order):
        upstream = upstreams.get(node)
        if upstream is None or node not in made:
            continue
        operands = node.operands
        counts = [type(x) is not float and x in made for x in operands]
        if True not in counts:  # an input, made from others
            continue
        for operand, counting, local in zip(operands, counts, local_gradients(node, counts), strict=True):
            if counting:
                share = chain(upstream, local)
                if share is not NOTHING:
                    upstreams[operand] = added(upstreams[operand], share) if operand in upstreams else share
    return upstreams


def forward(
    order: Sequence[Any], tangents: Mapping[Any, Any], outputs: Sequence[Any], local_gradients: LocalGradients
) -> list[Any]:
    """Return, for each output, the sum of d(output)/d(node) * tangent over the nodes that have one.

    `order` is a topological order of the outputs. A node without a tangent does not move; one made from it by what was
    not taken has none.
    """
    moving = dict(tangents)
    for node in order:
        counts = [type(x) is not float and x in moving for x in node.operands]
        if True not in counts or node in tangents:
            continue
        total: Any = None
        for operand, counting, local in zip(node.operands, counts, local_gradients(node, counts), strict=True):
            if counting:
                share = chain(moving[operand], local)
                if share is not NOTHING:
                    total = share if total is None else added(total, share)
        if total is not None:
            moving[node] = total
    return [_settled(moving.get(x, NOTHING)) for x in outputs]


def chain(adjoint: Any, local: Any) -> Any:
    """Return adjoint * local, or NOTHING: what an upstream gradient, or a tangent, becomes by a local gradient.

    A reading, which knows no numbers, decides at every run what is nothing.
    """
    if local is NOTHING:
        return NOTHING
    reading = modes.reading()
    if reading is not None and not (reading.is_constant(adjoint) and reading.is_constant(local)):
        return reading.adjoints.product(adjoint, local)
    if type(local) is float and local == 1.0:
        return adjoint
    if type(adjoint) is float and adjoint == 1.0:
        return local
    return adjoint * local


def added(total: Any, share: Any) -> Any:
    """Return total + share, of adjoints."""
    reading = modes.reading()
    if reading is not None and not (reading.is_constant(total) and reading.is_constant(share)):
        return reading.adjoints.sum(total, share)
    return total + share


def _settled(adjoint: Any) -> Any:
    """Return an adjoint as a number: 0.0 for NOTHING, and never -0.0, since `backward` adds it to a grad of 0.0."""
    reading = modes.reading()
    if reading is not None and not reading.is_constant(adjoint):
        return reading.adjoints.settled(adjoint)
    return adjoint + 0.0 if isinstance(adjoint, float) else adjoint


def recorded(node: Any, counts: Sequence[bool]) -> Sequence[float]:
    """Return the floats on the edges, as they were recorded."""
    return nothing.local_gradients(node)


def read_again(node: Any, counts: Sequence[bool]) -> Sequence[Any]:
    """Return the local gradients, read with the Values of the graph; for operands that do not count, anything.

    One that is a plain 0, and no Value, does not depend on anything: it is NOTHING. The rules of operands that do not
    count are not read: of `x ** 2` that in the exponent would be the logarithm of x, for nothing. A rule that raises
    where IEEE 754 has an answer was given a constant as a float: it gets a Value.
    """
    try:
        return _rule(node, node.operands, counts)
    except (ArithmeticError, ValueError):
        return _rule(node, [x if isinstance(x, Value) else Value(x) for x in node.operands], counts)


def _rule(node: Any, operands: Sequence[Any], counts: Sequence[bool]) -> Sequence[Any]:
    partials = node.op.partials
    try:
        if callable(partials):
            gradients: Sequence[Any] = node.op.local_gradients(node, *operands)
        else:
            gradients = [p(node, *operands) if c else NOTHING for p, c in zip(partials, counts, strict=True)]
        if complex in set(map(type, gradients)):
            raise ArithmeticError(f"{node.op.name} left the real line")
        return [x if isinstance(x, Value) else floats.as_float(x) or NOTHING for x in gradients]
    except TypeError as error:
        raise TypeError(
            f"the partials of {node.op.name} cannot be differentiated again ({error}); write them in arithmetic and "
            "the functions of autodiff: autodiff.exp for math.exp"
        ) from error


def made_from(order: Sequence[Any], inputs: Iterable[Any]) -> set[Any]:
    """Return the inputs, and the nodes of the order that were made from one."""
    made = set(inputs)
    for node in order:
        if node not in made:
            for operand in node.operands:
                if type(operand) is not float and operand in made:
                    made.add(node)
                    break
    return made


def from_elsewhere(order: Sequence[Any], ours: set[Any], theirs: Iterable[Any] = ()) -> set[Any]:
    """Return the nodes of the order that were made from a leaf that is not one of ours, or from one of `theirs`."""
    strangers = {
        x for node in order for x in node.operands if type(x) is not float and not x.operands and x not in ours
    }
    strangers.update(theirs)
    return made_from(order, strangers) if strangers else strangers
