"""The small transformer in training, on each peer: one document a step, Adam, a pass over some documents.

Every `*_trainer(documents, numbers)` returns a function that starts from the numbers, makes one step for each document,
and returns the loss of each step: where they are equal, so are gradients and updates. Every `*_gradient(word, numbers)`
returns a function that gives the loss and its 4,192 derivatives.
"""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import autodiff
from tests.benchmarks import engines, models, peers, textbook
from tests.benchmarks.engines import Engine
from tests.benchmarks.models import HEADS, SHAPES, TOKENS, WIDTH
from tests.benchmarks.peers import Array

Trainer = Callable[[], list[float]]
RATE, BETA1, BETA2, EPSILON = 0.01, 0.85, 0.99, 1e-8
SIZE = WIDTH // HEADS


def documents(count: int, seed: int = 0) -> list[str]:
    """Return names of modules of the standard library, their letters alone, at most 15 of them."""
    names = {"".join(filter(str.isalpha, name.lower()))[:15] for name in sys.stdlib_module_names}
    chosen = sorted(names)
    random.Random(seed).shuffle(chosen)
    return chosen[:count]


def initial(seed: int = 0) -> Array:
    """Return 4,192 weights."""
    return np.random.default_rng(seed).normal(0.0, 0.08, sum(rows * columns for rows, columns in SHAPES.values()))


def tokens(word: str) -> list[int]:
    """Return the tokens of a word between two boundaries; all but the last are read, all but the first predicted."""
    return [0, *[ord(letter) - ord("a") + 1 for letter in word], 0]


def one_hot(indices: Sequence[int]) -> Array:
    return np.eye(TOKENS)[indices]


def matrices(flat: Any) -> dict[str, Any]:
    """Return views of a flat array, by the names of SHAPES."""
    views, at = {}, 0
    for name, (rows, columns) in SHAPES.items():
        views[name] = flat[at : at + rows * columns].reshape(rows, columns)
        at += rows * columns
    return views


def rates(steps: int) -> Iterator[tuple[float, float, float]]:
    """Yield for each step what Adam multiplies with: the rate, decaying to zero, and the corrections of both means."""
    for step in range(steps):
        yield RATE * (1 - step / steps), 1 - BETA1 ** (step + 1), 1 - BETA2 ** (step + 1)


class Adam:
    """Adam in place on one flat array, without temporaries."""

    def __init__(self, weights: Array) -> None:
        self.weights = weights
        self.mean, self.square, self.scratch = (np.zeros_like(weights) for _ in range(3))

    def reset(self, weights: Array) -> None:
        self.weights[:] = weights
        self.mean[:] = self.square[:] = 0.0

    def step(self, gradient: Array, rate: float, correction1: float, correction2: float) -> None:
        mean, square, scratch = self.mean, self.square, self.scratch
        np.multiply(gradient, 1 - BETA1, out=scratch)
        mean *= BETA1
        mean += scratch
        np.multiply(gradient, gradient, out=scratch)
        scratch *= 1 - BETA2
        square *= BETA2
        square += scratch
        np.sqrt(square, out=scratch)
        scratch *= correction2**-0.5
        scratch += EPSILON
        np.divide(mean, scratch, out=scratch)
        scratch *= rate / correction1
        self.weights -= scratch


# --- numpy by hand ---


