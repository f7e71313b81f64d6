"""Places: where everything of a drawing is, in points of a page that grow to the right and down.

>>> from autodiff import Value
>>> from autodiff.show.drawings.reader import parts_of
>>> places = places_of(parts_of(Value(3.0, "x").exp()), ("data", "grad"), "LR", lambda edge: edge.local_gradient)
>>> [(str(part), round(place.x)) for part, place in places.boxes.items()]
[('n0', 42), ('n1', 236), ('o1', 162)]
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from autodiff.show.drawings.parts import Edge, Id, Parts
from autodiff.show.drawings.placing.columns import Grid, grid_of
from autodiff.show.drawings.placing.routes import Routes, Station, Stop, routes_of
from autodiff.show.drawings.placing.rows import STRAIGHT, Extent, Line, Rows, rows_of
from autodiff.show.drawings.placing.sizes import TITLE_FONT, Size, box_size, mark_size, text_size

Direction = Literal["LR", "TB"]
Point = tuple[float, float]

MOST_STATIONS = 6_000  # of lines, boxes and operations, laid out in some seconds; of more, lines run straight
NEAR, PAD, TITLE = 5.0, 7.0, 13.0  # half the distance of boxes, the margin of a frame, the height of its title
STEP, LEAD = 9.0, 7.0  # the least distance of two columns, the length of an arrowhead
SPREAD = 5.0  # the distance of two lines where they meet


class Place(NamedTuple):
    """The middle of something, and its size."""

    x: float
    y: float
    width: float
    height: float


class Way(NamedTuple):
    """A line: points of cubic curves, the tip of its arrow, and the middle of its label, if it has one."""

    points: list[Point]
    tip: Point
    label: Point | None


class Places(NamedTuple):
    """Where the boxes, operations, frames and lines of a drawing are, and the size of the whole."""

    size: Size
    boxes: dict[Id, Place]
    frames: dict[Id, Place]
    ways: dict[Id, Way]


def places_of(parts: Parts, show: Sequence[str], direction: Direction, labelled: Callable[[Edge], str]) -> Places:
    """Where everything is.

    Args:
        parts: the drawing.
        show: the numbers in its boxes.
        direction: from left to right, or from the top to the bottom.
        labelled: the label of an edge.
    """
    grid = grid_of(parts)
    routes = routes_of(parts, grid, labelled, MOST_STATIONS)
    leading = defaultdict[Id, int](int)
    for edge in parts.edges:
        leading[edge.mark] += 1
    sizes = {box.id: box_size(box, tuple(show)) for box in parts.boxes}
    sizes |= {mark.id: mark_size(mark, leading[mark.id], direction) for mark in parts.marks}
    return _Page(parts, grid, routes, sizes, direction).places()


def least_size(parts: Parts, show: Sequence[str], direction: Direction) -> Size:
    """A size that is not larger than that of a drawing, found without placing it: of its boxes side by side."""
    grid = grid_of(parts)
    along, across = defaultdict[int, float](float), defaultdict[int, float](float)
    for box in parts.boxes:
        size = box_size(box, tuple(show))
        wide, high = size if direction == "LR" else (size.height, size.width)
        column = grid.column[box.id]
        along[column] = max(along[column], wide)
        across[column] += high
    both = sum(along.values()), max(across.values(), default=0.0)
    return Size(*both) if direction == "LR" else Size(*both[::-1])


class _Page:
    """Puts columns side by side and leads lines through them; where columns are rows, x and y change places."""

    def __init__(self, parts: Parts, grid: Grid, routes: Routes, sizes: dict[Id, Size], direction: Direction) -> None:
        self.parts, self.grid, self.routes, self.turned = parts, grid, routes, direction == "TB"
        self.sizes = {part: self._turn_size(size) for part, size in sizes.items()}
        self.labels = {station: self._turn_size(size) for station, size in routes.label.items()}
        self.titles = {frame.id: text_size(frame.label, TITLE_FONT).width + 2 * PAD for frame in parts.frames}
        self.columns = sorted(set(routes.column.values()))
        self.results = {mark.result for mark in parts.marks}
        self.lines = self._lines()
        self.rows = self._rows()
        self.depths = self._depths(0), self._depths(1)
        self.left, self.right = dict[int, float](), dict[int, float]()  # of each column
        self._set_columns()

    def _turn_size(self, size: Size) -> Size:
        return Size(size.height, size.width) if self.turned else size

    # --- across the columns ---

    def _rows(self) -> Rows:
        extents = {station: self._extent(station) for station in self.routes.column}
        over, under = (PAD + NEAR, PAD + NEAR) if self.turned else (PAD + NEAR + TITLE - 3, PAD + NEAR)
        return rows_of(self.grid, self.routes, extents, self.lines, Extent(over, under))

    def _extent(self, station: Station) -> Extent:
        if isinstance(station, Id):
            half = self.sizes[station].height / 2
            return Extent(half + NEAR, half + NEAR)
        label = self.labels.get(station)
        if label is None:
            return Extent(3.0, 3.0)
        return Extent(3.0, label.height + 4.0) if self.turned else Extent(label.height + 1.0, 3.0)

    def _lines(self) -> list[Line]:
        """The pieces of all lines, and how much it matters that they are level."""
        inner = {mark.result for mark in self.parts.marks} | {edge.result for edge in self.parts.edges}
        before = defaultdict[Id, list[Edge]](list)
        for edge in self.parts.edges:
            before[edge.mark].append(edge)
        level: dict[Id, float] = {mark.result.sibling("result"): 100 * STRAIGHT for mark in self.parts.marks}
        for edges in before.values():
            first = [edge for edge in edges if edge.operand in inner] or edges
            for edge in edges:
                level[edge.id] = 2 * STRAIGHT if first == [edge] else 2.0 if edge in first else 1.0
        pieces = defaultdict[tuple[Station, Station], float](float)  # lines from one operand share some
        for line, way in self.routes.ways.items():
            for one, other in pairwise(way.stations):
                weight = level[line]
                if isinstance(one, Stop) and isinstance(other, Stop):
                    weight = max(weight, 2 * STRAIGHT if one.of == other.of else STRAIGHT)
                pieces[one, other] = max(pieces[one, other], weight)
        return [(one, other, weight) for (one, other), weight in pieces.items()]

    # --- along the columns ---

    def _set_columns(self) -> None:
        """Where each column begins and ends: as wide as what is in it, apart as the lines between need it."""
        wide = defaultdict[int, float](float)
        for station, column in self.routes.column.items():
            size = self.sizes[station] if isinstance(station, Id) else self.labels.get(station, Size(0.0, 0.0))
            wide[column] = max(wide[column], size.width)
        steep = defaultdict[int, float](float)
        for one, other, _ in self.lines:
            rise = abs(self.rows.height[one] - self.rows.height[other])
            steep[self.routes.column[one]] = max(steep[self.routes.column[one]], rise)
        begins, ends = self._deepest(0), self._deepest(1)
        at = 0.0
        for column in self.columns:
            at += (PAD + TITLE * self.turned) * begins[column]
            self.left[column], self.right[column] = at, at + wide[column]
            at = self.right[column] + PAD * ends[column] + STEP + min(18.0, 0.06 * steep[column])

    def _depths(self, side: int) -> dict[Id, int]:
        """How many frames begin with each, or end with it for side 1: it, and the innermost among them."""
        depths = dict.fromkeys(self.grid.span, 1)
        for frame in reversed(self.grid.path):  # inner before outer
            around = self.grid.path[frame][-2:]
            if len(around) == 2 and frame in depths:
                outer, inner = around
                if self.grid.span[outer][side] == self.grid.span[inner][side]:
                    depths[outer] = max(depths[outer], depths[inner] + 1)
        return depths

    def _deepest(self, side: int) -> defaultdict[int, int]:
        """How many frames begin before a column, one in another, or end behind it for side 1."""
        deepest = defaultdict[int, int](int)
        for frame, depth in self.depths[side].items():
            column = 2 * self.grid.span[frame][side]
            deepest[column] = max(deepest[column], depth)
        return deepest

    # --- the page ---

    def places(self) -> Places:
        self.middle = {item: self._across(item) for item in self.sizes}
        boxes = {item: self._box(item) for item in self.sizes}
        frames = {frame.id: self._frame(frame.id) for frame in self.parts.frames if frame.id in self.grid.span}
        starts, ends = self._ports()
        ways = {line: self._way(line, starts[line], ends[line]) for line in self.routes.ways}
        return self._on_page(boxes, frames, ways)

    def _across(self, item: Id) -> float:
        """The middle of a box along the page: results stand close behind operations, leaves close before them."""
        column, half = self.routes.column[item], self.sizes[item].width / 2
        if item in self.results:
            return self.left[column] + half
        if item.element == "operation":
            return (self.left[column] + self.right[column]) / 2
        return self.right[column] - half

    def _box(self, item: Id) -> Place:
        return Place(self.middle[item], self.rows.height[item], *self.sizes[item])

    def _frame(self, frame: Id) -> Place:
        first, last = self.grid.span[frame]
        top, bottom = self.rows.frames[frame]
        top, bottom = top + NEAR, bottom - NEAR
        left = self.left[2 * first] - (PAD + TITLE * self.turned) * self.depths[0][frame]
        right = self.right[2 * last] + PAD * self.depths[1][frame]
        return Place((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)

    def _ports(self) -> tuple[dict[Id, float], dict[Id, float]]:
        """How far from the middle of its box each line begins, and ends, so that no two lie on one another."""
        leaving, arriving = defaultdict[Id, list[Id]](list), defaultdict[Id, list[Id]](list)
        for line, way in self.routes.ways.items():
            leaving[way.start].append(line)
            arriving[way.end].append(line)
        starts = self._spread(leaving, 1)
        ends = self._spread(arriving, -2)
        return starts, ends

    def _spread(self, lines_at: dict[Id, list[Id]], neighbour: int) -> dict[Id, float]:
        ports: dict[Id, float] = {}
        for item, lines in lines_at.items():
            own = self.rows.height[item]
            nearest = {line: self.routes.ways[line].stations[neighbour] for line in lines}
            height = {line: self.rows.height[station] for line, station in nearest.items()}
            together = defaultdict[Station, list[Id]](list)  # lines that share their station begin as one
            for line in sorted(lines, key=lambda line: height[line]):
                together[nearest[line] if isinstance(nearest[line], Stop) else line].append(line)
            room = self.sizes[item].height * 0.8
            step = min(SPREAD, room / len(together))
            level = [k for k, (line, *_) in enumerate(together.values()) if abs(height[line] - own) < 0.5]
            middle = level[0] if len(level) == 1 else (len(together) - 1) / 2
            for k, alike in enumerate(together.values()):
                ports |= dict.fromkeys(alike, max(-room / 2, min(room / 2, (k - middle) * step)))
        return ports

    def _way(self, line: Id, start: float, end: float) -> Way:
        way = self.routes.ways[line]
        first, last = way.start, way.end
        y = self.rows.height[first] + start
        points = [(self._side(first, start, 1), y), (self.right[self.routes.column[first]], y)]
        label: Point | None = None
        for station in way.stops:
            column, y = self.routes.column[station], self.rows.height[station]
            left, right = self.left[column], self.right[column]
            if station in self.labels:
                wide, high = self.labels[station]
                label = (
                    ((left + right) / 2 if column % 2 else right - wide / 2),
                    (y + high / 2 + 3.0 if self.turned else y - high / 2),
                )
            points += [(left, y), (right, y)]
        tip = (self._side(last, end, -1), self.rows.height[last] + end)
        points += [(min(self.left[self.routes.column[last]], tip[0]) - LEAD, tip[1]), (tip[0] - LEAD, tip[1])]
        return Way(_curve(points), tip, label)

    def _side(self, item: Id, away: float, sign: int) -> float:
        """Where a line at a height meets the side of a box, or of the ellipse of an operation."""
        size = self.sizes[item]
        level = 2 * away / size.height if item.element == "operation" else 0.0
        return self.middle[item] + sign * size.width / 2 * math.sqrt(max(0.0, 1.0 - level**2))

    def _on_page(self, boxes: dict[Id, Place], frames: dict[Id, Place], ways: dict[Id, Way]) -> Places:
        """All of it moved to where the page begins, and turned if columns are rows."""
        extents = [
            (place.y - place.height / 2, place.y + place.height / 2) for place in (*boxes.values(), *frames.values())
        ]
        heights = [y for way in ways.values() for _, y in way.points]
        for line, way in ways.items():
            if way.label is not None:
                half = self.labels[self.routes.ways[line].stops[-1]].height / 2
                extents.append((way.label[1] - half, way.label[1] + half))
        top = min([top for top, _ in extents] + heights)
        bottom = max([bottom for _, bottom in extents] + heights)
        left = min([place.x - place.width / 2 for place in (*boxes.values(), *frames.values())])
        right = max([place.x + place.width / 2 for place in (*boxes.values(), *frames.values())])

        def moved(point: Point) -> Point:
            x, y = point[0] - left, point[1] - top
            return (y, x) if self.turned else (x, y)

        def put(place: Place) -> Place:
            size = (place.height, place.width) if self.turned else (place.width, place.height)
            return Place(*moved((place.x, place.y)), *size)

        size = Size(right - left, bottom - top)
        return Places(
            self._turn_size(size),
            {part: put(place) for part, place in boxes.items()},
            {frame: put(place) for frame, place in frames.items()},
            {
                line: Way([moved(p) for p in way.points], moved(way.tip), way.label and moved(way.label))
                for line, way in ways.items()
            },
        )


def _curve(points: list[Point]) -> list[Point]:
    """A line through points, level at each of them: a cubic curve from point to point."""
    level = [b for a, b, c in zip(points, points[1:], points[2:], strict=False) if not a[1] == b[1] == c[1]]
    points = [points[0], *level, points[-1]]  # where it runs straight on, its ends are enough
    curve = points[:1]
    for (x, y), (x2, y2) in pairwise(points):
        if x2 - x < 0.01 and y == y2:
            continue
        half = (x + x2) / 2
        curve += [(half, y), (half, y2), (x2, y2)]
    return curve
