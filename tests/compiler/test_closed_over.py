"""What a compiled function closes over: leaves are read at every run, and `backward` adds to their grad."""

import copy
import math
from typing import Any

import numpy as np
import pytest

import autodiff
import nn
from autodiff import Value, compile, grad, no_grad, value_and_grad
from autodiff.compiler import TracingError


def test_closed_over_leaves_are_read_at_every_run(backend: str) -> None:
    w, b = Value(3.0, "w"), Value(1.0)
    line = compile(lambda x: w * x + b, backend=backend)
    assert line(2.0) == 7.0
    w.data, b.data = 5.0, -1.0
    assert line(2.0) == 9.0
    assert "x1 is w" in line.listing()


def test_a_closed_over_interior_node_goes_back_to_its_leaves(backend: str) -> None:
    w = Value(3.0)
    squared = w * w
    f = compile(lambda x: squared + x if squared > 4.0 else x, backend=backend)
    assert f(1.0) == 10.0
    w.data = 1.0
    assert f(1.0) == 1.0
    w.data = 4.0
    assert f(1.0) == 17.0


def test_a_closed_over_interior_node_whose_data_was_assigned_gives_what_eager_gives(backend: str) -> None:
    def f(x: Any) -> Any:
        return squared * x + after + linear + (x if squared > 6.0 else -x)

    w = Value(3.0)
    squared, linear = w * w, w + 1.0
    squared.data, linear.data = 5.0, 9.0
    after = squared.exp()
    compiled = compile(f, backend=backend)
    for data in (5.0, 7.0, -1.0):
        squared.data = data
        after.data = math.exp(data)
        for leaf in (3.0, 4.0):
            w.data = leaf
            assert math.isclose(compiled(2.0), f(2.0).data, rel_tol=1e-14)
    squared.data, after.data, w.data, w.grad = 5.0, math.exp(5.0), 3.0, 0.0
    compiled.backward(2.0)
    slope, w.grad = w.grad, 0.0
    f(2.0).backward()
    assert math.isclose(slope, w.grad, rel_tol=1e-14)


def test_backward_adds_what_eager_backward_adds(backend: str) -> None:
    model = nn.MLP(2, [4, 1], seed=0)
    loss = compile(lambda x: model(x) ** 2, backend=backend)
    value = loss.backward([0.5, -1.0])
    got = [p.grad for p in model.parameters()]
    for p in model.parameters():
        p.grad = 0.0
    eager = model([0.5, -1.0]) ** 2
    eager.backward()
    assert math.isclose(value, eager.data, rel_tol=1e-15)
    assert np.allclose(got, [p.grad for p in model.parameters()], rtol=1e-14, atol=0)
    loss.backward([0.5, -1.0])
    assert np.allclose([p.grad for p in model.parameters()], [2 * g for g in got], rtol=1e-14, atol=0)


def test_backward_over_rows_adds_their_mean(backend: str) -> None:
    w = Value(2.0)
    loss = compile(lambda x, y: (w * x - y) ** 2, rows=(0, 1), reduce="mean", backend=backend)
    assert loss.backward([1.0, 2.0], [1.0, 1.0]) == (1.0 + 9.0) / 2
    assert w.grad == (2 * 1.0 * 1 + 2 * 3.0 * 2) / 2


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_backward_over_rows_that_use_other_leaves_adds_to_each(reduce: str, backend: str) -> None:
    u, v, w = Value(2.0), Value(3.0), Value(5.0)

    def f(x: Any) -> Any:
        return (u * x if x > 0 else v * w * x) if x < 9 else x

    compiled = compile(f, rows=0, reduce=reduce, backend=backend)
    count = 4 if reduce == "mean" else 1
    assert compiled.backward([1.0, -2.0, 4.0, 9.0]) == (2.0 - 30.0 + 8.0 + 9.0) / count
    assert [x.grad for x in (u, v, w)] == [5.0 / count, -10.0 / count, -6.0 / count]


def test_backward_gives_the_bits_of_a_zero(backend: str) -> None:
    w = Value(-0.0)
    assert math.copysign(1.0, compile(lambda x: w * x, backend=backend).backward(1.0)) == -1.0
    assert math.copysign(1.0, compile(lambda x: w * x, rows=0, reduce="sum", backend=backend).backward([1.0])) == -1.0


