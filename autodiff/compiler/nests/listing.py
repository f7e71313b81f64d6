"""The nests of a program as text: what the interpreter runs, for people to read.

`v[8 +i]` is the number at address 8 + i; i, j and h count the loops from the innermost one outwards, k the terms of a
sum.
"""

from typing import Any

from autodiff.compiler.backends.kernels.interpreter import FLAT, SUM
from autodiff.compiler.program.opcodes import OPCODES


def listing(nests: Any, limit: int | None = None) -> str:
    """Return the nests of a program as text, one a line, or a few: a sum has a line for each of its runs."""
    fields = nests.fields
    lanes = (
        f"; {fields['varying']} in lanes of {fields['lanes']} from {fields['lanes_at']}" if fields["varying"] else ""
    )
    lines = [f"inputs  v[0 .. {fields['inputs']}]{lanes}"]
    table = nests.table.tolist()
    entries = nests.entries.tolist()
    for i, at in enumerate(entries[:limit]):
        if at == fields["shared_end"] and fields["varying"]:
            lines.append("for each block of rows")
        kind = table[at]
        lines += _flat(table, at) if kind == FLAT else _sum(table, at) if kind == SUM else [_plain(table, at)]
        if i + 1 == limit and limit < len(entries):
            lines.append(f"... {len(entries) - limit:,} more")
    return "\n".join(lines)


def _place(address: int, *steps: tuple[str, int]) -> str:
    text = "".join(f" {'+-'[step < 0]}{'' if abs(step) == 1 else abs(step)}{name}" for name, step in steps if step)
    return f"v[{address}{text}]"


def _loops(n2: int, n1: int, n0: int) -> str:
    return " ".join(f"{name} < {n}" for name, n in (("h", n2), ("j", n1), ("i", n0)) if n > 1)


def _flat(table: list[int], at: int) -> list[str]:
    lines, out, q = [], table[at + 2], at + 3
    for i in range(table[at + 1]):
        code, count = table[q] & 255, table[q] >> 8
        lines.append(f"{_place(out + i)} = {OPCODES[code].name} {' '.join(map(_place, table[q + 1 : q + 1 + count]))}")
        q += 1 + count
    return lines


def _plain(table: list[int], at: int) -> str:
    code, count, n2, n1, n0, o, o2, o1 = table[at : at + 8]
    places = [table[at + 8 + 4 * i : at + 12 + 4 * i] for i in range(count)]
    operands = [_place(a, ("h", a2), ("j", a1), ("i", a0)) for a, a2, a1, a0 in places]
    head = _place(o, ("h", o2 * (n2 > 1)), ("j", o1 * (n1 > 1)), ("i", 1 * (n0 > 1)))
    return f"{head} = {OPCODES[code].name} {' '.join(operands)}  for {_loops(n2, n1, n0)}"


def _sum(table: list[int], at: int) -> list[str]:
    strong, n2, n1, n0, o, o2, o1, s, s2, s1, s0, runs = table[at + 1 : at + 13]
    head = _place(o, ("h", o2 * (n2 > 1)), ("j", o1 * (n1 > 1)), ("i", 1 * (n0 > 1)))
    start = _place(s, ("h", s2), ("j", s1), ("i", s0)) if s >= 0 else head
    lines, q = [f"{head} = {start}  for {_loops(n2, n1, n0)}{'  strong' * strong}"], at + 13
    for _ in range(runs):
        form, length, a, a2, a1, a0, ak, b, b2, b1, b0, bk = table[q : q + 12]
        x = _place(a, ("h", a2), ("j", a1), ("i", a0), ("k", ak))
        y = _place(b, ("h", b2), ("j", b1), ("i", b0), ("k", bk))
        terms = "rows" if length == 0 else f"{length} listed pairs" if form & 32 else f"k < {length}"
        lines.append(f"    + {x} * {y}  for {terms}")
        q += 12 + (2 * length if form & 32 else 0)
    return lines
