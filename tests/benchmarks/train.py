"""Training through `nn.fit` against its peers: epochs of digits, 97 % from a cold start, eager code.

Sections run in processes of their own: `python -m tests.benchmarks train --only epoch`.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import cold, digits, peers, suite, trainers
from tests.benchmarks.measure import check_equal
from tests.benchmarks.suite import Records
from tests.benchmarks.timing import Call, print_most, print_row, seconds
from tests.benchmarks.trainers import Trainer

LONG = 31  # epochs of a long fit; a short one has 1, and the difference is what an epoch takes
STARTS = 5
SAMPLES = 24


def epoch() -> Records:
    """An epoch of 1,797 rows in batches of 32: shuffled, Adam, loss and accuracy reported."""
    data, numbers = digits.load(), digits.initial()
    makers: dict[str, Any] = {
        "nn.fit": ("", trainers.fit_trainer),
        "torch, rows permuted, Adam fused": ("torch", trainers.torch_trainer),
        "torch, DataLoader": ("torch", trainers.loader_trainer),
        "JAX, whole step jitted": ("jax", trainers.jax_trainer),
        "scikit-learn MLPClassifier": ("sklearn", trainers.sklearn_trainer),
    }
    start = {name: (module, partial(make, data, numbers)) for name, (module, make) in makers.items()}
    unshuffled = peers.present({name: (module, partial(make, shuffle=False)) for name, (module, make) in start.items()})
    _check(unshuffled)
    made: dict[str, Trainer] = peers.present(start)
    runs: dict[str, Call] = {name: partial(trainer.epochs, 1) for name, trainer in made.items()}
    runs["long fit"] = partial(made["nn.fit"].epochs, LONG)
    bare = {
        "bare compiled step, prepared calls": trainers.bare_epoch(data, numbers, prepared=True),
        "bare compiled step, plain calls": trainers.bare_epoch(data, numbers, prepared=False),
    }
    taken = seconds({**runs, **bare})
    short = taken["nn.fit"]
    taken["nn.fit"] = ours = (taken.pop("long fit") - short) / (LONG - 1)
    aims = dict.fromkeys([name for name in made if name.startswith(("torch", "scikit"))], 5.0)
    return [
        print_row("digits: MLP 64-32-10, an epoch of 1,797 rows in batches of 32, Adam", taken, aims, "nn.fit"),
        *[print_most(f"  nn.fit over {name}", ours / taken[name], 1.5, "{:.2f}".format) for name in bare],
        {"task": "a fit of one epoch, tracing and all", "seconds": short},
    ]


def _check(made: dict[str, Trainer]) -> None:
    """Raise AssertionError unless an epoch leaves equal weights; scikit-learn's, whose Adam is another, nearly."""

    def run(trainer: Trainer) -> list[float]:
        trainer.epochs(1)
        return digits.flat(trainer.weights())

    library = made.pop("scikit-learn MLPClassifier", None)
    check_equal({name: partial(run, trainer) for name, trainer in made.items()})
    if library is not None:
        np.testing.assert_allclose(run(library), digits.flat(made["nn.fit"].weights()), atol=5e-3)


def from_cold() -> Records:
    """From the start of Python to 97 % of the rows held out; medians, engine by engine in turn."""
    names = list(peers.present({name: (name if name != "autodiff" else "", lambda: name) for name in cold.ENGINES}))
    taken: dict[str, list[float]] = {name: [] for name in names}
    epochs: dict[str, int] = {}
    for i in range(STARTS + 1):
        for name in names:
            elapsed, epochs[name] = _reached(name)
            if i:  # the first fills caches
                taken[name].append(elapsed)
    medians = {name: sorted(times)[STARTS // 2] for name, times in taken.items()}
    task = f"from a cold start to {cold.ENOUGH:.0%} of {1797 - 44 * cold.BATCH} digits held out"
    record = print_row(task, medians, dict.fromkeys([name for name in names if name != "autodiff"], 1.0))
    print(f"  epochs: {', '.join(f'{name} {count}' for name, count in epochs.items())}")
    return [{**record, "epochs": epochs}]


def _reached(name: str) -> tuple[float, int]:
    """Return the seconds until a new process says that it is there, and how many epochs it took."""
    command = [sys.executable, "-m", "tests.benchmarks.cold", name]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = process.stdout.readline()
        return time.perf_counter() - start, int(printed)


def eager() -> Records:
    """A sample a step, everything a Value: `nn.fit(compile=False)` against micrograd's own loop."""
    data, numbers = digits.load().part(slice(SAMPLES)), digits.initial()
    runs = peers.present(
        {
            "nn.fit, eager": ("", lambda: trainers.eager_loop(data, numbers)),
            "micrograd": ("micrograd", lambda: trainers.micrograd_loop(data, numbers)),
        }
    )
    check_equal({name: partial(_flat, run) for name, run in runs.items()}, relative=1e-8)
    taken = seconds(runs)
    return [print_row(f"digits: MLP 64-32-10, {SAMPLES} samples by SGD", taken, {"micrograd": 15.0}, "nn.fit, eager")]


def _flat(run: Any) -> list[float]:
    return digits.flat(run())


SECTIONS = {"epoch": epoch, "cold": from_cold, "eager": eager}


def main(path: Path, only: Sequence[str] = ()) -> None:
    """Run the sections, print them, and write them to `path` as JSON."""
    suite.run("tests.benchmarks.train", path, only or list(SECTIONS), {})


if __name__ == "__main__":
    sys.setrecursionlimit(10**6)  # micrograd recurses once per node
    suite.run_section(SECTIONS)
