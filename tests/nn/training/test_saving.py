"""Saving: what is loaded is bit for bit what was saved, or an error that changes nothing."""

import json
import math
import os
import pickle
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from autodiff import Value
from nn import layers, optim
from nn.training.saving import files
from nn.training.saving.files import SavedFileError
from nn.training.saving.records import _KINDS, described
from tests.nn.examples import EXAMPLES

ROOT = Path(__file__).parents[3]
ANY_FLOAT = st.floats(allow_subnormal=True) | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324])


class Noisy(nn.Module):
    """A class of one's own: a parameter, buffers of several kinds, and a generator."""

    def __init__(self, seed: int = 0) -> None:
        self.scale = Value(1.5, "scale")
        self.table = {"a": [Value(1.0), Value(2.0)], "b": Value(3.0)}
        self.rng = random.Random(seed)
        self.register_buffer("count", 7)
        self.register_buffer("mean", [0.25, -0.0])

    def __call__(self, x: Any) -> Any:
        return self.scale * x + self.rng.random()


class Pair(nn.Module):
    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        self.first, self.second = first, second


MODELS = [
    *[layer for layer, _, _ in EXAMPLES.values()],
    nn.Layer(3, 4, bias=False),
    nn.Sequential(nn.Layer(2, 3), "relu", nn.Sequential(nn.LayerNorm(3), nn.Dropout(0.25)), nn.Layer(3, 1)),
    nn.LayerNorm(3, eps=0.5),
    nn.RNNCell(2, 3, "relu"),
    nn.Conv1d(2, 3, 2, bias=False),
    nn.Conv2d(2, 3, (2, 1), padding=1, activation="tanh"),
]


