"""nn: modules, layers, initialisers, losses, SGD."""

import collections
import copy
import enum
import math
import pickle
import random
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Value
from nn import init

# --- calls ---


def test_neuron_is_three_nodes_activation_of_dot_plus_bias() -> None:
    neuron = nn.Neuron(3, "tanh", seed=0)
    out = neuron([1.0, 2.0, 3.0])
    assert out.op is ad.tanh
    total = out.operands[0]
    assert total.op is ad.add
    assert total.operands[1] is neuron.b
    assert total.operands[0].operands == (*neuron.w, 1.0, 2.0, 3.0)
    assert out.data == math.tanh(sum(w.data * x for w, x in zip(neuron.w, [1.0, 2.0, 3.0], strict=True)))


def test_mlp_follows_micrograds_call_convention() -> None:
    assert isinstance(nn.MLP(2, [4, 1], seed=0)([1.0, 2.0]), Value)
    outs = nn.MLP(2, [4, 3], seed=0)([Value(1.0), Value(2.0)])
    assert [type(y) for y in outs] == [Value] * 3
    assert isinstance(nn.Layer(2, 1, seed=0)([1.0, 2.0]), Value)
    assert isinstance(nn.MLP(2, [1, 1], seed=0)([1.0, 2.0]), Value)


def test_last_layer_is_linear() -> None:
    model = nn.MLP(1, [4, 1], activation="relu", seed=1)
    assert model([1.0]).op is ad.add
    assert model.layers[0]([1.0])[0].op is ad.relu


@pytest.mark.parametrize("name", nn.layers.ACTIVATIONS)
def test_activation_by_name_or_function(name: str) -> None:
    function = nn.layers.ACTIVATIONS[name]
    assert nn.Neuron(2, name, seed=3).state_dict() == nn.Neuron(2, function, seed=3).state_dict()
    by_name, by_function = (
        nn.Neuron(2, name, seed=3, init=init.uniform()),
        nn.Neuron(2, function, seed=3, init=init.uniform()),
    )
    assert by_name([1.0, -2.0]).data == by_function([1.0, -2.0]).data


def test_inputs_may_be_lists_tuples_arrays_of_numbers_or_values() -> None:
    model = nn.MLP(2, [3, 1], seed=0)
    x = [0.5, -1.5]
    outs = [
        model(x),
        model(tuple(x)),
        model(np.array(x)),
        model([Value(v) for v in x]),
        model([1 / 2, np.float64(-1.5)]),
    ]
    assert len({y.data for y in outs}) == 1
    assert nn.Neuron(2, seed=0)(np.array(x)).data == nn.Neuron(2, seed=0)(x).data


def test_gradients_of_a_network_match_differences() -> None:
    model = nn.MLP(3, [4, 4, 2], activation="tanh", seed=0)

    def loss() -> Any:
        return nn.cross_entropy(model([0.5, -1.0, 2.0]), 1)

    loss().backward()
    for name, p in model.named_parameters():
        kept, h = p.data, 1e-6
        p.data = kept + h
        above = loss().data
        p.data = kept - h
        below = loss().data
        p.data = kept
        assert p.grad == pytest.approx((above - below) / (2 * h), rel=1e-6, abs=1e-9), name


# --- bad input ---


