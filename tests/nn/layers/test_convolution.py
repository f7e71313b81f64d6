"""Convolution, pooling and Flatten: against scipy's correlation, torch, differences, and compiled."""

import json
import random
from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate
from sklearn.datasets import load_digits

import autodiff as ad
import nn
from autodiff import Value
from autodiff.testing import check_grads
from tests.nn.both_ways import assert_compiled_equals_eager, data_of, drawn, flat, scored, with_parameters

# in and out channels, kernel, stride, padding, dilation, and the shape of a row
GEOMETRIES_1D: list[tuple[Any, ...]] = [
    (1, 1, 1, 1, 0, 1, (1, 1)),
    (1, 2, 3, 1, 0, 1, (1, 7)),
    (3, 2, 2, 2, 1, 1, (3, 5)),
    (2, 3, 3, 1, 2, 2, (2, 6)),
    (2, 1, 3, 3, 4, 3, (2, 4)),
]
GEOMETRIES_2D: list[tuple[Any, ...]] = [
    (1, 1, 1, 1, 0, 1, (1, 1, 1)),
    (1, 2, 3, 1, 0, 1, (1, 5, 6)),
    (2, 3, 3, 1, 1, 1, (2, 4, 3)),
    (2, 1, (2, 3), (2, 1), (0, 2), 1, (2, 5, 4)),
    (1, 2, 2, 2, 0, (2, 1), (1, 6, 5)),
    (2, 2, (3, 2), (3, 2), (2, 1), (2, 3), (2, 7, 6)),
    (1, 1, 3, 2, 3, 1, (1, 2, 2)),
]
SMALL = [
    (nn.Conv1d, GEOMETRIES_1D[1]),
    (nn.Conv1d, GEOMETRIES_1D[4]),
    (nn.Conv2d, GEOMETRIES_2D[4]),
    (nn.Conv2d, GEOMETRIES_2D[6]),
]
CONVOLUTIONS = [*((nn.Conv1d, g) for g in GEOMETRIES_1D), *((nn.Conv2d, g) for g in GEOMETRIES_2D)]


def made(kind: Any, geometry: tuple[Any, ...], **more: Any) -> tuple[Any, np.ndarray]:
    """A convolution with drawn parameters, and a row for it."""
    *arguments, shape = geometry
    return drawn(kind(*arguments, **more)), np.random.default_rng(1).normal(size=shape)


