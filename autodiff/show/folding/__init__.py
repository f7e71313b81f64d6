"""Folding: which nodes of a graph too large to read are drawn one by one, and which become one box.

    fold       the decision: modules first, then patterns, then leaves
    wiring     a graph as lists of numbers, quick and flat, which the others read
    patterns   repeated structure: which nodes are alike, and which of them belong together
    groups     the nodes that were folded into one box, and its title
    insides    what is in such a box, as a graph of its own, for who opens it

Nothing here knows how a box is drawn.
"""