def test_wrong_width_names_the_layer_what_it_expects_and_what_it_got() -> None:
    model = nn.MLP(3, [4, 1], seed=0)
    with pytest.raises(ValueError, match=r"layers\[0\] expects a list of 3 inputs, got 2"):
        model([1.0, 2.0])
    model.layers[1] = nn.Layer(5, 1, name="layers[1]")
    with pytest.raises(ValueError, match=r"expects a list of 3 inputs, got 2 lists; call it with one at a time"):
        nn.MLP(3, [1])([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    with pytest.raises(ValueError, match=r"layers\[1\] expects a list of 5 inputs, got 4"):
        model([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="Neuron expects a list of 2 inputs, got 3"):
        nn.Neuron(2)([1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match=r"layers\[0\] expects a list of 1 inputs, got float; write \[x\]"):
        nn.MLP(1, [1])(2.0)
    with pytest.raises(TypeError, match="expected a number, got str 'a'"):
        nn.Neuron(2)(["a", 1.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Neuron(0), "nin is a whole number of at least 1, got 0"),
        (lambda: nn.Neuron(2.0), "nin is a whole number of at least 1, got 2.0"),
        (lambda: nn.Layer(2, True), "nout is a whole number of at least 1, got True"),
        (lambda: nn.MLP(2, []), r"nouts is a list with the width of each layer, got \[\]"),
        (lambda: nn.MLP(2, 3), "nouts is a list with the width of each layer, got 3"),
        (lambda: nn.MLP(2, [1], activation="rleu"), "no activation is called 'rleu'; known are linear, relu"),
        (lambda: nn.MLP(2, [1], seed=1, rng=random.Random(1)), "either seed or rng, not both"),
        (lambda: nn.SGD([Value(1.0)], lr=0.0), "learning rate is above 0 and finite, got 0.0"),
        (lambda: nn.SGD([Value(1.0)], lr=math.inf), "learning rate is above 0 and finite, got inf"),
        (lambda: nn.SGD([]), "SGD takes at least one parameter, got none"),
        (lambda: nn.Neuron(2, ["relu"]), r"no activation is called \['relu'\]"),
        (lambda: nn.SGD([Value(1.0)], momentum=1.0), "momentum is at least 0 and below 1, got 1.0"),
        (lambda: nn.SGD([Value(1.0)], momentum=-0.1), "momentum is at least 0 and below 1, got -0.1"),
    ],
)
def test_arguments_are_checked(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.SGD([Value(1.0)], lr="0.1"), "expected a number, got str '0.1'"),
        (lambda: nn.SGD([Value(1.0)], lr=Value(0.1)), r"takes a number, got Value\(0.1"),
        (lambda: nn.SGD(nn.Neuron(1)), r"SGD takes a list of Values, got Neuron; pass model.parameters\(\)"),
        (lambda: nn.Neuron(1, rng=5), "rng is a random.Random, got int; give a number as seed"),
        (lambda: nn.MLP(1, [1])(np.array(1.0)), r"expects a list of 1 inputs, got float; write \[x\]"),
    ],
)
def test_arguments_of_the_wrong_kind_are_named(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_widths_may_be_numpy_integers_in_any_list() -> None:
    model = nn.MLP(np.int64(2), np.array([3, 1]), seed=0)
    assert model.state_dict() == nn.MLP(2, (3, 1), seed=0).state_dict()


# --- parameters and state ---


class Shared(nn.Module):
    """Holds one parameter twice, modules in a dict, itself, and things that are no parameters."""

    def __init__(self) -> None:
        self.scale = Value(2.0)
        self.parts: dict[str, Any] = {"first": nn.Neuron(1, seed=0), "again": [self.scale, (Value(5.0),)]}
        self.cached = self.scale * 3.0
        self.name = "shared"
        self.me = self


def test_parameters_are_the_leaves_each_once_in_order() -> None:
    module = Shared()
    assert [name for name, _ in module.named_parameters()] == [
        "scale",
        "parts.first.w.0",
        "parts.first.b",
        "parts.again.1.0",
    ]
    assert module.parameters() == [p for _, p in module.named_parameters()]
    model = nn.MLP(3, [4, 2], seed=0)
    assert len(model.parameters()) == 3 * 4 + 4 + 4 * 2 + 2


def test_parameters_and_neurons_have_names_for_drawings_and_errors() -> None:
    model = nn.MLP(2, [3, 1], seed=0)
    assert [p.label for p in model.layers[1].neurons[0].parameters()] == ["w0", "w1", "w2", "b"]
    with pytest.raises(ValueError, match=r"layers\[0\]\.neurons\[2\] expects a list of 2 inputs, got 1"):
        model.layers[0].neurons[2]([1.0])


def test_child_is_named_by_its_path_also_where_holders_hold_each_other() -> None:
    module = Shared()
    module.parts["again"].append(module.parts)
    assert module.child_name(module.parts["first"]) == "parts.first"
    assert module.child_name(nn.Neuron(1)) is None


def test_zero_grad_clears_every_parameter() -> None:
    model = nn.MLP(2, [3, 1], seed=0)
    model([1.0, 2.0]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert {p.grad for p in model.parameters()} == {0.0}


def test_state_of_one_model_makes_another_compute_the_same() -> None:
    one, other = nn.MLP(2, [3, 1], seed=0), nn.MLP(2, [3, 1], seed=1)
    assert one([1.0, 2.0]).data != other([1.0, 2.0]).data
    other.load_state_dict(one.state_dict())
    assert one([1.0, 2.0]).data == other([1.0, 2.0]).data
    assert one.parameters()[0] is not other.parameters()[0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda s: s.pop("layers.0.neurons.0.w.0"),
            KeyError,
            r"missing \['layers\.0\.neurons\.0\.w\.0'\], unexpected \[\]",
        ),
        (lambda s: s.update(extra=1.0), KeyError, r"missing \[\], unexpected \['extra'\]"),
        (
            lambda s: s.update({"layers.1.neurons.0.b": "1"}),
            TypeError,
            r"entry 'layers\.1\.neurons\.0\.b': expected a number",
        ),
        (lambda s: s.update({"layers.1.neurons.0.b": None}), TypeError, "expected a number, got NoneType"),
    ],
)
def test_state_that_does_not_fit_loads_nothing(change: Any, error: type[Exception], message: str) -> None:
    model = nn.MLP(2, [3, 1], seed=0)
    before = model.state_dict()
    state = nn.MLP(2, [3, 1], seed=1).state_dict()
    change(state)
    with pytest.raises(error, match=message):
        model.load_state_dict(state)
    assert model.state_dict() == before


def test_parameters_of_one_name_are_refused_by_state_dict() -> None:
    module = nn.Module()
    module.parts = {"a.b": Value(1.0), "a": {"b": Value(2.0)}}  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"two parameters of Module are called 'parts\.a\.b'"):
        module.state_dict()


