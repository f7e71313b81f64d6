"""What nests mean: an interpreter in plain Python, one number after the other.

It is slow and obvious. The kernels of a backend take many numbers at a time and go round the loops in other orders;
a law holds them to this one, number by number.

A sum adds its terms to its start one by one, as fused products: run after run, and in a run by k; what the terms of an
`INNER` run add up to, by themselves, is one term. A total over rows goes on from block to block in their order.

Kernels take strong sums for plain ones until a nan comes up: one of nothing is 0.0 then, not -0.0. No trace shows it.

    >>> from autodiff.compiler.nests.schema import Affine, Elementwise, Loops
    >>> v = [2.0, 3.0, 5.0, 0.0, 0.0]  # two products by v[0]
    >>> out, a, b = Affine(3, 0, 0, 1, 0), Affine(1, 0, 0, 1, 0), Affine(0, 0, 0, 0, 0)
    >>> perform([Elementwise(CODE["mul"], Loops(1, 1, 2), out, (a, b))], v)
    >>> v
    [2.0, 3.0, 5.0, 6.0, 10.0]
"""

from collections.abc import Callable, Iterable, Sequence

from autodiff.compiler.nests.schema import INNER, PARTS, Elementwise, Flat, Header, Nest, Nests, Sum
from autodiff.compiler.programs.opcodes import CODE, OPCODES

Numbers = Sequence[float]
Evaluate = Callable[[int, Numbers], float]  # what an opcode makes of numbers


def plainly(code: int, numbers: Numbers) -> float:
    """What a primitive makes of numbers: its `evaluate`."""
    return OPCODES[code].evaluate(*numbers)


def perform(nests: Iterable[Nest], v: list[float], active: int = 1, evaluate: Evaluate = plainly) -> None:
    """Do what nests say to the numbers in memory; `active` is the number of rows in the block."""
    for nest in nests:
        match nest:
            case Flat(out, instructions):
                for at, (code, operands) in enumerate(instructions, out):
                    v[at] = evaluate(code, [v[x] for x in operands])
            case Elementwise(code, loops, out, operands):
                for turn in loops.turns():
                    v[out.turned(*turn)] = evaluate(code, [v[x.turned(*turn)] for x in operands])
            case Sum(strong, loops, out, start, runs):
                code, start = CODE["strong_products" if strong else "products"], start or out
                for turn in loops.turns():
                    total = v[start.turned(*turn)]
                    for run in runs:
                        factors = [v[x] for x in run.factors(*turn, active)]
                        total = (_plus_inner if run.form == INNER else _plus_each)(code, total, factors, evaluate)
                    v[out.turned(*turn)] = total


def _plus_each(code: int, total: float, factors: Numbers, evaluate: Evaluate) -> float:
    return evaluate(code, [total, *factors])


def _plus_inner(code: int, total: float, factors: Numbers, evaluate: Evaluate) -> float:
    """The total plus that of eight parts, to which the terms go in turn."""
    parts = list[float]()
    for part in range(PARTS):
        pairs = zip(factors[2 * part :: 2 * PARTS], factors[2 * part + 1 :: 2 * PARTS], strict=True)
        parts.append(evaluate(code, [-0.0, *[x for pair in pairs for x in pair]]))
    fours = [parts[i] + parts[i + 4] for i in range(4)]
    return total + ((fours[0] + fours[2]) + (fours[1] + fours[3]))


def run(nests: Nests, numbers: Numbers, evaluate: Evaluate = plainly) -> tuple[list[float], bool]:
    """The outputs for the numbers of all inputs, and whether all guards hold."""
    v = _memory(nests, numbers, evaluate)
    return _outputs(nests, v), _holds(nests, v)


def run_rows(
    nests: Nests, shared: Numbers, rows: Sequence[Numbers], evaluate: Evaluate = plainly
) -> tuple[list[list[float]], list[bool]]:
    """The outputs for each row, and whether its guards hold."""
    v, outputs, holds = _memory(nests, shared, evaluate), list[list[float]](), list[bool]()
    for active in _blocks(nests, v, rows, evaluate):
        outputs += [_outputs(nests, v, lane) for lane in range(active)]
        holds += [_holds(nests, v, lane) for lane in range(active)]
    return outputs, holds


def run_totals(nests: Nests, shared: Numbers, rows: Sequence[Numbers], evaluate: Evaluate = plainly) -> list[float]:
    """The outputs of nests that make totals: those that vary from row to row are added up over all rows."""
    v, header = _memory(nests, shared, evaluate), nests.header
    totals, starts, count = header[Header.TOTALS], header[Header.TOTAL_STARTS], header[Header.TOTAL_COUNT]
    v[totals : totals + count] = v[starts : starts + count]
    for _ in _blocks(nests, v, rows, evaluate):
        pass
    return _outputs(nests, v)


def _memory(nests: Nests, shared: Numbers, evaluate: Evaluate) -> list[float]:
    """Memory with constants, shared inputs, and what is made from them."""
    v = [*nests.numbers, *[0.0] * (nests.header[Header.SIZE] - len(nests.numbers))]
    v[: len(shared)] = shared
    perform(nests.decoded(0, nests.header[Header.SHARED_END]), v, evaluate=evaluate)
    return v


def _blocks(nests: Nests, v: list[float], rows: Sequence[Numbers], evaluate: Evaluate) -> Iterable[int]:
    """Run one block of rows after the other, and yield how many it has; lanes that are left repeat its last one."""
    at, lanes = nests.header[Header.LANES_AT], nests.header[Header.LANES]
    nests_of_rows = [*nests.decoded(nests.header[Header.SHARED_END], nests.header[Header.LANES_END])]
    for first in range(0, len(rows), lanes):
        block = rows[first : first + lanes]
        for lane in range(lanes):
            for i, x in enumerate(block[min(lane, len(block) - 1)]):
                v[at + i * lanes + lane] = x
        perform(nests_of_rows, v, len(block), evaluate)
        yield len(block)


def _outputs(nests: Nests, v: list[float], lane: int = 0) -> list[float]:
    copies, _, _ = nests.rest()
    return [v[c.at + n * c.step + lane * c.lane] for c in copies for n in range(c.length)]


def _holds(nests: Nests, v: list[float], lane: int = 0) -> bool:
    _, guards, _ = nests.rest()
    return all((v[guard.at + lane * guard.lane] != 0.0) == bool(guard.expected) for guard in guards)
