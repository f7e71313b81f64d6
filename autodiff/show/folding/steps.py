"""Steps: the calls of one module in their sequence, an RNN's cell at t = 1, 2, 3.

A call is a step later than all calls of the same module that it depends on. Calls of the same step, such as those of a
model on the rows of a batch, stay one; only where there are several steps does a name say which.

    >>> calls = [((), ()), (("cell",), (1,)), ((), ()), (("cell",), (2,)), (("cell",), (3,))]
    >>> with_steps([modules for modules, _ in calls], [call for _, call in calls], [(), (0,), (1,), (0,), (2, 3)])
    [(), ('cell, t = 1',), (), ('cell, t = 1',), ('cell, t = 2',)]
"""

from collections import defaultdict
from collections.abc import Sequence

Modules = tuple[str, ...]
Calls = tuple[int, ...]

STEP = ", t = "
"""Between the name of a module and the number of a step."""


def with_steps(
    modules: Sequence[Modules], calls: Sequence[Calls], operands: Sequence[tuple[int, ...]]
) -> list[Modules]:
    """The modules of each node, with the step of each call where there are several.

    Args:
        modules: the names of the modules around each node, outermost first.
        calls: the numbers of their calls; none if they are not known.
        operands: what each node is made from, by number; negative numbers are constants.
    """
    step: dict[int, int] = {}  # of each call
    several = set[int]()  # calls of a module that has several steps
    calls = [
        its if made_from else () for its, made_from in zip(calls, operands, strict=True)
    ]  # leaves: of a constructor
    rooms: list[tuple[int, list[int]]] = [(0, [i for i, its in enumerate(calls) if its])]  # depth, nodes inside a call
    while rooms:
        depth, nodes = rooms.pop()
        called = defaultdict[str, set[int]](set)
        inside = defaultdict[int, list[int]](list)
        for i in nodes:
            if len(calls[i]) > depth:
                called[modules[i][depth]].add(calls[i][depth])
                inside[calls[i][depth]].append(i)
        for name, its in called.items():
            if len(its) > 1:
                found = _steps(name, depth, nodes if depth else range(len(operands)), modules, calls, operands)
                step |= found
                several |= its if max(found.values()) > 1 else set()
        rooms += [(depth + 1, members) for members in inside.values()]
    if not several:
        return list(modules)
    return [
        tuple([f"{name}{STEP}{step[call]}" if call in several else name for name, call in zip(names, its, strict=True)])
        if its
        else names
        for names, its in zip(modules, calls, strict=True)
    ]


def _steps(
    name: str,
    depth: int,
    nodes: Sequence[int],
    modules: Sequence[Modules],
    calls: Sequence[Calls],
    operands: Sequence[tuple[int, ...]],
) -> dict[int, int]:
    """The step of each call of the modules of one name, called directly by what made the nodes."""
    call = {i: calls[i][depth] for i in nodes if len(calls[i]) > depth and modules[i][depth] == name}
    step = dict.fromkeys(call.values(), 1)
    changed = True
    while changed:  # a call may learn of its place after its first nodes: again, then, mostly once
        changed = False
        before, after = dict[int, int](), dict[int, int]()  # the last step on the way to a node: others' alone, its own
        for i in nodes:
            own = call.get(i)
            before[i] = max(
                [before[j] if own is not None and call.get(j) == own else after[j] for j in operands[i] if j in after],
                default=0,
            )
            after[i] = before[i]
            if own is not None:
                changed = changed or step[own] <= before[i]
                after[i] = step[own] = max(step[own], before[i] + 1)
    return step
