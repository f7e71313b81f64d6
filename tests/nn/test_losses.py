"""Losses: their formulas, torch's numbers, one program for every target, and what they refuse."""

import math
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Value
from autodiff.testing import check_grads
from tests.needs import need_backend

OF_NUMBERS = [nn.mse, nn.mae, nn.huber, nn.binary_cross_entropy_with_logits, nn.binary_cross_entropy, nn.hinge]
OF_CLASSES = [nn.cross_entropy, nn.nll, nn.multiclass_hinge]
OF_PROBABILITIES = [nn.cross_entropy, nn.kl_divergence]
LOSSES = [*OF_NUMBERS, *OF_CLASSES, nn.kl_divergence]
of_any_size = st.floats(-30, 30) | st.sampled_from([0.0, 700.0, -1000.0])
probability = st.floats(0, 1) | st.sampled_from([0.0, 1.0])


def an_output(loss: Any) -> st.SearchStrategy[float]:
    """Return numbers that the loss takes as an output."""
    return probability if loss is nn.binary_cross_entropy else of_any_size


def a_target(loss: Any, outputs: int) -> st.SearchStrategy[Any]:
    """Return targets that the loss takes for so many outputs, other than class indices where it takes probabilities."""
    one_hot = st.integers(0, outputs - 1).map(lambda i: [float(i == j) for j in range(outputs)])
    weights = st.lists(st.floats(0.1, 1), min_size=outputs, max_size=outputs)
    if loss in OF_PROBABILITIES:
        return one_hot | weights.map(lambda ws: [w / sum(ws) for w in ws])
    if loss in OF_CLASSES:
        return st.integers(0, outputs - 1)
    is_binary = loss in (nn.binary_cross_entropy, nn.binary_cross_entropy_with_logits)
    each = probability if is_binary else st.sampled_from([-1.0, 1.0]) if loss is nn.hinge else st.floats(-3, 3)
    return st.lists(each, min_size=outputs, max_size=outputs)


logits = st.lists(st.floats(-30, 30), min_size=2, max_size=6)


def leaves(numbers: Any) -> Any:
    """Return nested lists of numbers as Values."""
    return [leaves(x) for x in numbers] if isinstance(numbers, list) else Value(numbers)


def grads(values: Any) -> Any:
    return [grads(x) for x in values] if isinstance(values, list) else values.grad


def data(values: Any) -> Any:
    return [data(x) for x in values] if isinstance(values, list) else values.data


# --- formulas ---


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
        (lambda: nn.cross_entropy([Value(1.0)] * 3, -1), "a class from 0 to 2, got -1$"),
        (lambda: nn.cross_entropy([Value(1.0)] * 3, 0.5), "a class from 0 to 2, got 0.5; it is a whole number$"),
        (lambda: nn.cross_entropy([Value(1.0)] * 3, [1, 0]), r"3 target probabilities that sum to 1.*got \[1, 0\]"),
        (lambda: nn.cross_entropy([Value(1.0)] * 2, [1, 1]), r"got \[1, 1\]"),
        (lambda: nn.cross_entropy([Value(1.0)] * 2, [0.5, 0.4]), r"got \[0.5, 0.4\]"),
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


# --- laws ---


@given(logits, st.floats(-100, 100), st.data())
def test_losses_of_classes_depend_on_differences_of_outputs_alone(
    zs: list[float], c: float, data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, len(zs) - 1))
    for loss in (nn.cross_entropy, nn.multiclass_hinge):
        assert loss([z + c for z in zs], target) == pytest.approx(loss(zs, target), rel=1e-12, abs=1e-12)


@given(logits, st.data())
def test_cross_entropy_is_nll_of_log_softmax_and_entropy_more_than_divergence(
    zs: list[float], data: st.DataObject
) -> None:
    target, ps = data.draw(st.integers(0, len(zs) - 1)), ad.softmax(data.draw(st.permutations(zs)))
    log_q = ad.log_softmax(zs)
    assert nn.nll(log_q, target) == pytest.approx(nn.cross_entropy(zs, target), abs=1e-13)
    entropy = -sum(p * math.log(p) for p in ps)
    assert nn.kl_divergence(log_q, ps) + entropy == pytest.approx(nn.cross_entropy(zs, ps), rel=1e-12, abs=1e-12)


