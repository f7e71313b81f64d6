"""Training: what a model goes through from its first numbers to a file."""
