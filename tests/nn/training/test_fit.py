"""fit: the same numbers eagerly and compiled, whatever the rows are and whatever ends the training."""

import random
import re
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import autodiff as ad
import nn
from autodiff import Value
from autodiff.compiler import TracingError
from nn.optim.optimizer import Plan
from nn.training.batches.data import Data
from nn.training.loop import _is_finite

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3))
LINE = X @ [1.0, -2.0, 0.5] + 0.3
SIGNS = (LINE > 0).astype(int)


def trained(model: Any, X: Any = X, y: Any = LINE, *, lr: float = 0.05, epochs: int = 10, **options: Any) -> Any:
    """Return the history and the numbers of a model that was trained."""
    options = {
        "loss": nn.mse,
        "optimizer": nn.optim.Adam(model.parameters(), lr=lr),
        "batch_size": 8,
        "progress": False,
        **options,
    }
    history = nn.fit(model, X, y, epochs=epochs, **options)
    return history, [parameter.data for parameter in model.parameters()]


class Recurrent(nn.Module):
    """The last of a sum that forgets, for rows of any length."""

    def __init__(self) -> None:
        self.keep, self.take = Value(0.5), Value(0.5)

    def __call__(self, xs: Any) -> Any:
        state: Any = 0.0
        for x in xs:
            state = ad.tanh(self.keep * state + self.take * x)
        return state


class Noisy(nn.Module):
    """A line whose weights are dropped out by a generator of its own."""

    def __init__(self) -> None:
        self.w = [Value(0.1), Value(0.2), Value(0.3)]
        self.rng = random.Random(3)

    def __call__(self, x: Any) -> Any:
        if not self.training:
            return ad.dot(self.w, list(x))
        return ad.sum(
            [ad.where(self.rng.random() < 0.3, 0.0, w * each / 0.7) for w, each in zip(self.w, x, strict=True)]
        )


class Weighed(nn.Module):
    """A network whose output has its own parameters added, each and those of its first layer by name."""

    def __init__(self) -> None:
        self.mlp = nn.MLP(3, [4, 1], "tanh", seed=0)

    def __call__(self, x: Any) -> Any:
        own = ad.sum([ad.square(p) for p in self.parameters()])
        first = ad.sum([p for name, p in self.mlp.layers[0].named_parameters() if name.endswith("b")])
        return self.mlp(x) + 0.01 * own + first


RAGGED = [RNG.normal(size=n).tolist() for n in RNG.integers(1, 5, 30)]

CASES = {
    "line": (lambda: nn.Neuron(3, "linear", seed=0), X, LINE, {}),
    "mlp": (lambda: nn.MLP(3, [6, 1], "tanh", seed=0), X, LINE, {"metrics": ["mae"]}),
    "classes": (lambda: nn.MLP(3, [6, 2], seed=0), X, SIGNS, {"loss": nn.cross_entropy, "metrics": ["accuracy"]}),
    "online": (lambda: nn.MLP(3, [4, 1], seed=0), X, LINE, {"batch_size": 1}),
    "all rows at once": (lambda: nn.MLP(3, [4, 1], seed=0), X, LINE, {"batch_size": None}),
    "in order": (lambda: nn.MLP(3, [4, 1], seed=0), X, LINE, {"shuffle": False}),
    "rows of several lengths": (Recurrent, RAGGED, [sum(row) / 9 for row in RAGGED], {}),
    "its own parameters": (Weighed, X, LINE, {}),
    "empty rows": (Recurrent, [[], *RAGGED[:9], [], *RAGGED[:9]], [0.1] * 20, {"validation": ([[]], [0.2])}),
    "random numbers": (Noisy, X, LINE, {}),
    "clipped": (lambda: nn.MLP(3, [4, 1], seed=0), X, LINE, {"clip": 0.1}),
    "with a penalty": (
        lambda: nn.MLP(3, [4, 1], seed=0), X, LINE, {"penalty": lambda ps: 0.1 * ad.sum([p * p for p in ps])},
    ),
    "on a schedule": (lambda: nn.MLP(3, [4, 1], seed=0), X, LINE, {"schedule": lambda t: 0.1 / (1 + t)}),
    "validated": (lambda: nn.MLP(3, [4, 1], seed=0), X, LINE, {"validation": (X[:9], LINE[:9]), "metrics": ["mae"]}),
    "in shards": (lambda: nn.MLP(3, [4, 1], seed=0), X, LINE, {"shards": 3}),
    "with choices": (lambda: Choosing(), X, LINE, {}),
    "one generator in two places": (lambda: sharing(random.Random(0)), X, LINE, {}),
    "a loss that is a number for some rows": (
        lambda: nn.Neuron(3, "linear", seed=0), X, LINE, {"loss": lambda y, t: max(0.0, abs(y - t) - 1.0)},
    ),
    "parameters that are ints": (lambda: zeros(), X, LINE, {}),
}  # fmt: skip


class Choosing(nn.Module):
    """Another slope on either side of a threshold that is learned, by `if`."""

    def __init__(self) -> None:
        self.low, self.high, self.threshold = Value(0.1), Value(0.2), Value(0.0)

    def __call__(self, x: Any) -> Any:
        shifted = x[0] - self.threshold
        return self.low * shifted if shifted < 0 else self.high * shifted


def sharing(rng: random.Random) -> nn.Module:
    return nn.Sequential(
        nn.Dropout(0.2, rng=rng), nn.Layer(3, 4, seed=0), nn.Dropout(0.3, rng=rng), nn.Neuron(4, seed=1)
    )


def zeros() -> nn.Module:
    model = nn.Neuron(3, "linear", seed=0)
    for parameter in model.parameters():
        parameter.data = 0
    return model


@pytest.mark.parametrize("name", CASES)
def test_eager_and_compiled_training_give_the_same_numbers(name: str) -> None:
    make, rows, targets, options = CASES[name]
    compiled, numbers = trained(make(), rows, targets, compile=True, **options)
    eager, other = trained(make(), rows, targets, compile=False, **options)
    assert compiled.compiled
    assert not eager.compiled
    np.testing.assert_allclose(numbers, other, rtol=1e-9, atol=1e-9)
    assert compiled.epochs == 10
    for figure in set(compiled) - {"seconds"}:
        np.testing.assert_allclose(compiled[figure], eager[figure], rtol=1e-9, atol=1e-9, err_msg=figure)


