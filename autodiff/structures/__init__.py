"""Structures of numbers and containers of anything, taken apart and put together again."""