@given(logits, logits)
def test_divergence_is_at_least_0_and_0_of_equal_distributions(ones: list[float], others: list[float]) -> None:
    n = min(len(ones), len(others))
    log_p, log_q = ad.log_softmax(ones[:n]), ad.log_softmax(others[:n])
    ps = [math.exp(x) for x in log_p]
    assert nn.kl_divergence(log_q, ps) >= -1e-14
    assert nn.kl_divergence(log_p, ps) == pytest.approx(0.0, abs=1e-14)


@given(st.floats(-30, 30), st.floats(0, 1))
def test_one_logit_is_two_of_which_one_is_0(z: float, t: float) -> None:
    binary = nn.binary_cross_entropy_with_logits(z, t)
    assert binary == pytest.approx(nn.cross_entropy([z, 0.0], [t, 1 - t]), rel=1e-12, abs=1e-13)
    of_sigmoid = nn.binary_cross_entropy(ad.sigmoid(z), t)
    assert binary == pytest.approx(of_sigmoid, rel=1e-3, abs=1e-12)  # 1 - sigmoid(30) has three digits


@given(logits, st.floats(0, 1), st.data())
def test_label_smoothing_is_cross_entropy_against_smoothed_targets(
    zs: list[float], share: float, data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, len(zs) - 1))
    smooth = [(1 - share) * (i == target) + share / len(zs) for i in range(len(zs))]
    expected = nn.cross_entropy(zs, smooth)
    one_hot = [float(i == target) for i in range(len(zs))]
    for given_as in (target, one_hot):
        loss = nn.cross_entropy(zs, given_as, label_smoothing=share)
        assert loss == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(st.floats(-100, 100), st.floats(0.1, 10))
def test_huber_is_half_the_square_inside_and_a_line_outside(e: float, delta: float) -> None:
    half, loss = nn.mse(e, 0.0) / 2, nn.huber(e, 0.0, delta=delta)
    assert loss <= half * (1 + 1e-15)
    assert nn.huber(e, 0.0, delta=200) == half
    if abs(e) > delta:
        assert loss == pytest.approx(delta * (nn.mae(e, 0.0) - delta / 2), rel=1e-15)
    x = Value(e)
    nn.huber(x, 0.0, delta=delta).backward()
    assert x.grad == pytest.approx(max(-delta, min(e, delta)), rel=1e-15)


@pytest.mark.parametrize("loss", LOSSES)
def test_derivatives_of_losses_are_those_of_differences(loss: Any) -> None:
    rows = [[0.3, 0.45, 0.2], [0.9, 0.15, 0.6]]
    targets = {
        nn.hinge: [[1, -1, -1], [-1, 1, 1]],
        **{of_classes: [2, 0] for of_classes in OF_CLASSES},
    }.get(loss, [[0.1, 0.65, 0.25], [0.5, 0.5, 0.0]])
    check_grads(lambda ys: loss(ys, targets), (rows,), order=2)
    check_grads(lambda ys: loss(ys, targets[0], reduction="sum"), (rows[0],), order=2)


# --- torch ---

SHAPES = [(), (3,), (4, 3), (2, 4, 3)]


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


