"""Pages: a picture as HTML, which fits where it is shown, and can be looked into where scripts run.

From a drawing, in this order:

    opening    to one with the insides of its folded boxes, for a script to open
    viewer     to an element for a notebook or a page
    page       from an element to a page of its own

The scripts and style sheets stand beside: still images give way to pictures (inline), which zoom and whose folds open.
"""

from autodiff.show.drawings.pages.page import page
from autodiff.show.drawings.pages.viewer import still
from autodiff.show.drawings.svg import AltText

__all__ = ["AltText", "page", "still"]
