"""Nests: a program as loops over slots.

`schema` says what they are, `meaning` what they do, `listing` how they read. `reroll` makes them of a program: `totals`
over rows, `slots`, `loops` of `instructions` in step, and the `table` that holds them, with `sums` in runs.
"""
