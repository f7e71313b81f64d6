"""Folding: what of a graph too large to read is drawn node by node, and what becomes one box.

fold      the decision: modules first, then repeated structure, then leaves
wiring    a graph as lists of numbers, quick and flat, which folding reads
repeats   which nodes are alike, and which of them belong together
groups    what was folded into one box, and its title
"""
