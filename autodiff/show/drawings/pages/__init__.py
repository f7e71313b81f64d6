"""Pages: a picture as HTML, which fits where it is shown, and can be looked into where scripts run.

From a drawing, in this order:

    element    what an element has: its name, style, script and data
    opening    to one with the insides of its folded boxes, for a script to open
    viewer     to an element for a notebook or a page
    page       from an element to a page of its own

The scripts and style sheets stand beside: still images give way to pictures (inline), which zoom and whose folds open.
"""

from autodiff.show.drawings.pages.element import PAGES, files_of, json_of, root_of, styled
from autodiff.show.drawings.pages.page import page, saved
from autodiff.show.drawings.pages.viewer import still
from autodiff.show.drawings.svg import AltText

__all__ = ["PAGES", "AltText", "files_of", "json_of", "page", "root_of", "saved", "still", "styled"]
