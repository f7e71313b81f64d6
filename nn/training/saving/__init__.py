"""Saving: a model, its optimiser and its history in one file."""
