"""Looks: a font, and a palette for light and dark whose hues say the sign and whose depths say the magnitude.

Every text can be read. Blue is positive and orange negative, which no common kind of colour blindness confuses; the
number says it, too. The deeper, the larger, in steps of the logarithm down from the largest number of the drawing. A
colour of the light palette stands for one of the dark palette: a drawing in both themes has the light ones in its
attributes, and a style sheet that exchanges them where the page is dark or dark is preferred, so that a viewer that
ignores style sheets shows the light drawing.

    >>> tone(-0.02, largest=3.0), tone(0.0, 3.0), tone(float("nan"), 3.0)
    ('-1', 'zero', 'bad')
    >>> contrast("#ffffff", "#000000")
    21.0
"""

import math
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any, Literal

__all__ = ["FONTS", "PALETTE", "Theme", "colour", "scheme", "variables"]  # public; the rest is of drawings alone

Theme = Literal["auto", "light", "dark"]

# Graphviz without a font library measures text by tables it has for a few fonts; Verdana and DejaVu Sans, which stands
# in for it on Linux, are among them and equally wide, so that text fits its box everywhere.
FONT = "Verdana"
FONTS = f"{FONT},DejaVu Sans,Geneva,sans-serif"

STEPS = (0.5, 1.0, 2.0)  # powers of ten below the largest at which a colour becomes paler

PALETTE: dict[str, tuple[str, str]] = {  # use: light, dark
    "paper": ("#ffffff", "#18181b"),
    "ink": ("#27272a", "#f4f4f5"),
    "line": ("#3f3f46", "#d4d4d8"),
    "frame": ("#fafafa", "#202024"),
    "frame line": ("#a8a29e", "#71717a"),
    "operation": ("#e4e4e7", "#3b3b42"),
    "fold": ("#ede9fe", "#2e1f5e"),
    "fold line": ("#7c3aed", "#a78bfa"),
    "constant": ("#fefefe", "#1a1a1d"),
    "focus": ("#be185d", "#f9a8d4"),
    "+1": ("#eff6ff", "#1a2436"),
    "+2": ("#dbeafe", "#1d3050"),
    "+3": ("#bfdbfe", "#1e407a"),
    "+4": ("#93c5fd", "#1d4fc4"),
    "-1": ("#fff7ed", "#2f2118"),
    "-2": ("#ffedd5", "#4a2c14"),
    "-3": ("#fed7aa", "#6b3612"),
    "-4": ("#fdba74", "#95400f"),
    "zero": ("#f4f4f5", "#29292d"),
    "bad": ("#f5d0fe", "#701a75"),
    "positive line": ("#1d4ed8", "#60a5fa"),
    "negative line": ("#b45309", "#fb923c"),
}
"""The colours that text is written on."""


def tone(number: Any, largest: float) -> str:
    """The name of a number's colour: its sign, and from 4 to 1 how near it is to the largest; or zero, or bad.

    Bad is a number that is not finite, or anything that is not a number.
    """
    size = magnitude(number)
    if size is None:
        return "bad"
    if size == 0.0:
        return "zero"
    below = math.log10(largest) - math.log10(size) if largest > 0.0 else 0.0
    return f"{'-' if number < 0 else '+'}{4 - bisect_right(STEPS, below)}"


def magnitude(number: Any) -> float | None:
    """The magnitude of a finite number, None for anything else."""
    try:
        size = abs(float(number))
    except (TypeError, ValueError, OverflowError):
        return None
    return size if size < math.inf else None


def colour(name: str, theme: Theme) -> str:
    """A colour of the palette for a theme; for "auto" the light one, which a style sheet exchanges."""
    return PALETTE[name][theme == "dark"]


def style_sheet(root: str, theme: Theme) -> str:
    """The CSS that darkens the drawing whose element has the id `root`, empty unless the theme is "auto"."""
    if theme != "auto":
        return ""
    rules = [
        f'#{root} [{paint}="{light}"]{{{paint}:light-dark({light},{dark})}}'
        for light, dark in PALETTE.values()
        for paint in ("fill", "stroke")
    ]
    return scheme(f"#{root}", theme) + "".join(rules)


def scheme(selector: str, theme: Theme) -> str:
    """The CSS by which elements are light or dark: as the theme says, or as the page around them, or as its reader.

    What is said of a page is `data-theme`, as most generators of documentation have it, or JupyterLab's own attribute.

    >>> scheme("#p", "dark")
    '#p{color-scheme:dark}'
    """
    if theme != "auto":
        return f"{selector}{{color-scheme:{theme}}}"
    pages = {"light": ('[data-theme="light"]', '[data-jp-theme-light="true"]')}
    pages["dark"] = ('[data-theme="dark"]', '[data-jp-theme-light="false"]')
    of_page = [f":is({','.join(page)}) {selector}{{color-scheme:{kind}}}" for kind, page in pages.items()]
    return "".join([f"{selector}{{color-scheme:light dark}}", *of_page])


def variables(names: Iterable[str], theme: Theme) -> str:
    """Declarations of CSS for colours of the palette, which follow `scheme` where the theme is "auto".

    >>> variables(["paper"], "light"), variables(["ink"], "auto")
    ('--paper: #ffffff;', '--ink: light-dark(#27272a, #f4f4f5);')
    """
    pairs = {name: PALETTE[name] for name in names}
    auto = {name: f"light-dark({light}, {dark})" for name, (light, dark) in pairs.items()}
    paints = auto if theme == "auto" else {name: pair[theme == "dark"] for name, pair in pairs.items()}
    return " ".join([f"--{name.replace(' ', '-')}: {paint};" for name, paint in paints.items()])


def luminance(colour: str) -> float:
    """The relative luminance of a colour like "#dbeafe", as WCAG 2 defines it: 0 is black, 1 is white."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21, as WCAG 2 defines it; text needs 4.5."""
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)
