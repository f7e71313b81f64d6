"""Benchmarks: `python -m tests.benchmarks eager|transforms|compiled` prints ratios, measured side by side."""
