"""An expression from the shell: its value, its derivatives beside numerical ones, its drawing.

An application: it stands above the engine. `python -m autodiff "tanh(w*x + b)" w=2 x=1 b=0.5` runs it.

    >>> calculate("x**3", ["x=2"])
    x**3 = 8
    <BLANKLINE>
          backward()  numerical
    d/dx          12         12
    <BLANKLINE>
    Both agree.
    0
"""

import math
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import autodiff
from autodiff import Value
from autodiff.expression import Expression, ExpressionError, parse
from autodiff.suggestions import near
from autodiff.testing import finite_differences

MOST_NAMES = {1: 50, 2: 20}  # by order: each takes some 30 evaluations, then as many gradients; seconds at the worst
_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau, "inf": math.inf, "nan": math.nan}

Point = dict[str, float]


class UsageError(ValueError):
    """What the person at the shell can put right."""


def calculate(
    text: str, assignments: Sequence[str] = (), wrt: Sequence[str] = (), order: int = 1, drawing: Path | None = None
) -> int:
    """Return the exit status, having printed the value of an expression and its derivatives, checked.

    Args:
        text: the expression, as `autodiff.expression.parse` takes it.
        assignments: a number for each of its names, "x=2"; the number may be an expression without names, "x=pi/2".
        wrt: the names to differentiate by; all of them unless given.
        order: 1, or 2 for second derivatives as well.
        drawing: where to save the graph: .svg, .png, .pdf, .html or .dot.

    The status is 0, or 1 where backward() and differences disagree. Raises UsageError and ExpressionError.
    """
    f = parse(text)
    point = _point(f, assignments)
    chosen = _chosen(f, wrt, order)
    leaves = {name: Value(number, name) for name, number in point.items()}
    out = f(**leaves)
    if not isinstance(out, Value):
        out = Value(out)
    out.backward()
    print(f"{_printable(f.text)} = {_number(out.data)}")
    agree = _compare(_first(f, point, chosen, leaves))
    if order == 2:
        agree &= _compare(_second(f, point, chosen))
    if drawing is not None:
        print(f"\nThe graph is drawn in {_saved(out, drawing).resolve()}")
    return 0 if agree else 1


# --- what was asked for ---


def _point(f: Expression, assignments: Sequence[str]) -> Point:
    """Return the number of each name."""
    point: Point = {}
    for assignment in assignments:
        name, equals, number = assignment.partition("=")
        name = unicodedata.normalize("NFKC", name.strip())  # as Python reads names
        if not equals or not name.isidentifier():
            raise UsageError(f"expected name=number, such as x=2, got {assignment!r}; quote the expression as one word")
        if name in point:
            raise UsageError(f"{name} has two numbers; give it one")
        point[name] = _assigned(name, number)
    missing = [name for name in f.names if name not in point]
    unused = [name for name in point if name not in f.names]
    if missing or unused:
        raise UsageError("; ".join([*map(_ask, missing), *(_unused(name, f) for name in unused)]))
    return {name: point[name] for name in f.names}


def _assigned(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        number = parse(text)
    unknown = [other for other in number.names if other not in _CONSTANTS]
    if unknown:
        raise UsageError(f"{name}={_printable(text)}: expected a number, got the name {unknown[0]}")
    return float(number(**{other: _CONSTANTS[other] for other in number.names}))


def _ask(name: str) -> str:
    return f"{name} has no number; add {name}={_CONSTANTS.get(name, 1)}"


def _unused(name: str, f: Expression) -> str:
    meant = near(name, f.names)
    return f"there is no {name} in the expression" + (f"; did you mean {meant}?" if meant else f"; leave {name}= out")


def _chosen(f: Expression, wrt: Sequence[str], order: int) -> list[str]:
    chosen = list(dict.fromkeys(wrt or f.names))
    for name in chosen:
        if name not in f.names:
            raise UsageError(f"--wrt: {_unused(name, f).removesuffix(f'; leave {name}= out')}")
    most = MOST_NAMES[order]
    if len(chosen) > most:
        raise UsageError(
            f"{len(chosen)} names are too many to differentiate by at order {order}; choose at most {most} with --wrt"
        )
    return chosen


# --- derivatives, twice ---


class _Row(NamedTuple):
    name: str
    exact: float
    numerical: float
    error: float

    @property
    def verdict(self) -> str:
        """Whether the difference confirms the derivative; "" if it does."""
        scale = max(1.0, abs(self.numerical))
        if not (math.isfinite(self.exact) and self.error <= 1e-3 * scale):
            return "not smooth here: differences decide nothing"
        return "" if abs(self.exact - self.numerical) <= 10.0 * self.error + 1e-12 * scale else "THEY DIFFER"


def _function_of(f: Expression, point: Point, chosen: Sequence[str]) -> Callable[[Sequence[Any]], Any]:
    """Return f as a function of the list of chosen numbers alone."""
    return lambda xs: f(**{**point, **dict(zip(chosen, xs, strict=True))})


def _first(f: Expression, point: Point, chosen: Sequence[str], leaves: Mapping[str, Value]) -> list[_Row]:
    xs = [point[name] for name in chosen]
    slopes, errors = finite_differences(_function_of(f, point, chosen), (xs,))
    return [_Row(f"d/d{name}", leaves[name].grad, *pair) for name, *pair in zip(chosen, slopes, errors, strict=True)]


def _second(f: Expression, point: Point, chosen: Sequence[str]) -> list[_Row]:
    """Return the rows of the Hessian's lower triangle, beside differences of the first derivatives."""
    xs = [point[name] for name in chosen]
    function = _function_of(f, point, chosen)
    exact = autodiff.hessian(function)(xs)
    slopes, errors = finite_differences(autodiff.grad(function), (xs,))
    return [
        _Row(f"d²/d{a}d{b}" if i != j else f"d²/d{a}²", exact[i][j], slopes[i][j], errors[i][j])
        for i, a in enumerate(chosen)
        for j, b in enumerate(chosen[: i + 1])
    ]


def _compare(rows: list[_Row]) -> bool:
    """Print derivatives in columns, and whether they agree; return False if one differs."""
    if not rows:
        return True
    cells = [(row.name, _number(row.exact), _number(row.numerical), row.verdict) for row in rows]
    exact = "backward()" if rows[0].name.startswith("d/") else "hessian()"
    cells.insert(0, ("", exact, "numerical", ""))
    widths = [max(len(cell[i]) for cell in cells) for i in range(3)]
    print()
    for name, *numbers, verdict in cells:
        columns = [name.ljust(widths[0]), *(x.rjust(width) for x, width in zip(numbers, widths[1:], strict=True))]
        print("  ".join([*columns, verdict]).rstrip())
    if not any(row.verdict for row in rows):
        print(f"\n{'Both' if len(rows) == 1 else 'All'} agree.")
    return "THEY DIFFER" not in [row.verdict for row in rows]


def _number(x: float) -> str:
    return f"{x:.10g}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


# --- the drawing ---


def save_drawing(out: Value, path: Path) -> Path:
    """Return where the drawing was written: at `path`; without a renderer its dot source beside it, and say why.

    Raises OSError if it cannot be written.
    """
    drawing = autodiff.draw(out)
    try:
        return drawing.save(path)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return drawing.save(path.with_suffix(".dot"))


def _saved(out: Value, path: Path) -> Path:
    try:
        return save_drawing(out, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}") from None


__all__ = ["ExpressionError", "UsageError", "calculate", "save_drawing"]
