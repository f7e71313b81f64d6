"""Eager graphs: recording and backward() side by side with other libraries; what they take on their own.

Sections run in processes of their own: `python -m tests.benchmarks eager --only peers`. With `--against TREE` the same
tasks run in this tree and in another, by turns (`against`).
"""

import gc
import math
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import autodiff
from tests.benchmarks import engines, models, own, suite
from tests.benchmarks.engines import Engine, Run
from tests.benchmarks.measure import check_equal, medians
from tests.benchmarks.suite import Records
from tests.benchmarks.timing import print_most, print_row, seconds, text

SAMPLES = 20  # consecutive one-sample runs that are timed as one
PATIENCE = 8.0  # seconds; an engine whose run takes longer is left out of that task

CHAIN = 4000  # operations


class Task(NamedTuple):
    """A piece of code for any engine, what its page calls it, and how many times our time the peers are to take."""

    make: Callable[[Engine], Run]
    title: str
    aims: Mapping[str, float]
    runs: int = 1  # in one call
    alone: bool = False  # each run after a collection


def chain(engine: Engine) -> Run:
    return engine.gradients(*models.chain(CHAIN))


def transformer(engine: Engine) -> Run:
    return engine.gradients(*models.transformer(engine, "random"))


def moons_rows() -> tuple[list[list[float]], list[int]]:
    """100 points of two half circles, and their classes, -1 and 1."""
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

    def loss(outputs: list[Any]) -> Any:
        exponentials = [engine.exp(z) for z in outputs[0]]
        return -engine.log(exponentials[3] / sum(exponentials))

    return _network(engine, [64, 32, 10], [models.digit()], loss)


def digit(engine: Engine) -> Run:
    """The same several times in a row, as in training: each meets the garbage of the ones before."""
    run = digit_alone(engine)

    def runs() -> list[float]:
        for _ in range(SAMPLES - 1):
            run()
        return run()

    return runs


def _network(engine: Engine, widths: list[int], rows: list[list[float]], loss: Any, decay: float = 0.0) -> Run:
    """The value and gradients of a network: by the engine's own MLP class where it has one, else on lists."""
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


TASKS = {
    "chain": Task(chain, "chain of 4,000 operations", {"micrograd": 35, "xad": 6, "textbook Value": 15}),
    "transformer": Task(
        transformer,
        "small transformer on lists, `sum()` and `*`, 56,000 nodes",
        {"micrograd": 70, "xad": 6, "textbook Value": 15},
    ),
    "moons": Task(moons, "`nn.MLP(2, [16, 16, 1])`, 100 points", {"micrograd": 150, "xad": 12}),
    "digits in a row": Task(
        digit,
        f"`nn.MLP(64, [32, 10])`, one sample, {SAMPLES} in a row",
        {"micrograd": 170, "xad": 40},
        runs=SAMPLES,
    ),
    "digit alone": Task(
        digit_alone, "the same sample alone, after a collection", {"micrograd": 33, "xad": 24}, alone=True
    ),
}


# --- the sections ---


def peers() -> Records:
    """Value and gradient by each library: seconds, ratios, and a table of them in Markdown."""
    present = engines.installed()
    records = []
    for task in TASKS.values():
        runs = {engine.name: task.make(engine) for engine in present}
        once = check_equal(runs)
        patient = {name: run for name, run in runs.items() if once[name] < PATIENCE}
        whole = medians(patient, 9) if task.alone else seconds(patient)
        taken = {name: duration / task.runs for name, duration in whole.items()}
        records.append(print_row(task.title, taken, task.aims))
        for name in runs.keys() - patient.keys():
            print(f"  {name:<44}{'over ' + text(PATIENCE / task.runs):>12}")
    print("\n" + table(present, records))
    return records


def table(present: Sequence[Engine], records: Records) -> str:
    """Milliseconds and ratios as a table of the page of benchmarks."""
    names = [engine.name for engine in present]
    lines = ["| | " + " | ".join(map(_versioned, names)) + " |", "|---" * (len(names) + 1) + "|"]
    for task, record in zip(TASKS.values(), records, strict=True):
        cells = [task.title]
        for name in names:
            duration, ratio = record["seconds"].get(name), record["ratios"].get(name)
            if duration is None:
                cells.append(f"over {PATIENCE / task.runs * 1e3:,.0f}")
            else:
                cells.append(_three(duration * 1e3) + (f" ({_two(ratio)}x)" if ratio else ""))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _versioned(name: str) -> str:
    if name in ("autodiff", "textbook Value"):
        return name
    major, minor, *rest = version(name).split("+")[0].split(".")
    number = ".".join([major, minor, *rest]) if name == "micrograd" else f"{major}.{minor}"
    return f"{name} {number}" + (" (C++)" if name == "xad" else "")