def torchs(torch: Any, loss: Any) -> Any:
    """Return torch's function of the same meaning."""
    f = torch.nn.functional

    def divergence(ys: Any, ts: Any, reduction: str) -> Any:
        each = f.kl_div(ys, ts, reduction="none").sum(-1)
        return each if reduction == "none" else getattr(each, reduction)()

    return {
        nn.mse: f.mse_loss,
        nn.mae: f.l1_loss,
        nn.huber: f.huber_loss,
        nn.binary_cross_entropy: f.binary_cross_entropy,
        nn.binary_cross_entropy_with_logits: f.binary_cross_entropy_with_logits,
        nn.hinge: lambda y, t, **kw: f.margin_ranking_loss(y, torch.zeros_like(y), t, margin=1.0, **kw),
        nn.cross_entropy: f.cross_entropy,
        nn.nll: f.nll_loss,
        nn.multiclass_hinge: f.multi_margin_loss,
        nn.kl_divergence: divergence,
    }[loss]


def assert_equal_to_torch(torch: Any, loss: Any, outputs: Any, targets: Any, **options: Any) -> None:
    """Compare values and gradients, those of each loss weighted where there are several."""
    values, tensor = leaves(outputs.tolist()), torch.tensor(outputs, requires_grad=True)
    ours = loss(values, targets.tolist(), **options)
    theirs = torchs(torch, loss)(tensor, torch.tensor(targets), **options)
    assert np.shape(data(ours)) == tuple(theirs.shape)
    assert data(ours) == pytest.approx(theirs.detach().numpy(), rel=1e-12, abs=1e-12)
    weights = np.linspace(0.5, 2.0, max(1, np.size(data(ours))))
    ad.dot(weights, np.array(ours, dtype=object).ravel()).backward()
    (theirs.ravel() * torch.tensor(weights)).sum().backward()
    assert np.array(grads(values)) == pytest.approx(tensor.grad.numpy(), rel=1e-12, abs=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("loss", OF_NUMBERS)
def test_losses_of_numbers_are_torchs(loss: Any, shape: Any, reduction: str, torch: Any) -> None:
    rng = np.random.default_rng(1)
    outputs = rng.uniform(0, 1, shape) if loss is nn.binary_cross_entropy else rng.normal(0, 5, shape)
    targets = np.where(rng.uniform(0, 1, shape) < 0.5, -1.0, 1.0) if loss is nn.hinge else rng.uniform(0, 1, shape)
    assert_equal_to_torch(torch, loss, np.array(outputs), np.array(targets), reduction=reduction)


@pytest.mark.torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(3,), (4, 3)])
@pytest.mark.parametrize("loss", OF_CLASSES)
def test_losses_of_classes_are_torchs(loss: Any, shape: Any, reduction: str, torch: Any) -> None:
    rng = np.random.default_rng(2)
    outputs, targets = rng.normal(0, 5, shape), np.array(rng.integers(0, 3, shape[:-1]))
    assert_equal_to_torch(torch, loss, outputs, targets, reduction=reduction)


@pytest.mark.torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(3,), (4, 3)])
@pytest.mark.parametrize("loss", OF_PROBABILITIES)
def test_losses_of_probabilities_are_torchs(loss: Any, shape: Any, reduction: str, torch: Any) -> None:
    rng = np.random.default_rng(3)
    outputs, targets = rng.normal(0, 5, shape), rng.dirichlet([0.5] * 3, shape[:-1])
    assert_equal_to_torch(torch, loss, outputs, targets, reduction=reduction)
    assert_equal_to_torch(torch, loss, outputs, np.eye(3)[targets.argmax(-1)], reduction=reduction)


@pytest.mark.torch
@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_label_smoothing_and_delta_are_torchs(share: float, torch: Any) -> None:
    rng = np.random.default_rng(4)
    outputs, classes = rng.normal(0, 5, (6, 4)), rng.integers(0, 4, 6)
    for targets in (classes, np.eye(4)[classes], rng.dirichlet([1.0] * 4, 6)):
        assert_equal_to_torch(torch, nn.cross_entropy, outputs, targets, label_smoothing=share)
    assert_equal_to_torch(torch, nn.huber, outputs, outputs[::-1].copy(), delta=0.5 + share)


