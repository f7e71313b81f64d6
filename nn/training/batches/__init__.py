"""Batches: the rows of a data set, and the sums of loss, metrics and gradient over some of them.

- `data`: the rows, from lists, arrays or frames.
- `task`: the loss and the metrics of a row; `dry_run` tries them once; `divergence` names what is not finite.
- `eager`, `compiled`: two ways to take the sums of a batch; `steps` chooses; `shards` splits a batch among workers.
- `substitution`, `randomness`: copies of a model with other numbers as its parameters, and other generators.
- `evaluation`: the figures of held-out rows.
"""
