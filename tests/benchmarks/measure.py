"""Medians over interleaved repeats, garbage collection on, results checked equal before anything is timed."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping

Run = Callable[[], list[float]]


def check_equal(runs: Mapping[str, Run], relative: float = 1e-9) -> dict[str, float]:
    """Return the seconds of one run of each; raise AssertionError unless every run gives the numbers of the first."""
    expected: list[float] | None = None
    seconds = {}
    for name, run in runs.items():
        start = time.perf_counter()
        numbers = run()
        seconds[name] = time.perf_counter() - start
        expected = expected or numbers
        if len(numbers) != len(expected):
            raise AssertionError(f"{name} gives {len(numbers)} numbers, expected {len(expected)}")
        for got, number in zip(numbers, expected, strict=True):
            if not math.isclose(got, number, rel_tol=relative, abs_tol=1e-12):
                raise AssertionError(f"{name} gives {got}, expected {number}")
    return seconds


def medians(runs: Mapping[str, Run], repeats: int) -> dict[str, float]:
    """Return the median seconds of each run, A B C A B C ..., with a collection before each and collection left on."""
    gc.collect()
    gc.freeze()  # the modules of all these libraries, in one process here, are not collected again for each other
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            gc.collect()
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    gc.unfreeze()
    return {name: statistics.median(times) for name, times in seconds.items()}
