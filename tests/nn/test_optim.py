"""nn.optim: rules and their options, groups, steps on arrays, state; torch as an oracle."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff import Value
from nn import optim
from nn.optim import SGD, Adam, AdamW, Optimizer, RMSprop, Rprop

Make = Callable[..., Optimizer]

OPTIONS: list[tuple[Make, dict[str, Any]]] = [
    (SGD, {}),
    (SGD, {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    (SGD, {"momentum": 0.8, "nesterov": True}),
    (SGD, {"weight_decay": 0.1}),
    (RMSprop, {}),
    (RMSprop, {"alpha": 0.9, "momentum": 0.5, "weight_decay": 0.01}),
    (RMSprop, {"centered": True}),
    (RMSprop, {"centered": True, "momentum": 0.9, "alpha": 0.95, "eps": 1e-6}),
    (Adam, {}),
    (Adam, {"betas": (0.8, 0.95), "eps": 1e-5, "weight_decay": 0.05}),
    (Adam, {"amsgrad": True}),
    (AdamW, {}),
    (AdamW, {"betas": (0.5, 0.9), "weight_decay": 0.3, "amsgrad": True}),
    (Rprop, {}),
    (Rprop, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.1)}),
]
# Higher rates oscillate at the end, where an ulp at the start becomes 1e-9, in torch as well.
RATES = {SGD: 2e-4, RMSprop: 1e-3, Adam: 5e-3, AdamW: 5e-3, Rprop: 1e-2}
every_optimiser = pytest.mark.parametrize(("make", "options"), OPTIONS, ids=str)


# --- objectives, for numbers, Values and torch's tensors alike ---


def rosenbrock(x: Any) -> Any:
    return sum((100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 for a, b in pairwise(x)), 0.0)


def quadratic(x: Any) -> Any:
    return sum((10.0 ** (3 * i / 9) * 0.5 * (v - i) * (v - i) for i, v in enumerate(x)), 0.0)


def logistic(x: Any) -> Any:
    rows = np.random.default_rng(0).normal(size=(12, len(x))).tolist()
    scores = [sum((w * r for w, r in zip(x, row, strict=True)), 0.0) for row in rows]
    exp = ad.exp if isinstance(x[0], Value) else lambda s: s.exp()
    return sum((1.0 / (1.0 + exp(-s if i % 3 else s)) for i, s in enumerate(scores)), 0.0)


OBJECTIVES = {"rosenbrock": (rosenbrock, 4), "quadratic": (quadratic, 10), "logistic": (logistic, 5)}


@pytest.mark.torch
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
@every_optimiser
def test_200_steps_are_those_of_torch(make: Any, options: dict[str, Any], objective: str, maximize: bool) -> None:
    torch = pytest.importorskip("torch")
    f, count = OBJECTIVES[objective]
    start = [0.3 * (-1) ** i + 0.1 * i for i in range(count)]
    ours = [Value(x) for x in start]
    theirs = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    options = {"lr": RATES[make], **options, "maximize": maximize}
    optimizer, peer = make(ours, **options), getattr(torch.optim, make.__name__)([theirs], **options)
    sign = -1.0 if maximize else 1.0
    for step in range(200):
        optimizer.zero_grad()
        peer.zero_grad()
        (sign * f(ours)).backward()
        (sign * f(theirs)).backward()
        optimizer.step()
        peer.step()
        assert [x.data for x in ours] == pytest.approx(theirs.tolist(), rel=1e-10, abs=1e-10), step
    assert [x.data for x in ours] != pytest.approx(start, abs=1e-3)


@pytest.mark.torch
@pytest.mark.parametrize("make", RATES)
def test_defaults_are_those_of_torch(make: Any) -> None:
    torch = pytest.importorskip("torch")
    ours = make([Value(1.0)]).param_groups[0]
    theirs = getattr(torch.optim, make.__name__)([torch.ones(1)]).param_groups[0]
    assert {name: theirs[name] for name in ours if name != "params"} == {k: v for k, v in ours.items() if k != "params"}


@every_optimiser
def test_a_step_on_arrays_is_the_eager_step(make: Any, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=5)
    values = [Value(x) for x in numbers.tolist()]
    eager, compiled = make(values, **options), make([Value(0.0) for _ in values], **options)
    slopes = np.empty(5)
    step = compiled.on_arrays(numbers, slopes)
    for _ in range(10):
        slopes[:] = rng.normal(size=5)
        for x, slope in zip(values, slopes.tolist(), strict=True):
            x.grad = slope
        eager.step()
        step()
        assert numbers.tolist() == pytest.approx([x.data for x in values], rel=1e-12)


def test_sgd_is_known_as_nn_sgd() -> None:
    import nn

    assert nn.SGD is optim.SGD
