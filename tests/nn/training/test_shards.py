"""Training by several workers: the same bits as in one process, whatever becomes of the workers."""

import os
import signal
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > X[:, 1]).astype(int)


def trained(loss: Any = nn.cross_entropy, **options: Any) -> tuple[nn.History, list[float]]:
    model = nn.MLP(3, [4, 2], seed=0)
    adam = nn.optim.Adam(model.parameters(), lr=0.05)
    history = nn.fit(
        model, X, Y, loss=loss, optimizer=adam, epochs=3, batch_size=20, metrics=["accuracy"], progress=False, **options
    )
    return history, [parameter.data for parameter in model.parameters()]


def figures(history: nn.History) -> dict[str, list[float]]:
    return {name: column for name, column in history.items() if name != "seconds"}


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_workers_give_the_bits_of_one_process(kind: Any, compile: bool) -> None:
    alone, numbers = trained(shards=3, compile=compile)
    with kind(2) as executor:
        history, others = trained(shards=3, compile=compile, executor=executor)
    assert others == numbers
    assert figures(history) == figures(alone)


def test_shards_are_the_whole_batch() -> None:
    whole, numbers = trained()
    split, others = trained(shards=7)
    np.testing.assert_allclose(others, numbers, rtol=1e-9)
    np.testing.assert_allclose(split["loss"], whole["loss"], rtol=1e-9)


def test_more_shards_than_rows_are_a_row_each() -> None:
    np.testing.assert_allclose(trained(shards=50)[1], trained()[1], rtol=1e-9)


def test_there_are_as_many_shards_as_the_executor_has_workers() -> None:
    with ThreadPoolExecutor(4) as executor:
        assert trained(executor=executor)[1] == trained(shards=4)[1]


def test_workers_of_dask_give_the_same_bits() -> None:
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "processes": False}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        _, numbers = trained(shards=3, executor=client.get_executor())
    assert numbers == trained(shards=3)[1]


