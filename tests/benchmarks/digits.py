"""Digits on an MLP 64-32-10, on each peer: ReLU, softmax cross-entropy, SGD, batches of 32, an epoch of 1,797 rows.

Every `*_epoch(data, numbers)` returns a function that starts from the numbers, trains one epoch, and returns the
weights then. Every `*_full(data, numbers)` returns a function that gives the mean loss of all rows and its gradient.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import autodiff
from tests.benchmarks import engines, models, peers
from tests.benchmarks.peers import Array

INPUTS, HIDDEN, CLASSES, BATCH, RATE = 64, 32, 10, 32, 0.1
SHAPES = {"w1": (HIDDEN, INPUTS), "b1": (HIDDEN,), "w2": (CLASSES, HIDDEN), "b2": (CLASSES,)}

Parameters = dict[str, Array]
Epoch = Callable[[], Parameters]


class Data(NamedTuple):
    """Rows of 64 numbers from 0 to 1, the digit that each shows, and the same one-hot."""

    rows: Array
    classes: np.ndarray[Any, np.dtype[np.int64]]
    one_hot: Array

    def part(self, chosen: Any) -> "Data":
        """Return the rows of a slice, or with these indices."""
        return Data(self.rows[chosen], self.classes[chosen], self.one_hot[chosen])


def load() -> Data:
    """Return scikit-learn's digits, shuffled."""
    from sklearn.datasets import load_digits

    rows, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(rows))
    rows, classes = np.ascontiguousarray(rows[order] / 16.0), classes[order].astype(np.int64)
    return Data(rows, classes, np.eye(CLASSES)[classes])


def initial() -> Parameters:
    """Return weights as engines that count 64 inputs of a neuron start them, and zeros for biases."""
    rng = np.random.default_rng(0)
    return {
        name: rng.uniform(-1, 1, shape) / shape[1] ** 0.5 if len(shape) == 2 else np.zeros(shape)
        for name, shape in SHAPES.items()
    }


def batches(data: Data) -> Iterator[slice]:
    """Yield slices of 32 rows; the last is of 5."""
    for start in range(0, len(data.rows), BATCH):
        yield slice(start, start + BATCH)


def copied(parameters: Parameters) -> Parameters:
    return {name: part.copy() for name, part in parameters.items()}


# --- numpy by hand ---


def numpy_gradient(w: Parameters, rows: Array, one_hot: Array) -> tuple[float, Parameters]:
    """Return the mean loss of the rows and its gradient."""
    hidden = rows @ w["w1"].T
    hidden += w["b1"]
    np.maximum(hidden, 0.0, out=hidden)
    logits = hidden @ w["w2"].T
    logits += w["b2"]
    logits -= logits.max(1, keepdims=True)
    right = np.einsum("ij,ij", logits, one_hot)
    np.exp(logits, out=logits)
    totals = logits.sum(1, keepdims=True)
    loss = (np.log(totals).sum() - right) / len(rows)
    logits /= totals
    logits -= one_hot
    logits /= len(rows)
    d_hidden = logits @ w["w2"]
    d_hidden *= hidden > 0.0
    return float(loss), {
        "w1": d_hidden.T @ rows,
        "b1": d_hidden.sum(0),
        "w2": logits.T @ hidden,
        "b2": logits.sum(0),
    }


def numpy_epoch(data: Data, numbers: Parameters) -> Epoch:
    def train() -> Parameters:
        w = copied(numbers)
        for batch in batches(data):
            _, gradients = numpy_gradient(w, data.rows[batch], data.one_hot[batch])
            for name, gradient in gradients.items():
                gradient *= RATE
                w[name] -= gradient
        return w

    return train


def numpy_full(data: Data, numbers: Parameters) -> Callable[[], Any]:
    return lambda: numpy_gradient(numbers, data.rows, data.one_hot)


# --- torch ---


def _torch_loss(w: dict[str, Any], rows: Any, classes: Any) -> Any:
    from torch.nn import functional

    hidden = functional.relu(functional.linear(rows, w["w1"], w["b1"]))
    return functional.cross_entropy(functional.linear(hidden, w["w2"], w["b2"]), classes)


def torch_weights(numbers: Parameters) -> dict[str, Any]:
    torch = peers.torch()
    return {name: torch.tensor(part, requires_grad=True) for name, part in numbers.items()}


