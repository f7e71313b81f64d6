"""Rows: the height of everything in its column, frame by frame, from the innermost out.

What stands in a frame keeps its order and its distances and comes as near as it can to what it is connected with. A
frame that is done is one thing in the frame around it. Operations, their results and their first operands stand in
line, so that most lines are straight.

Heights are numbers that grow downward; all is the same where columns are rows, and heights are widths.
"""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from autodiff.show.drawings.parts import Id
from autodiff.show.drawings.placing.columns import Grid, shared
from autodiff.show.drawings.placing.routes import Routes, Station, Stop

ROUNDS, MOST_STEPS = 60, 60_000  # to and fro: how often, and for how many bodies in all
STRAIGHT = 8.0  # the weight from which on a line is level


class Extent(NamedTuple):
    """How far something reaches above and below its own height, with the distance that it keeps."""

    above: float
    below: float


class Rows(NamedTuple):
    """The height of each station, and the upper and the lower edge of each frame."""

    height: dict[Station, float]
    frames: dict[Id, tuple[float, float]]


Line = tuple[Station, Station, float]  # from one station to the next, and how much it matters that it is level
Body = Station


def rows_of(grid: Grid, routes: Routes, extents: dict[Station, Extent], lines: Iterable[Line], margin: Extent) -> Rows:
    """The height of everything.

    Args:
        grid: the columns.
        routes: the stations, in their order.
        extents: how far each station reaches.
        lines: from station to station.
        margin: what a frame needs above and below its contents.
    """
    inside = defaultdict[Id | None, list[Station]](list)
    for station, frame in routes.frame.items():
        inside[frame].append(station)
    children = defaultdict[Id | None, list[Id]](list)
    for frame, path in grid.path.items():
        if frame is not None and frame in grid.span:
            children[path[-2] if len(path) > 1 else None].append(frame)
    between = defaultdict[Id | None, list[Line]](list)
    for line in lines:
        one, other = [grid.path[routes.frame[end]] for end in line[:2]]
        k = shared(one, other)
        between[one[k - 1] if k else None].append(line)
    ends = defaultdict[Id | None, list[tuple[Station, Station]]](list)
    for way in routes.ways.values():
        one, other = grid.path[grid.frame[way.start]], grid.path[grid.frame[way.end]]
        k = shared(one, other)
        if k < min(len(one), len(other)):
            ends[one[k - 1] if k else None].append((way.start, way.end))
    within: dict[Id | None, dict[Station, float]] = {}
    reach: dict[Id, Extent] = {}
    edges: dict[Id | None, dict[Id, float]] = {}
    for frame in reversed(grid.path):  # inner before outer, and None at last
        if frame is not None and frame not in grid.span:
            continue
        room = _Room(grid, routes, extents, reach, inside[frame], children[frame])
        room.take(within, between[frame], ends[frame])
        heights = room.heights()
        within[frame], edges[frame], extent = room.settled(heights, within, edges)
        if frame is not None:
            reach[frame] = Extent(extent.above + margin.above, extent.below + margin.below)
    return Rows(
        within[None],
        {frame: (at - reach[frame].above, at + reach[frame].below) for frame, at in edges[None].items()},
    )