@pytest.mark.torch
def test_the_mean_divergence_is_torchs_batchmean(torch: Any) -> None:
    rng = np.random.default_rng(5)
    log_q, p = rng.normal(-1, 1, (4, 3)), rng.dirichlet([1.0] * 3, 4)
    expected = torch.nn.functional.kl_div(torch.tensor(log_q), torch.tensor(p), reduction="batchmean")
    assert nn.kl_divergence(log_q, p) == pytest.approx(float(expected), rel=1e-14)


# --- extremes ---


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e8, 1e15])
def test_losses_of_large_logits_are_exact_to_a_few_units_of_the_largest(scale: float) -> None:
    zs = [scale, -scale, 0.0, scale - 1.0]
    tolerance = 4 * math.ulp(scale)
    with mpmath.workdps(50):
        total = mpmath.log(mpmath.fsum(mpmath.exp(mpmath.mpf(z)) for z in zs)) if scale < 1e5 else None
    for i, z in enumerate(zs):
        exact = float(total - mpmath.mpf(z)) if total is not None else scale + math.log1p(math.exp(-1)) - z
        loss = nn.cross_entropy(leaves(zs), i)
        assert loss.data == pytest.approx(exact, rel=1e-15, abs=tolerance)
        assert nn.cross_entropy(zs, i, label_smoothing=0.5) == pytest.approx(
            0.5 * exact + 0.5 * (loss.data + z - sum(zs) / 4), rel=1e-15, abs=tolerance
        )
        assert nn.nll(ad.log_softmax(zs), i) == pytest.approx(exact, rel=1e-15, abs=tolerance)
    for z in (scale, -scale):
        x = Value(z)
        right, wrong = (nn.binary_cross_entropy_with_logits(x, t) for t in ((1, 0) if z > 0 else (0, 1)))
        assert (right.data, wrong.data) == (math.exp(-scale), scale)
        wrong.backward()
        assert x.grad == math.copysign(1.0, z)


def test_gradients_of_large_logits_are_those_of_certainty() -> None:
    zs = leaves([1e4, -1e4, 0.0])
    nn.cross_entropy(zs, 1).backward()
    assert grads(zs) == [1.0, -1.0, 0.0]
    zs = leaves([1e4, -1e4, 0.0])
    nn.cross_entropy(zs, 0).backward()
    assert grads(zs) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("loss", "output", "target", "value", "slope"),
    [
        (nn.binary_cross_entropy_with_logits, math.inf, 1.0, 0.0, 0.0),
        (nn.binary_cross_entropy_with_logits, math.inf, 0.0, math.inf, 1.0),
        (nn.binary_cross_entropy_with_logits, -math.inf, 0.0, 0.0, 0.0),
        (nn.binary_cross_entropy, 0.0, 1.0, 100.0, 0.0),
        (nn.binary_cross_entropy, 1.0, 0.0, 100.0, 0.0),
        (nn.binary_cross_entropy, 1.0, 1.0, 0.0, -1.0),
        (nn.binary_cross_entropy, 0.0, 0.0, 0.0, 1.0),
        (nn.huber, 1e300, 0.0, 1e300, 1.0),
        (nn.huber, -math.inf, 0.0, math.inf, -1.0),
        (nn.mae, -math.inf, 0.0, math.inf, -1.0),
        (nn.hinge, math.inf, 1.0, 0.0, 0.0),
        (nn.hinge, math.inf, -1.0, math.inf, 1.0),
    ],
)
def test_losses_of_extreme_numbers(
    loss: Any, output: float, target: float, value: float, slope: float, compiled: bool
) -> None:
    f = ad.value_and_grad(lambda y, t: loss(y, t))
    assert (ad.compile(f) if compiled else f)(output, target) == (value, slope)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("log_q", "p", "value", "slopes"),
    [
        ([0.0, -math.inf], [1.0, 0.0], 0.0, [-1.0, 0.0]),
        ([0.0, -math.inf], [0.5, 0.5], math.inf, [-0.5, -0.5]),
        ([0.0, -1e4], [0.0, 1.0], 1e4, [0.0, -1.0]),
        ([0.0, -1e4], [1.0, 1e-320], 0.0, [-1.0, 0.0]),
    ],
)
def test_divergence_from_what_has_no_probability(
    log_q: list[float], p: list[float], value: float, slopes: list[float], compiled: bool
) -> None:
    f = on_values(nn.kl_divergence)
    assert (ad.compile(f) if compiled else f)(log_q, p) == (
        pytest.approx(value, abs=1e-300),
        pytest.approx(slopes, abs=1e-300),
    )


