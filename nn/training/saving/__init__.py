"""Saving: a model, its optimiser and its history in one file.

`save` and `load` stand in `save`; `records` turns a model into what JSON holds, and back; `files` writes and reads it.
"""
