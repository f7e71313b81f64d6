"""Tables, as text for a terminal and as HTML for a notebook: the same cells, the same words around them.

    >>> table = Table("Prices", ("what", "price"), [("tea", "2"), ("cake", "10")], numbers={1}, notes=["Sold out."])
    >>> print(table.text())
    Prices
    what  price
    tea       2
    cake     10
    Sold out.
    >>> '<th scope="row"' in table.html()
    True

The HTML has no colours of its own: it takes the page's, light or dark.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from autodiff.show.words.text import width

__all__ = ["Table", "elided"]

Row = tuple[str, ...]

_WIDEST = 80  # of a column of text
_LONGEST = 2_000  # of a cell: a label, say, may be a whole book


@dataclass(frozen=True)
class Table:
    """Cells of text under a caption and headers; a row's first cell is its header. Notes stand below."""

    caption: str
    header: Row
    rows: Sequence[Row]
    numbers: Collection[int] = ()  # columns that are aligned at the right
    notes: Sequence[str] = field(default_factory=list)

    def text(self) -> str:
        """The table as lines, without a newline at the end."""
        if not self.header:
            return "\n".join([self.caption, *self.notes])
        rows = [self.header, *[tuple([_shortened(_one_line(cell)) for cell in row]) for row in self.rows]]
        lines = [aligned(rows, self.numbers), *self.notes]
        return "\n".join([self.caption, *lines] if self.caption else lines)

    def html(self) -> str:
        """The table as an element of HTML, in which a label is text, whatever it says."""
        if not self.header:
            notes = "".join([f'<p style="margin: 0.25rem 0">{escape(note)}</p>' for note in self.notes])
            return f"<p{_BOLD * bool(notes)}>{escape(self.caption)}</p>{notes}"
        head = "".join([f'<th scope="col"{self._style(i)}>{escape(cell)}</th>' for i, cell in enumerate(self.header)])
        body = "\n".join([f"<tr>{''.join(self._cells(row))}</tr>" for row in self.rows])
        notes = "".join([f'<p style="margin: 0.25rem 0">{escape(note)}</p>' for note in self.notes])
        caption = f"<caption {_CAPTION}>{escape(self.caption)}</caption>" if self.caption else ""
        return (
            f'<div style="overflow-x: auto" role="group" aria-label="{escape(self.caption)}" tabindex="0">'
            f'<table style="border-collapse: collapse; color: inherit">{caption}'
            f"<thead><tr {_RULE}>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>{notes}</div>"
        )

    def _cells(self, row: Row) -> Iterable[str]:
        for i, cell in enumerate(row):
            shown = escape(_shortened(cell))
            yield f'<th scope="row"{self._style(i)}>{shown}</th>' if i == 0 else f"<td{self._style(i)}>{shown}</td>"

    def _style(self, column: int) -> str:
        return f' style="text-align: {"right" if column in self.numbers else "left"}; {_PADDING}"'


_BOLD = ' style="margin: 0.75rem 0 0.25rem; font-weight: bold"'
_CAPTION = 'style="text-align: left; caption-side: top; font-weight: bold; color: inherit; padding: 0.25rem 0"'
_PADDING = "padding: 0.15rem 1rem 0.15rem 0"
_RULE = 'style="border-bottom: 1px solid currentColor"'


def elided(rows: Sequence[Row], most: int, what: str, column: int = 0) -> list[Row]:
    """The rows, or, if there are more than `most`, the first and the last, and between them how many are left out.

    One of the columns says so, a wide one best.
    """
    if len(rows) <= most:
        return list(rows)
    last = most // 4
    left_out = len(rows) - most
    gap = [""] * len(rows[0])
    gap[column] = f"... {left_out:,} {what} left out"
    return [*rows[: most - last], tuple(gap), *rows[len(rows) - last :]]


def aligned(rows: Sequence[Row], numbers: Collection[int] = (), widest: int = _WIDEST) -> str:
    """Rows as lines, their columns aligned at the left, columns of numbers at the right.

    A cell wider than `widest` stands out of line.
    """
    widths = [min(max(map(width, column)), widest) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for i, (cell, wide) in enumerate(zip(row, widths, strict=True)):
            space = " " * (wide - width(cell))
            cells.append(space + cell if i in numbers else cell + space)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _one_line(cell: str) -> str:
    return cell.replace("\n", " ")


def _shortened(cell: str) -> str:
    return cell if len(cell) <= _LONGEST else f"{cell[:_LONGEST]}..."