def torch_epoch(data: Data, numbers: Parameters) -> Epoch:
    torch = peers.torch()
    rows, classes = torch.from_numpy(data.rows), torch.from_numpy(data.classes)

    def train() -> Parameters:
        w = torch_weights(numbers)
        optimizer = torch.optim.SGD(w.values(), RATE, fused=True)
        for batch in batches(data):
            optimizer.zero_grad()
            _torch_loss(w, rows[batch], classes[batch]).backward()
            optimizer.step()
        return {name: part.detach().numpy() for name, part in w.items()}

    return train


def torch_full(data: Data, numbers: Parameters) -> Callable[[], Any]:
    torch = peers.torch()
    rows, classes, w = torch.from_numpy(data.rows), torch.from_numpy(data.classes), torch_weights(numbers)

    def run() -> tuple[float, Parameters]:
        loss = _torch_loss(w, rows, classes)
        gradients = torch.autograd.grad(loss, list(w.values()))
        return loss.item(), {name: gradient.numpy() for name, gradient in zip(w, gradients, strict=True)}

    return run


# --- JAX ---


def _jax_loss(w: dict[str, Any], rows: Any, one_hot: Any) -> Any:
    import jax

    hidden = jax.nn.relu(rows @ w["w1"].T + w["b1"])
    return -(jax.nn.log_softmax(hidden @ w["w2"].T + w["b2"]) * one_hot).sum(1).mean()


def _jax_step(w: Any, rows: Any, one_hot: Any) -> Any:
    import jax

    gradients = jax.grad(_jax_loss)(w, rows, one_hot)
    return jax.tree.map(lambda part, gradient: part - RATE * gradient, w, gradients)


def jax_epoch(data: Data, numbers: Parameters, whole: bool = True) -> Epoch:
    """A call a batch: the whole step compiled, or the gradient alone. Batches are on the device beforehand."""
    import jax
    import jax.numpy as jnp

    gradient = jax.jit(jax.value_and_grad(_jax_loss))

    def update(w: Any, rows: Any, one_hot: Any) -> Any:
        return jax.tree.map(lambda part, slope: part - RATE * slope, w, gradient(w, rows, one_hot)[1])

    step = jax.jit(_jax_step, donate_argnums=0) if whole else update
    given = [(jnp.array(data.rows[batch]), jnp.array(data.one_hot[batch])) for batch in batches(data)]

    def train() -> Parameters:
        w = {name: jnp.array(part) for name, part in numbers.items()}
        for rows, one_hot in given:
            w = step(w, rows, one_hot)
        return {name: np.asarray(part) for name, part in w.items()}

    return train


def jax_scan_epoch(data: Data, numbers: Parameters) -> Epoch:
    """The whole epoch compiled: a scan over the full batches, and the last one after it."""
    import jax
    import jax.numpy as jnp

    whole = len(data.rows) // BATCH * BATCH

    @jax.jit
    def epoch(w: Any, rows: Any, one_hot: Any) -> Any:
        def body(w: Any, given: Any) -> Any:
            return _jax_step(w, *given), None

        stacked = rows[:whole].reshape(-1, BATCH, INPUTS), one_hot[:whole].reshape(-1, BATCH, CLASSES)
        w, _ = jax.lax.scan(body, w, stacked)
        return _jax_step(w, rows[whole:], one_hot[whole:])

    given = jnp.array(data.rows), jnp.array(data.one_hot)
    return lambda: {name: np.asarray(part) for name, part in epoch(numbers, *given).items()}


def jax_full(data: Data, numbers: Parameters) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    function = jax.jit(jax.value_and_grad(_jax_loss))
    given = jax.tree.map(jnp.array, numbers), jnp.array(data.rows), jnp.array(data.one_hot)
    return lambda: jax.block_until_ready(function(*given))


# --- scikit-learn ---


def sklearn_epoch(data: Data, numbers: Parameters) -> Epoch:
    """`partial_fit`, which goes over its rows once, in batches."""
    from sklearn.neural_network import MLPClassifier

    options = {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False, "alpha": 0.0, "shuffle": False}
    model = MLPClassifier((HIDDEN,), batch_size=BATCH, learning_rate_init=RATE, **options)
    model.partial_fit(data.rows[:BATCH], data.classes[:BATCH], classes=range(CLASSES))

    def train() -> Parameters:
        for i in (0, 1):
            model.coefs_[i][:] = numbers[f"w{i + 1}"].T
            model.intercepts_[i][:] = numbers[f"b{i + 1}"]
        model.partial_fit(data.rows, data.classes)
        weights = zip(model.coefs_, model.intercepts_, (1, 2), strict=True)
        return {name: part for w, b, i in weights for name, part in ((f"w{i}", w.T), (f"b{i}", b))}

    return train


