"""Fold: which nodes of a large graph are drawn, and which become one box."""
