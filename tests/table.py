"""What is written from the table of primitives: `python -m tests.table --write` writes it.

That is the table in `notebooks/reference/primitives.md`, the names that type checkers read, `public.pyi`, and
`autodiff.__all__`.
"""

import argparse
import builtins
import re
from pathlib import Path

import autodiff
from autodiff import Value
from autodiff.primitives import TABLE, Primitive
from autodiff.primitives.public import FUNCTIONS, METHODS

ROOT = Path(__file__).parent.parent
PAGE, NAMES, STUB = (
    ROOT / name
    for name in ("notebooks/reference/primitives.md", "autodiff/__init__.py", "autodiff/primitives/public.pyi")
)
SECTION = re.compile(r"(<!-- primitives: .*? -->\n).*?(<!-- end of primitives -->)", re.DOTALL)
LISTED = re.compile(r"^__all__ = \[\n(.*?)^\]\n", re.DOTALL | re.MULTILINE)

HEAD = """# What type checkers read: written from the table of primitives by `python -m tests.table --write`.

from collections.abc import Callable
from typing import Any, Protocol, overload

from autodiff.primitives import Primitive
from autodiff.value import Value

class Unary(Protocol):
    @overload
    def __call__(self, x: Value, /) -> Value: ...
    @overload
    def __call__(self, x: float, /) -> float: ...

class Binary(Protocol):
    @overload
    def __call__(self, x: Value, y: Value | float, /) -> Value: ...
    @overload
    def __call__(self, x: Value | float, y: Value, /) -> Value: ...
    @overload
    def __call__(self, x: float, y: float, /) -> float: ...

FUNCTIONS: dict[str, Primitive]
METHODS: list[str]

def method(primitive: Primitive) -> Callable[[Any], Value]: ...

"""


# Where a primitive is not smooth, in the words of its row: the operands of such a point. None: no float is one.
KINKS: dict[str, tuple[float, ...] | None] = {
    "x = 0": (0.0,),
    "x = y": (1.0, 1.0),
    "x = y = 0": (0.0, 0.0),
    "y = 0": (1.0, 0.0),
    "y = 0 and x ≤ 0": (0.0, -1.0),
    "cos x = 0": None,
    "x whole": (1.0,),
    "x - ½ whole": (0.5,),
    "x / y whole": (4.0, 2.0),
    "condition = 0": (0.0, 3.0, 4.0),
    "two of them equal": (1.0, 1.0),
    "all of them 0": (0.0, 0.0),
}


def at_kink(primitive: Primitive) -> tuple[float, ...] | None:
    """The operands of a point where it is not smooth: those of its words, then what its function takes unless given."""
    point = KINKS[primitive.domain.words] if primitive.domain.words else None
    if point is None or primitive.arity is None:
        return point
    last = primitive.facts.defaults or (2.0,) * (primitive.arity - len(point))
    return (point + last)[: primitive.arity]


def _row(primitive: Primitive) -> str:
    point, there = at_kink(primitive), ""
    if point is not None:
        slopes = primitive(*map(Value, point)).local_gradients
        there = ", ".join(f"{slope + 0.0:g}" for slope in slopes)  # NOTHING, a negative zero, is 0
    cells = [f"`{primitive.name}`", primitive.formula.replace("|", "&#124;"), str(primitive.domain)]
    return f"| {' | '.join([*cells, primitive.domain.words, there, str(primitive.ulps)])} |"


def page() -> str:
    """The page of the primitives, with the table as it is now."""
    head = ["| name | value | smooth domain | but where | local gradients there | ulps |", "|---|---|---|---|---|---|"]
    table = "\n".join([*head, *map(_row, TABLE.values())]) + "\n"
    return SECTION.sub(lambda match: match[1] + table + match[2], PAGE.read_text(encoding="utf-8"))


def stub() -> str:
    """The names and types of the functions and methods that are read off the table."""
    kinds = {1: "Unary", 2: "Binary"}
    exported = [f"    {name!r},".replace("'", '"') for name in FUNCTIONS if not hasattr(builtins, name)]
    functions = [f"{name}: {kinds[entry.arity]}" for name, entry in FUNCTIONS.items() if entry.arity]
    methods = [f"    def {name}(self) -> Value: ..." for name in METHODS]
    return "\n".join([HEAD + "__all__ = [", *exported, "]", "", *functions, "", "class UnaryMethods:", *methods]) + "\n"


def names() -> str:
    """The module `autodiff`, whose `__all__` has every function of the table, but for those with Python's own names."""
    public = {*autodiff.__all__, *(name for name in FUNCTIONS if not hasattr(builtins, name))}
    listed = "".join([f'    "{name}",\n' for name in sorted(public, key=_in_order)])
    return LISTED.sub(lambda match: f"__all__ = [\n{listed}]\n", NAMES.read_text(encoding="utf-8"))


def _in_order(name: str) -> list[str | int]:
    """What names are sorted by: the numbers in them count as numbers, log2 before log10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


WRITTEN = {PAGE: page, STUB: stub, NAMES: names}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.table", description=__doc__)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    for path, text in WRITTEN.items():
        path.write_text(text(), encoding="utf-8")