def test_one_epoch_is_what_a_loop_by_hand_does() -> None:
    model, twin = nn.MLP(3, [5, 1], "tanh", seed=1), nn.MLP(3, [5, 1], "tanh", seed=1)
    optimizer = nn.optim.SGD(twin.parameters(), lr=0.1)
    losses = []
    for start in range(0, 50, 20):
        rows = [nn.mse(twin(x), t) for x, t in zip(X[start : start + 20], LINE[start : start + 20], strict=True)]
        optimizer.zero_grad()
        loss = ad.mean(rows)
        loss.backward()
        optimizer.step()
        losses.append(loss.data * len(rows))
    history, numbers = trained(
        model, batch_size=20, shuffle=False, epochs=1, optimizer=nn.optim.SGD(model.parameters(), lr=0.1)
    )
    np.testing.assert_allclose(numbers, [parameter.data for parameter in twin.parameters()], rtol=1e-12)
    assert history["loss"] == pytest.approx([sum(losses) / 50], rel=1e-12)


def test_the_seed_decides_the_order_and_the_same_seed_gives_the_same_bits() -> None:
    def run(seed: int) -> list[float]:
        numbers: list[float] = trained(nn.MLP(3, [4, 1], seed=0), seed=seed, epochs=2)[1]
        return numbers

    assert run(1) == run(1)
    assert run(1) != run(2)


# --- data ---


def test_rows_and_targets_of_every_kind_are_the_same_data() -> None:
    pandas = pytest.importorskip("pandas")
    kinds = [(X, LINE), (X.tolist(), LINE.tolist()), (pandas.DataFrame(X), pandas.Series(LINE)), (tuple(X), list(LINE))]
    kinds += [(X.astype(object), LINE.astype(object)), (np.asfortranarray(X), LINE[::-1][::-1])]
    results = [trained(nn.MLP(3, [4, 1], seed=0), rows, targets, epochs=2)[1] for rows, targets in kinds]
    assert all(result == results[0] for result in results)


def test_labels_that_are_texts_stand_for_their_places_in_order() -> None:
    pandas = pytest.importorskip("pandas")
    names = np.array(["no", "yes"])[SIGNS]
    options = {"loss": nn.cross_entropy, "metrics": ["accuracy"], "epochs": 3}
    by_number = trained(nn.MLP(3, [4, 2], seed=0), X, SIGNS, **options)
    column = names[:, None]
    alike = (names, names.tolist(), names.astype(object), pandas.Series(names), pandas.Categorical(names))
    for labels in (*alike, column, pandas.DataFrame(column)):
        history, numbers = trained(nn.MLP(3, [4, 2], seed=0), X, labels, **options)
        assert numbers == by_number[1]
        assert history.classes == ["no", "yes"]


def test_held_out_labels_mean_what_they_mean_in_training() -> None:
    labels = np.array(["a", "b", "c"])[np.arange(50) % 3]
    model = nn.MLP(3, [4, 3], seed=0)
    options = {"loss": nn.cross_entropy, "metrics": ["accuracy"], "epochs": 1}
    history, _ = trained(model, X, labels, validation=(X[1:3], ["b", "c"]), **options)
    outputs = nn.predict(model, X[1:3])
    assert history["val_accuracy"] == [np.mean(outputs.argmax(1) == [1, 2])]
    with pytest.raises(ValueError, match="label 'd', which is none of the classes"):
        trained(model, X, labels, validation=(X[:1], ["d"]), **options)


@pytest.mark.parametrize(
    ("rows", "targets", "error", "message"),
    [
        ([], [], ValueError, "X has no rows"),
        (X, LINE[:-1], ValueError, "X has 50 rows and y 49"),
        (np.where(np.isclose(X, X[2, 1]), np.nan, X), LINE, ValueError, r"X\[2, 1\] is nan"),
        (X, np.where(np.isclose(LINE, LINE[7]), np.inf, LINE), ValueError, r"y\[7\] is inf"),
        ([["a"], ["b"]], [1, 2], TypeError, r"X\[0\] holds something that is no real number: could not"),
        ([[1.0], [2.0, 3.0], "x"], [1, 2, 3], TypeError, r"X\[2\] holds something that is no real number"),
        (3.0, [1], TypeError, "X is a list, an array or a frame"),
        ({"a": 1}, [1], TypeError, "X is a list, an array or a frame"),
        ([[1.0], [2.0]], ["a", 1], TypeError, "labels that are texts, and 1 among them"),
        ([[1 + 2j]], [1], TypeError, r"X\[0\] holds something that is no real number: complex128"),
        (np.array([["a"]]), [1], TypeError, "X holds something that is no real number"),
        (X, [None, *["a"] * 49], TypeError, "labels that are texts, and None among them"),
        (X + 0j, LINE, TypeError, "X holds something that is no real number: complex128"),
        (np.arange(50).astype("M8[D]"), LINE, TypeError, r"X holds something that is no real number: datetime64\[D\]"),
        (np.ma.masked_greater(X, 1.0), LINE, ValueError, r"X\[\d+, \d\] is nan; fill in"),
        (np.array(3.0), LINE, TypeError, "X is a list, an array or a frame"),
    ],
)
def test_what_is_no_table_of_numbers_is_an_error_and_changes_nothing(
    rows: Any, targets: Any, error: type[Exception], message: str
) -> None:
    model = nn.Neuron(3, "linear", seed=0)
    before = model.state_dict()
    with pytest.raises(error, match=message):
        trained(model, rows, targets)
    assert model.state_dict() == before


def test_only_integers_are_handed_over_as_ints() -> None:
    pandas = pytest.importorskip("pandas")
    for kinds, handed in {("Float64",): float, ("Int64", "int8"): int, ("Float64", "int8"): float}.items():
        frame = pandas.DataFrame({kind: pandas.array([1, 2], dtype=kind) for kind in kinds})
        assert {type(x) for x in Data.of(frame).row(1).tolist()} == {handed}
    assert Data.of(np.array([2**64 - 1], dtype=np.uint64)).row(0) == 2.0**64


