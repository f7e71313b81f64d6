"""Draw: a computation graph, or a model, as a picture, a page or a tree of text."""
