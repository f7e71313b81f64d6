"""`python -m tests.benchmarks eager|transforms [--json FILE]`."""

import argparse
from pathlib import Path

from tests.benchmarks import eager, transforms

SUITES = {"eager": eager.main, "transforms": transforms.main}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("suite", choices=SUITES, help="what to measure")
    parser.add_argument("--json", type=Path, help="where to write figures; build/benchmarks/SUITE.json unless given")
    given = parser.parse_args()
    SUITES[given.suite](given.json or Path("build/benchmarks") / f"{given.suite}.json")


if __name__ == "__main__":
    main()
