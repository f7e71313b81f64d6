"""Trace: a function called once on placeholders, and what it does written down."""
