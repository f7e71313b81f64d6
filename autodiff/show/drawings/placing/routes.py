"""Routes: the stations of each line on its way through the columns.

A line from an operand to an operation has a station in every column between, in whichever module is around either of
its ends there, so that it enters a module where that begins and passes beside all others. Its label stands at the last
station: in the last column before its end, or, where the ends are neighbours, in a half column of its own between.

Columns have even numbers here, and half columns odd ones.
"""

from collections.abc import Callable
from typing import NamedTuple

from autodiff.show.drawings.parts import Edge, Id, Parts
from autodiff.show.drawings.placing.columns import Grid
from autodiff.show.drawings.placing.sizes import Size, label_size


class Stop(NamedTuple):
    """A station of the line `edge`: the only one of its column."""

    edge: Id
    column: int


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


def routes_of(parts: Parts, grid: Grid, labelled: Callable[[Edge], str], most: int) -> Routes | None:
    """The routes of all lines of a drawing; None if they take more stations than `most`.

    Args:
        parts: the drawing.
        grid: its columns.
        labelled: the label of an edge.
        most: how many stations there may be.
    """
    routes = Routes({}, {}, {}, {}, {})
    for item, column in grid.column.items():
        routes.column[item], routes.frame[item], routes.met[item] = 2 * column, grid.frame[item], grid.met[item]
    halves = {2 * grid.column[edge.mark] - 1 for edge in parts.edges if _are_neighbours(edge, grid) and labelled(edge)}
    lines = [(mark.result.sibling("result"), mark.id, mark.result, "") for mark in parts.marks]
    lines += [(edge.id, edge.operand, edge.mark, labelled(edge)) for edge in parts.edges]
    for line, one, other, text in lines:
        first, last = routes.column[one], routes.column[other]
        stops = [Stop(line, column) for column in range(first + 1, last) if column % 2 == 0 or column in halves]
        for stop in stops:
            routes.column[stop], routes.met[stop] = stop.column, grid.met.get(line, grid.met[other])
            routes.frame[stop] = _frame(stop.column, (one, other), grid)
        if text:
            routes.label[stops[-1]] = label_size(text)
        routes.ways[line] = Route(one, stops, other)
        if len(routes.column) > most:
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