def correlated(conv: Any, x: np.ndarray) -> np.ndarray:
    """The same convolution by scipy: the zeros of padding and dilation are put in, the steps of strides left out."""
    padded = np.pad(x, [(0, 0), *((p, p) for p in conv.padding)])
    extents = [d * (k - 1) + 1 for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    channels = []
    for neuron in conv.filters.neurons:
        kernel = np.zeros((len(x), *extents))
        weights = np.reshape([w.data for w in neuron.w], (len(x), *conv.kernel_size))
        kernel[(slice(None), *(slice(None, None, d) for d in conv.dilation))] = weights
        every = correlate(padded, kernel, "valid", method="direct")[0]
        channels.append(every[tuple(slice(None, None, s) for s in conv.stride)] + neuron.b.data)
    return np.array(channels)


@pytest.mark.parametrize(("kind", "geometry"), CONVOLUTIONS)
def test_a_convolution_is_scipys_correlation_with_each_filter(kind: Any, geometry: tuple[Any, ...]) -> None:
    conv, x = made(kind, geometry)
    np.testing.assert_allclose(data_of(conv(x)), correlated(conv, x), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("kind", "geometry"), SMALL)
def test_gradients_of_a_convolution_are_right(kind: Any, geometry: tuple[Any, ...]) -> None:
    conv, x = made(kind, geometry, activation="tanh")
    numbers = [p.data for p in conv.parameters()]
    check_grads(lambda numbers, x: scored(with_parameters(conv, numbers)(x)), (numbers, x.tolist()))


@pytest.mark.torch
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kind", "geometry"), CONVOLUTIONS)
def test_a_convolution_equals_torchs(kind: Any, geometry: tuple[Any, ...], bias: bool) -> None:
    torch = pytest.importorskip("torch")
    conv, row = made(kind, geometry, bias=bias)
    i, o, kernel, stride, padding, dilation, _ = geometry
    theirs = getattr(torch.nn, kind.__name__)(i, o, kernel, stride, padding, dilation, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        weights = [[w.data for w in neuron.w] for neuron in conv.filters.neurons]
        theirs.weight.copy_(torch.tensor(weights, dtype=torch.float64).reshape(theirs.weight.shape))
        if bias:
            theirs.bias.copy_(torch.tensor([neuron.b.data for neuron in conv.filters.neurons], dtype=torch.float64))
    x = torch.tensor(row, requires_grad=True)
    y = theirs(x)
    (y * torch.sin(1.0 + torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape)).sum().backward()

    inputs = ad.array(np.vectorize(Value, otypes=[object])(row))
    outputs = conv(inputs)
    scored(outputs).backward()
    np.testing.assert_allclose(data_of(outputs), y.detach(), rtol=0, atol=1e-12)
    np.testing.assert_allclose([v.grad for v in flat(inputs.tolist())], x.grad.flatten(), rtol=0, atol=1e-12)
    slopes = [[w.grad for w in neuron.w] for neuron in conv.filters.neurons]
    np.testing.assert_allclose(slopes, theirs.weight.grad.reshape(o, -1), rtol=0, atol=1e-12)
    if bias:
        np.testing.assert_allclose([n.b.grad for n in conv.filters.neurons], theirs.bias.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kind", "geometry"), CONVOLUTIONS)
def test_a_convolution_compiles_to_one_program_that_gives_what_eager_code_gives(
    kind: Any, geometry: tuple[Any, ...]
) -> None:
    conv, _ = made(kind, geometry, activation="tanh")
    rows = np.random.default_rng(2).normal(size=(3, *geometry[-1]))
    assert_compiled_equals_eager(lambda conv, x: conv(x), conv, rows)


def network() -> nn.Sequential:
    """A convolution of 8 x 8 pixels, the largest of each 2 x 2 of its outputs, and a layer."""
    rng = random.Random(0)
    conv, layer = nn.Conv2d(1, 4, 3, rng=rng, init="he"), nn.Layer(36, 10, "linear", rng=rng)
    return nn.Sequential(conv, "relu", nn.MaxPool2d(2), nn.Flatten(), layer)


def test_a_network_of_convolution_and_pooling_compiles_to_one_program() -> None:
    rows = np.random.default_rng(0).integers(0, 17, (3, 1, 8, 8)) / 16
    assert_compiled_equals_eager(lambda model, x: model(x), network(), rows)


def test_padding_adds_no_node() -> None:
    conv = nn.Conv2d(1, 1, 3, padding=2, bias=False, seed=0)
    for y in flat(conv([[[1.0]]])):
        assert y.op.name == "dot"
        assert y.operands[:9] == tuple(conv.filters.neurons[0].w)
        assert sorted(y.operands[9:]) == [0.0] * 8 + [1.0]


@pytest.mark.parametrize("kind", [float, np.float64, Value])
def test_rows_are_lists_tuples_or_arrays_of_any_numbers(kind: Any) -> None:
    conv, pool = nn.Conv2d(1, 1, 2, seed=0), nn.MaxPool2d(2)
    numbers = [[[kind(3 * i + j) for j in range(3)] for i in range(3)]]
    for row in (numbers, tuple(map(tuple, numbers)), np.array(numbers), [np.array(numbers[0])]):
        outputs = conv(row)
        assert [len(outputs), len(outputs[0]), len(outputs[0][0])] == [1, 2, 2]
        assert all(isinstance(y, Value) for y in flat(outputs))
        assert data_of(outputs) == data_of(conv(np.arange(9.0).reshape(1, 3, 3)))
        assert data_of(pool(row)) == [[[4.0]]]


# --- pooling ---

POOLS: list[tuple[Any, ...]] = [
    (1, None, 0, (2, 2, 2)),
    (2, None, 0, (2, 5, 4)),
    (3, 1, 1, (1, 3, 3)),
    ((2, 3), (1, 2), (1, 0), (2, 4, 5)),
    (4, 3, 2, (1, 5, 6)),
]


@pytest.mark.torch
@pytest.mark.parametrize(("kernel", "stride", "padding", "shape"), POOLS)
def test_pooling_equals_torchs_and_of_equal_ones_the_first_takes_the_gradient(
    kernel: Any, stride: Any, padding: Any, shape: tuple[int, ...]
) -> None:
    torch = pytest.importorskip("torch")
    for seed in range(5):
        row = np.random.default_rng(seed).integers(-1, 2, shape).astype(float)  # three values: many are equal
        x = torch.tensor(row, requires_grad=True)
        y = torch.nn.MaxPool2d(kernel, stride, padding)(x)
        (y * torch.sin(1.0 + torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape)).sum().backward()
        inputs = ad.array(np.vectorize(Value, otypes=[object])(row))
        outputs = nn.MaxPool2d(kernel, stride, padding)(inputs)
        scored(outputs).backward()
        assert data_of(outputs) == y.tolist()
        np.testing.assert_allclose([v.grad for v in flat(inputs.tolist())], x.grad.flatten(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kernel", "stride", "padding", "shape"), POOLS)
def test_pooling_takes_the_largest_of_each_window(
    kernel: Any, stride: Any, padding: Any, shape: tuple[int, ...]
) -> None:
    pool, x = nn.MaxPool2d(kernel, stride, padding), np.random.default_rng(0).normal(size=shape)
    padded = np.pad(x, [(0, 0), *((p, p) for p in pool.padding)], constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, pool.kernel_size, axis=(1, 2))
    down, across = pool.stride
    assert pool(x) == windows[:, ::down, ::across].max(axis=(3, 4)).tolist()
    check_grads(lambda x: scored(pool(x)), (x.tolist(),))


def test_equal_numbers_and_nan_are_pooled_alike_in_compiled_code() -> None:
    slopes = ad.compile(ad.grad(lambda x: nn.MaxPool2d((1, 3))([[x]])[0][0][0]))
    assert slopes([1.0, 1.0, 0.0]) == [1.0, 0.0, 0.0]
    assert slopes([0.0, 2.0, 2.0]) == [0.0, 1.0, 0.0]
    assert slopes([float("nan"), 1.0, 2.0]) == [1.0, 0.0, 0.0]
    assert slopes([1.0, float("nan"), 2.0]) == [0.0, 1.0, 0.0]
    assert slopes.stats().paths == 1


# --- making and misusing them ---


def test_fans_of_a_convolution_are_channels_times_the_size_of_the_kernel() -> None:
    fans = []

    def note(rng: Any, nin: int, nout: int) -> float:
        fans.append((nin, nout))
        return rng.random()

    nn.Conv2d(3, 5, (2, 4), init=note, seed=0)
    assert set(fans) == {(24, 40)}
    assert len(fans) == 3 * 5 * 8


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(2, 3, 2, stride=2, padding=1, seed=0),
        nn.Conv2d(1, 2, (3, 2), dilation=(1, 2), bias=False, activation="tanh", seed=0),
        nn.MaxPool2d(3, (2, 1), padding=1),
        nn.Flatten(),
    ],
    ids=repr,
)
def test_a_configuration_makes_a_layer_of_the_same_shape(layer: Any) -> None:
    again = type(layer)(**json.loads(json.dumps(layer.config())))
    again.load_state_dict(layer.state_dict())
    row = np.random.default_rng(0).normal(size=(2, 6) if isinstance(layer, nn.Conv1d) else (1, 5, 6))
    assert data_of(again(row)) == data_of(layer(row))
    assert repr(again) == repr(layer)


def test_a_convolution_shows_its_windows_and_what_is_not_usual() -> None:
    assert repr(nn.Conv2d(1, 2, 3)) == "Conv2d(1, 2, (3, 3), (1, 1), (0, 0), (1, 1))"
    conv = nn.Conv1d(1, 2, 3, padding=1, bias=False, activation=abs)
    assert repr(conv) == "Conv1d(1, 2, (3,), (1,), (1,), (1,), bias=False, activation='abs')"


def test_the_same_seed_draws_the_same_filters() -> None:
    drawn = nn.Conv1d(1, 1, 2, seed=4).state_dict()
    assert drawn == nn.Conv1d(1, 1, 2, rng=random.Random(4)).state_dict() != nn.Conv1d(1, 1, 2, seed=5).state_dict()
    assert list(drawn) == ["filters.neurons.0.w.0", "filters.neurons.0.w.1", "filters.neurons.0.b"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Conv2d(1, 1, 3)([[1.0, 2.0]]), ValueError, r"\(channels, height, width\), .* got shape \(1, 2\)"),
        (lambda: nn.Conv2d(1, 1, 3)(1.0), ValueError, r"got shape \(\)"),
        (lambda: nn.Conv1d(1, 1, 3)(np.zeros((2, 1, 5))), ValueError, r"one row of .*, got shape \(2, 1, 5\)"),
        (lambda: nn.Conv1d(1, 1, 1)([[1.0, 2.0], [3.0]]), ValueError, r"lists of one length, got shape \(2,\)"),
        (lambda: nn.Conv1d(1, 1, 1)([[]]), ValueError, "at least as large"),
        (
            lambda: nn.Conv2d(2, 1, 1)(np.zeros((3, 4, 4))),
            ValueError,
            r"expects 2 channels, .*; got shape \(3, 4, 4\)",
        ),
        (lambda: nn.Conv2d(1, 1, 3)(np.zeros((1, 3, 2))), ValueError, r"window of \(3, 3\); got shape \(1, 3, 2\)"),
        (lambda: nn.MaxPool2d(3)(np.zeros((1, 2, 2))), ValueError, "MaxPool2d expects any channels, at least as large"),
        (lambda: nn.Conv2d(1, 1, (1, 2, 3)), ValueError, r"kernel_size is a number or 2 of them, got \(1, 2, 3\)"),
        (lambda: nn.Conv2d(1, 1, 2.0), ValueError, "kernel_size is a whole number of at least 1"),
        (lambda: nn.Conv1d(1, 1, 2, stride=0), ValueError, "stride is a whole number of at least 1, got 0"),
        (lambda: nn.Conv1d(1, 1, 2, padding=-1), ValueError, "padding is a whole number of at least 0, got -1"),
        (lambda: nn.Conv1d(0, 1, 2), ValueError, "in_channels is a whole number of at least 1, got 0"),
        (lambda: nn.MaxPool2d(2, padding=2), ValueError, r"at most half of kernel_size \(2, 2\), got \(2, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_what_was_given_and_expected(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("Conv2D", r"nn.Conv2d\(in_channels, out_channels, kernel_size\)"),
        ("Conv1D", "nn.Conv1d"),
        ("MaxPooling2D", r"nn.MaxPool2d\(kernel_size\)"),
        ("MaxPool1d", r"nn.MaxPool2d\(\(1, k\)\)"),
    ],
)
def test_names_of_other_libraries_lead_here(name: str, ours: str) -> None:
    with pytest.raises(AttributeError, match=ours):
        getattr(nn, name)


def test_a_small_convolutional_network_learns_digits() -> None:
    pixels, digits = load_digits(n_class=3, return_X_y=True)
    rows, model = (pixels / 16).reshape(-1, 1, 8, 8)[:60], network()
    sgd = nn.SGD(model.parameters(), lr=0.3)
    for _ in range(3):
        for start in range(0, 60, 6):
            batch = range(start, start + 6)
            loss = ad.mean([nn.cross_entropy(model(rows[i]), int(digits[i])) for i in batch])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
    right = [int(np.argmax(data_of(model(row)))) == digit for row, digit in zip(rows, digits, strict=False)]
    assert np.mean(right) > 0.95
