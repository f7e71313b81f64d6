"""The chain rule, on nodes that are nothing but their attributes: its sweeps, and the pass that is written out."""

import math
from collections.abc import Iterator, Sequence
from math import inf, nan
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autodiff import Value, dot, floats, primitives, sin
from autodiff.backprop import accumulate
from autodiff.chain import FLOATS, NOTHING, Arithmetic, forward, passed_on, reached, recorded, reverse
from autodiff.graph import leaves, topological_order


class Node:
    """A node by its attributes alone."""

    def __init__(self, *edges: tuple[Any, float], op: Any = primitives.sum, grad: float = 0.0) -> None:
        self.operands = tuple([operand for operand, _ in edges])
        self.local_gradients = tuple([local for _, local in edges])
        self.op, self.grad = op if edges else None, grad


NUMBERS = [0.0, -0.0, NOTHING, 1.0, -1.0, 2.5, -0.1, 1e300, 5e-324, inf, -inf, nan]
WHOLE = [NOTHING, 0.0, 1.0, -1.0, 2.0, 3.0]


@st.composite
def graphs(draw: st.DrawFn, locals: Sequence[float] = NUMBERS, grads: Sequence[float] = (0.0,)) -> list[Node]:
    """Leaves first, then nodes of one to five operands, any earlier ones, again and again, or constants."""
    nodes = [Node(grad=draw(st.sampled_from(grads))) for _ in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(1, 8))):
        arity = draw(st.integers(1, 5))
        operands = [draw(st.sampled_from([*nodes, 2.0])) for _ in range(arity)]
        edges = [(operand, draw(st.sampled_from(locals))) for operand in operands]
        op = Dot if arity == 4 and draw(st.booleans()) else primitives.sum
        nodes.append(Node(*edges, op=op))
    return nodes


class Dot:
    """An operation whose zeros are constants where their factors are."""

    evaluate = floats.dot


def bits(numbers: Sequence[float]) -> list[str]:
    """What tells floats apart but for the sign of zero, which a grad that began at -0.0 may keep."""
    return [repr(0.0 + x) for x in numbers]


@given(graphs(grads=[1.0]))
def test_a_second_pass_starts_interior_nodes_afresh_and_leaves_where_they_are(nodes: list[Node]) -> None:
    root = nodes[-1]
    order = topological_order(root)
    accumulate(order, {root: 1.0})
    once = [node.grad for node in order]
    accumulate(order, {root: 1.0})
    assert bits([node.grad for node in order]) == bits(once)


def paths(y: Any, x: Any) -> Iterator[float]:
    """The product of local gradients along each path, of those on which everything was taken."""
    if y is x:
        yield 1.0
    for operand, local in zip(y.operands, recorded(y) if y.operands else (), strict=True):
        if type(operand) is not float and local is not NOTHING:
            yield from (local * rest for rest in paths(operand, x))


@given(graphs(WHOLE))
def test_both_sweeps_are_the_sum_over_all_paths(nodes: list[Node]) -> None:
    root = nodes[-1]
    order = topological_order(root)
    adjoints = reverse(order, {root: 1.0})
    for x in nodes:
        products = list(paths(root, x))
        assert FLOATS.results(adjoints, [x]) == FLOATS.results(forward(order, {x: 1.0}), [root]) == [sum(products)]
        assert (x in adjoints) == (x in reached(order, [root])) == bool(products)
        assert (root in forward(order, {x: 1.0})) == bool(products)


class Strict(Arithmetic):
    """Products that are asked for what was taken alone."""

    def product(self, adjoint: float, local: float) -> float:
        assert adjoint is not NOTHING
        assert local is not NOTHING
        return adjoint * local


@given(graphs(WHOLE))
def test_nothing_is_not_multiplied(nodes: list[Node]) -> None:
    order = topological_order(nodes[-1])
    assert reverse(order, {nodes[-1]: 1.0}, arithmetic=Strict()) == reverse(order, {nodes[-1]: 1.0})
    assert forward(order, {nodes[0]: 1.0}, arithmetic=Strict()) == forward(order, {nodes[0]: 1.0})


class Forgetful(Arithmetic):
    """Products that are nothing wherever the local gradient is 2, and sums of what is something."""

    def product(self, adjoint: float, local: float) -> float:
        return NOTHING if local == 2.0 else adjoint * local

    def sum(self, total: float, share: float) -> float:
        assert total is not NOTHING
        assert share is not NOTHING
        return total + share


@given(graphs(WHOLE))
def test_a_product_that_is_nothing_is_as_a_local_gradient_that_is(nodes: list[Node]) -> None:
    def without_twos(node: Any, among: Any = None) -> list[float]:
        return [NOTHING if local == 2.0 else local for local in recorded(node)]

    order = topological_order(nodes[-1])
    for sweep, start in ((reverse, nodes[-1]), (forward, nodes[0])):
        expected = sweep(order, {start: 1.0}, local_gradients=without_twos)  # type: ignore[operator]
        assert sweep(order, {start: 1.0}, arithmetic=Forgetful()) == expected  # type: ignore[operator]