# --- rows and shapes ---


@pytest.mark.parametrize("loss", LOSSES)
@given(st.data())
def test_the_loss_of_many_rows_is_the_mean_of_theirs(loss: Any, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(an_output(loss), min_size=3, max_size=3), min_size=1, max_size=4))
    targets = [data.draw(a_target(loss, 3)) for _ in rows]
    each = [loss(row, target) for row, target in zip(rows, targets, strict=True)]
    for kind in (list, np.array, tuple):
        assert loss(kind(rows), kind(targets)) == pytest.approx(sum(each) / len(each), rel=1e-13, abs=1e-13)
    apart = [loss(row, target, reduction="none") for row, target in zip(rows, targets, strict=True)]
    assert loss(rows, targets, reduction="none") == apart
    total = sum(np.ravel(apart))
    assert loss(rows, targets, reduction="sum") == pytest.approx(total, rel=1e-13, abs=1e-13)
    assert loss([rows, rows], [targets, targets]) == pytest.approx(loss(rows, targets), rel=1e-13, abs=1e-13)


def test_a_number_and_a_list_of_one_are_the_same_row() -> None:
    assert nn.mse(3.0, [1.0]) == nn.mse([3.0], 1.0) == nn.mse([3.0], [1.0]) == 4.0
    assert nn.mse(3.0, [1.0], reduction="none") == 4.0
    assert nn.mse([3.0], 1.0, reduction="none") == [4.0]


def test_frames_and_series_are_rows() -> None:
    pandas = pytest.importorskip("pandas")
    frame, classes = pandas.DataFrame({"a": [0.0, 1.0], "b": [2.0, 0.5]}), pandas.Series([1, 0], index=[7, 8])
    assert nn.mse(frame, frame.to_numpy() + 1.0) == 1.0
    assert nn.cross_entropy(frame, classes) == nn.cross_entropy(frame.to_numpy(), [1, 0])


@pytest.mark.parametrize("loss", OF_NUMBERS)
@pytest.mark.parametrize(
    ("shape", "other"),
    [
        ((3,), (2,)),
        ((3,), (3, 1)),
        ((3, 1), (3,)),
        ((3, 2), (2, 3)),
        ((3,), ()),
        ((), (3,)),
        ((1,), (1, 1)),
        ((0,), (0,)),
    ],
)
def test_nothing_is_broadcast(loss: Any, shape: Any, other: Any) -> None:
    with pytest.raises(ValueError, match=f"{loss.__name__} takes one target for each output") as error:
        loss(np.ones(shape), np.ones(other))
    assert str(error.value).endswith(f"got outputs of shape {shape} and targets of shape {other}")


@pytest.mark.parametrize("loss", [*OF_CLASSES, nn.kl_divergence])
def test_rows_and_targets_are_as_many(loss: Any) -> None:
    rows, ts = np.zeros((3, 2)), np.array([[0.5, 0.5], [0.5, 0.5]]) if loss is nn.kl_divergence else np.array([0, 1])
    with pytest.raises(
        ValueError, match=rf"{loss.__name__} takes one target for each row, got outputs of shape \(3, 2\)"
    ):
        loss(rows, ts)
    with pytest.raises(ValueError, match=rf"{loss.__name__} takes one target for each row, .* targets of shape \(\)"):
        loss(rows, 1)
    with pytest.raises(ValueError, match=rf"{loss.__name__} takes a list with one output for each class.* shape \(\)"):
        loss(Value(1.0), 0)
    with pytest.raises(ValueError, match=f"{loss.__name__} takes rows of one shape"):
        loss([[1.0, 2.0], [1.0]], [0, 0])
    with pytest.raises(ValueError, match=rf"{loss.__name__} takes a list with one output .*got shape \(2, 0\)"):
        loss(np.zeros((2, 0)), [0, 0])