class Recurrent(nn.Module):
    """A cell that keeps its state from call to call, detached."""

    def __init__(self) -> None:
        self.w, self.u = Value(0.5), Value(-0.3)
        self.h: Any = 0.0

    def __call__(self, x: float) -> Value:
        h = ad.tanh(self.w * x + self.u * self.h)
        self.h = h.detach()
        return h


def no_grad_result(x: Value) -> Any:
    with ad.no_grad():
        return x * x


@pytest.mark.parametrize(
    "result",
    [
        lambda x: x * x,
        lambda x: (x * x).detach(),
        lambda x: x.detach(),
        no_grad_result,
        lambda x: ad.no_grad()(ad.dot)([x, x], [x, 2.0]),
        lambda x: ad.no_grad()(ad.softmax)([x, x])[0],
        lambda x: ad.gradient(x * 3.0, x),
        lambda x: ad.no_grad()(ad.checkpoint(lambda y: y * y))(x),
        lambda x: copy.copy(x.detach()),
        lambda x: copy.deepcopy([x.detach()])[0],
        lambda x: pickle.loads(pickle.dumps({"h": x.detach()}))["h"],
    ],
)
def test_results_of_operations_are_no_parameters(result: Any) -> None:
    module: Any = nn.Module()
    module.w = Value(2.0)
    module.kept = [result(module.w)]
    assert module.kept[0].is_result
    assert module.parameters() == [module.w]
    assert module.state_dict() == {"w": 2.0}


def test_leaves_that_were_written_are_parameters_also_as_copies() -> None:
    module: Any = nn.Module()
    x = Value(2.0)
    module.parts = [x, Value((x * x).data), copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x)), +x]
    assert not any(part.is_result for part in module.parts)
    assert [name for name, _ in module.named_parameters()] == [f"parts.{i}" for i in range(5)]  # +x is x


