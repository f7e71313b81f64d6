"""Columns: how far each box and operation is on the way from operands to results, and the order in each column.

A column follows those of all its operands. A module takes columns of its own: what it needs stands before its first,
and what needs it behind its last. A leaf stands just before its first user.

The order is that in which one meets them in the formula, read from the result down, operand by operand; the weights
and inputs of a sum of products in pairs. What is in a module stands together.

    >>> from autodiff import Value
    >>> from autodiff.show.drawings.reader import parts_of
    >>> grid = grid_of(parts_of(Value(3.0, "x") * 2.0))
    >>> print(*[f"{part} in column {column}" for part, column in grid.column.items()], sep=", ")
    n0 in column 0, c1-1 in column 0, n1 in column 2, o1 in column 1
"""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import NamedTuple

from autodiff.show.drawings.parts import Edge, Id, Parts


class Edgeof(NamedTuple):
    """The first or the last column of a frame."""

    frame: Id
    last: bool


Event = Id | Edgeof


class Grid(NamedTuple):
    """The column of each box and operation, and what the order in a column follows.

    Attributes:
        column: of each box and operation.
        path: the frames around each frame, outermost first, itself last; () for None, outside of all.
        frame: the frame that each box and operation stands in.
        met: when a box, operation, frame or edge was met, read from the results down.
        span: the first and the last column of each frame.
    """

    column: dict[Id, int]
    path: dict[Id | None, tuple[Id, ...]]
    frame: dict[Id, Id | None]
    met: dict[Id, int]
    span: dict[Id, tuple[int, int]]


def grid_of(parts: Parts) -> Grid:
    """The columns of a drawing, and the order within them, in linear time."""
    path: dict[Id | None, tuple[Id, ...]] = {None: ()}
    for around in parts.frames:  # outer before inner
        path[around.id] = (*path[around.parent], around.id)
    frame_of = {box.id: box.frame for box in parts.boxes} | {mark.id: mark.frame for mark in parts.marks}
    follows = [(mark.id, mark.result) for mark in parts.marks] + [(edge.operand, edge.mark) for edge in parts.edges]
    apart: dict[Id | None, tuple[Id, ...]] = dict.fromkeys(path, ())
    column = _columns(follows, frame_of, path) or _columns(follows, frame_of, apart)
    if column is None:  # folded boxes may need one another, where a focus was taken out of one
        column = _columns(_onward(follows), frame_of, apart) or {}
    met = _met(parts)
    span: dict[Id, tuple[int, int]] = {}
    for item, frame in frame_of.items():
        for outer in path[frame]:
            first, last = span.get(outer, (column[item], column[item]))
            span[outer] = min(first, column[item]), max(last, column[item])
            met[outer] = min(met.get(outer, met[item]), met[item])
    return Grid(column, path, frame_of, met, span)


# --- columns ---


def _columns(
    follows: list[tuple[Id, Id]], frame_of: dict[Id, Id | None], path: dict[Id | None, tuple[Id, ...]]
) -> dict[Id, int] | None:
    """The column of each item; None if modules take turns, so that none of two comes before the other."""
    after = _after(follows, frame_of, path)
    order, at = _longest(list(dict.fromkeys([*frame_of, *after])), after)
    if not order:
        return None
    operands, users = defaultdict[Id, list[Id]](list), defaultdict[Id, int](int)
    for one, other in follows:
        operands[other].append(one)
        users[one] += 1
    free = dict[Id, bool]()  # made from leaves that nothing else uses: as near to its user as can be
    items = [event for event in order if isinstance(event, Id)]
    for item in items:
        free[item] = all(free[operand] and users[operand] == 1 for operand in operands[item])
    for item in reversed(items):
        if free[item] and after[item]:
            at[item] = min([at[event] - step for event, step in after[item]])
    numbered = {column: k for k, column in enumerate(sorted({at[part] for part in frame_of}))}
    return {part: numbered[at[part]] for part in frame_of}


def _onward(follows: list[tuple[Id, Id]]) -> list[tuple[Id, Id]]:
    """What follows what, without that which would close a circle."""
    after = defaultdict[Id, list[Id]](list)
    for one, other in follows:
        after[one].append(other)
    done = dict[Id, bool]()  # False while on the way from it
    onward: list[tuple[Id, Id]] = []
    for start in list(after):
        todo = [(start, iter(after[start]))] * (start not in done)
        done.setdefault(start, False)
        while todo:
            item, others = todo[-1]
            end = next(others, None)
            if end is None:
                done[item] = True
                todo.pop()
            elif done.get(end, True):
                onward.append((item, end))
                if end not in done:
                    done[end] = False
                    todo.append((end, iter(after[end])))
    return onward