def test_column_of_classes_is_no_list_of_classes() -> None:
    with pytest.raises(ValueError, match=r"takes 2 target probabilities .* got \[1\]"):
        nn.cross_entropy(np.zeros((3, 2)), np.array([[1], [1], [1]]))
    with pytest.raises(ValueError, match=r"nll takes a class from 0 to 1, got \[1\]"):
        nn.nll(np.zeros((3, 2)), np.array([[1], [1], [1]]))


@pytest.mark.parametrize("loss", LOSSES)
def test_reductions_are_three(loss: Any) -> None:
    target = {nn.hinge: [1, -1], **dict.fromkeys(OF_CLASSES, 0)}.get(loss, [0.5, 0.5])
    with pytest.raises(ValueError, match="reduction is 'mean', 'sum' or 'none', got 'batchmean'"):
        loss([0.5, 0.5], target, reduction="batchmean")


@pytest.mark.parametrize("delta", [0.0, -1.0, math.inf, math.nan])
def test_delta_is_above_0_and_finite(delta: Any) -> None:
    with pytest.raises(ValueError, match="delta is above 0 and finite, got"):
        nn.huber(1.0, 0.0, delta=delta)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_label_smoothing_is_from_0_to_1(share: Any) -> None:
    with pytest.raises(ValueError, match="label_smoothing is from 0 to 1, got"):
        nn.cross_entropy([1.0, 2.0], 0, label_smoothing=share)


def test_logits_are_no_probabilities() -> None:
    with pytest.raises(ValueError, match=r"takes probabilities from 0 to 1, got Value\(3\.0.*_with_logits"):
        nn.binary_cross_entropy(Value(3.0), 1)
    compiled = ad.compile(lambda p, t: nn.binary_cross_entropy(p, t))
    assert math.isnan(compiled(3.0, 1.0))
    assert compiled(0.5, 1.0) == pytest.approx(math.log(2))


# --- losses, compiled: one program for every target ---


def on_values(loss: Any) -> Any:
    """Return the loss of a list of outputs, and its gradient in them, target as it is: what compile is held to."""
    return ad.value_and_grad(lambda outputs, target: loss(list(outputs), target))


@pytest.mark.parametrize("backend", ["python", "native"])
@pytest.mark.parametrize("loss", LOSSES)
@given(st.data())
def test_compiled_losses_are_one_program_equal_to_eager(loss: Any, backend: Any, data: st.DataObject) -> None:
    need_backend(backend)
    compiled = ad.compile(on_values(loss), backend=backend)
    for _ in range(3):
        outputs = data.draw(st.lists(an_output(loss), min_size=3, max_size=3))
        target = data.draw(a_target(loss, 3))
        (value, slopes), (expected, expected_slopes) = compiled(outputs, target), on_values(loss)(outputs, target)
        assert value == pytest.approx(expected, rel=1e-13, abs=1e-13)
        assert slopes == pytest.approx(expected_slopes, rel=1e-13, abs=1e-13)
        if backend == "python" and loss is not nn.binary_cross_entropy_with_logits:  # adds a term eager leaves out
            assert (value, slopes) == (expected, expected_slopes)
    assert compiled.stats().paths == 1


