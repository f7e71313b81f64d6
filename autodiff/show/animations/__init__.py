"""Animate: a pass over a graph, step by step in its drawing."""