def bits(model: nn.Module) -> dict[str, bytes]:
    return {name: struct.pack("d", x) for name, x in model.state_dict().items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


# --- what comes back ---


def test_a_model_of_nn_is_made_again_with_the_same_numbers(path: Path) -> None:
    model = nn.MLP(3, [4, 2], "tanh", seed=0)
    nn.save(path, model)
    loaded = nn.load(path).model
    assert repr(loaded) == repr(model)
    assert bits(loaded) == bits(model)
    assert [y.data for y in loaded([1.0, 2.0, 3.0])] == [y.data for y in model([1.0, 2.0, 3.0])]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_every_kind_of_module_comes_back(path: Path, model: nn.Module) -> None:
    nn.save(path, model)
    loaded = nn.load(path).model
    assert type(loaded) is type(model)
    assert repr(loaded) == repr(model)
    assert bits(loaded) == bits(model)


@given(numbers=st.lists(ANY_FLOAT, min_size=9, max_size=9))
def test_floats_come_back_bit_for_bit(tmp_path_factory: Any, numbers: list[float]) -> None:
    path = tmp_path_factory.mktemp("saved") / "model"
    model = nn.MLP(2, [2, 1], seed=0)
    for parameter, number in zip(model.parameters(), numbers, strict=True):
        parameter.data = number
    nn.save(path, model)
    assert bits(nn.load(path).model) == bits(model)


def test_a_class_of_ones_own_takes_the_numbers_into_an_instance(path: Path) -> None:
    model, other = Noisy(), Noisy()
    model.scale.data, model.count, model.mean = math.nan, 8, [math.inf, 5e-324]
    model.table["a"][1].data = -0.0
    nn.save(path, model)
    parameters = other.parameters()
    loaded = nn.load(path, into=other).model
    assert loaded is other
    assert loaded.parameters() == parameters
    assert bits(loaded) == bits(model)
    assert type(loaded.count) is int
    assert loaded.count == 8


def test_generators_go_on_where_they_were(path: Path) -> None:
    model = Noisy(seed=3)
    model.rng.gauss(0.0, 1.0)  # which keeps a second number for the next call
    nn.save(path, model)
    loaded = nn.load(path, into=Noisy(seed=4)).model
    assert [loaded.rng.gauss(0.0, 1.0) for _ in range(5)] == [model.rng.gauss(0.0, 1.0) for _ in range(5)]


def test_a_generator_that_modules_share_is_shared_again_and_no_other(path: Path) -> None:
    model = Pair(Noisy(), Noisy())
    model.second.rng = model.first.rng
    nn.save(path, model)
    apart = nn.load(path, into=Pair(Noisy(), Noisy())).model
    assert apart.first.rng is apart.second.rng
    nn.save(path, Pair(Noisy(), Noisy()))
    shared = nn.load(path, into=model).model
    assert shared.first.rng is not shared.second.rng


def test_modes_come_back(path: Path) -> None:
    model = Pair(Noisy(), Noisy())
    model.first.eval()
    nn.save(path, model)
    loaded = nn.load(path, into=Pair(Noisy(), Noisy())).model
    assert [module.training for module in loaded.modules()] == [True, False, True]


def test_the_same_model_is_saved_as_the_same_bytes(path: Path) -> None:
    nn.save(path, nn.MLP(2, [3, 1], seed=0))
    first = path.read_bytes()
    nn.save(path, nn.MLP(2, [3, 1], seed=0))
    assert path.read_bytes() == first


def test_other_programs_read_the_numbers(path: Path) -> None:
    from safetensors.numpy import load_file

    model = nn.Layer(3, 2, seed=0)
    nn.save(path, model)
    tensors = load_file(path)
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {"numbers": list(model.state_dict().values())}


def test_names_that_look_like_places_in_a_list_are_kept_apart(path: Path) -> None:
    def model(x: float) -> nn.Module:
        odd = nn.Module()
        odd.of = {"w": Value(x), "w.0": Value(x), "1": Value(x), "0": Value(x), "01": Value(x)}  # type: ignore[attr-defined]
        return odd

    nn.save(path, model(2.5))
    assert set(nn.load(path, into=model(0.0)).model.state_dict().values()) == {2.5}


def test_each_kind_is_tried() -> None:
    assert {type(model).__name__ for model in MODELS} == set(_KINDS)


def test_a_module_that_is_held_twice_is_made_once(path: Path) -> None:
    shared = nn.Layer(2, 2, "tanh", seed=0)
    nn.save(path, nn.Sequential(shared, nn.Sequential(shared), nn.Layer(2, 1, seed=1)))
    loaded = nn.load(path).model
    assert loaded.layers[0] is loaded.layers[1].layers[0]
    assert len(loaded.parameters()) == 9


def test_dropout_leaves_out_what_it_would_have_left_out(path: Path) -> None:
    rng = random.Random(0)
    model = nn.Sequential(nn.Dropout(0.5, rng=rng), nn.Layer(3, 4, seed=0), nn.Dropout(0.5, rng=rng), nn.Dropout(0.5))
    model([1.0, 2.0, 3.0])
    nn.save(path, model)
    loaded = nn.load(path).model
    assert loaded.layers[0].rng is loaded.layers[2].rng is not loaded.layers[3].rng
    for _ in range(5):
        assert [y.data for y in loaded([1.0, 2.0, 3.0])] == [y.data for y in model([1.0, 2.0, 3.0])]


OPTIMIZERS = [
    lambda groups: optim.SGD(groups, lr=0.1, momentum=0.9),
    lambda groups: optim.SGD(groups, lr=0.1, weight_decay=0.01, maximize=True),
    lambda groups: optim.RMSprop(groups, lr=0.01, centered=True, momentum=0.5),
    lambda groups: optim.Adam(groups, lr=0.1, betas=(0.5, 0.9), amsgrad=True),
    lambda groups: optim.AdamW(groups),
    lambda groups: optim.Rprop(groups),
]


def steps(model: Any, optimizer: Any, count: int) -> None:
    rng = random.Random(count)
    for _ in range(count):
        optimizer.zero_grad()
        nn.mse(model([rng.random(), rng.random()]), 0.25).backward()
        optimizer.step()


@pytest.mark.parametrize("made", OPTIMIZERS)
@pytest.mark.parametrize("before", [0, 3])
def test_training_goes_on_bit_for_bit(path: Path, made: Any, before: int) -> None:
    model = nn.Sequential(nn.Layer(2, 4, "tanh", seed=0), nn.Dropout(0.5, seed=1), nn.Layer(4, 1, seed=2))
    first, _, third = model.layers
    optimizer = made([{"params": third.parameters(), "lr": 0.05}, {"params": first.parameters()}])
    steps(model, optimizer, before)
    nn.save(path, model, optimizer)
    saved = nn.load(path)
    assert saved.optimizer.parameters == [*saved.model.layers[2].parameters(), *saved.model.layers[0].parameters()]
    assert saved.optimizer.state_dict() == optimizer.state_dict()
    steps(model, optimizer, 5)
    steps(saved.model, saved.optimizer, 5)
    assert bits(saved.model) == bits(model)


def test_the_optimiser_is_on_the_parameters_of_the_model_given(path: Path) -> None:
    model, other = Noisy(), Noisy()
    nn.save(path, model, optim.Adam([model.scale]))
    assert nn.load(path, into=other).optimizer.parameters == [other.scale]
    nn.save(path, model)
    assert nn.load(path, into=other).optimizer is None


def test_fit_goes_on_bit_for_bit_and_the_history_is_the_same(path: Path) -> None:
    rng = random.Random(0)
    X = [[rng.random(), rng.random()] for _ in range(24)]
    y = [["no", "yes"][a > b] for a, b in X]
    model = nn.Sequential(nn.Layer(2, 4, "tanh", seed=0), nn.Dropout(0.25, seed=1), nn.Layer(4, 2, "linear", seed=2))
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    settings: Any = {"loss": nn.cross_entropy, "epochs": 3, "batch_size": 8, "progress": False, "compile": False}
    history = nn.fit(model, X, y, optimizer=optimizer, metrics=["accuracy"], **settings)
    nn.save(path, model, optimizer, history)
    saved = nn.load(path)
    assert saved.history.to_dict() == history.to_dict()
    assert saved.history.classes == ["no", "yes"]
    for each, its in ((model, optimizer), (saved.model, saved.optimizer)):
        nn.fit(each, X, y, optimizer=its, **settings)
    assert bits(saved.model) == bits(model)


@given(figures=st.lists(ANY_FLOAT, max_size=5))
def test_figures_come_back_bit_for_bit(tmp_path_factory: Any, figures: list[float]) -> None:
    path = tmp_path_factory.getbasetemp() / "history"
    history = nn.History(["loss"])
    for figure in figures:
        history.append({"loss": figure})
    nn.save(path, Noisy(), history=history)
    assert repr(nn.load(path, into=Noisy()).history.to_dict()) == repr(history.to_dict())


def test_optimisers_that_cannot_be_made_again_are_refused(path: Path) -> None:
    model = Noisy()
    own = type("Adam", (optim.Adam,), {})([model.scale])
    with pytest.raises(TypeError, match=r"save keeps optimisers of nn\.optim, got Adam"):
        nn.save(path, model, own)
    with pytest.raises(ValueError, match="parameters that are not the model's"):
        nn.save(path, model, optim.Adam([Value(1.0)]))
    with pytest.raises(TypeError, match="got list"):
        nn.save(path, model, [1.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"history is what nn\.fit returned, got dict"):
        nn.save(path, model, history={"loss": [1.0]})  # type: ignore[arg-type]
    assert not path.exists()


@pytest.mark.parametrize(
    ("where", "harm"),
    [
        (("optimizer",), "Value"),
        (("optimizer",), "Optimizer"),
        (("optimizer",), "schedules"),
        (("names",), ["scale", "other"]),
        (("names",), ["other"]),
        (("names",), []),
        (("state", 0, "step"), -1),
        (("state", 0, "step"), "x"),
        (("state",), []),
        (("param_groups", 0, "lr"), [1.0]),
        (("param_groups", 0, "params"), [0, 1]),
    ],
)
def test_an_optimiser_that_does_not_fit_changes_nothing(path: Path, where: tuple[Any, ...], harm: Any) -> None:
    model = Noisy()
    nn.save(path, model, optim.Adam([model.scale]))
    record = files.decoded(path.read_bytes())
    part = record["optimizer"]
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = harm
    path.write_bytes(files.encoded({**record, "numbers": [7.0] * len(record["numbers"])}))
    other = Noisy()
    with pytest.raises(SavedFileError):
        nn.load(path, into=other)
    assert bits(other) == bits(model)


# --- what is refused, and changes nothing ---


def refused(path: Path, match: str, into: nn.Module | None = None) -> None:
    into = into or nn.MLP(2, [3, 1], "tanh", seed=1)
    before = bits(into)
    with pytest.raises(SavedFileError, match=match) as caught:
        nn.load(path, into=into)
    assert str(path) in str(caught.value)
    assert bits(into) == before
    with pytest.raises(SavedFileError):
        nn.load(path)


@pytest.fixture(scope="module")
def content(tmp_path_factory: Any) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "model"
    nn.save(path, nn.MLP(2, [3, 1], "tanh", seed=0))
    return bytes(path.read_bytes())


def test_every_prefix_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "prefix"
    model = nn.MLP(2, [3, 1], "tanh", seed=0)
    for length in {*range(300), *range(0, len(content), 37), *range(len(content) - 300, len(content))}:
        path.write_bytes(content[:length])
        with pytest.raises(SavedFileError, match=r"empty|cut off|truncated"):
            nn.load(path, into=model)


@given(data=st.data())
def test_every_flipped_bit_is_refused(tmp_path_factory: Any, content: bytes, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped"
    for at in data.draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=20, max_size=20)):
        flipped = bytearray(content)
        flipped[at // 8] ^= 1 << at % 8
        path.write_bytes(flipped)
        with pytest.raises(SavedFileError):
            nn.load(path)


@given(data=st.data(), byte=st.binary(min_size=1, max_size=1))
def test_every_other_byte_is_refused(tmp_path_factory: Any, content: bytes, data: st.DataObject, byte: bytes) -> None:
    at = data.draw(st.integers(0, len(content) - 1).filter(lambda i: content[i : i + 1] != byte))
    path = tmp_path_factory.getbasetemp() / "other"
    path.write_bytes(content[:at] + byte + content[at + 1 :])
    with pytest.raises(SavedFileError):
        nn.load(path)


def test_bytes_at_the_end_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content + b"\0")
    refused(path, "is corrupted")


@pytest.mark.parametrize(
    ("foreign", "match"),
    [
        (b"", "cut off"),
        (b"text", "cut off"),
        (b"Call me Ishmael. Some years ago", "no file that this version of nn.load reads"),
        (pickle.dumps({"a": [1.0, 2.0]}), "no file that this version of nn.load reads"),
        (json.dumps({"model": {"w": 1.0}}).encode(), "no file that this version of nn.load reads"),
        (b"\x02\0\0\0\0\0\0\0{}", "no file that this version of nn.load reads"),
    ],
)
def test_files_of_something_else_are_refused(path: Path, foreign: bytes, match: str) -> None:
    path.write_bytes(foreign)
    refused(path, match)


def test_other_safetensors_are_refused(path: Path) -> None:
    import numpy
    from safetensors.numpy import save_file

    save_file({"w": numpy.zeros(3)}, path, metadata={"nn": "{}"})
    refused(path, "no file that this version of nn.load reads")


def test_another_version_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content.replace(b'"nn":"1 ', b'"nn":"2 '))
    refused(path, "no file that this version of nn.load reads")


