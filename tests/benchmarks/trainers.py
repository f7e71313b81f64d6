"""Training on digits by each peer, as its users write it: MLP 64-32-10, cross-entropy, Adam, batches, accuracy.

Every `*_trainer(data, numbers, shuffle)` starts from the numbers and returns a `Trainer`. What is run without shuffling
leaves equal weights, but for scikit-learn, whose Adam has its epsilon elsewhere and is held to four digits.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

import autodiff
import nn
from tests.benchmarks import digits, peers
from tests.benchmarks.digits import BATCH, CLASSES, HIDDEN, INPUTS, SHAPES, Data, Parameters

RATE = 0.001


class Trainer(NamedTuple):
    """A network in training: `epochs(n)` trains it for n epochs more, `weights()` are those it has."""

    epochs: Callable[[int], Any]
    weights: Callable[[], Parameters]


# --- autodiff ---


def network(numbers: Parameters) -> nn.MLP:
    """Return the network with these weights."""
    model = nn.MLP(INPUTS, [HIDDEN, CLASSES])
    for parameter, number in zip(model.parameters(), in_order(numbers), strict=True):
        parameter.data = number
    return model


def in_order(numbers: Parameters) -> list[float]:
    """Return weights as `parameters()` has them: neuron by neuron, the bias last."""
    layers = [np.column_stack([numbers[f"w{i}"], numbers[f"b{i}"]]) for i in (1, 2)]
    return [float(x) for layer in layers for x in layer.ravel()]


def weights_of(model: nn.MLP) -> Parameters:
    return digits.of_neurons([layer.neurons for layer in model.layers])


def fit_trainer(data: Data, numbers: Parameters, shuffle: bool = True, compile: bool = True) -> Trainer:
    """`nn.fit`, which is called once for all epochs."""
    model = network(numbers)
    adam = nn.optim.Adam(model.parameters(), lr=RATE)

    def epochs(count: int) -> None:
        nn.fit(
            model,
            data.rows,
            data.classes,
            loss=nn.cross_entropy,
            optimizer=adam,
            epochs=count,
            batch_size=BATCH,
            shuffle=shuffle,
            metrics=["accuracy"],
            compile=compile,
            progress=False,
        )

    return Trainer(epochs, lambda: weights_of(model))


def bare_epoch(data: Data, numbers: Parameters, prepared: bool) -> Callable[[], None]:
    """Values and gradients of all batches, compiled, and nothing else; calls plain, or prepared.

    A prepared call reads its batch from arrays that stay: one call serves all batches of a size, and its memory stays
    in the cache.
    """
    model = network(numbers)
    parameters = model.parameters()

    def loss(w: Any, x: Any, target: Any) -> Any:
        twin = deepcopy(model, {id(p): number for p, number in zip(parameters, w, strict=True)})
        return nn.cross_entropy(twin(x), target)

    step = autodiff.compile(autodiff.value_and_grad(loss), rows=(1, 2), reduce="mean")
    w, batches = np.array([p.data for p in parameters]), list(digits.batches(data))
    rows, classes = data.rows, data.classes.astype(float)

    def plain() -> None:
        for batch in batches:
            step(w, rows[batch], classes[batch])

    places = {size: (rows[:size].copy(), classes[:size].copy()) for size in {len(rows[batch]) for batch in batches}}
    calls = {size: step.prepare(w, *place) for size, place in places.items()}

    def into_place() -> None:
        for batch in batches:
            given = rows[batch]
            place = places[len(given)]
            place[0][:] = given
            place[1][:] = classes[batch]
            calls[len(given)]()

    return into_place if prepared else plain


# --- torch ---


def torch_trainer(data: Data, numbers: Parameters, shuffle: bool = True, fused: bool = True) -> Trainer:
    """A permutation, rows in their new order cut into batches, Adam fused."""
    torch = peers.torch()
    rows, classes = torch.from_numpy(data.rows), torch.from_numpy(data.classes)
    w = digits.torch_weights(numbers)
    adam = torch.optim.Adam(w.values(), lr=RATE, fused=fused)

    def epochs(count: int) -> Any:
        for _ in range(count):
            order = torch.randperm(len(rows)) if shuffle else torch.arange(len(rows))
            batches = zip(rows[order].split(BATCH), classes[order].split(BATCH), strict=True)
            figures = _torch_epoch(w, adam, batches, len(rows))
        return figures

    return Trainer(epochs, lambda: {name: part.detach().numpy() for name, part in w.items()})


def loader_trainer(data: Data, numbers: Parameters, shuffle: bool = True) -> Trainer:
    """The same with a DataLoader."""
    torch = peers.torch()
    rows = torch.utils.data.TensorDataset(torch.from_numpy(data.rows), torch.from_numpy(data.classes))
    loader = torch.utils.data.DataLoader(rows, BATCH, shuffle=shuffle)
    w = digits.torch_weights(numbers)
    adam = torch.optim.Adam(w.values(), lr=RATE, fused=True)

    def epochs(count: int) -> Any:
        for _ in range(count):
            figures = _torch_epoch(w, adam, loader, len(rows))
        return figures

    return Trainer(epochs, lambda: {name: part.detach().numpy() for name, part in w.items()})


def _torch_epoch(w: Any, adam: Any, batches: Any, count: int) -> tuple[float, float]:
    """Train one epoch; return its mean loss and accuracy."""
    from torch.nn import functional

    total: Any = 0.0
    right: Any = 0
    for x, target in batches:
        hidden = functional.relu(functional.linear(x, w["w1"], w["b1"]))
        logits = functional.linear(hidden, w["w2"], w["b2"])
        loss = functional.cross_entropy(logits, target)
        adam.zero_grad()
        loss.backward()
        adam.step()
        total += loss.detach() * len(x)
        right += (logits.argmax(1) == target).sum()
    return float(total) / count, float(right) / count


# --- JAX ---


def jax_trainer(data: Data, numbers: Parameters, shuffle: bool = True) -> Trainer:
    """The whole step jitted, Adam and accuracy in it; rows are on the device, and batches are indices."""
    import jax
    import jax.numpy as jnp

    rows, classes = jnp.array(data.rows), jnp.array(data.classes)

    def loss(w: Any, x: Any, target: Any) -> Any:
        hidden = jax.nn.relu(x @ w["w1"].T + w["b1"])
        logits = hidden @ w["w2"].T + w["b2"]
        right = (logits.argmax(1) == target).sum()
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), target[:, None], 1).mean(), right

    def update(w: Any, m: Any, v: Any, t: Any, slope: Any) -> Any:
        m, v = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope * slope
        return w - RATE / (1 - 0.9**t) * m / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v

    @jax.jit
    def step(state: Any, rows: Any, classes: Any, batch: Any) -> Any:
        w, m, v, t, total, right = state
        (value, hits), slopes = jax.value_and_grad(loss, has_aux=True)(w, rows[batch], classes[batch])
        new = {name: update(w[name], m[name], v[name], t + 1, slopes[name]) for name in w}
        w, m, v = ({name: parts[i] for name, parts in new.items()} for i in range(3))
        return w, m, v, t + 1, total + value * len(batch), right + hits

    w = {name: jnp.array(part) for name, part in numbers.items()}
    zeros = {name: jnp.zeros_like(part) for name, part in w.items()}
    state = [w, zeros, zeros, jnp.array(0.0)]
    rng = np.random.default_rng(0)

    def epochs(count: int) -> Any:
        for _ in range(count):
            order = rng.permutation(len(rows)) if shuffle else np.arange(len(rows))
            now = (*state, jnp.array(0.0), jnp.array(0))
            for batch in digits.batches(data):
                now = step(now, rows, classes, order[batch])
            state[:] = now[:4]
            figures = float(now[4]) / len(rows), float(now[5]) / len(rows)
        return figures

    return Trainer(epochs, lambda: {name: np.asarray(part) for name, part in state[0].items()})


# --- scikit-learn ---


def sklearn_trainer(data: Data, numbers: Parameters, shuffle: bool = True) -> Trainer:
    """`partial_fit`, an epoch a call; it reports no accuracy."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((HIDDEN,), batch_size=BATCH, learning_rate_init=RATE, alpha=0.0, shuffle=shuffle)
    model.partial_fit(data.rows[:BATCH], data.classes[:BATCH], classes=range(CLASSES))
    for i in (0, 1):
        model.coefs_[i][:] = numbers[f"w{i + 1}"].T
        model.intercepts_[i][:] = numbers[f"b{i + 1}"]
    del model._optimizer  # that of the call which made the arrays; the next makes one anew

    def epochs(count: int) -> None:
        for _ in range(count):
            model.partial_fit(data.rows, data.classes)

    def weights() -> Parameters:
        of = {**{f"w{i}": w.T for i, w in enumerate(model.coefs_, 1)}, "b1": model.intercepts_[0]}
        return {name: {**of, "b2": model.intercepts_[1]}[name] for name in SHAPES}

    return Trainer(epochs, weights)


