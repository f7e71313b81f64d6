"""Routes: the stations of each line on its way through the columns.

A line from an operand to an operation has a station in every column between, in whichever module is around either of
its ends there, so that it enters a module where that begins and passes beside all others. Lines from one operand share
their stations, as a trunk that branches; only the last is each line's own. There stands its label: in the last column
before its end, or, where the ends are neighbours, in a half column between. In a drawing with too many stations for
that, lines have none but the last, and run straight.

Columns have even numbers here, and half columns odd ones.
"""

from collections.abc import Callable
from typing import NamedTuple

from autodiff.show.drawings.parts import Edge, Id, Parts
from autodiff.show.drawings.placing.columns import Grid
from autodiff.show.drawings.placing.sizes import Size, label_size

LONG = 20  # times as many columns as stations, in all, that lines may cross


class Stop(NamedTuple):
    """A station of the lines from the operand `of`, or of the line `of` alone; in a frame, or outside of all."""

    of: Id
    column: int
    frame: Id | None


Station = Id | Stop


class Route(NamedTuple):
    """The way of a line: where it starts, its stations in between, and where it ends."""

    start: Id
    stops: list[Stop]
    end: Id

    @property
    def stations(self) -> list[Station]:
        """All of them, in order."""
        return [self.start, *self.stops, self.end]


class Routes(NamedTuple):
    """The stations of all lines.

    Attributes:
        ways: of each line, from an operand to its operation, or from an operation to its result.
        column: of each station, boxes and operations among them.
        frame: the frame that it stands in, None outside of all.
        met: the order in a column.
        label: the size of the label at a station, for those that have one.
    """

    ways: dict[Id, Route]
    column: dict[Station, int]
    frame: dict[Station, Id | None]
    met: dict[Station, int]
    label: dict[Station, Size]


def routes_of(parts: Parts, grid: Grid, labelled: Callable[[Edge], str], most: int) -> Routes:
    """The routes of all lines of a drawing.

    Args:
        parts: the drawing.
        grid: its columns.
        labelled: the label of an edge.
        most: how many stations there may be before lines run straight.
    """
    lines = [(mark.result.sibling("result"), mark.id, mark.result, "") for mark in parts.marks]
    lines += [(edge.id, edge.operand, edge.mark, labelled(edge)) for edge in parts.edges]
    length = sum([grid.column[other] - grid.column[one] for _, one, other, _ in lines])
    halves = {2 * grid.column[edge.mark] - 1 for edge in parts.edges if _are_neighbours(edge, grid) and labelled(edge)}
    routes = _routes(lines, halves, grid, most) if length <= LONG * most else None
    if routes is None:
        routes = _routes(lines, halves, grid, None)
    assert routes is not None, "there is a limit only where one is given"
    return routes


def _routes(lines: list[tuple[Id, Id, Id, str]], halves: set[int], grid: Grid, most: int | None) -> Routes | None:
    """The routes of lines from the one to the other, with a label; None if they take more than `most` stations.

    Without a limit, lines run straight.
    """
    routes = Routes({}, {}, {}, {}, {})
    for item, column in grid.column.items():
        routes.column[item], routes.frame[item], routes.met[item] = 2 * column, grid.frame[item], grid.met[item]
    for line, one, other, text in lines:
        first, last = routes.column[one], routes.column[other]
        columns = [column for column in range(first + 1, last) if column % 2 == 0 or column in halves]
        if most is None:
            columns = columns[-1:]
        met = grid.met.get(line, grid.met[other])
        stops = [Stop(one, column, _frame(column, (one, other), grid)) for column in columns]
        stops[-1:] = [stop._replace(of=line) for stop in stops[-1:]]
        for stop in stops:
            routes.column[stop], routes.frame[stop] = stop.column, stop.frame
            routes.met[stop] = min(met, routes.met.get(stop, met))
        if text and stops:  # none on the way back, in a circle of folded boxes
            routes.label[stops[-1]] = label_size(text)
        routes.ways[line] = Route(one, stops, other)
        if most is not None and len(routes.column) > most:
            return None
    return routes


def _are_neighbours(edge: Edge, grid: Grid) -> bool:
    return grid.column[edge.mark] == grid.column[edge.operand] + 1


def _frame(column: int, ends: tuple[Id, Id], grid: Grid) -> Id | None:
    """The innermost frame around one end of a line, or both, that reaches into a column."""
    found: Id | None = None
    for end in ends:
        around = grid.path[grid.frame[end]]
        inside = [frame for frame in around if 2 * grid.span[frame][0] <= column <= 2 * grid.span[frame][1]]
        if inside and len(inside) > len(grid.path[found]):
            found = inside[-1]
    return found
