"""Saving: a model, its optimiser and its history in one file.

    save      `save` and `load`
    records   models as records that JSON can hold, and back
    files     a record as the content of a file, and back

Nothing in a file is ever run.
"""
