"""Nests: a program as loops over slots."""