@pytest.mark.parametrize("backend", ["python", "native"])
@given(st.lists(of_any_size, min_size=4, max_size=4), st.lists(st.integers(0, 3), min_size=2, max_size=2))
def test_compiled_cross_entropy_selects_the_class(backend: Any, logits: list[float], classes: list[int]) -> None:
    need_backend(backend)
    compiled = ad.compile(on_values(nn.cross_entropy), backend=backend)
    for target in classes:
        value, slopes = compiled(logits, target)
        expected, expected_slopes = on_values(nn.cross_entropy)(logits, target)
        assert value == pytest.approx(expected, rel=1e-14, abs=1e-14)
        assert slopes == pytest.approx(expected_slopes, rel=1e-14, abs=1e-14)
    assert compiled.stats().paths == 1


@pytest.mark.parametrize("loss", LOSSES)
@given(st.data())
def test_a_step_over_many_rows_is_one_program_equal_to_eager(loss: Any, data: st.DataObject) -> None:
    """Those of a model, as it is trained: rows of inputs and targets, the gradient in shared weights."""

    def of_row(weights: Any, x: Any, target: Any) -> Any:
        outputs = [ad.dot(row, x) for row in weights]
        if loss is nn.binary_cross_entropy:
            outputs = [ad.sigmoid(y) for y in outputs]
        return loss(ad.log_softmax(outputs) if loss in (nn.nll, nn.kl_divergence) else outputs, target)

    weights, n = [[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0]], 5
    xs = np.array(data.draw(st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=n, max_size=n)))
    targets = np.array([data.draw(a_target(loss, 3)) for _ in range(n)])
    step = ad.compile(ad.value_and_grad(of_row), rows=(1, 2), reduce="mean")
    value, slopes = step(weights, xs, targets)
    assert step(weights, xs[::-1], targets[::-1])[0] == pytest.approx(value, rel=1e-12, abs=1e-14)
    assert step.stats().paths == 1
    eager = [ad.value_and_grad(of_row)(weights, x.tolist(), t.tolist()) for x, t in zip(xs, targets, strict=True)]
    assert value == pytest.approx(np.mean([v for v, _ in eager]), rel=1e-12, abs=1e-14)
    assert np.array(slopes) == pytest.approx(np.mean([s for _, s in eager], axis=0), rel=1e-11, abs=1e-14)


def test_a_class_costs_a_network_no_more_than_one_hot() -> None:
    model = nn.MLP(64, [32, 10], seed=0)

    def instructions(target: Any) -> int:
        step = ad.compile(lambda x, t: ad.gradient(nn.cross_entropy(model(x), t), model.parameters()), rows=(0, 1))
        step(np.zeros((1, 64)), target)
        return step.stats().instructions

    of_class, one_hot = instructions(np.array([3])), instructions(np.eye(10)[[3]])
    assert of_class < one_hot


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_label_smoothing_and_many_rows_compile_too(share: float) -> None:
    rows, classes = [[0.5, 1.0, -2.0], [3.0, 0.0, 1.0]], [2, 0]

    def loss(ys: Any, ts: Any) -> Any:
        return nn.cross_entropy(ys, ts, label_smoothing=share, reduction="none")

    compiled = ad.compile(loss)
    for ts in (classes, [0, 1], np.eye(3)[classes]):
        assert compiled(rows, ts) == pytest.approx(loss(rows, ts), rel=1e-14)
    assert compiled.stats().paths == 2  # lists, and an array
    assert [math.isnan(x) for x in compiled(rows, [0, 3])] == [False, True]


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
        (nn.binary_cross_entropy, [0.5, 0.9], [1, -1], [1, 0]),
        (nn.multiclass_hinge, [0.5, 1.0], 0.5, 1),
        (nn.kl_divergence, [-0.5, -1.0], [1.5, -0.5], [1.0, 0.0]),
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


def test_a_class_that_is_none_makes_nll_nan_though_it_counts_no_output() -> None:
    compiled = ad.compile(on_values(nn.nll))
    assert compiled([-0.5, -1.0], 1) == (1.0, [0.0, -1.0])
    value, slopes = compiled([-0.5, -1.0], 2)
    assert math.isnan(value)
    assert slopes == [0.0, 0.0]


