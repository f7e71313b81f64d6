"""Calls: arguments in, results out, and what is kept between calls."""
