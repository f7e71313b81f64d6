"""Sequential, Dropout, norms, Embedding: against their formulas, differences, torch, and themselves when compiled."""

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff
import nn
from autodiff import Value
from autodiff.testing import check_grads
from tests.needs import need_backend
from tests.nn.both_ways import data_of


def flat(outputs: Any) -> list[Any]:
    """Return the numbers in nested lists, or a single one, as a list."""
    return [number for part in outputs for number in flat(part)] if isinstance(outputs, list) else [outputs]


def with_odd_parameters(model: Any) -> Any:
    """Return the model with parameters unlike those that it starts with, such as weights of 1 and biases of 0."""
    rng = random.Random(1)
    for parameter in model.parameters():
        parameter.data = rng.uniform(0.2, 1.5)
    return model


def as_a_function(model: Any, x: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return f(parameters, x) and a point of it, for checks of gradients by both; f sets the parameters by name."""
    names = [name for name, _ in model.named_parameters()]

    def f(numbers: list[Any], x: Any) -> Any:
        twin = copy.deepcopy(model)
        for name, number in zip(names, numbers, strict=True):
            *path, last = name.split(".")
            holder = twin
            for key in path:
                holder = holder[int(key)] if isinstance(holder, list) else getattr(holder, key)
            if isinstance(holder, list):
                holder[int(last)] = number
            else:
                setattr(holder, last, number)
        return twin(x)

    return f, ([parameter.data for parameter in model.parameters()], x)


def programs_of(compiled: Any) -> int:
    """Return how many programs a compiled function has: one for each way through it."""
    return sum(len(versions) for versions in compiled._dispatcher.versions.values())


X = [0.5, -1.25, 2.0]
NORMS = [
    *[nn.LayerNorm(3), nn.RMSNorm(3), nn.LayerNorm(3, eps=0.5), nn.RMSNorm(3, eps=0.5)],
    *[nn.LayerNorm(3, elementwise_affine=False), nn.RMSNorm(3, elementwise_affine=False)],
]
CHAINS = [
    nn.Sequential(nn.Layer(3, 4, "linear", seed=0), nn.LayerNorm(4), "tanh", nn.Layer(4, 2, "linear", seed=1)),
    nn.Sequential(nn.Layer(3, 1, "tanh", seed=0), nn.Layer(1, 2, "linear", seed=1), autodiff.softmax),
    nn.Sequential(nn.RMSNorm(3), nn.Sequential("sigmoid", nn.MLP(3, [2, 1], "gelu", seed=0))),
]


@pytest.mark.parametrize("layer", [*NORMS, *CHAINS], ids=repr)
def test_gradients_by_parameters_and_inputs_match_differences(layer: Any) -> None:
    check_grads(*as_a_function(with_odd_parameters(layer), X))


def test_gradients_of_an_embedding_match_differences() -> None:
    f, (numbers, _) = as_a_function(nn.Embedding(3, 2, seed=0), 1)
    check_grads(lambda numbers: f(numbers, [1, 0, 1]), (numbers,))


@pytest.mark.parametrize("layer", [*NORMS, *CHAINS], ids=repr)
def test_compiled_layers_are_one_program_equal_to_eager(layer: Any) -> None:
    rows = np.random.default_rng(0).normal(0.0, 1.0, (20, 3))
    layer = with_odd_parameters(layer)
    compiled = autodiff.compile(lambda x: flat(layer(x)), rows=(0,))
    eager = [data_of(flat(layer(list(row)))) for row in rows]
    np.testing.assert_allclose(np.array(compiled(rows)), eager, rtol=1e-12, atol=1e-12)
    assert programs_of(compiled) == 1


# --- Sequential ---


def test_a_chain_of_layers_is_an_mlp() -> None:
    mlp = nn.MLP(3, [4, 2], seed=0)
    chain = nn.Sequential(*mlp.layers)
    assert [y.data for y in chain(X)] == [y.data for y in mlp(X)]
    assert chain.state_dict() == mlp.state_dict()


def test_a_step_is_a_module_an_activation_or_a_function_of_the_whole_list() -> None:
    by_name, by_function = (nn.Sequential(nn.LayerNorm(3), step) for step in ("relu", autodiff.relu))
    expected = [autodiff.relu(y).data for y in nn.LayerNorm(3)(X)]
    assert [y.data for y in by_name(X)] == [y.data for y in by_function(X)] == expected
    assert repr(by_name) == repr(by_function) == "Sequential(LayerNorm(3), 'relu')"
    assert nn.Sequential(autodiff.logsumexp)([Value(0.0), Value(0.0)]).data == pytest.approx(np.log(2))
    assert nn.Sequential("relu")([[1.0, -1.0], [-2.0]]) == [[1.0, 0.0], [0.0]]


def test_a_single_output_is_a_value_and_a_list_of_one_between_steps() -> None:
    chain = nn.Sequential(nn.Layer(3, 1, seed=0), nn.Layer(1, 2, seed=1), nn.Layer(2, 1, "linear", seed=2))
    assert isinstance(chain(X), Value)
    assert isinstance(nn.Sequential(chain, "tanh")(X), Value)
    assert len(nn.Sequential(nn.Embedding(3, 1, seed=0))([2])) == 1  # a list of one vector stays one


def test_an_error_says_in_which_step_of_a_chain_it_happened() -> None:
    chain = nn.Sequential(nn.Layer(3, 4, seed=0), nn.Sequential("relu", nn.Layer(3, 1, seed=0)))
    with pytest.raises(ValueError, match="Layer expects a list of 3 inputs, got 4") as caught:
        chain(X)
    assert caught.value.__notes__ == [
        "in step 1 of Sequential, Layer(3, 1, 'relu')",
        "in step 1 of Sequential, Sequential('relu', Layer(3, 1, 'relu'))",
    ]


def test_chains_are_drawn_with_what_has_weights() -> None:
    chain = nn.Sequential(nn.Layer(3, 4, seed=0), nn.LayerNorm(4), nn.Dropout(0.5, seed=0), nn.Layer(4, 2, seed=1))
    lines = autodiff.draw(chain).text().splitlines()  # type: ignore[call-overload]
    assert [line.split()[0] for line in lines[1:]] == ["layers.0", "layers.3"]
    with autodiff.record_source():
        outputs = chain(X)
    assert {y.source.modules for y in outputs} == {("Sequential", "layers.3", f"neurons.{i}") for i in range(2)}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Sequential(), ValueError, "at least one step, got none"),
        (lambda: nn.Sequential("rleu"), ValueError, "no activation is called 'rleu'; known are linear, relu"),
        (lambda: nn.Sequential(nn.Layer), TypeError, "is a module, a function, or the name .*, got <class"),
        (lambda: nn.Sequential([nn.Layer(1, 1)]), TypeError, "is a module, a function, or the name"),
        (lambda: nn.Sequential(autodiff.softmax).config(), TypeError, "softmax cannot be recorded"),
        (lambda: nn.Dropout(1.0), ValueError, "a probability p, at least 0 and below 1, got 1.0"),
        (lambda: nn.Dropout(-0.1), ValueError, "at least 0 and below 1, got -0.1"),
        (lambda: nn.Dropout(float("nan")), ValueError, "at least 0 and below 1, got nan"),
        (lambda: nn.Dropout("0.5"), TypeError, "not supported between instances of 'int' and 'str'"),
        (lambda: nn.LayerNorm(0), ValueError, "width is a whole number of at least 1, got 0"),
        (lambda: nn.RMSNorm(2, eps=-1.0), ValueError, "eps is a number of at least 0, got -1.0"),
        (lambda: nn.LayerNorm(2)([1.0]), ValueError, "LayerNorm expects a list of 2 inputs, got 1"),
        (lambda: nn.RMSNorm(2)(1.0), TypeError, "RMSNorm expects a list of 2 inputs, got float"),
        (lambda: nn.RMSNorm(2)([[1.0, 2.0], [1.0]]), ValueError, "RMSNorm expects a list of 2 inputs, got 1"),
        (lambda: nn.Embedding(0, 2), ValueError, "count is a whole number of at least 1, got 0"),
        (lambda: nn.Embedding(2, 2, init="norm"), ValueError, "no initialiser is called 'norm'"),
    ],
)
def test_arguments_are_checked(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("layer", [*NORMS, CHAINS[0], CHAINS[2], nn.Dropout(0.3), nn.Embedding(4, 2)], ids=repr)
def test_a_configuration_makes_a_layer_of_the_same_shape(layer: Any) -> None:
    twin = type(layer)(**layer.config())
    twin.load_state_dict(layer.state_dict())
    assert (repr(twin), twin.state_dict()) == (repr(layer), layer.state_dict())


# --- Dropout ---


def test_dropout_leaves_out_a_share_p_and_scales_the_rest() -> None:
    x = [Value(float(i + 1)) for i in range(4_000)]
    outputs = nn.Dropout(0.25, seed=0)(x)
    autodiff.sum(outputs).backward()
    share = np.mean([y.data == 0.0 for y in outputs])
    assert share == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 4_000))
    assert all(y.data in (0.0, v.data / 0.75) for y, v in zip(outputs, x, strict=True))
    assert all(v.grad == (1 / 0.75 if y.data else 0.0) for y, v in zip(outputs, x, strict=True))


def test_dropout_draws_one_number_for_each_that_it_needs() -> None:
    dropout, rng = nn.Dropout(0.5, seed=3), random.Random(3)
    outputs = dropout([[1.0, 1.0], [1.0]])
    assert outputs == [[2.0 * (rng.random() >= 0.5) for _ in range(2)], [2.0 * (rng.random() >= 0.5)]]
    before = rng.getstate()
    assert nn.Dropout(0.0, rng=rng)(X) == nn.Dropout(0.9, rng=rng).eval()(X) == X
    assert rng.getstate() == before


def test_what_is_left_out_passes_nothing_on() -> None:
    x = Value(0.0)
    [y] = nn.Dropout(0.999, seed=0)([autodiff.log(x)])
    y.backward()
    assert (y.data, x.grad) == (0.0, 0.0)


def test_dropout_compiles_where_its_numbers_are_arguments() -> None:
    class Given(random.Random):
        """A source whose numbers are those that a compiled function was handed."""

        def random(self) -> Any:
            return next(self.numbers)  # type: ignore[attr-defined]

    dropout = nn.Dropout(0.5, seed=0)
    dropout.rng = Given()

    def f(x: Any, numbers: Any) -> Any:
        dropout.rng.numbers = iter(numbers)  # type: ignore[attr-defined]
        outputs = dropout(x)
        del dropout.rng.numbers  # type: ignore[attr-defined]
        return outputs

    compiled = autodiff.compile(f)
    for numbers in ([0.1, 0.6, 0.5], [0.7, 0.2, 0.3]):
        assert list(compiled(X, numbers)) == f(X, numbers)
    assert programs_of(compiled) == 1


# --- norms ---


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_a_layer_norm_has_mean_0_and_variance_1_whatever_is_added_to_its_inputs(offset: float) -> None:
    outputs = [y.data for y in nn.LayerNorm(3, eps=0.0)([x + offset for x in X])]
    np.testing.assert_allclose([np.mean(outputs), np.var(outputs)], [0.0, 1.0], atol=1e-7 if offset else 1e-15)


def test_norms_are_their_formulas() -> None:
    layer, rms = with_odd_parameters(nn.LayerNorm(3, eps=0.1)), with_odd_parameters(nn.RMSNorm(3, eps=0.1))
    x, w, b = np.array(X), *(np.array([p.data for p in held]) for held in (layer.weight, layer.bias))
    expected = w * (x - x.mean()) / np.sqrt(x.var() + 0.1) + b
    np.testing.assert_allclose([y.data for y in layer(x)], expected, rtol=1e-14)
    w = np.array([p.data for p in rms.weight])
    np.testing.assert_allclose([y.data for y in rms(x)], w * x / np.sqrt(np.mean(x**2) + 0.1), rtol=1e-14)


def test_norms_without_parameters_are_those_whose_weights_are_1_and_biases_0() -> None:
    for kind in (nn.LayerNorm, nn.RMSNorm):
        plain = kind(3, elementwise_affine=False)
        assert plain.parameters() == []
        assert plain(X) == data_of(kind(3)(X))
        assert repr(plain) == f"{kind.__name__}(3, elementwise_affine=False)"


def test_norms_take_vectors_one_by_one() -> None:
    for norm in map(with_odd_parameters, NORMS):
        nested = norm([[X, X[::-1]], [X, X]])
        assert data_of(nested[0][1]) == data_of(norm(X[::-1]))


def test_vectors_whose_numbers_are_the_same_have_finite_gradients() -> None:
    x = [Value(2.0)] * 3
    autodiff.sum(nn.LayerNorm(3)(x)).backward()
    assert np.isfinite(x[0].grad)


@pytest.mark.parametrize("kind", [nn.LayerNorm, nn.RMSNorm])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("x", [[0.0, 0.0], [2.0, 2.0], [1e-200, -1e-200], [1e200, 1.0], [1, 3]], ids=str)
def test_norms_of_floats_are_those_of_values(kind: Any, affine: bool, x: list[float]) -> None:
    """Where all is 0, a divisor without eps is 0, too: nan, and no error."""
    norm = kind(2, eps=0.0, elementwise_affine=affine)
    np.testing.assert_array_equal(data_of(norm(x)), data_of(norm([*map(Value, x)])))


# --- Embedding ---


def test_an_embedding_looks_up_its_vectors() -> None:
    table = nn.Embedding(4, 2, seed=0)
    for index in (2, 2.0, np.int64(2), np.uint8(2), Value(2.0)):
        assert [w.data for w in table(index)] == [w.data for w in table.weight[2]]
    assert table([1, [2, 3]]) == [table.weight[1], [table.weight[2], table.weight[3]]]
    assert table(np.array([1, 0])) == table(range(1, -1, -1)) == [table.weight[1], table.weight[0]]


@pytest.mark.parametrize("index", [4, -1, 1.5, float("nan"), "a", None, Value(4.0), Value(0.5)])
def test_an_index_out_of_range_is_refused(index: Any) -> None:
    with pytest.raises(ValueError, match="Embedding takes an index from 0 to 3, got"):
        nn.Embedding(4, 2, seed=0)(index)


@pytest.mark.parametrize("backend", ["python", "native"])
def test_a_compiled_embedding_selects_in_one_program_and_is_nan_out_of_range(backend: Any) -> None:
    need_backend(backend)
    table = nn.Embedding(4, 2, seed=0)
    table.weight[3][0].data = float("inf")  # touches no other vector
    compiled = autodiff.compile(lambda i: table(i), rows=(0,), backend=backend)
    found = np.array(compiled(np.array([0, 1, 2, 3, 4, -1, 0.5, np.nan])))
    np.testing.assert_array_equal(found[:4], [[w.data for w in row] for row in table.weight])
    assert np.isnan(found[4:]).all()
    assert programs_of(compiled) == 1


def test_gradients_of_a_compiled_embedding_reach_the_vectors_that_were_chosen() -> None:
    table = nn.Embedding(4, 2, seed=0)

    def f(indices: Any) -> Any:
        return autodiff.sum([autodiff.sum([y * y for y in vector]) for vector in table(indices)])

    f([1, 3, 1]).backward()
    eager = [[w.grad for w in row] for row in table.weight]
    table.zero_grad()
    autodiff.compile(f).backward([1, 3, 1])
    assert [[w.grad for w in row] for row in table.weight] == eager


def test_an_embedding_by_name_counts_its_vectors_as_inputs() -> None:
    seen: set[tuple[int, int]] = set()
    nn.Embedding(5, 2, init=lambda rng, nin, nout: float(len(seen.add((nin, nout)) or seen)))  # type: ignore[func-returns-value]
    assert seen == {(5, 2)}


# --- torch ---


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["LayerNorm", "RMSNorm"])
@pytest.mark.parametrize("settings", [{}, {"eps": 0.3}, {"elementwise_affine": False}], ids=str)
def test_norms_equal_torchs(kind: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, slopes = rng.normal(1.0, 3.0, (4, 6)), rng.normal(0.0, 1.0, (4, 6))
    ours = with_odd_parameters(getattr(nn, kind)(6, **settings))
    theirs = getattr(torch.nn, kind)(6, **settings, dtype=torch.float64)
    for name, tensor in theirs.named_parameters():
        tensor.data = torch.tensor([p.data for p in getattr(ours, name)], dtype=torch.float64)
    inputs, tensor = [[Value(v) for v in row] for row in x], torch.tensor(x, requires_grad=True)
    outputs, expected = ours(inputs), theirs(tensor)
    autodiff.dot(flat(outputs), slopes.ravel().tolist()).backward()
    expected.backward(torch.tensor(slopes))
    assert_close([y.data for y in flat(outputs)], expected)
    assert_close([v.grad for v in flat(inputs)], tensor.grad)
    for name, tensor in theirs.named_parameters():
        assert_close([p.grad for p in getattr(ours, name)], tensor.grad)


@pytest.mark.torch
def test_an_embedding_equals_torchs() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = nn.Embedding(5, 3, seed=0), torch.nn.Embedding(5, 3, dtype=torch.float64)
    theirs.weight.data = torch.tensor([[w.data for w in row] for row in ours.weight], dtype=torch.float64)
    outputs, expected = ours([3, 1, 3]), theirs(torch.tensor([3, 1, 3]))
    autodiff.sum([y * y for y in flat(outputs)]).backward()
    (expected**2).sum().backward()
    assert_close([y.data for y in flat(outputs)], expected)
    assert_close([w.grad for w in flat(ours.weight)], theirs.weight.grad)


@pytest.mark.torch
def test_a_chain_equals_torchs() -> None:
    torch = pytest.importorskip("torch")
    ours = nn.Sequential(
        nn.Layer(3, 5, "linear", seed=0), nn.LayerNorm(5), "gelu", nn.Dropout(0.5), nn.Layer(5, 2, "linear", seed=1)
    ).eval()
    kinds = torch.nn.Linear(3, 5), torch.nn.LayerNorm(5), torch.nn.GELU(), torch.nn.Dropout(0.5), torch.nn.Linear(5, 2)
    theirs = torch.nn.Sequential(*kinds).double().eval()
    norm = with_odd_parameters(ours.layers[1])
    for i in (0, 4):
        neurons = ours.layers[i].neurons  # type: ignore[union-attr]
        theirs[i].weight.data = torch.tensor([[w.data for w in neuron.w] for neuron in neurons], dtype=torch.float64)
        theirs[i].bias.data = torch.tensor([neuron.b.data for neuron in neurons], dtype=torch.float64)
    for name in ("weight", "bias"):
        getattr(theirs[1], name).data = torch.tensor([p.data for p in getattr(norm, name)], dtype=torch.float64)
    inputs, tensor = [Value(v) for v in X], torch.tensor(X, dtype=torch.float64, requires_grad=True)
    outputs, expected = ours(inputs), theirs(tensor)
    autodiff.sum(outputs).backward()
    expected.sum().backward()
    assert_close([y.data for y in outputs], expected)
    assert_close([v.grad for v in inputs], tensor.grad)
    gradients = [[w.grad for w in neuron.w] for neuron in ours.layers[0].neurons]  # type: ignore[union-attr]
    assert_close(flat(gradients), theirs[0].weight.grad)


def assert_close(ours: list[float], theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs.detach().numpy().ravel(), rtol=1e-12, atol=1e-12)
