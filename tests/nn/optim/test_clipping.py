"""nn.optim: clipping and penalties; torch as an oracle."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Value
from autodiff.testing import check_grads
from nn.optim import Clip, clip_by_norm, clip_by_value

GRADS = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8)
LIMITS = st.floats(1e-3, 1e3)
ANY_CLIP = st.builds(clip_by_norm, LIMITS) | st.builds(clip_by_value, LIMITS)


def with_grads(grads: list[Any]) -> list[Value]:
    values = [Value(0.0, "w") for _ in grads]
    for x, grad in zip(values, grads, strict=True):
        x.grad = grad
    return values


@given(clip=ANY_CLIP, grads=GRADS)
def test_an_array_is_clipped_as_grads_are(clip: Clip, grads: list[float]) -> None:
    values, slopes = with_grads(grads), np.array(grads)
    assert clip(values) == pytest.approx(clip.on_array(slopes), rel=1e-14)
    assert slopes.tolist() == pytest.approx([x.grad for x in values], rel=1e-13)
    assert all(type(x.grad) is float for x in values)


@pytest.mark.torch
@given(clip=ANY_CLIP, grads=GRADS)
def test_clipping_is_that_of_torch(clip: Clip, grads: list[float]) -> None:
    torch = pytest.importorskip("torch")
    values = with_grads(grads)
    tensor = torch.zeros(len(grads), dtype=torch.float64, requires_grad=True)
    tensor.grad = torch.tensor(grads, dtype=torch.float64)
    norm = clip(values)
    if clip.by_norm:
        assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_([tensor], clip.limit)), rel=1e-13)
    else:
        torch.nn.utils.clip_grad_value_([tensor], clip.limit)
    assert [x.grad for x in values] == pytest.approx(tensor.grad.tolist(), rel=1e-12)


@given(limit=LIMITS, grads=GRADS)
def test_clipping_by_norm_keeps_the_direction_and_bounds_the_norm(limit: float, grads: list[float]) -> None:
    values = with_grads(grads)
    norm = clip_by_norm(limit)(values)
    after = [x.grad for x in values]
    assert math.hypot(*after) <= limit * (1 + 1e-12)
    assert after == grads or after == pytest.approx([limit / (norm + 1e-6) * g for g in grads], rel=1e-12)


@given(limit=LIMITS, grads=GRADS)
def test_clipping_by_value_changes_only_what_is_too_large(limit: float, grads: list[float]) -> None:
    values = with_grads(grads)
    clip_by_value(limit)(values)
    assert [x.grad for x in values] == [g if abs(g) <= limit else math.copysign(limit, g) for g in grads]


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_norm_that_is_not_finite_leaves_the_gradients(bad: float) -> None:
    values, slopes = with_grads([1.0, bad]), np.array([1.0, bad])
    for norm in (clip_by_norm(0.5)(values), clip_by_norm(0.5).on_array(slopes)):
        assert not math.isfinite(norm)
    assert str([x.grad for x in values]) == str(slopes.tolist()) == str([1.0, bad])


@pytest.mark.parametrize(("bad", "clipped"), [(math.inf, 0.5), (-math.inf, -0.5), (math.nan, math.nan)])
def test_by_value_infinities_are_clipped_and_nan_stays(bad: float, clipped: float) -> None:
    values, slopes = with_grads([1.0, bad]), np.array([1.0, bad])
    clip_by_value(0.5)(values)
    clip_by_value(0.5).on_array(slopes)
    assert str([x.grad for x in values]) == str(slopes.tolist()) == str([0.5, clipped])


def test_gradients_whose_squares_overflow_are_clipped() -> None:
    values, slopes = with_grads([3e200, 4e200]), np.array([3e200, 4e200])
    assert clip_by_norm(5.0)(values) == clip_by_norm(5.0).on_array(slopes) == pytest.approx(5e200)
    assert slopes.tolist() == [x.grad for x in values] == pytest.approx([3.0, 4.0])


def test_an_optimiser_or_a_list_is_clipped_none_being_zero() -> None:
    values = with_grads([3.0, None, 4])
    assert clip_by_norm(1.0)(nn.SGD(values)) == 5.0
    assert [x.grad for x in values] == pytest.approx([0.6, 0.0, 0.8], rel=1e-6)


def test_a_grad_that_is_no_number_is_named_and_nothing_clipped() -> None:
    values = with_grads([3.0, 4.0])
    with pytest.raises(TypeError, match=r"the Value labelled 'w' was given a str as \.grad"):
        values[1].grad = "4.0"  # type: ignore[assignment]  # the native core refuses it here
        clip_by_value(1.0)(values)
    assert values[0].grad == 3.0


@pytest.mark.parametrize("limit", [0.0, -1.0, math.inf, math.nan])
def test_limits_are_checked(limit: float) -> None:
    with pytest.raises(ValueError, match="max_norm is above 0 and finite, got"):
        clip_by_norm(limit)
    with pytest.raises(ValueError, match="limit is above 0 and finite, got"):
        clip_by_value(limit)


# --- penalties ---


@given(xs=GRADS, strength=st.floats(0.0, 10.0))
def test_penalties_are_their_formulas(xs: list[float], strength: float) -> None:
    values = [Value(x) for x in xs]
    assert nn.l1(values, strength).data == pytest.approx(strength * sum(map(abs, xs)), rel=1e-12)
    assert nn.l2(values, strength).data == pytest.approx(strength * sum(x * x for x in xs), rel=1e-12)


@pytest.mark.parametrize("penalty", [nn.l1, nn.l2])
def test_gradients_of_penalties_are_right_and_compile(penalty: Any) -> None:
    xs = [1.5, -0.5, 2.0]
    f = lambda xs: penalty(xs, 0.3)
    check_grads(f, (xs,))
    value, slopes = ad.compile(ad.value_and_grad(f))(xs)
    assert value == pytest.approx(f(xs))
    assert slopes == pytest.approx([0.3 * g for g in ([1.0, -1.0, 1.0] if penalty is nn.l1 else [3.0, -1.0, 4.0])])


def test_weight_decay_is_the_l2_penalty_of_half_its_strength() -> None:
    x, y = Value(3.0), Value(3.0)
    nn.l2([x], 0.05).backward()
    nn.SGD([x], lr=0.5).step()
    nn.SGD([y], lr=0.5, weight_decay=0.1).step()
    assert x.data == pytest.approx(y.data)
