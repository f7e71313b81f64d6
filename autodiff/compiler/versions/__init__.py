"""Versions: the programs of one function, which of them a call runs, and what making them took."""