def test_state_kept_between_calls_is_not_trained_and_not_saved() -> None:
    cell = Recurrent()
    sgd = nn.SGD(cell.parameters(), lr=0.1)
    for x in (1.0, -0.5):
        sgd.zero_grad()
        ((cell(x) - 0.2) ** 2).backward()
        sgd.step()
    assert cell.state_dict().keys() == {"w", "u"}
    state = cell.h.data
    nn.SGD(cell.parameters()).step()
    assert cell.h.data == state
    Recurrent().load_state_dict(cell.state_dict())  # one that has not been called yet
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert twin.state_dict() == cell.state_dict()
        assert twin.h.data == state


# --- buffers ---


class Normalised(nn.Module):
    """Has buffers of every form beside one parameter, in a module that it holds."""

    def __init__(self) -> None:
        self.scale = Value(2.0)
        inner: Any = nn.Module()
        inner.register_buffer("mean", 0.0)
        inner.register_buffer("count", 0)
        inner.register_buffer("window", np.zeros((2, 2)))
        self.inner = inner
        self.register_buffer("state", ([Value(0.0), 1.0], {"c": Value(3.0)}))
        self.register_buffer("later", None)


def test_buffers_are_saved_and_not_trained() -> None:
    module = Normalised()
    assert module.parameters() == [module.scale]
    assert list(module.state_dict()) == [
        "scale",
        "state.0.0",
        "state.0.1",
        "state.1.c",
        "inner.mean",
        "inner.count",
        *[f"inner.window.{i}.{j}" for i in range(2) for j in range(2)],
    ]


def test_a_buffer_stays_one_whatever_is_assigned_to_it() -> None:
    module: Any = Normalised()
    module.later = Value(7.0)
    module.state = 0.5
    assert module.parameters() == [module.scale]
    assert module.state_dict()["later"] == 7.0
    assert [name for name, _ in module.named_buffers()][:2] == ["state", "later"]


def test_buffers_load_in_place_and_keep_their_kind() -> None:
    module: Any = Normalised()
    state = {name: float(i) for i, name in enumerate(module.state_dict())}
    leaf, window, listed = module.state[0][0], module.inner.window, module.state[0]
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), module):
        twin.load_state_dict(state)
        assert twin.state_dict() == state
        assert (type(twin.inner.count), type(twin.inner.mean)) == (int, float)
    assert module.state[0] is listed
    assert module.inner.window is window
    assert module.state[0][0] is leaf
    assert leaf.data == 1.0


def test_a_buffer_that_counts_takes_whole_numbers_alone() -> None:
    module: Any = Normalised()
    before = module.state_dict()
    for name, number in (("inner.count", 0.5), ("inner.count", math.nan)):
        with pytest.raises(ValueError, match=rf"entry 'inner\.count': the buffer holds an integer, got {number}"):
            module.load_state_dict({**dict.fromkeys(before, 9.0), name: number})
        assert module.state_dict() == before
    module.register_buffer("steps", np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match=r"entry 'steps\.1': the buffer holds an integer, got 1\.5"):
        module.load_state_dict({**module.state_dict(), "steps.1": 1.5})


def test_buffers_that_cannot_be_written_to_are_replaced() -> None:
    module: Any = nn.Module()
    constant = np.zeros(2)
    constant.flags.writeable = False
    module.register_buffer("window", constant)
    module.load_state_dict({"window.0": 1.0, "window.1": 2.0})
    assert module.state_dict() == {"window.0": 1.0, "window.1": 2.0}
    assert constant.tolist() == [0.0, 0.0]


def test_buffers_of_a_copy_are_its_own_and_may_be_deleted() -> None:
    module: Any = Normalised()
    twin = copy.copy(module)
    twin.register_buffer("mine", 1.0)
    assert "mine" in twin.state_dict()
    assert "mine" not in module.state_dict()
    del twin.mine
    assert twin.state_dict() == module.state_dict()


