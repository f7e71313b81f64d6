"""preaccumulate and checkpoint: the gradients of the plain function, without its graph."""

import copy
import gc
import math
import pickle
import random
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Value, native
from autodiff.graph import topological_order

EACH = pytest.mark.parametrize("segment", [ad.preaccumulate, ad.checkpoint], ids=["preaccumulate", "checkpoint"])
NUMBERS = st.floats(-2.0, 2.0)
Segment = Callable[[Callable[..., Any]], Callable[..., Any]]


def surface(x: Any, y: Any) -> Any:
    return ad.sin(x * y) + ad.exp(-y * y) * x / (2.0 + ad.cos(x))


@EACH
@given(x=NUMBERS, y=NUMBERS)
def test_gradients_are_those_of_the_plain_function(segment: Segment, x: float, y: float) -> None:
    def run(f: Callable[..., Any]) -> tuple[float, list[float]]:
        a, b = Value(x), Value(y)
        out = ad.tanh(f(a, b * a) * a)
        out.backward()
        return out.data, [a.grad, b.grad]

    value, gradient = run(surface)
    again, through = run(segment(surface))
    assert again == value
    np.testing.assert_allclose(through, gradient, rtol=1e-13, atol=1e-13)


@EACH
def test_derivatives_of_every_order_are_those_of_the_plain_function(segment: Segment) -> None:
    one = segment(surface)
    f, g = surface, one
    for _ in range(4):
        f, g = ad.grad(f), ad.grad(g)
        assert g(0.7, -0.4) == pytest.approx(f(0.7, -0.4), rel=1e-11)
    plain = ad.hessian(surface, (0, 1))(0.7, -0.4)
    np.testing.assert_allclose(ad.hessian(one, (0, 1))(0.7, -0.4), plain, rtol=1e-13)
    x = Value(0.7)
    slope = ad.gradient(one(x, -0.4), x)
    slope.backward()
    assert x.grad == pytest.approx(ad.grad(ad.grad(surface))(0.7, -0.4))
    assert ad.jvp(one, (0.7, -0.4), (1.0, 0.0))[1] == pytest.approx(ad.grad(surface)(0.7, -0.4))


@EACH
def test_the_interior_is_not_kept(segment: Segment) -> None:
    def long(x: Any) -> Any:
        for _ in range(1000):
            x = x * 0.999 + 0.001 * x * x
        return x

    x = Value(0.5)
    out = segment(long)(x)
    assert topological_order(out) == [out]
    assert out.operands == (x,)
    gc.collect()
    tracemalloc.start()
    kept = [segment(long)(x) for _ in range(20)]
    size = tracemalloc.get_traced_memory()[0] / len(kept)
    tracemalloc.stop()
    assert size < 20_000  # the graph of one takes some 800,000
    out.backward()
    assert x.grad == pytest.approx(ad.grad(long)(0.5))


@EACH
def test_structures_go_in_and_come_out(segment: Segment) -> None:
    def f(p: Any, xs: Any, name: str, *, scale: Any) -> Any:
        assert name == "f"
        return {"y": [p["w"] * x * scale for x in xs], "n": 3, "half": (p["w"] / 2.0,), "c": 1.5}

    w, s = Value(2.0), Value(5.0)
    xs = np.array([Value(3.0), 4.0], dtype=object)
    out = segment(f)({"w": w}, xs, "f", scale=s)
    assert [y.data for y in out["y"]] == [30.0, 40.0]
    assert (out["n"], out["c"], out["half"][0].data) == (3, 1.5, 1.0)
    ad.sum([*out["y"], out["half"][0]]).backward()
    assert (w.grad, s.grad, xs[0].grad) == (35.5, 14.0, 10.0)
    assert [y.op.name for y in out["y"]] == ["f['y'][0]", "f['y'][1]"]


@EACH
def test_what_f_closes_over_has_its_gradient_too(segment: Segment) -> None:
    w, b = Value(2.0), Value(3.0)
    inside = w * b

    def f(x: Any) -> Any:
        return x * inside + ad.sin(w * w) * x + Value(2.0) * x

    def run(f: Callable[..., Any]) -> list[float]:
        x = Value(1.5)
        out = f(x) * x
        slopes = [g.data for g in ad.gradient(out, [x, w, b, inside])]
        second = [g.data for g in ad.gradient(ad.gradient(out, x), [x, w, b, inside])]
        w.grad = b.grad = 0.0
        out.backward()
        return [*slopes, *second, x.grad, w.grad, b.grad]

    np.testing.assert_allclose(run(segment(f)), run(f), rtol=1e-13)


