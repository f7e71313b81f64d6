"""Medians over interleaved repeats, garbage collection on, results checked equal before anything is timed."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping

Run = Callable[[], list[float]]


def check_equal(runs: Mapping[str, Run], relative: float = 1e-9) -> None:
    """Raise AssertionError unless every run gives the numbers of the first one."""
    results = {name: run() for name, run in runs.items()}
    first = next(iter(results))
    for name, numbers in results.items():
        if len(numbers) != len(results[first]):
            raise AssertionError(f"{name} gives {len(numbers)} numbers, {first} {len(results[first])}")
        for got, expected in zip(numbers, results[first], strict=True):
            if not math.isclose(got, expected, rel_tol=relative, abs_tol=1e-12):
                raise AssertionError(f"{name} gives {got}, {first} gives {expected}")


def medians(runs: Mapping[str, Run], repeats: int) -> dict[str, float]:
    """Return the median seconds of each run, A B C A B C ..., with a collection before each and collection left on."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            gc.collect()
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}
