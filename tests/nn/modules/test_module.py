"""Module: modes, what it holds, its configuration."""

import copy
import pickle
from typing import Any

import pytest

import nn
from autodiff import Value


class Doubling(nn.Module):
    def __init__(self) -> None:  # as of micrograd: no super().__init__()
        self.factor = Value(2.0)
        self.inner = [nn.Neuron(2, seed=0), {"last": nn.Layer(1, 1, seed=0)}]

    def __call__(self, x: Any) -> Any:
        return self.factor * x


def test_train_and_eval_set_the_mode_of_all_modules_in_it() -> None:
    model = Doubling()
    assert all(module.training for module in model.modules())
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    assert len(model.modules()) == 4
    assert model.train() is model
    assert all(module.training for module in model.modules())


def test_the_mode_is_no_parameter_and_is_kept_by_copies() -> None:
    model = nn.MLP(2, [2, 1], seed=0)
    before = model.state_dict()
    model.eval()
    assert model.state_dict() == before
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert not twin.training
        assert not twin.layers[0].neurons[0].training
    assert nn.Module.training
    assert nn.MLP(2, [1], seed=0).training


def test_an_attribute_of_ones_own_may_be_called_modules() -> None:
    class Chain(nn.Module):
        def __init__(self) -> None:
            self.modules = [nn.Neuron(1, seed=0)]  # type: ignore[assignment, method-assign, list-item]

    assert not Chain().eval().modules[0].training  # type: ignore[index]


def test_a_mode_is_true_or_false() -> None:
    with pytest.raises(TypeError, match=r"train takes True or False, got list; to fit data: nn.fit\(model, X, y\)"):
        nn.Neuron(1).train([[1.0]])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "module",
    [
        nn.Neuron(3, "tanh", seed=0),
        nn.Layer(3, 2, "leaky_relu", seed=0, name="encoder"),
        nn.MLP(3, [4, 2], "gelu", seed=0),
    ],
    ids=repr,
)
def test_a_configuration_makes_a_module_of_the_same_shape(module: Any) -> None:
    twin = type(module)(**module.config())
    twin.load_state_dict(module.state_dict())
    assert (repr(twin), twin.state_dict()) == (repr(module), module.state_dict())
    assert twin.config() == module.config()


def test_what_cannot_be_recorded_has_no_configuration() -> None:
    with pytest.raises(TypeError, match=r"Doubling, a Module of your own, .* load with into=model, or define config"):
        Doubling().config()
    with pytest.raises(TypeError, match=r"the function <lambda> cannot be recorded, .* load with into=model"):
        nn.Layer(2, 1, lambda x: x * x).config()


# --- summary ---


class Block(nn.Module):
    def __init__(self) -> None:
        self.mlp = nn.MLP(3, [4, 3], "tanh", seed=0)
        self.scale = Value(1.0)
        self.register_buffer("calls", [0, 0])

    def __call__(self, x: Any) -> Any:
        self.calls[0] += 1
        return [self.scale * y for y in self.mlp(x)]


class Net(nn.Module):
    def __init__(self) -> None:
        self.blocks = {"a": Block(), "b": [Block()]}
        self.again = self.blocks["a"]
        self.drop = nn.Dropout(0.5, seed=0)

    def __call__(self, x: Any) -> Any:
        b = self.blocks["b"][0]  # type: ignore[index]
        return self.drop(b.mlp.layers[0](self.blocks["a"](x)))  # type: ignore[operator]


def test_a_summary_shows_modules_as_a_tree_with_what_each_holds() -> None:
    assert repr(Net().summary([1.0, 2.0, 3.0])).splitlines() == [
        "module             what it is              parameters  buffers  nodes",
        "model              Net                             64        4     41",
        "├─ blocks.a        Block                           32        2     21",
        "│  └─ mlp          MLP(3, [4, 3], 'tanh')          31              18",
        "│     ├─ layers.0  Layer(3, 4, 'tanh')             16              12",
        "│     └─ layers.1  Layer(4, 3, 'linear')           15               6",
        "├─ blocks.b.0      Block                           32        2     12",
        "│  └─ mlp          MLP(3, [4, 3], 'tanh')          31              12",
        "│     ├─ layers.0  Layer(3, 4, 'tanh')             16              12",
        "│     └─ layers.1  Layer(4, 3, 'linear')           15",
        "└─ drop            Dropout(0.5)                                     8",
    ]


def test_a_summary_leaves_out_columns_of_nothing_and_takes_models_of_any_kind() -> None:
    assert str(nn.Neuron(2, seed=0).summary()) == (
        "module  what it is         parameters\nmodel   Neuron(2, 'relu')           3"
    )
    assert nn.Embedding(3, 2, seed=0).summary(1).rows[0].nodes == 0
    long = nn.Sequential(*["relu"] * 20)
    assert [row.kind for row in long.summary().rows] == ["Sequential"]


def test_a_summary_changes_nothing_of_the_model() -> None:
    model, x = Net(), [1.0, 2.0, 3.0]
    state, generator = model.state_dict(), model.drop.rng.getstate()
    model.summary(x)
    assert (model.state_dict(), model.drop.rng.getstate()) == (state, generator)


def test_a_summary_may_be_asked_for_inside_of_a_module() -> None:
    class Around(nn.Module):
        def __call__(self, x: Any) -> Any:
            return nn.MLP(1, [2, 1], seed=0).summary(x)

    assert [row.nodes for row in Around()([1.0]).rows] == [8, 6, 2]


def test_a_module_further_in_is_named_by_its_path() -> None:
    model = Net()
    assert model.child_name(model.blocks["b"][0].mlp.layers[1]) == "blocks.b.0.mlp.layers.1"  # type: ignore[index]
    assert model.child_name(nn.Neuron(1)) is model.child_name(model) is None


def test_a_module_of_ones_own_trains_and_is_copied() -> None:
    model, optimizer_rate = Block(), 0.05
    optimizer = nn.SGD(model.parameters(), lr=optimizer_rate)
    losses = []
    for _ in range(30):
        model.zero_grad()
        loss = nn.mse(model([1.0, -1.0, 0.5]), [0.3, 0.2, 0.1])
        loss.backward()
        optimizer.step()
        losses.append(loss.data)
    assert losses[-1] < 0.01 * losses[0]
    assert copy.deepcopy(model).state_dict() == model.state_dict()