@EACH
def test_modules_train_through_segments(segment: Segment) -> None:
    model = nn.MLP(2, [4, 1], activation="tanh", seed=0)
    x = [0.5, -1.0]
    (model(x) ** 2).backward()
    plain = [p.grad for p in model.parameters()]
    model.zero_grad()
    (segment(lambda x: model(x) ** 2)([Value(v) for v in x])).backward()
    np.testing.assert_allclose([p.grad for p in model.parameters()], plain, rtol=1e-12)


@EACH
def test_an_output_that_is_an_input_a_constant_or_a_stranger_stays_right(segment: Segment) -> None:
    w = Value(2.0)
    x = Value(3.0)
    same, stranger, product, constant, number = segment(lambda x: [x, w, w * w, Value(5.0), 7.0])(x)
    assert same is not x
    (same * same).backward()
    assert x.grad == 6.0
    assert stranger is w
    product.backward()
    assert w.grad == 4.0
    assert (constant.data, number) == (5.0, 7.0)


@EACH
def test_the_same_value_twice_and_segments_in_segments(segment: Segment) -> None:
    x = Value(3.0)
    segment(lambda a, b: a * a * b)(x, x).backward()
    assert x.grad == 27.0
    inner = segment(ad.sin)
    nested = segment(lambda x: inner(x) * inner(x * x))
    assert ad.grad(nested)(0.7) == pytest.approx(ad.grad(lambda x: ad.sin(x) * ad.sin(x * x))(0.7))
    assert ad.grad(ad.grad(nested))(0.7) == pytest.approx(
        ad.grad(ad.grad(lambda x: ad.sin(x) * ad.sin(x * x)))(0.7), rel=1e-12
    )


@EACH
def test_a_second_backward_doubles_and_local_gradients_are_floats(segment: Segment) -> None:
    x = Value(3.0)
    out = segment(lambda x: x * x)(x)
    out.backward()
    out.backward()
    assert x.grad == 12.0
    assert tuple(out.local_gradients) == out.local_gradients == (6.0,)
    assert len(out.local_gradients) == 1
    assert out.local_gradients[0] == 6.0
    assert repr(out.local_gradients) == "(6.0,)"
    copied = copy.deepcopy(out)
    copied.backward()
    assert copied.operands[0].grad == 12.0 + 6.0
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(out)


@EACH
def test_it_records_nothing_inside_no_grad_and_finds_anomalies(segment: Segment) -> None:
    x = Value(0.0)
    with ad.no_grad():
        assert segment(lambda x: x * x)(x).op is None
    with ad.detect_anomaly(), pytest.raises(FloatingPointError, match="log made -inf"):
        segment(ad.log)(x)
    with ad.record_source():
        node = segment(lambda x: x * x)(x)
    assert node.source is not None
    assert node.source.filename == __file__


def test_data_that_changes_after_recording_changes_no_recorded_gradient() -> None:
    for segment in (ad.preaccumulate, ad.checkpoint):
        x = Value(3.0)
        out = segment(lambda x: x * x * x)(x)
        x.data = 5.0
        out.backward()
        assert x.grad == 27.0
        assert ad.gradient(out, x).data == 75.0  # reads the data as it is now


def test_a_function_that_is_not_the_same_again_is_refused() -> None:
    rng = random.Random(0)
    x, w = Value(3.0), Value(2.0)
    once = ad.checkpoint(lambda x: x * rng.random())(x)
    with pytest.raises(RuntimeError, match="when it was evaluated again; it must do the same each time"):
        once.backward()
    assert x.grad == 0.0
    out = ad.checkpoint(lambda x: x * w)(x)
    w.data = 5.0
    with pytest.raises(RuntimeError, match=r"gave 6\.0 at first, and 15\.0 when it was evaluated again"):
        out.backward()
    kept = ad.preaccumulate(lambda x: x * x * w)(x)
    w.data = 2.0
    kept.backward()
    assert x.grad == 30.0
    with pytest.raises(RuntimeError, match="what it closes over must not change"):
        ad.gradient(kept, x)
    assert math.isnan(ad.checkpoint(lambda x: x * math.nan)(x).data)
    ad.checkpoint(lambda x: x * math.nan)(x).backward()  # nan again is the same


