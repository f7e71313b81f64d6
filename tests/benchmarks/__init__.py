"""Benchmarks: `python -m tests.benchmarks eager` prints ratios against other libraries, measured side by side."""
