"""What derivatives of functions cost: in recorded evaluations of the function, and, checkpointed, in memory."""

import gc
import json
import math
import random
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import autodiff as ad
from tests.benchmarks import engines, models
from tests.benchmarks.measure import check_equal, medians

Function = Callable[[list[Any]], Any]
LIMITS = {"grad": 6.0, "hvp": 12.0}  # recorded evaluations


def elementary(x: list[Any]) -> Any:
    return sum(ad.tanh(a * b) + ad.exp(-a * a) / (1.0 + b * b) - ad.log(1.0 + a * a) for a, b in pairwise(x))


def functions() -> dict[str, tuple[Function, list[float]]]:
    """Return each function with its numbers."""
    rng = random.Random(0)
    engine = engines.ours()
    rows = [[rng.uniform(-1.0, 1.0) for _ in range(8)] for _ in range(16)]
    return {
        "Rosenbrock, 100 inputs": (models.rosenbrock, [rng.uniform(-1.0, 1.0) for _ in range(100)]),
        "Rosenbrock, 2,000 inputs": (models.rosenbrock, [rng.uniform(-1.0, 1.0) for _ in range(2000)]),
        "elementary functions, 1,000 inputs": (elementary, [rng.uniform(-1.0, 1.0) for _ in range(1000)]),
        "chain of 4,000 operations, 1 input": models.chain(4000),
        "MLP 8-16-16-1, 16 rows, 433 inputs": models.mlp(
            engine, [8, 16, 16, 1], rows, lambda outputs: sum(y[0] * y[0] for y in outputs)
        ),
        "nn.MLP 64-32-10 by dot, 2,410 inputs": _perceptron(),
        "sum of 2,000 squares": (lambda x: ad.sum([a * a for a in x]), [0.1] * 2000),
        "dot(x, x), 5,000 inputs": (lambda x: ad.dot(x, x), [0.1] * 5000),
        "transformer, 4,192 inputs": models.transformer(engine, "anna"),
    }


def _perceptron() -> tuple[Function, list[float]]:
    """Return the loss of a network whose neurons are one dot each, and its weights."""
    rng = random.Random(0)
    x = [rng.uniform(-1.0, 1.0) for _ in range(64)]

    def layer(weights: list[Any], x: list[Any], outputs: int) -> list[Any]:
        n = len(x)
        return [ad.dot(weights[i * n : i * n + n], x) + weights[n * outputs + i] for i in range(outputs)]

    def f(weights: list[Any]) -> Any:
        hidden = [ad.tanh(h) for h in layer(weights[: 65 * 32], x, 32)]
        return ad.logsumexp(layer(weights[65 * 32 :], hidden, 10))

    return f, [rng.uniform(-0.2, 0.2) for _ in range(65 * 32 + 33 * 10)]


def costs() -> list[dict[str, Any]]:
    """Print and return how many recorded evaluations of f its gradient and Hessian-vector product take."""
    print(f"{'in recorded evaluations of f':<40}{'one, ms':>10}{'grad':>8}{'jvp':>8}{'hvp':>8}")
    records = []
    for name, (f, numbers) in functions().items():
        leaves = [ad.Value(x) for x in numbers]
        ones = [1.0] * len(numbers)
        numerical = sum(_difference(f, numbers, ones))
        assert math.isclose(ad.jvp(f, (numbers,), (ones,))[1], sum(ad.grad(f)(numbers)), rel_tol=1e-9, abs_tol=1e-9)
        assert math.isclose(numerical, sum(ad.hvp(f)(numbers, ones)), rel_tol=1e-4, abs_tol=1e-4), name
        seconds = medians(
            {
                "one": lambda: f(leaves),
                "grad": lambda: ad.grad(f)(numbers),
                "jvp": lambda: ad.jvp(f, (numbers,), (ones,)),
                "hvp": lambda: ad.hvp(f)(numbers, ones),
            },
            repeats=5 if "transformer" in name else 25,
        )
        ratios = {kind: s / seconds["one"] for kind, s in seconds.items() if kind != "one"}
        print(f"{name:<40}{seconds['one'] * 1e3:>10.2f}" + "".join(f"{ratio:>8.1f}" for ratio in ratios.values()))
        records.append({"function": name, "seconds": seconds, "recorded evaluations": ratios, "limits": LIMITS})
    return records