def test_an_output_that_is_none_any_more_is_refused_in_the_name_of_the_function() -> None:
    x = Value(3.0)
    first = [True]

    def fickle(x: Any) -> Any:
        return x * x if first else 9.0

    out = ad.checkpoint(fickle)(x)
    first.clear()
    with pytest.raises(RuntimeError, match=r"^fickle gave 9\.0 at first, and None when it was evaluated again"):
        out.backward()

    class Fickle:
        def __call__(self, x: Any) -> Any:
            return x * float(rng.random())

    rng = random.Random(0)
    nameless = ad.checkpoint(Fickle())(x)
    assert nameless.op.name == "Fickle"
    with pytest.raises(RuntimeError, match=r"^Fickle gave "):
        nameless.backward()


def test_what_is_closed_over_may_not_become_another_one() -> None:
    w, v = Value(2.0), Value(2.0)
    chosen = [w]
    x = Value(3.0)
    out = ad.preaccumulate(lambda x: ad.sum([x * c for c in chosen]))(x)
    chosen[:] = [w, v]
    with pytest.raises(RuntimeError, match=r"<lambda> gave 6\.0 at first, and 12\.0"):
        ad.gradient(out, x)
    others = "^<lambda> closes over other Values now than it did at first; it must do the same each time"
    chosen[:] = [v]  # which holds the same number
    with pytest.raises(RuntimeError, match=others):
        ad.gradient(out, x)
    x.data = 5.0
    chosen[:] = [w, v]
    with pytest.raises(RuntimeError, match=others):
        ad.gradient(out, x)
    chosen[:] = [w]
    assert ad.gradient(out, x).data == 2.0


@EACH
def test_what_leaves_f_by_another_door_has_its_gradient(segment: Segment) -> None:
    x, w = Value(3.0), Value(2.0)

    @segment
    def squares(xs: Any) -> Any:
        for x in xs:
            yield x * x

    ad.sum(list(squares([x]))).backward()
    assert x.grad == 6.0
    out: list[Any] = []
    segment(lambda x: out.append(x * x))(x)
    out[0].backward()
    assert x.grad == 12.0
    segment(lambda x: {x * x})(x).pop().backward()
    assert x.grad == 18.0

    class Cell:
        h: Any = Value(1.0)

        def step(self, w: Any) -> Any:
            self.h = self.h * w
            return self.h

    if segment is ad.preaccumulate:
        cell = Cell()
        step = segment(cell.step)
        step(w), step(w)
        step(w).backward()
        assert w.grad == 12.0


@EACH
@pytest.mark.parametrize(
    ("f", "point"),
    [
        (ad.relu, [-1.0]),
        (ad.maximum, [0.0, -1.0]),
        (lambda x, y: ad.where(x > 0, x, y * y), [-1.0, 0.0]),
        (lambda x: x * x, [0.0]),
        (ad.floor, [0.5]),
        (lambda x: 0.0 * x, [0.5]),
        (lambda x: 0.0 * ad.sqrt(x), [0.0]),
        (lambda x: ad.clip(x, 0.0, 1.0), [-3.0]),
        (lambda *v: ad.max(v), [0.0, -2.0, -1.0]),
        (lambda x: (x * 1.0) * (x * 1.0), [0.0]),
    ],
)
def test_an_infinite_upstream_meets_the_same_zeros_as_in_the_plain_function(
    segment: Segment, f: Callable[..., Any], point: list[float]
) -> None:
    every = range(len(point))

    def run(g: Callable[..., Any]) -> str:
        leaves = [Value(x) for x in point]
        ad.sqrt(g(*leaves)).backward()
        first = ad.grad(lambda *v: ad.sqrt(g(*v)), every)(*point)
        return repr([[x.grad for x in leaves], list(first), ad.hessian(g, every)(*point)])

    assert run(segment(f)) == run(f)


@EACH
def test_second_derivatives_in_what_f_closes_over_are_right_or_refused(segment: Segment) -> None:
    w, x = Value(2.0), Value(3.0)
    y = segment(lambda x: x * w * w)(x)
    slope = ad.gradient(y, w)
    assert (slope.data, ad.gradient(slope, w).data, ad.gradient(slope, x).data) == (12.0, 6.0, 4.0)
    again_w, again_y = copy.deepcopy((w, y))
    with pytest.raises(RuntimeError, match="closes over other Values now"):
        ad.gradient(again_y, again_w)
    held = [w * 1.0]
    first = held[0]
    z = segment(lambda x: x * held[0] * held[0])(x)
    assert ad.gradient(ad.gradient(z, first), first).data == 6.0
    held[0] = Value(2.0) * 1.0
    with pytest.raises(RuntimeError, match="closes over other Values now"):
        ad.gradient(z, first)