def test_a_sparse_matrix_is_refused_with_what_to_write() -> None:
    from scipy.sparse import csr_array

    with pytest.raises(TypeError, match=r"X is a sparse matrix; give X.toarray\(\)"):
        trained(nn.Neuron(3), csr_array(X))


def test_rows_of_one_shape_are_one_group() -> None:
    assert [group.tolist() for group in Data.of(X, LINE).groups(np.arange(3))] == [[0, 1, 2]]
    ragged = Data.of([[1.0], [2.0, 3.0], [4.0]], [1.0, 2.0, 3.0])
    assert list(ragged.groups(np.arange(3))) == [[0, 2], [1]]


# --- arguments ---


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "epochs is a whole number of at least 0, got -1"),
        ({"epochs": 1.5}, ValueError, "epochs is a whole number"),
        ({"batch_size": 0}, ValueError, "batch_size is a whole number of at least 1"),
        ({"compile": "yes"}, ValueError, "compile is True, False or"),
        ({"progress": "loud"}, ValueError, "progress is True, False or"),
        ({"metrics": ["accurracy"]}, ValueError, "no metric is called 'accurracy'"),
        ({"metrics": ["mae", "mae"]}, ValueError, "names of their own"),
        ({"optimizer": "adam"}, TypeError, "optimizer is one of nn.optim"),
        ({"optimizer": nn.optim.SGD([Value(1.0)], lr=1.0)}, ValueError, "none of the model's parameters"),
        ({"validation": X}, TypeError, "validation is a pair"),
        ({"validation": (X[:2], ["a", "b"])}, TypeError, "targets of validation are labels, and y holds numbers"),
        ({"shards": 0}, ValueError, "shards is a whole number"),
        ({"metrics": "mae"}, TypeError, r"metrics is a list, got 'mae' alone"),
        ({"callbacks": print}, TypeError, "callbacks is a list"),
        ({"callbacks": None}, TypeError, "callbacks is a list of functions, got None"),
        ({"callbacks": [nn.early_stopping()] * 2 + [3]}, TypeError, "a callback is a function of an nn.Event, got 3"),
        ({"optimizer": nn.optim.Adam}, TypeError, "optimizer is one of nn.optim"),
        ({"loss": "mse"}, TypeError, "loss is a function, got 'mse'; write loss=nn.mse"),
        ({"loss": None}, TypeError, "loss is a function, got None"),
        ({"schedule": 0.1}, TypeError, r"schedule is a function, got 0.1; write schedule=nn.schedules.constant\(0.1\)"),
        ({"clip": "norm"}, TypeError, "clip is a limit on the norm, or nn.optim.clip_by_value"),
        ({"clip": nn.optim.clip_by_norm}, TypeError, "clip is a limit on the norm"),
        (
            {"callbacks": nn.early_stopping()},
            TypeError,
            r"callbacks is a list, got callback alone; write callbacks=\[c",
        ),
        ({"penalty": 1e-3}, TypeError, "penalty is a function, got 0.001; write penalty=lambda"),
        ({"executor": 4}, TypeError, "executor is one of concurrent.futures"),
        ({"loss": lambda y, t: y.data}, TypeError, "gives one Value for a row, got float"),
        ({"loss": lambda y, t: [y]}, TypeError, "gives one Value for a row, got list"),
        ({"metrics": [lambda y, t: "good"]}, TypeError, "gives one number for a row, got str"),
    ],
)
def test_arguments_that_are_none_of_it_are_errors(options: dict[str, Any], error: type, message: str) -> None:
    model = nn.MLP(3, [2, 1], seed=0)
    before = model.state_dict()
    with pytest.raises(error, match=message):
        trained(model, **options)
    assert model.state_dict() == before
    assert model.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation_data": (X, X)}, r"unexpected keyword argument 'validation_data'; write validation=\(X, y\)"),
        ({"lr": 0.1}, r"unexpected keyword argument 'lr'; it is the optimizer's"),
        ({"bath_size": 8}, "unexpected keyword argument 'bath_size'; did you mean batch_size?"),
        ({"zzz": 8}, "unexpected keyword argument 'zzz'; it takes model, X, y, loss, optimizer, epochs, "),
        ({}, r"missing a required argument: 'epochs'; write nn.fit\(model, X, y, loss=nn.mse, "),
    ],
)
def test_arguments_that_fit_does_not_have_or_lacks_lead_to_what_it_has(options: dict[str, Any], message: str) -> None:
    model = nn.MLP(3, [1], seed=0)
    with pytest.raises(TypeError, match=message):
        nn.fit(model, X, X[:, 0], loss=nn.mse, optimizer=nn.optim.SGD(model.parameters()), **options)
    with pytest.raises(TypeError, match=r"too many positional arguments; write nn.fit"):
        nn.fit(model, X, X[:, 0], "mse")  # type: ignore[call-arg, misc]


def test_a_function_is_no_model() -> None:
    with pytest.raises(TypeError, match=r"fit trains an nn.Module, got function"):
        nn.fit(lambda x: x, X, LINE, loss=nn.mse, optimizer=nn.optim.SGD([Value(1.0)], lr=1.0), epochs=1)

    with pytest.raises(TypeError, match=r"predict takes an nn.Module and rows, got function"):
        nn.predict(lambda x: x, X)


def test_rows_without_targets_are_nothing_to_train_on() -> None:
    with pytest.raises(TypeError, match="fit takes y, a target for each row of X, got None"):
        trained(nn.Neuron(3), X, None)


def test_no_epochs_change_nothing() -> None:
    model = nn.Neuron(3, seed=0)
    before = model.state_dict()
    history, _ = trained(model, epochs=0)
    assert model.state_dict() == before
    assert history.epochs == 0
    assert repr(history) == "History(0 epochs)"