@given(graphs(WHOLE))
def test_local_gradients_that_do_not_matter_may_be_anything_and_seeds_stay(nodes: list[Node]) -> None:
    def where_asked(node: Any, among: Any) -> list[Any]:
        return [local if x in among else object() for x, local in zip(node.operands, recorded(node), strict=True)]

    order = topological_order(nodes[-1])
    inputs, seeds, tangents = nodes[:2], {nodes[-1]: 1.0}, {nodes[0]: 1.0}
    assert reverse(order, seeds, inputs, where_asked) == reverse(order, seeds, inputs)
    assert forward(order, tangents, where_asked) == forward(order, tangents)
    assert (seeds, tangents) == ({nodes[-1]: 1.0}, {nodes[0]: 1.0})


@given(graphs(WHOLE), st.data())
def test_a_sweep_towards_some_inputs_gives_them_what_a_sweep_to_all_does(
    nodes: list[Node], data: st.DataObject
) -> None:
    root = nodes[-1]
    inputs = data.draw(st.lists(st.sampled_from(nodes), unique=True))
    order = topological_order(root)
    whole, some = reverse(order, {root: 1.0}), reverse(order, {root: 1.0}, inputs)
    assert [some.get(x) for x in inputs] == [whole.get(x) for x in inputs]


@given(graphs(WHOLE))
def test_what_a_sweep_tells_share_by_share_adds_up_to_its_result(nodes: list[Node]) -> None:
    root = nodes[-1]
    order = topological_order(root)
    told: list[tuple[Any, Any, float, float]] = []
    adjoints = reverse(order, {root: 1.0}, seen=lambda node, x, local, found: told.append((node, x, local, found[x])))
    assert [(node, x, local) for node, x, local, _ in told] == [
        (node, x, local) for node in reversed(order) if node in adjoints for x, local in passed_on(node)
    ]
    assert {root: 1.0} | {x: gradient for _, x, _, gradient in told} == adjoints


def test_sweeps_over_recorded_floats_agree_with_backward() -> None:
    x, y, z = inputs = [Value(x) for x in (0.3, -1.2, 0.8)]
    out = sin(x * y) + (-z * z).exp() * x + (1.0 + y * y).log() * z / (2.0 + x.cos())
    order = topological_order(out)
    pulled = FLOATS.results(reverse(order, {out: 2.0}, inputs), inputs)
    out.backward(2.0)
    assert pulled == [x.grad for x in inputs]
    pushed = [forward(order, {x: 1.0})[out] for x in inputs]
    np.testing.assert_allclose(pushed, np.array(pulled) / 2.0, rtol=1e-13)
    assert set(leaves(out)) == set(inputs)


def test_sweeps_stop_at_the_nodes_they_are_asked_for() -> None:
    x = Value(3.0)
    inside = x * x
    out = sin(inside) * x
    order = topological_order(out)
    assert FLOATS.results(reverse(order, {out: 1.0}, [inside]), [inside]) == [3.0 * math.cos(9.0)]
    assert x not in reverse(order, {out: 1.0}, [inside])
    assert forward(order, {inside: 1.0})[out] == 3.0 * math.cos(9.0)
    both = forward(order, {inside: 1.0, x: 1.0})
    assert (both[inside], both[out]) == (1.0, math.sin(9.0) + 3.0 * math.cos(9.0))
    assert FLOATS.results(forward(order, {}), [inside, out]) == [0.0, 0.0]
    assert FLOATS.results(reverse(order, {}, [x]), [x]) == [0.0]
    assert reverse([], {x: 2.0}, [x]) == {x: 2.0}


def test_a_result_is_a_plain_zero_where_nothing_arrived_and_never_negative_zero() -> None:
    x, y = Node(), Node()
    assert bits(FLOATS.results({x: -0.0, y: NOTHING}, [x, y, Node()])) == ["0.0"] * 3
    assert all(zero is not NOTHING for zero in FLOATS.results({y: NOTHING}, [x, y]))
    assert math.copysign(1.0, FLOATS.settled(-0.0)) == 1.0


def test_a_recorded_zero_of_a_dot_is_nothing_where_its_factor_is_a_constant() -> None:
    x, y, zero = Value(2.0), Value(0.0), Value(0.0)
    assert [g is NOTHING for g in recorded(dot([x, y], [0.0, 3.0]))] == [True, False, False, False]
    assert [g is NOTHING for g in recorded(dot([0.0, 3.0], [x, y]))] == [False, False, True, False]
    assert [g is NOTHING for g in recorded(dot([x, y], [zero, 3.0]))] == [False] * 4
    assert list(recorded(dot([x, y], [1.0, 3.0]))) == [1.0, 3.0, 2.0, 0.0]
