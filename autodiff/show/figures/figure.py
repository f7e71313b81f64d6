"""A figure of matplotlib as a drawing: as SVG whose black, white and greys follow the page, light or dark.

Matplotlib writes colours into styles and shares shapes between the places where they stand; here they become attributes
of each element, which the style sheet of a drawing exchanges. Colours of curves stay, they are for light and dark.
"""

import io
import re
from typing import Any
from xml.etree.ElementTree import Element, fromstring, tostring

from autodiff.show.drawings.drawing import Drawing
from autodiff.show.drawings.svg import NAMESPACE, AltText
from autodiff.show.words.choices import check_theme
from autodiff.show.words.theme import FONTS, PALETTE, Theme

_SVG, _LINK = f"{{{NAMESPACE}}}", "{http://www.w3.org/1999/xlink}href"
_DROPPED = [f"{_SVG}metadata", f"{_SVG}style"]  # which have addresses, and rules for the whole page
_MOST_HTML = 200_000  # characters of a figure in a notebook; thousands of points or shaded triangles take more
_OF_PALETTE = {"#000000": "ink", "#ffffff": "paper"}


def themed(figure: Any, theme: Theme = "auto") -> "Figure":
    """A matplotlib figure as a drawing, whose paper and ink follow the theme of the page that it stands on.

    It shows itself in a notebook, zooms, and saves itself as SVG, PNG, PDF or HTML, as every drawing does. It has black
    ink on white paper, matplotlib's own style, to begin with.

    Args:
        figure: a `matplotlib.figure.Figure`, or axes in one.
        theme: "light", "dark", or "auto", which follows the page, or the reader's preference.

    Raises TypeError for anything else, ValueError for another theme.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> _ = ax.plot([1, 2, 3], [1, 4, 9], label="x²"), ax.set(title="Squares", xlabel="x")
    >>> themed(ax)
    Squares: a line; x: x
    Figure: Squares: show() opens it in a browser.
    """
    check_theme(theme)
    figure = getattr(figure, "figure", figure)
    if not callable(getattr(figure, "savefig", None)):
        raise TypeError(f"themed takes a figure of matplotlib, or axes, got {type(figure).__name__}")
    return Figure(figure, theme)


def follow_theme() -> None:
    """Let IPython show every matplotlib figure of this notebook as `themed` does, but for very large ones.

    Raises RuntimeError outside of IPython.
    """
    try:
        from IPython.core.getipython import get_ipython  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        shell = None
    else:
        shell = get_ipython()
    if shell is None:
        raise RuntimeError(
            "follow_theme is for notebooks, and this is not IPython; themed(figure).save(...) works here"
        )
    from matplotlib import pyplot

    pyplot.switch_backend(pyplot.get_backend())  # now: a backend of notebooks forgets all formatters when it is loaded
    formatter: Any = shell.display_formatter
    html = formatter.formatters["text/html"]

    def follow(*_: object) -> None:
        html.for_type_by_name("matplotlib.figure", "Figure", _as_html)

    follow()
    shell.events.register(
        "pre_run_cell", follow
    )  # matplotlib's backend forgets it, at the end of the cell that loads it


def _as_html(figure: Any) -> str | None:
    html = themed(figure).html()
    return html if len(html) <= _MOST_HTML else None  # IPython then shows the PNG: a notebook is no place for megabytes


class Figure(Drawing):
    """A figure of matplotlib as it was when it was given; `themed` makes it."""

    def __init__(self, figure: Any, theme: Theme) -> None:
        self._theme = theme
        self._element = tostring(svg_of(figure, theme), encoding="unicode")
        self._described = [line for ax in figure.axes if (line := _line(ax))]
        titles = [ax.get_title() for ax in figure.axes]
        named = [figure.get_suptitle()] if figure.get_suptitle() else [title for title in titles if title]
        self._title = f"Figure: {', '.join(named)}" if named else "Figure"

    def html(self) -> str:
        """The figure as an element of HTML."""
        return self._html(self._drawn())

    def text(self) -> str:
        """What is drawn in which axes, a line each."""
        return "\n".join(self._described)

    def _drawn(self) -> str:
        return self._element

    def _alt(self) -> AltText:
        return AltText(self._title, " ".join([f"{line}." for line in self._described]), {})


def _line(ax: Any) -> str:
    """Axes in words: what is in them, and what their sides say."""
    kinds = [(len(ax.lines), "line"), (len(ax.collections), "collection"), (len(ax.patches), "patch")]
    kinds += [(len(ax.images), "image")]
    several = {"patch": "patches"}
    things = [
        ("an" if kind == "image" else "a") + f" {kind}" if n == 1 else f"{n} {several.get(kind, f'{kind}s')}"
        for n, kind in kinds
        if n
    ]
    sides = [f"{name}: {label}" for name, label in (("x", ax.get_xlabel()), ("y", ax.get_ylabel())) if label]
    legend = ax.get_legend()
    names = f" ({', '.join([text.get_text() for text in legend.get_texts()])})" if legend else ""
    said = ", ".join(things) + names
    return "; ".join(filter(None, [f"{ax.get_title()}: {said}" if ax.get_title() else said, *sides]))


def svg_of(figure: Any, theme: Theme) -> Element:
    """The <svg> element of a matplotlib figure, its colours as attributes."""
    from matplotlib import rc_context

    file = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "figure"}):
        figure.savefig(file, format="svg")
    root = fromstring(file.getvalue())
    defined = {element.get("id"): element for element in root.iter(f"{_SVG}path")}
    for element in list(root.iter()):
        for child in [child for child in element if child.tag in _DROPPED or _is_written_out(child)]:
            element.remove(child)
        if element.tag == f"{_SVG}use" and element.get(_LINK, "#")[1:] in defined:
            _write_out(element, defined[element.attrib.pop(_LINK)[1:]])
    for group in root:  # what has no colour is black
        group.set("fill", "#000000")
    for element in root.iter():
        _style_by_attributes(element, theme)
        if "d" in element.attrib:
            element.set("d", re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", element.attrib["d"]))
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}  # the style sheet would be the whole page's
    return root


def _is_written_out(element: Element) -> bool:
    """Whether an element holds paths for others to refer to, and no clip path."""
    return element.tag == f"{_SVG}defs" and all(child.tag == f"{_SVG}path" for child in element)


def _write_out(use: Element, path: Element) -> None:
    """Make a path of an element that refers to one: what is referred to would keep its light colours."""
    place = f"translate({use.attrib.pop('x', '0')} {use.attrib.pop('y', '0')})"
    style = "; ".join(filter(None, [path.get("style"), use.get("style")]))
    use.tag = path.tag
    use.attrib |= {"d": path.attrib["d"], "transform": place, "style": style}


def _style_by_attributes(element: Element, theme: Theme) -> None:
    """Move the colours of an element from its style to attributes, those of paper and ink as the theme has them."""
    rules = [rule.split(":", 1) for rule in element.get("style", "").split(";") if ":" in rule]
    style = {name.strip(): value.strip() for name, value in rules}
    for name in ("fill", "stroke"):
        if name in style:
            element.set(name, style.pop(name))
        if (own := _OF_PALETTE.get(element.get(name, ""))) is not None:
            element.set(name, PALETTE[own][theme == "dark"])
    if element.tag in (f"{_SVG}text", f"{_SVG}tspan"):
        size = re.search(r"[\d.]+px", style.pop("font", "") or style.pop("font-size", ""))
        style |= {"font-family": FONTS} | ({"font-size": size[0]} if size else {})
    element.attrib.pop("style", None)
    if style:
        element.set("style", "; ".join([f"{name}: {value}" for name, value in style.items()]))