# --- micrograd ---


def micrograd_loop(data: Data, numbers: Parameters) -> Callable[[], Parameters]:
    """The loop of micrograd's README and demo: a sample a step, SGD by hand."""
    from micrograd.nn import MLP

    from tests.benchmarks import engines

    engine = engines.micrograd()
    model = MLP(INPUTS, [HIDDEN, CLASSES])
    pairs = list(zip(data.rows.tolist(), data.classes.tolist(), strict=True))

    def train() -> Parameters:
        start = in_order(numbers)
        for i, p in enumerate(_micrograd_parameters(model)):
            p.data = start[i]
        for row, digit in pairs:
            exponentials = [engine.exp(z) for z in model(row)]
            loss = -engine.log(exponentials[digit] / sum(exponentials))
            model.zero_grad()
            loss.backward()
            for p in model.parameters():
                p.data -= digits.RATE * p.grad
        return digits.of_neurons([layer.neurons for layer in model.layers])

    return train


def _micrograd_parameters(model: Any) -> list[Any]:
    return [p for layer in model.layers for neuron in layer.neurons for p in (*neuron.w, neuron.b)]


def eager_loop(data: Data, numbers: Parameters) -> Callable[[], Parameters]:
    """`nn.fit(compile=False)`, a sample a step."""
    rows, classes = data.rows.tolist(), data.classes.tolist()
    model = network(numbers)
    start = in_order(numbers)

    def train() -> Parameters:
        for p, number in zip(model.parameters(), start, strict=True):
            p.data = number
        nn.fit(
            model,
            rows,
            classes,
            loss=nn.cross_entropy,
            optimizer=nn.optim.SGD(model.parameters(), lr=digits.RATE),
            epochs=1,
            batch_size=1,
            shuffle=False,
            compile=False,
            progress=False,
        )
        return weights_of(model)

    return train
