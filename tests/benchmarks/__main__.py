"""`python -m tests.benchmarks eager|transforms|compiled|train [--only SECTION ...] [--json FILE]`.

`python -m tests.benchmarks eager --against TREE` runs eager code in this tree and in another.
"""

import argparse
from pathlib import Path

from tests.benchmarks import against, compiled, eager, train, transforms

SUITES = {"transforms": transforms.main}
SECTIONED = {"eager": eager, "compiled": compiled, "train": train}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("suite", choices=[*SECTIONED, *SUITES], help="what to measure")
    parser.add_argument("--only", nargs="+", default=[], help="sections of eager, compiled or train; all unless given")
    parser.add_argument("--against", type=Path, metavar="TREE", help="of eager: another tree to compare with")
    parser.add_argument("--json", type=Path, help="where to write figures; build/benchmarks/SUITE.json unless given")
    given = parser.parse_args()
    path = given.json or Path("build/benchmarks") / f"{given.suite}.json"
    sections = SECTIONED[given.suite].SECTIONS if given.suite in SECTIONED else {}
    for section in given.only:
        if section not in sections:
            parser.error(f"the suite {given.suite} has no section {section!r}; it has {', '.join(sections) or 'none'}")
    if given.against:
        if given.suite != "eager" or given.only:
            parser.error("--against goes with eager, and without --only")
        against.main(given.against, given.json or path.with_name("against.json"))
    elif sections:
        SECTIONED[given.suite].main(path, given.only)
    else:
        SUITES[given.suite](path)


if __name__ == "__main__":
    main()
