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

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import autodiff
from autodiff import Value
from autodiff.expression import Expression, ExpressionError, parse
from autodiff.hints import near
from autodiff.structures.structure import flatten
from autodiff.testing.checks import verdicts
from autodiff.testing.verdicts import Outcome, Verdict

MOST_NAMES = {1: 50, 2: 20}  # by order: each takes some 30 evaluations, then as many gradients; seconds at the worst

Point = dict[str, float]


class UsageError(ValueError):
    """A mistake that the person at the shell can put right."""


def calculate(
    text: str, assignments: Sequence[str] = (), wrt: Sequence[str] = (), order: int = 1, drawing: Path | None = None
) -> int:
    """The exit status, having printed the value of an expression and its derivatives, checked.

    Args:
        text: the expression, as `autodiff.expression.parse` takes it.
        assignments: a number for each of its names, "x=2"; the number may be an expression without names, "x=pi/2".
        wrt: the names to differentiate by; all of them unless given.
        order: 1, or 2 for second derivatives as well.
        drawing: where to save the graph: .svg, .png, .pdf, .html or .dot.

    The status is 0, or 1 where backward() and differences disagree. Where differences cannot tell, mpmath does if it is
    installed; what nobody can tell is said, and is not a disagreement. Raises UsageError and ExpressionError.
    """
    f = parse(text)
    point = _point(f, assignments)
    chosen = _chosen(f, point, wrt, order)
    leaves = {name: Value(number, name) for name, number in point.items()}
    out = f(**leaves)
    if not isinstance(out, Value):
        out = Value(out)
    out.backward()
    print(f"{printable(f.text)} = {_number(out.data)}")
    agree = True
    for rows, heading in zip(_rows(f, point, chosen, order), ("backward()", "hessian()"), strict=False):
        agree &= _compare(rows, heading)
    if drawing is not None:
        print(f"\nThe graph is drawn in {printable(str(_saved(out, drawing).resolve()))}")
    return 0 if agree else 1


# --- what was asked for ---


def _point(f: Expression, assignments: Sequence[str]) -> Point:
    """The number of each name."""
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
    unused = [name for name in point if name not in f.names + f.constants]
    if missing or unused:
        raise UsageError("; ".join([*map(_ask, missing), *(_unused(name, f) for name in unused)]))
    return {name: point[name] for name in f.names + f.constants if name in point}


def _assigned(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        number = parse(text)
    if number.names:
        raise UsageError(f"{name}={text}: expected a number, got the name {number.names[0]}")
    return float(number())


def _ask(name: str) -> str:
    return f"{name} has no number; add {name}=1"


def _unused(name: str, f: Expression) -> str:
    meant = near(name, f.names)
    return f"there is no {name} in the expression" + (f"; did you mean {meant}?" if meant else f"; leave {name}= out")


def _chosen(f: Expression, point: Point, wrt: Sequence[str], order: int) -> list[str]:
    chosen = list(dict.fromkeys(wrt or point))
    for name in chosen:
        if name in f.constants and name not in point:
            raise UsageError(f"--wrt: {name} is a constant, unless it is given a number: add {name}=1")
        if name not in point:
            raise UsageError(f"--wrt: {_unused(name, f).removesuffix(f'; leave {name}= out')}")
    most = MOST_NAMES[order]
    if len(chosen) > most:
        raise UsageError(
            f"{len(chosen)} names are too many to differentiate by at order {order}; choose at most {most} with --wrt"
        )
    return chosen


# --- derivatives, twice ---


class _Comparison(NamedTuple):
    name: str
    exact: float
    numerical: float
    remark: str
    is_wrong: bool


def _rows(f: Expression, point: Point, chosen: Sequence[str], order: int) -> Iterator[list[_Comparison]]:
    """Yield the rows of the gradient and, of order 2, those of the Hessian's lower triangle."""
    if not chosen:
        return

    def of_chosen(*numbers: Any) -> Any:
        return f(**{**point, **dict(zip(chosen, numbers, strict=True))})

    numbers, structure = flatten(tuple(point[name] for name in chosen))
    first, *higher = verdicts(of_chosen, structure, numbers, order)
    yield [_compared(f"d/d{name}", verdict) for name, verdict in zip(chosen, first, strict=True)]
    for second in higher:
        pairs = zip(product(enumerate(chosen), repeat=2), second, strict=True)
        yield [_compared(f"d²/d{a}d{b}" if i != j else f"d²/d{a}²", it) for ((i, a), (j, b)), it in pairs if j <= i]


def _compared(name: str, verdict: Verdict) -> _Comparison:
    d = verdict.derivative
    numerical = d.numerical.slope if verdict.exact is None else verdict.exact
    return _Comparison(name, d.stored, numerical, _remark(verdict), verdict.outcome is Outcome.WRONG)


def _remark(verdict: Verdict) -> str:
    """The remark on a derivative; "" if the difference confirms it."""
    match verdict.outcome:
        case Outcome.RIGHT:
            return "by mpmath: differences decide nothing" if verdict.exact is not None else ""
        case Outcome.WRONG:
            return "THEY DIFFER"
        case Outcome.NO_VALUE:
            return verdict.remark
    return "not smooth here: differences decide nothing"


def _compare(rows: list[_Comparison], heading: str) -> bool:
    """Print derivatives in columns, and whether they agree; return False if one differs."""
    cells = [(row.name, _number(row.exact), _number(row.numerical), row.remark) for row in rows]
    cells.insert(0, ("", heading, "numerical", ""))
    widths = [max(len(cell[i]) for cell in cells) for i in range(3)]
    print()
    for name, *numbers, remark in cells:
        columns = [name.ljust(widths[0]), *(x.rjust(width) for x, width in zip(numbers, widths[1:], strict=True))]
        print("  ".join([*columns, remark]).rstrip())
    if not any(row.remark for row in rows):
        print(f"\n{'Both' if len(rows) == 1 else 'All'} agree.")
    return not any(row.is_wrong for row in rows)


def _number(x: float) -> str:
    return f"{x:.10g}"


def printable(text: str) -> str:
    """Text that is safe to print: lines, with ? for every character that is not printable."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


# --- the drawing ---


def save_drawing(out: Value, path: Path) -> Path:
    """The path the drawing was written to: `path`, or without a renderer its dot source beside it, with the reason.

    Raises OSError if it cannot be written.
    """
    drawing = autodiff.draw(out)
    try:
        return drawing.save(path)
    except RuntimeError as error:
        print(printable(str(error)), file=sys.stderr)
        return drawing.save(path.with_suffix(".dot"))


def _saved(out: Value, path: Path) -> Path:
    try:
        return save_drawing(out, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}") from None


__all__ = ["ExpressionError", "UsageError", "calculate", "printable", "save_drawing"]
