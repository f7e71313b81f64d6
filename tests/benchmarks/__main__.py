"""`python -m tests.benchmarks eager|transforms|compiled [--only SECTION ...] [--json FILE]`."""

import argparse
from pathlib import Path

from tests.benchmarks import compiled, eager, transforms

SUITES = {"eager": eager.main, "transforms": transforms.main, "compiled": compiled.main}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("suite", choices=SUITES, help="what to measure")
    parser.add_argument(
        "--only", nargs="+", choices=compiled.SECTIONS, help="sections of the suite compiled; all unless given"
    )
    parser.add_argument("--json", type=Path, help="where to write figures; build/benchmarks/SUITE.json unless given")
    given = parser.parse_args()
    path = given.json or Path("build/benchmarks") / f"{given.suite}.json"
    if given.suite == "compiled":
        compiled.main(path, given.only or ())
    elif given.only:
        parser.error("--only belongs to the suite compiled")
    else:
        SUITES[given.suite](path)


if __name__ == "__main__":
    main()
