r"""Text that is safe to show, whatever a label or a name holds, and no longer or wider than there is room for.

Nothing shown has a sequence that a terminal obeys, or a character that XML refuses.

>>> print(on_one_line("a\x1b[31mred\n"), printable("a\x1b[31mred"))
a\x1b[31mred\n a␛[31mred
"""

import unicodedata

LONGEST_LINE, MOST_LINES = 40, 6  # of a label in a picture; all of it is in the picture's titles

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # they make words and emoji, and take no place
_BRANCHES = "│├└─ "

_REPLACED: dict[int, int | str] = {
    **{code: 0x2400 + code for code in range(32)},  # control characters: XML has none; Unicode has pictures of them
    **dict.fromkeys([*range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\N{REPLACEMENT CHARACTER}"),
    ord("\n"): "\n",
    0x7F: "\N{SYMBOL FOR DELETE}",
}


def on_one_line(text: str) -> str:
    """The text with newlines, and all other characters that are not printable, escaped as Python writes them."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() or c in _JOINERS else repr(c)[1:-1] for c in text])


def printable(text: str) -> str:
    """The text with all that XML cannot hold made visible: control characters as their pictures, or as U+FFFD."""
    return text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4).translate(_REPLACED)


def clipped(text: str) -> str:
    """The beginning of each of the first lines of a text, with an ellipsis where something is left out.

    >>> clipped("x" * 50) == "x" * 39 + "…"
    True
    """
    lines = printable(text[: 8 * LONGEST_LINE * MOST_LINES]).split("\n")
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], "…"]
    return "\n".join([line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…" for line in lines])


def shorter(text: str, length: int = 60) -> str:
    """The text on one line, with an ellipsis at its end where something is left out."""
    line = on_one_line(text)
    return line if len(line) <= length else f"{line[: length - 1]}…"


def at_most(length: int, text: str) -> str:
    """The text, printable; only its beginning, and how long it is, if it has more than `length` characters."""
    return printable(text if len(text) <= length else f"{text[:length]}… ({len(text):,} characters)")


def width(text: str) -> int:
    """The columns of a terminal that a text takes: two for a Chinese character or emoji, none for an accent."""
    title = text.lstrip(_BRANCHES)  # mostly ASCII after the branches of a tree, and then quick: a third off a long text
    if title.isascii():
        return len(text)
    shown = [c for c in title if not unicodedata.combining(c) and c not in _JOINERS]
    return len(text) - len(title) + len(shown) + sum(unicodedata.east_asian_width(c) in "WF" for c in shown)