def test_a_missing_file_is_no_saved_file(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        nn.load(path)


@pytest.mark.parametrize(
    "other",
    [
        nn.MLP(2, [4, 1], "tanh", seed=0),
        nn.MLP(2, [3, 1], "relu", seed=0),
        nn.MLP(2, [3, 1, 1], "tanh", seed=0),
        nn.Layer(2, 3, "tanh", seed=0),
        Noisy(),
    ],
)
def test_another_model_is_refused(path: Path, content: bytes, other: nn.Module) -> None:
    path.write_bytes(content)
    before = bits(other)
    with pytest.raises(SavedFileError, match="does not fit the model: module 0 was"):
        nn.load(path, into=other)
    assert bits(other) == before


def test_other_names_are_refused_and_change_nothing(path: Path) -> None:
    class Noisy(nn.Module):  # of the same name
        def __init__(self) -> None:
            self.scale, self.rng = Value(0.0), random.Random(0)

    nn.save(path, globals()["Noisy"]())
    other = Noisy()
    state = other.rng.getstate()
    with pytest.raises(SavedFileError, match=r"does not fit Noisy: missing \[\], unexpected \['"):
        nn.load(path, into=other)
    assert (other.scale.data, other.rng.getstate()) == (0.0, state)


def test_generators_elsewhere_are_refused(path: Path) -> None:
    nn.save(path, Noisy())
    other = Noisy()
    other.other = random.Random(0)  # type: ignore[attr-defined]
    with pytest.raises(SavedFileError, match=r"was .*'generators': \['rng'\]}, and is .*\['rng', 'other'\]"):
        nn.load(path, into=other)


def test_a_class_of_ones_own_is_not_made_again(path: Path) -> None:
    nn.save(path, Noisy())
    with pytest.raises(SavedFileError, match=r"how its Noisy is made.*load with into=model"):
        nn.load(path)


def test_a_subclass_with_the_name_of_ours_is_not_taken_for_it(path: Path) -> None:
    nn.save(path, type("Layer", (nn.Layer,), {})(2, 1, seed=0))
    with pytest.raises(SavedFileError, match="how its Layer is made"):
        nn.load(path)


def test_an_activation_of_ones_own_is_not_forgotten(path: Path) -> None:
    model = nn.Layer(2, 1, lambda x: x * x, seed=0)
    nn.save(path, model)
    with pytest.raises(SavedFileError, match="a function of yours"):
        nn.load(path)
    assert bits(nn.load(path, into=nn.Layer(2, 1, lambda x: x * x, seed=1)).model) == bits(model)
    with pytest.raises(SavedFileError, match="does not fit the model"):
        nn.load(path, into=nn.Layer(2, 1, "relu", seed=1))


def test_an_mlp_that_was_altered_is_not_made_as_if_it_were_not(path: Path) -> None:
    model = nn.MLP(2, [3, 1], "tanh", seed=0)
    model.layers[1].neurons[0].activation = layers.ACTIVATIONS["relu"]
    nn.save(path, model)
    with pytest.raises(SavedFileError, match="does not fit the model: module"):
        nn.load(path)


def signed(model: Any) -> bytes:
    """A file with the right digest, as somebody may write one to do harm."""
    return files.encoded({"model": model, "names": ["w.0"], "numbers": [1.0], "optimizer": None, "history": None})


def recorded(*modules: Any) -> dict[str, Any]:
    listed = [{"generators": [], **module} for module in modules]
    return {"modules": listed, "training": [True] * len(listed), "streams": [[]] * len(listed), "states": []}


def module(kind: str, **config: Any) -> dict[str, Any]:
    return recorded({"class": kind, "config": config})


@pytest.mark.parametrize(
    "model",
    [
        module("Layer", nin=10**9, nout=1),
        module("Layer", nin=0, nout=10**9),
        module("Layer", nin=10**9, nout=10**9, activation="relu"),
        module("Layer", nin=10**9, nout="relu"),
        module("Layer", nin=-(10**9), nout=-(10**9)),
        module("MLP", nin=1, nouts=[10**9, 1]),
        module("MLP", nin=1, nouts={"module": "0"}),
        module("RNNCell", nin=1, hidden=10**9),
        module("RNNCell", nin=1, hidden=4000),
        module("LayerNorm", width=10**9),
        module("MLP", nin=1, nouts=[1] * 10**5),
        module("Neuron", nin=10**12, activation="relu", name="x"),
        module("Value", data=1.0),
        module("linear", x=1.0),
        module("__builtins__"),
        recorded({"class": "Layer", "config": [[]]}),
        recorded(),
        {},
        None,
        [1.0],
        "x",
    ],
)
def test_a_file_made_to_do_harm_is_refused_at_once(path: Path, model: Any) -> None:
    path.write_bytes(signed(model))
    started = time.perf_counter()
    with pytest.raises(SavedFileError):
        nn.load(path)
    assert time.perf_counter() - started < 1.0


def test_modules_in_modules_without_end_are_refused_at_once(path: Path) -> None:
    twice = [[{"module": str(i + 1)}, {"module": str(i + 1)}] for i in range(60)]
    pairs = [{"class": "MLP", "config": {"nin": 1, "nouts": nouts}} for nouts in twice]
    last = [{"class": "MLP", "config": {"nin": 1, "nouts": [{"module": "60"}]}}]
    for modules in (pairs, [*pairs, *last]):
        path.write_bytes(signed(recorded(*modules)))
        with pytest.raises(SavedFileError):
            nn.load(path)


KINDS = st.sampled_from(sorted(_KINDS))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["Layer", "model", "w"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["class", "config", "nin"]), inner),
)