def test_masked_logits_cost_nothing_when_compiled() -> None:
    logits = [-math.inf, 0.5, 1.5]
    compiled = ad.compile(on_values(nn.cross_entropy))
    for target in (2, [0.0, 0.0, 1.0], [0.0, 0.25, 0.75]):
        value, slopes = compiled(logits, target)
        expected, expected_slopes = on_values(nn.cross_entropy)(logits, target)
        assert value == pytest.approx(expected, rel=1e-14)
        assert slopes == pytest.approx(expected_slopes, rel=1e-14)
        assert slopes[0] == 0.0


@pytest.mark.parametrize("loss", [nn.cross_entropy, nn.binary_cross_entropy_with_logits, nn.mse, nn.huber])
def test_targets_that_are_values_are_differentiated(loss: Any) -> None:
    outputs = [0.5, -1.0, 2.0]
    check_grads(lambda t: loss(outputs, [*t, 1.0 - t[0] - t[1]]), ([0.3, 0.5],), order=2)
    certain = [Value(0.0), Value(0.0), Value(1.0)]
    assert loss(outputs, certain).data == pytest.approx(loss([Value(y) for y in outputs], [0, 0, 1]).data, rel=1e-15)
    assert all(ad.gradient(loss(outputs, certain), certain))  # a probability of 0 has a slope, too


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda: nn.cross_entropy([], []), r"cross_entropy takes a list with one output .*got shape \(0,\)"),
        (lambda: nn.cross_entropy([], 0), r"cross_entropy takes a list with one output .*got shape \(0,\)"),
        (lambda: nn.cross_entropy([Value(1.0)] * 2, []), r"2 target probabilities .* got \[\]"),
        (lambda: nn.cross_entropy([Value(1.0)] * 2, np.array([0.5, 0.4])), r"got \[0.5, 0.4\]"),
        (lambda: nn.cross_entropy([Value(1.0)] * 2, np.array(2)), "a class from 0 to 1, got 2"),
    ],
)
def test_cross_entropy_says_what_is_wrong(loss: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loss()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", [np.int8, np.float16, np.float64, Fraction])
def test_losses_of_numbers_of_other_libraries_are_those_of_floats(loss: Any, kind: Any) -> None:
    """Integers of 8 bits would wrap around."""
    outputs, targets = [100, 3] if loss is not nn.binary_cross_entropy else [0, 1], [0, 1]
    if loss in (nn.nll, nn.multiclass_hinge):
        outputs, targets = [outputs, outputs], [1, 0]
    if loss is nn.hinge:
        targets = [1, 1]
    expected = loss(np.array(outputs) * 1.0, np.array(targets) * 1.0)
    objects = np.vectorize(kind, otypes=[object])
    assert loss(objects(outputs).tolist(), objects(targets).tolist()) == expected
    assert loss(np.vectorize(Value, otypes=[object])(outputs), objects(targets)).data == expected
    assert type(loss(objects(outputs), objects(targets).tolist())) is float


def test_losses_of_small_integers_do_not_wrap_around() -> None:
    assert nn.mse(np.array([1], dtype=np.uint8), np.array([3], dtype=np.uint8)) == 4.0
    assert nn.hinge(np.array([-128], dtype=np.int8), np.array([1], dtype=np.int8)) == 129.0
    assert nn.binary_cross_entropy_with_logits(np.array([1], dtype=np.uint8), [1]) == ad.softplus(-1.0)
    with pytest.raises(ValueError, match=r"got \[129, 128\]"):
        nn.cross_entropy([0.0, 0.0], np.array([129, 128], dtype=np.uint8))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("numbers", [{0.0, 1.0}, frozenset([0.0, 1.0]), {0.0: "no", 1.0: "yes"}])
def test_losses_refuse_what_has_no_order(loss: Any, numbers: Any) -> None:
    for outputs, targets in ((numbers, [0.0, 1.0]), ([0.0, 1.0], numbers)):
        with pytest.raises(ValueError, match=f"{loss.__name__} takes "):
            loss(outputs, targets)
