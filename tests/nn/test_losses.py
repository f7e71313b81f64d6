"""Losses: their formulas, torch's numbers, one program for every target, and what they refuse."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Value
from autodiff.testing import check_grads

# --- formulas ---

logits = st.lists(st.floats(-30, 30), min_size=2, max_size=6)


@given(logits, st.data())
def test_cross_entropy_is_minus_log_of_the_softmax(zs: list[float], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(zs) - 1))
    values = [Value(z) for z in zs]
    loss = nn.cross_entropy(values, target)
    exps = np.exp(np.array(zs) - max(zs))
    assert loss.data == pytest.approx(-math.log(exps[target] / exps.sum()), rel=1e-9, abs=1e-12)
    loss.backward()
    onehot = np.eye(len(zs))[target]
    assert [v.grad for v in values] == pytest.approx(list(exps / exps.sum() - onehot), abs=1e-14)
    assert nn.cross_entropy(values, onehot).data == pytest.approx(loss.data, abs=1e-12)


@given(st.floats(-700, 700), st.floats(0, 1))
def test_binary_cross_entropy_has_gradient_sigmoid_minus_target(z: float, t: float) -> None:
    x = Value(z)
    loss = nn.binary_cross_entropy_with_logits(x, t)
    loss.backward()
    assert loss.data >= -1e-12
    assert x.grad == pytest.approx(ad.sigmoid(z) - t, abs=1e-15)
    assert nn.binary_cross_entropy_with_logits([x, 0.0], [t, 0.5]).data == pytest.approx(
        (loss.data + math.log(2)) / 2, abs=1e-12
    )


@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([-1, 1])), min_size=1, max_size=5))
def test_mse_and_hinge_are_their_formulas(pairs: list[tuple[float, int]]) -> None:
    ys, ts = [Value(y) for y, _ in pairs], [t for _, t in pairs]
    mse, hinge = nn.mse(ys, ts), nn.hinge(ys, ts)
    n = len(pairs)
    assert mse.data == pytest.approx(sum((y - t) ** 2 for y, t in pairs) / n, rel=1e-12, abs=1e-15)
    assert hinge.data == pytest.approx(sum(max(0.0, 1 - t * y) for y, t in pairs) / n, rel=1e-12, abs=1e-15)
    mse.backward()
    assert [y.grad for y in ys] == pytest.approx([2 * (y - t) / n for y, t in pairs], rel=1e-12, abs=1e-15)
    for y in ys:
        y.grad = 0.0
    hinge.backward()
    assert [y.grad for y in ys] == pytest.approx([-t / n if t * y < 1 else 0.0 for y, t in pairs], abs=1e-15)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            lambda: nn.mse([Value(1.0)], [1.0, 2.0]),
            r"mse takes one target for each output.*; got outputs of shape \(1,\) and targets of shape \(2,\)",
        ),
        (lambda: nn.mse([], []), r"at least one; got outputs of shape \(0,\)"),
        (lambda: nn.hinge(Value(1.0), 0), "hinge takes targets -1 and 1, got 0"),
        (lambda: nn.binary_cross_entropy_with_logits(Value(1.0), -1), "targets from 0 to 1, got -1"),
        (lambda: nn.cross_entropy([Value(1.0)] * 3, 3), "a class from 0 to 2, got 3"),
        (lambda: nn.cross_entropy([Value(1.0)] * 3, -1), "a class from 0 to 2, got -1"),
        (lambda: nn.cross_entropy([Value(1.0)] * 3, 0.5), "a class from 0 to 2, got 0.5"),
        (lambda: nn.cross_entropy([Value(1.0)] * 3, [1, 0]), "3 target probabilities that sum to 1.*got 2 with sum 1"),
        (lambda: nn.cross_entropy([Value(1.0)] * 2, [1, 1]), "got 2 with sum 2"),
        (lambda: nn.cross_entropy([Value(1.0)] * 2, [0.5, 0.4]), "got 2 with sum 0.9"),
    ],
)
def test_losses_check_their_targets(loss: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loss()


@pytest.mark.parametrize(
    "target", [None, "1", list("abc"), [None, 0, 1], 1j, math.nan, math.inf, [2.0, -1.0, 0.0], 1.5]
)
def test_targets_that_are_no_class_and_no_probabilities_are_refused(target: Any) -> None:
    with pytest.raises(ValueError, match="cross_entropy takes"):
        nn.cross_entropy([Value(1.0)] * 3, target)


@pytest.mark.parametrize("target", [None, "1", math.nan, 1j])
def test_targets_that_are_no_probability_are_refused(target: Any) -> None:
    with pytest.raises(ValueError, match="binary_cross_entropy_with_logits takes targets from 0 to 1"):
        nn.binary_cross_entropy_with_logits(Value(1.0), target)


def test_masked_logits_cost_nothing() -> None:
    logits = [Value(-math.inf), Value(0.5), Value(1.5)]
    by_class, by_probabilities = nn.cross_entropy(logits, 2), nn.cross_entropy(logits, [0, 0, 1])
    assert by_class.data == by_probabilities.data == pytest.approx(math.log1p(math.exp(-1)))
    by_probabilities.backward()
    assert logits[0].grad == 0.0


def test_binary_cross_entropy_keeps_its_digits_for_both_classes() -> None:
    loss = nn.binary_cross_entropy_with_logits
    assert loss(Value(40.0), 1).data == pytest.approx(4.248354255291589e-18, rel=1e-12)
    assert loss(Value(-40.0), 0).data == pytest.approx(4.248354255291589e-18, rel=1e-12)
    assert loss(Value(2.0), np.bool_(True)).data == loss(Value(2.0), 1).data


# --- losses, compiled: one program for every target ---


def on_values(loss: Any) -> Any:
    """Return the loss of a list of outputs, and its gradient in them, target as it is: what compile is held to."""
    return ad.value_and_grad(lambda outputs, target: loss(list(outputs), target))


def a_target(loss: Any, outputs: int) -> st.SearchStrategy[Any]:
    """Return targets that the loss takes for so many outputs."""
    one_hot = st.integers(0, outputs - 1).map(lambda i: [float(i == j) for j in range(outputs)])
    weights = st.lists(st.floats(0.1, 1), min_size=outputs, max_size=outputs)
    each = {
        nn.mse: st.floats(-3, 3),
        nn.hinge: st.sampled_from([-1.0, 1.0]),
        nn.binary_cross_entropy_with_logits: st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
    }
    if loss is nn.cross_entropy:
        return one_hot | weights.map(lambda ws: [w / sum(ws) for w in ws])
    return st.lists(each[loss], min_size=outputs, max_size=outputs)


LOSSES = [nn.mse, nn.hinge, nn.binary_cross_entropy_with_logits, nn.cross_entropy]
of_any_size = st.floats(-30, 30) | st.sampled_from([0.0, 700.0, -1000.0])


@pytest.mark.parametrize("backend", ["python", "numba"])
@pytest.mark.parametrize("loss", LOSSES)
@given(st.data())
def test_compiled_losses_are_one_program_equal_to_eager(loss: Any, backend: Any, data: st.DataObject) -> None:
    compiled = ad.compile(on_values(loss), backend=backend)
    for _ in range(3):
        outputs = data.draw(st.lists(of_any_size, min_size=3, max_size=3))
        target = data.draw(a_target(loss, 3))
        (value, slopes), (expected, expected_slopes) = compiled(outputs, target), on_values(loss)(outputs, target)
        assert value == pytest.approx(expected, rel=1e-13, abs=1e-13)
        assert slopes == pytest.approx(expected_slopes, rel=1e-13, abs=1e-13)
        if (
            backend == "python" and loss is not nn.binary_cross_entropy_with_logits
        ):  # which adds a term that eager leaves out
            assert (value, slopes) == (expected, expected_slopes)
    assert compiled.stats().paths == 1


@pytest.mark.parametrize("backend", ["python", "numba"])
@given(st.lists(of_any_size, min_size=4, max_size=4), st.lists(st.integers(0, 3), min_size=2, max_size=2))
def test_compiled_cross_entropy_selects_the_class(backend: Any, logits: list[float], classes: list[int]) -> None:
    compiled = ad.compile(on_values(nn.cross_entropy), backend=backend)
    for target in classes:
        value, slopes = compiled(logits, target)
        expected, expected_slopes = on_values(nn.cross_entropy)(logits, target)
        assert value == pytest.approx(expected, rel=1e-14, abs=1e-14)
        assert slopes == pytest.approx(expected_slopes, rel=1e-14, abs=1e-14)
    assert compiled.stats().paths == 1


@pytest.mark.parametrize(
    "classes", [list, np.array, lambda c: np.array(c, dtype=np.uint8), lambda c: np.array(c) * 1.0]
)
def test_classes_of_many_rows_are_one_program(classes: Any) -> None:
    model = nn.MLP(2, [5, 3], activation="tanh", seed=0)
    xs, y = np.random.default_rng(0).normal(size=(40, 2)), [i % 3 for i in range(40)]

    def loss(x: Any, target: Any) -> Any:
        return nn.cross_entropy(model(x), target)

    compiled = ad.compile(loss, rows=(0, 1), reduce="mean")
    total = compiled.backward(xs, classes(y))
    assert compiled.backward(xs[:3], classes([2, 0, 2])) != total
    assert compiled.stats().paths == 1
    model.zero_grad()
    compiled.backward(xs, classes(y))
    slopes = [p.grad for p in model.parameters()]
    model.zero_grad()
    eager = ad.mean([loss(row, target) for row, target in zip(xs, y, strict=True)])
    eager.backward()
    assert total == pytest.approx(eager.data, rel=1e-12)
    assert slopes == pytest.approx([p.grad for p in model.parameters()], rel=1e-10, abs=1e-14)
    one_hot = ad.compile(loss, rows=(0, 1), reduce="mean")
    assert one_hot(xs, np.eye(3)[y]) == pytest.approx(total, rel=1e-12)
    assert one_hot.stats().paths == 1


@pytest.mark.parametrize(
    ("loss", "outputs", "bad", "good"),
    [
        (nn.cross_entropy, [0.5, 1.0], 2, 1),
        (nn.cross_entropy, [0.5, 1.0], -1, 1),
        (nn.cross_entropy, [0.5, 1.0], 0.5, 1),
        (nn.cross_entropy, [0.5, 1.0], math.nan, 0),
        (nn.cross_entropy, [0.5, 1.0], [0.5, 0.4], [0.5, 0.5]),
        (nn.cross_entropy, [0.5, 1.0], [1.5, -0.5], [1.0, 0.0]),
        (nn.hinge, [0.5, 1.0], [1, 0], [1, -1]),
        (nn.binary_cross_entropy_with_logits, [0.5, 1.0], [1, -1], [1, 0]),
    ],
)
def test_compiled_losses_are_nan_where_eager_ones_raise(loss: Any, outputs: Any, bad: Any, good: Any) -> None:
    compiled = ad.compile(on_values(loss))
    assert math.isfinite(compiled(outputs, good)[0])
    value, slopes = compiled(outputs, bad)
    assert math.isnan(value)
    assert all(map(math.isnan, slopes))
    assert math.isfinite(compiled(outputs, good)[0])
    assert compiled.stats().paths == 1
    with pytest.raises(ValueError, match=f"{loss.__name__} takes"):
        loss([Value(y) for y in outputs], bad)
    as_values = [Value(t) for t in bad] if isinstance(bad, list) else Value(bad)
    with pytest.raises(ValueError, match=f"{loss.__name__} takes"):
        loss(outputs, as_values)


def test_masked_logits_cost_nothing_when_compiled() -> None:
    logits = [-math.inf, 0.5, 1.5]
    compiled = ad.compile(on_values(nn.cross_entropy))
    for target in (2, [0.0, 0.0, 1.0], [0.0, 0.25, 0.75]):
        value, slopes = compiled(logits, target)
        expected, expected_slopes = on_values(nn.cross_entropy)(logits, target)
        assert value == pytest.approx(expected, rel=1e-14)
        assert slopes == pytest.approx(expected_slopes, rel=1e-14)
        assert slopes[0] == 0.0


@pytest.mark.parametrize("loss", [nn.cross_entropy, nn.binary_cross_entropy_with_logits, nn.mse])
def test_targets_that_are_values_are_differentiated(loss: Any) -> None:
    outputs = [0.5, -1.0, 2.0]
    check_grads(lambda t: loss(outputs, [*t, 1.0 - t[0] - t[1]]), ([0.3, 0.5],), order=2)
    certain = [Value(0.0), Value(0.0), Value(1.0)]
    assert loss(outputs, certain).data == pytest.approx(loss([Value(y) for y in outputs], [0, 0, 1]).data, rel=1e-15)
    assert all(ad.gradient(loss(outputs, certain), certain))  # a probability of 0 has a slope, too


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda: nn.cross_entropy([], []), "cross_entropy takes at least one output, got none"),
        (lambda: nn.cross_entropy([], 0), "cross_entropy takes at least one output, got none"),
        (lambda: nn.cross_entropy([Value(1.0)] * 2, []), "2 target probabilities .* got 0 with sum 0"),
        (lambda: nn.cross_entropy([Value(1.0)] * 2, np.array([0.5, 0.4])), "got 2 with sum 0.9"),
        (lambda: nn.cross_entropy([Value(1.0)] * 2, np.array(2)), "a class from 0 to 1, got 2"),
    ],
)
def test_cross_entropy_says_what_is_wrong(loss: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loss()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", [np.int8, np.float16, np.float64, Decimal, Fraction])
def test_losses_of_numbers_of_other_libraries_are_those_of_floats(loss: Any, kind: Any) -> None:
    """Integers of 8 bits would wrap around, and a Decimal cannot be added to a float."""
    outputs, targets = [100, 3], [1, 1] if loss is not nn.cross_entropy else [0, 1]
    expected = loss([100.0, 3.0], [float(t) for t in targets])
    assert loss([kind(y) for y in outputs], [kind(t) for t in targets]) == expected
    assert loss([Value(100.0), Value(3.0)], [kind(t) for t in targets]).data == expected
    assert type(loss([kind(y) for y in outputs], [kind(t) for t in targets])) is float


def test_losses_of_small_integers_do_not_wrap_around() -> None:
    assert nn.mse(np.array([1], dtype=np.uint8), np.array([3], dtype=np.uint8)) == 4.0
    assert nn.hinge(np.array([-128], dtype=np.int8), np.array([1], dtype=np.int8)) == 129.0
    assert nn.binary_cross_entropy_with_logits(np.array([1], dtype=np.uint8), [1]) == ad.softplus(-1.0)
    with pytest.raises(ValueError, match="got 2 with sum 257"):
        nn.cross_entropy([0.0, 0.0], np.array([129, 128], dtype=np.uint8))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("numbers", [{0.0, 1.0}, frozenset([0.0, 1.0]), {0.0: "no", 1.0: "yes"}])
def test_losses_refuse_what_has_no_order(loss: Any, numbers: Any) -> None:
    for outputs, targets in ((numbers, [0.0, 1.0]), ([0.0, 1.0], numbers)):
        with pytest.raises(TypeError, match=rf"{loss.__name__} takes .* got a \w+, which has no order"):
            loss(outputs, targets)
