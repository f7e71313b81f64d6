"""Recurrent cells and unroll: against formulas in numpy, torch, differences, and compiled; what truncation cuts."""

import json
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Value
from autodiff.testing import check_grads
from tests.nn.both_ways import assert_compiled_equals_eager, data_of, drawn, flat, scored, with_parameters

CELLS = [nn.RNNCell, nn.LSTMCell]
SHAPES = [(1, 1, 1), (2, 3, 4), (3, 2, 5)]  # inputs, units, steps


def sequence(steps: int, nin: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(steps, nin))


def layers_of(cell: Any) -> list[Any]:
    return [cell.gate] if isinstance(cell, nn.RNNCell) else [cell.input, cell.forget, cell.candidate, cell.output]


def matrices(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """The weights of a layer, a row for each neuron, and its biases."""
    return (
        np.array([[w.data for w in neuron.w] for neuron in layer.neurons]),
        np.array([neuron.b.data for neuron in layer.neurons]),
    )


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


# --- values and gradients ---


@pytest.mark.parametrize(("nin", "hidden", "steps"), SHAPES)
def test_an_rnn_is_tanh_of_item_and_previous_output(nin: int, hidden: int, steps: int) -> None:
    cell, xs = drawn(nn.RNNCell(nin, hidden)), sequence(steps, nin)
    w, b = matrices(cell.gate)
    outputs, state = nn.unroll(cell, xs)
    h = np.zeros(hidden)
    for x, output in zip(xs, outputs, strict=True):
        h = np.tanh(w[:, :nin] @ x + w[:, nin:] @ h + b)
        np.testing.assert_allclose(data_of(output), h, rtol=0, atol=1e-14)
    assert state is outputs[-1]


@pytest.mark.parametrize(("nin", "hidden", "steps"), SHAPES)
def test_an_lstm_remembers_by_its_gates(nin: int, hidden: int, steps: int) -> None:
    cell, xs = drawn(nn.LSTMCell(nin, hidden)), sequence(steps, nin)
    outputs, state = nn.unroll(cell, xs)
    h = c = np.zeros(hidden)
    for x, output in zip(xs, outputs, strict=True):
        z = np.concatenate([x, h])
        i, f, g, o = [w @ z + b for w, b in map(matrices, layers_of(cell))]
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        np.testing.assert_allclose(data_of(output), h, rtol=0, atol=1e-14)
    np.testing.assert_allclose(data_of(state[1]), c, rtol=0, atol=1e-14)
    assert state[0] is outputs[-1]


@pytest.mark.parametrize(
    ("cell", "state"), [(nn.RNNCell(1, 2, "silu"), [0.3, -0.2]), (nn.LSTMCell(1, 1), ([0.3], [0.5]))], ids=repr
)
def test_gradients_through_time_are_right(cell: Any, state: Any) -> None:
    xs = sequence(3, 1).tolist()
    numbers = [p.data for p in drawn(cell).parameters()]

    def score(numbers: Any, xs: Any, state: Any) -> Any:
        return scored(nn.unroll(with_parameters(cell, numbers), xs, state))

    check_grads(score, (numbers, xs, state))


@pytest.mark.torch
@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize(("nin", "hidden", "steps"), SHAPES)
def test_a_cell_equals_torchs(kind: Any, nin: int, hidden: int, steps: int) -> None:
    torch = pytest.importorskip("torch")
    cell, row = drawn(kind(nin, hidden)), sequence(steps, nin)
    theirs = getattr(torch.nn, kind.__name__)(nin, hidden, dtype=torch.float64)
    weights, biases = [np.concatenate(parts) for parts in zip(*map(matrices, layers_of(cell)), strict=True)]
    with torch.no_grad():
        theirs.weight_ih.copy_(torch.tensor(weights[:, :nin]))
        theirs.weight_hh.copy_(torch.tensor(weights[:, nin:]))
        theirs.bias_ih.copy_(torch.tensor(biases) / 4)
        theirs.bias_hh.copy_(torch.tensor(biases) * 3 / 4)
    xs, state, ys = torch.tensor(row, requires_grad=True), None, []
    for x in xs:
        state = theirs(x, state)
        ys.append(state if kind is nn.RNNCell else state[0])
    y = torch.stack(ys)
    (y * torch.sin(1.0 + torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape)).sum().backward()

    inputs = [[Value(x) for x in item] for item in row]
    outputs, _ = nn.unroll(cell, inputs)
    scored(outputs).backward()
    slopes = np.array([[w.grad for w in neuron.w] for layer in layers_of(cell) for neuron in layer.neurons])
    of_biases = [neuron.b.grad for layer in layers_of(cell) for neuron in layer.neurons]
    np.testing.assert_allclose(data_of(outputs), y.detach(), rtol=0, atol=1e-12)
    np.testing.assert_allclose([[x.grad for x in item] for item in inputs], xs.grad, rtol=0, atol=1e-12)
    np.testing.assert_allclose(slopes[:, :nin], theirs.weight_ih.grad, rtol=0, atol=1e-12)
    np.testing.assert_allclose(slopes[:, nin:], theirs.weight_hh.grad, rtol=0, atol=1e-12)
    np.testing.assert_allclose(of_biases, theirs.bias_ih.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("truncate", [None, 1, 2])
@pytest.mark.parametrize("kind", CELLS)
def test_unrolled_cells_compile_to_one_program_that_gives_what_eager_code_gives(kind: Any, truncate: Any) -> None:
    rows = np.random.default_rng(1).normal(size=(3, 5, 2))
    assert_compiled_equals_eager(lambda cell, xs: nn.unroll(cell, xs, truncate=truncate)[0], drawn(kind(2, 3)), rows)


# --- what truncation cuts ---


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_truncation_changes_no_output_and_cuts_what_comes_from_before_the_last_multiple_of_k(kind: Any, k: int) -> None:
    cell = drawn(kind(1, 2))
    xs = [[Value(x)] for x in (0.5, -1.0, 0.25, 2.0, 1.5)]
    outputs, _ = nn.unroll(cell, xs, truncate=k)
    assert data_of(outputs) == data_of(nn.unroll(cell, xs)[0])
    for t, output in enumerate(outputs):
        slopes = ad.gradient(scored(output), [x for [x] in xs])
        assert [slope != 0.0 for slope in slopes] == [k * (t // k) <= s <= t for s in range(5)]


@pytest.mark.parametrize("kind", CELLS)
def test_truncation_is_the_sum_over_chunks_that_hand_on_plain_numbers(kind: Any) -> None:
    cell, xs, state = drawn(kind(2, 2)), sequence(7, 2), None
    scored(nn.unroll(cell, xs, truncate=3)[0]).backward()
    truncated = [p.grad for p in cell.parameters()]
    cell.zero_grad()
    chunks = []
    for chunk in (xs[:3], xs[3:6], xs[6:]):
        outputs, state = nn.unroll(cell, chunk, state)
        state = tuple(map(data_of, state)) if kind is nn.LSTMCell else data_of(state)
        chunks += outputs
    scored(chunks).backward()
    np.testing.assert_allclose(truncated, [p.grad for p in cell.parameters()], rtol=1e-14)


def test_a_given_state_has_a_gradient_through_the_first_chunk_alone() -> None:
    cell, h = drawn(nn.RNNCell(1, 1)), Value(0.5)
    outputs, _ = nn.unroll(cell, [[1.0], [2.0]], [h], truncate=1)
    assert ad.gradient(outputs[0][0], h).data != 0.0
    assert ad.gradient(outputs[1][0], h) == 0.0


@pytest.mark.parametrize("kind", CELLS)
def test_a_compiled_function_hands_the_state_on_as_numbers(kind: Any) -> None:
    cell, xs = drawn(kind(2, 2)), sequence(6, 2)
    read = ad.compile(lambda xs, state: nn.unroll(cell, xs, state))
    _, state = read(xs[:3], None)
    assert set(map(type, flat(state))) == {float}
    outputs, _ = read(xs[3:], state)
    np.testing.assert_allclose(outputs, data_of(nn.unroll(cell, xs)[0][3:]), rtol=0, atol=1e-14)


class Totals(NamedTuple):
    total: Any
    parts: dict[str, Any]


def test_a_function_is_a_cell_with_any_state_of_numbers() -> None:
    def running_sum(x: Any, state: Totals | None) -> tuple[Any, Totals]:
        total, steps = (0.0, 0) if state is None else (state.total, state.parts["steps"])
        return total + x, Totals(total + x, {"steps": steps + 1, "items": [x, (x, None)]})

    x = Value(2.0)
    outputs, state = nn.unroll(running_sum, [x, x, x, x], truncate=3)
    assert data_of(outputs) == [2.0, 4.0, 6.0, 8.0]
    assert state.parts["steps"] == 4
    assert ad.gradient(outputs[-1], x) == 1.0
    assert nn.unroll(running_sum, []) == ([], None)


# --- making and misusing them ---


def test_a_new_lstm_remembers() -> None:
    cell = nn.LSTMCell(1, 2, seed=0)
    assert [neuron.b.data for layer in layers_of(cell) for neuron in layer.neurons] == [0, 0, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("cell", [nn.RNNCell(2, 3, "relu", seed=0), nn.LSTMCell(2, 3, init="orthogonal", seed=0)])
def test_a_configuration_makes_a_cell_of_the_same_shape(cell: Any) -> None:
    again = type(cell)(**json.loads(json.dumps(cell.config())))
    again.load_state_dict(cell.state_dict())
    assert data_of(nn.unroll(again, [[1.0, 2.0]])) == data_of(nn.unroll(cell, [[1.0, 2.0]]))
    assert repr(again) == repr(cell)


@pytest.mark.parametrize("kind", CELLS)
def test_items_and_states_are_lists_or_arrays_of_any_numbers(kind: Any) -> None:
    cell, xs = kind(2, 2, seed=0), sequence(3, 2)
    state = [0.1, 0.2] if kind is nn.RNNCell else ([0.1, 0.2], [0.3, 0.4])
    expected = data_of(nn.unroll(cell, xs, state)[0])
    as_array = np.array(state) if kind is nn.RNNCell else tuple(map(np.array, state))
    for those in (xs.tolist(), list(xs), [tuple(map(Value, x)) for x in xs], ad.array(xs.astype(object))):
        assert data_of(nn.unroll(cell, those, as_array)[0]) == expected


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.RNNCell(2, 1)([1.0]), ValueError, "RNNCell expects a list of 2 inputs, got 1"),
        (lambda: nn.RNNCell(2, 1)(1.0), TypeError, "RNNCell expects a list of 2 inputs, got float"),
        (lambda: nn.RNNCell(1, 2)([1.0], [0.0]), ValueError, "RNNCell's h expects a list of 2 inputs, got 1"),
        (lambda: nn.LSTMCell(1, 2)([1.0], 0.0), TypeError, "cannot unpack non-iterable float"),
        (lambda: nn.LSTMCell(1, 2)([1.0], ([0.0] * 2, [0.0])), ValueError, "LSTMCell's c expects a list of 2 inputs"),
        (lambda: nn.RNNCell(0, 2), ValueError, "nin is a whole number of at least 1, got 0"),
        (lambda: nn.LSTMCell(1, 2.5), ValueError, "hidden is a whole number of at least 1, got 2.5"),
        (lambda: nn.unroll(nn.RNNCell(1, 1), [], truncate=0), ValueError, "truncate is a whole number of at least 1"),
        (lambda: nn.unroll(lambda x, s: (x, {1}), [1.0] * 2, truncate=1), TypeError, "truncate detaches .*, got set"),
    ],
)
def test_what_does_not_fit_is_refused_by_what_was_given_and_expected(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", ["RNN", "LSTM", "SimpleRNN", "GRU", "GRUCell"])
def test_names_of_other_libraries_lead_here(name: str) -> None:
    with pytest.raises(AttributeError, match=r"nn.unroll\(cell, xs\), where cell is nn.RNNCell.*nn.LSTMCell"):
        getattr(nn, name)


class Parity(nn.Module):
    """A logit at each step: are the ones so far odd in number?"""

    def __init__(self) -> None:
        self.cell, self.readout = nn.LSTMCell(1, 4, seed=2), nn.Neuron(4, "linear", seed=2)

    def __call__(self, bits: Sequence[int]) -> list[Any]:
        outputs, _ = nn.unroll(self.cell, [[float(bit)] for bit in bits])
        return [self.readout(h) for h in outputs]


def test_an_lstm_learns_parity_from_short_sequences_and_knows_it_of_long_ones() -> None:
    def parity(bits: Sequence[int]) -> list[int]:
        return [sum(bits[: i + 1]) % 2 for i in range(len(bits))]

    rng, model = random.Random(2), Parity()
    sgd = nn.SGD(model.parameters(), lr=1.0, momentum=0.9)
    for _ in range(120):
        batch = [rng.choices((0, 1), k=4) for _ in range(4)]
        loss = ad.mean([nn.binary_cross_entropy_with_logits(model(bits), parity(bits)) for bits in batch])
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    for _ in range(20):
        bits = rng.choices((0, 1), k=30)
        assert [logit.data > 0 for logit in model(bits)] == parity(bits)
