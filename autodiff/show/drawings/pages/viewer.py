"""From a picture to HTML that lets a reader look into it: whole at first, to be zoomed and moved by pointer or keys.

A notebook's HTML is cleaned wherever it is not trusted: of scripts, of style sheets, of the tags of a picture,
whose words would stay behind. So what stands in a notebook is a still image, which everyone shows; a script puts the
picture itself in its place, with the titles of its parts.

Every rule of the style sheet begins with the id of the element, which is that of the picture and "-view".
"""

from base64 import b64encode
from html import escape
from string import Template

from autodiff.show.drawings.pages.element import PAGES, files_of, styled
from autodiff.show.drawings.pages.opening import packed
from autodiff.show.drawings.svg import AltText
from autodiff.show.words.text import printable
from autodiff.show.words.theme import Theme

_VIEWER = Template("""\
<div id="$root" data-drawing="$root" data-lm-suppress-shortcuts="true">
<style>
$style
</style>
<figure role="group" aria-label="$title" tabindex="0" style="margin: 0">
$picture
</figure>
$insides<script>{
$script
}</script>
</div>""")


def viewer(picture: str, prefix: str, alt: AltText, theme: Theme, insides: str = "", *, whole: bool = False) -> str:
    """The element that shows an <svg> element.

    Args:
        picture: the <svg> element.
        prefix: its id.
        alt: the picture in words.
        theme: the theme of the picture.
        insides: what is in its folded boxes, as an <svg> element.
        whole: whether the picture itself stands in the element, in a page that nobody cleans, or its still image.
    """
    root = f"{prefix}-view"
    script = files_of(PAGES, "inline.js", "zoom.js", *["folds.js"] * bool(insides), "viewer.js")
    return _VIEWER.substitute(
        root=root,
        title=escape(printable(alt.title)),
        style=styled(files_of(PAGES, "viewer.css", "zoom.css"), root, theme),
        picture=picture if whole else still(picture, alt),
        insides=f'<script type="text/plain">{packed(insides)}</script>\n' if insides else "",
        script=script.replace("ROOT", root).strip(),
    )


def still(picture: str, alt: AltText) -> str:
    """An <svg> element as an <img> element that needs nothing else, and has its words.

    >>> still("<svg/>", AltText("A & B", "Two letters.", {}))
    '<img src="data:image/svg+xml;base64,PHN2Zy8+" alt="A &amp; B. Two letters." style="max-width: 100%; height: auto">'
    """
    source = f"data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}"
    words = escape(printable(f"{alt.title}. {alt.description}"))
    return f'<img src="{source}" alt="{words}" style="max-width: 100%; height: auto">'
