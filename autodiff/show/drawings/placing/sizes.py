"""Sizes: how large boxes, operations and labels are, in points, by a table of the widths of letters.

Verdana and DejaVu Sans, which stands in for it on Linux, are equally wide; so a text fits its box everywhere.

    >>> text_size("data", 10.0)
    Size(width=22.53, height=12.0)
"""

from typing import NamedTuple

from autodiff.show.drawings.parts import Box, Mark
from autodiff.show.words.text import clipped, width

BOX_FONT, LABEL_FONT, SIGN_FONT, TITLE_FONT = 11.0, 10.0, 13.0, 10.0
ACROSS, DOWN = 5.0, 2.0  # the margins of a cell
LEAST = 29.0  # the height of an operation

# Thousandths of the font's size, from the space to the tilde.
_WIDTHS = (
    *(
        318,
        401,
        460,
        838,
        636,
        950,
        780,
        275,
        390,
        390,
        500,
        838,
        318,
        361,
        318,
        337,
        636,
        636,
        636,
        636,
        636,
        636,
        636,
    ),
    *(636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557),
    *(
        863,
        748,
        787,
        603,
        787,
        695,
        635,
        611,
        732,
        684,
        989,
        685,
        611,
        685,
        390,
        337,
        390,
        838,
        500,
        500,
        613,
        635,
        550,
    ),
    *(
        635,
        615,
        352,
        635,
        634,
        278,
        278,
        579,
        278,
        974,
        634,
        612,
        635,
        635,
        411,
        521,
        392,
        634,
        592,
        818,
        592,
        592,
        525,
    ),
    *(636, 337, 636, 838),
)
_OTHER = 870  # of any other letter, in a column of a terminal: none of Europe is wider


class Size(NamedTuple):
    """The width and the height of something, in points."""

    width: float
    height: float


class Cells(NamedTuple):
    """The text of a Value's box: rows across all of it, then names and numbers side by side."""

    rows: list[str]
    names: list[str]
    numbers: list[str]


def text_size(text: str, font: float) -> Size:
    """The size of a text of one line or more."""
    lines = text.split("\n")
    return Size(round(max(map(_length, lines)) * font / 1000, 2), 1.2 * font * len(lines))


def _length(line: str) -> float:
    if line.isascii():
        return sum([_WIDTHS[ord(letter) - 32] for letter in line if " " <= letter <= "~"])
    return sum([_WIDTHS[ord(c) - 32] if " " <= c <= "~" else _OTHER * max(1, width(c)) for c in line])


def cells_of(box: Box, show: tuple[str, ...]) -> Cells:
    """The text of a Value's box, with the numbers that are to be shown."""
    shown = [(name, clipped(getattr(box, name))) for name in ("data", "grad") if name in show]
    return Cells(
        [text for text in (clipped(box.label), box.flag) if text],
        [name for name, _ in shown],
        [number for _, number in shown],
    )


def lines_of(box: Box) -> str:
    """The text of a constant, a port or a folded box."""
    if box.kind in ("constant", "port"):
        return clipped(box.data or box.label)
    return "\n".join([*map(clipped, box.label.split("\n")), f"|grad| {box.grad}", *[box.flag] * bool(box.flag)])


def sign_of(mark: Mark) -> str:
    """The text of an operation."""
    return f"{mark.symbol}\n{mark.flag}" if mark.flag else mark.symbol


def box_size(box: Box, show: tuple[str, ...]) -> Size:
    """The size of a box."""
    if box.kind in ("constant", "fold", "port"):
        wide, high = text_size(lines_of(box), BOX_FONT)
        least, margin = (60.0, 18.0) if box.kind == "fold" else (16.0, 6.0)
        return Size(max(wide + margin + 2.0, least), max(high + margin, least / 2))
    rows, names, numbers = cells_of(box, show)
    sizes = [_cell(text) for text in rows]
    both = Size(0.0, 0.0)
    if names:
        left, right = [[_cell(text) for text in column] for column in (names, numbers)]
        beside = max([size.width for size in left]) + max([size.width for size in right])
        both = Size(beside, sum([size.height for size in right]))
    across = max([size.width for size in sizes], default=0.0)
    return Size(max(across, both.width, 20.0), max(sum([size.height for size in sizes]) + both.height, 16.0))


def _cell(text: str) -> Size:
    wide, high = text_size(text, BOX_FONT)
    return Size(wide + 2 * ACROSS, high + 2 * DOWN)


def mark_size(mark: Mark, operands: int, direction: str) -> Size:
    """The size of an operation, which is the larger, the more lines lead to it."""
    text = sign_of(mark)
    wide, high = text_size(text, SIGN_FONT)
    room = min(5.0 * operands, 60.0)  # for the lines that end there, side by side
    width, height = max(LEAST, 1.15 * wide + 10.0), max(LEAST, 1.3 * high if "\n" in text else 0.0)
    return Size(width, max(height, room)) if direction == "LR" else Size(max(width, room), height)


def label_size(text: str) -> Size:
    """The size of the label of a line; none of none."""
    return text_size(text, LABEL_FONT) if text else Size(0.0, 0.0)
