"""This tree against another, an earlier one: the same tasks of eager code in both, by turns.

Each round runs them in a process of each tree, with these benchmarks and that tree's `autodiff` and `nn`. Results are
held to the same bits; a ratio is that of medians. What imports `autodiff` is imported late here: when it is known from
which tree.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parents[2]
ROUNDS = 7
IMPORTS = 5  # in each round


def main(other: Path, path: Path) -> None:
    """Print the seconds of both trees and their ratios, and write them to `path` as JSON."""
    from tests.benchmarks import own

    trees = {"other": other.resolve(), "this": HERE}
    taken: dict[str, dict[str, list[float]]] = {}
    print(f"{'':<58}{'other':>12}{'this':>12}{'times as fast':>16}\n{'other is ' + str(other)}", flush=True)
    for _ in range(ROUNDS):
        results = {name: _measured(tree) for name, tree in trees.items()}
        if results["other"]["numbers"] != results["this"]["numbers"]:
            raise SystemExit(f"results differ: {_different(results['other']['numbers'], results['this']['numbers'])}")
        for name, tree in trees.items():
            results[name]["seconds"]["import autodiff"] = own.import_time(tree, IMPORTS)
            for task, duration in results[name]["seconds"].items():
                taken.setdefault(task, {}).setdefault(name, []).append(duration)
    medians = {task: {name: median(times) for name, times in both.items()} for task, both in taken.items()}
    _print(medians)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(medians, indent=2) + "\n")


def _measured(tree: Path) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "figures.json"
        subprocess.run([sys.executable, "-m", __name__, str(tree), str(written)], check=True, cwd=HERE)
        return json.loads(written.read_text())


def _different(one: Mapping[str, Any], two: Mapping[str, Any]) -> str:
    return ", ".join(name for name in one if one[name] != two[name])


def _print(medians: Mapping[str, Mapping[str, float]]) -> None:
    from tests.benchmarks.timing import text

    for task, both in medians.items():
        ratio = both["other"] / both["this"]
        print(f"{task:<58}{text(both['other']):>12}{text(both['this']):>12}{ratio:>14.2f} x")


def _run_here() -> None:
    """Measure one tree in this process: `python -m tests.benchmarks.against TREE FILE`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tree", type=Path)
    parser.add_argument("path", type=Path)
    given = parser.parse_args()
    sys.path.insert(0, str(given.tree))
    import autodiff
    import nn

    assert Path(autodiff.__file__).parents[1] == Path(nn.__file__).parents[1] == given.tree
    del sys.path[0]  # whatever else is imported is this tree's
    given.path.write_text(json.dumps(_figures()))


def _figures() -> dict[str, Any]:
    from tests.benchmarks import eager, engines, own
    from tests.benchmarks.timing import seconds

    ours = engines.ours()
    runs = {task.title: task.make(ours) for task in eager.TASKS.values() if not task.alone}
    runs |= {name: make() for name, make in own.TASKS.items()}
    computed = {name: [list(own.numbers(run())) for _ in range(3)] for name, run in runs.items()}
    taken = seconds(runs, samples=5)
    taken |= {f"{step}, {own.NODES:,} nodes": duration for step, duration in own.million(1).items()}
    return {"seconds": taken, "numbers": computed}


if __name__ == "__main__":
    _run_here()
