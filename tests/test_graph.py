"""Walks over graphs, from their definition alone."""

from hypothesis import given
from hypothesis import strategies as st

from autodiff import Value
from autodiff.graph import leaves, topological_order

Edges = list[tuple[int, int]]


class Node:
    """A node of a bare graph: nothing but operands."""

    def __init__(self, *operands: "Node | float") -> None:
        self.operands = operands


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    """Return nodes, leaves first, each interior one made from up to three earlier nodes and constants."""
    nodes = [Node() for _ in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(0, 12))):
        chosen = draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3))
        constants = draw(st.lists(st.just(1.0), max_size=1))
        nodes.append(Node(*chosen, *constants))
    return nodes


def reachable(roots: list[Node]) -> set[Node]:
    found: set[Node] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [operand for operand in node.operands if isinstance(operand, Node)]
    return found


@given(graphs(), st.data())
def test_topological_order_has_every_interior_node_once_after_its_operands(
    nodes: list[Node], data: st.DataObject
) -> None:
    roots = data.draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3))
    order = topological_order(*roots)
    assert len(set(order)) == len(order)
    assert set(order) == {node for node in reachable(roots) if node.operands}
    place = {node: i for i, node in enumerate(order)}
    for node in order:
        for operand in node.operands:
            assert isinstance(operand, float) or not operand.operands or place[operand] < place[node]


@given(graphs(), st.data())
def test_leaves_are_each_listed_once(nodes: list[Node], data: st.DataObject) -> None:
    roots = data.draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3))
    found = leaves(*roots)
    assert len(set(found)) == len(found)
    assert set(found) == {node for node in reachable(roots) if not node.operands}


def test_operands_come_from_left_to_right() -> None:
    a, b, c, d = (Value(float(i), name) for i, name in enumerate("abcd"))
    left, right = a * b, c * d
    root = left + right
    assert [node.label for node in leaves(root)] == ["a", "b", "c", "d"]
    assert all(got is want for got, want in zip(topological_order(root), [left, right, root], strict=True))