def test_only_what_the_optimiser_has_is_trained() -> None:
    for compile in (True, False):
        model = nn.MLP(3, [4, 1], seed=0)
        before = model.layers[0].state_dict()
        last = model.layers[1].state_dict()
        trained(model, compile=compile, optimizer=nn.optim.SGD(model.layers[1].parameters(), lr=0.1))
        assert model.layers[0].state_dict() == before
        assert model.layers[1].state_dict() != last


# --- compiled or not ---


class Drawing(nn.Module):
    """Noise by a generator of numpy, which a program would repeat."""

    def __init__(self) -> None:
        self.w, self.noise = Value(0.5), np.random.default_rng(0)

    def __call__(self, x: Any) -> Any:
        return self.w * (x[0] + float(self.noise.normal()))


class Global(nn.Module):
    def __init__(self) -> None:
        self.w = Value(0.5)

    def __call__(self, x: Any) -> Any:
        return self.w * (x[0] + float(np.random.rand()))


class Looking(nn.Module):
    """A number leaves the graph."""

    def __init__(self) -> None:
        self.w = Value(0.5)

    def __call__(self, x: Any) -> Any:
        y = self.w * x[0]
        return y + y.data


class Stateful(nn.Module):
    """What it gives depends on how often it was called; `of` says how."""

    def __init__(self, of: Any) -> None:
        self.w, self.calls, self.of = Value(0.5), 0, of
        self.generators, self.state = [random.Random(0)], Value(0.0)
        self.register_buffer("seen", 0)

    def __call__(self, x: Any) -> Any:
        return self.of(self, self.w * x[0])


def counts(model: Any, y: Any) -> Any:
    model.calls += 1
    return y / model.calls


def remembers(model: Any, y: Any) -> Any:
    model.state = (y + 0.5 * model.state).detach()
    return y + model.state


def draws(model: Any, y: Any) -> Any:
    return y * model.generators[0].random()


def notes(model: Any, y: Any) -> Any:
    model.seen += 1
    return y


class ByClosure(nn.Module):
    """A function in an attribute, which copies share, has the parameter and draws."""

    def __init__(self) -> None:
        self.w, self.rng = Value(0.5), random.Random(0)
        self.function = lambda x: self.w * (x[0] + self.rng.random())

    def __call__(self, x: Any) -> Any:
        return self.function(x)


class ByClosureSometimes(ByClosure):
    def __init__(self) -> None:
        super().__init__()
        self.v, self.function = Value(0.2), lambda x: self.v * x[1]

    def __call__(self, x: Any) -> Any:
        return self.w * x[0] if x[0] <= X[0, 0] else self.function(x)


class Looked(nn.Module):
    """A number is looked up by hash or type, which finds no tracer."""

    def __init__(self, up: Any) -> None:
        self.w, self.up = Value(0.5), up

    def __call__(self, x: Any) -> Any:
        return self.w * self.up(x[0])


FACTORS = {x: 1.0 + i for i, x in enumerate(X[:, 0].tolist())}


def weighed(y: Any, t: float) -> Any:
    return nn.mse(y, t) * {float(x): 3.0 for x in LINE[1:]}.get(t, 1.0)


def closed(model: Any) -> Any:
    return lambda y, t: nn.mse(y, t) + 0.1 * ad.sum([p * p for p in model.parameters()])


@pytest.mark.parametrize(
    ("make", "loss_of", "why"),
    [
        (Drawing, lambda model: nn.mse, "draws random numbers that a program would repeat"),
        (Global, lambda model: nn.mse, "draws random numbers that a program would repeat"),
        (Looking, lambda model: nn.mse, "data leaves the graph"),
        (lambda: nn.MLP(3, [2, 1], seed=0), closed, "give fit a penalty"),
        (lambda: nn.Neuron(3, seed=0), lambda model: weighed, "other numbers than the model"),
        (lambda: Stateful(counts), lambda model: nn.mse, "gives something else for the same row"),
        (lambda: Stateful(remembers), lambda model: nn.mse, "gives something else for the same row"),
        (
            lambda: Stateful(lambda m, y: y * m.generators[0].random()),
            lambda model: nn.mse,
            "something else for the same",
        ),
        (lambda: Stateful(notes), lambda model: nn.mse, "changes buffers"),
        (ByClosure, lambda model: nn.mse, "draws random numbers that a program would repeat"),
        (ByClosureSometimes, lambda model: nn.mse, "has parameters by another way"),
        (lambda: Looked(lambda x: FACTORS.get(x, 0.0)), lambda model: nn.mse, "other numbers than the model"),
        (
            lambda: Looked(lambda x: 2.0 if isinstance(x, float) else 1.0),
            lambda model: nn.mse,
            "other numbers than the model",
        ),
        (lambda: Looked(lambda x: x if type(x) is np.float64 else x.real), lambda model: nn.mse, "attribute 'real'"),
    ],
)
def test_what_cannot_be_compiled_is_trained_eagerly_and_told(make: Any, loss_of: Any, why: str) -> None:
    model = make()
    with pytest.raises(TracingError, match=why):
        trained(model, loss=loss_of(model), compile=True, epochs=1)
    history, numbers = trained(model, loss=loss_of(model), epochs=2)
    assert not history.compiled
    assert history.why_eager is not None
    assert re.search(why, history.why_eager)
    assert all(map(np.isfinite, numbers))


def test_what_is_trained_eagerly_is_what_compile_false_gives() -> None:
    for make in (lambda: Stateful(counts), lambda: Stateful(remembers), ByClosure, ByClosureSometimes):
        (_, numbers), (_, others) = trained(make(), epochs=2), trained(make(), epochs=2, compile=False)
        assert numbers == pytest.approx(others, rel=1e-14)  # the optimiser's rule is compiled in one of them


class Fickle(nn.Module):
    """It draws more for some rows than for others."""

    def __init__(self) -> None:
        self.w, self.rng = Value(0.5), random.Random(0)

    def __call__(self, x: Any) -> Any:
        return self.w * sum(self.rng.random() for _ in range(3 if x[0] > 0 else 1))


