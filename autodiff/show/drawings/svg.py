"""From the SVG of Graphviz to the one shown: with ids of its own, words for readers, dark colours, a size that fits.

Every id in the element begins with a prefix, and so every rule of its style sheet does: two drawings on one page leave
each other alone. There are no scripts, and a label is text, whatever is in it.

The picture shrinks to the column that it stands in.
"""

from collections import Counter
from collections.abc import Mapping
from secrets import token_hex
from typing import NamedTuple
from xml.etree import ElementTree

from autodiff.show.words.text import printable
from autodiff.show.words.theme import Theme, style_sheet

NAMESPACE = "http://www.w3.org/2000/svg"

REFERENCES = ("data-tail", "data-head", "data-of")  # attributes that are ids of other elements

_GROUP, _TITLE, _DESC, _STYLE, _TEXT = [f"{{{NAMESPACE}}}{tag}" for tag in ("g", "title", "desc", "style", "text")]
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
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


def finished(drawn: str | ElementTree.Element, prefix: str, alt: AltText, theme: Theme) -> str:
    """An <svg> element as it is shown.

    Args:
        drawn: the element as Graphviz, or anything else, made it.
        prefix: the id of the element, with which all other ids begin.
        alt: the picture in words.
        theme: "auto" adds the style sheet for dark.
    """
    root = ElementTree.fromstring(drawn) if isinstance(drawn, str) else drawn
    name(root, prefix, alt.groups)
    root.set("id", prefix)
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}-title {prefix}-desc")
    root.set("style", "max-width:100%;height:auto")
    _say_once(root)
    words = [_element(_TITLE, alt.title, id=f"{prefix}-title"), _element(_DESC, alt.description, id=f"{prefix}-desc")]
    sheet = style_sheet(prefix, theme)
    root[:0] = [*words, *([_element(_STYLE, sheet)] if sheet else [])]
    return ElementTree.tostring(root, encoding="unicode")


def name(root: ElementTree.Element, prefix: str, titles: Mapping[str, str]) -> None:
    """Give the groups in an element their titles, and its ids the prefix."""
    for group in list(root.iter(_GROUP)):
        _name(group, titles)
    for element in root.iter():
        own_ids(element, prefix)


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
    for name in ("id", *REFERENCES):
        if (own := element.get(name)) is not None:
            element.set(name, f"{prefix}-{own}")
    for attribute, text in element.attrib.items():
        if "url(#" in text:
            element.set(attribute, text.replace("url(#", f"url(#{prefix}-"))
        elif attribute in ("href", _LINK) and text.startswith("#"):
            element.set(attribute, f"#{prefix}-{text[1:]}")


def _say_once(root: ElementTree.Element) -> None:
    """Say for all texts what most of them would say for themselves, which makes the picture a quarter shorter."""
    texts = list(root.iter(_TEXT))
    for attribute in ("font-family", "font-size", "text-anchor"):
        said = Counter([text.attrib[attribute] for text in texts if attribute in text.attrib])
        if len(texts) > 1 and said.total() == len(texts):
            root.set(attribute, usual := said.most_common(1)[0][0])
            for text in texts:
                if text.attrib[attribute] == usual:
                    del text.attrib[attribute]
    for text in texts:
        written = "".join(text.itertext())
        if _SPACE in text.attrib and " ".join(written.split()) == written.strip(" "):
            del text.attrib[_SPACE]  # no runs of spaces: the attribute changes nothing