def _after(
    follows: list[tuple[Id, Id]], frame_of: dict[Id, Id | None], path: dict[Id | None, tuple[Id, ...]]
) -> defaultdict[Event, list[tuple[Event, int]]]:
    """What comes after each item, or edge of a frame, and how many columns at least."""
    after = defaultdict[Event, list[tuple[Event, int]]](list)
    for around in path.values():
        for outer, inner in pairwise(around[-2:]):
            after[Edgeof(outer, False)].append((Edgeof(inner, False), 0))
            after[Edgeof(inner, True)].append((Edgeof(outer, True), 0))
    for item, frame in frame_of.items():
        if path[frame]:
            after[Edgeof(path[frame][-1], False)].append((item, 0))
            after[item].append((Edgeof(path[frame][-1], True), 0))
    for one, other in follows:
        here, there = path[frame_of[one]], path[frame_of[other]]
        k = shared(here, there)
        left: Event = Edgeof(here[k], True) if k < len(here) else one
        right: Event = Edgeof(there[k], False) if k < len(there) else other
        after[left].append((right, 1))
    for leaf, end in _beside_frames(follows, frame_of, after):
        after[end].append((leaf, 1))
    return after


def _beside_frames(
    follows: list[tuple[Id, Id]], frame_of: dict[Id, Id | None], after: defaultdict[Event, list[tuple[Event, int]]]
) -> list[tuple[Id, Event]]:
    """The leaves of operations that follow a frame, and the end of the frame: they stand behind it, not beside."""
    frames = defaultdict[Event, list[Event]](list)
    for event, ends in after.items():
        if isinstance(event, Edgeof) and event.last:
            for end, _ in ends:
                frames[end].append(event)
    made, users = {other for _, other in follows}, Counter([one for one, _ in follows])
    return [
        (one, frame)
        for one, other in follows
        if one not in made and users[one] == 1 and frame_of[one] == frame_of[other]
        for frame in frames[other]
    ]


def shared(one: tuple[Id, ...], other: tuple[Id, ...]) -> int:
    """How many frames two paths have in common."""
    k = 0
    while k < min(len(one), len(other)) and one[k] == other[k]:
        k += 1
    return k


def _longest(
    events: list[Event], after: defaultdict[Event, list[tuple[Event, int]]]
) -> tuple[list[Event], dict[Event, int]]:
    """The events in an order that `after` allows, and the length of the longest way to each; no order on a circle."""
    before = dict.fromkeys(events, 0)
    for ends in after.values():
        for end, _ in ends:
            before[end] = before.get(end, 0) + 1
    at = dict.fromkeys(before, 0)
    ready, order = [event for event, number in before.items() if not number], list[Event]()
    while ready:
        event = ready.pop()
        order.append(event)
        for end, step in after[event]:
            at[end] = max(at[end], at[event] + step)
            before[end] -= 1
            if not before[end]:
                ready.append(end)
    return (order if len(order) == len(at) else []), at


# --- the order within a column ---


def _met(parts: Parts) -> dict[Id, int]:
    """When each box, operation and edge is first met, from the results down."""
    made = {mark.result: mark for mark in parts.marks}
    pairs = {mark.id for mark in parts.marks if mark.operation == "dot"}
    leading = defaultdict[Id, list[Edge]](list)
    for edge in parts.edges:
        leading[edge.mark].append(edge)
    met: dict[Id, int] = {}
    todo: list[Id | Edge] = [box.id for box in reversed(parts.boxes)]  # what no root leads to comes at last
    todo += reversed(parts.roots)
    while todo:
        part = todo.pop()
        one = part.id if isinstance(part, Edge) else part
        if one in met:
            continue
        met[one] = len(met)
        if isinstance(part, Edge):
            todo.append(part.operand)
        elif part in made:
            todo.append(made[part].id)
        else:
            todo += reversed(_in_pairs(leading[part]) if part in pairs else leading[part])
    return met


def _in_pairs(edges: list[Edge]) -> list[Edge]:
    """The edges to a sum of products, factor beside factor; as they are where some of them are folded."""
    half = len(edges) // 2
    if [edge.position for edge in edges] != list(range(2 * half)):
        return edges
    return [edge for pair in zip(edges[:half], edges[half:], strict=True) for edge in pair]
