"""Orders and sweeps of the native core: graphs of any size and shape, and no memory."""

from typing import Any

import pytest

from autodiff import Value, chain, graph, native

pytestmark = pytest.mark.skipif(native.core is None, reason="there is no core here")


def test_a_graph_that_is_made_a_cycle_by_hand_is_swept_and_left_unmarked() -> None:
    x = Value(2.0)
    y = x * 2.0
    z = y * y
    y.operands = (z, 2.0)
    for _ in range(2):
        z.backward()
        assert (graph.topological_order(z), graph.leaves(z)) == ([y, z], [])
        assert chain.adjoints_at([y, z], {z: 1.0}, [y]) == [y.grad] == [8.0]
    y.operands = (y, 2.0)
    y.backward()
    assert graph.topological_order(y) == [y]
    y.operands = (x, 2.0)


@pytest.mark.parametrize("name", ["ordered", "leaves_below", "pass_from", "adjoints_at", "tangents_at"])
def test_what_runs_out_of_memory_leaves_no_mark_and_no_grad_changed(name: str) -> None:
    memory = pytest.importorskip("_testcapi")
    x = y = Value(1.0)
    for _ in range(300):
        y = y * 1.01 + x
    order = graph.topological_order(y)
    given: dict[str, tuple[Any, ...]] = {
        "ordered": ((y,), set()),
        "leaves_below": (order,),
        "pass_from": (y, 1.0),
        "adjoints_at": (order, {y: 1.0}, [x]),
        "tangents_at": (order, {x: 1.0}, [y]),
    }
    function, args, failed = getattr(native.core, name), given[name], 0
    expected = function(*args)
    for start in range(40):
        x.grad = 7.0
        memory.set_nomemory(start, start + 1)
        try:
            function(*args)
        except MemoryError:
            failed += 1
            assert x.grad == 7.0
        finally:
            memory.remove_mem_hooks()
        assert function(*args) == expected
        assert graph.topological_order(y) == order
    assert failed