def test_a_model_that_draws_more_for_some_rows_is_trained_eagerly() -> None:
    (history, numbers), (_, others) = trained(Fickle()), trained(Fickle(), compile=False)
    assert not history.compiled
    assert numbers == others


def test_many_numbers_are_found_finite_without_waking_the_threads_of_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "vdot", lambda *_: pytest.fail("BLAS takes threads for vectors of over 10,000 numbers"))
    numbers = np.full(10_001, 1e300)
    assert _is_finite(numbers)
    for bad in (np.inf, -np.inf, np.nan):
        numbers[5000] = bad
        assert not _is_finite(numbers)


def test_slopes_whose_squares_are_not_finite_are_taken_as_they_are() -> None:
    model = nn.Neuron(3, "linear", seed=0)
    sgd = nn.optim.SGD(model.parameters(), lr=1e-200)
    history, _ = trained(model, loss=lambda y, t: (y - t) * 1e200, optimizer=sgd, epochs=1)
    assert history.epochs == 1


@pytest.mark.parametrize("compile", [True, False])
def test_a_penalty_that_ignores_what_it_is_given_is_an_error(compile: bool) -> None:
    model = nn.MLP(3, [2, 1], seed=0)
    with pytest.raises(ValueError, match="penalty is a function of the parameters that it is given"):
        trained(model, penalty=lambda _: nn.l2(model.layers[0].parameters(), 0.1), compile=compile)


def test_a_penalty_by_a_closure_is_that_of_penalty() -> None:
    model, other = nn.MLP(3, [2, 1], seed=0), nn.MLP(3, [2, 1], seed=0)
    by_closure = trained(model, loss=closed(model))[1]
    by_penalty = trained(other, penalty=lambda ps: 0.1 * ad.sum([p * p for p in ps]))[1]
    np.testing.assert_allclose(by_closure, by_penalty, rtol=1e-9)


@pytest.mark.parametrize("compile", [True, False])
def test_detect_anomaly_names_what_made_nan(compile: bool) -> None:
    model = Logarithm()
    with ad.detect_anomaly(), pytest.raises(FloatingPointError, match="log made nan"):
        trained(model, [[1.0], [2.0], [-1.0]], [0.0, 0.0, 0.0], compile=compile)
    with ad.detect_anomaly():
        history, _ = trained(nn.MLP(3, [2, 1], seed=0), compile=compile, epochs=2)
    assert history["loss"] == pytest.approx(trained(nn.MLP(3, [2, 1], seed=0), epochs=2)[0]["loss"])


@pytest.mark.parametrize("compile", [True, False])
def test_training_inside_no_grad_is_an_error(compile: bool) -> None:
    with ad.no_grad(), pytest.raises(ValueError, match="inside no_grad"):
        trained(nn.MLP(3, [2, 1], seed=0), compile=compile)


class Locked(nn.Module):
    """Holds what cannot be copied."""

    def __init__(self) -> None:
        self.w, self.lock, self.rng = Value(0.5), threading.Lock(), random.Random(0)

    def __call__(self, x: Any) -> Any:
        return self.w * (x[0] + self.rng.random())


def test_a_model_that_cannot_be_copied_is_trained_eagerly() -> None:
    history, (w,) = trained(Locked())
    assert history.why_eager == "the model cannot be copied: cannot pickle '_thread.lock' object"
    assert w != 0.5


class Only(nn.Module):
    def __init__(self) -> None:
        self.w = Value(0.5)

    def __call__(self, x: Any) -> Any:
        return self.w * x[0]

    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("there is only one")


def test_a_model_that_refuses_to_be_copied_is_trained_and_predicts_eagerly() -> None:
    model = Only()
    history, (w,) = trained(model, validation=(X, LINE))
    assert history.why_eager == "the model cannot be copied: there is only one"
    np.testing.assert_allclose(nn.predict(model, X)[:, 0], w * X[:, 0])


class Indexing(nn.Module):
    """A row of whole numbers is an index, in plain Python."""

    def __init__(self) -> None:
        self.table = [Value(0.1 * i) for i in range(4)]

    def __call__(self, i: int) -> Any:
        return self.table[i]


def test_whole_numbers_are_ints_where_nothing_is_compiled() -> None:
    history, numbers = trained(Indexing(), [0, 1, 2, 3], [1, 2, 3, 4], epochs=300)
    assert not history.compiled
    np.testing.assert_allclose(numbers, [1, 2, 3, 4], atol=0.05)


# --- modes, and what is left behind ---


class Modes(nn.Module):
    def __init__(self) -> None:
        self.w, self.inner = Value(0.5), nn.Neuron(1, "linear", seed=0)

    def __call__(self, x: Any) -> Any:
        return self.w if self.training else self.w + 100.0


@pytest.mark.parametrize("compile", [True, False])
def test_rows_are_trained_in_training_mode_and_judged_in_eval_mode(compile: bool) -> None:
    model = Modes()
    model.inner.eval()
    history, _ = trained(
        model, X, np.full(50, 0.5), validation=(X, np.full(50, 100.5)), compile=compile, epochs=2, lr=1e-9
    )
    assert history["loss"] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert history["val_loss"] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert (model.training, model.inner.training) == (True, False)
    assert nn.predict(model, X, compile=compile)[0, 0] > 100.0


# --- what ends it ---


@pytest.mark.parametrize("compile", [True, False])
def test_ctrl_c_ends_after_the_batch_with_the_parameters_as_they_are(compile: bool, capsys: Any) -> None:
    model, seen = nn.MLP(3, [4, 1], seed=0), []

    @nn.each_batch
    def interrupt(event: Any) -> None:
        seen.append(model.state_dict())
        if event.step == 10:
            signal.raise_signal(signal.SIGINT)

    history, _ = trained(model, compile=compile, callbacks=[interrupt], batch_size=8)
    assert len(seen) == 10
    assert model.state_dict() == seen[-1]
    assert history.epochs == 1
    assert history.stopped == "interrupted"
    assert "Ctrl-C again" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_interrupts_at_once() -> None:
    model, seen = nn.MLP(3, [4, 1], seed=0), []

    @nn.each_batch
    def interrupt(event: Any) -> None:
        seen.append(model.state_dict())
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trained(model, callbacks=[interrupt])
    assert model.state_dict() == seen[-1]


