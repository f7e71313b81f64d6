"""Eager graphs: recording and backward() side by side with other libraries, memory, and the time of the import."""

import gc
import json
import math
import platform
import random
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import autodiff
from tests.benchmarks import engines, models
from tests.benchmarks.engines import Engine, Run
from tests.benchmarks.measure import check_equal, medians

SAMPLES = 20  # consecutive one-sample runs that are timed as one
PATIENCE = 8.0  # seconds; an engine whose run takes longer is left out of that task

Task = Callable[[Engine], Run]


def chain(engine: Engine) -> Run:
    return engine.gradients(*models.chain(4000))


def transformer(engine: Engine) -> Run:
    return engine.gradients(*models.transformer(engine, "random"))


def moons_rows() -> tuple[list[list[float]], list[int]]:
    """Return 100 points of two half circles, and their classes, -1 and 1."""
    rng = random.Random(0)
    rows, classes = [], []
    for i in range(100):
        angle, upper = math.pi * (i // 2) / 49, i % 2
        x, y = (math.cos(angle), math.sin(angle)) if upper else (1 - math.cos(angle), 0.5 - math.sin(angle))
        rows.append([x + rng.gauss(0, 0.1), y + rng.gauss(0, 0.1)])
        classes.append(2 * upper - 1)
    return rows, classes


def moons(engine: Engine) -> Run:
    """A training step's gradient: max-margin loss and weight decay of a 2-16-16-1 network on 100 points."""
    rows, classes = moons_rows()

    def loss(outputs: list[Any]) -> Any:
        margins = [engine.relu(1.0 - y * scores[0]) for y, scores in zip(classes, outputs, strict=True)]
        return sum(margins) * (1.0 / len(margins))

    return _network(engine, [2, 16, 16, 1], rows, loss, decay=1e-4)


def digit_alone(engine: Engine) -> Run:
    """Softmax cross-entropy of one sample of a 64-32-10 network, and its gradient, right after a collection."""
    rng = random.Random(1)
    sample = [rng.randrange(17) / 16 for _ in range(64)]

    def loss(outputs: list[Any]) -> Any:
        exponentials = [engine.exp(z) for z in outputs[0]]
        return -engine.log(exponentials[3] / sum(exponentials))

    return _network(engine, [64, 32, 10], [sample], loss)


def digit(engine: Engine) -> Run:
    """The same several times in a row, as in training: each meets the garbage of the ones before."""
    run = digit_alone(engine)

    def runs() -> list[float]:
        for _ in range(SAMPLES - 1):
            run()
        return run()

    return runs


def _network(engine: Engine, widths: list[int], rows: list[list[float]], loss: Any, decay: float = 0.0) -> Run:
    """Return the value and gradients of a network: by the engine's own MLP class where it has one, else on lists."""
    f, numbers = models.mlp(engine, widths, rows, loss)
    if engine.mlp is None:
        return engine.gradients(lambda leaves: f(leaves) + decay * sum([p * p for p in leaves]), numbers)
    model = engine.mlp(widths[0], widths[1:])
    parameters = model.parameters()
    for parameter, number in zip(parameters, numbers, strict=True):
        parameter.data = number

    def run() -> list[float]:
        outputs = [model(row) for row in rows]
        total = loss([out if isinstance(out, list) else [out] for out in outputs])
        if decay:
            total = total + decay * sum([p * p for p in parameters])
        for parameter in parameters:
            parameter.grad = 0.0
        total.backward()
        return [total.data, *[p.grad for p in parameters]]

    return run


TASKS: dict[str, tuple[Task, int, float]] = {
    "chain of 4,000 operations": (chain, 15, 2.5),
    "transformer on lists, sum() and *": (transformer, 5, 4.0),
    "MLP(2, [16, 16, 1]), 100 points": (moons, 5, 15.0),
    f"MLP(64, [32, 10]), one sample ({SAMPLES} in a row)": (digit, 5, 25.0),
    "MLP(64, [32, 10]), one sample alone": (digit_alone, 9, 25.0),
}


def speed() -> list[dict[str, Any]]:
    """Print a table of seconds and ratios; return it as records."""
    present = engines.installed()
    gc.freeze()  # the modules of all these libraries, in one process here, are not collected again for each other
    print(f"\n{'value and gradient, ms a run':<46}" + "".join(f"{engine.name:>18}" for engine in present))
    records = []
    for name, (task, repeats, aim) in TASKS.items():
        runs = {engine.name: task(engine) for engine in present}
        once = check_equal(runs)
        seconds = medians({engine: run for engine, run in runs.items() if once[engine] < PATIENCE}, repeats)
        per_run = SAMPLES if task is digit else 1
        cells = [f"{seconds['autodiff'] / per_run * 1e3:>18.2f}"]
        for engine in present[1:]:
            if engine.name not in seconds:
                cells.append(f"over {PATIENCE / per_run * 1e3:.0f}".rjust(18))
                continue
            ratio = seconds[engine.name] / seconds["autodiff"]
            cells.append(f"{seconds[engine.name] / per_run * 1e3:>10.2f} ({ratio:4.1f}x)".rjust(18))
        print(f"{name:<46}" + "".join(cells))
        ratios = {engine: s / seconds["autodiff"] for engine, s in seconds.items()}
        records.append({"task": name, "seconds": seconds, "ratios": ratios, "aim over micrograd": aim})
    return records


def memory() -> dict[str, float]:
    """Print and return the bytes a node of a chain takes, all it holds counted, after backward()."""
    sizes = {}
    for engine in (engines.ours(), engines.micrograd()):
        f, numbers = models.chain(100_000)
        run = _kept(f)
        gc.collect()
        tracemalloc.start()
        kept = run([autodiff.Value(x) if engine.name == "autodiff" else _micrograd_value(x) for x in numbers])
        sizes[engine.name] = tracemalloc.get_traced_memory()[0] / 100_000
        tracemalloc.stop()
        del kept
    print(
        f"\nbytes a node of that chain after backward(): {sizes['autodiff']:.0f}, micrograd {sizes['micrograd']:.0f} "
        f"({sizes['autodiff'] / sizes['micrograd']:.2f} of it)"
    )
    return sizes


def _kept(f: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def run(leaves: list[Any]) -> Any:
        out = f(leaves)
        out.backward()
        return out

    return run


def _micrograd_value(x: float) -> Any:
    from micrograd.engine import Value

    return Value(x)


def import_time() -> dict[str, Any]:
    """Print and return what `import autodiff` adds to a bare interpreter, and the non-standard modules it loads."""
    seconds: dict[str, list[float]] = {"pass": [], "import autodiff": []}
    for _ in range(15):
        for code, times in seconds.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - start)
    added = statistics.median(seconds["import autodiff"]) - statistics.median(seconds["pass"])
    listing = "import sys; old = set(sys.modules); import autodiff; print(*(set(sys.modules) - old))"
    loaded = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True).stdout.split()
    foreign = sorted({name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"autodiff"})
    outside = ", ".join(foreign) or "nothing"
    print(f"import autodiff adds {added * 1e3:.0f} ms and loads {outside} outside the standard library")
    return {"seconds": added, "outside the standard library": foreign}


def main(path: Path) -> None:
    """Run everything, print it, and write it to `path` as JSON."""
    sys.setrecursionlimit(10**6)  # micrograd's backward() recurses once per node
    machine = f"{platform.processor() or platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    print(machine)
    result = {
        "machine": machine,
        "versions": {name: version(name) for name in ("micrograd",)},
        "speed": speed(),
        "bytes per node": memory(),
        "import": import_time(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {path}")