# --- micrograd ---


def micrograd_batches(data: Data, numbers: Parameters, count: int) -> Epoch:
    """The first batches of an epoch: of all 57 this takes most of a minute."""
    from micrograd.nn import MLP

    engine = engines.micrograd()
    random.seed(0)
    model = MLP(INPUTS, [HIDDEN, CLASSES])
    ordered = [
        (neuron, numbers[f"w{i + 1}"][j], numbers[f"b{i + 1}"][j])
        for i, layer in enumerate(model.layers)
        for j, neuron in enumerate(layer.neurons)
    ]

    def train() -> Parameters:
        for neuron, weights, bias in ordered:
            neuron.b.data = float(bias)
            for w, x in zip(neuron.w, weights, strict=True):
                w.data = float(x)
        for batch in list(batches(data))[:count]:
            pairs = list(zip(data.rows[batch].tolist(), data.classes[batch].tolist(), strict=True))
            model.zero_grad()
            for row, digit in pairs:  # one graph for all rows of the batch takes five times as long
                exponentials = [engine.exp(z) for z in model(row)]
                (-engine.log(exponentials[digit] / sum(exponentials)) * (1.0 / len(pairs))).backward()
            for p in model.parameters():
                p.data -= RATE * p.grad
        return of_neurons([layer.neurons for layer in model.layers])

    return train


def of_neurons(layers: list[Any]) -> Parameters:
    weights: Parameters = {}
    for i, neurons in enumerate(layers):
        weights[f"w{i + 1}"] = np.array([[w.data for w in neuron.w] for neuron in neurons])
        weights[f"b{i + 1}"] = np.array([neuron.b.data for neuron in neurons])
    return weights


def flat_pair(pair: tuple[Any, Parameters]) -> list[float]:
    """Return a value and gradients as one list."""
    return [float(pair[0]), *flat(pair[1])]


def flat(parameters: Parameters) -> list[float]:
    """Return all weights as one list, in the order of SHAPES."""
    return [x for name in SHAPES for x in np.asarray(parameters[name]).ravel().tolist()]


# --- compiled scalars ---


def compiled_step(threads: int = 1) -> Any:
    """Return the mean loss of rows, and its gradient, compiled: `step(w, rows, one_hot)`."""
    return autodiff.compile(autodiff.value_and_grad(models.digit_loss), rows=(1, 2), reduce="mean", threads=threads)


def compiled_epoch(data: Data, numbers: Parameters) -> Epoch:
    """Plain calls, as one writes it first."""
    step = compiled_step()

    def train() -> Parameters:
        w = copied(numbers)
        for batch in batches(data):
            _, gradients = step(w, data.rows[batch], data.one_hot[batch])
            for name, gradient in gradients.items():
                w[name] -= RATE * gradient
        return w

    return train


def prepared_epoch(data: Data, numbers: Parameters) -> Epoch:
    """Calls into arrays that are kept; each batch is copied to where the calls read it."""
    step, w = compiled_step(), copied(numbers)
    prepared = {}
    for size in {len(data.rows[batch]) for batch in batches(data)}:
        rows, one_hot = np.zeros((size, INPUTS)), np.zeros((size, CLASSES))
        call = step.prepare(w, rows, one_hot)
        call()
        prepared[size] = call, rows, one_hot, [(w[name], call.results[1][name]) for name in SHAPES]

    def train() -> Parameters:
        for name, part in numbers.items():
            w[name][:] = part
        for batch in batches(data):
            given = data.rows[batch]
            call, rows, one_hot, pairs = prepared[len(given)]
            rows[:] = given
            one_hot[:] = data.one_hot[batch]
            call()
            for part, gradient in pairs:
                np.multiply(gradient, RATE, out=gradient)
                np.subtract(part, gradient, out=part)
        return w

    return train


def compiled_plain(data: Data, numbers: Parameters) -> Callable[[], Any]:
    """Return a plain call on all rows: value and gradient."""
    step = compiled_step()
    return lambda: step(numbers, data.rows, data.one_hot)


def compiled_full(data: Data, numbers: Parameters, value: bool = False) -> Any:
    """Return a prepared call on all rows: value and gradient, or the value alone."""
    if not value:
        return compiled_step().prepare(numbers, data.rows, data.one_hot)
    function = autodiff.compile(models.digit_loss, rows=(1, 2), reduce="mean")
    return function.prepare(numbers, data.rows, data.one_hot)