def test_a_result_in_a_buffer_is_loaded_as_a_new_leaf() -> None:
    module: Any = nn.Module()
    module.register_buffer("h", Value(2.0) * 3.0)
    kept = module.h
    module.load_state_dict({"h": 5.0})
    assert (module.h.data, module.h.op, kept.data) == (5.0, None, 6.0)


@pytest.mark.parametrize("wrong", ["text", [1.0, "text"], {Value(1.0)}, nn.Neuron(1), 1j])
def test_what_is_no_number_is_refused_as_a_buffer(wrong: Any) -> None:
    module = nn.Module()
    with pytest.raises(TypeError, match=r"a buffer holds numbers and Values, in lists.*; got \w+ at state"):
        module.register_buffer("state", wrong)
    assert module.state_dict() == {}


def test_state_without_its_buffers_loads_nothing() -> None:
    module: Any = Normalised()
    state = dict.fromkeys(module.state_dict(), 9.0)
    del state["inner.mean"]
    with pytest.raises(KeyError, match=r"missing \['inner\.mean'\], unexpected \[\]"):
        module.load_state_dict(state)
    assert 9.0 not in module.state_dict().values()


# --- containers ---


def test_parameters_in_numpy_arrays_are_found() -> None:
    module: Any = nn.Module()
    module.w = np.array([[Value(1.0), Value(2.0)], [Value(3.0), 4.0]], dtype=object)
    module.single = np.array(Value(5.0), dtype=object)
    module.parts = np.array([nn.Neuron(1, seed=0), None], dtype=object)
    module.data = np.zeros((1000, 3))
    assert [name for name, _ in module.named_parameters()] == [
        *["w.0.0", "w.0.1", "w.1.0", "single.0"],
        *["parts.0.w.0", "parts.0.b"],
    ]
    assert module.child_name(module.parts[0]) == "parts.0"
    (np.sum(module.w @ np.ones(2)) ** 2).backward()
    assert [p.grad for p in module.w.ravel()[:3]] == [20.0, 20.0, 20.0]
    module.zero_grad()
    assert {p.grad for p in module.parameters()} == {0.0}


def test_parameters_in_a_deque_are_found() -> None:
    module: Any = nn.Module()
    module.window = collections.deque([Value(1.0), Value(2.0)])
    assert module.state_dict() == {"window.0": 1.0, "window.1": 2.0}


@pytest.mark.parametrize(
    "unordered",
    [
        {Value(1.0)},
        frozenset({Value(1.0)}),
        {("w", Value(1.0))},
        {nn.Neuron(1)},
        {frozenset({(Value(1.0),)})},
    ],
)
@pytest.mark.parametrize("use", [nn.Module.parameters, nn.Module.state_dict, nn.Module.zero_grad, repr])
def test_parameters_in_a_set_are_refused(unordered: Any, use: Any) -> None:
    module: Any = nn.Module()
    module.inner = {"those": [unordered]}
    with pytest.raises(TypeError, match=r"Module\.inner\.those\.0 is a set, whose order differs .*; make it a list"):
        use(module)


def test_a_set_of_other_things_is_no_matter() -> None:
    module: Any = nn.Module()
    module.edges = {("a", "b"), ("b", "c"), frozenset({1})}
    module.w = Value(1.0)
    assert module.parameters() == [module.w]


def test_modules_nest_to_any_depth() -> None:
    outer = nn.Neuron(1, seed=0)
    for _ in range(5_000):
        holder = nn.Module()
        holder.inner = outer  # type: ignore[attr-defined]
        outer = holder  # type: ignore[assignment]
    assert len(outer.parameters()) == 2


def test_models_copy_and_pickle() -> None:
    model = nn.MLP(2, [3, 1], seed=0)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin([1.0, 2.0]).data == model([1.0, 2.0]).data
        assert not set(twin.parameters()) & set(model.parameters())


