"""nn.schedules: learning rates as functions of time; torch's schedulers as an oracle."""

import json
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from autodiff import Value
from nn import schedules
from nn.optim.schedules import ReduceOnPlateau, Schedule

TIMES = st.floats(0.0, 1e3)

# Each schedule, and its formula written for fractions, at times that are fractions.
FORMULAS: dict[str, tuple[Schedule, Callable[[Fraction], Any]]] = {
    "constant": (schedules.constant(0.25), lambda t: Fraction(1, 4)),
    "step": (schedules.step(0.5, 3, 0.25), lambda t: Fraction(1, 2) * Fraction(1, 4) ** math.floor(t / 3)),
    "inverse_time": (schedules.inverse_time(0.5, 0.25), lambda t: Fraction(1, 2) / (1 + t / 4)),
    "linear": (schedules.linear(1.0, 8, floor=0.5), lambda t: 1 - min(t, Fraction(8)) / 16),
    "exponential": (schedules.exponential(2.0, 0.25), lambda t: 2 * 0.25 ** float(t)),
    "cosine": (
        schedules.cosine(1.0, 8, floor=0.25),
        lambda t: 0.25 + 0.75 * (1 + math.cos(math.pi * min(float(t), 8.0) / 8)) / 2,
    ),
    "warm_up": (
        schedules.warm_up(schedules.linear(1.0, 8), 4, start=0.5),
        lambda t: Fraction(1, 2) + t / 8 if t < 4 else max(Fraction(0), 1 - (t - 4) / 8),
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
@given(t=st.fractions(0, 20, max_denominator=64))
def test_a_schedule_is_its_formula_at_any_time(name: str, t: Fraction) -> None:
    schedule, formula = FORMULAS[name]
    assert schedule(float(t)) == pytest.approx(float(formula(t)), rel=1e-12, abs=1e-15)
    assert type(schedule(3)) is float


@pytest.mark.parametrize("name", [name for name in FORMULAS if name != "warm_up"])
@given(times=st.tuples(TIMES, TIMES).map(sorted))
def test_no_rate_rises_and_none_is_negative(name: str, times: list[float]) -> None:
    early, late = map(FORMULAS[name][0], times)
    assert 0.0 <= late <= early


@given(t=TIMES)
def test_a_warm_up_meets_what_follows(t: float) -> None:
    follows = schedules.cosine(0.1, 20.0, floor=0.01)
    assert schedules.warm_up(follows, 5.0)(5.0 + t) == follows((5.0 + t) - 5.0)
    assert schedules.warm_up(follows, 5.0)(5.0 * (1 - 1e-9)) == pytest.approx(0.1)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("ours", "theirs", "until"),
    [
        (schedules.step(0.1, 7, 0.3), lambda s, o: s.StepLR(o, 7, 0.3), 40),
        (schedules.exponential(0.1, 0.93), lambda s, o: s.ExponentialLR(o, 0.93), 40),
        (schedules.inverse_time(0.1, 0.5), lambda s, o: s.LambdaLR(o, lambda t: 1 / (1 + 0.5 * t)), 40),
        (schedules.linear(0.1, 20, floor=0.02), lambda s, o: s.LinearLR(o, 1.0, 0.2, 20), 40),
        (schedules.cosine(0.1, 20, floor=0.02), lambda s, o: s.CosineAnnealingLR(o, 20, 0.02), 20),
        (
            schedules.warm_up(schedules.exponential(0.1, 0.9), 5, start=0.25),
            lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.25, 1.0, 5), s.ExponentialLR(o, 0.9)], [5]),
            40,
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:The epoch parameter")  # SequentialLR warns of itself
def test_rates_are_those_of_torch(ours: Schedule, theirs: Any, until: int) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = theirs(torch.optim.lr_scheduler, optimizer)
    for t in range(until):
        assert ours(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12), t
        optimizer.step()
        scheduler.step()


PLATEAUS: list[dict[str, Any]] = [
    {},
    {"factor": 0.5, "patience": 2},
    {"mode": "max", "patience": 0, "threshold": 0.1},
    {"factor": 0.5, "patience": 1, "cooldown": 3, "min_lr": 1e-3},
]


@pytest.mark.torch
@pytest.mark.parametrize("options", PLATEAUS, ids=str)
@given(figures=st.lists(st.sampled_from([0.5, 0.9, 0.91, 0.99995, 1.0, 1.05, 2.0, math.nan]), max_size=30))
def test_plateaus_are_those_of_torch(options: dict[str, Any], figures: list[float]) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options, eps=0.0)
    ours = ReduceOnPlateau(0.1, **options)
    for figure in figures:
        scheduler.step(figure)
        ours.observe(figure)
        assert ours(1.0) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)


