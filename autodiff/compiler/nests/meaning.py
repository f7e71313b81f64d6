"""What nests mean: an interpreter in plain Python, one number after the other.

It is slow and obvious. The kernels of a backend take eight numbers at a time and go round the loops in other orders;
a law holds them to this one, number by number.

A sum adds its terms to its start one by one: run after run, and in a run by k. A total over rows goes on from row to
row in their order, block after block.

Kernels take strong sums for plain ones until a nan comes up: one of nothing is 0.0 then, not -0.0. No trace shows it.

    >>> from autodiff.compiler.nests.schema import Affine, Elementwise, Loops
    >>> v = [2.0, 3.0, 5.0, 0.0, 0.0]  # two products by v[0]
    >>> out, a, b = Affine(3, 0, 0, 1, 0), Affine(1, 0, 0, 1, 0), Affine(0, 0, 0, 0, 0)
    >>> perform([Elementwise(CODE["mul"], Loops(1, 1, 2), out, (a, b))], v)
    >>> v
    [2.0, 3.0, 5.0, 6.0, 10.0]
"""

from collections.abc import Iterable, Sequence

from autodiff.compiler.nests.schema import Elementwise, Flat, Header, Nest, Nests, Sum
from autodiff.compiler.programs.opcodes import CODE, OPCODES

Numbers = Sequence[float]


def perform(nests: Iterable[Nest], v: list[float], active: int = 1) -> None:
    """Do what nests say to the numbers in memory; `active` is the number of rows in the block."""
    for nest in nests:
        match nest:
            case Flat(out, instructions):
                for at, (code, operands) in enumerate(instructions, out):
                    v[at] = OPCODES[code].evaluate(*[v[x] for x in operands])
            case Elementwise(code, loops, out, operands):
                for turn in loops.turns():
                    v[out.turned(*turn)] = OPCODES[code].evaluate(*[v[x.turned(*turn)] for x in operands])
            case Sum(strong, loops, out, start, runs):
                code, start = CODE["strong_products" if strong else "products"], start or out
                for turn in loops.turns():
                    factors = [v[x] for run in runs for x in run.factors(*turn, active)]
                    v[out.turned(*turn)] = OPCODES[code].evaluate(v[start.turned(*turn)], *factors)


def run(nests: Nests, numbers: Numbers) -> tuple[list[float], bool]:
    """The outputs for the numbers of all inputs, and whether all guards hold."""
    v = _memory(nests, numbers)
    return _outputs(nests, v), _holds(nests, v)


def run_rows(nests: Nests, shared: Numbers, rows: Sequence[Numbers]) -> tuple[list[list[float]], list[bool]]:
    """The outputs for each row, and whether its guards hold."""
    v, outputs, holds = _memory(nests, shared), list[list[float]](), list[bool]()
    for active in _blocks(nests, v, rows):
        outputs += [_outputs(nests, v, lane) for lane in range(active)]
        holds += [_holds(nests, v, lane) for lane in range(active)]
    return outputs, holds


def run_totals(nests: Nests, shared: Numbers, rows: Sequence[Numbers]) -> list[float]:
    """The outputs of nests that make totals: those that vary from row to row are added up over all rows."""
    v, header = _memory(nests, shared), nests.header
    totals, starts, count = header[Header.TOTALS], header[Header.TOTAL_STARTS], header[Header.TOTAL_COUNT]
    v[totals : totals + count] = v[starts : starts + count]
    for _ in _blocks(nests, v, rows):
        pass
    return _outputs(nests, v)


def _memory(nests: Nests, shared: Numbers) -> list[float]:
    """Memory with constants, shared inputs, and what is made from them."""
    v: list[float] = nests.numbers.tolist()
    v[: len(shared)] = shared
    perform(nests.decoded(0, nests.header[Header.SHARED_END]), v)
    return v


def _blocks(nests: Nests, v: list[float], rows: Sequence[Numbers]) -> Iterable[int]:
    """Run one block of rows after the other, and yield how many it has; lanes that are left repeat its last one."""
    at, lanes = nests.header[Header.LANES_AT], nests.header[Header.LANES]
    nests_of_rows = [*nests.decoded(nests.header[Header.SHARED_END], nests.header[Header.LANES_END])]
    for first in range(0, len(rows), lanes):
        block = rows[first : first + lanes]
        for lane in range(lanes):
            for i, x in enumerate(block[min(lane, len(block) - 1)]):
                v[at + i * lanes + lane] = x
        perform(nests_of_rows, v, len(block))
        yield len(block)


def _outputs(nests: Nests, v: list[float], lane: int = 0) -> list[float]:
    copies, _, _ = nests.rest()
    return [v[c.at + n * c.step + lane * c.lane] for c in copies for n in range(c.length)]


def _holds(nests: Nests, v: list[float], lane: int = 0) -> bool:
    _, guards, _ = nests.rest()
    return all((v[guard.at + lane * guard.lane] != 0.0) == bool(guard.expected) for guard in guards)