def test_repr_says_what_a_module_is() -> None:
    assert repr(nn.MLP(2, [3, 1], "tanh", seed=0)) == "MLP(2, [3, 1], 'tanh')"
    assert repr(nn.Layer(2, 3, seed=0)) == "Layer(2, 3, 'relu')"
    assert repr(nn.Neuron(2, ad.sin, seed=0)) == "Neuron(2, 'sin')"


# --- randomness ---


def test_a_seed_of_numpys_seeds_as_the_number_that_it_equals() -> None:
    for seed in (np.int64(3), np.uint8(3), np.array(3)):
        assert nn.MLP(2, [2, 1], seed=seed).state_dict() == nn.MLP(2, [2, 1], seed=3).state_dict()
    with pytest.raises(TypeError, match="supported seed types are"):
        nn.Neuron(2, seed=[1])  # type: ignore[arg-type]


def test_the_class_of_an_output_may_be_a_member_of_an_enum() -> None:
    class Class(enum.IntEnum):
        CAT = 0
        DOG = 1

    logits = [Value(1.0), Value(3.0)]
    assert nn.cross_entropy(logits, Class.DOG).data == nn.cross_entropy(logits, 1).data


def test_seed_or_generator_decides_every_weight() -> None:
    one, same, other = (nn.MLP(2, [3, 1], seed=s).state_dict() for s in (7, 7, 8))
    assert one == same != other
    assert nn.MLP(2, [3, 1], rng=random.Random(7)).state_dict() == one
    assert nn.MLP(2, [3, 1]).state_dict() != nn.MLP(2, [3, 1]).state_dict()


@pytest.mark.parametrize(
    ("initializer", "deviation"),
    [
        (init.uniform(0.5), 0.5 / math.sqrt(3)),
        (init.glorot(), math.sqrt(2 / 80)),
        (init.glorot(normal=True), math.sqrt(2 / 80)),
        (init.he(), math.sqrt(2 / 50)),
        (init.he(normal=True), math.sqrt(2 / 50)),
        (init.zeros(), 0.0),
    ],
)
def test_initialisers_have_their_published_spread(initializer: init.Initializer, deviation: float) -> None:
    rng = random.Random(0)
    draws = np.array([initializer(rng, 50, 30) for _ in range(20_000)])
    assert abs(draws.mean()) <= 4 * deviation / math.sqrt(len(draws))
    assert draws.std() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("activation", nn.layers.ACTIVATIONS)
def test_rectifiers_start_with_he_and_others_with_glorot(activation: str) -> None:
    rectifier = activation in ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus")
    layer = nn.Layer(200, 50, activation, seed=0)
    deviation = np.array([w.data for neuron in layer.neurons for w in neuron.w]).std()
    assert deviation == pytest.approx(math.sqrt(2 / 200 if rectifier else 2 / 250), rel=0.03)


def test_initialiser_given_is_used_in_every_layer_and_biases_start_at_zero() -> None:
    with pytest.warns(UserWarning, match=r"the 4 neurons of layers\[0\] start with the same weights"):
        model = nn.MLP(3, [4, 2], seed=0, init=lambda rng, nin, nout: 10.0 * nin + nout)
    assert [{w.data for neuron in layer.neurons for w in neuron.w} for layer in model.layers] == [{34.0}, {42.0}]
    assert {neuron.b.data for layer in model.layers for neuron in layer.neurons} == {0.0}


# --- SGD ---


def test_sgd_steps_against_the_gradient() -> None:
    x = Value(3.0)
    x.grad = 2.0
    nn.SGD([x], lr=0.25).step()
    assert x.data == 2.5


def test_sgd_with_momentum_follows_its_formula() -> None:
    x = Value(1.0)
    sgd = nn.SGD([x], lr=0.1, momentum=0.9)
    data = velocity = 0.0
    data = 1.0
    for _ in range(5):
        sgd.zero_grad()
        (x * x).backward()
        sgd.step()
        velocity = 0.9 * velocity + 2 * data
        data -= 0.1 * velocity
    assert x.data == pytest.approx(data, rel=1e-14)