def test_what_f_closes_over_is_compared_even_where_the_result_is_the_same() -> None:
    w, x = Value(3.0), Value(0.0)
    y = ad.checkpoint(lambda x: x * w)(x)
    w.data = 5.0
    with pytest.raises(RuntimeError, match="what <lambda> closes over has changed since it was evaluated"):
        y.backward()
    assert x.grad == 0.0
    buffer = np.array([1.0, 2.0])
    z = ad.checkpoint(lambda x, b: x * b[0])(x, buffer)
    buffer[:] = 7.0
    z.backward()
    assert x.grad == 1.0


def test_a_choice_that_falls_otherwise_for_other_data_is_refused() -> None:
    x = Value(-1.0)
    y = ad.preaccumulate(lambda x: ad.relu(x) + (x - x))(x)
    none = ad.preaccumulate(ad.relu)(x)
    assert none.operands == ()
    z = Value(2.0)
    chosen = ad.preaccumulate(lambda x, z: ad.relu(x) * z + z)(x, z)
    assert [o is z for o in chosen.operands] == [True]
    x.data = 5.0
    assert ad.gradient(y, x).data == 1.0
    assert ad.gradient(chosen, z).data == 1.0  # x was left out, and is what it was


@EACH
def test_arguments_without_values_reach_f_as_they_are(segment: Segment) -> None:
    from collections import defaultdict

    given: Any = defaultdict(lambda: 2.0)
    seen = []

    def f(x: Any, d: Any) -> Any:
        seen.append(d)
        return x * d["anything"]

    assert segment(f)(Value(3.0), given).data == 6.0
    assert seen[0] is given


def test_a_checkpoint_with_several_outputs_is_evaluated_again_once() -> None:
    calls = []

    def f(x: Any, y: Any) -> Any:
        calls.append(1)
        return [x * y, x + y, ad.sin(x)]

    x, y = Value(3.0), Value(5.0)
    out = ad.sum(ad.checkpoint(f)(x, y))
    assert len(calls) == 1
    out.backward()
    assert len(calls) == 2
    assert (x.grad, y.grad) == (5.0 + 1.0 + math.cos(3.0), 4.0)


def test_memory_of_a_checkpointed_chain_grows_like_the_square_root() -> None:
    """Four times as many steps take about twice as much; without checkpoints four times as much."""

    def peak(steps: int, segment: Segment) -> float:
        size = math.isqrt(steps)

        def piece(h: Any, w: Any) -> Any:
            for _ in range(size):
                h = ad.tanh(w * h + 0.1)
            return h

        w, h = Value(0.9), Value(0.5)
        run = segment(piece)
        gc.collect()
        tracemalloc.start()
        for _ in range(size):
            h = run(h, w)
        h.backward()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100, ad.checkpoint)  # what is loaded at the first call is not counted
    steps = 900 if native.core is None else 4900  # the core's nodes take half the memory, a checkpoint what it did
    most = peak(4 * steps, ad.checkpoint)
    without = peak(4 * steps, lambda f: f)
    assert most < 3.0 * peak(steps, ad.checkpoint)
    assert without > 3.5 * peak(steps, lambda f: f)
    assert most < 0.1 * without


@EACH
def test_what_is_no_function_is_refused(segment: Segment) -> None:
    with pytest.raises(TypeError, match=f"{segment.__name__} takes a function, got float 3.0; write"):
        segment(3.0)  # type: ignore[arg-type]


def test_an_evaluation_for_other_numbers_gives_what_f_gives() -> None:
    x, w = Value(3.0), Value(2.0)
    node = ad.preaccumulate(lambda x: x * x)(x)
    assert node.op is not None
    assert node.op.evaluate(4.0) == 16.0
    assert repr(node.op.local_gradients(16.0, 4.0)) == "(8.0,)"
    assert node.op.formula == "<lambda>(...)"
    closed = ad.preaccumulate(lambda x: x * w)(x)
    assert closed.op is not None
    assert closed.op.evaluate(4.0, 2.0) == 8.0
    with pytest.raises(TypeError, match="closes over Values, so it cannot be evaluated for others"):
        closed.op.evaluate(4.0, 3.0)


@EACH
def test_a_segment_of_many_numbers_takes_time_in_proportion_to_them(segment: Segment) -> None:
    xs = [Value(1.0) for _ in range(50_000)]
    started = time.perf_counter()
    segment(lambda xs: ad.dot(xs, xs))(xs).backward()
    assert time.perf_counter() - started < 5.0  # it is a quarter of a second; quadratic, it was half a minute
    assert xs[0].grad == xs[-1].grad == 2.0
