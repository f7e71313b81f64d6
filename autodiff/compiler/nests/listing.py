"""The nests of a program as text: what the interpreter runs, for people to read.

`v[8 +i]` is the number at address 8 + i, which need not be its slot in the program: results are sorted. The inputs are
`v[0 .. n]`, without v[n] itself; constants follow, the last of them -0.0, 0.0 and 1.0, then results. i, j and h count
the loops from the innermost one outwards, k the terms of a sum.
"""

from itertools import chain

from autodiff.compiler.nests.schema import ACTIVE_LANES, Affine, Elementwise, Flat, Header, Loops, Nest, Nests, Run, Sum
from autodiff.compiler.programs.opcodes import OPCODES


def listing(nests: Nests, limit: int | None = None) -> str:
    """The nests as text, one a line, or a few: a sum has a line for each of its runs; with a limit no more nests."""
    header = nests.header
    in_lanes = header[Header.VARYING] > 0
    lanes = (
        f"; {header[Header.VARYING]} in lanes of {header[Header.LANES]} from {header[Header.LANES_AT]}"
        if in_lanes
        else ""
    )
    lines = [f"inputs  v[0 .. {header[Header.INPUTS]}]{lanes}", f"constants  {_constants(nests)}"]
    for at, nest in zip(nests.entries[:limit], nests.decoded(), strict=False):
        if at == header[Header.SHARED_END] and in_lanes:
            lines.append("for each block of rows")
        lines += _lines(nest)
    if limit is not None and limit < len(nests.entries):
        lines.append(f"... {len(nests.entries) - limit:,} more")
    return "\n".join(lines)


def _constants(nests: Nests, limit: int = 16) -> str:
    """The constants, between the inputs and what the nests make: so many of the first, and the last three."""
    header, numbers = nests.header, nests.numbers
    first, end = header[Header.INPUTS], header[Header.TOTALS] if header[Header.TOTAL_COUNT] else len(numbers)
    while numbers[end - 1] != 1.0:  # which is the last of them; behind it is room for results
        end -= 1
    count = end - first
    some = range(first, end) if count <= limit + 3 else chain(range(first, first + limit), range(end - 3, end))
    text = [f"v[{at}] = {numbers[at]!r}" for at in some]
    if count > limit + 3:
        text.insert(limit, f"... {count - limit - 3:,} more ...")
    return ", ".join(text)


def _lines(nest: Nest) -> list[str]:
    match nest:
        case Flat(out, instructions):
            return [
                _operation(f"v[{out + n}]", code, [f"v[{x}]" for x in xs]) for n, (code, xs) in enumerate(instructions)
            ]
        case Elementwise(code, loops, out, operands):
            return [f"{_operation(_target(out, loops), code, [*map(_place, operands)])}{_loops(loops)}"]
        case Sum(strong, loops, out, start, runs):
            head = _target(out, loops)
            first = f"{head} = {head if start is None else _place(start)}{_loops(loops)}{'  strong' * strong}"
            return [first, *map(_run, runs)]


def _operation(head: str, code: int, operands: list[str]) -> str:
    return f"{head} = {OPCODES[code].name} {' '.join(operands)}"


def _run(run: Run) -> str:
    number = f"{run.length} listed pairs" if run.listed else f"k < {run.length}"
    return f"    + {_place(run.a)} * {_place(run.b)}  for {'rows' if run.length == ACTIVE_LANES else number}"


def _place(place: Affine) -> str:
    steps = zip("hjik", place[1:], strict=True)
    text = "".join(f" {'+-'[step < 0]}{'' if abs(step) == 1 else abs(step)}{name}" for name, step in steps if step)
    return f"v[{place.at}{text}]"


def _target(out: Affine, loops: Loops) -> str:
    """Where results go, without the steps of loops that turn but once."""
    h, j, i = [step * (count > 1) for step, count in zip(out[1:4], loops, strict=True)]
    return _place(Affine(out.at, h, j, i, 0))


def _loops(loops: Loops) -> str:
    text = " ".join(f"{name} < {count}" for name, count in zip("hji", loops, strict=True) if count > 1)
    return f"  for {text}" if text else ""