def test_sgd_keeps_data_python_floats_and_steps_a_shared_parameter_once() -> None:
    x = Value(1.0)
    sgd = nn.SGD([x, x], lr=np.float32(0.5), momentum=np.float32(0.5))
    x.grad = 1.0
    sgd.step()
    assert (x.data, type(x.data)) == (0.5, float)
    sgd.lr = np.float64(0.25)
    sgd.step()
    assert (x.data, type(x.data)) == (0.5 - 0.25 * 1.5, float)


def test_sgd_takes_leaves_only() -> None:
    with pytest.raises(TypeError, match=r"SGD takes leaf Values, got Value\(4\.0"):
        nn.SGD([Value(2.0) * 2.0])
    with pytest.raises(TypeError, match=r"SGD takes leaf Values, got 2\.0"):
        nn.SGD([2.0])  # type: ignore[list-item]


# --- micrograd's demo, with only the imports changed ---


def test_model_of_the_shape_of_micrograds_moons_demo_learns() -> None:
    rng = random.Random(1337)
    angles = [math.pi * i / 19 for i in range(20)]
    upper = [[math.cos(a) + rng.gauss(0, 0.1), math.sin(a) + rng.gauss(0, 0.1)] for a in angles]
    lower = [[1 - math.cos(a) + rng.gauss(0, 0.1), 0.5 - math.sin(a) + rng.gauss(0, 0.1)] for a in angles]
    points, labels = np.array(upper + lower), np.array([1] * 20 + [-1] * 20)
    model = nn.MLP(2, [16, 16, 1], seed=1)

    def loss() -> tuple[Value, float]:
        inputs = [list(map(Value, row)) for row in points]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * score).relu() for yi, score in zip(labels, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = 1e-4 * sum(p * p for p in model.parameters())
        accuracy = [(yi > 0) == (score.data > 0) for yi, score in zip(labels, scores, strict=True)]
        return data_loss + reg_loss, sum(accuracy) / len(accuracy)

    for k in range(100):
        total, accuracy = loss()
        model.zero_grad()
        total.backward()
        learning_rate = 1.0 - 0.9 * k / 100
        for p in model.parameters():
            p.data -= learning_rate * p.grad
    assert accuracy == 1.0
    assert total.data < 0.1


def test_what_holds_its_holder_is_visited_once() -> None:
    class Child(nn.Module):
        def __init__(self, parent: Any) -> None:
            self.parent = parent
            self.w = Value(1.0)

    class Parent(nn.Module):
        def __init__(self) -> None:
            self.children = [Child(self), Child(self)]
            self.loop: list[Any] = [self.children]
            self.loop.append(self.loop)

    model = Parent()
    assert list(model.state_dict()) == ["children.0.w", "children.1.w"]
    assert len(model.parameters()) == 2


def test_a_parameter_that_is_given_twice_is_one_of_an_optimiser() -> None:
    w, v = Value(1.0), Value(2.0)
    assert nn.SGD([w, v, w]).parameters == [w, v]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda model: model.forward([1.0, 2.0]),
            r"'MLP' object has no attribute 'forward'; it is __call__: write model\(",
        ),
        (lambda model: model.children(), r"write model.modules\(\)"),
        (lambda model: model.to("cpu"), "on no device"),
        (lambda model: model.params, r"write model.parameters\(\)"),
        (lambda model: model.other, "'MLP' object has no attribute 'other'$"),
    ],
)
def test_an_attribute_of_another_librarys_modules_leads_to_ours(ask: Any, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        ask(nn.MLP(2, [1], seed=0))


def test_a_module_without_a_call_says_what_to_define() -> None:
    class Doubling(nn.Module):
        def forward(self, x: Any) -> Any:
            return 2.0 * x

    with pytest.raises(TypeError, match=r"Doubling does not say .*; rename forward to __call__"):
        Doubling()(1.0)
    with pytest.raises(TypeError, match=r"Module does not say .*; define __call__\(self, ...\)"):
        nn.Module()(1.0)
    assert Doubling().forward(1.0) == 2.0
    assert not hasattr(copy.deepcopy(Doubling()), "fit")