def _difference(f: Function, numbers: list[float], v: list[float], step: float = 1e-5) -> list[float]:
    """Return a difference of gradients along v."""
    ahead, behind = (ad.grad(f)([x + s * d for x, d in zip(numbers, v, strict=True)]) for s in (step, -step))
    return [(a - b) / (2.0 * step) for a, b in zip(ahead, behind, strict=True)]


def hessians() -> list[dict[str, Any]]:
    """Print and return how long a Hessian takes beside n Hessian-vector products, where it is sparse and where not."""
    print(f"\n{'Hessian, ms':<40}{'hessian':>10}{'jacobian(grad)':>16}{'n hvp':>10}")
    records = []
    every = functions()
    tasks = {
        "Rosenbrock, 100 inputs": every["Rosenbrock, 100 inputs"],
        "MLP 2-8-8-1, 4 rows, 105 inputs": models.mlp(
            engines.ours(), [2, 8, 8, 1], [[0.1, 0.2], [-0.4, 0.3]] * 2, lambda ys: sum(y[0] ** 3 for y in ys)
        ),
    }
    for name, (f, numbers) in tasks.items():
        unit = [[float(i == j) for j in range(len(numbers))] for i in range(len(numbers))]
        runs = {
            "hessian": lambda f=f, x=numbers: _flat(ad.hessian(f)(x)),
            "jacobian(grad)": lambda f=f, x=numbers: _flat(ad.jacobian(ad.grad(f))(x)),
            "n hvp": lambda f=f, x=numbers, unit=unit: _flat([ad.hvp(f)(x, row) for row in unit]),
        }
        check_equal(runs, relative=1e-6)
        seconds = medians(runs, repeats=3)
        print(
            f"{name:<40}" + "".join(f"{s * 1e3:>{w}.1f}" for s, w in zip(seconds.values(), (10, 16, 10), strict=True))
        )
        records.append({"function": name, "seconds": seconds})
    return records


def _flat(rows: list[list[float]]) -> list[float]:
    return [x for row in rows for x in row]


def memory() -> list[dict[str, float]]:
    """Print and return the peak memory of a recurrent chain and its backward pass, plain and in checkpointed segments.

    n steps stand in √n segments of √n.
    """
    print(f"\n{'recurrent chain: peak memory, kB':<40}{'plain':>10}{'checkpointed':>14}{'of it':>8}{'time':>8}")
    records = []
    for steps in (256, 1024, 4096, 16384):
        plain, plain_slope = _peak(steps, lambda f: f)
        checkpointed, slope = _peak(steps, ad.checkpoint)
        assert all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(slope, plain_slope, strict=True))
        seconds = medians(
            {"plain": lambda: _run(steps, lambda f: f), "segments": lambda: _run(steps, ad.checkpoint)}, 5
        )
        time = seconds["segments"] / seconds["plain"]
        print(
            f"{f'{steps:,} steps':<40}{plain / 1e3:>10.0f}{checkpointed / 1e3:>14.0f}"
            f"{checkpointed / plain:>8.3f}{time:>7.1f}x"
        )
        records.append({"steps": steps, "plain": plain, "checkpointed": checkpointed, "time": time})
    return records


def _run(steps: int, segment: Callable[[Function], Function]) -> list[float]:
    size = math.isqrt(steps)

    def piece(state: list[Any]) -> Any:
        h, w = state
        for _ in range(size):
            h = ad.tanh(w * h + 0.1)
        return h

    w, h = ad.Value(0.9), ad.Value(0.5)
    run = segment(piece)
    out = h
    for _ in range(size):
        out = run([out, w])
    out.backward()
    return [w.grad, h.grad]


def _peak(steps: int, segment: Callable[[Function], Function]) -> tuple[int, list[float]]:
    gc.collect()
    tracemalloc.start()
    slopes = _run(steps, segment)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, slopes


def main(path: Path) -> None:
    """Run everything, print it, and write it to `path` as JSON."""
    result = {"costs": costs(), "hessians": hessians(), "memory": memory()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {path}")