class Matrices:
    """Loss and gradient with matrices and a backward pass derived by hand; the gradient is one flat array."""

    def __init__(self, weights: Array) -> None:
        self.gradient = np.zeros_like(weights)
        self.w, self.d = matrices(weights), matrices(self.gradient)
        at = (TOKENS + models.CONTEXT) * WIDTH
        thrice = slice(at, at + 3 * WIDTH * WIDTH)  # query, key and value stand together: one product for all
        self.w_qkv = weights[thrice].reshape(3 * WIDTH, WIDTH)
        self.d_qkv = self.gradient[thrice].reshape(3 * WIDTH, WIDTH)
        self.masks = {n: np.triu(np.full((n, n), -np.inf), 1) for n in range(1, models.CONTEXT + 1)}

    def loss(self, read: Any, predicted: Any) -> float:
        """Return the loss for an array of tokens read and one of tokens predicted; its gradient is in `gradient`."""
        w, d, n = self.w, self.d, len(read)
        x0, scale0 = _normalised(w["tokens"][read] + w["positions"][:n])
        a, scale1 = _normalised(x0)
        qkv = a @ self.w_qkv.T
        q, k, v = qkv.reshape(n, 3, HEADS, SIZE).transpose(1, 2, 0, 3)
        scores = q @ k.swapaxes(1, 2)
        scores *= SIZE**-0.5
        scores += self.masks[n]
        shares = _softmax(scores)
        attended = (shares @ v).swapaxes(0, 1).reshape(n, WIDTH)
        x1 = attended @ w["mix"].T
        x1 += x0
        b, scale2 = _normalised(x1)
        hidden = b @ w["up"].T
        np.maximum(hidden, 0.0, out=hidden)
        x2 = hidden @ w["down"].T
        x2 += x1
        logits = x2 @ w["head"].T
        probabilities = _softmax(logits)
        places = np.arange(n)
        loss = -np.log(probabilities[places, predicted]).mean()

        probabilities[places, predicted] -= 1.0
        probabilities /= n
        np.matmul(probabilities.T, x2, out=d["head"])
        dx = probabilities @ w["head"]
        np.matmul(dx.T, hidden, out=d["down"])
        d_hidden = dx @ w["down"]
        d_hidden *= hidden > 0.0
        np.matmul(d_hidden.T, b, out=d["up"])
        dx += _normalised_backward(d_hidden @ w["up"], b, scale2)
        np.matmul(dx.T, attended, out=d["mix"])
        d_attended = (dx @ w["mix"]).reshape(n, HEADS, SIZE).swapaxes(0, 1)
        d_qkv = np.empty((n, 3, HEADS, SIZE))
        dq, dk, dv = d_qkv.transpose(1, 2, 0, 3)
        np.matmul(shares.swapaxes(1, 2), d_attended, out=dv)
        d_scores = d_attended @ v.swapaxes(1, 2)
        d_scores -= (d_scores * shares).sum(-1, keepdims=True)
        d_scores *= shares
        d_scores *= SIZE**-0.5
        np.matmul(d_scores, k, out=dq)
        np.matmul(d_scores.swapaxes(1, 2), q, out=dk)
        rows = d_qkv.reshape(n, 3 * WIDTH)
        np.matmul(rows.T, a, out=self.d_qkv)
        dx += _normalised_backward(rows @ self.w_qkv, a, scale1)
        dx = _normalised_backward(dx, x0, scale0)
        d["positions"][:n] = dx
        d["positions"][n:] = 0.0
        d["tokens"][:] = 0.0
        np.add.at(d["tokens"], read, dx)
        return float(loss)


def _normalised(x: Array) -> tuple[Array, Array]:
    scale = ((x * x).sum(-1, keepdims=True) / WIDTH + 1e-5) ** -0.5
    return x * scale, scale


def _normalised_backward(upstream: Array, out: Array, scale: Array) -> Array:
    return scale * (upstream - out * ((upstream * out).sum(-1, keepdims=True) / WIDTH))


