"""What eager code takes on its own: whole steps of training, rules, transforms, a million nodes.

A task's maker returns a run; `numbers` reads from what the run gives all that it has computed.
"""

import copy
import gc
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy

import autodiff
import nn
from tests.benchmarks import engines, models

Call = Callable[[], Any]

NODES = 1_000_000


def sgd_step() -> Call:
    """Forward, backward and update, one sample. The rate is small, so that all steps are alike."""
    model = nn.MLP(64, [32, 10], seed=0)
    sgd = nn.optim.SGD(model.parameters(), lr=1e-5)
    sample = models.digit()

    def run() -> Any:
        loss = nn.cross_entropy(model(sample), 3)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss

    return run


def softmax() -> Call:
    logits = _sixteen()
    return lambda: autodiff.softmax(logits)


def softmax_and_backward() -> Call:
    logits = _sixteen()

    def run() -> Any:
        autodiff.dot(autodiff.softmax(logits), WEIGHTS).backward()
        return logits

    return run


def logsumexp() -> Call:
    logits = _sixteen()
    return lambda: autodiff.logsumexp(logits)


def logsumexp_and_backward() -> Call:
    logits = _sixteen()

    def run() -> Any:
        autodiff.logsumexp(logits).backward()
        return logits

    return run


WEIGHTS = [random.Random(2).uniform(-1, 1) for _ in range(16)]


def _sixteen() -> list[autodiff.Value]:
    rng = random.Random(0)
    return [autodiff.Value(rng.gauss(0, 1)) for _ in range(16)]


def grad() -> Call:
    """The gradient of squared outputs of a network on lists, 4-8-8-1 on 8 points: 121 derivatives."""
    rng = random.Random(0)
    rows = [[rng.uniform(-1, 1) for _ in range(4)] for _ in range(8)]
    f, numbers = models.mlp(engines.ours(), [4, 8, 8, 1], rows, lambda outputs: sum(y[0] * y[0] for y in outputs))
    return lambda: autodiff.grad(f)(numbers)


def jacobian() -> Call:
    """Sixteen outputs, a neuron each, of eight inputs."""
    rng = random.Random(0)
    weights = [[rng.gauss(0, 1) for _ in range(8)] for _ in range(16)]
    x = [rng.uniform(-1, 1) for _ in range(8)]

    def f(x: list[Any]) -> list[Any]:
        return [autodiff.tanh(sum([w * xi for w, xi in zip(row, x, strict=True)])) for row in weights]

    return lambda: autodiff.jacobian(f)(x)


def hessian() -> Call:
    x = [random.Random(0).uniform(-1, 1) for _ in range(10)]
    return lambda: autodiff.hessian(models.rosenbrock)(x)


def array_of_values() -> Call:
    values = [autodiff.Value(x / 1000) for x in range(1000)]
    return lambda: autodiff.array(values).tolist()


def grad_in_arrays() -> Call:
    """The gradient of squared outputs of a layer of 32 tanh neurons with 64 inputs."""
    rng = random.Random(0)
    weights, x = [[rng.gauss(0, 1) for _ in range(64)] for _ in range(32)], models.digit()

    def f(weights: Any) -> Any:
        return (numpy.tanh(weights @ x) ** 2).sum()

    return lambda: autodiff.grad(f)(numpy.array(weights)).tolist()


TASKS: dict[str, Callable[[], Call]] = {
    "nn.SGD, a whole step of MLP(64, [32, 10]) on one sample": sgd_step,
    "softmax of 16": softmax,
    "softmax of 16, and backward": softmax_and_backward,
    "logsumexp of 16": logsumexp,
    "logsumexp of 16, and backward": logsumexp_and_backward,
    "grad, an MLP on lists, 121 derivatives": grad,
    "jacobian, 16 neurons of 8 inputs": jacobian,
    "hessian, Rosenbrock of 10": hessian,
    "autodiff.array of 1,000 Values": array_of_values,
    "grad of an array of 32 by 64": grad_in_arrays,
}


def numbers(result: Any) -> Iterable[float]:
    """All numbers in nested lists, and of a Value its derivative as well."""
    if isinstance(result, autodiff.Value):
        yield from (result.data, result.grad)
    elif isinstance(result, (list, tuple)):
        for part in result:
            yield from numbers(part)
    else:
        yield float(result)


def million(rounds: int) -> dict[str, float]:
    """Median seconds for a chain of a million nodes: to build it, backward(), a deep copy, and to free it."""
    taken: dict[str, list[float]] = {"build": [], "backward": [], "deepcopy": [], "free": []}
    f, (start,) = models.chain(NODES)
    for _ in range(rounds):
        gc.collect()
        kept: list[Any] = []
        leaf = autodiff.Value(start)
        steps: dict[str, Call] = {
            "build": lambda: kept.append(f([leaf])),
            "backward": lambda: kept[0].backward(),
            "deepcopy": lambda: kept.append(copy.deepcopy(kept[0])),
            "free": lambda: kept.pop(0),
        }
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            taken[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in taken.items()}


def import_time(tree: Path, rounds: int) -> float:
    """The median seconds that `import autodiff` of a tree adds to a bare interpreter, bytecode cached."""
    taken: dict[str, list[float]] = {"pass": [], "import autodiff": []}
    with tempfile.TemporaryDirectory() as cache:
        cached = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": cache}
        for i in range(rounds + 1):
            for code, times in taken.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True, cwd=tree, env=cached)
                if i:  # the first fills the cache
                    times.append(time.perf_counter() - start)
    return statistics.median(taken["import autodiff"]) - statistics.median(taken["pass"])
