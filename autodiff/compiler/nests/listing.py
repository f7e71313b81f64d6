"""The nests of a program as text: what the interpreter runs, for people to read.

`v[8 +i]` is the number at address 8 + i, which need not be its slot in the program: results are sorted. The inputs are
`v[0 .. n]`, without v[n] itself; constants follow, then results. i, j and h count the loops from the innermost one
outwards, k the terms of a sum.
"""

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
    lines = [f"inputs  v[0 .. {header[Header.INPUTS]}]{lanes}"]
    for at, nest in zip(nests.entries[:limit], nests.decoded(), strict=False):
        if at == header[Header.SHARED_END] and in_lanes:
            lines.append("for each block of rows")
        lines += _lines(nest)
    if limit is not None and limit < len(nests.entries):
        lines.append(f"... {len(nests.entries) - limit:,} more")
    return "\n".join(lines)


def _lines(nest: Nest) -> list[str]:
    match nest:
        case Flat(out, instructions):
            return [
                _operation(f"v[{out + n}]", code, [f"v[{x}]" for x in xs]) for n, (code, xs) in enumerate(instructions)
            ]
        case Elementwise(code, loops, out, operands):
            return [f"{_operation(_target(out, loops), code, [*map(_place, operands)])}  for {_loops(loops)}"]
        case Sum(strong, loops, out, start, runs):
            head = _target(out, loops)
            first = f"{head} = {head if start is None else _place(start)}  for {_loops(loops)}{'  strong' * strong}"
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
    return " ".join(f"{name} < {count}" for name, count in zip("hji", loops, strict=True) if count > 1)
