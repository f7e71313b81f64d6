"""Attention: against a formula in numpy, torch, differences, and compiled; what masks hide."""

import json
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Value
from autodiff.testing import check_grads
from tests.nn.both_ways import assert_compiled_equals_eager, data_of, drawn, flat, scored, with_parameters

PARTS = ("query", "key", "value", "output")
SHAPES = [(1, 1, 1, 1), (4, 2, 3, 3), (6, 3, 2, 4), (4, 4, 5, 2)]  # width, heads, queries, keys


def vectors(count: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width))


def mask_of(queries: int, keys: int) -> np.ndarray:
    """Which query sees which key: some do not, each sees at least one."""
    mask = np.random.default_rng(0).random((queries, keys)) < 0.6
    mask[np.arange(queries), np.arange(queries) % keys] = True
    return mask


def weights(layer: Any) -> np.ndarray:
    return np.array([[w.data for w in neuron.w] for neuron in layer.neurons])


def biases(layer: Any) -> np.ndarray:
    return np.array([neuron.b.data for neuron in layer.neurons])


def attended(
    attention: Any, query: np.ndarray, key: np.ndarray, value: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """softmax(Q K' / sqrt(d)) V of each head, joined and mapped, in numpy; and the softmax."""
    those = zip((attention.query, attention.key, attention.value), (query, key, value), strict=True)
    projected = [x @ weights(layer).T + biases(layer) for layer, x in those]
    heads, shares = [], []
    for q, k, v in zip(*[np.split(x, attention.heads, axis=1) for x in projected], strict=True):
        scores = np.where(seen, q @ k.T / np.sqrt(q.shape[1]), -np.inf)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares.append(powers / powers.sum(axis=1, keepdims=True))
        heads.append(shares[-1] @ v)
    return np.concatenate(heads, axis=1) @ weights(attention.output).T + biases(attention.output), np.array(shares)


@pytest.mark.parametrize(("width", "heads", "queries", "keys"), SHAPES)
def test_attention_is_a_softmax_weighted_mean_of_values(width: int, heads: int, queries: int, keys: int) -> None:
    attention = drawn(nn.MultiHeadAttention(width, heads))
    query, key, value = vectors(queries, width, 1), vectors(keys, width, 2), vectors(keys, width, 3)
    for mask in (None, mask_of(queries, keys)):
        seen = np.ones((queries, keys), bool) if mask is None else mask
        expected, shares = attended(attention, query, key, value, seen)
        np.testing.assert_allclose(data_of(attention(query, key, value, mask)), expected, rtol=0, atol=1e-13)
        np.testing.assert_allclose(data_of(attention.weights(query, key, mask)), shares, rtol=0, atol=1e-14)


def test_keys_are_the_queries_and_values_the_keys_unless_given() -> None:
    attention, x, memory = drawn(nn.MultiHeadAttention(4, 2)), vectors(3, 4), vectors(2, 4)
    assert data_of(attention(x)) == data_of(attention(x, x, x))
    assert data_of(attention(x, memory)) == data_of(attention(x, memory, memory))


@pytest.mark.parametrize("causal", [False, True])
def test_gradients_of_attention_are_right(causal: bool) -> None:
    attention, x = drawn(nn.MultiHeadAttention(2, 2, causal=causal)), vectors(2, 2).tolist()
    numbers = [p.data for p in attention.parameters()]
    check_grads(lambda numbers, x: scored(with_parameters(attention, numbers)(x)), (numbers, x))


@pytest.mark.torch
@pytest.mark.parametrize("masked", ["not", "causal", "mask", "mask and causal"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("width", "heads", "queries", "keys"), SHAPES)
def test_attention_equals_torchs(width: int, heads: int, queries: int, keys: int, bias: bool, masked: str) -> None:
    torch = pytest.importorskip("torch")
    attention = drawn(nn.MultiHeadAttention(width, heads, causal="causal" in masked, bias=bias))
    theirs = torch.nn.MultiheadAttention(width, heads, bias=bias, batch_first=True, dtype=torch.float64)
    *of_inputs, output = [getattr(attention, part) for part in PARTS]
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.tensor(np.concatenate(list(map(weights, of_inputs)))))
        theirs.out_proj.weight.copy_(torch.tensor(weights(output)))
        if bias:
            theirs.in_proj_bias.copy_(torch.tensor(np.concatenate(list(map(biases, of_inputs)))))
            theirs.out_proj.bias.copy_(torch.tensor(biases(output)))
    rows = [vectors(queries, width, 1), vectors(keys, width, 2), vectors(keys, width, 3)]
    mask = mask_of(queries, keys) if "mask" in masked else None
    seen = np.ones((queries, keys), bool) if mask is None else mask
    seen = np.tril(seen) if "causal" in masked else seen
    if not seen.any(axis=1).all():
        seen[:, 0] = True
        mask = seen
    xs = [torch.tensor(row[None], requires_grad=True) for row in rows]
    y, shares = theirs(*xs, attn_mask=torch.tensor(~seen), average_attn_weights=False)
    (y * torch.sin(1.0 + torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape)).sum().backward()

    inputs = [[[Value(x) for x in vector] for vector in row] for row in rows]
    outputs = attention(*inputs, mask)
    scored(outputs).backward()
    np.testing.assert_allclose(data_of(outputs), y[0].detach(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(data_of(attention.weights(*inputs[:2], mask)), shares[0].detach(), rtol=0, atol=1e-12)
    for ours, x in zip(inputs, xs, strict=True):
        np.testing.assert_allclose([v.grad for v in flat(ours)], x.grad.flatten(), rtol=0, atol=1e-12)
    slopes = [[w.grad for w in neuron.w] for layer in of_inputs for neuron in layer.neurons]
    np.testing.assert_allclose(slopes, theirs.in_proj_weight.grad, rtol=0, atol=1e-12)
    slopes = [[w.grad for w in neuron.w] for neuron in output.neurons]
    np.testing.assert_allclose(slopes, theirs.out_proj.weight.grad, rtol=0, atol=1e-12)
    if bias:
        slopes = [neuron.b.grad for layer in of_inputs for neuron in layer.neurons]
        np.testing.assert_allclose(slopes, theirs.in_proj_bias.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_compiles_to_one_program_that_gives_what_eager_code_gives(causal: bool) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 4, 4))
    assert_compiled_equals_eager(
        lambda attention, x: attention(x), drawn(nn.MultiHeadAttention(4, 2, causal=causal)), rows
    )


# --- masks ---


def test_a_mask_may_be_data_of_a_compiled_function() -> None:
    attention = drawn(nn.MultiHeadAttention(4, 2))
    rows, masks = np.random.default_rng(0).normal(size=(3, 4, 4)), np.tril(np.ones((3, 4, 4)))
    masks[1, 3, 1] = masks[2, 2, 0] = 0.0
    assert_compiled_equals_eager(lambda attention, x, mask: attention(x, mask=mask), attention, rows, masks)
    compiled = ad.compile(lambda x, mask: attention(x, mask=mask))
    for row, mask in zip(rows, masks, strict=True):
        np.testing.assert_allclose(compiled(row, mask), data_of(attention(row, mask=mask)), rtol=0, atol=1e-12)
    assert np.isnan(compiled(rows[0], np.zeros((4, 4)))).all()
    assert compiled.stats().paths == 1


def test_a_hidden_key_counts_nothing_and_has_no_gradient() -> None:
    attention = drawn(nn.MultiHeadAttention(2, 1))
    x = [[Value(n) for n in vector] for vector in ([1.0, 2.0], [float("inf"), float("nan")])]
    y = attention(x[:1], x, mask=[[True, False]])
    assert data_of(y) == data_of(attention(x[:1]))
    scored(y).backward()
    assert [n.grad for n in x[1]] == [0.0, 0.0]


def test_weights_of_what_is_hidden_are_the_constant_0() -> None:
    attention, x = drawn(nn.MultiHeadAttention(4, 2, causal=True)), vectors(3, 4)
    for of_head in attention.weights(x):
        assert [[type(share) for share in shares] for shares in of_head] == [
            [Value, float, float],
            [Value, Value, float],
            [Value, Value, Value],
        ]
    assert data_of(attention.weights(x)) == data_of(attention.weights(x, x))


def test_causal_attention_sees_no_later_item() -> None:
    attention, x = drawn(nn.MultiHeadAttention(4, 2, causal=True)), vectors(4, 4)
    whole = data_of(attention(x))
    assert [data_of(attention(x[:n])) for n in range(1, 5)] == [whole[:n] for n in range(1, 5)]


def test_huge_scores_do_not_overflow() -> None:
    attention = nn.MultiHeadAttention(2, 1, init="ones", seed=0)
    assert data_of(attention([[1e3, 1e3]], [[1e3, 1e3], [-1e3, 1e3]])) == [[4000.0, 4000.0]]


# --- making and misusing it ---


@pytest.mark.parametrize(
    "attention", [nn.MultiHeadAttention(4, 2, bias=False, seed=0), nn.MultiHeadAttention(2, 1, causal=True)]
)
def test_a_configuration_makes_attention_of_the_same_shape(attention: Any) -> None:
    again = nn.MultiHeadAttention(**json.loads(json.dumps(attention.config())))
    again.load_state_dict(attention.state_dict())
    x = vectors(3, attention.width)
    assert data_of(again(x)) == data_of(attention(x))
    assert repr(again) == repr(attention)


def test_parameters_are_named_by_what_they_make() -> None:
    names = [name for name, _ in nn.MultiHeadAttention(1, 1, seed=0).named_parameters()]
    assert names == [f"{part}.neurons.0.{name}" for part in PARTS for name in ("w.0", "b")]


@pytest.mark.parametrize("kind", [float, np.float64, Value])
def test_vectors_are_lists_or_arrays_of_any_numbers(kind: Any) -> None:
    attention, x = drawn(nn.MultiHeadAttention(2, 1)), vectors(3, 2)
    listed = [[kind(n) for n in vector] for vector in x]
    for those in (listed, tuple(listed), np.array(listed), list(np.array(listed))):
        assert data_of(attention(those)) == data_of(attention(x))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.MultiHeadAttention(4, 3), ValueError, "width is a multiple of heads, got 4 and 3"),
        (lambda: nn.MultiHeadAttention(4, 0), ValueError, "heads is a whole number of at least 1, got 0"),
        (
            lambda: nn.MultiHeadAttention(2, 1)([[1.0]]),
            ValueError,
            r"MultiHeadAttention.query expects .* 2 inputs, got 1",
        ),
        (lambda: nn.MultiHeadAttention(1, 1)([1.0]), TypeError, r"MultiHeadAttention.query expects .* got float"),
        (lambda: nn.MultiHeadAttention(1, 1)([[1.0]], [[1.0]], [[1.0]] * 2), ValueError, "for each key, got 1 and 2"),
        (
            lambda: nn.MultiHeadAttention(1, 1)([[1.0]], mask=[[True] * 2]),
            ValueError,
            r"row of 1, .* got 1 rows .*\[2\]",
        ),
        (lambda: nn.MultiHeadAttention(1, 1)([[1.0]], mask=[]), ValueError, "for each of 1 queries, got 0 rows"),
        (lambda: nn.MultiHeadAttention(1, 1)([[1.0]], mask=[[False]]), ValueError, "query 0 sees no key"),
    ],
)
def test_what_does_not_fit_is_refused_by_what_was_given_and_expected(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_torchs_name_leads_here() -> None:
    with pytest.raises(AttributeError, match=r"nn.MultiHeadAttention\(width, heads\)"):
        nn.MultiheadAttention  # noqa: B018
