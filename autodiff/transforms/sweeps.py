"""Sweeps whose derivatives are Values: of a recorded graph, and graphs themselves, to be differentiated again.

`backward()` multiplies the floats on the edges. Here the rules of the table are read once more, with the Values of the
graph, and the chain rule multiplies and adds Values: that is all there is to derivatives of any order.

    >>> x = Value(3.0)
    >>> slope, = gradient(x ** 3, [x])
    >>> curvature, = gradient(slope, [x])
    >>> slope.data, curvature.data
    (27.0, 18.0)

No `.grad` is touched. Source: Griewank and Walther, Evaluating Derivatives, 2008, chapter 3.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from autodiff import floats, modes
from autodiff.chain import NOTHING, Arithmetic, forward
from autodiff.graph import topological_order
from autodiff.structures.structure import flatten
from autodiff.value import Value, result_leaf


def gradient(output: Value, inputs: Any) -> Any:
    """d(output)/d(input) for each of the inputs, as Values that can be differentiated again.

    `inputs` is a Value or a structure of Values (lists, tuples, dicts, numpy arrays), leaves or nodes inside the graph;
    the result has its form. An input that the output does not depend on has the derivative 0. No `.grad` is touched.

    The rules are read anew, on `.data` as it is now: if that of a leaf was assigned since the graph was recorded, the
    nodes made from it still hold what they held, and `backward()` would use what was recorded.

    Formula: the chain rule in reverse, as `Value.backward`. Cost: a few operations for each node between inputs and
    output, whatever the number of inputs.

    What was not taken contributes nothing, as in `backward()`.

    Raises TypeError for an output or inputs that are not Values.

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
    slopes = pulled_back(topological_order(output), {output: 1.0}, nodes)
    return structure.build([slope if isinstance(slope, Value) else result_leaf(slope) for slope in slopes])


class OfValues(Arithmetic):
    """Products and sums of Values and floats; a factor of 1 adds no node to the graph of a derivative."""

    def product(self, adjoint: Any, local: Any) -> Any:
        if type(local) is float and local == 1.0:
            return adjoint
        if type(adjoint) is float and adjoint == 1.0:
            return local
        return adjoint * local

    def settled(self, adjoint: Any) -> Any:
        return adjoint + 0.0 if isinstance(adjoint, float) else adjoint


OF_VALUES = OfValues()


def pulled_back(order: Sequence[Any], seeds: Mapping[Any, Any], inputs: Sequence[Any]) -> list[Any]:
    """The sum of seed * d(root)/d(input) over the roots, for each input: floats, or Values where one is in it.

    `order` is a topological order of the roots.
    """
    arithmetic = _arithmetic()
    return arithmetic.results(arithmetic.reverse(order, seeds, inputs, read_again), inputs)


def pushed_forward(order: Sequence[Any], tangents: Mapping[Any, Any], outputs: Sequence[Any]) -> list[Any]:
    """The sum of d(output)/d(node) * tangent over the nodes that have one, for each output: floats or Values.

    `order` is a topological order of the outputs.
    """
    arithmetic = _arithmetic()
    return arithmetic.results(forward(order, tangents, read_again, arithmetic), outputs)


def _arithmetic() -> Arithmetic:
    reading = modes.reading()
    return OF_VALUES if reading is None else reading.adjoints


def read_again(node: Any, among: AbstractSet[Any] | None = None) -> Sequence[Any]:
    """The local gradients of a node, its rules read with the Values of the graph: `LocalGradients` of a sweep."""
    counts = [type(x) is not float and (among is None or x in among) for x in node.operands]
    return rules_read(node, counts) if True in counts else [NOTHING] * len(counts)


def rules_read(node: Any, counts: Sequence[bool]) -> Sequence[Any]:
    """The local gradients, read with the Values of the graph; for operands that do not count, anything.

    One that is a plain 0, and not a Value, does not depend on anything: it is NOTHING. The rules of operands that do
    not count are not read: for `x ** 2` that in the exponent would be the logarithm of x, for nothing. A rule that
    raises where IEEE 754 has an answer was given a constant as a float: it gets a Value.
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
        return [x if x is NOTHING or isinstance(x, Value) else floats.as_float(x) or NOTHING for x in gradients]
    except TypeError as error:
        raise TypeError(
            f"the partials of {node.op.name} cannot be differentiated again ({error}); write them in arithmetic and "
            "the functions of autodiff: autodiff.exp for math.exp"
        ) from error
