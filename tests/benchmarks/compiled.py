"""Compiled functions against their peers: the transformer, digits, a chain, small functions, growth, rows, threads.

Each section runs in a process of its own, with one thread for every library unless it says otherwise:
`python -m tests.benchmarks compiled --only transformer digits`. A ratio is the peer's time over ours, of medians over
interleaved repeats; what is timed has been checked to give equal numbers.
"""

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
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
            {"numpy by hand": 4, "textbook Value": 8000},
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
    aims = {"CasADi SX": 20, "JAX": 6}
    records.append(print_row(f"transformer: forward and gradient, {len(read)} positions", taken, aims))
    return [*records, over_value("transformer", taken["autodiff"], alone)]


def digit_network() -> Records:
    """An epoch of SGD in batches, and value and gradient of a batch, and of all rows at once."""
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
    taken |= _micrograd(data, numbers)
    aims = {"torch": 8, "JAX, value and gradient jitted": 5, "numpy by hand": 1, "micrograd, extrapolated": 10_000}
    aims["JAX, whole epoch jitted"] = 1
    task, ours = "digits: MLP 64-32-10, an epoch of 1,797 rows in batches of 32", "autodiff, plain calls"
    whole, batch = f"digits: value and gradient of all {len(data.rows):,} rows", data.part(slice(digits.BATCH))
    return [
        print_row(task, taken, aims, ours),
        *_rows_at_once(
            f"digits: value and gradient of {digits.BATCH} rows", batch, numbers, {"numpy by hand": 1 / 0.45}
        ),
        *_rows_at_once(whole, data, numbers, {"torch": 1, "JAX": 1 / 0.85, "numpy by hand": 1 / 0.7}),
    ]


def _rows_at_once(task: str, data: digits.Data, numbers: digits.Parameters, aims: Mapping[str, float]) -> Records:
    """Value and gradient of these rows by one call."""
    prepared, value = digits.compiled_full(data, numbers), digits.compiled_full(data, numbers, value=True)
    plain = digits.compiled_plain(data, numbers)
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

    ours = "autodiff, plain call"
    check_equal({"prepared": whole, **in_form(digits.flat_pair, {ours: plain, **others})})
    taken = seconds({ours: plain, "autodiff, prepared call": prepared, "value alone": value, **others})
    alone = taken.pop("value alone")
    return [print_row(task, taken, aims, ours), over_value("  of it", taken["autodiff, prepared call"], alone)]


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
            "CasADi SX": ("casadi", lambda: _timed(lambda: _of_one(peers.casadi(), f, x), "casadi")),
            "heyoka": ("heyoka", lambda: _timed(lambda: _of_one(peers.heyoka(), f, x), "heyoka")),
            "JAX": ("jax", lambda: _timed(lambda: peers.jax_gradient(f, x), "jax")),
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
        print_row("chain of 4,000 operations: value and gradient", taken, {"CasADi SX": 1 / 0.45, "JAX": 2}),
        print_row("the same: from f to the first result", first, {}),
        over_value("chain", taken["autodiff"], alone),
    ]


def _of_one(engine: Any, f: Callable[[Any], Any], x: float) -> Any:
    return engine.gradients(lambda leaves: f(leaves[0]), [x])


def _timed(make: Callable[[], Call], *modules: str) -> tuple[Call, float]:
    """Return a run, and the seconds until its first result; modules are imported before that."""
    for name in modules:
        import_module(name)
    start = time.perf_counter()
    run = make()
    run()
    return run, time.perf_counter() - start


def _first_of_another_chain(operations: int) -> float:
    return _timed(lambda: _call(autodiff.compile(autodiff.value_and_grad(peers.chain(operations))), 0.5))[1]


def _call(f: Callable[..., Any], *args: Any) -> Call:
    return lambda: f(*args)


def small() -> Records:
    """Rosenbrock in 10 dimensions, value and gradient: calls from Python, and calls into buffers; compiling it."""
    f, x = models.rosenbrock, np.linspace(-1.0, 1.0, 10)
    slope = autodiff.compile(autodiff.value_and_grad(f))
    prepared, value = slope.prepare(x), autodiff.compile(f).prepare(x)
    numbers = x.tolist()
    calls: dict[str, Call] = peers.present(
        {
            "autodiff": ("", lambda: _call(slope, x)),
            "autodiff, a list": ("", lambda: _call(slope, numbers)),
            "JAX": ("jax", lambda: peers.jax_gradient(peers.rosenbrock_of_array, x)),
            "torch": ("torch", lambda: peers.torch_gradient(peers.rosenbrock_of_array, x)),
        }
    )
    made: dict[str, Any] = peers.present(
        {
            "CasADi SX": ("casadi", lambda: _timed(lambda: peers.casadi().gradients(f, numbers), "casadi")),
            "heyoka": ("heyoka", lambda: _timed(lambda: peers.heyoka().gradients(f, numbers), "heyoka")),
        }
    )
    buffers = {name: run for name, (run, _) in made.items()}
    first = {"autodiff": _timed(lambda: _call(autodiff.compile(autodiff.value_and_grad(f)), x))[1]}
    first |= {name: taken for name, (_, taken) in made.items()}
    check_equal({"prepared": lambda: results(prepared), **in_form(flat, {**calls, **buffers})})
    whole = seconds(calls)
    taken = seconds({"autodiff": prepared, **{name: run.call for name, run in buffers.items()}, "value alone": value})
    alone = taken.pop("value alone")
    return [
        print_row("Rosenbrock, 10 inputs: value and gradient, whole call", whole, {"JAX": 15, "torch": 50}),
        print_most("  a list over an array", whole["autodiff, a list"] / whole["autodiff"], 1.3, "{:.2f}".format),
        print_row("Rosenbrock, 10 inputs: into preallocated arrays", taken, {"CasADi SX": 1}),
        print_row("Rosenbrock, 10 inputs: from f to the first result", first, {}),
        over_value("Rosenbrock", taken["autodiff"], alone),
    ]


