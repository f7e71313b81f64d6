"""Figures of matplotlib as drawings: light or dark as the page is, to be zoomed, saved, and seen by everyone."""

from autodiff.show.figures.figure import Figure, follow_theme, svg_of, themed

__all__ = ["Figure", "follow_theme", "svg_of", "themed"]
