"""From the SVG of Graphviz to the one shown: with ids of its own, words for readers, dark colours, a size that fits.

Every id in the element begins with a prefix, and so every rule of its style sheet does: two drawings on one page leave
each other alone. There are no scripts, and a label is text, whatever is in it.

The picture shrinks to the column that it stands in, until its text would be too small to read; then it scrolls, in
whatever lets it.
"""

import re
from collections.abc import Mapping
from secrets import token_hex
from typing import NamedTuple
from xml.etree import ElementTree

from autodiff.show.words.text import printable
from autodiff.show.words.theme import Theme, style_sheet

NAMESPACE = "http://www.w3.org/2000/svg"
SMALLEST = 0.6  # of its size: text of 11 points is then 9 pixels high

_GROUP, _TITLE, _DESC, _STYLE = [f"{{{NAMESPACE}}}{tag}" for tag in ("g", "title", "desc", "style")]
_LINK = "{http://www.w3.org/1999/xlink}href"
ElementTree.register_namespace("", NAMESPACE)
ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")


def new_prefix() -> str:
    """A beginning of ids that no other drawing has."""
    return f"ad{token_hex(5)}"


class AltText(NamedTuple):
    """A picture in words: its title and description, and a title for each of its groups, by the group's id."""

    title: str
    description: str
    groups: Mapping[str, str]


def finished(drawn: str, prefix: str, alt: AltText, theme: Theme) -> str:
    """An <svg> element as it is shown.

    Args:
        drawn: the element as Graphviz, or anything else, made it.
        prefix: the id of the element, with which all other ids begin.
        alt: the picture in words.
        theme: "auto" adds the style sheet for dark.
    """
    root = ElementTree.fromstring(drawn)
    for group in list(root.iter(_GROUP)):
        _name(group, alt.groups)
    for element in root.iter():
        own_ids(element, prefix)
    root.set("id", prefix)
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}-title {prefix}-desc")
    _fit(root)
    words = [_element(_TITLE, alt.title, id=f"{prefix}-title"), _element(_DESC, alt.description, id=f"{prefix}-desc")]
    sheet = style_sheet(prefix, theme)
    root[:0] = [*words, *([_element(_STYLE, sheet)] if sheet else [])]
    return ElementTree.tostring(root, encoding="unicode")


def _element(tag: str, text: str, **attributes: str) -> ElementTree.Element:
    element = ElementTree.Element(tag, attributes)
    element.text = printable(text)
    return element


def _name(group: ElementTree.Element, titles: Mapping[str, str]) -> None:
    """Give a group its title, if it has one; the names that Graphviz gives do not help."""
    title, name = group.find(_TITLE), group.get("id", "")
    if title is not None and name in titles:
        title.text = printable(titles[name])
        group.set("class", f"{group.get('class', '')} {name}".strip())
    elif title is not None and group.get("class") == "graph":
        group.remove(title)


def own_ids(element: ElementTree.Element, prefix: str) -> None:
    """Begin the id of an element, and the ids that it refers to, with the prefix."""
    if (own := element.get("id")) is not None:
        element.set("id", f"{prefix}-{own}")
    for attribute, text in element.attrib.items():
        if "url(#" in text:
            element.set(attribute, text.replace("url(#", f"url(#{prefix}-"))
        elif attribute in ("href", _LINK) and text.startswith("#"):
            element.set(attribute, f"#{prefix}-{text[1:]}")


def _fit(root: ElementTree.Element) -> None:
    """Let the picture shrink with its column, but not so far that it cannot be read."""
    size = re.fullmatch(r"([0-9.]+)(pt|px)?", root.get("width", ""))
    if size is not None:
        pixels = float(size[1]) * (4 / 3 if size[2] == "pt" else 1.0)
        root.set("style", f"max-width:100%;min-width:{pixels * SMALLEST:.0f}px;height:auto")
