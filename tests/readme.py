"""What the README takes from the code: `python -m tests.readme --write` puts the table of primitives into it."""

import argparse
import re
from pathlib import Path

from autodiff.primitives import TABLE

README = Path(__file__).parent.parent / "README.md"
SECTION = re.compile(r"(<!-- primitives: .*? -->\n).*?(<!-- end of primitives -->)", re.DOTALL)


def table() -> str:
    """Return the table of primitives, in Markdown."""
    rows = [f"| `{p.name}` | {p.formula.replace('|', '&#124;')} | {p.domain} | {p.ulps} |" for p in TABLE.values()]
    return "\n".join(["| name | value | smooth domain | ulps |", "|---|---|---|---|", *rows]) + "\n"


def updated() -> str:
    """Return the README with the table as it is now."""
    return SECTION.sub(lambda match: match[1] + table() + match[2], README.read_text(encoding="utf-8"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.readme", description=__doc__)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    README.write_text(updated(), encoding="utf-8")