class Halting(nn.optim.SGD):
    """Ctrl-C is pressed twice in the middle of the third step."""

    taken = 0

    def on_arrays(self, numbers: Any, slopes: Any) -> Any:
        def step() -> None:
            self.taken += 1
            numbers[:2] -= 1.0
            for _ in range(2 * (self.taken == 3)):
                signal.raise_signal(signal.SIGINT)
            numbers[2:] -= 1.0

        return step


def test_a_second_ctrl_c_does_not_halve_a_step() -> None:
    model = nn.Neuron(3, "linear", seed=0)
    before = np.array(list(model.state_dict().values()))
    with pytest.raises(KeyboardInterrupt):
        trained(model, optimizer=Halting(model.parameters(), lr=0.1))
    np.testing.assert_allclose(list(model.state_dict().values()), before - 3.0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_after_the_last_batch_of_an_epoch_ends_with_that_epoch() -> None:
    history, _ = trained(nn.Neuron(3, seed=0), callbacks=[lambda event: signal.raise_signal(signal.SIGINT)])
    assert (history.epochs, history.stopped) == (1, "interrupted")


def test_training_in_a_thread_leaves_signals_alone() -> None:
    histories: list[Any] = []
    thread = threading.Thread(target=lambda: histories.append(trained(nn.Neuron(3, seed=0), epochs=2)[0]))
    thread.start()
    thread.join()
    assert histories[0].epochs == 2


@pytest.mark.parametrize("compile", [True, False])
def test_a_loss_that_is_nan_ends_the_training_with_the_last_good_epoch(compile: bool) -> None:
    model, seen = nn.Neuron(3, "linear", seed=0), list[Any]()
    look = lambda event: seen.append(model.state_dict())
    sgd = nn.optim.SGD(model.parameters(), lr=40.0, momentum=0.5)
    before = model.state_dict()
    with pytest.raises(
        FloatingPointError, match=r"the loss or its gradient is not finite at step \d+, in epoch \d+: "
    ) as error:
        trained(model, compile=compile, optimizer=sgd, epochs=200, callbacks=[look])
    assert "smaller learning rate" in str(error.value)
    assert model.state_dict() == (seen[-1] if seen else before)
    assert all(map(np.isfinite, model.state_dict().values()))


class Logarithm(nn.Module):
    def __init__(self) -> None:
        self.w = Value(1.0, "w")

    def __call__(self, x: Any) -> Any:
        return ad.log(x[0] * self.w)


@pytest.mark.parametrize("compile", [True, False])
def test_the_operation_that_made_nan_is_named_with_its_row(compile: bool) -> None:
    model = Logarithm()
    with pytest.raises(FloatingPointError, match=r"at step 1, in epoch 1: of row 2, log made nan from"):
        trained(model, [[1.0], [2.0], [-1.0]], [0.0, 0.0, 0.0], compile=compile, shuffle=False)
    assert model.w.data == 1.0


class Root(nn.Module):
    def __init__(self) -> None:
        self.w, self.b = Value(1.0, "w"), Value(1.0, "b")

    def __call__(self, x: Any) -> Any:
        return ad.sqrt(self.w - x[0]) + self.b


@pytest.mark.parametrize("compile", [True, False])
def test_a_slope_that_is_not_finite_ends_the_training_before_the_optimiser_has_seen_it(compile: bool) -> None:
    model = Root()
    adam = nn.optim.Adam(model.parameters(), lr=0.1)
    options = {"optimizer": adam, "batch_size": 2, "compile": compile, "epochs": 1}
    with pytest.raises(FloatingPointError, match=r"(?s)at step 1, in epoch 1: of row \d, .* sqrt"):
        trained(model, [[0.0], [1.0]], [0.0, 0.0], **options)
    assert (model.w.data, model.b.data) == (1.0, 1.0)
    assert adam.state_dict()["state"][0]["step"] == 0
    clip = nn.optim.clip_by_value(0.5)
    assert trained(model, [[0.0], [1.0]], [0.0, 0.0], clip=clip, **options)[0].epochs == 1


def test_an_error_of_the_model_says_in_which_row_it_was() -> None:
    model = Of(lambda w, x: w[0] * (x[0] if x[0] < 2.0 else x[3]))
    with pytest.raises(IndexError) as error:
        trained(model, [[1.0], [1.5], [2.0]], [0.0, 0.0, 0.0], compile=False, epochs=1)
    assert error.value.__notes__ == ["in row 2"]
    assert [parameter.grad for parameter in model.parameters()] == [0.0, 0.0]


def test_a_class_that_is_none_is_named_with_its_row() -> None:
    with pytest.raises(FloatingPointError, match=r"of row 1, cross_entropy takes a class from 0 to 1, got 2; .*epoch$"):
        trained(nn.MLP(3, [2, 2], seed=0), X, [0, 2, *[1] * 48], loss=nn.cross_entropy, shuffle=False)


@pytest.mark.parametrize("compile", [True, False])
def test_a_parameter_that_the_last_step_made_infinite_ends_the_training(compile: bool) -> None:
    model = nn.Neuron(1, "linear", seed=0)
    before = model.state_dict()
    options = {"optimizer": nn.optim.SGD(model.parameters(), lr=1e308), "epochs": 1, "batch_size": None}
    with pytest.raises(FloatingPointError, match=r"has become -?inf"):
        trained(model, [[1.0], [2.0]], [1e3, 1e3], compile=compile, **options)
    assert model.state_dict() == before


def test_the_parameter_that_is_not_finite_is_named() -> None:
    model = nn.MLP(3, [2, 1], seed=0)
    model.layers[1].neurons[0].b.data = float("nan")
    with pytest.raises(FloatingPointError, match=r"the parameter layers.1.neurons.0.b has become nan"):
        trained(model)


# --- callbacks ---


def test_callbacks_see_each_epoch_as_it_is() -> None:
    model, seen = nn.MLP(3, [4, 1], seed=0), []

    def look(event: nn.Event) -> None:
        assert event.model is model
        seen.append((event.name, event.epoch, event.epochs, event.step, event.logs["loss"], event.history.epochs))
        assert event.logs.keys() == {"loss", "mae", "val_loss", "val_mae", "lr", "seconds"}

    history, _ = trained(model, metrics=["mae"], validation=(X, LINE), callbacks=[look], epochs=3)
    assert [entry[:4] for entry in seen] == [("epoch", i, 3, 7 * i) for i in (1, 2, 3)]
    assert [entry[4] for entry in seen] == history["loss"]
    assert [entry[5] for entry in seen] == [1, 2, 3]


@pytest.mark.parametrize("compile", [True, False])
def test_a_callback_may_change_parameters(compile: bool) -> None:
    model = nn.Neuron(3, "linear", seed=0)

    def reset(event: nn.Event) -> None:
        for parameter in model.parameters():
            parameter.data = 0.0

    trained(model, compile=compile, callbacks=[reset], epochs=2)
    assert set(model.state_dict().values()) == {0.0}


class Factored(nn.Module):
    def __init__(self) -> None:
        self.w, self.factor = [Value(0.1), Value(0.2), Value(0.3)], 1.0

    def __call__(self, x: Any) -> Any:
        return self.factor * (ad.dot(self.w, list(x)) if self.training else self.w[0])


def halve(event: nn.Event) -> None:
    event.model.factor /= 2
    event.model.eval()


def replace(event: nn.Event) -> None:
    event.model.w[0] = Value(float(event.epoch))


@pytest.mark.parametrize("change", [halve, replace])
def test_what_a_callback_changes_of_the_model_counts_from_then_on(change: Any) -> None:
    results = []
    for compile in (True, False):
        options: dict[str, Any] = {"callbacks": [change], "validation": (X[:9], LINE[:9]), "epochs": 3}
        history, numbers = trained(Factored(), compile=compile, **options)
        assert history.compiled is compile
        results.append([*history["loss"], *history["val_loss"], *numbers])
    np.testing.assert_allclose(*results, rtol=1e-9)


def test_a_callback_stops_the_training_and_says_why() -> None:
    history, _ = trained(nn.Neuron(3, seed=0), callbacks=[lambda event: event.epoch == 4 and event.stop("enough")])
    assert (history.epochs, history.stopped) == (4, "enough")


@pytest.mark.parametrize("step", [6, 7, 8])
def test_a_batch_callback_that_stops_leaves_the_epochs_that_were_whole(step: int) -> None:
    @nn.each_batch
    def stop(event: nn.Event) -> None:
        if event.step == step:
            event.stop("enough")

    history, _ = trained(nn.Neuron(3, seed=0), callbacks=[stop, lambda event: None])  # 7 batches of 50 rows
    assert (history.epochs, history.stopped) == (step // 7, "enough")


def test_an_exception_of_a_callback_leaves_the_parameters_of_its_epoch() -> None:
    model = nn.Neuron(3, seed=0)
    before = model.state_dict()
    with pytest.raises(ZeroDivisionError):
        trained(model, callbacks=[lambda event: 1 / 0])
    assert model.state_dict() != before


def test_early_stopping_ends_with_the_best_epoch() -> None:
    model, seen = nn.MLP(3, [4, 1], seed=0), []
    noise = RNG.normal(size=20)
    stop = nn.early_stopping(patience=3)
    look = lambda event: seen.append((event.logs["val_loss"], model.state_dict()))
    history, _ = trained(model, validation=(X[:20], noise), callbacks=[look, stop], epochs=100)
    assert history.stopped == "val_loss has not improved for 3 epochs"
    best = min(range(len(seen)), key=lambda i: seen[i][0])
    assert len(seen) == best + 4
    assert model.state_dict() == seen[best][1]


def test_early_stopping_restores_buffers_too() -> None:
    model = nn.Neuron(3, "linear", seed=0)
    model.register_buffer("epochs", 0)
    seen: list[dict[str, float]] = []

    def count(event: Any) -> None:
        model.epochs += 1
        seen.append(model.state_dict())

    stop = nn.early_stopping("loss", patience=3, min_delta=1.0)
    history, _ = trained(model, epochs=50, callbacks=[count, stop])
    assert history.epochs < 50
    assert model.state_dict() == seen[-4]


def test_early_stopping_of_an_unknown_figure_names_those_there_are() -> None:
    with pytest.raises(KeyError, match="no figure is called 'val_loss'; there are loss, lr, seconds; give"):
        trained(nn.Neuron(3, seed=0), callbacks=[nn.early_stopping()])


@pytest.mark.parametrize("around", [lambda schedule: schedule, lambda schedule: nn.schedules.warm_up(schedule, 1.0)])
def test_a_plateau_is_that_of_the_figure_it_monitors(around: Any) -> None:
    schedule = nn.schedules.ReduceOnPlateau(0.05, mode="max", patience=0, monitor="val_accuracy")
    options = {"loss": nn.binary_cross_entropy_with_logits, "metrics": ["accuracy"], "validation": (X, SIGNS)}
    history, _ = trained(nn.Neuron(3, "linear", seed=0), X, SIGNS, schedule=around(schedule), epochs=12, **options)
    seen = history["val_accuracy"]
    falls = sum(later <= max(seen[: i + 1]) * (1 + 1e-4) for i, later in enumerate(seen[1:]))
    assert 0 < falls < 11
    assert schedule.lr == pytest.approx(0.05 * 0.1**falls)
    with pytest.raises(KeyError, match="no figure is called 'val_mae'; there are loss, lr, seconds; give fit"):
        trained(nn.Neuron(3), schedule=nn.schedules.ReduceOnPlateau(0.05, monitor="val_mae"))


def test_a_callback_that_was_not_made_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"monitor is the name of a figure, got .* callbacks=\[nn.early_stopping"):
        trained(nn.Neuron(3, seed=0), callbacks=[nn.early_stopping])
    with pytest.raises(TypeError, match="not Event"):
        trained(nn.Neuron(3, seed=0), callbacks=[nn.checkpoint])


def test_checkpoints_are_those_of_the_best_epochs(tmp_path: Path) -> None:
    model, seen = nn.MLP(3, [4, 1], seed=0), []
    path = tmp_path / "best.safetensors"
    look = lambda event: seen.append((event.logs["val_loss"], model.state_dict()))
    keep = nn.checkpoint(path, monitor="val_loss")
    trained(model, validation=(X[:20], RNG.normal(size=20)), callbacks=[look, keep], epochs=20)
    best = min(range(20), key=lambda i: seen[i][0])
    saved = nn.load(path)
    assert saved.model.state_dict() == seen[best][1]
    assert saved.history.epochs == best + 1


@pytest.mark.parametrize("compile", [True, False])
def test_training_goes_on_from_a_checkpoint_bit_for_bit(compile: bool, tmp_path: Path) -> None:
    make = lambda: nn.Sequential(
        nn.Layer(3, 6, "tanh", seed=0), nn.Dropout(0.2, seed=1), nn.Layer(6, 1, "linear", seed=2)
    )
    model, path = make(), tmp_path / "model.safetensors"
    adam = nn.optim.Adam(model.parameters(), lr=0.01)
    trained(model, optimizer=adam, epochs=4, callbacks=[nn.checkpoint(path)], compile=compile)
    trained(model, optimizer=adam, epochs=3, seed=5, compile=compile)
    saved = nn.load(path)
    trained(saved.model, optimizer=saved.optimizer, epochs=3, seed=5, compile=compile)
    assert saved.model.state_dict() == model.state_dict()
    assert saved.optimizer.state_dict() == adam.state_dict()


# --- outputs of many rows ---


@pytest.mark.parametrize("compile", [True, False])
def test_predict_gives_a_row_of_outputs_for_each_row(compile: bool) -> None:
    one, three = nn.MLP(3, [4, 1], seed=0), nn.MLP(3, [4, 3], seed=0)
    assert nn.predict(one, X, compile=compile).shape == (50, 1)
    outputs = nn.predict(three, X, compile=compile)
    assert outputs.shape == (50, 3)
    np.testing.assert_allclose(outputs[7], [value.data for value in three(X[7])], rtol=1e-13)


class Of(nn.Module):
    """What a function makes of its numbers and a row."""

    def __init__(self, function: Any) -> None:
        self.w, self.function = [Value(0.1), Value(0.2)], function

    def __call__(self, x: Any) -> Any:
        return self.function(self.w, x)


LATER = dict.fromkeys(X[1:, 0].tolist(), 2.0)
OUTPUTS = {
    "tuple": lambda w, x: (w[0] * x[0], w[1]),
    "nested": lambda w, x: ([w[0] * x[0], x[1]], (w[1], 1.0)),
    "array": lambda w, x: np.array([w[0] * x[0], w[1]]),
    "number": lambda w, x: x[0],
    "constant": lambda w, x: 3,
    "condition": lambda w, x: x[0] > 0,
    "looked up by hash": lambda w, x: w[0] * FACTORS.get(x[0], 0.0),
    "looked up by hash, unless it is the first": lambda w, x: w[0] * LATER.get(x[0], 1.0),
    "looked up, or an error": lambda w, x: w[0] * FACTORS[x[0]],
    "method of floats": lambda w, x: w[0] * x[0].real,
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_predictions_do_not_depend_on_how_they_are_made(name: str) -> None:
    model = Of(OUTPUTS[name])
    outputs, others = nn.predict(model, X), nn.predict(model, X, compile=False)
    assert outputs.shape == others.shape
    np.testing.assert_allclose(outputs, others, rtol=1e-13)


def test_a_program_that_predicts_something_else_is_an_error_where_it_is_insisted_on() -> None:
    with pytest.raises(TracingError, match="other numbers than the model"):
        nn.predict(Of(OUTPUTS["looked up by hash"]), X, compile=True)


def test_predict_of_rows_of_several_lengths() -> None:
    model = Recurrent()
    expected = [[model(row).data] for row in RAGGED]
    np.testing.assert_allclose(nn.predict(model, RAGGED), expected)


def test_digits_are_read_after_a_few_epochs() -> None:
    rows, held_out, digits, answers = train_test_split(*load_digits(return_X_y=True), random_state=0)
    model = nn.MLP(64, [32, 10], seed=0)
    options = {"loss": nn.cross_entropy, "optimizer": nn.optim.Adam(model.parameters(), lr=3e-3), "batch_size": 32}
    history, _ = trained(model, rows / 16, digits, epochs=15, compile=True, metrics=["accuracy"], **options)
    assert history["accuracy"][-1] > 0.98
    assert (nn.predict(model, held_out / 16).argmax(1) == answers).mean() > 0.95


@pytest.mark.parametrize("compile", [True, False])
def test_an_optimiser_of_your_own_is_one_rule(compile: bool) -> None:
    model = nn.MLP(3, [4, 1], seed=0)
    by_signs = BySigns(model.parameters(), lr=0.01)
    history = nn.fit(model, X, X[:, 0], loss=nn.mse, optimizer=by_signs, epochs=20, compile=compile)
    assert history["loss"][-1] < history["loss"][0] / 4
    assert by_signs.state_dict()["state"][0]["step"] == 20 * 2


class BySigns(nn.optim.Optimizer):
    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, lr=lr)

    @staticmethod
    def _plan(options: Any, step: int) -> Plan:
        return Plan(descent_by_sign, (options["lr"],))


def descent_by_sign(numbers: Any, x: Any, slope: Any) -> tuple[Any, ...]:
    (lr,) = numbers
    return (x - lr * ad.sign(slope),)


def test_a_model_that_returns_nothing_is_told_so() -> None:
    class Mute(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Layer(3, 1, seed=0)

        def __call__(self, x: Any) -> Any:
            self.layer(x)

    model = Mute()
    with pytest.raises(TypeError, match="the model gives None for a row; return the outputs in its __call__"):
        nn.fit(model, X, X[:, 0], loss=nn.mse, optimizer=nn.optim.SGD(model.parameters()), epochs=1)
