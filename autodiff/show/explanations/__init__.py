"""Explain: the chain rule at work, in words and numbers: paths, steps, what-ifs."""