def test_a_constant_term_of_one_sum_among_others_counts(backend: str) -> None:
    halves = compile(lambda v: [autodiff.sum(v[:8]), autodiff.sum(v[8:16]) + 1.0], backend=backend)
    assert halves([1.0] * 16) == [8.0, 9.0]
    windows = compile(lambda v: [v[0] + v[1] + v[2], v[1] + v[2] + v[3] + 1.0], rows=0, backend=backend)
    assert windows(np.array([[0.0, 1.0, 2.0, 3.0]])).tolist() == [[3.0, 7.0]]


def test_a_constant_term_of_one_total_among_others_counts(backend: str) -> None:
    def h(w: Any, x: Any) -> Any:
        return x * w[0] ** 2 + x * w[1] ** 2 + 2 * x * w[0] + 3 * x * w[1] - w[1]

    totals = compile(grad(h), rows=1, reduce="sum", backend=backend)([0.81, 0.18], np.array([0.42]))
    assert totals == pytest.approx([1.5204, 0.4112], rel=1e-14)
    w = [Value(0.81), Value(0.18)]
    compile(lambda x: h(w, x), rows=0, reduce="sum", backend=backend).backward([0.42])
    assert [x.grad for x in w] == pytest.approx([1.5204, 0.4112], rel=1e-14)


def test_backward_of_anything_but_one_number_is_refused() -> None:
    w = Value(2.0)
    with pytest.raises(TypeError, match="backward expected f to return one Value"):
        compile(lambda x: [w * x], backend="python").backward(1.0)
    with pytest.raises(ValueError, match="reduce='mean' or 'sum'"):
        compile(lambda x: w * x, rows=0, backend="python").backward([1.0])


def test_gradients_in_closed_over_leaves_compile(backend: str) -> None:
    w = Value(3.0)
    f = compile(lambda x: autodiff.gradient(w * w * x, [w]), backend=backend)
    assert f(2.0) == [12.0]
    w.data = 4.0
    assert f(2.0) == [16.0]


def test_leaves_made_inside_are_constants_and_no_grad_detaches(backend: str) -> None:
    w = Value(3.0)

    def f(x: Any) -> Any:
        half = Value(0.5)
        with no_grad():
            frozen = w * x
        assert grad(lambda y: y * y)(1.0) == 2.0  # plain numbers inside stay plain
        return frozen * x * half + w.detach() * 0.0

    value, slope = compile(value_and_grad(f), backend=backend)(2.0)
    assert (value, slope) == (6.0, 3.0)
    w.data = 5.0
    assert compile(f, backend=backend)(2.0) == 10.0


def test_copies_are_leaves_of_their_own(backend: str) -> None:
    w = Value(2.0)
    for copied in (copy.copy, copy.deepcopy):

        def f(x: Any, copied: Any = copied) -> Any:
            return copied(x) * x + copied(w) * 0.5

        w.data = 2.0
        compiled = compile(value_and_grad(lambda x: f(x)), backend=backend)
        assert compiled(3.0) == value_and_grad(f)(3.0)
        w.data = 4.0
        assert compiled(3.0) == value_and_grad(f)(3.0)


def test_a_node_of_a_checkpoint_outside_is_refused(backend: str) -> None:
    w = Value(2.0)
    for segment in (autodiff.preaccumulate, autodiff.checkpoint):
        node = segment(lambda v: v * v)(w)
        with pytest.raises(TracingError, match="call it inside the compiled function"):
            compile(lambda x: node * x, backend=backend)(1.0)


def test_a_bad_leaf_is_named(backend: str) -> None:
    w = Value(2.0, label="w")
    f = compile(lambda x: w * x, backend=backend)
    f(1.0)
    with pytest.raises(TypeError, match="labelled 'w' was given a str"):
        w.data = "two"  # type: ignore[assignment]  # the native core refuses it at once
        f(1.0)


@pytest.mark.parametrize("rows", [None, 0])
def test_a_leaf_that_changes_between_the_trace_and_the_run_is_seen(
    rows: int | None, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = Value(1.0)
    options = {} if rows is None else {"rows": rows}
    compiled = compile(lambda x: x * w if w > 0.0 else x - w, backend=backend, **options)
    trace = compiled._dispatcher._trace

    def traced_then_changed(*args: Any) -> Any:
        path = trace(*args)
        w.data = -2.0
        return path

    monkeypatch.setattr(compiled._dispatcher, "_trace", traced_then_changed)
    assert compiled(3.0 if rows is None else [3.0]) == (5.0 if rows is None else [5.0])
