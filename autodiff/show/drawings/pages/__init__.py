"""Pages: a picture as HTML, which fits where it is shown, and can be looked into where scripts run.

viewer     to an element for a notebook or a page
page       from an element to a page of its own
"""

from autodiff.show.drawings.pages.page import page
from autodiff.show.drawings.pages.viewer import still
from autodiff.show.drawings.svg import AltText

__all__ = ["AltText", "page", "still"]
