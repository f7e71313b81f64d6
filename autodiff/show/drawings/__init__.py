"""Drawings: a computation graph, or a model, as a picture, a page or a tree of text.

    draw       `draw(y)` and the Graph that it returns
    model      pictures of models: layers, units, weights
    drawing    the base of every drawing: it shows, prints and saves itself

A graph is read once into plain data, which the others lower:

    parts      boxes, marks, edges and frames, and their ids, before anything is said of looks
    reader     from a graph, folded where it is too large, to its parts
    titles     each part in words
    dot        from parts to the language of Graphviz
    render     from there to SVG, PNG and PDF, with what is installed
    svg        to an element that fits where it is shown
    pages      to HTML, in a notebook or in a page of its own
    tree       from parts to text, without Graphviz
"""

from autodiff.show.drawings.draw import Graph, draw

__all__ = ["Graph", "draw"]