def test_a_plateau_reduces_the_rate_after_more_than_its_patience_down_to_the_least() -> None:
    schedule = ReduceOnPlateau(1.0, factor=0.5, patience=1, cooldown=1, min_lr=0.3)
    rates = []
    for loss in (4.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0):
        schedule.observe(loss)
        rates.append(schedule(0.0))
    assert rates == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.3, 0.3]


def test_a_plateau_goes_on_from_its_saved_attributes() -> None:
    whole, resumed = (ReduceOnPlateau(1.0, factor=0.5, patience=1, cooldown=2) for _ in range(2))
    figures = [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    for figure in figures[:3]:
        whole.observe(figure)
    vars(resumed).update(json.loads(json.dumps(vars(whole))))
    for figure in figures[3:]:
        whole.observe(figure)
        resumed.observe(figure)
        assert resumed(0.0) == whole(0.0)
    assert whole(0.0) == 0.25


def test_a_plateau_after_a_warm_up_is_told_of_figures() -> None:
    schedule: Any = schedules.warm_up(ReduceOnPlateau(1.0, factor=0.5, patience=0), 2)
    for loss in (1.0, 2.0):
        schedule.observe(loss)
    assert (schedule(1), schedule(5)) == (0.25, 0.5)
    assert not hasattr(schedules.warm_up(schedules.constant(1.0), 2), "observe")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.constant(0.1)(-1.0), "a schedule takes a time from 0, got -1.0"),
        (lambda: schedules.constant(0.1)(math.nan), "a schedule takes a time from 0, got nan"),
        (lambda: schedules.constant(-0.1), "lr is at least 0 and finite, got -0.1"),
        (lambda: schedules.step(0.1, 0), "every is above 0 and finite, got 0"),
        (lambda: schedules.cosine(0.1, 0.0), "duration is above 0 and finite, got 0.0"),
        (lambda: schedules.warm_up(schedules.constant(1.0), 5, start=-1.0), "start is at least 0 and finite, got -1.0"),
        (lambda: ReduceOnPlateau(0.1, mode="least"), "mode is 'min' or 'max', got 'least'"),
        (lambda: ReduceOnPlateau(0.1, factor=1.0), "factor is above 0 and below 1, got 1.0"),
        (lambda: ReduceOnPlateau(0.1, patience=-1), "patience is at least 0 and finite, got -1"),
    ],
)
def test_settings_and_times_are_checked(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_no_number_is_named() -> None:
    with pytest.raises(TypeError, match=r"gamma: expected a number, got str '0\.5'"):
        schedules.exponential(0.1, "0.5")  # type: ignore[arg-type]


def test_an_optimiser_follows_a_schedule() -> None:
    x = Value(1.0)
    sgd = nn.SGD([x], lr=1.0)
    for t in range(3):
        x.grad = 1.0
        sgd.lr = schedules.linear(1.0, 2)(t)
        sgd.step()
    assert x.data == 1.0 - 1.0 - 0.5 - 0.0


@pytest.mark.parametrize("schedule", [schedules.linear, schedules.cosine])
def test_the_floor_is_named_lest_it_be_taken_for_the_duration(schedule: Any) -> None:
    with pytest.raises(TypeError):
        schedule(0.02, 0.001, 10)  # begin, end, duration, as others have them


def test_a_warm_up_is_that_of_a_schedule() -> None:
    with pytest.raises(TypeError, match=r"schedule is a function, got 0.1; write nn.schedules.constant"):
        schedules.warm_up(0.1, 3)  # type: ignore[arg-type]
