"""Tables of texts, as lines and as HTML; their first row is the header.

>>> rows = [("layer", "units", "dead"), ("hidden", "16", ""), ("out", "1", "")]
>>> print(text(rows))
layer   units
hidden     16
out         1
>>> html(rows[:2], "sizes")[:72]
'<table><caption>sizes</caption><tr><th>layer</th><th>units</th><th>dead<'
"""

from collections.abc import Sequence
from html import escape

Rows = Sequence[Sequence[str]]


def text(rows: Rows) -> str:
    """The table as lines; numbers stand at the right, and a column with nothing in it is left out."""
    columns = []
    for title, *cells in zip(*rows, strict=True):
        if any(cells):
            aligned = str.rjust if all(cell[:1] in "0123456789" for cell in cells) else str.ljust
            columns.append([aligned(cell, max(map(len, [title, *cells]))) for cell in (title, *cells)])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def html(rows: Rows, caption: str) -> str:
    """The table as an element of HTML, in which every text is escaped."""
    lines = [
        "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
        for tag, row in zip(["th", *["td"] * len(rows[1:])], rows, strict=True)
    ]
    return f"<table><caption>{escape(caption)}</caption>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
