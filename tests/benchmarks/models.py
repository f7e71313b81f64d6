"""Scalar code to differentiate, written on plain lists with `sum` and `*`: it runs on any engine."""

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import autodiff
from tests.benchmarks import engines
from tests.benchmarks.engines import Engine

Function = Callable[[list[Any]], Any]


def chain(operations: int) -> tuple[Function, list[float]]:
    """Return a chain: x times and plus a constant, in turn, one node per operation."""

    def f(leaves: list[Any]) -> Any:
        y = leaves[0]
        for _ in range(operations // 2):
            y = y * 0.999
            y = y + 0.001
        return y

    return f, [0.5]


def digit() -> list[float]:
    """64 numbers, as of a picture of a digit."""
    rng = random.Random(1)
    return [rng.randrange(17) / 16 for _ in range(64)]


def blocks(nodes: int, alike: bool) -> Callable[[Any], Any]:
    """Return the sum of blocks of 100 operations on 16 numbers: as many nodes in all.

    Operations and operands are drawn at random, once for all blocks, or for each block.
    """
    rng = random.Random(0)

    def plan() -> list[tuple[int, int, int]]:
        return [(rng.randrange(4), *rng.sample(range(16), 2)) for _ in range(68)]

    plans = [plan()] * (nodes // 100) if alike else [plan() for _ in range(nodes // 100)]

    def f(x: Any) -> Any:
        total = 0.0
        for i, steps in enumerate(plans):
            scale = 1.0 + i * 1e-6  # without it every sixteenth block would be the same expression
            live = [x[(i + j) % 16] * scale for j in range(16)]
            for kind, a, b in steps:
                live[a] = _operation(kind, live[a], live[b])
            total = total + sum(live[1:], live[0])
        return total

    return f


def _operation(kind: int, a: Any, b: Any) -> Any:
    if kind == 0:
        return a * b
    if kind == 1:
        return a + b
    return autodiff.cos(a) if kind == 2 else a - b


def rosenbrock(x: Any) -> Any:
    """Rosenbrock's function of a list of scalars."""
    return sum(100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2 for a, b in pairwise(x))


def mlp(engine: Engine, widths: Sequence[int], rows: list[list[float]], loss: Callable[[list[Any]], Any]) -> Any:
    """Return a ReLU MLP on plain lists, `loss(outputs of all rows)`, and its starting numbers."""
    rng = random.Random(0)
    shapes = list(pairwise(widths))
    numbers = [rng.uniform(-1, 1) / n**0.5 for n, m in shapes for _ in range((n + 1) * m)]

    def f(leaves: list[Any]) -> Any:
        outputs = []
        for x in rows:
            at = 0
            for n, m in shapes:
                units = []
                for _ in range(m):
                    w, b = leaves[at : at + n], leaves[at + n]
                    at += n + 1
                    units.append(sum([wi * xi for wi, xi in zip(w, x, strict=True)], b))
                x = units if (n, m) == shapes[-1] else [engine.relu(unit) for unit in units]
            outputs.append(x)
        return loss(outputs)

    return f, numbers


# --- the small transformer: 1 layer, width 16, 4 heads, context 16, RMSNorm, ReLU MLP, no biases, untied head ---

WIDTH, HEADS, CONTEXT, TOKENS, HIDDEN = 16, 4, 16, 27, 64
SHAPES = {
    "tokens": (TOKENS, WIDTH),
    "positions": (CONTEXT, WIDTH),
    "query": (WIDTH, WIDTH),
    "key": (WIDTH, WIDTH),
    "value": (WIDTH, WIDTH),
    "mix": (WIDTH, WIDTH),
    "up": (HIDDEN, WIDTH),
    "down": (WIDTH, HIDDEN),
    "head": (TOKENS, WIDTH),
}


def transformer(engine: Engine, word: str) -> tuple[Function, list[float]]:
    """Return the mean cross-entropy of a word's characters, a function of 4,192 weights, and the weights."""
    rng = random.Random(0)
    numbers = [rng.gauss(0, 0.08) for rows, columns in SHAPES.values() for _ in range(rows * columns)]
    tokens = [0, *[ord(c) - ord("a") + 1 for c in word], 0]

    def f(leaves: list[Any]) -> Any:
        weights = _matrices(leaves)
        keys: list[list[Any]] = []
        values: list[list[Any]] = []
        losses = []
        for position, (token, target) in enumerate(pairwise(tokens)):
            logits = _logits(engine, weights, weights["tokens"][token], position, keys, values)
            losses.append(-engine.log(_softmax(engine, logits)[target]))
        return sum(losses) / len(losses)

    return f, numbers


def document_loss(leaves: Any, rows: Any, targets: Any) -> Any:
    """Return the same for a document of n + 1 tokens, of which no more than n is in the structure of the graph.

    A document of another length has another graph; other documents of one length have the same, with other numbers.

    Args:
        leaves: 4,192 weights.
        rows: those of the matrix of tokens that belong to the tokens read, n of 16.
        targets: the tokens to predict, one-hot, n of 27.
    """
    engine = engines.ours()
    weights = _matrices(leaves)
    keys: list[list[Any]] = []
    values: list[list[Any]] = []
    losses = []
    for position, (row, target) in enumerate(zip(rows, targets, strict=True)):
        logits = _logits(engine, weights, row, position, keys, values)
        losses.append(autodiff.logsumexp(logits) - sum(t * z for t, z in zip(target, logits, strict=True)))
    return sum(losses) / len(losses)


def digit_loss(w: dict[str, Any], x: Any, target: Any) -> Any:
    """Return softmax cross-entropy of one row on an MLP of two layers; the target is one-hot."""
    hidden = [autodiff.relu(autodiff.dot(row, x) + b) for row, b in zip(w["w1"], w["b1"], strict=True)]
    logits = [autodiff.dot(row, hidden) + b for row, b in zip(w["w2"], w["b2"], strict=True)]
    return autodiff.logsumexp(logits) - autodiff.dot(target, logits)


def _matrices(leaves: list[Any]) -> dict[str, list[list[Any]]]:
    matrices, at = {}, 0
    for name, (rows, columns) in SHAPES.items():
        matrices[name] = [leaves[at + i * columns : at + (i + 1) * columns] for i in range(rows)]
        at += rows * columns
    return matrices


def _logits(
    engine: Engine,
    weights: dict[str, list[list[Any]]],
    row: list[Any],
    position: int,
    keys: list[list[Any]],
    values: list[list[Any]],
) -> list[Any]:
    """Return the logits of the token that follows one with that row; appends this position's key and value."""
    x = _normalised([a + b for a, b in zip(row, weights["positions"][position], strict=True)])
    inner = _normalised(x)
    query = _times(weights["query"], inner)
    keys.append(_times(weights["key"], inner))
    values.append(_times(weights["value"], inner))
    attended: list[Any] = []
    size = WIDTH // HEADS
    for head in range(0, WIDTH, size):
        part = slice(head, head + size)
        scores = [sum(q * k for q, k in zip(query[part], key[part], strict=True)) * size**-0.5 for key in keys]
        shares = _softmax(engine, scores)
        for j in range(head, head + size):
            attended.append(sum(share * value[j] for share, value in zip(shares, values, strict=True)))
    x = [a + b for a, b in zip(_times(weights["mix"], attended), x, strict=True)]
    hidden = [engine.relu(h) for h in _times(weights["up"], _normalised(x))]
    x = [a + b for a, b in zip(_times(weights["down"], hidden), x, strict=True)]
    return _times(weights["head"], x)


def _times(matrix: list[list[Any]], x: list[Any]) -> list[Any]:
    return [sum(w * xi for w, xi in zip(row, x, strict=True)) for row in matrix]


def _normalised(x: list[Any]) -> list[Any]:
    scale = (sum(xi * xi for xi in x) / len(x) + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def _softmax(engine: Engine, logits: list[Any]) -> list[Any]:
    exponentials = [engine.exp(logit) for logit in logits]
    total = sum(exponentials)
    return [e / total for e in exponentials]
