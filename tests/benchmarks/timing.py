"""Medians of calls of any length, and rows of a table: seconds, ratios, aims.

As in `measure`: repeats interleaved, garbage collection on; calls of microseconds are timed by the thousand.
"""

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Call = Callable[[], Any]

SAMPLE = 0.02  # seconds that a sample takes at least
SLOW = 1.0  # seconds; what takes longer is run twice after its first run, and no more


def seconds(runs: Mapping[str, Call], samples: int = 11) -> dict[str, float]:
    """Return the median seconds of one run of each, A B C A B C ..., with a collection before each sample."""
    gc.collect()
    gc.freeze()  # the modules of all these libraries, in one process here, are not collected again for each other
    counts = {name: _count(run) for name, run in runs.items()}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(samples):
        for name, run in runs.items():
            if counts[name] or i < 2:
                gc.collect()
                taken[name].append(_sample(run, counts[name] or 1))
    gc.unfreeze()
    return {name: statistics.median(times) for name, times in taken.items()}


def _count(run: Call) -> int:
    """Return how many runs make a sample; 0 for one that is slow."""
    once = _sample(run, 1)
    if once > SLOW:
        return 0
    once = min(once, _sample(run, 1))
    return max(1, math.ceil(SAMPLE / once))


def _sample(run: Call, count: int) -> float:
    repeats = range(count)
    start = time.perf_counter()
    for _ in repeats:
        run()
    return (time.perf_counter() - start) / count


def text(duration: float) -> str:
    """Return seconds in the unit that suits them.

    >>> text(0.0000000123), text(0.0000123), text(0.0123), text(12.3), text(4321.0)
    ('12.3 ns', '12.3 us', '12.3 ms', '12.3 s', '4,321 s')
    """
    units = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
    unit, size = next(((unit, size) for unit, size in units.items() if duration >= size), ("ns", 1e-9))
    number = duration / size
    return f"{number:,.0f} {unit}" if number >= 1000 else f"{number:.3g} {unit}"


def print_row(
    task: str, taken: Mapping[str, float], aims: Mapping[str, float], ours: str = "autodiff"
) -> dict[str, Any]:
    """Print seconds, ours first, and how many times ours each peer takes, with the aim where there is one."""
    print(f"\n{task}")
    ratios = {name: each / taken[ours] for name, each in taken.items() if name != ours}
    print(f"  {ours:<44}{text(taken[ours]):>12}")
    for name, ratio in ratios.items():
        print(f"  {name:<44}{text(taken[name]):>12}{_times(ratio):>12}" + _verdict(ratio, aims.get(name)), flush=True)
    return {"task": task, "ours": ours, "seconds": dict(taken), "ratios": ratios, "aims": dict(aims)}


def print_most(task: str, number: float, aim: float, form: Callable[[float], str]) -> dict[str, Any]:
    """Print a number that is to be at most the aim."""
    print(f"{task:<58}{form(number):>12}   at most {form(aim)}: {_reached(number <= aim)}", flush=True)
    return {"task": task, "number": number, "at most": aim}


def print_least(task: str, ratio: float, aim: float) -> dict[str, Any]:
    """Print a ratio that is to be at least the aim."""
    print(f"{task:<58}{_times(ratio):>12}{_verdict(ratio, aim)}", flush=True)
    return {"task": task, "ratio": ratio, "at least": aim}


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} x" if ratio >= 100 else f"{ratio:.2f} x"


def _verdict(ratio: float, aim: float | None) -> str:
    return "" if aim is None else f"   at least {_times(aim)}: {_reached(ratio >= aim)}"


def _reached(reached: bool) -> str:
    return "reached" if reached else "NOT REACHED"
