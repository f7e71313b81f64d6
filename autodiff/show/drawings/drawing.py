"""Every drawing shows itself in a notebook, prints itself, and saves itself in the format that a name ends in."""

import os
import webbrowser
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from xml.etree.ElementTree import Element

from autodiff.show.drawings import render, svg
from autodiff.show.drawings.pages.page import checked, page
from autodiff.show.drawings.pages.viewer import viewer
from autodiff.show.drawings.svg import AltText
from autodiff.show.words.theme import Theme
from autodiff.system.files import write_whole

PNG_IN_FILES, PNG_IN_NOTEBOOKS = 192, 96  # dots per inch

LINES_AT_PROMPT = 40


class Drawing(ABC):
    """A picture with words. Jupyter shows it, to be zoomed and moved, or as text where nothing can draw."""

    _theme: Theme

    def svg(self, prefix: str | None = None) -> str:
        """The picture as an <svg> element.

        Args:
            prefix: the id of the element, with which all ids in it begin; by default one that no other drawing has.

        Raises RuntimeError if nothing that is installed can make the picture.
        """
        return svg.finished(self._drawn(), prefix or svg.new_prefix(), self._alt(), self._theme)

    @abstractmethod
    def text(self) -> str:
        """The picture in words and numbers, for a terminal."""

    def show(self) -> Path:
        """Open the drawing in the browser, in a page of its own, and return the path of the page.

        Raises RuntimeError if nothing that is installed can make the picture, or if there is no browser to open.
        """
        path = self.save(Path(mkdtemp(prefix="autodiff-")) / "drawing.html")
        if not webbrowser.open(path.as_uri()):
            raise RuntimeError(f"found no browser to open; the drawing is in {str(path)!r}")
        return path

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing to a file, by the ending of its name, and return the path.

        `.svg`, `.png` and `.pdf` are pictures, `.html` is a page that holds the picture, `.dot` is Graphviz's language.
        PNG and PDF are light unless the theme is dark. The file is written beside the old one, which it replaces in one
        step, when all of it is on the disk: whatever fails leaves the old one as it was.

        Raises ValueError for another ending, FileNotFoundError if there is no such directory, OSError if the disk is
        full or the directory takes no files, RuntimeError if nothing that is installed can make the picture.
        """
        written = self._formats()
        path = checked(path, written)
        write_whole(path, written[path.suffix.lower()]())
        return path

    def __repr__(self) -> str:
        """The picture in words, for the plain prompt, and how to see it; of a large one the beginning."""
        lines = self.text().splitlines()
        left_out = [f"... {len(lines) - LINES_AT_PROMPT:,} more lines: print(drawing.text()) shows all of them."]
        shown = lines if len(lines) <= LINES_AT_PROMPT + 1 else lines[:LINES_AT_PROMPT] + left_out
        return "\n".join([*shown, f"{self._summary()}: show() opens it in a browser."])

    def _summary(self) -> str:
        """What it is a drawing of, in a few words."""
        return self._alt().title

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For Jupyter: the picture for each kind of viewer, and the text; or the text and why there is no picture.

        HTML is for browsers, where the notebook is trusted and where it is not; PNG is for print, for instance.
        """
        try:
            drawn = self._drawn()
            picture = svg.finished(drawn, svg.new_prefix(), self._alt(), self._theme)
            bundle = {"text/html": self._html(drawn), "image/svg+xml": picture}
        except render.RenderError as error:
            return {"text/plain": f"{self.text()}\n\n{error}"}
        with suppress(render.RenderError):  # a picture is there all the same
            bundle["image/png"] = b64encode(render.smaller(render.rasterised(drawn, PNG_IN_NOTEBOOKS))).decode()
        return bundle | {"text/plain": self.text()}

    @abstractmethod
    def _drawn(self) -> str:
        """The <svg> element before its ids, words and dark colours."""

    @abstractmethod
    def _alt(self) -> AltText:
        """The picture in words."""

    def _png(self, dpi: int) -> bytes:
        """The picture as PNG, with so many pixels to the inch."""
        return render.rasterised(self._drawn(), dpi)

    def _html(self, drawn: str, *, whole: bool = False) -> str:
        """The picture in an element of HTML."""
        prefix, alt = svg.new_prefix(), self._alt()
        picture = svg.finished(self._joined(drawn), prefix, alt, self._theme)
        return viewer(picture, prefix, alt, self._theme, self._insides(prefix), whole=whole)

    def _joined(self, drawn: str) -> str | Element:
        """The <svg> element, whose edges say what they join if something can be opened."""
        return drawn

    def _insides(self, prefix: str) -> str:
        """What can be opened, as an <svg> element; empty if there is nothing."""
        return ""

    def _formats(self) -> dict[str, Callable[[], bytes]]:
        """The contents of a file, by the ending of its name."""
        return {
            ".svg": lambda: self.svg().encode(),
            ".png": lambda: self._png(PNG_IN_FILES),
            ".pdf": lambda: render.typeset(self._drawn()),
            ".html": lambda: page(self._html(self._drawn(), whole=True), self._alt().title, self._theme).encode(),
        }
