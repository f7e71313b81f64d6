"""Transforms: derivatives of functions, as functions."""