class _Room:
    """What stands directly in one frame: stations in line are one body, and so is each frame within."""

    def __init__(
        self,
        grid: Grid,
        routes: Routes,
        extents: dict[Station, Extent],
        reach: dict[Id, Extent],
        stations: list[Station],
        frames: list[Id],
    ) -> None:
        self.grid, self.routes, self.frames = grid, routes, frames
        self.columns = sorted(set(routes.column.values()))
        self.reach: dict[Body, Extent] = {station: extents[station] for station in stations}
        self.reach |= {frame: reach[frame] for frame in frames}
        self.column = defaultdict[int, list[Body]](list)
        for body in sorted(self.reach, key=self._met):
            for column in self._columns(body):
                self.column[column].append(body)
        self.body: dict[Station, Body] = {station: station for station in stations}  # in which a station stands
        self.offset = dict.fromkeys(stations, 0.0)  # and how far below its height
        self.lead: dict[Body, Body] = {body: body for body in self.reach}  # the first of those in line with it
        self.led: dict[Body, list[Body]] = {body: [body] for body in self.reach}  # and all of them, by the first
        self.pulls = defaultdict[Body, list[tuple[Body, float, float]]](list)

    def _met(self, body: Body) -> int:
        return self.routes.met[body] if isinstance(body, Stop) else self.grid.met[body]

    def _columns(self, body: Body) -> list[int]:
        if isinstance(body, Stop) or body not in self.grid.span:
            return [self.routes.column[body]]
        first, last = self.grid.span[body]
        return [column for column in self.columns if 2 * first <= column <= 2 * last]

    def take(
        self, within: dict[Id | None, dict[Station, float]], lines: list[Line], passing: list[tuple[Station, Station]]
    ) -> None:
        """Take up the lines, and the ends of those that go on: put in line what crosses nothing, let all else pull."""
        for frame in self.frames:
            for station, offset in within[frame].items():
                self.body[station], self.offset[station] = frame, offset
        self._align([line for line in lines if self.body[line[0]] == line[0] and self.body[line[1]] == line[1]])
        self._film(passing)
        for one, other, weight in lines:
            a, b = self.lead[self.body[one]], self.lead[self.body[other]]
            if a != b:
                self._pull(a, b, self.offset[one] - self.offset[other], weight)

    def _film(self, ends: list[tuple[Station, Station]]) -> None:
        """Put frames in line of which each alone leads to the next, where nothing stands in between."""
        frames = set(self.frames)
        pairs = {(self.body[one], self.body[other]) for one, other in ends}
        pairs = {(one, other) for one, other in pairs if one != other and one in frames and other in frames}
        leading, led = Counter([one for one, _ in pairs]), Counter([other for _, other in pairs])
        for one, other in pairs:
            if leading[one] == led[other] == 1:
                before = dict(self.lead), dict(self.led)
                self._join(one, other)
                if _sorted(self._leads(), self._apart()) is None:
                    self.lead, self.led = before

    def _pull(self, one: Body, other: Body, apart: float, weight: float) -> None:
        """Let two bodies pull one another to where the one is so far above the other."""
        self.pulls[one].append((other, -apart, weight))
        self.pulls[other].append((one, apart, weight))

    def _align(self, lines: list[Line]) -> None:
        """Put the ends of lines in line, those that matter most first, as long as no two cross."""
        place = {(column, body): k for column, bodies in self.column.items() for k, body in enumerate(bodies)}
        following = dict(pairwise(self.columns))
        level = defaultdict[int, list[tuple[int, int]]](list)  # by column, and in each from the top down
        for frame in self.frames:
            for column in self._columns(frame):
                if (column, frame) in place and (following.get(column), frame) in place:
                    insort(level[column], (place[column, frame], place[following[column], frame]))
        left, right = set[Station](), set[Station]()
        for one, other, weight in sorted(lines, key=lambda line: -line[2]):
            a, b = self.routes.column[one], self.routes.column[other]
            if weight < STRAIGHT or following.get(a) != b or one in left or other in right:
                continue
            pair = place[a, one], place[b, other]
            k = bisect_left(level[a], pair)
            if all(i < pair[0] and j < pair[1] for i, j in level[a][max(k - 1, 0) : k]) and all(
                pair[0] < i and pair[1] < j for i, j in level[a][k : k + 1]
            ):
                level[a].insert(k, pair)
                left.add(one)
                right.add(other)
                self._join(one, other)

    def _join(self, one: Body, other: Body) -> None:
        lead, gone = self.lead[one], self.lead[other]
        for body in self.led[gone]:
            self.lead[body] = lead
        self.led[lead] = self.led[lead] + self.led[gone]

    def heights(self) -> dict[Body, float]:
        """The height of each body, by going to and fro between what pulls it and what it must not touch."""
        after = self._apart()
        order = _sorted(self._leads(), after)
        assert order is not None, "what is in line crosses nothing, so that nothing is above itself"
        at = dict.fromkeys(order, 0.0)
        at = _pushed(order, after, at)
        for _ in range(min(ROUNDS, 5 + MOST_STEPS // len(order)) if order else 0):
            wished = {body: self._wish(body, at) for body in order}
            down, up = _pushed(order, after, wished), _lifted(order, after, wished)
            at = {body: (at[body] + (down[body] + up[body]) / 2) / 2 for body in order}
        at = self._closed(order, after, at)
        return {body: at[lead] for body, lead in self.lead.items()}

    def _closed(
        self, order: list[Body], after: defaultdict[Body, dict[Body, float]], at: dict[Body, float]
    ) -> dict[Body, float]:
        """The heights without the gaps above what nothing pulls there: lines connect it with nothing above."""
        part: dict[Body, int] = {}
        members: list[list[Body]] = []
        for start in order:
            todo = [start] * (start not in part)
            members += [[] for _ in todo]
            while todo:
                body = todo.pop()
                if body not in part:
                    part[body] = len(members) - 1
                    members[-1].append(body)
                    todo += [other for other, _, _ in self.pulls[body]]
        above = defaultdict[int, list[tuple[Body, Body, float]]](list)
        for one, below in after.items():
            for other, apart in below.items():
                if part[one] != part[other]:
                    above[part[other]].append((one, other, apart))
        at = dict(at)
        for k in sorted(above, key=lambda k: min([at[body] for body in members[k]])):
            gap = min([at[other] - at[one] - apart for one, other, apart in above[k]])
            for body in members[k]:
                at[body] -= max(gap, 0.0)
        return at

    def _leads(self) -> list[Body]:
        return list(dict.fromkeys(self.lead.values()))

    def _apart(self) -> defaultdict[Body, dict[Body, float]]:
        """How far what stands below a body in some column must keep from it."""
        after = defaultdict[Body, dict[Body, float]](dict)
        for bodies in self.column.values():
            for one, other in pairwise(bodies):
                a, b = self.lead[one], self.lead[other]
                apart = self.reach[one].below + self.reach[other].above
                after[a][b] = max(after[a].get(b, 0.0), apart)
        return after

    def _wish(self, body: Body, at: dict[Body, float]) -> float:
        """Where the lines of a body pull it."""
        pulls = self.pulls[body]
        weight = sum([weight for _, _, weight in pulls])
        return sum([(at[other] + apart) * weight for other, apart, weight in pulls]) / weight if weight else at[body]

    def settled(
        self,
        heights: dict[Body, float],
        within: dict[Id | None, dict[Station, float]],
        edges: dict[Id | None, dict[Id, float]],
    ) -> tuple[dict[Station, float], dict[Id, float], Extent]:
        """The heights of all stations and frames however deep, about the middle, and how far they reach."""
        top = min([heights[body] - reach.above for body, reach in self.reach.items()], default=0.0)
        bottom = max([heights[body] + reach.below for body, reach in self.reach.items()], default=0.0)
        middle = (top + bottom) / 2
        found = {station: heights[body] + self.offset[station] - middle for station, body in self.body.items()}
        frames = {frame: heights[frame] - middle for frame in self.frames}
        for frame in self.frames:
            frames |= {inner: at + heights[frame] - middle for inner, at in edges[frame].items()}
        return found, frames, Extent(middle - top, bottom - middle)


def _sorted(bodies: list[Body], after: defaultdict[Body, dict[Body, float]]) -> list[Body] | None:
    """The bodies from the top down; None if one is above itself."""
    before = dict.fromkeys(bodies, 0)
    for below in after.values():
        for body in below:
            before[body] += 1
    ready, order = [body for body, number in before.items() if not number], list[Body]()
    while ready:
        order.append(ready.pop())
        for body in after[order[-1]]:
            before[body] -= 1
            if not before[body]:
                ready.append(body)
    return order if len(order) == len(bodies) else None


def _pushed(
    order: list[Body], after: defaultdict[Body, dict[Body, float]], wished: dict[Body, float]
) -> dict[Body, float]:
    """The wished heights, lower where what is above takes the room."""
    at = dict(wished)
    for body in order:
        for below, apart in after[body].items():
            at[below] = max(at[below], at[body] + apart)
    return at


def _lifted(
    order: list[Body], after: defaultdict[Body, dict[Body, float]], wished: dict[Body, float]
) -> dict[Body, float]:
    """The wished heights, higher where what is below takes the room."""
    at = dict(wished)
    for body in reversed(order):
        for below, apart in after[body].items():
            at[body] = min(at[body], at[below] - apart)
    return at