class Counting(Executor):
    """Runs at once, and counts the bytes that each task would send."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        import pickle

        self.sizes.append(len(pickle.dumps((function, args))))
        future: Future[Any] = Future()
        future.set_result(function(*args))
        return future


def test_data_travel_once() -> None:
    executor = Counting()
    model = nn.Neuron(400, "linear", seed=0)
    rows = np.random.default_rng(0).normal(size=(300, 400))
    sgd = nn.optim.SGD(model.parameters(), lr=1e-4)
    nn.fit(model, rows, rows[:, 0], loss=nn.mse, optimizer=sgd, epochs=2, executor=executor, shards=2, progress=False)
    large = [size for size in executor.sizes if size > rows.nbytes / 2]
    assert len(large) <= 2
    assert max(size for size in executor.sizes if size not in large) < 8 * 400 + 2000


def dies_once(outputs: Any, target: Any) -> Any:
    """The loss; the first worker that comes here ends as if it were killed, in the middle of an epoch."""
    marker = Path(os.environ["MARKER"])
    if os.getpid() != int(os.environ["PARENT"]):
        seen = marker.with_name(f"rows-{os.getpid()}")
        count = int(seen.read_text() or 0) + 1 if seen.exists() else 1
        seen.write_text(str(count))
        if count == 25 and not marker.exists():
            marker.write_text("gone")
            os.kill(os.getpid(), signal.SIGKILL)
    return nn.cross_entropy(outputs, target)


@pytest.mark.parametrize("engine", ["processes", "dask"])
def test_a_worker_that_is_killed_changes_nothing(engine: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MARKER", str(tmp_path / "killed"))
    monkeypatch.setenv("PARENT", str(os.getpid()))
    _, numbers = trained(shards=3, compile=False)
    if engine == "processes":
        with ProcessPoolExecutor(2) as executor, pytest.warns(RuntimeWarning, match="goes on without it"):
            _, others = trained(dies_once, shards=3, compile=False, executor=executor)
    else:
        distributed = pytest.importorskip("distributed")
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
        with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
            executor = client.get_executor()
            assert trained(shards=3, executor=executor)[1] == trained(shards=3)[1]
            _, others = trained(dies_once, shards=3, compile=False, executor=executor)
    assert (tmp_path / "killed").exists()
    assert others == numbers


def test_what_cannot_be_sent_is_an_error_before_anything_has_changed() -> None:
    model = nn.MLP(3, [4, 2], seed=0)
    sgd = nn.optim.SGD(model.parameters(), lr=0.1)
    before = model.state_dict()
    loss = lambda outputs, target: nn.cross_entropy(outputs, target)
    with ProcessPoolExecutor(1) as executor, pytest.raises(TypeError, match="not as lambdas"):
        nn.fit(model, X, Y, loss=loss, optimizer=sgd, epochs=1, executor=executor, progress=False)
    assert model.state_dict() == before
    assert not any(parameter.grad for parameter in model.parameters())


def fails(outputs: Any, target: Any) -> Any:
    return ad.log(outputs[0] - 1e9)


def interrupted(outputs: Any, target: Any) -> Any:
    """The loss; in a worker, Ctrl-C, which a terminal sends to all processes."""
    if os.getpid() != int(os.environ["PARENT"]):
        raise KeyboardInterrupt
    return nn.cross_entropy(outputs, target)


class Averaging(nn.Module):
    """A neuron less the running mean of what it gave, which is a buffer."""

    def __init__(self) -> None:
        self.neuron = nn.Neuron(3, "linear", seed=0)
        self.register_buffer("mean", ad.Value(0.0))

    def __call__(self, x: Any) -> Any:
        out = self.neuron(x)
        self.mean.data += 0.1 * (out.data - self.mean.data)
        return out - self.mean


def test_a_model_that_keeps_state_is_not_shared_among_workers() -> None:
    model = Averaging()
    options: Any = {"loss": nn.mse, "optimizer": nn.optim.SGD(model.parameters()), "epochs": 1, "progress": False}
    with ThreadPoolExecutor(2) as executor, pytest.raises(TypeError, match=r"workers would not do .* changes buf"):
        nn.fit(model, np.ones((4, 3)), np.ones(4), executor=executor, **options)


def test_ctrl_c_in_a_worker_is_not_ours(monkeypatch: Any) -> None:
    monkeypatch.setenv("PARENT", str(os.getpid()))
    with ProcessPoolExecutor(2) as executor:
        _, numbers = trained(interrupted, shards=3, compile=False, executor=executor)
    assert numbers == trained(shards=3, compile=False)[1]


class Sealed:
    """A loss that can be sent, and not be unpacked."""

    def __init__(self) -> None:
        self.loss = nn.cross_entropy

    def __call__(self, outputs: Any, target: Any) -> Any:
        return self.loss(outputs, target)

    def __setstate__(self, state: Any) -> None:
        raise ModuleNotFoundError("there is no such module here")


def test_workers_that_can_do_nothing_are_warned_of_once() -> None:
    with ThreadPoolExecutor(2) as executor, pytest.warns(RuntimeWarning) as warned:
        _, numbers = trained(Sealed(), executor=executor)
    assert [str(warning.message) for warning in warned] == [
        "a worker could not do its part, and it is done here, which is slower: there is no such module here"
    ]
    assert numbers == trained(shards=2)[1]


def test_a_cancelled_part_is_done_here() -> None:
    class Cancelling(Executor):
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.cancel()
            return future

    assert trained(shards=3, executor=Cancelling())[1] == trained(shards=3)[1]


class Scaled(nn.Module):
    """A factor that is not trained, and no Value."""

    def __init__(self) -> None:
        self.inner, self.factor = nn.MLP(3, [4, 2], seed=0), 1.0

    def __call__(self, x: Any) -> Any:
        return [self.factor * y for y in self.inner(x)]


@pytest.mark.parametrize("compile", [True, False])
def test_workers_are_told_what_a_callback_changed(compile: bool) -> None:
    def halve(event: nn.Event) -> None:
        event.model.factor /= 2

    results = []
    with ProcessPoolExecutor(2) as pool:
        for executor in (pool, None):
            model = Scaled()
            adam = nn.optim.Adam(model.parameters(), lr=0.05)
            options: dict[str, Any] = {"callbacks": [halve], "executor": executor, "shards": 2, "compile": compile}
            nn.fit(model, X, Y, loss=nn.cross_entropy, optimizer=adam, epochs=3, progress=False, **options)
            results.append([parameter.data for parameter in model.parameters()])
    assert results[0] == results[1]


def test_an_error_in_a_worker_is_the_error_of_one_process() -> None:
    with ThreadPoolExecutor(2) as executor, pytest.raises(FloatingPointError, match="log made nan"):
        trained(fails, executor=executor)
