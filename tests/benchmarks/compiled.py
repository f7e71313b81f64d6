"""Compiled functions against their peers: the transformer, digits, a chain, small functions, growth, rows, threads.

Each section runs in a process of its own, with one thread for every library unless it says otherwise:
`python -m tests.benchmarks compiled --only transformer digits`. A ratio is the peer's time over ours, of medians over
interleaved repeats; what is timed has been checked to give equal numbers.
"""

import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import autodiff
from tests.benchmarks import digits, models, peers, suite, transformers
from tests.benchmarks.measure import check_equal
from tests.benchmarks.timing import Call, print_least, print_most, print_row, seconds, text

Records = list[dict[str, Any]]

DOCUMENTS = 16
WORD = "random"
MICROGRAD_BATCHES = 2


# --- the sections ---


def transformer() -> Records:
    """Steps of training, one document each, lengths varying; forward and gradient alone; both over forward alone."""
    words, numbers = transformers.documents(DOCUMENTS), transformers.initial()
    trainers: dict[str, Call] = peers.present(
        {
            "autodiff, Adam compiled": ("", lambda: transformers.compiled_adam_trainer(words, numbers)),
            "autodiff, Adam in numpy": ("", lambda: transformers.compiled_trainer(words, numbers)),
            "numpy by hand": ("", lambda: transformers.numpy_trainer(words, numbers)),
            "textbook Value": ("", lambda: transformers.textbook_trainer(words, numbers)),
            "torch": ("torch", lambda: transformers.torch_trainer(words, numbers)),
            "JAX, step jitted for each length": ("jax", lambda: transformers.jax_trainer(words, numbers)),
        }
    )
    check_equal(trainers)
    taken = {name: total / DOCUMENTS for name, total in seconds(trainers).items()}
    records = [
        print_row(
            f"transformer: forward, backward and Adam, a step; {DOCUMENTS} documents",
            taken,
            {"numpy by hand": 6, "textbook Value": 3000},
            _fastest_of_ours(taken),
        )
    ]
    read = transformers.tokens(WORD)[:-1]
    prepared, value = transformers.compiled_gradient(WORD, numbers), transformers.compiled_value(WORD, numbers)

    def whole() -> list[float]:
        prepared()
        return flat(transformers.whole_gradient(read, prepared.results))

    others: dict[str, Any] = peers.present(
        {
            "CasADi SX": ("casadi", lambda: transformers.scalar_gradient(peers.casadi(), WORD, numbers)),
            "numpy by hand": ("", lambda: transformers.numpy_gradient(WORD, numbers)),
            "torch": ("torch", lambda: transformers.torch_gradient(WORD, numbers)),
            "JAX": ("jax", lambda: transformers.jax_gradient(WORD, numbers)),
        }
    )
    check_equal({"autodiff": whole, **in_form(flat, others)})
    runs = {name: getattr(run, "call", run) for name, run in others.items()}
    taken = seconds({"autodiff": prepared, "value alone": value, **runs})
    alone = taken.pop("value alone")
    records.append(print_row(f"transformer: forward and gradient, {len(read)} positions", taken, {"CasADi SX": 4}))
    return [*records, over_value("transformer", taken["autodiff"], alone)]


def digit_network() -> Records:
    """An epoch of SGD in batches, and value and gradient of all rows at once."""
    data, numbers = digits.load(), digits.initial()
    epochs: dict[str, digits.Epoch] = peers.present(
        {
            "autodiff, prepared calls": ("", lambda: digits.prepared_epoch(data, numbers)),
            "autodiff, plain calls": ("", lambda: digits.compiled_epoch(data, numbers)),
            "torch": ("torch", lambda: digits.torch_epoch(data, numbers)),
            "JAX, value and gradient jitted": ("jax", lambda: digits.jax_epoch(data, numbers, whole=False)),
            "JAX, whole step jitted": ("jax", lambda: digits.jax_epoch(data, numbers)),
            "JAX, whole epoch jitted": ("jax", lambda: digits.jax_scan_epoch(data, numbers)),
            "numpy by hand": ("", lambda: digits.numpy_epoch(data, numbers)),
            "scikit-learn MLPClassifier": ("sklearn", lambda: digits.sklearn_epoch(data, numbers)),
        }
    )
    check_equal(in_form(digits.flat, epochs))
    taken = seconds(epochs)
    ours = _fastest_of_ours(taken)
    taken |= _micrograd(data, numbers)
    records = [
        print_row(
            "digits: MLP 64-32-10, an epoch of 1,797 rows in batches of 32",
            taken,
            {"torch": 8, "JAX, value and gradient jitted": 5, "numpy by hand": 1, "micrograd, extrapolated": 10_000},
            ours,
        )
    ]
    prepared, value = digits.compiled_full(data, numbers), digits.compiled_full(data, numbers, value=True)
    others: dict[str, Any] = peers.present(
        {
            "torch": ("torch", lambda: digits.torch_full(data, numbers)),
            "JAX": ("jax", lambda: digits.jax_full(data, numbers)),
            "numpy by hand": ("", lambda: digits.numpy_full(data, numbers)),
        }
    )

    def whole() -> list[float]:
        prepared()
        return digits.flat_pair(prepared.results)

    check_equal({"autodiff": whole, **in_form(digits.flat_pair, others)})
    taken = seconds({"autodiff": prepared, "value alone": value, **others})
    alone = taken.pop("value alone")
    records.append(print_row("digits: value and gradient of all 1,797 rows", taken, {"torch": 1}))
    return [*records, over_value("digits", taken["autodiff"], alone)]