def _softmax(x: Array) -> Array:
    x = x - x.max(-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(-1, keepdims=True)
    return x


def numpy_trainer(words: Sequence[str], numbers: Array) -> Trainer:
    weights = numbers.copy()
    adam, model = Adam(weights), Matrices(weights)
    pairs = [(np.array(tokens(word)[:-1]), np.array(tokens(word)[1:])) for word in words]

    def train() -> list[float]:
        adam.reset(numbers)
        losses = []
        for (read, predicted), factors in zip(pairs, rates(len(pairs)), strict=True):
            losses.append(model.loss(read, predicted))
            adam.step(model.gradient, *factors)
        return losses

    return train


def numpy_gradient(word: str, numbers: Array) -> Callable[[], tuple[float, Array]]:
    model = Matrices(numbers)
    read, predicted = np.array(tokens(word)[:-1]), np.array(tokens(word)[1:])
    return lambda: (model.loss(read, predicted), model.gradient)


# --- torch ---


def _torch_loss(w: dict[str, Any], read: Any, predicted: Any, mask: Any) -> Any:
    from torch.nn import functional

    def normalised(x: Any) -> Any:
        return x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt()

    n = len(read)
    x = normalised(w["tokens"][read] + w["positions"][:n])
    inner = normalised(x)
    q, k, v = (
        functional.linear(inner, w[name]).view(n, HEADS, SIZE).transpose(0, 1) for name in ("query", "key", "value")
    )
    shares = functional.softmax(q @ k.transpose(1, 2) * SIZE**-0.5 + mask, -1)
    x = x + functional.linear((shares @ v).transpose(0, 1).reshape(n, WIDTH), w["mix"])
    hidden = functional.relu(functional.linear(normalised(x), w["up"]))
    x = x + functional.linear(hidden, w["down"])
    return functional.cross_entropy(functional.linear(x, w["head"]), predicted)


def _torch_inputs(word: str) -> tuple[Any, Any, Any]:
    torch = peers.torch()
    n = len(word) + 1
    mask = torch.full((n, n), -torch.inf, dtype=torch.float64).triu(1)
    return torch.tensor(tokens(word)[:-1]), torch.tensor(tokens(word)[1:]), mask


def _torch_weights(numbers: Array) -> dict[str, Any]:
    torch = peers.torch()
    return {name: torch.tensor(part, requires_grad=True) for name, part in matrices(numbers).items()}


def torch_trainer(words: Sequence[str], numbers: Array) -> Trainer:
    torch = peers.torch()
    inputs = [_torch_inputs(word) for word in words]

    def train() -> list[float]:
        w = _torch_weights(numbers)
        optimizer = torch.optim.Adam(w.values(), RATE, (BETA1, BETA2), EPSILON, fused=True)
        losses = []
        for given, (rate, _, _) in zip(inputs, rates(len(inputs)), strict=True):
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            loss = _torch_loss(w, *given)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return train


def torch_gradient(word: str, numbers: Array) -> Callable[[], tuple[float, Array]]:
    torch = peers.torch()
    w, given = _torch_weights(numbers), _torch_inputs(word)

    def run() -> tuple[float, Array]:
        loss = _torch_loss(w, *given)
        gradients = torch.autograd.grad(loss, list(w.values()))
        return loss.item(), gradients

    return lambda: run()


# --- JAX ---


def _jax_loss(flat: Any, read: Any, predicted: Any) -> Any:
    import jax
    import jax.numpy as jnp

    def normalised(x: Any) -> Any:
        return x * ((x * x).mean(-1, keepdims=True) + 1e-5) ** -0.5

    w, n = matrices(flat), len(read)
    x = normalised(w["tokens"][read] + w["positions"][:n])
    inner = normalised(x)
    q, k, v = ((inner @ w[name].T).reshape(n, HEADS, SIZE).swapaxes(0, 1) for name in ("query", "key", "value"))
    scores = q @ k.swapaxes(1, 2) * SIZE**-0.5 + jnp.triu(jnp.full((n, n), -jnp.inf), 1)
    x = x + (jax.nn.softmax(scores) @ v).swapaxes(0, 1).reshape(n, WIDTH) @ w["mix"].T
    x = x + jax.nn.relu(normalised(x) @ w["up"].T) @ w["down"].T
    return -jax.nn.log_softmax(x @ w["head"].T)[jnp.arange(n), predicted].mean()


def jax_trainer(words: Sequence[str], numbers: Array) -> Trainer:
    """One compiled step for each length, Adam in it, buffers given back."""
    import jax
    import jax.numpy as jnp

    def step(w: Any, mean: Any, square: Any, read: Any, predicted: Any, factors: Any) -> Any:
        rate, correction1, correction2 = factors
        loss, gradient = jax.value_and_grad(_jax_loss)(w, read, predicted)
        mean = BETA1 * mean + (1 - BETA1) * gradient
        square = BETA2 * square + (1 - BETA2) * gradient**2
        w = w - rate * (mean / correction1) / (jnp.sqrt(square / correction2) + EPSILON)
        return w, mean, square, loss

    jitted = jax.jit(step, donate_argnums=(0, 1, 2))
    pairs = [(jnp.array(tokens(word)[:-1]), jnp.array(tokens(word)[1:])) for word in words]

    def train() -> list[float]:
        w, mean, square = jnp.array(numbers), jnp.zeros(len(numbers)), jnp.zeros(len(numbers))
        losses = []
        for (read, predicted), factors in zip(pairs, rates(len(pairs)), strict=True):
            w, mean, square, loss = jitted(w, mean, square, read, predicted, factors)
            losses.append(loss)
        return [float(loss) for loss in losses]

    return train


def jax_gradient(word: str, numbers: Array) -> Callable[[], tuple[float, Array]]:
    import jax
    import jax.numpy as jnp

    function = jax.jit(jax.value_and_grad(_jax_loss))
    given = jnp.array(numbers), jnp.array(tokens(word)[:-1]), jnp.array(tokens(word)[1:])
    return lambda: jax.block_until_ready(function(*given))


# --- scalars ---


def textbook_trainer(words: Sequence[str], numbers: Array) -> Trainer:
    engine = engines.textbook()
    losses_of = [models.transformer(engine, word)[0] for word in words]
    leaves = [textbook.Value(x) for x in numbers.tolist()]

    def train() -> list[float]:
        for leaf, x in zip(leaves, numbers.tolist(), strict=True):
            leaf.data, leaf.grad = x, 0.0
        means, squares = [0.0] * len(leaves), [0.0] * len(leaves)
        losses = []
        for loss_of, (rate, correction1, correction2) in zip(losses_of, rates(len(words)), strict=True):
            loss = loss_of(leaves)
            loss.backward()
            for i, leaf in enumerate(leaves):
                means[i] = BETA1 * means[i] + (1 - BETA1) * leaf.grad
                squares[i] = BETA2 * squares[i] + (1 - BETA2) * leaf.grad**2
                leaf.data -= rate * (means[i] / correction1) / ((squares[i] / correction2) ** 0.5 + EPSILON)
                leaf.grad = 0.0
            losses.append(loss.data)
        return losses

    return train


def scalar_gradient(engine: Engine, word: str, numbers: Array) -> Callable[[], list[float]]:
    return engine.gradients(models.transformer(engine, word)[0], numbers.tolist())


# --- compiled scalars ---


def compiled_gradient(word: str, numbers: Array) -> Any:
    """Return a prepared call: value and gradient in the weights and in the rows of tokens, which lie outside them."""
    read = tokens(word)[:-1]
    return _compiled_step().prepare(numbers, matrices(numbers)["tokens"][read], one_hot(tokens(word)[1:]))


def compiled_value(word: str, numbers: Array) -> Any:
    """Return a prepared call: the value alone."""
    read, predicted = tokens(word)[:-1], tokens(word)[1:]
    function = autodiff.compile(models.document_loss)
    return function.prepare(numbers, matrices(numbers)["tokens"][read], one_hot(predicted))


def whole_gradient(read: Sequence[int], results: Any) -> tuple[float, Array]:
    """Return the loss and all its derivatives, from value and gradient in weights and rows."""
    value, (gradient, rows) = results
    whole = np.array(gradient)
    np.add.at(matrices(whole)["tokens"], read, rows)
    return float(value), whole


def _compiled_step() -> Any:
    return autodiff.compile(autodiff.value_and_grad(models.document_loss, argnums=(0, 1)))


class _Prepared:
    """The step for documents of one length: its arguments, and where it leaves its results."""

    def __init__(self, step: Any, weights: Array, length: int) -> None:
        self.rows, self.targets = np.zeros((length, WIDTH)), np.zeros((length, TOKENS))
        self.call = step.prepare(weights, self.rows, self.targets)
        self.call()
        self.loss, (self.gradient, self.d_rows) = self.call.results
        self.d_tokens = matrices(self.gradient)["tokens"]


def compiled_trainer(words: Sequence[str], numbers: Array) -> Trainer:
    """One program for each length; Adam in numpy."""
    weights = numbers.copy()
    adam, step, rows_of_tokens = Adam(weights), _compiled_step(), matrices(weights)["tokens"]
    prepared = {n: _Prepared(step, weights, n) for n in {len(word) + 1 for word in words}}
    given = [
        (prepared[len(word) + 1], np.array(read), np.ascontiguousarray(one_hot(read).T), one_hot(tokens(word)[1:]))
        for word in words
        for read in [tokens(word)[:-1]]
    ]

    def train() -> list[float]:
        adam.reset(numbers)
        losses = []
        for (at, read, read_one_hot, targets), factors in zip(given, rates(len(given)), strict=True):
            rows_of_tokens.take(read, 0, out=at.rows, mode="clip")
            at.targets[:] = targets
            at.call()
            np.matmul(read_one_hot, at.d_rows, out=at.d_tokens)
            losses.append(float(at.loss))
            adam.step(at.gradient, *factors)
        return losses

    return train


def compiled_adam_trainer(words: Sequence[str], numbers: Array) -> Trainer:
    """One program for each length that makes a whole step, in scalar code, and replaces 4,192 weights in place."""
    state, factors = np.zeros((3, len(numbers))), np.ones(3)
    step, calls = autodiff.compile(adam_document_step), dict[int, _Step]()
    for n in {len(word) + 1 for word in words}:
        read, targets = np.zeros((n, TOKENS)), np.zeros((n, TOKENS))
        call = step.prepare(state, read, targets, factors, updates={0: 1})
        calls[n] = _Step(read, targets, call, call.results[0])
    given = [(calls[len(word) + 1], one_hot(tokens(word)[:-1]), one_hot(tokens(word)[1:])) for word in words]

    def train() -> list[float]:
        state[:] = 0.0
        state[0] = numbers
        losses = []
        for (at, read, targets), numbers_of_step in zip(given, rates(len(given)), strict=True):
            at.read[:], at.targets[:], factors[:] = read, targets, numbers_of_step
            at.call()
            losses.append(float(at.loss))
        return losses

    return train


class _Step(NamedTuple):
    """A prepared step, its arguments, and its loss."""

    read: Array
    targets: Array
    call: Callable[[], None]
    loss: Array


def adam_document_step(state: Any, read: Any, targets: Any, factors: Any) -> tuple[Any, Any]:
    """Return the loss of a document, and weights, means and squares after a step; the tokens are one-hot."""

    def loss(weights: Any) -> Any:
        return models.document_loss(weights, read @ matrices(weights)["tokens"], targets)

    value, gradient = autodiff.value_and_grad(loss)(state[0])
    return value, adam_step(state, gradient, factors)


def adam_step(state: Any, gradient: Any, factors: Any) -> Any:
    """Return weights, means and squares after a step: scalar code, over arrays of scalars."""
    weights, mean, square = state
    rate, correction1, correction2 = factors
    mean = BETA1 * mean + (1 - BETA1) * gradient
    square = BETA2 * square + (1 - BETA2) * gradient * gradient
    scale, shrink = rate / correction1, correction2**-0.5
    weights = weights - mean * scale / (np.sqrt(square) * shrink + EPSILON)
    return np.array([weights, mean, square])