ENTRY = {"class": KINDS, "config": JSON, "generators": JSON}


@given(modules=JSON | st.lists(st.fixed_dictionaries(ENTRY), max_size=2), training=JSON, streams=JSON, states=JSON)
def test_whatever_a_record_says_the_error_is_one_and_nothing_changes(tmp_path_factory: Any, **record: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "record"
    path.write_bytes(signed(record))
    refused(path, "record")


@given(training=JSON, streams=JSON, states=JSON)
def test_attributes_that_do_not_fit_change_nothing(tmp_path_factory: Any, **record: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "attributes"
    modules = described(Noisy())["modules"]
    path.write_bytes(signed({"modules": modules, **record}))
    model, before = Noisy(), bits(Noisy())
    with pytest.raises(SavedFileError):
        nn.load(path, into=model)
    assert (bits(model), model.training) == (before, True)


# --- writing ---


def test_something_else_than_a_module_is_refused(path: Path) -> None:
    with pytest.raises(TypeError, match="save takes a Module, got function"):
        nn.save(path, lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="into is a Module, got type"):
        nn.load(path, into=nn.MLP)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="int"):
        nn.save(3, nn.MLP(1, [1]))  # type: ignore[arg-type]
    assert not path.exists()


def test_what_cannot_be_written_is_named_and_stays(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        nn.save(tmp_path / "nowhere" / "model", nn.MLP(1, [1]))
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        nn.save(tmp_path, nn.MLP(1, [1]))
    assert os.listdir(tmp_path) == []


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nn.save(path, nn.MLP(1, [1], seed=0))
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        nn.save(path, nn.MLP(1, [2], seed=0))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_link_stays_a_link_and_permissions_stay(path: Path) -> None:
    link = path.with_name("link")
    nn.save(path, nn.MLP(1, [1], seed=0))
    path.chmod(0o640)
    link.symlink_to(path)
    nn.save(link, nn.MLP(1, [2], seed=0))
    assert link.is_symlink()
    assert len(nn.load(path).model.parameters()) == 4
    assert path.stat().st_mode & 0o777 == 0o640


SAVER = """
import sys, nn
models = [nn.MLP(8, [8, 1], seed=seed) for seed in (0, 1)]
while True:
    for model in models:
        nn.save(sys.argv[1], model)
    print(flush=True)
"""


def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new(path: Path) -> None:
    wanted = [bits(nn.MLP(8, [8, 1], seed=seed)) for seed in (0, 1)]
    rng = random.Random(0)
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", SAVER, path], cwd=ROOT, stdout=subprocess.PIPE) as saver:
            assert saver.stdout is not None
            saver.stdout.readline()
            time.sleep(rng.random() / 50)
            saver.send_signal(signal.SIGKILL)
        assert bits(nn.load(path).model) in wanted


KILLED = """
import os, signal, sys
from pathlib import Path
import nn
nn.save(sys.argv[1], nn.MLP(2, [2, 1], seed=0))
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
exec(sys.argv[2])
nn.save(sys.argv[1], nn.MLP(2, [3, 1], seed=0))
"""


@pytest.mark.parametrize(
    ("moment", "width"),
    [("os.fsync = die", 2), ("Path.replace = die", 2), ("Path.chmod = die", 2), ("Path.unlink = die", 3)],
    ids=["written, not on the disk", "on the disk, not in place", "before its permissions are set", "in place"],
)
def test_a_kill_at_each_step_leaves_the_old_file_or_the_new(path: Path, moment: str, width: int) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, path, moment], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert bits(nn.load(path).model) == bits(nn.MLP(2, [width, 1], seed=0))


def test_whoever_reads_while_another_writes_sees_a_whole_file(path: Path) -> None:
    wanted = [bits(nn.MLP(8, [8, 1], seed=seed)) for seed in (0, 1)]
    with subprocess.Popen([sys.executable, "-c", SAVER, path], cwd=ROOT, stdout=subprocess.PIPE) as saver:
        assert saver.stdout is not None
        saver.stdout.readline()
        found = [bits(nn.load(path).model) for _ in range(50)]
        saver.send_signal(signal.SIGKILL)
    assert all(each in wanted for each in found)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No such directory: '.*nowhere'"):
        nn.save(tmp_path / "nowhere" / "model.safetensors", nn.Layer(1, 1))
