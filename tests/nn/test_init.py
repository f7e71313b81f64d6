"""Initialisers: their spread, bounds and orthogonality, their names, and what is said of neurons that start alike."""

import math
import random
import warnings
from typing import Any

import numpy as np
import pytest

import nn
from nn import init


def drawn(initializer: Any, rows: int, columns: int, **fans: int) -> Any:
    return np.array(init.weights(initializer, random.Random(0), rows, columns, **fans))


@pytest.mark.parametrize(
    ("initializer", "deviation", "bound"),
    [
        ("glorot", math.sqrt(2 / 350), math.sqrt(6 / 350)),
        ("xavier", math.sqrt(2 / 350), math.sqrt(6 / 350)),
        (init.glorot(normal=True), math.sqrt(2 / 350), math.inf),
        ("he", math.sqrt(2 / 200), math.sqrt(6 / 200)),
        ("kaiming", math.sqrt(2 / 200), math.sqrt(6 / 200)),
        (init.he(normal=True), math.sqrt(2 / 200), math.inf),
        ("lecun", math.sqrt(1 / 200), math.sqrt(3 / 200)),
        (init.lecun(normal=True), math.sqrt(1 / 200), math.inf),
        ("uniform", math.sqrt(1 / 3), 1.0),
        (init.uniform(0.2), 0.2 * math.sqrt(1 / 3), 0.2),
        ("normal", 1.0, math.inf),
        (init.normal(0.02), 0.02, math.inf),
        ("orthogonal", math.sqrt(1 / 200), math.inf),
    ],
)
def test_weights_have_the_published_spread_and_bounds(initializer: Any, deviation: float, bound: float) -> None:
    matrix = drawn(initializer, 150, 200)
    assert matrix.shape == (150, 200)
    assert abs(matrix.mean()) <= 4 * deviation / math.sqrt(matrix.size)
    assert matrix.std() == pytest.approx(deviation, rel=0.02)
    assert abs(matrix).max() <= bound


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 5), (3, 8), (8, 3), (60, 60)])
def test_orthogonal_rows_or_columns_are_orthonormal_times_the_gain(rows: int, columns: int) -> None:
    matrix = drawn(init.orthogonal(gain=2.0), rows, columns)
    products = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    np.testing.assert_allclose(products, 4.0 * np.eye(min(rows, columns)), atol=1e-14)


def test_orthogonal_matrices_favour_no_direction() -> None:
    rng = random.Random(0)
    corners = np.array([init.weights("orthogonal", rng, 3, 3) for _ in range(4_000)])
    np.testing.assert_allclose(corners.mean(axis=0), 0.0, atol=4 / math.sqrt(3 * 4_000))
    np.testing.assert_allclose((corners**2).mean(axis=0), 1 / 3, atol=0.02)


def test_zeros_ones_and_constants_are_alike_everywhere() -> None:
    assert [set(drawn(name, 3, 2).flat) for name in ("zeros", "ones", init.constant(0.1))] == [{0.0}, {1.0}, {0.1}]


def test_fans_may_differ_from_the_shape() -> None:
    seen = set()
    init.weights(lambda rng, nin, nout: float(seen.add((nin, nout)) or 0), random.Random(0), 2, 3, fan_in=27, fan_out=9)
    init.weights(lambda rng, nin, nout: float(seen.add((nin, nout)) or 0), random.Random(0), 2, 3)
    assert seen == {(27, 9), (3, 2)}


@pytest.mark.parametrize("name", init.NAMES)
def test_every_name_serves_every_layer_and_a_seed_decides(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zeros and ones
        one, same = (nn.MLP(3, [4, 2], init=name, seed=5).state_dict() for _ in range(2))
        assert one == same == nn.MLP(3, [4, 2], init=init.NAMES[name](), seed=5).state_dict()
    first = nn.Layer(3, 4, "linear", init=name, seed=5)
    assert [first.state_dict()[key] for key in first.state_dict()] == [
        one[f"layers.0.{key}"] for key in first.state_dict()
    ]
    assert len(nn.Neuron(3, init=name, seed=5).w) == 3


def test_weights_of_a_seed_stay_what_they_were() -> None:
    state = nn.MLP(2, [2, 1], "tanh", seed=0).state_dict()
    rng = random.Random(0)
    bounds = [math.sqrt(6 / 4)] * 4 + [math.sqrt(6 / 3)] * 2
    expected = [rng.uniform(-bound, bound) for bound in bounds]
    assert [x for name, x in state.items() if ".w." in name] == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("initializer", "error", "message"),
    [
        ("hee", ValueError, "no initialiser is called 'hee'; known are glorot, xavier, he, kaiming, lecun, uniform"),
        (init.he, TypeError, r"he\(\) takes 0 positional arguments but 3 were given"),
        (0.5, TypeError, "'float' object is not callable"),
    ],
)
def test_what_is_no_initialiser_is_refused(initializer: Any, error: type[Exception], message: str) -> None:
    for make in (nn.Neuron, nn.Layer):
        with pytest.raises(error, match=message):
            make(*[2] * (1 + (make is nn.Layer)), init=initializer)


@pytest.mark.parametrize("name", ["zeros", "ones", init.constant(0.3)])
def test_neurons_that_start_alike_are_warned_of(name: Any) -> None:
    with pytest.warns(UserWarning, match='the 3 neurons of Layer start with the same weights: .* init="he"') as caught:
        nn.Layer(2, 3, "tanh", init=name)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"the 3 neurons of layers\[0\] start"):
        nn.MLP(2, [3, 1], init=name)


def test_what_starts_alike_and_does_no_harm_is_not_warned_of() -> None:
    nn.Layer(2, 3, "linear", init="zeros")
    nn.Layer(2, 1, "tanh", init="zeros")
    nn.Neuron(2, "tanh", init="ones")
    nn.MLP(2, [1], init="zeros")
    nn.Layer(1, 2, init="uniform", seed=0)
    nn.Layer(2, 2, init=lambda rng, nin, nout: float(rng.random() < 0.5), seed=1)


def test_neurons_that_start_alike_stay_alike_in_training() -> None:
    with pytest.warns(UserWarning, match="start with the same weights"):
        model = nn.MLP(2, [3, 1], "tanh", init=init.constant(0.5))
    optimizer = nn.SGD(model.parameters(), lr=0.1)
    for x, y in [([1.0, 2.0], 1.0), ([-1.0, 0.5], 0.0)] * 5:
        model.zero_grad()
        nn.mse(model(x), y).backward()
        optimizer.step()
    assert len({tuple(w.data for w in neuron.w) for neuron in model.layers[0].neurons}) == 1
