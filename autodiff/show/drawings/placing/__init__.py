"""Placing: where each part of a drawing stands, and how its lines run.

    sizes      how large a box, an operation and a label are
    columns    the column of each box and operation, module by module, and the order within it
    routes     the stations of each line on its way through the columns
    rows       the height of everything in its column, frame by frame
    place      all of it in points of a page

A formula is read in one direction, from operands to results, and so are drawings: a column holds what is equally far
on, a module takes columns of its own, and within a column the order is that of the formula. Graphviz, which draws the
result, cannot be asked to lay it out: it places modules that follow one another diagonally below, turns the operands
of an operation over within a frame, and leads lines around the frames that they end in.
"""