def _micrograd(data: digits.Data, numbers: digits.Parameters) -> dict[str, float]:
    """Return the time of micrograd's epoch, as its first batches have it; they are checked against numpy's."""
    made = peers.present(
        {"micrograd": ("micrograd", lambda: digits.micrograd_batches(data, numbers, MICROGRAD_BATCHES))}
    )
    if not made:
        return {}
    rows = MICROGRAD_BATCHES * digits.BATCH
    by_hand = digits.numpy_epoch(data.part(slice(rows)), numbers)
    gc.collect()
    gc.freeze()  # else each of its collections goes through the modules of torch and JAX as well
    taken = check_equal(in_form(digits.flat, {"numpy": by_hand, **made}))
    return {"micrograd, extrapolated": taken["micrograd"] * len(data.rows) / rows}


def chain() -> Records:
    """4,000 operations, each waiting for the one before: value and gradient, and the seconds to the first result."""
    f, x = peers.chain(4000), 0.5
    start = time.perf_counter()
    slope = autodiff.compile(autodiff.value_and_grad(f))
    slope(x)
    first = {"autodiff": time.perf_counter() - start}
    prepared, value = slope.prepare(x), autodiff.compile(f).prepare(x)
    runs: dict[str, Call] = {"autodiff": prepared}
    for name, made in peers.present(
        {
            "CasADi SX": ("casadi", lambda: _timed(lambda: _of_one(peers.casadi(), f, x))),
            "JAX": ("jax", lambda: _timed(lambda: peers.jax_gradient(f, x))),
        }
    ).items():
        runs[name], first[name] = made
    checked = {name: run for name, run in runs.items() if name != "autodiff"}
    check_equal({"autodiff": lambda: results(prepared), **in_form(flat, checked)})
    taken = seconds({**{name: getattr(run, "call", run) for name, run in runs.items()}, "value alone": value})
    alone = taken.pop("value alone")
    firsts = [_first_of_another_chain(4000 + 2 * i) for i in range(5)]
    first["autodiff"] = sorted(firsts)[2]
    return [
        print_row("chain of 4,000 operations: value and gradient", taken, {"CasADi SX": 2, "JAX": 2}),
        print_row("the same: from f to the first result", first, {}),
        print_most("  of it, with numba loaded", first["autodiff"], 0.3, text),
        over_value("chain", taken["autodiff"], alone),
    ]


def _of_one(engine: Any, f: Callable[[Any], Any], x: float) -> Any:
    return engine.gradients(lambda leaves: f(leaves[0]), [x])


def _timed(make: Callable[[], Call]) -> tuple[Call, float]:
    """Return a run, and the seconds until its first result."""
    start = time.perf_counter()
    run = make()
    run()
    return run, time.perf_counter() - start


def _first_of_another_chain(operations: int) -> float:
    return _timed(lambda: _call(autodiff.compile(autodiff.value_and_grad(peers.chain(operations))), 0.5))[1]


def _call(f: Callable[..., Any], *args: Any) -> Call:
    return lambda: f(*args)