def growth() -> Records:
    """Time per node, from 10^2 to 10^6 nodes: of a run, and from f to its first result; and memory."""
    records: Records = []
    sizes = (10**2, 10**3, 10**4, 10**5, 10**6)
    for name, alike in (("blocks of 100 operations, all alike", True), ("blocks of 100, each its own", False)):
        for kind in ("value", "value and gradient"):
            print(f"\n{f'{name}: {kind}':<54}{'run, a node':>12}{'first, a node':>18}{'traced':>12}{'peak, GB':>10}")
            made = {nodes: _in_a_process(_grown, nodes, alike, kind) for nodes in sizes}
            for nodes, at in made.items():
                cells = f"{text(at['run'] / nodes):>12}{text(at['first'] / nodes):>18}{at['traced']:>12,.0f}"
                print(f"{nodes:>48,} nodes{cells}{at['peak'] / 1e9:>10.2f}", flush=True)
                records.append({"task": f"growth: {name}: {kind}", "nodes": nodes, **at})
            each = [at["run"] / nodes for nodes, at in made.items()]
            records.append(print_most("  slowest over fastest, a node", max(each) / min(each), 2.0, "{:.2f}".format))
            largest, most = made[sizes[-1]], {"value": 2.0, "value and gradient": 6.0}[kind]
            records.append(print_most("  the largest, from f to the first result", largest["first"], most, text))
            records.append(print_most("  and GB for that", largest["peak"] / 1e9, 1.0, "{:.2f}".format))
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
    autodiff.compile(lambda x: x[0] * x[1])(x)  # imports the compiler
    start = time.perf_counter()
    compiled = autodiff.compile(f)
    compiled(x)
    taken = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    prepared = compiled.prepare(x)
    if nodes <= 10_000:
        check_equal({"eager": lambda: flat(f(x)), "compiled": lambda: results(prepared)})
    run = seconds({"": prepared}, samples=7)[""]
    return {"first": taken, "run": run, "peak": peak, "traced": compiled.stats().nodes}


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


SPIN = "while True: pass"


def threads() -> Records:
    """Two threads against one, over few rows and many, bits the same: with what cores are free, and with one taken."""
    numbers = digits.initial()
    records: Records = [{"task": "two processes at once: how many cores are free", "number": _free_cores()}]
    print(f"\n{records[0]['task']:<58}{records[0]['number']:>12.2f}")
    runs = {count: _by_threads(count, numbers) for count in (8, 32, 128, 512, 1024, 4096, 32768)}
    for count, made in runs.items():
        least = 1.8 if count >= 512 else 0.95
        records.append(print_least(f"2 threads, {count:,} rows of digits, bits the same", _gain(made), least))
    with subprocess.Popen([sys.executable, "-c", SPIN]) as other:
        for count, made in runs.items():
            task = f"  {count:,} rows while another process takes a core"
            records.append(print_least(task, _gain(made), 0.95))
        other.kill()
    return records


def _by_threads(count: int, numbers: digits.Parameters) -> dict[str, Any]:
    """Prepared calls of so many rows, by one thread and by two."""
    data = _tiled(count)
    runs = {f"{n} threads": digits.compiled_step(n).prepare(numbers, data.rows, data.one_hot) for n in (1, 2)}
    for run in runs.values():
        run()
    one, two = (np.array(digits.flat_pair(run.results)).tobytes() for run in runs.values())
    if one != two:
        raise AssertionError(f"2 threads give other bits than 1, of {count} rows")
    return runs


def _gain(runs: Mapping[str, Call]) -> float:
    """How many times as fast two threads are as one."""
    taken = seconds(runs)
    return taken["1 threads"] / taken["2 threads"]


def _free_cores() -> float:
    """How many cores two processes get, between them: 2.0 on a machine that has nothing else to do."""
    code = "import time; t = time.perf_counter(); sum(range(10**7)); print(time.perf_counter() - t)"

    def at_once(count: int) -> float:
        some = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(count)]
        return sum(float(process.communicate()[0]) for process in some) / count

    return min(2.0, 2.0 * min(at_once(1) for _ in range(3)) / min(at_once(2) for _ in range(3)))


FIRST = """
import time
start = time.perf_counter()
import numpy as np
import autodiff
imported = time.perf_counter()
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
print(imported - start, first - imported, second - loaded, third - second, stats.tracing + stats.optimising)
"""


def start() -> Records:
    """The first calls in a process: medians over processes."""
    taken = [_first() for _ in range(9)]
    imports, call, second, again, of_it = (sorted(column)[4] for column in zip(*taken, strict=True))
    return [
        print_most("start: imports, numpy among them, and the first call", imports + call, 0.15, text),
        print_row(
            "start: the first call of a process, imports of the compiler included",
            {"first call": call, "imports of numpy and autodiff": imports, "another graph, rows and a mean": second},
            {},
            "first call",
        ),
        print_row("start: that graph once more", {"again": again, "its tracing and optimising": of_it}, {}, "again"),
    ]


def _first() -> list[float]:
    out = subprocess.run([sys.executable, "-c", FIRST], check=True, stdout=subprocess.PIPE, text=True).stdout
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
    suite.run("tests.benchmarks.compiled", path, only or list(SECTIONS), {})


if __name__ == "__main__":
    sys.setrecursionlimit(10**6)  # micrograd and the textbook class recurse once per node
    suite.run_section(SECTIONS)
