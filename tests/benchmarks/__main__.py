"""`python -m tests.benchmarks eager [--json FILE]`."""

import argparse
from pathlib import Path

from tests.benchmarks import eager


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("suite", choices=["eager"], help="what to measure")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/eager.json"), help="where to write figures")
    eager.main(parser.parse_args().json)


if __name__ == "__main__":
    main()