def _three(number: float) -> str:
    """Three digits: 0.0123, 1.23, 12.3, 1,230."""
    digits = 2 - math.floor(math.log10(number))
    return f"{round(number, digits):,.{max(digits, 0)}f}"


def _two(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 10 else f"{float(f'{ratio:.3g}'):,.0f}"


def floats() -> Records:
    """The chain, value and gradient, against CPython's own arithmetic on floats, value alone."""
    f, start = models.chain(CHAIN)
    leaf = autodiff.Value(start[0])

    def record() -> None:
        leaf.grad = 0.0
        f([leaf]).backward()

    taken = seconds({"floats": lambda: f(start), "autodiff": record, "built alone": lambda: f([leaf])}, 31)
    print(f"chain of {CHAIN:,}, ns an operation")
    for name, duration in taken.items():
        print(f"  {name:<44}{duration / CHAIN * 1e9:>12.1f}")
    ratio = taken["autodiff"] / taken["floats"]
    record_of = print_most("forward and backward over the same on floats", ratio, 4.0, "{:.2f} x".format)
    return [{**record_of, "seconds": taken}]


def alone() -> Records:
    """Steps of training, rules and transforms, in microseconds."""
    taken = seconds({name: make() for name, make in own.TASKS.items()}, 21)
    for name, duration in taken.items():
        print(f"{name:<58}{duration * 1e6:>12,.1f} us")
    return [{"task": "on its own", "seconds": taken}]


def million() -> Records:
    taken = own.million(3)
    print(f"a chain of {own.NODES:,} nodes")
    for name, duration in taken.items():
        print(f"  {name:<44}{text(duration):>12}")
    return [{"task": "a million nodes", "seconds": taken}]


def memory() -> Records:
    """The bytes a node of a chain takes after backward(), all it holds counted: as traced, and as the process grows."""
    resident = _resident_bytes()
    sizes = {name: _traced_bytes(leaf) for name, leaf in {"autodiff": autodiff.Value, **_others()}.items()}
    record = print_most("bytes a node of a chain after backward()", sizes["autodiff"], 100, "{:.0f}".format)
    for name, size in sizes.items():
        print(f"  {name:<44}{size:>12,.0f}")
    if resident is not None:
        print(f"  {'autodiff, by which the process grew':<44}{resident:>12,.0f}")
    return [{**record, "bytes": sizes, "resident": resident}]


def _others() -> dict[str, Callable[[float], Any]]:
    from micrograd.engine import Value

    from tests.benchmarks import textbook

    return {"micrograd": Value, "textbook Value": textbook.Value}


def _traced_bytes(leaf: Callable[[float], Any], nodes: int = 50_000) -> float:
    f, (start,) = models.chain(nodes)
    leaves = [leaf(start) for _ in range(20_000)]  # what an engine keeps of freed nodes is in use
    gc.disable()  # between the frames of a deep recursion a collection takes as long as the recursion is deep
    tracemalloc.start()
    out = f(leaves)
    out.backward()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    gc.enable()
    return size / nodes


def _resident_bytes(nodes: int = 1_000_000) -> float | None:
    """What a node adds to the memory of this process, which has not had so many before; None where /proc is missing."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return None
    f, (start,) = models.chain(nodes)
    leaves = [autodiff.Value(start)]
    before = int(statm.read_text().split()[1])
    out = f(leaves)
    out.backward()
    return (int(statm.read_text().split()[1]) - before) * 4096 / nodes


def import_time() -> Records:
    """What `import autodiff` adds to a bare interpreter, and the modules it loads outside the standard library."""
    added = own.import_time(Path(__file__).parents[2], 15)
    listing = "import sys; old = set(sys.modules); import autodiff; print(*(set(sys.modules) - old))"
    loaded = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True).stdout.split()
    foreign = sorted({name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"autodiff"})
    outside = ", ".join(foreign) or "nothing"
    print(f"import autodiff adds {added * 1e3:.0f} ms and loads {outside} outside the standard library")
    return [{"task": "import autodiff", "seconds": added, "outside the standard library": foreign}]


SECTIONS = {
    "peers": peers,
    "floats": floats,
    "alone": alone,
    "million": million,
    "memory": memory,
    "import": import_time,
}


def main(path: Path, only: Sequence[str] = ()) -> None:
    """Run the sections, print them, and write them to `path` as JSON."""
    suite.run("tests.benchmarks.eager", path, only or list(SECTIONS), {})


if __name__ == "__main__":
    sys.setrecursionlimit(10**6)  # micrograd and the textbook class recurse once per node
    suite.run_section(SECTIONS)
