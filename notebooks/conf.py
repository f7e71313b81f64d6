"""How the pages are built: `python -m sphinx -W -q notebooks build/pages` makes them, without a network.

The sources are the pages in Markdown and the notebooks here, which are shown with the outputs that are stored in them,
and the docstrings. `python -m pip install -e ".[docs]"` installs what this needs. What is built loads nothing from
elsewhere: formulas become MathML, and the theme brings its own style and script.
"""

import ast
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

project = html_title = "autodiff"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["build"]

nb_execution_mode = "off"  # the outputs are stored: tests/notebooks.py runs the notebooks
nb_ipywidgets_js: dict[str, Any] = {}
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath", "html_image"]
myst_heading_anchors = 3

default_role = "code"  # in docstrings names stand in `single` backticks
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature has them
autodoc_default_options = {"members": True}
add_module_names = False
smartquotes = False  # "native" is code
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_math_renderer = "mathml"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_copy_source = html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_align": "left",
    "navigation_with_keys": True,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "questions": [], "benchmarks": [], "contributing": []}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

GALLERY = """
```{toctree}
:hidden:
:glob:

[0-9]*
```
"""


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_directive("live", Live)
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.connect("autodoc-process-docstring", _escape, priority=900)  # after napoleon
    app.connect("source-read", _mended)


class Live(SphinxDirective):
    """Code, and below it what its last line shows in a notebook: a drawing with sliders, a film, a table."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        code = "\n".join(self.content)
        *before, last = ast.parse(code).body
        assert isinstance(last, ast.Expr), f"the last line of {code!r} is to be shown"
        names: dict[str, Any] = {}
        exec(compile(ast.Module(before, []), self.env.docname, "exec"), names)
        shown = eval(compile(ast.Expression(last.value), self.env.docname, "eval"), names)
        html = shown._repr_mimebundle_()["text/html"] if hasattr(shown, "_repr_mimebundle_") else shown._repr_html_()
        picture = nodes.container("", nodes.raw("", html, format="html"), classes=["live"])
        return [nodes.literal_block(code, code, language="python"), picture]


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math" tabindex="0">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def _escape(app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text, `names`, examples and indented tables: only the blank line and `- ` mean something."""
    blocks = [block.split("\n") for block in "\n".join(lines).split("\n\n")]
    lines.clear()
    for block in blocks:
        first = next(iter(block))
        if what == "module" and first.startswith("    ") and not first.lstrip().startswith((">>>", "- ")):
            lines += ["::", "", *block, ""]
        elif first.lstrip().startswith(">>>"):
            lines += [*block, ""]
        else:
            lines += [*map(_escaped, block), ""]


def _escaped(line: str) -> str:
    """The line with `|`, `*` and a last `_` as themselves, outside of names."""
    field = re.match(r" *(:[^:]+:|\.\. )", line)  # napoleon's
    if field:
        return field[0] + _escaped(line[field.end() :])
    parts = re.split(r"(`[^`]*`)", line)
    parts[::2] = [re.sub(r"(?<![*\\])([|*]|(?<=\w)_(?!\w))(?!\*)", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def _mended(app: Sphinx, name: str, source: list[str]) -> None:
    """Examples without the blank line that doctest ends them by; the notebooks of the gallery below its index."""
    if Path(app.env.doc2path(name)).suffix == ".md":
        source[0] = re.sub(r"\n\n```$", "\n```", source[0], flags=re.MULTILINE)
    if name == "gallery/README":
        source[0] += GALLERY