def small() -> Records:
    """Rosenbrock in 10 dimensions, value and gradient: calls from Python, and calls into buffers."""
    x = np.linspace(-1.0, 1.0, 10)
    slope = autodiff.compile(autodiff.value_and_grad(models.rosenbrock))
    prepared, value = slope.prepare(x), autodiff.compile(models.rosenbrock).prepare(x)
    calls: dict[str, Call] = peers.present(
        {
            "autodiff": ("", lambda: _call(slope, x)),
            "JAX": ("jax", lambda: peers.jax_gradient(peers.rosenbrock_of_array, x)),
            "torch": ("torch", lambda: peers.torch_gradient(peers.rosenbrock_of_array, x)),
        }
    )
    buffers: dict[str, Any] = peers.present(
        {"CasADi SX": ("casadi", lambda: peers.casadi().gradients(models.rosenbrock, x.tolist()))}
    )
    check_equal({"prepared": lambda: results(prepared), **in_form(flat, {**calls, **buffers})})
    whole = seconds(calls)
    taken = seconds({"autodiff": prepared, **{name: run.call for name, run in buffers.items()}, "value alone": value})
    alone = taken.pop("value alone")
    return [
        print_row("Rosenbrock, 10 inputs: value and gradient, whole call", whole, {"JAX": 5, "torch": 50}),
        print_row("Rosenbrock, 10 inputs: into preallocated arrays", taken, {"CasADi SX": 1 / 3}),
        over_value("Rosenbrock", taken["autodiff"], alone),
    ]


def growth() -> Records:
    """Time per node, from 10^2 to 10^6 nodes: of a run, and of compiling; and the memory that the largest takes."""
    records: Records = []
    sizes = (10**2, 10**3, 10**4, 10**5, 10**6)
    for name, alike in (("blocks of 100 operations, all alike", True), ("blocks of 100, each its own", False)):
        for kind in ("value", "value and gradient"):
            print(f"\n{f'{name}: {kind}':<54}{'run, a node':>12}{'compile, a node':>18}{'traced':>12}{'peak, GB':>10}")
            made = {nodes: _in_a_process(_grown, nodes, alike, kind) for nodes in sizes}
            for nodes, at in made.items():
                cells = f"{text(at['run'] / nodes):>12}{text(at['compile'] / nodes):>18}{at['traced']:>12,.0f}"
                print(f"{nodes:>48,} nodes{cells}{at['peak'] / 1e9:>10.2f}", flush=True)
                records.append({"task": f"growth: {name}: {kind}", "nodes": nodes, **at})
            each = [at["run"] / nodes for nodes, at in made.items()]
            records.append(print_most("  slowest over fastest, a node", max(each) / min(each), 2.0, "{:.2f}".format))
            if kind == "value":
                records.append(print_most("  to compile the largest", made[sizes[-1]]["compile"], 30.0, text))
                records.append(print_most("  and GB for that", made[sizes[-1]]["peak"] / 1e9, 1.5, "{:.2f}".format))
    return records


def _in_a_process(f: Callable[..., Any], *args: Any) -> Any:
    """Return f(*args) from a new process, whose peak of memory is its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(f, args)


def _grown(nodes: int, alike: bool, kind: str) -> dict[str, float]:
    import resource  # Unix alone has it

    f = models.blocks(nodes, alike)
    if kind != "value":
        f = autodiff.value_and_grad(f)
    x = np.linspace(0.1, 1.0, 16)
    autodiff.compile(lambda x: x[0] * x[1])(x)  # loads numba
    start = time.perf_counter()
    compiled = autodiff.compile(f)
    prepared = compiled.prepare(x)
    prepared()
    taken = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if nodes <= 10_000:
        check_equal({"eager": lambda: flat(f(x)), "compiled": lambda: results(prepared)})
    run = seconds({"": prepared}, samples=7)[""]
    return {"compile": taken, "run": run, "peak": peak, "traced": compiled.stats().nodes}


def rows() -> Records:
    """Throughput of digits' value and gradient, for 1 to 4,096 rows."""
    data, numbers = _tiled(4096), digits.initial()
    step = digits.compiled_step()
    counts = [2**i for i in range(13)]
    prepared = {n: step.prepare(numbers, data.rows[:n], data.one_hot[:n]) for n in counts}
    taken = {n: seconds({"": run}, samples=7)[""] / n for n, run in prepared.items()}
    print(f"\n{'digits: value and gradient':<44}{'a row':>12}{'of that at 32':>16}")
    for n, each in taken.items():
        print(f"{f'{n:,} rows':<44}{text(each):>12}{each / taken[32]:>15.2f}x")
    spread = max(taken[n] for n in counts if n >= 32) / min(taken[n] for n in counts if n >= 32)
    return [
        {"task": "rows", "seconds a row": {str(n): each for n, each in taken.items()}},
        print_most("rows: slowest over fastest, from 32 on", spread, 1.25, "{:.2f}".format),
    ]


def _tiled(count: int) -> digits.Data:
    data = digits.load()
    return data.part(np.arange(count) % len(data.rows))


