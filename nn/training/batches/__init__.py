"""Batches: the rows of a data set, and the totals of loss, metrics and gradient over some of them.

    data               the rows, from lists, arrays or frames
    task               the loss and the metrics of a row
    dry_run            a trial of some rows, and the reason why they cannot be compiled
    eager              the totals of a batch, row by row
    compiled           the totals of a batch by a program, traced on a copy of the model
    compiled_or_eager  the choice between the two, and the check that both agree
    totals             sums over the rows of a batch
    shards             a batch in parts, for workers
    evaluation         the figures of held-out rows
    divergence         the row and the operation to blame for a number that is not finite
    substitution       copies of a model with other numbers as its parameters
    randomness         the generators of a model, and those that take their place in a copy

Compiled or eager, the totals are the same, but for rounding.
"""
