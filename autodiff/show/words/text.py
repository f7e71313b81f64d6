r"""Text that is safe to show, whatever is in a label or a name: no sequence that a terminal obeys, nothing XML refuses.

>>> print(on_one_line("a\x1b[31mred\n"), printable("a\x1b[31mred"))
a\x1b[31mred\n a␛[31mred
"""

JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # they make words and emoji, and take no place

_REPLACED: dict[int, int | str] = {
    **{code: 0x2400 + code for code in range(32)},  # control characters: XML has none; Unicode has pictures of them
    **dict.fromkeys([*range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\N{REPLACEMENT CHARACTER}"),
    ord("\n"): "\n",
    0x7F: "\N{SYMBOL FOR DELETE}",
}


def on_one_line(text: str) -> str:
    """Return `text` with newlines, and whatever else is no printable character, escaped as Python writes them."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() or c in JOINERS else repr(c)[1:-1] for c in text])


def printable(text: str) -> str:
    """Return `text` with what XML cannot hold made visible: control characters as their pictures, or as U+FFFD."""
    return text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4).translate(_REPLACED)
