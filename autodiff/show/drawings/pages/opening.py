"""What is in the folded boxes of a picture, for a script to open these: pictures, laid out in advance, that lie hidden.

Each inside stands in the graph around it as a group of the class `opened`: a bar that closes it, a frame with a title,
and then the graph. Ids in it begin with the id of its box. Edges say which elements they join, so that they can follow
these when they make room. A notebook holds all of them packed, in a tenth of their length.
"""

import zlib
from base64 import b64encode
from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

from autodiff.show.drawings import dot, render
from autodiff.show.drawings.parts import Box, Parts
from autodiff.show.drawings.svg import NAMESPACE, name, own_ids
from autodiff.show.drawings.titles import titles
from autodiff.show.words.text import clipped, printable
from autodiff.show.words.theme import colour

_SVG, _GROUP, _TEXT, _RECT, _POLYGON = [f"{{{NAMESPACE}}}{tag}" for tag in ("svg", "g", "text", "rect", "polygon")]


def joined(drawn: str, parts: Parts) -> Element:
    """The <svg> element of a drawing whose edges say what they join."""
    root = fromstring(drawn)
    _join(_graph(root), parts)
    return root


def insides(parts: Parts, looks: dot.Looks, prefix: str) -> str:
    """The insides of a drawing whose ids have the prefix, as an <svg> element; empty if no box of it can be opened."""
    if not parts.insides:
        return ""
    root = Element(_SVG)
    name(root, prefix, dict(_put_insides(root, parts, looks)))
    return tostring(root, encoding="unicode")


def packed(text: str) -> str:
    """A text shortened, as letters and digits: zlib's, in base 64."""
    return b64encode(zlib.compress(text.encode(), 9)).decode()


def _graph(root: Element) -> Element:
    graph = root.find(_GROUP)
    assert graph is not None, "Graphviz puts a graph into a group"
    return graph


def _put_insides(graph: Element, parts: Parts, looks: dot.Looks) -> Iterator[tuple[str, str]]:
    """Put the insides into a graph; yield the ids in them, and titles for these."""
    boxes = {box.id: box for box in parts.boxes}
    for fold, within in parts.insides.items():
        group, inner = _inside(boxes[fold], within, looks)
        _join(inner, within)
        named = {str(part): words for part, words in titles(within).items()}
        for part, words in (named | dict(_put_insides(inner, within, looks))).items():
            yield f"{fold}-{part}", words
        for element in inner.iter():
            own_ids(element, str(fold))
        graph.append(group)


def _join(graph: Element, parts: Parts) -> None:
    ends = {str(edge.id): (edge.operand, edge.mark) for edge in parts.edges}
    ends |= {str(mark.result.sibling("result")): (mark.id, mark.result) for mark in parts.marks}
    for group in graph.iter(_GROUP):
        if (edge := group.get("id", "")) in ends:
            tail, head = ends[edge]
            group.set("data-tail", str(tail))
            group.set("data-head", str(head))


def _inside(box: Box, within: Parts, looks: dot.Looks) -> tuple[Element, Element]:
    """The group for an opened box, and the graph in it."""
    inner = _graph(fromstring(render.svg(dot.digraph(within, looks).source)))
    paper = inner.find(_POLYGON)
    if paper is not None:  # the script reads the size of the graph there
        paper.set("fill", "none")
    theme = looks.theme
    group = Element(_GROUP, {"id": f"{box.id}-opened", "class": "opened", "data-of": str(box.id), "display": "none"})
    bar = SubElement(group, _GROUP, {"class": "bar"})
    SubElement(bar, _RECT, {"rx": "6", "fill": colour("frame", theme), "stroke": colour("fold line", theme)})
    title = {"fill": colour("ink", theme), "text-anchor": "start", "font-size": "10.00"}
    SubElement(bar, _TEXT, title).text = printable(clipped(", ".join(box.label.split("\n")[:2])))
    group.append(inner)
    return group, inner
