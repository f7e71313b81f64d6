"""Nests of sums written into a table: a sum is a list of runs of terms in step."""

from autodiff.compiler.nests.encoding import Table, write_sum
from autodiff.compiler.nests.instructions import (
    IN_LANES,
    PRODUCTS,
    STRONG_PRODUCT,
    STRONG_PRODUCTS,
    TOTAL,
    Instructions,
    Repeated,
)
from autodiff.compiler.nests.schema import (
    ACTIVE_LANES,
    BOTH,
    DOT,
    INNER,
    NO_START,
    PACK,
    SPREAD,
    UPDATE,
    Affine,
    Run,
)

_FEW_A_RUN = 6  # terms: where runs are shorter, pairs are listed
_PACKED_ROWS, _PACKED_OUTPUTS = 3, 4  # the fewest for which a copy of the factors that they share pays
_FEW_TERMS = 2  # that one total adds up as fast as eight partial ones


def write_sum_nest(x: Instructions, table: Table, nest: Repeated) -> None:
    """Write a nest of sums."""
    if nest.inner == 1 and nest.phase != IN_LANES:  # one loop: the inner one
        nest = Repeated(nest.first, nest.outer, 1, nest.phase, nest.at, nest.below, nest.at)
    start, first, terms = _start(x, nest)
    strong = nest.kind(x) in (STRONG_PRODUCTS, STRONG_PRODUCT)
    write_sum(table, strong, nest.loops(x), nest.out(x), start, _runs(x, nest, first, terms))


def _start(x: Instructions, nest: Repeated) -> tuple[Affine, int, int]:
    """The start of a sum, its first factor, and how many terms follow.

    A term that is added as it is can be the start, unless that would let a -0.0 through.
    """
    at, first = 0, 1 if nest.kind(x) in (PRODUCTS, STRONG_PRODUCTS) else 0
    terms = (x.count(nest.first) - first) // 2
    if nest.kind(x) == PRODUCTS and terms > 1 and _all_at(x, nest, 0, x.one - 2) and _all_at(x, nest, 1, x.one):
        at, first, terms = 2, 3, terms - 1
    start = nest.place(x, at)
    return start._replace(at=NO_START) if nest.phase == TOTAL else start, first, terms


def _all_at(x: Instructions, nest: Repeated, j: int, address: int) -> bool:
    """Whether operand j is at this address in every sum of a nest: in the first, and no loop moves it."""
    return all(x.operands[at + j] == address for at in (nest.at, nest.beside, nest.below))


def _runs(x: Instructions, nest: Repeated, first: int, terms: int) -> list[Run]:
    """The terms, whose factors begin at operand `first`, as runs."""
    runs, done = list[Run](), 0
    alike, parts = 0, 0  # terms ahead that step alike, and in how many runs: counted once for all of them
    while done < terms:
        j, left = first + 2 * done, terms - done
        if alike == 0:
            alike, parts = _alike_terms(x, nest, j, left)
        if parts > 2 and alike < _FEW_A_RUN * parts:
            runs.append(_listed(x, nest, j, alike))
            done, alike = done + alike, 0
        else:
            length = _run_length(x, nest, j, left)
            if length == 2 and left > 3 and _run_length(x, nest, j + 2, left - 1) > 2:
                length = 1
            runs.append(_run(x, nest, j, length))
            done, alike, parts = done + length, alike - length, parts - 1
    return runs


def _steps_alike(x: Instructions, nest: Repeated, j: int) -> bool:
    """Whether both factors of the term at j and of the next one move alike from instruction to instruction."""
    for side in range(2):
        a, b = nest.place(x, j + side), nest.place(x, j + side + 2)
        if x.is_lane(a.at) != x.is_lane(b.at) or a[1:] != b[1:]:
            return False
    return True


def _step(x: Instructions, nest: Repeated, j: int) -> int:
    """The step from a factor to the same factor of the next term."""
    return x.operands[nest.at + j + 2] - x.operands[nest.at + j]


def _same_step(x: Instructions, nest: Repeated, i: int, j: int) -> bool:
    """Whether the terms at i and j are as far from those after them."""
    return _step(x, nest, i) == _step(x, nest, j) and _step(x, nest, i + 1) == _step(x, nest, j + 1)


def _run_length(x: Instructions, nest: Repeated, j: int, most: int) -> int:
    """How many terms from j on advance by the same steps, within a sum and from one sum to the next."""
    length = 1
    while length < most:
        last = j + 2 * (length - 1)
        if not _steps_alike(x, nest, last) or not _same_step(x, nest, j, last):
            break
        length += 1
    return length


def _alike_terms(x: Instructions, nest: Repeated, j: int, most: int) -> tuple[int, int]:
    """How many terms from j on step alike from instruction to instruction, and how many affine runs they are."""
    length, parts, since = 1, 1, 1
    while length < most:
        last = j + 2 * (length - 1)
        if not _steps_alike(x, nest, last):
            break
        goes_on = since == 1 or _same_step(x, nest, last - 2, last)
        since = since + 1 if goes_on else 1
        parts += not goes_on
        length += 1
    return length, parts


def _is_swapped(a: Affine, b: Affine) -> bool:
    """Whether the factors change places, so that the loop i moves b, and by 1 if it moves one of them by 1."""
    return (a.i != 0 and b.i == 0) or (a.i != 0 and a.i != 1 and b.i == 1)


def _listed(x: Instructions, nest: Repeated, j: int, length: int) -> Run:
    """Terms that follow no steps as a list."""
    a, b = nest.place(x, j)._replace(at=0), nest.place(x, j + 1)._replace(at=0)
    factors = x.operands[nest.at + j : nest.at + j + 2 * length]
    ys, zs = factors[::2], factors[1::2]
    swapped = _is_swapped(a, b)
    if swapped:
        a, b, ys, zs = b, a, zs, ys
    return Run(_form_of_list(a, b), swapped, True, length, a, b, tuple(zip(ys, zs, strict=True)))


def _factor(x: Instructions, nest: Repeated, j: int, length: int) -> Affine:
    """The place of a factor of a run; the step k of a total goes from lane to lane."""
    a = nest.place(x, j)
    if nest.phase == TOTAL:
        return a._replace(k=int(x.is_lane(a.at)))
    return a._replace(k=_step(x, nest, j) if length > 1 else 0)


def _run(x: Instructions, nest: Repeated, j: int, length: int) -> Run:
    """The run of so many terms from j on, in the form that its steps allow."""
    a, b = _factor(x, nest, j, length), _factor(x, nest, j + 1, length)
    swapped = _is_swapped(a, b)
    if swapped:
        a, b = b, a
    form = _form(nest, a, b, nest.phase == TOTAL or length > _FEW_TERMS)
    return Run(form, swapped, False, ACTIVE_LANES if nest.phase == TOTAL else length, a, b)


def _form_of_list(a: Affine, b: Affine) -> int:
    if b.i != 1 or a.i > 1 or a.i < 0:
        return DOT
    return UPDATE if a.i == 0 else BOTH


def _form(nest: Repeated, a: Affine, b: Affine, many: bool) -> int:
    """The form of a run that is not listed."""
    form = _form_of_list(a, b)
    if form != DOT:
        return form
    if nest.phase == IN_LANES and a.i == b.i == 0:
        return SPREAD
    packs = nest.outer >= _PACKED_ROWS and nest.inner >= _PACKED_OUTPUTS
    if nest.phase != IN_LANES and a.i == 0 and b.i != 0 and b.j == 0 and packs:
        return PACK
    return INNER if many and b.k == 1 and a.k in (0, 1) else DOT
