"""From a cold start of Python to 97 % of digits it has not seen: `python -m tests.benchmarks.cold autodiff|torch|jax`.

Each engine gets the same split, the same first weights, Adam and batches of 32, and shuffles for itself; after each
epoch it looks at its accuracy on the rows held out. It prints how many epochs it took. Nothing is imported here that
one engine needs and another does not.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

INPUTS, HIDDEN, CLASSES, BATCH, RATE, ENOUGH, MOST_EPOCHS = 64, 32, 10, 32, 0.01, 0.97, 100
Array = np.ndarray[Any, Any]


def split() -> tuple[Array, Array, Array, Array]:
    """Return rows to train on, 44 whole batches, rows held out, and the classes of both."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    rows, classes = load_digits(return_X_y=True)
    parts: list[Array] = train_test_split(rows / 16.0, classes, train_size=44 * BATCH, random_state=0, stratify=classes)
    return parts[0], parts[1], parts[2], parts[3]


def initial() -> dict[str, Array]:
    """Return the first weights: He's for the hidden layer, Glorot's for the outputs, zeros for biases."""
    rng = np.random.default_rng(0)
    return {
        "w1": rng.normal(0.0, (2 / INPUTS) ** 0.5, (HIDDEN, INPUTS)),
        "b1": np.zeros(HIDDEN),
        "w2": rng.normal(0.0, (2 / (HIDDEN + CLASSES)) ** 0.5, (CLASSES, HIDDEN)),
        "b2": np.zeros(CLASSES),
    }


def autodiff() -> int:
    import nn

    rows, unseen, classes, digits = split()
    model = nn.MLP(INPUTS, [HIDDEN, CLASSES])
    numbers = initial()
    for i, layer in enumerate(model.layers, 1):
        for neuron, weights, bias in zip(layer.neurons, numbers[f"w{i}"], numbers[f"b{i}"], strict=True):
            for w, number in zip(neuron.parameters(), [*weights, bias], strict=True):
                w.data = float(number)

    def stop_when_good(event: Any) -> None:
        if event.logs["val_accuracy"] >= ENOUGH:
            event.stop()

    history = nn.fit(
        model,
        rows,
        classes,
        loss=nn.cross_entropy,
        optimizer=nn.optim.Adam(model.parameters(), lr=RATE),
        epochs=MOST_EPOCHS,
        batch_size=BATCH,
        validation=(unseen, digits),
        metrics=["accuracy"],
        callbacks=[stop_when_good],
        progress=False,
    )
    return len(history["loss"])


def torch() -> int:
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    rows, unseen, classes, digits = map(torch.from_numpy, split())
    w = {name: torch.tensor(part, requires_grad=True) for name, part in initial().items()}
    adam = torch.optim.Adam(w.values(), lr=RATE, fused=True)

    def logits(x: Any) -> Any:
        hidden = functional.relu(functional.linear(x, w["w1"], w["b1"]))
        return functional.linear(hidden, w["w2"], w["b2"])

    torch.manual_seed(0)
    for epoch in range(1, MOST_EPOCHS + 1):
        order = torch.randperm(len(rows))
        for x, target in zip(rows[order].split(BATCH), classes[order].split(BATCH), strict=True):
            adam.zero_grad()
            functional.cross_entropy(logits(x), target).backward()
            adam.step()
        with torch.no_grad():
            if (logits(unseen).argmax(1) == digits).double().mean() >= ENOUGH:
                return epoch
    raise RuntimeError("torch does not get there")


def jax() -> int:
    import jax
    import jax.numpy as jnp

    def logits(w: Any, x: Any) -> Any:
        return jax.nn.relu(x @ w["w1"].T + w["b1"]) @ w["w2"].T + w["b2"]

    def loss(w: Any, x: Any, target: Any) -> Any:
        return -jnp.take_along_axis(jax.nn.log_softmax(logits(w, x)), target[:, None], 1).mean()

    @jax.jit
    def step(w: Any, m: Any, v: Any, t: Any, x: Any, target: Any) -> Any:
        slopes = jax.grad(loss)(w, x, target)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, slopes)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, slopes)
        size, bias = RATE / (1 - 0.9**t), 1 - 0.999**t
        return jax.tree.map(lambda w, m, v: w - size * m / (jnp.sqrt(v / bias) + 1e-8), w, m, v), m, v

    @jax.jit
    def accuracy(w: Any, x: Any, target: Any) -> Any:
        return (logits(w, x).argmax(1) == target).mean()

    rows, unseen, classes, digits = split()
    w = initial()
    m = v = {name: np.zeros_like(part) for name, part in w.items()}
    rng = np.random.default_rng(0)
    t = 0.0
    for epoch in range(1, MOST_EPOCHS + 1):
        for x, target in _batches(rng, rows, classes):
            t += 1.0
            w, m, v = step(w, m, v, t, x, target)
        if accuracy(w, unseen, digits) >= ENOUGH:
            return epoch
    raise RuntimeError("JAX does not get there")


def _batches(rng: np.random.Generator, rows: Array, classes: Array) -> Iterator[tuple[Array, Array]]:
    order = rng.permutation(len(rows))
    for at in range(0, len(rows), BATCH):
        yield rows[order[at : at + BATCH]], classes[order[at : at + BATCH]]


ENGINES: dict[str, Callable[[], int]] = {"autodiff": autodiff, "torch": torch, "jax": jax}

if __name__ == "__main__":
    print(ENGINES[sys.argv[1]](), flush=True)