def threads() -> Records:
    """Two threads against one, over 4,096 rows and more; bits the same."""
    numbers = digits.initial()
    records = []
    for count in (4096, 32768):
        data = _tiled(count)
        runs = {n: digits.compiled_step(n).prepare(numbers, data.rows, data.one_hot) for n in (1, 2)}
        for run in runs.values():
            run()
        one, two = (np.array(digits.flat_pair(run.results)).tobytes() for run in runs.values())
        if one != two:
            raise AssertionError("2 threads give other bits than 1")
        taken = seconds({f"{n} threads": run for n, run in runs.items()})
        ratio = taken["1 threads"] / taken["2 threads"]
        records.append(print_least(f"2 threads, {count:,} rows of digits, bits the same", ratio, 1.7))
    return records


FIRST = """
import time
start = time.perf_counter()
import numpy as np
import autodiff
def rosenbrock(x):
    return sum(100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2 for a, b in zip(x, x[1:]))
autodiff.compile(autodiff.value_and_grad(rosenbrock))(np.linspace(-1.0, 1.0, 10))
first = time.perf_counter()
from tests.benchmarks.models import digit_loss
w = {"w1": np.ones((32, 64)), "b1": np.ones(32), "w2": np.ones((10, 32)), "b2": np.ones(10)}
loaded = time.perf_counter()
step = autodiff.compile(autodiff.value_and_grad(digit_loss), rows=(1, 2), reduce="mean")
step(w, np.ones((32, 64)), np.ones((32, 10)))
second = time.perf_counter()
step = autodiff.compile(autodiff.value_and_grad(digit_loss), rows=(1, 2), reduce="mean")
step(w, np.ones((32, 64)), np.ones((32, 10)))
third = time.perf_counter()
stats = step.stats()
print(first - start, second - loaded, third - second, stats.tracing + stats.optimising)
"""


def start() -> Records:
    """The first calls in a process, imports included: with numba's cache empty, and warm."""
    with tempfile.TemporaryDirectory() as folder:
        cold = _first({"NUMBA_CACHE_DIR": folder})
        warm = [_first({"NUMBA_CACHE_DIR": folder}) for _ in range(5)]
        median = sorted(warm)[2]
    return [
        print_most("start: first call of a process, cache cold", cold[0], 20.0, text),
        print_most("start: the second graph after it, rows and a reduction, cold", cold[1], 20.0, text),
        print_most("start: first call of a process, cache warm", median[0], 2.5, text),
        print_row(
            "start: a second graph, warm",
            {"rows and a reduction": median[1], "again": median[2], "its tracing and optimising": median[3]},
            {},
            "again",
        ),
    ]


def _first(environment: dict[str, str]) -> list[float]:
    command = [sys.executable, "-c", FIRST]
    out = subprocess.run(
        command, env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return [float(word) for word in out.split()]


SECTIONS: dict[str, Callable[[], Records]] = {
    "transformer": transformer,
    "digits": digit_network,
    "chain": chain,
    "small": small,
    "growth": growth,
    "rows": rows,
    "threads": threads,
    "start": start,
}


def _fastest_of_ours(taken: Mapping[str, float]) -> str:
    return min((name for name in taken if name.startswith("autodiff")), key=taken.__getitem__)


def over_value(name: str, gradient: float, value: float) -> dict[str, Any]:
    return print_most(f"{name}: value and gradient over value", gradient / value, 3.0, "{:.2f}".format)


def in_form(form: Callable[[Any], list[float]], runs: Mapping[str, Call]) -> dict[str, Callable[[], list[float]]]:
    """Return runs that give lists of numbers: `form` of what those runs give."""
    return {name: partial(_formed, form, run) for name, run in runs.items()}


def _formed(form: Callable[[Any], list[float]], run: Call) -> list[float]:
    return form(run())


def results(prepared: Any) -> list[float]:
    """Return the numbers that a prepared call leaves."""
    prepared()
    return flat(prepared.results)


def flat(result: Any) -> list[float]:
    """Return the numbers of tuples, lists, dicts, arrays and tensors in order."""
    if isinstance(result, Mapping):
        return [x for part in result.values() for x in flat(part)]
    if isinstance(result, (tuple, list)):
        return [x for part in result for x in flat(part)]
    if hasattr(result, "detach"):
        result = result.detach()
    return np.asarray(result, dtype=float).ravel().tolist()


def main(path: Path, only: Sequence[str] = ()) -> None:
    """Run the sections, print them, and write them to `path` as JSON."""
    suite.run("tests.benchmarks.compiled", path, only or list(SECTIONS), {"threads": {"NUMBA_NUM_THREADS": "2"}})


if __name__ == "__main__":
    sys.setrecursionlimit(10**6)  # micrograd and the textbook class recurse once per node
    suite.run_section(SECTIONS)
